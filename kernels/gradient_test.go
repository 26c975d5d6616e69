package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
)

// difference returns the gradient of f at x by central differences in float64.
func difference(x []float64, f func(x []float64) float64) []float64 {
	const h = 1e-5
	g := make([]float64, len(x))
	for i, v := range x {
		x[i] = v + h
		up := f(x)
		x[i] = v - h
		g[i] = (up - f(x)) / (2 * h)
		x[i] = v
	}
	return g
}

func weighted(w, y []float64) (s float64) {
	for i := range w {
		s += w[i] * y[i]
	}
	return s
}

func checkGradient(t *testing.T, name string, got []float32, want []float64) {
	t.Helper()
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= 1e-5*(1+math.Abs(w))) {
			t.Fatalf("%s: element %d of the gradient is %g, by central differences %g", name, i, got[i], w)
		}
	}
}

// TestGradients holds every backward kernel to central differences of the float64 forward function.
func TestGradients(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(61, 62))
		for _, n := range []int{1, 2, 5, 9, 18} {
			x, dy := randomSlice(rng, n), randomSlice(rng, n)
			x64, w := widenRow(x), widenRow(dy)

			dx := make([]float32, n)
			GELUBackward(x, dy, dx)
			checkGradient(t, "GELU", dx, difference(x64, func(x []float64) (s float64) {
				for i, v := range x {
					y, _, _ := geluReference(v)
					s += w[i] * y
				}
				return s
			}))

			for _, e := range []struct {
				name     string
				backward func(x, dy, dx []float32)
				forward  func(x float64) float64
			}{{"SiLU", SiLUBackward, siluReference}, {"GELUErf", GELUErfBackward, geluErfReference}} {
				e.backward(x, dy, dx)
				checkGradient(t, e.name, dx, difference(x64, func(x []float64) (s float64) {
					for i, v := range x {
						s += w[i] * e.forward(v)
					}
					return s
				}))
			}

			LogSumExpBackward(1, n, x, n, dy, dx, n)
			checkGradient(t, "LogSumExp", dx, difference(x64, func(x []float64) (s float64) {
				for _, v := range x {
					s += math.Exp(v)
				}
				return w[0] * math.Log(s)
			}))

			const scale = 0.75
			y := make([]float32, n)
			Softmax(1, n, scale, 0, x, n, y, n)
			SoftmaxBackward(1, n, scale, 0, y, n, dy, n, dx, n)
			checkGradient(t, "Softmax", dx, difference(x64, func(x []float64) float64 {
				y, _ := softmaxReference(scale, x)
				return weighted(w, y)
			}))

			target, loss := []int32{int32(rng.IntN(n))}, make([]float32, 1)
			CrossEntropyBackward(1, n, scale, x, n, target, loss, dx, n)
			checkGradient(t, "CrossEntropy", dx, difference(x64, func(x []float64) float64 {
				y, _ := softmaxReference(1, x)
				return -scale * math.Log(y[target[0]])
			}))

			gradientLayerNorm(t, rng, n)
			gradientRMSNorm(t, rng, n)
		}
	})
}

func gradientLayerNorm(t *testing.T, rng *rand.Rand, n int) {
	const rows, eps = 3, 0.03125
	x, dy, g, b := randomSlice(rng, rows*n), randomSlice(rng, rows*n), randomSlice(rng, n), randomSlice(rng, n)
	y, mean, rstd := make([]float32, rows*n), make([]float32, rows), make([]float32, rows)
	LayerNorm(rows, n, eps, x, g, b, y, mean, rstd)
	dx, dg, db := make([]float32, rows*n), make([]float32, n), make([]float32, n)
	LayerNormBackward(rows, n, x, g, mean, rstd, dy, dx, dg, db)
	x64, g64, b64, w := widenRow(x), widenRow(g), widenRow(b), widenRow(dy)
	loss := func([]float64) (s float64) {
		for i := range rows {
			y, _, _ := layerNormReference(eps, x64[i*n:(i+1)*n], g64, b64)
			s += weighted(w[i*n:(i+1)*n], y)
		}
		return s
	}
	checkGradient(t, "LayerNorm, x", dx, difference(x64, loss))
	checkGradient(t, "LayerNorm, gamma", dg, difference(g64, loss))
	checkGradient(t, "LayerNorm, beta", db, difference(b64, loss))
	// The gradients are added.
	LayerNormBackward(rows, n, x, g, mean, rstd, dy, dx, dg, db)
	for _, d := range [][]float32{dx, dg, db} {
		Scal(0.5, d)
	}
	checkGradient(t, "LayerNorm, x, added twice", dx, difference(x64, loss))
	checkGradient(t, "LayerNorm, gamma, added twice", dg, difference(g64, loss))
	checkGradient(t, "LayerNorm, beta, added twice", db, difference(b64, loss))
}

func gradientRMSNorm(t *testing.T, rng *rand.Rand, n int) {
	const rows, eps = 3, 0.03125
	x, dy, g := randomSlice(rng, rows*n), randomSlice(rng, rows*n), randomSlice(rng, n)
	y, rstd := make([]float32, rows*n), make([]float32, rows)
	RMSNorm(rows, n, eps, x, g, y, rstd)
	dx, dg := make([]float32, rows*n), make([]float32, n)
	for range 2 { // the gradients are added
		RMSNormBackward(rows, n, x, g, rstd, dy, dx, dg)
	}
	Scal(0.5, dx)
	Scal(0.5, dg)
	x64, g64, w := widenRow(x), widenRow(g), widenRow(dy)
	loss := func([]float64) (s float64) {
		for i := range rows {
			y, _ := rmsNormReference(eps, x64[i*n:(i+1)*n], g64)
			s += weighted(w[i*n:(i+1)*n], y)
		}
		return s
	}
	checkGradient(t, "RMSNorm, x", dx, difference(x64, loss))
	checkGradient(t, "RMSNorm, gamma", dg, difference(g64, loss))
}
