package blas32test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
)

// Level1 runs every test of level 1.
func Level1(t *testing.T, impl blas.Float32) {
	t.Run("Vectors", func(t *testing.T) { Vectors(t, impl) })
	t.Run("VectorsSpecial", func(t *testing.T) { VectorsSpecial(t, impl) })
	t.Run("Snrm2Range", func(t *testing.T) { Snrm2Range(t, impl) })
	t.Run("Isamax", func(t *testing.T) { Isamax(t, impl) })
	t.Run("Rotations", func(t *testing.T) { Rotations(t, impl) })
	t.Run("VectorsMisuse", func(t *testing.T) { VectorsMisuse(t, impl) })
}

// call is a routine on the same arguments in both precisions.
type call struct {
	name string
	args []matrix
	out  []int // the arguments that are written
	k    int   // of γ
	in32 func(a [][]float32)
	// in64 is the reference or, where size is set, the same with the absolute values of scalars; that of
	// the arguments are given.
	in64 func(a [][]float64, size bool)
	keep func(i, j int) bool // the elements of what is written, all if nil
	// unread tells that what is written is not read, and so holds NaN.
	unread bool
}

// check holds what is written to the reference, and what is read to be what it was.
func (c call) check(t *testing.T) {
	t.Helper()
	var want, size [][]float64
	var got [][]float32
	var before []matrix
	for _, m := range c.args {
		x, abs := m.wide()
		want, size = append(want, x), append(size, abs)
		before = append(before, m.clone())
	}
	keep := c.keep
	if keep == nil {
		keep = all
	}
	for _, o := range c.out {
		if c.unread {
			c.args[o].hide(nan, func(i, j int) bool { return !keep(i, j) })
		}
	}
	for _, m := range c.args {
		got = append(got, m.x)
	}
	c.in32(got)
	c.in64(want, false)
	c.in64(size, true)
	written := map[int]bool{}
	for _, o := range c.out {
		written[o] = true
		compare(t, c.name, c.args[o], before[o], want[o], size[o], gamma(c.k), keep)
	}
	for i, m := range c.args {
		if !written[i] {
			compare(t, c.name, m, before[i], nil, nil, 0, func(i, j int) bool { return false })
		}
	}
}

// signed returns x, or its absolute value if size is set.
func signed(x float32, size bool) float64 {
	if size {
		return abs(x)
	}
	return float64(x)
}

// vector returns n random elements with an increment and NaN between them: a matrix of one column.
func vector(rng *rand.Rand, n, inc int) matrix { return newMatrix(rng, n, 1, max(inc, -inc)-1) }

var increments = []int{1, 2, -1, -3}

// Vectors tests axpy, dot, sdsdot, dsdot, scal, asum, nrm2, iamax, copy, swap, rot and rotm with increments
// of either sign, of every length up to 69 and some longer.
func Vectors(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(7, 1))
	lengths := []int{127, 128, 129, 300, 1025}
	for n := range 70 {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		for _, incX := range increments {
			for _, incY := range []int{1, -2} {
				for _, alpha := range scalars {
					vectorCase(t, impl, rng, n, incX, incY, alpha)
				}
			}
		}
	}
}

