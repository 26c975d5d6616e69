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
		for try := range 80 {
			rows, cols := 1+rng.IntN(9), 1+rng.IntN(80)
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

// TestCombine has every number of stages up to nine, with y apart and in the place of x and of each stage.
func TestCombine(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(85, 86))
		for _, n := range []int{0, 1, 50, block + 67} {
			for stages := range 10 {
				if n > block && stages%4 != 3 {
					continue
				}
				x, b, k := randomStages(rng, n, stages)
				const h = -0.3
				want := make([]approx, n)
				for i := range want {
					var s, size float64
					for j := range k {
						s += float64(b[j]) * float64(k[j][i])
						size += math.Abs(float64(b[j]) * float64(k[j][i]))
					}
					h := float64(float32(h))
					want[i] = combineApprox(stages, float64(x[i]), h*s, math.Abs(h)*size)
				}
				y := make([]float32, n)
				Combine(h, x, b, k, 0, y)
				for i := range y {
					if !want[i].holds(y[i]) {
						t.Fatalf("n=%d, %d stages: y[%d] = %g, want %g ± %g", n, stages, i, y[i], want[i].want, want[i].bound)
					}
				}
				for place := -1; place < stages; place++ {
					x, k := slices.Clone(x), slices.Clone(k)
					over := x
					if place >= 0 {
						over = slices.Clone(k[place])
						k[place] = over
					}
					Combine(h, x, b, k, 0, over)
					if !slices.Equal(over, y) {
						t.Fatalf("n=%d, %d stages: y in the place of slice %d differs", n, stages, place)
					}
				}
				if n > 1 {
					part := slices.Clone(y)
					Combine(h, x[n/2:], b, k, n/2, part[:n-n/2])
					if !slices.Equal(part[:n-n/2], y[n/2:]) || !slices.Equal(part[n-n/2:], y[n-n/2:]) {
						t.Fatalf("n=%d, %d stages: the elements from %d on differ", n, stages, n/2)
					}
				}
				if stages == 1 {
					b[0] = 1
					Combine(h, x, b, k, 0, y)
					euler := make([]float32, n)
					Euler(h, x, k[0], euler)
					if !slices.Equal(euler, y) {
						t.Fatalf("n=%d: one stage of weight 1 differs from Euler", n)
					}
				}
			}
		}
	})
}

func randomStages(rng *rand.Rand, n, stages int) (x, b []float32, k [][]float32) {
	x, b = randomSlice(rng, n), randomSlice(rng, stages)
	for range stages {
		k = append(k, randomSlice(rng, n))
	}
	return x, b, k
}

// TestCombineNorm holds the fused functions to the bits of their parts, also where an output is an input.
func TestCombineNorm(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(87, 88))
		for try := range 160 {
			rows, cols, stages := 1+rng.IntN(9), 1+rng.IntN(80), try/5%6
			if try == 20 {
				rows, cols = 2, block+5
			}
			const h, eps = 0.5, 1e-5
			x, b, k := randomStages(rng, rows*cols, stages)
			if try%3 == 1 {
				// Rows that the kernels of whole rows leave to others.
				for _, far := range []float32{1e30, 0} {
					row := rng.IntN(rows)
					for i := row * cols; i < (row+1)*cols; i++ {
						x[i] *= far
						for _, stage := range k {
							stage[i] *= far
						}
					}
				}
			}
			gamma, beta := randomSlice(rng, cols), randomSlice(rng, cols)
			want := make([]float32, rows*cols)
			Combine(h, x, b, k, 0, want)
			wantZ, wantMean, wantRstd := make([]float32, rows*cols), make([]float32, rows), make([]float32, rows)
			z, mean, rstd := make([]float32, rows*cols), make([]float32, rows), make([]float32, rows)
			name := fmt.Sprintf("rows=%d cols=%d stages=%d", rows, cols, stages)
			for _, rms := range []bool{false, true} {
				x, k, z, y := slices.Clone(x), slices.Clone(k), z, make([]float32, rows*cols)
				for j := range k {
					k[j] = slices.Clone(k[j])
				}
				switch how := try % 5; {
				case how == 1:
					y = x
				case how == 2 && stages > 0:
					y = k[stages-1]
				case how == 3 && stages > 0:
					y, z = x, k[0]
				case how == 4 && stages > 1:
					y, z = k[0], k[1]
				}
				if rms {
					RMSNorm(rows, cols, eps, want, gamma, wantZ, wantRstd)
					CombineRMSNorm(rows, cols, h, eps, x, b, k, 0, gamma, y, z, rstd)
				} else {
					LayerNorm(rows, cols, eps, want, gamma, beta, wantZ, wantMean, wantRstd)
					CombineLayerNorm(rows, cols, h, eps, x, b, k, 0, gamma, beta, y, z, mean, rstd)
				}
				if rows > 1 && try%5 == 0 { // again, from the second row on
					x, y, z, rstd := x[cols:], y[cols:], z[cols:], rstd[1:]
					for _, s := range [][]float32{y, z, rstd} {
						clear(s)
					}
					if rms {
						CombineRMSNorm(rows-1, cols, h, eps, x, b, k, cols, gamma, y, z, rstd)
					} else {
						CombineLayerNorm(rows-1, cols, h, eps, x, b, k, cols, gamma, beta, y, z, mean[1:], rstd)
					}
				}
				if !slices.Equal(y, want) {
					t.Fatalf("%s rms=%v: y differs from Combine", name, rms)
				}
				if !slices.Equal(z, wantZ) || !slices.Equal(rstd, wantRstd) || !slices.Equal(mean, wantMean) {
					t.Fatalf("%s rms=%v: z, mean or rstd differs from the norm of y", name, rms)
				}
			}
		}
	})
}
