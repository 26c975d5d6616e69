package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// softmaxReference returns softmax(scale*x), and scale*x less its largest element.
func softmaxReference(scale float64, x []float64) (y, t []float64) {
	y, t = make([]float64, len(x)), make([]float64, len(x))
	top, sum := math.Inf(-1), 0.0
	for _, v := range x {
		top = max(top, scale*v)
	}
	for j, v := range x {
		t[j] = scale*v - top
		y[j] = math.Exp(t[j])
		sum += y[j]
	}
	for j := range y {
		y[j] /= sum
	}
	return y, t
}

func widenRow(x []float32) []float64 { return widen([][]float32{x})[0] }

type softmaxCase struct {
	rows, cols, pad, causal int
	scale, spread           float32
	inPlace                 bool
}

func checkSoftmax(t *testing.T, c softmaxCase, rng *rand.Rand) {
	t.Helper()
	ldx, ldy := c.cols+c.pad, c.cols+2*c.pad
	x := matrix[float32](rng, c.rows, c.cols, ldx)
	for i := range x {
		x[i] *= c.spread
	}
	before := slices.Clone(x)
	y := matrix[float32](rng, c.rows, c.cols, ldy)
	if c.inPlace {
		y, ldy = x, ldx
	}
	Softmax(c.rows, c.cols, c.scale, c.causal, x, ldx, y, ldy)
	for i := range c.rows {
		l := c.cols
		if c.causal > 0 {
			l = min(l, c.causal+i)
		}
		want, arg := softmaxReference(float64(c.scale), widenRow(before[i*ldx:i*ldx+l]))
		for j := range c.cols {
			var a approx
			if j < l {
				a = approx{want[j], want[j] * gamma(min(l, block)+24+int(-arg[j]))}
				if arg[j] < -86 {
					a.bound = 0x1p-124
				}
			}
			if got := y[i*ldy+j]; !a.holds(got) {
				t.Fatalf("%+v: y[%d,%d] = %g, want %g ± %g", c, i, j, got, a.want, a.bound)
			}
		}
		checkGap(t, fmt.Sprintf("%+v: y", c), y, i, c.rows, c.cols, ldy)
	}
}

// checkGap fails if what is between row i and the next is not NaN, as matrix left it.
func checkGap(t *testing.T, name string, x []float32, i, rows, cols, ld int) {
	t.Helper()
	for j := cols; j < ld && i < rows-1; j++ {
		if v := x[i*ld+j]; v == v {
			t.Fatalf("%s: the gap after row %d was written: %g", name, i, v)
		}
	}
}

func TestSoftmax(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(51, 52))
		for try := range 150 {
			checkSoftmax(t, softmaxCase{
				rows: 1 + rng.IntN(5), cols: rng.IntN(70), pad: rng.IntN(2) * 3, causal: rng.IntN(3) * rng.IntN(40),
				scale: []float32{1, 0.125, -0.3, 0}[try%4], spread: []float32{1, 10, 1e3, 1e9, 1e30}[try%5], inPlace: try%3 == 0,
			}, rng)
		}
		checkSoftmax(t, softmaxCase{rows: 1, cols: block + 5, scale: 1, spread: 1}, rng)
	})
}

// TestSoftmaxNotFinite says what becomes of NaN and Inf: a row of NaN, and no other row.
func TestSoftmaxNotFinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	forEachISA(t, func(t *testing.T) {
		const cols = 37
		for _, scale := range []float32{1, -2} {
			for _, bad := range []float32{nan, inf, -inf} {
				x := make([]float32, 3*cols)
				x[cols+19] = bad
				Softmax(3, cols, scale, 0, x, cols, x, cols)
				masked := bad*scale < 0 // −Inf is a masked position
				for i, y := range x {
					want := float32(1) / cols
					switch {
					case i/cols == 1 && !masked:
						want = nan
					case i == cols+19:
						want = 0
					case i/cols == 1:
						want = 1. / (cols - 1)
					}
					if math.Abs(float64(y-want)) > 1e-6 || (y != y) != (want != want) {
						t.Fatalf("scale %g, %g in row 1: y[%d,%d] = %g, want %g", scale, bad, i/cols, i%cols, y, want)
					}
				}
			}
		}
		x := slices.Repeat([]float32{-inf}, 5)
		if Softmax(1, 5, 1, 0, x, 5, x, 5); !slices.ContainsFunc(x, func(v float32) bool { return v != v }) {
			t.Errorf("a row of −Inf became %g, want NaN", x)
		}
	})
}

func TestSoftmaxBackward(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(53, 54))
		for try := range 100 {
			rows, cols, pad, causal := 1+rng.IntN(5), rng.IntN(70), rng.IntN(2)*3, rng.IntN(3)*rng.IntN(40)
			if try == 0 {
				rows, cols, causal = 1, block+5, 0
			}
			const scale = 0.375
			ld := cols + pad
			y, dy, dx := matrix[float32](rng, rows, cols, ld), matrix[float32](rng, rows, cols, ld), matrix[float32](rng, rows, cols, ld)
			before := slices.Clone(dy)
			if try%3 == 0 {
				dx = dy
			}
			SoftmaxBackward(rows, cols, scale, causal, y, ld, dy, ld, dx, ld)
			for i := range rows {
				l := cols
				if causal > 0 {
					l = min(l, causal+i)
				}
				var dot, size float64
				for j := range l {
					p := float64(y[i*ld+j]) * float64(before[i*ld+j])
					dot, size = dot+p, size+math.Abs(p)
				}
				for j := range cols {
					var a approx
					if j < l {
						v, d := scale*float64(y[i*ld+j]), float64(before[i*ld+j])
						a = approx{v * (d - dot), gamma(min(l, block)+6) * math.Abs(v) * (math.Abs(d) + size)}
					}
					if got := dx[i*ld+j]; !a.holds(got) {
						t.Fatalf("rows=%d cols=%d causal=%d: dx[%d,%d] = %g, want %g ± %g", rows, cols, causal, i, j, got, a.want, a.bound)
					}
				}
				checkGap(t, "dx", dx, i, rows, cols, ld)
			}
		}
	})
}
