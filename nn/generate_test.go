package nn

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestGenerator compares every prefix of a sequence with Decoder.Logits, for all methods and step sizes,
// with tokens one by one, all at once, and after going back.
func TestGenerator(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, method := range Methods() {
		for _, h := range []float64{1, 0.5} {
			cfg := Config{Vocab: 40, Context: 80, Width: 24, Heads: 3, Blocks: 2, StepSize: h, Method: method}
			d, err := NewDecoder(cfg, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range d.Groups() { // biases and gains that matter
				for i := range g.Theta {
					g.Theta[i] += 0.1 * float32(rng.NormFloat64())
				}
			}
			tokens := make([]int32, cfg.Context)
			for i := range tokens {
				tokens[i] = rng.Int32N(int32(cfg.Vocab))
			}
			want, got := make([]float32, cfg.Vocab), make([]float32, cfg.Vocab)
			check := func(what string, n int) {
				t.Helper()
				d.Logits(tokens[:n], want)
				for i := range want {
					// Logits are of order 1; float32 sums of some hundred terms in two orders.
					if e := math.Abs(float64(got[i] - want[i])); !(e <= 2e-5) {
						t.Fatalf("%s, h = %g, %s %d tokens: logit %d is %g, want %g", method, h, what, n, i, got[i], want[i])
					}
				}
			}
			g := d.NewGenerator()
			for n := 1; n <= cfg.Context; n++ {
				g.Append(tokens[n-1:n], got)
				check("one by one,", n)
			}
			for _, cut := range []int{0, 1, 7, 79} {
				g.Reset(0)
				if cut > 0 {
					g.Append(tokens[:cut], got)
				}
				g.Append(tokens[cut:], got)
				check("in two parts,", cfg.Context)
			}
			g.Reset(10)
			g.Append(tokens[10:13], got)
			check("after going back,", 13)
			if g.Len() != 13 {
				t.Errorf("%d tokens", g.Len())
			}
			allocations := testing.AllocsPerRun(5, func() {
				g.Reset(12)
				g.Append(tokens[12:13], got)
			})
			if allocations > 0 {
				t.Errorf("%s: Append allocates %g times", method, allocations)
			}
		}
	}
}

func TestGeneratorMisuse(t *testing.T) {
	d, err := NewDecoder(Config{Vocab: 4, Context: 3, Width: 2, Heads: 1, Blocks: 1, StepSize: 1, Method: "euler"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	logits := make([]float32, 4)
	for name, f := range map[string]func(g *Generator){
		"none":       func(g *Generator) { g.Append(nil, logits) },
		"too many":   func(g *Generator) { g.Append(make([]int32, 4), logits) },
		"logits":     func(g *Generator) { g.Append(make([]int32, 1), logits[:3]) },
		"vocabulary": func(g *Generator) { g.Append([]int32{4}, logits) },
		"reset":      func(g *Generator) { g.Reset(1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f(d.NewGenerator())
		}()
	}
}
