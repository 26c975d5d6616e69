package nn

import (
	"math"
	"testing"

	"github.com/vcycle-go/vcycle/kernels"
)

// plainBlock is the ordinary pre-norm GPT-2 block, u = x + SA(LN x), y = u + FF(LN u), written down
// head by head with whole matrices: the scores of all queries against all keys, masked by the softmax.
func plainBlock(b *block, tokens, heads, c int, x []float32) []float32 {
	linear := func(l Linear, x []float32) []float32 {
		in, out := l.Weight.Dim(0), l.Weight.Dim(1)
		y := make([]float32, len(x)/in*out)
		for i := range y {
			y[i] = l.Bias.Data()[i%out]
		}
		kernels.Sgemm(false, false, len(x)/in, out, in, 1, x, in, l.Weight.Data(), out, 1, y, out)
		return y
	}
	norm := func(l LayerNorm, x []float32) []float32 {
		y, rows := make([]float32, len(x)), len(x)/c
		kernels.LayerNorm(rows, c, normEps, x, l.Gamma.Data(), l.Beta.Data(), y, make([]float32, rows), make([]float32, rows))
		return y
	}
	residual := func(x []float32, l Linear, f []float32) []float32 { // x + (f·W + b), summed in that order
		in, out := l.Weight.Dim(0), l.Weight.Dim(1)
		y := make([]float32, len(x))
		p := kernels.Product[float32, float32]{M: len(x) / out, N: out, K: in, Alpha: 1, A: f, LDA: in, B: l.Weight.Data(), LDB: out,
			Bias: l.Bias.Data(), Beta: 1, D: x, LDD: out, C: y, LDC: out}
		p.Run()
		return y
	}
	attention := func(qkv []float32) []float32 {
		d, out := c/heads, make([]float32, len(qkv)/3)
		part := func(first, which, h int) []float32 { // Q, K or V of a head of the sequence at row first
			m := make([]float32, tokens*d)
			for i := range tokens {
				copy(m[i*d:(i+1)*d], qkv[(first+i)*3*c+which*c+h*d:])
			}
			return m
		}
		scores, o := make([]float32, tokens*tokens), make([]float32, tokens*d)
		for first := 0; first < len(out)/c; first += tokens {
			for h := range heads {
				kernels.Sgemm(false, true, tokens, tokens, d, 1, part(first, 0, h), d, part(first, 1, h), d, 0, scores, tokens)
				kernels.Softmax(tokens, tokens, float32(1/math.Sqrt(float64(d))), 1, scores, tokens, scores, tokens)
				kernels.Sgemm(false, false, tokens, d, tokens, 1, scores, tokens, part(first, 2, h), d, 0, o, d)
				for i := range tokens {
					copy(out[(first+i)*c+h*d:], o[i*d:(i+1)*d])
				}
			}
		}
		return out
	}
	gelu := func(x []float32) []float32 {
		y := make([]float32, len(x))
		kernels.GELU(x, y)
		return y
	}
	u := residual(x, b.attention.Proj, attention(linear(b.attention.QKV, norm(b.norm1, x))))
	return residual(u, b.mlp.Out, gelu(linear(b.mlp.In, norm(b.norm2, u))))
}

// With h = 1, Euler's method and the split are the ordinary block, bit for bit, in every row of the
// dispatch table.
func TestOrdinaryBlock(t *testing.T) {
	defer kernels.SetISA(kernels.ISA())
	cfg := Config{Vocab: 50, Context: queryBlock + 3, Width: 148, Heads: 4, Blocks: 2, StepSize: 1}
	for _, isa := range kernels.ISAs() {
		if err := kernels.SetISA(isa); err != nil {
			t.Fatal(err)
		}
		for _, cfg.Method = range []string{"euler", "split"} {
			d, tokens, targets := randomDecoder(t, cfg, 1)
			d.Step(tokens, targets, 1) // keeps the states
			x := d.memory.trajectory.States[0]
			for i := range d.field.blocks {
				x = plainBlock(&d.field.blocks[i], cfg.Context, cfg.Heads, cfg.Width, x)
			}
			for i, got := range d.memory.final() {
				if math.Float32bits(got) != math.Float32bits(x[i]) {
					t.Fatalf("%s, %s: element %d is %v, want %v", isa, cfg.Method, i, got, x[i])
				}
			}
		}
	}
}
