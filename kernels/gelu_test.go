package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestGELU holds GELU and its derivative to their bounds over the whole range.
func TestGELU(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(91, 92))
		x := []float32{1e-45, -1e-45, 1e-38, -1e-38, 1e-20, -1e-20, 0.75, -0.7517916, 10, -10, 9.99, -9.97, 3e4, 1e30, -1e30}
		for range 6000 {
			x = append(x, float32(rng.Float64()*24-12))
		}
		for range 2000 {
			x = append(x, float32(rng.NormFloat64()))
		}
		dy := make([]float32, len(x))
		for i := range dy {
			dy[i] = float32(rng.NormFloat64())
		}
		y, dx := make([]float32, len(x)), make([]float32, len(x))
		GELU(x, y)
		GELUBackward(x, dy, dx)
		for i, v := range x {
			want, d, u := geluReference(float64(v))
			a := approx{want, math.Abs(want) * gamma(8+10*int(min(math.Abs(u), 1e3)+1))}
			if v < -10.05 {
				a = approx{0, 1e-37}
			}
			if !a.holds(y[i]) {
				t.Errorf("GELU(%g) = %g, want %g ± %g", v, y[i], a.want, a.bound)
			}
			size := math.Abs(float64(dy[i]))
			if math.Abs(float64(v)) > 1e4 {
				d = float64(max(0, min(1, v)))
			}
			if a := (approx{float64(dy[i]) * d, 5*unitRoundoff*size + 1e-35}); !a.holds(dx[i]) {
				t.Errorf("dx for x = %g, dy = %g is %g, want %g ± %g", v, dy[i], dx[i], a.want, a.bound)
			}
		}
	})
}

func TestGELUEnds(t *testing.T) {
	inf, nan, minusZero := float32(math.Inf(1)), float32(math.NaN()), float32(math.Copysign(0, -1))
	forEachISA(t, func(t *testing.T) {
		for _, c := range []struct{ x, y, d float32 }{
			{0, 0, 0.5}, {minusZero, minusZero, 0.5}, {inf, inf, 1}, {-inf, minusZero, 0}, {nan, nan, nan},
			{1e38, 1e38, 1}, {-1e38, minusZero, 0}, {20, 20, 1}, {-20, minusZero, 0}, {10.5, 10.5, 1},
		} {
			x, y, d := []float32{c.x}, []float32{7}, []float32{1}
			GELU(x, y)
			GELUBackward(x, d, d)
			if y[0] != c.y && c.y == c.y || c.y != c.y && y[0] == y[0] || c.y == c.y && math.Signbit(float64(y[0])) != math.Signbit(float64(c.y)) {
				t.Errorf("GELU(%g) = %g, want %g", c.x, y[0], c.y)
			}
			if !(math.Abs(float64(d[0]-c.d)) <= 1e-35) && c.d == c.d || c.d != c.d && d[0] == d[0] {
				t.Errorf("GELU'(%g) = %g, want %g", c.x, d[0], c.d)
			}
		}
	})
}
