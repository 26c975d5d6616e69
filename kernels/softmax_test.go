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
				a = approx{want[j], want[j] * gamma(min(l, block)+24+int(-4*arg[j]))}
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

// TestLongRows has rows that are done in chunks: with maxima that differ from chunk to chunk, chunks that are masked, and
// NaN and Inf in one chunk, which are in all of the row.
func TestLongRows(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(55, 56))
		for _, cols := range []int{directCols + 1, 5*leastChunk + 100, 33*leastChunk + 7} {
			for _, kind := range []string{"", "masked", "masked first", "NaN", "Inf", "all masked"} {
				x := randomSlice(rng, cols)
				for j := range x {
					x[j] *= float32(1 + 3*(j/leastChunk%3))
				}
				at := func(lo, hi int, v float32) {
					for j := lo; j < hi; j++ {
						x[j] = v
					}
				}
				switch kind {
				case "masked":
					at(leastChunk-9, 3*leastChunk+1, -inf)
				case "masked first":
					at(0, 4*leastChunk, -inf)
				case "NaN":
					at(2*leastChunk+3, 2*leastChunk+4, nan)
				case "Inf":
					at(2*leastChunk+3, 2*leastChunk+5, inf)
				case "all masked":
					at(0, cols, -inf)
				}
				name := fmt.Sprintf("%d columns, %s", cols, kind)
				top, sum := math.Inf(-1), 0.
				for _, v := range x {
					top = max(top, float64(v)) // NaN, if there is one
				}
				for _, v := range x {
					sum += math.Exp(float64(v) - top)
				}
				want := top + math.Log(sum)
				if kind == "Inf" || kind == "all masked" {
					want = top
				}
				y, lse, d := slices.Clone(x), make([]float32, 1), slices.Clone(x)
				Softmax(1, cols, 1, 0, y, cols, y, cols)
				LogSumExp(1, cols, x, cols, lse)
				LogSumExpBackward(1, cols, d, cols, []float32{-2}, d, cols)
				if !nearlySame(lse[0], float32(want), 1) {
					t.Errorf("%s: LogSumExp is %g, want %g", name, lse[0], want)
				}
				for j, v := range x {
					p := math.Exp(float64(v)-top) / sum
					g := -2 * p
					switch {
					case kind == "Inf" && v == inf:
						g = -1
					case kind == "Inf" || kind == "all masked":
						g = 0
					}
					if !nearlySame(y[j], float32(p), 0) && p > 1e-37 || p != p && y[j] == y[j] {
						t.Fatalf("%s: Softmax is %g at %d, want %g", name, y[j], j, p)
					}
					if !nearlySame(d[j], float32(g), 0) && (p > 1e-37 || p != p) {
						t.Fatalf("%s: LogSumExpBackward is %g at %d, want %g", name, d[j], j, g)
					}
				}
				loss, again := make([]float32, 1), make([]float32, 1)
				targets := []int32{int32(cols - 1)}
				CrossEntropy(1, cols, x, cols, targets, loss)
				CrossEntropyBackward(1, cols, 1, x, cols, targets, again, x, cols)
				wantLoss := want
				if kind != "" && kind != "masked" && kind != "masked first" {
					wantLoss = math.NaN()
				}
				if math.Float32bits(loss[0]) != math.Float32bits(again[0]) && loss[0] == loss[0] || (loss[0] != loss[0]) != (wantLoss != wantLoss) {
					t.Errorf("%s: losses %g and %g", name, loss[0], again[0])
				}
			}
		}
	})
}

// TestRowsAlone holds rows to have the same bits alone as among others, of which some are special.
func TestRowsAlone(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		const rows, cols, ld = 35, 37, 40
		rng := rand.New(rand.NewPCG(57, 58))
		x, dy := matrix[float32](rng, rows, cols, ld), matrix[float32](rng, rows, cols, ld)
		for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			x[(5*i+2)*ld+11] = float32(v)
		}
		for j := range cols {
			x[17*ld+j] = float32(math.Inf(-1))
		}
		targets := make([]int32, rows)
		type results struct{ y, dx, lse, dlse, losses, dlogits []float32 }
		run := func(step int) (r results) {
			n := (rows-1)*ld + cols
			r = results{make([]float32, n), make([]float32, n), make([]float32, rows), make([]float32, n), make([]float32, rows), make([]float32, n)}
			for i := 0; i < rows; i += step {
				m, at := min(step, rows-i), i*ld
				Softmax(m, cols, 0.5, i+1, x[at:], ld, r.y[at:], ld)
				SoftmaxBackward(m, cols, 0.5, i+1, r.y[at:], ld, dy[at:], ld, r.dx[at:], ld)
				LogSumExp(m, cols, x[at:], ld, r.lse[i:])
				LogSumExpBackward(m, cols, x[at:], ld, dy[i:], r.dlse[at:], ld)
				CrossEntropyBackward(m, cols, 0.5, x[at:], ld, targets[i:], r.losses[i:], r.dlogits[at:], ld)
			}
			return r
		}
		all := run(rows)
		for _, step := range []int{1, 3, 4, 6} {
			some := run(step)
			for k, pair := range [][2][]float32{{all.y, some.y}, {all.dx, some.dx}, {all.lse, some.lse}, {all.dlse, some.dlse}, {all.losses, some.losses}, {all.dlogits, some.dlogits}} {
				for i := range pair[0] {
					if a, b := pair[0][i], pair[1][i]; math.Float32bits(a) != math.Float32bits(b) && (a == a || b == b) {
						t.Fatalf("%d rows at a time: result %d at %d is %g, of all rows %g", step, k, i, b, a)
					}
				}
			}
		}
	})
}
