package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestLevel1 covers what the exported functions add to the table: blocks.
func TestLevel1(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(121, 122))
		for _, n := range []int{0, 1, 100, block, block + 1, 2*block + 7} {
			x, y := randomSlice(rng, n), randomSlice(rng, n)
			var dot, sum, squares approx
			k := min(n, block)
			for i, v := range x {
				a, b := float64(v), float64(y[i])
				dot.want += a * b
				dot.bound += gamma(k+2) * math.Abs(a*b)
				sum.want += a
				sum.bound += gamma(k+2) * math.Abs(a)
				squares.want += a * a
			}
			norm := math.Sqrt(squares.want)
			for _, c := range []struct {
				name string
				got  float32
				want approx
			}{{"Dot", Dot(x, y), dot}, {"Sum", Sum(x), sum}, {"Nrm2", Nrm2(x), approx{norm, norm * gamma(k+3)}}} {
				if !c.want.holds(c.got) {
					t.Errorf("n=%d: %s = %g, want %g ± %g", n, c.name, c.got, c.want.want, c.want.bound)
				}
			}
			before := append([]float32(nil), y...)
			Axpy(0.5, x, y)
			Scal(-2, x)
			for i := range y {
				if y[i] != before[i]-x[i]/4 {
					t.Fatalf("n=%d: Axpy, Scal: y[%d] = %g, want %g", n, i, y[i], before[i]-x[i]/4)
				}
			}
		}
	})
}

// TestNrm2Range has squares that overflow or underflow where the norm does not.
func TestNrm2Range(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(123, 124))
		for _, scale := range []float64{1e38, 1e30, 1e19, 1e-17, 1e-18, 3e-19, 1e-19, 1e-20, 1e-21, 1e-30, 1e-38, 1e-44} {
			for _, n := range []int{1, 10, 3000} {
				x := make([]float32, n)
				var want float64
				for i := range x {
					x[i] = float32((0.5 + rng.Float64()/2) * scale / 100)
					want += float64(x[i]) * float64(x[i])
				}
				want = math.Sqrt(want)
				if a := (approx{want, want * gamma(n+3)}); !(math.Abs(float64(Nrm2(x))-want) <= a.bound+0x1p-149) {
					t.Errorf("scale %g, n=%d: Nrm2 = %g, want %g ± %g", scale, n, Nrm2(x), want, a.bound)
				}
			}
		}
		inf, nan := float32(math.Inf(1)), float32(math.NaN())
		for _, c := range []struct {
			x    []float32
			want float32
		}{{nil, 0}, {[]float32{0, 0}, 0}, {[]float32{1, -inf}, inf}, {[]float32{math.MaxFloat32, math.MaxFloat32}, inf}, {[]float32{1, nan}, nan}} {
			if got := Nrm2(c.x); got != c.want && !(got != got && c.want != c.want) {
				t.Errorf("Nrm2(%g) = %g, want %g", c.x, got, c.want)
			}
		}
	})
}
