package kernels

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPast has every length and every place in a line go past the caches, between guard pages.
func TestPast(t *testing.T) {
	defer func(size int) { lastLevel = size }(lastLevel)
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 2, 300*100)
		rng := rand.New(rand.NewPCG(93, 94))
		for _, n := range append(lengths(), 1000) {
			x, b, k := randomStages(rng, n, 3)
			h := make([]BFloat16, n)
			ToBFloat16(x, h)
			want, wide := make([]float32, n), make([]float32, n)
			lastLevel = 1 << 40
			Combine(0.5, x, b, k, 0, want)
			FromBFloat16(h, wide)
			lastLevel = 0
			for at := range 17 {
				for _, tail := range []bool{false, true} {
					y := g.place(0, n+at, tail)
					if tail { // y ends, so far before the guard page, or begins, so far behind one
						y = y[:n]
					} else {
						y = y[at:]
					}
					if err := faults(func() { Combine(0.5, x, b, k, 0, y) }); err != nil || !slices.Equal(y, want) {
						t.Fatalf("Combine, n=%d at %d, tail=%v: y differs, or %v", n, at, tail, err)
					}
					if err := faults(func() { FromBFloat16(h, y) }); err != nil || !slices.Equal(y, wide) {
						t.Fatalf("FromBFloat16, n=%d at %d, tail=%v: y differs, or %v", n, at, tail, err)
					}
					if err := g.check(0, n+at, tail); err != nil {
						t.Fatalf("n=%d at %d, tail=%v: %v", n, at, tail, err)
					}
				}
			}
			copy(want, x)
			Combine(0.5, want, b, k, 0, want)
			over := slices.Clone(k[1])
			Combine(0.5, x, b, [][]float32{k[0], over, k[2]}, 0, over)
			if !slices.Equal(want, over) {
				t.Fatalf("n=%d: in place of x and of a stage the results differ", n)
			}
		}
		for _, rows := range []int{1, 2, 7, 300} {
			for _, cols := range []int{63, 64, 65, 79, 80, 96} {
				for pad := range 4 {
					checkMoved(t, g, rows, cols, pad, 3-pad, rows%2 == 0, false)
					checkMoved(t, g, rows, cols, pad, 3-pad, rows%2 != 0, false)
				}
			}
		}
	})
}

// TestNormPast holds the normalisations beyond the caches to the bits of those within them, from every place in a line, in
// place and not.
func TestNormPast(t *testing.T) {
	defer func(size int) { lastLevel = size }(lastLevel)
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 2, 16+9*336)
		rng := rand.New(rand.NewPCG(95, 96))
		for _, cols := range []int{1, 16, 37, 48, 336} {
			for _, rows := range []int{1, 3, 4, 9} {
				const eps = 1e-3
				n := rows * cols
				x, f, gamma, beta := randomSlice(rng, n), randomSlice(rng, n), randomSlice(rng, cols), randomSlice(rng, cols)
				mean, rstd := make([]float32, rows), make([]float32, rows)
				y := make([]float32, n)
				functions := []func(z []float32){
					func(z []float32) { LayerNorm(rows, cols, eps, x, gamma, beta, z, mean, rstd) },
					func(z []float32) { RMSNorm(rows, cols, eps, x, gamma, z, rstd) },
					func(z []float32) { EulerLayerNorm(rows, cols, 0.5, eps, x, f, gamma, beta, y, z, mean, rstd) },
					func(z []float32) { LayerNorm(rows, cols, eps, z, gamma, beta, z, mean, rstd) },
					func(z []float32) { RMSNorm(rows, cols, eps, z, gamma, z, rstd) },
				}
				for k, run := range functions {
					want := slices.Clone(x)
					lastLevel = 1 << 40
					run(want)
					lastLevel = 0
					for at := range 17 {
						z := g.place(0, n+at, at%2 == 0)[at:]
						copy(z, x)
						if err := faults(func() { run(z) }); err != nil || !slices.Equal(z, want) {
							t.Fatalf("function %d, %d×%d at %d: results differ, or %v", k, rows, cols, at, err)
						}
						if err := g.check(0, n+at, at%2 == 0); err != nil {
							t.Fatalf("function %d, %d×%d at %d: %v", k, rows, cols, at, err)
						}
					}
				}
			}
		}
	})
}
