package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestEuler(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(81, 82))
		for _, n := range []int{0, 1, 50, block + 3} {
			x, f, y := randomSlice(rng, n), randomSlice(rng, n), make([]float32, n)
			const h = -0.3
			Euler(h, x, f, y)
			for i := range y {
				hf := float64(float32(h)) * float64(f[i])
				a := approx{float64(x[i]) + hf, 2 * unitRoundoff * (math.Abs(float64(x[i])) + math.Abs(hf))}
				if !a.holds(y[i]) {
					t.Fatalf("n=%d: y[%d] = %g, want %g ± %g", n, i, y[i], a.want, a.bound)
				}
			}
			// With h = 1 it is the plain residual connection, to the bit.
			Euler(1, x, f, y)
			for i := range y {
				if y[i] != x[i]+f[i] {
					t.Fatalf("n=%d, h=1: y[%d] = %g, want %g", n, i, y[i], x[i]+f[i])
				}
			}
		}
	})
}

// TestEulerLayerNorm holds the fused step to the bits of Euler and LayerNorm, which are held to their
// bounds, also where an output is an input.
func TestEulerLayerNorm(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(83, 84))
		for try := range 40 {
			rows, cols := 1+rng.IntN(4), 1+rng.IntN(80)
			if try == 0 {
				rows, cols = 1, block+5
			}
			const h, eps = 0.5, 1e-5
			x, f, g, b := randomSlice(rng, rows*cols), randomSlice(rng, rows*cols), randomSlice(rng, cols), randomSlice(rng, cols)
			want := make([]float32, rows*cols)
			Euler(h, x, f, want)
			y, z := make([]float32, rows*cols), make([]float32, rows*cols)
			switch try % 4 {
			case 1:
				y = x
			case 2:
				y = f
			case 3:
				y, z = x, f
			}
			mean, rstd := make([]float32, rows), make([]float32, rows)
			EulerLayerNorm(rows, cols, h, eps, x, f, g, b, y, z, mean, rstd)
			if !slices.Equal(y, want) {
				t.Fatalf("rows=%d cols=%d: y differs from Euler", rows, cols)
			}
			normed, m, r := make([]float32, rows*cols), make([]float32, rows), make([]float32, rows)
			LayerNorm(rows, cols, eps, want, g, b, normed, m, r)
			if !slices.Equal(z, normed) || !slices.Equal(mean, m) || !slices.Equal(rstd, r) {
				t.Fatalf("rows=%d cols=%d: z, mean or rstd differs from LayerNorm of y", rows, cols)
			}
			for i := range rows {
				r0, r1 := i*cols, (i+1)*cols
				checkNormRow(t, fmt.Sprintf("rows=%d cols=%d row %d", rows, cols, i), eps, y[r0:r1], g, b, z[r0:r1], mean[i], rstd[i])
			}
		}
	})
}
