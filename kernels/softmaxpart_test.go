package kernels

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSoftmaxPart compares parts of rows, their tops and sums, with the definition, in every length and place of the
// diagonal, and rows that are put together from two with the softmax of the whole.
func TestSoftmaxPart(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(61, 62))
		for try := range 100 {
			rows, cols, pad, causal := 1+rng.IntN(9), 1+rng.IntN(70), rng.IntN(2)*3, rng.IntN(3)*rng.IntN(40)
			if try == 0 {
				rows, cols, causal = 2, directCols+5, 0
			}
			scale, ld := []float32{1, 0.125, 0}[try%3], cols+pad
			x := matrix[float32](rng, rows, cols, ld)
			for i := range x {
				x[i] *= []float32{1, 10, 1e3, 1e9}[try%4]
			}
			before := slices.Clone(x)
			y := matrix[float32](rng, rows, cols, ld)
			if try%2 == 0 {
				y = x
			}
			tops, sums := make([]float32, rows), make([]float32, rows)
			SoftmaxPart(rows, cols, scale, causal, x, ld, y, ld, tops, sums)
			for i := range rows {
				l := causalColumns(cols, causal, i)
				row := before[i*ld : i*ld+l]
				if top := slices.Max(row); tops[i] != top {
					t.Fatalf("rows=%d cols=%d causal=%d: tops[%d] = %g, want %g", rows, cols, causal, i, tops[i], top)
				}
				sum, bound := 0., 0.
				for j := range cols {
					var a approx
					if j < l {
						arg := float64(scale) * (float64(row[j]) - float64(tops[i]))
						a.want = math.Exp(arg)
						a.bound = a.want * gamma(24+int(min(-4*arg, 1000)))
						if arg < -86 {
							a.bound = 0x1p-124
						}
						sum, bound = sum+a.want, bound+a.bound+a.want*gamma(min(l, block))
					}
					if got := y[i*ld+j]; !a.holds(got) {
						t.Fatalf("rows=%d cols=%d causal=%d scale=%g: y[%d,%d] = %g, want %g ± %g", rows, cols, causal, scale, i, j, got, a.want, a.bound)
					}
				}
				if a := (approx{sum, bound}); !a.holds(sums[i]) {
					t.Fatalf("rows=%d cols=%d causal=%d: sums[%d] = %g, want %g ± %g", rows, cols, causal, i, sums[i], sum, bound)
				}
				checkGap(t, "y", y, i, rows, cols, ld)
			}
		}
	})
}

// TestSoftmaxPartNotFinite says what becomes of NaN, Inf and rows of −Inf: their sums are NaN, and those of no other row.
func TestSoftmaxPartNotFinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	forEachISA(t, func(t *testing.T) {
		const rows, cols = 6, 37
		for name, fill := range map[string]func(row []float32){
			"NaN": func(row []float32) { row[19] = nan }, "Inf": func(row []float32) { row[19] = inf },
			"−Inf": func(row []float32) {
				for j := range row {
					row[j] = -inf
				}
			},
		} {
			x, tops, sums := make([]float32, rows*cols), make([]float32, rows), make([]float32, rows)
			fill(x[2*cols : 3*cols])
			SoftmaxPart(rows, cols, 0.5, 0, x, cols, x, cols, tops, sums)
			for i, s := range sums {
				if (s != s) != (i == 2) {
					t.Errorf("%s in row 2: sum %d is %g", name, i, s)
				}
			}
		}
	})
}