func vectorCase(t *testing.T, impl blas.Float32, rng *rand.Rand, n, incX, incY int, alpha float32) {
	t.Helper()
	on := func(name string) string {
		return fmt.Sprintf("%s, n=%d, incX=%d, incY=%d, alpha=%g", name, n, incX, incY, alpha)
	}
	x, y := vector(rng, n, incX), vector(rng, n, incY)
	x64, xAbs := x.wide()
	y64, yAbs := y.wide()
	scalar := func(name string, got, want, bound float64) {
		t.Helper()
		if !(math.Abs(got-want) <= bound) {
			t.Fatalf("%s: %g, want %g ± %g", on(name), got, want, bound)
		}
	}
	want, size := reference.Ddot(n, x64, incX, y64, incY), reference.Ddot(n, xAbs, incX, yAbs, incY)
	scalar("Sdot", float64(impl.Sdot(n, x.x, incX, y.x, incY)), want, gamma(n+1)*size)
	scalar("Dsdot", impl.Dsdot(n, x.x, incX, y.x, incY), want, float64(n+1)*0x1p-52*size)
	if n > 0 { // gonum leaves alpha out of an empty sum
		scalar("Sdsdot", float64(impl.Sdsdot(n, alpha, x.x, incX, y.x, incY)), float64(alpha)+want, gamma(2)*(abs(alpha)+size))
	}
	want = reference.Dasum(n, x64, incX) // 0 if incX < 0, as nrm2 is
	scalar("Sasum", float64(impl.Sasum(n, x.x, incX)), want, gamma(n+1)*want)
	want = reference.Dnrm2(n, x64, incX)
	scalar("Snrm2", float64(impl.Snrm2(n, x.x, incX)), want, gamma(n+3)*want)
	if got, want := impl.Isamax(n, x.x, incX), reference.Idamax(n, x64, incX); got != want {
		t.Fatalf("%s: %d, want %d", on("Isamax"), got, want)
	}
	pair := func(name string, k int, out []int, in32 func(x, y []float32), in64 func(x, y []float64, size bool)) {
		t.Helper()
		call{name: on(name), args: []matrix{x.clone(), y.clone()}, out: out, k: k,
			in32: func(a [][]float32) { in32(a[0], a[1]) },
			in64: func(a [][]float64, size bool) { in64(a[0], a[1], size) }}.check(t)
	}
	pair("Saxpy", 3, []int{1}, func(x, y []float32) { impl.Saxpy(n, alpha, x, incX, y, incY) },
		func(x, y []float64, size bool) { reference.Daxpy(n, signed(alpha, size), x, incX, y, incY) })
	pair("Scopy", 0, []int{1}, func(x, y []float32) { impl.Scopy(n, x, incX, y, incY) },
		func(x, y []float64, _ bool) { reference.Dcopy(n, x, incX, y, incY) })
	pair("Sswap", 0, []int{0, 1}, func(x, y []float32) { impl.Sswap(n, x, incX, y, incY) },
		func(x, y []float64, _ bool) { reference.Dswap(n, x, incX, y, incY) })
	pair("Sscal", 1, []int{0}, func(x, _ []float32) { impl.Sscal(n, alpha, x, incX) },
		func(x, _ []float64, size bool) { reference.Dscal(n, signed(alpha, size), x, incX) })
	// [c s; −s c], where the size of the second row has +s.
	const c, s = 0.6, -0.8
	turn := func(x, y []float64, h [4]float64) {
		reference.Drotm(n, x, incX, y, incY, blas.DrotmParams{Flag: blas.Rescaling, H: h})
	}
	pair("Srot", 4, []int{0, 1}, func(x, y []float32) { impl.Srot(n, x, incX, y, incY, c, s) },
		func(x, y []float64, size bool) {
			c, s := signed(c, size), signed(s, size)
			h := [4]float64{c, -s, s, c}
			if size {
				h[1] = s
			}
			turn(x, y, h)
		})
	for _, p := range []blas.SrotmParams{
		{Flag: blas.Identity},
		{Flag: blas.Rescaling, H: [4]float32{0.9, -0.1, 0.25, 0.5}},
		{Flag: blas.OffDiagonal, H: [4]float32{1, -0.1, 0.25, 1}},
		{Flag: blas.Diagonal, H: [4]float32{0.9, -1, 1, 0.5}},
	} {
		pair(fmt.Sprintf("Srotm %d", p.Flag), 4, []int{0, 1}, func(x, y []float32) { impl.Srotm(n, x, incX, y, incY, p) },
			func(x, y []float64, size bool) {
				var h [4]float64
				for i, v := range p.H {
					h[i] = signed(v, size)
				}
				if p.Flag != blas.Identity {
					turn(x, y, h)
				}
			})
	}
}

