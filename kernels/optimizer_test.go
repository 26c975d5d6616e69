package kernels

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAdamW takes steps and holds each to the formula in float64, from the state before it.
func TestAdamW(t *testing.T) {
	abs := math.Abs
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(111, 112))
		for _, n := range []int{1, 37, block + 3} {
			w, m, v := randomSlice(rng, n), make([]float32, n), make([]float32, n)
			for step := 1; step <= 3; step++ {
				p := AdamWStep{LR: 3e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 0.5, Step: step * step}
				g := randomSlice(rng, n)
				g[0] = 0
				oldW, oldM, oldV := widenRow(w), widenRow(m), widenRow(v)
				AdamW(p, g, w, m, v)
				b1, b2, lr := float64(p.Beta1), float64(p.Beta2), float64(p.LR)
				for i := range g {
					gi := 0.5 * float64(g[i])
					wantM, wantV := b1*oldM[i]+(1-b1)*gi, b2*oldV[i]+(1-b2)*gi*gi
					sizeM := abs(b1*oldM[i]) + abs((1-b1)*gi)
					c1, c2 := 1-math.Pow(b1, float64(p.Step)), 1-math.Pow(b2, float64(p.Step))
					rate := lr / c1 / (math.Sqrt(wantV/c2) + float64(p.Eps))
					kept := (1 - lr*float64(p.WeightDecay)) * oldW[i]
					for _, c := range []struct {
						name string
						got  float32
						want approx
					}{
						{"m", m[i], approx{wantM, 4 * unitRoundoff * sizeM}},
						{"v", v[i], approx{wantV, 5 * unitRoundoff * wantV}},
						{"w", w[i], approx{kept - rate*wantM, 4*unitRoundoff*abs(kept) + 12*unitRoundoff*rate*sizeM}},
					} {
						if !c.want.holds(c.got) {
							t.Fatalf("n=%d, step %d: %s[%d] = %g, want %g ± %g", n, p.Step, c.name, i, c.got, c.want.want, c.want.bound)
						}
					}
				}
			}
		}
	})
}

// TestAdamWBFloat16 has the bits of AdamW and of rounding after it, also at every place where rounding changes: with a
// gradient and moments of 0 the weights stay.
func TestAdamWBFloat16(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(115, 116))
		for _, n := range []int{1, 37, block + 3, 0} {
			p := AdamWStep{LR: 3e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 0.5, Step: 3}
			g, w, m, v := randomSlice(rng, n), randomSlice(rng, n), randomSlice(rng, n), make([]float32, n)
			if n == 0 {
				w = bf16Inputs()
				n = len(w)
				g, m, v, p.WeightDecay = make([]float32, n), make([]float32, n), make([]float32, n), 0
			}
			wantW, wantM, wantV, want := slices.Clone(w), slices.Clone(m), slices.Clone(v), make([]BFloat16, n)
			AdamW(p, g, wantW, wantM, wantV)
			ToBFloat16(wantW, want)
			got := make([]BFloat16, n)
			AdamWBFloat16(p, g, w, m, v, got)
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("n=%d: %g, %#08x, becomes %#04x, want %#04x", n, w[i], math.Float32bits(w[i]), got[i], want[i])
				}
				for _, c := range [][2][]float32{{w, wantW}, {m, wantM}, {v, wantV}} {
					if math.Float32bits(c[0][i]) != math.Float32bits(c[1][i]) {
						t.Fatalf("n=%d: element %d is %g, and %g with AdamW", n, i, c[0][i], c[1][i])
					}
				}
			}
		}
	})
}

func TestSGD(t *testing.T) {
	abs := math.Abs
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(113, 114))
		p := SGDStep{LR: 0.125, Momentum: 0.875, WeightDecay: 0.0625, GradScale: 0.5}
		for _, n := range []int{1, 37, block + 3} {
			w, m := randomSlice(rng, n), randomSlice(rng, n)
			g, oldW, oldM := randomSlice(rng, n), widenRow(w), widenRow(m)
			SGD(p, g, w, m)
			for i := range g {
				a, b, c := 0.5*float64(g[i]), 0.0625*oldW[i], 0.875*oldM[i]
				want := approx{a + b + c, 4 * unitRoundoff * (abs(a) + abs(b) + abs(c))}
				if !want.holds(m[i]) {
					t.Fatalf("n=%d: m[%d] = %g, want %g ± %g", n, i, m[i], want.want, want.bound)
				}
				want = approx{oldW[i] - 0.125*want.want, 0.125*want.bound + 2*unitRoundoff*(abs(oldW[i])+abs(0.125*want.want))}
				if !want.holds(w[i]) {
					t.Fatalf("n=%d: w[%d] = %g, want %g ± %g", n, i, w[i], want.want, want.bound)
				}
			}
		}
	})
}
