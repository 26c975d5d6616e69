package nn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// BenchmarkTrainStep is a step of AdamW, of models whose figures docs/performance.md has. GFLOP/s count
// Config.FLOPs; %ceiling is their share of what fused multiply-adds on registers reach in the same minutes.
func BenchmarkTrainStep(b *testing.B) {
	small := Config{Vocab: 256, Context: 256, Width: 256, Heads: 8, Blocks: 12, StepSize: 1, Method: "euler"}
	with := func(change func(*Config)) Config {
		c := small
		change(&c)
		return c
	}
	for _, c := range []struct {
		name  string
		cfg   Config
		batch int
	}{
		{"euler", small, 8},
		{"split", with(func(c *Config) { c.Method = "split" }), 8},
		{"h=0.25", with(func(c *Config) { c.StepSize = 0.25 }), 8},
		{"blocks=3", with(func(c *Config) { c.Blocks = 3 }), 8},
		{"rk4", with(func(c *Config) { c.Blocks, c.Method = 3, "rk4" }), 8},
		{"vocab=50257", with(func(c *Config) { c.Vocab = 50257 }), 4},
		{"gpt2", Config{Vocab: 50257, Context: 1024, Width: 768, Heads: 12, Blocks: 12, StepSize: 1, Method: "euler"}, 1},
		{"tiny", Config{Vocab: 256, Context: 32, Width: 64, Heads: 4, Blocks: 2, StepSize: 1, Method: "euler"}, 1},
	} {
		for _, c.cfg.Precision = range Precisions() {
			var step func() // made once, though the benchmark is called with growing numbers of steps
			b.Run(c.name+"/"+c.cfg.Precision, func(b *testing.B) {
				if step == nil {
					step = trainStep(b, c.cfg, c.batch)
				}
				benchmarkTrainStep(b, c.cfg, c.batch, step)
			})
		}
	}
}

// trainStep returns a step of training, after the first, which allocates.
func trainStep(b *testing.B, cfg Config, batch int) func() {
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
		d.RenewGrad()
		d.Step(tokens, targets, batch)
		d.Update(opt, 1e-3, min(1, 1/GradNorm(d.Groups())))
	}
	step()
	return step
}

func benchmarkTrainStep(b *testing.B, cfg Config, batch int, step func()) {
	var ceiling []float64
	last := time.Now()
	measure := func() {
		b.StopTimer()
		ceiling = append(ceiling, kernels.Ceiling(kernels.Threads()))
		b.StartTimer()
		last = time.Now()
	}
	measure()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		step()
		if time.Since(last) > 300*time.Millisecond {
			measure()
		}
	}
	slices.Sort(ceiling)
	rate := float64(b.N*batch*cfg.Context) / b.Elapsed().Seconds()
	_, perToken := cfg.FLOPs()
	b.ReportMetric(rate, "tokens/s")
	b.ReportMetric(rate*perToken/1e9, "GFLOP/s")
	b.ReportMetric(100*rate*perToken/1e9/ceiling[len(ceiling)/2], "%ceiling")
}

// BenchmarkHeads is the heads of a block, forward and backward, without the projections around them: in whole rows, in tiles,
// and in bfloat16. GFLOP/s count the seven products, masked scores included.
func BenchmarkHeads(b *testing.B) {
	for _, s := range []struct{ batch, tokens, heads, d int }{
		{8, 256, 8, 32}, {64, 32, 8, 32}, {16, 128, 8, 32}, {4, 512, 8, 32}, {2, 1024, 8, 32}, {1, 1024, 12, 64}, {8, 256, 4, 64}, {1, 256, 8, 32},
		{1, 2048, 12, 64}, {1, 4096, 12, 64}, {1, 4096, 8, 32}, {1, 8192, 12, 64},
	} {
		for _, way := range []string{"rows", "tiles", "bf16"} {
			b.Run(fmt.Sprintf("batch=%d/T=%d/heads=%d/d=%d/%s", s.batch, s.tokens, s.heads, s.d, way), func(b *testing.B) {
				rows, c := s.batch*s.tokens, s.heads*s.d
				qkv, out, dqkv, dout := tensor.New(rows, 3*c), tensor.New(rows, c), tensor.New(rows, 3*c), tensor.New(rows, c)
				randomize(rand.New(rand.NewPCG(1, 2)), 0, 1, qkv.Data())
				randomize(rand.New(rand.NewPCG(3, 4)), 0, 1, dout.Data())
				x := Attended{QKV: Operand{Tensor: qkv}, Out: Operand{Tensor: out}}
				switch way {
				case "tiles":
					x.LogSums = make([]float32, rows*s.heads)
				case "bf16":
					_, x.QKV = halved(qkv)
					_, x.Out = halved(out)
				}
				var w Workspace
				var forward time.Duration
				for b.Loop() {
					start := time.Now()
					w.attention.start(s.heads, s.tokens, x)
					w.attention.backward = false
					kernels.Parallel(w.attention.units, 1, &w.attention)
					forward += time.Since(start)
					w.attention.dqkv, w.attention.dout, w.attention.backward = dqkv.Data(), dout.Data(), true
					kernels.Parallel(w.attention.units, 1, &w.attention)
				}
				flops := 7 * 2 * float64(rows*s.tokens*c)
				b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				b.ReportMetric(forward.Seconds()*1e3/float64(b.N), "forward-ms")
				b.ReportMetric((b.Elapsed()-forward).Seconds()*1e3/float64(b.N), "backward-ms")
			})
		}
	}
}