// VectorsSpecial tests that NaN and Inf reach the results that they belong to, and only these.
func VectorsSpecial(t *testing.T, impl blas.Float32) {
	for _, n := range []int{1, 5, 40, 100, 300} {
		for _, inc := range []int{1, 2} {
			for _, special := range []float32{nan, inf, -inf} {
				for _, at := range []int{0, n / 2, n - 1} {
					ones := func() []float32 {
						x := make([]float32, n*inc)
						for i := range x {
							x[i] = 1
						}
						return x
					}
					x, y := ones(), ones()
					x[at*inc] = special
					on := fmt.Sprintf("n=%d, inc=%d, %g at %d", n, inc, special, at)
					check := func(name string, got, want float32) {
						t.Helper()
						if got != want && (got == got || want == want) {
							t.Fatalf("%s, %s: %g, want %g", name, on, got, want)
						}
					}
					check("Sdot", impl.Sdot(n, x, inc, y, inc), special)
					check("Sdot", impl.Sdot(n, y, inc, x, inc), special)
					positive := special
					if special == -inf {
						positive = inf
					}
					check("Sasum", impl.Sasum(n, x, inc), positive)
					check("Snrm2", impl.Snrm2(n, x, inc), positive)
					impl.Saxpy(n, 2, x, inc, y, inc)
					impl.Sscal(n, 2, x, inc)
					for i := range y {
						want := [2]float32{1, 1}
						switch {
						case i == at*inc:
							want = [2]float32{special, special}
						case i%inc == 0:
							want = [2]float32{2, 3}
						}
						check("Sscal", x[i], want[0])
						check("Saxpy", y[i], want[1])
					}
				}
			}
		}
	}
}

// Snrm2Range has squares that overflow or underflow where the norm does not.
func Snrm2Range(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(8, 1))
	for _, exponent := range []int{120, 100, 64, 60, -60, -63, -64, -70, -80, -126, -149} {
		for _, n := range []int{1, 10, 100, 3000} {
			for _, inc := range []int{1, 2} {
				x := vector(rng, n, inc)
				for i, v := range x.x {
					x.x[i] = float32(math.Ldexp(float64(v), exponent))
				}
				x64, _ := x.wide()
				want := reference.Dnrm2(n, x64, inc)
				if got := float64(impl.Snrm2(n, x.x, inc)); !(math.Abs(got-want) <= gamma(n+3)*want+0x1p-149) {
					t.Fatalf("n=%d, inc=%d, near 2^%d: %g, want %g", n, inc, exponent, got, want)
				}
			}
		}
	}
	big := float32(3e38)
	if got := impl.Snrm2(2, []float32{big, big}, 1); got != inf {
		t.Fatalf("the norm of two elements %g is %g, want %g", big, got, inf)
	}
}

// Isamax tests that the first of equal elements is found, of either sign, and that NaN is left out after
// the first element.
func Isamax(t *testing.T, impl blas.Float32) {
	for _, n := range []int{1, 2, 15, 16, 17, 33, 64, 100, 257, 1000} {
		for _, inc := range []int{1, 3} {
			for at := 0; at < n; at += 1 + n/37 {
				for _, largest := range []float32{2, -2, inf, -inf} {
					x := make([]float32, n*inc)
					for i := range x {
						switch {
						case i%inc != 0:
							x[i] = 9
						case i > at*inc && i/inc%3 == 0:
							x[i] = -largest
						default:
							x[i] = 1 - 2*float32(i/inc%2)
						}
					}
					x[at*inc] = largest
					if middle := n / 2; middle != at && middle > 0 {
						x[middle*inc] = nan
					}
					if got := impl.Isamax(n, x, inc); got != at {
						t.Fatalf("n=%d, inc=%d: %d, want %d, where %g is", n, inc, got, at, largest)
					}
				}
			}
		}
	}
	if got := impl.Isamax(0, nil, 1); got != -1 {
		t.Errorf("n=0: %d, want -1", got)
	}
}

