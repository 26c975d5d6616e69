package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
)

// expRow returns exp(x) by the row in use.
func expRow(x []float32) []float32 {
	y := make([]float32, len(x))
	active.expSum(1, 0, x, y)
	return y
}

// ulp returns the spacing of float32 at |x|.
func ulp(x float64) float64 {
	_, e := math.Frexp(x)
	return math.Ldexp(1, max(e-24, -149))
}

// TestExp holds the exponential to 2 ULP over its whole range.
func TestExp(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(41, 42))
		x := []float32{0, 1, -1, 88.7228317, 88, -86.98, 1e-10, -1e-10, 1e-45}
		for n := -125; n <= 127; n++ {
			edge := float32((float64(n) + 0.5) * math.Ln2) // where the reduction changes n
			x = append(x, edge, math.Nextafter32(edge, -100), math.Nextafter32(edge, 100), float32(float64(n)*math.Ln2))
		}
		for range 12000 {
			x = append(x, float32(-86.98+rng.Float64()*(86.98+88.7228)))
		}
		for i, y := range expRow(x) {
			want := math.Exp(float64(x[i]))
			if err := math.Abs(float64(y)-want) / ulp(want); !(err <= 2) {
				t.Errorf("exp(%g) = %g, want %g: %.2f ULP", x[i], y, want, err)
			}
		}
	})
}

func TestExpEnds(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	forEachISA(t, func(t *testing.T) {
		for _, c := range []struct{ x, want float32 }{
			{-86.995, 0}, {-87.4, 0}, {-100, 0}, {-110, 0}, {-1e30, 0}, {-inf, 0},
			{88.7228394, inf}, {88.9, inf}, {89.2, inf}, {128, inf}, {1e30, inf}, {inf, inf}, {nan, nan},
			{0, 1}, {float32(math.Copysign(0, -1)), 1}, {1e-45, 1}, {-1e-45, 1},
		} {
			if got := expRow([]float32{c.x})[0]; got != c.want && !(got != got && c.want != c.want) {
				t.Errorf("exp(%g) = %g, want %g", c.x, got, c.want)
			}
		}
	})
}