// TestSoftmaxGiven compares softmax and its gradient in parts of two, with the sums of the whole given, with those of
// the whole in float64.
func TestSoftmaxGiven(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(63, 64))
		for try := range 60 {
			rows, cols := 1+rng.IntN(6), 3+rng.IntN(70)
			if try == 0 {
				cols = block + 75
			}
			causal, first := rng.IntN(2)*(cols-1), 1+rng.IntN(cols-2) // all of the first part is before the diagonal
			scale, ld := 0.375, cols+rng.IntN(9)
			x, dy := matrix[float32](rng, rows, cols, ld), matrix[float32](rng, rows, cols, ld)
			y, dx := matrix[float32](rng, rows, cols, ld), matrix[float32](rng, rows, cols, ld)
			logSums, dots := make([]float32, rows), make([]float32, rows)
			want, size := make([][]float64, rows), make([]float64, rows)
			for i := range rows {
				l := causalColumns(cols, causal, i)
				row := widenRow(x[i*ld : i*ld+l])
				want[i], _ = softmaxReference(scale, row)
				logSums[i] = float32(scale*row[0] - math.Log(want[i][0]))
				dot := 0.
				for j, p := range want[i] {
					dot += p * float64(dy[i*ld+j])
					size[i] += math.Abs(p * float64(dy[i*ld+j]))
				}
				dots[i] = float32(dot)
			}
			if try%2 == 0 {
				y, dx = x, slices.Clone(dy)
			}
			parts := [][2]int{{0, first}, {first, cols}}
			if try == 0 {
				parts = [][2]int{{0, cols}}
			}
			for _, part := range parts {
				lo, n := part[0], part[1]-part[0]
				c := 0
				if causal > 0 && part[1] == cols {
					c = causal - lo
				}
				SoftmaxGiven(rows, n, float32(scale), c, x[lo:], ld, logSums, y[lo:], ld)
				SoftmaxGivenBackward(rows, n, float32(scale), c, y[lo:], ld, dots, dy[lo:], ld, dx[lo:], ld)
			}
			for i := range rows {
				for j := range cols {
					var a, g approx
					if j < len(want[i]) {
						p, d := want[i][j], float64(dy[i*ld+j])
						a = approx{p, p * gamma(24+int(4*math.Abs(math.Log(p)))+2*int(1+math.Abs(float64(logSums[i]))))}
						v := scale * p * (d - float64(dots[i]))
						g = approx{v, gamma(3)*math.Abs(v) + scale*a.bound*(math.Abs(d)+size[i]) + 0x1p-24*scale*p*(math.Abs(d)+size[i])}
					}
					if got := y[i*ld+j]; !a.holds(got) {
						t.Fatalf("rows=%d cols=%d+%d causal=%d: y[%d,%d] = %g, want %g ± %g", rows, first, cols-first, causal, i, j, got, a.want, a.bound)
					}
					if got := dx[i*ld+j]; !g.holds(got) {
						t.Fatalf("rows=%d cols=%d+%d causal=%d: dx[%d,%d] = %g, want %g ± %g", rows, first, cols-first, causal, i, j, got, g.want, g.bound)
					}
				}
				checkGap(t, "y", y, i, rows, cols, ld)
			}
		}
	})
}

// TestSoftmaxGivenEnds says what becomes of what is far from the sum, not finite or none.
func TestSoftmaxGivenEnds(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	forEachISA(t, func(t *testing.T) {
		const rows, cols = 2, 41
		for _, c := range []struct{ x, least, most float32 }{
			{-inf, 0, 0}, {-1e30, 0, 0}, {-100, 0, 0}, {-87.36, 0, 0}, {-86.5, 2.7e-38, 2.8e-38}, {float32(math.Copysign(0, -1)), 1, 1}, {88.7, 3.325e38, 3.327e38},
			{88.73, inf, inf}, {1e30, inf, inf}, {inf, inf, inf}, {nan, nan, nan},
		} {
			x, y, logSums := make([]float32, rows*cols), make([]float32, rows*cols), make([]float32, rows)
			x[3], x[2*cols-1] = c.x, c.x
			logSums[1] = 3 // of a scale of −1
			SoftmaxGiven(1, cols, 1, 0, x, cols, logSums, y, cols)
			x[2*cols-1] = -c.x - 3
			SoftmaxGiven(1, cols, -1, 0, x[cols:], cols, logSums[1:], y[cols:], cols)
			for _, got := range []float32{y[3], y[2*cols-1]} {
				if !(got >= c.least && got <= c.most) && !(c.x != c.x && got != got) {
					t.Errorf("exp(%g) = %g, want from %g to %g", c.x, got, c.least, c.most)
				}
			}
		}
	})
}