// Rotations tests that rotg and rotmg make a rotation that has the second element vanish.
func Rotations(t *testing.T, impl blas.Float32) {
	values := []float32{0, 1, -1, 3, -4, 1e-20, 1e20, -2e20, 0.3}
	for _, a := range values {
		for _, b := range values {
			c, s, r, _ := impl.Srotg(a, b)
			norm := math.Hypot(float64(a), float64(b))
			c64, s64 := float64(c), float64(s)
			if !(math.Abs(c64*c64+s64*s64-1) <= gamma(8)) || !(math.Abs(c64*float64(a)+s64*float64(b)-float64(r)) <= gamma(8)*norm) ||
				!(math.Abs(c64*float64(b)-s64*float64(a)) <= gamma(8)*norm) {
				t.Errorf("Srotg(%g, %g): c = %g, s = %g, r = %g", a, b, c, s, r)
			}
		}
	}
	for _, d1 := range []float32{0.5, 2, 1e3} {
		for _, d2 := range []float32{0.25, 3} {
			for _, x := range []float32{1, -3, 20} {
				for _, y := range []float32{0, 0.5, -2, 7} {
					p, _, _, _ := impl.Srotmg(d1, d2, x, y)
					u, v := []float32{x}, []float32{y}
					impl.Srotm(1, u, 1, v, 1, p)
					if !(abs(v[0]) <= gamma(16)*(abs(x)+abs(y))) {
						t.Errorf("Srotmg(%g, %g, %g, %g) leaves %g", d1, d2, x, y, v[0])
					}
				}
			}
		}
	}
}

// VectorsMisuse tests that wrong arguments of level 1 panic, and that nothing is written.
func VectorsMisuse(t *testing.T, impl blas.Float32) {
	const n = 40
	x, y := make([]float32, n), make([]float32, n)
	calls := map[string]func(){}
	for name, c := range map[string]func(n int, x []float32, incX int, y []float32, incY int){
		"Saxpy": func(n int, x []float32, incX int, y []float32, incY int) { impl.Saxpy(n, 2, x, incX, y, incY) },
		"Sdot":  func(n int, x []float32, incX int, y []float32, incY int) { impl.Sdot(n, x, incX, y, incY) },
		"Dsdot": func(n int, x []float32, incX int, y []float32, incY int) { impl.Dsdot(n, x, incX, y, incY) },
		"Sswap": func(n int, x []float32, incX int, y []float32, incY int) { impl.Sswap(n, x, incX, y, incY) },
		"Scopy": func(n int, x []float32, incX int, y []float32, incY int) { impl.Scopy(n, x, incX, y, incY) },
		"Srot":  func(n int, x []float32, incX int, y []float32, incY int) { impl.Srot(n, x, incX, y, incY, 0, 1) },
	} {
		calls[name+", n"] = func() { c(-1, x, 1, y, 1) }
		calls[name+", incX"] = func() { c(n, x, 0, y, 1) }
		calls[name+", incY"] = func() { c(n, x, 1, y, 0) }
		calls[name+", short x"] = func() { c(n, x[1:], 1, y, 1) }
		calls[name+", short y"] = func() { c(n, x, 1, y[1:], 1) }
		calls[name+", short x backwards"] = func() { c(n, x[1:], -1, y, 1) }
		calls[name+", short spaced y"] = func() { c(n/2+1, x, 1, y, 2) }
	}
	for name, c := range map[string]func(n int, x []float32, incX int){
		"Sscal":  func(n int, x []float32, incX int) { impl.Sscal(n, 2, x, incX) },
		"Sasum":  func(n int, x []float32, incX int) { impl.Sasum(n, x, incX) },
		"Snrm2":  func(n int, x []float32, incX int) { impl.Snrm2(n, x, incX) },
		"Isamax": func(n int, x []float32, incX int) { impl.Isamax(n, x, incX) },
	} {
		calls[name+", n"] = func() { c(-1, x, 1) }
		calls[name+", incX"] = func() { c(n, x, 0) }
		calls[name+", short x"] = func() { c(n, x[1:], 1) }
		calls[name+", short spaced x"] = func() { c(n/2+1, x, 2) }
	}
	misuse(t, calls, x, y)
}

// misuse holds every call to panic, and to leave the slices as they are.
func misuse(t *testing.T, calls map[string]func(), slices ...[]float32) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			for _, x := range slices {
				fill(matrix{x: x}, 1)
			}
			defer func() {
				if recover() == nil {
					t.Error("does not panic")
				}
				for _, x := range slices {
					for i, v := range x {
						if v != 1 {
							t.Fatalf("element %d was written: %g", i, v)
						}
					}
				}
			}()
			call()
		})
	}
}
