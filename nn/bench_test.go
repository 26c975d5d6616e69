package nn

import (
	"math/rand/v2"
	"testing"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// BenchmarkTrainStep is a step of AdamW at the size for which the README gives figures: 12 blocks,
// width 256, 8 heads, context 256, batch 8, vocabulary 256. GFLOP/s count 6 for each parameter but
// positions and 12·N·C·T, per token.
func BenchmarkTrainStep(b *testing.B) {
	cfg := Config{Vocab: 256, Context: 256, Width: 256, Heads: 8, Blocks: 12, StepSize: 1, Method: "euler"}
	for _, cfg.Method = range []string{"euler", "split"} {
		b.Run(cfg.Method, func(b *testing.B) { benchmarkTrainStep(b, cfg, 8) })
	}
}

func benchmarkTrainStep(b *testing.B, cfg Config, batch int) {
	d, err := NewDecoder(cfg, 1)
	if err != nil {
		b.Fatal(err)
	}
	tokens, targets := make([]int32, batch*cfg.Context), make([]int32, batch*cfg.Context)
	for i := range tokens {
		tokens[i], targets[i] = int32(i*i%cfg.Vocab), int32((i+1)*(i+1)%cfg.Vocab)
	}
	opt := &AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1}
	step := func() {
		d.ZeroGrad()
		d.Step(tokens, targets, batch)
		opt.Step(d.Groups(), 1e-3, min(1, 1/GradNorm(d.Groups())))
	}
	step()
	step()
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	rate := float64(b.N*len(tokens)) / b.Elapsed().Seconds()
	perToken := 6*float64(cfg.Parameters()-cfg.Context*cfg.Width) + 12*float64(cfg.Blocks*cfg.Width*cfg.Context)
	b.ReportMetric(rate, "tokens/s")
	b.ReportMetric(rate*perToken/1e9, "GFLOP/s")
}

// BenchmarkHeads is the heads of one block at that size, forward and backward, without the projections
// around them. GFLOP/s count the seven products that are computed, masked scores included.
func BenchmarkHeads(b *testing.B) {
	const batch, tokens, heads, c = 8, 256, 8, 256
	qkv, out, dqkv := tensor.New(batch*tokens, 3*c), tensor.New(batch*tokens, c), tensor.New(batch*tokens, 3*c)
	rng := rand.New(rand.NewPCG(1, 2))
	randomize(rng, 0, 1, qkv.Data())
	var w Workspace
	for b.Loop() {
		w.attention.start(heads, tokens, qkv, out)
		w.attention.backward = false
		kernels.Parallel(w.attention.units, 1, &w.attention)
		w.attention.dqkv, w.attention.backward = dqkv.Data(), true
		kernels.Parallel(w.attention.units, 1, &w.attention)
	}
	flops := 7 * 2 * float64(batch*tokens*tokens*c)
	b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
