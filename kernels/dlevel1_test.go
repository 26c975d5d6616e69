package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// gamma64 is Higham's γ(k) for float64.
func gamma64(k int) float64 {
	ku := float64(k) * 0x1p-53
	return ku / (1 - ku)
}

// level1Case is a float64 field of the table; it writes at most the last of its slices.
type level1Case struct {
	name   string
	slices int
	call   func(a [][]float64) (sum float64)
	// want returns the elements of the last slice, nil if it is read, and the sum, from what was before.
	want func(a [][]float64) (elements []approx, sum approx)
}

// exactSum returns Σ f(i) in twice the precision with its bound, and Σ|f| for it.
func exactSum(n, extra int, factors func(i int) (a, b float64)) approx {
	var s twice
	var size float64
	for i := range n {
		a, b := factors(i)
		s.addProduct(a, b)
		size += math.Abs(a * b)
	}
	return approx{s.hi + s.lo, gamma64(n+extra) * size}
}

var level1Cases = []level1Case{
	{"axpy64", 2,
		func(a [][]float64) float64 { active.axpy64(caseAlpha, a[0], a[1]); return 0 },
		func(a [][]float64) (e []approx, _ approx) {
			for i, x := range a[0] {
				y := a[1][i]
				e = append(e, approx{math.FMA(caseAlpha, x, y), gamma64(2) * (math.Abs(caseAlpha*x) + math.Abs(y))})
			}
			return e, approx{}
		}},
	{"scal64", 1,
		func(a [][]float64) float64 { active.scal64(caseAlpha, a[0]); return 0 },
		func(a [][]float64) (e []approx, _ approx) {
			for _, x := range a[0] {
				e = append(e, approx{want: caseAlpha * x})
			}
			return e, approx{}
		}},
	{"dot64", 2,
		func(a [][]float64) float64 { return active.dot64(a[0], a[1]) },
		func(a [][]float64) ([]approx, approx) {
			return nil, exactSum(len(a[0]), 2, func(i int) (x, y float64) { return a[0][i], a[1][i] })
		}},
	{"sumSquares64", 1,
		func(a [][]float64) float64 { return active.sumSquares64(a[0]) },
		func(a [][]float64) ([]approx, approx) {
			return nil, exactSum(len(a[0]), 2, func(i int) (x, y float64) { return a[0][i], a[0][i] })
		}},
	{"asum64", 1,
		func(a [][]float64) float64 { return active.asum64(a[0]) },
		func(a [][]float64) ([]approx, approx) {
			return nil, exactSum(len(a[0]), 1, func(i int) (x, y float64) { return math.Abs(a[0][i]), 1 })
		}},
	{"amax64", 1,
		func(a [][]float64) float64 { return active.amax64(a[0]) },
		func(a [][]float64) ([]approx, approx) {
			var m float64
			for _, x := range a[0] {
				m = max(m, math.Abs(x))
			}
			return nil, approx{want: m}
		}},
}

// within is approx.holds for float64: NaN and Inf are to be the same.
func (a approx) within(got float64) bool {
	if math.IsNaN(a.want) || math.IsInf(a.want, 0) {
		return got == a.want || got != got && a.want != a.want
	}
	return math.Abs(got-a.want) <= a.bound
}

func checkLevel1(t *testing.T, c level1Case, a [][]float64) {
	t.Helper()
	before := make([][]float64, len(a))
	for j := range a {
		before[j] = append([]float64(nil), a[j]...)
	}
	var sum float64
	if err := faults(func() { sum = c.call(a) }); err != nil {
		t.Fatalf("%s, n=%d: %v", c.name, len(a[0]), err)
	}
	elements, want := c.want(before)
	if !want.within(sum) {
		t.Fatalf("%s, n=%d: %g, want %g ± %g", c.name, len(a[0]), sum, want.want, want.bound)
	}
	for j := range a {
		for i, x := range a[j] {
			e := approx{want: before[j][i]}
			if j == len(a)-1 && elements != nil {
				e = elements[i]
			}
			if !e.within(x) {
				t.Fatalf("%s, n=%d: slice %d at %d is %g, want %g ± %g", c.name, len(a[0]), j, i, x, e.want, e.bound)
			}
		}
	}
}

// TestLevel1Rows64 is TestRows for the float64 fields of level 1.
func TestLevel1Rows64(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 2, 2*maxLength)
		rng := rand.New(rand.NewPCG(131, 132))
		for _, c := range level1Cases {
			for _, n := range lengths() {
				for _, tail := range []bool{false, true} {
					var a [][]float64
					for j := range c.slices {
						a = append(a, doubles(g.place(j, 2*n, tail)))
						for i := range a[j] {
							a[j][i] = rng.NormFloat64()
						}
					}
					checkLevel1(t, c, a)
					for j := range a {
						if err := g.check(j, 2*n, tail); err != nil {
							t.Fatalf("%s, n=%d, tail=%v: %v", c.name, n, tail, err)
						}
					}
				}
			}
		}
	})
}

var special64 = []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 5e-324, -5e-324, 1e-310, -1e-310, 1, -1, 1e150, -1e150}

// TestLevel1Special64 has special values in one place at a time.
func TestLevel1Special64(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(133, 134))
		for _, c := range level1Cases {
			for _, n := range []int{1, 3, 9, 67, 131} {
				for _, v := range special64 {
					for j := range c.slices {
						a := [][]float64{make([]float64, n), make([]float64, n)}[:c.slices]
						for k := range a {
							for i := range a[k] {
								a[k][i] = rng.NormFloat64()
							}
						}
						a[j][rng.IntN(n)] = v
						if c.name == "amax64" || math.IsNaN(v) || math.IsInf(v, 0) {
							checkLevel1Definition(t, c, a)
						} else {
							checkLevel1(t, c, a)
						}
					}
				}
			}
		}
	})
}

// checkLevel1Definition compares a row with the one in Go.
func checkLevel1Definition(t *testing.T, c level1Case, a [][]float64) {
	t.Helper()
	var b [][]float64
	for _, x := range a {
		b = append(b, append([]float64(nil), x...))
	}
	row := active
	got := c.call(a)
	active = generic()
	want := approx{want: c.call(b), bound: 1e-12 * float64(len(a[0]))}
	active = row
	if !want.within(got) {
		t.Fatalf("%s: %g, by definition %g", c.name, got, want.want)
	}
	for j := range a {
		for i := range a[j] {
			if !(approx{b[j][i], 1e-14 * (1 + math.Abs(b[j][i]))}).within(a[j][i]) {
				t.Fatalf("%s: slice %d at %d is %g, by definition %g", c.name, j, i, a[j][i], b[j][i])
			}
		}
	}
}

// TestDlevel1 covers what the exported functions add to the table: blocks, and an index.
func TestDlevel1(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(135, 136))
		for _, n := range []int{0, 1, 100, block, block + 1, 2*block + 7} {
			x, y := matrix[float64](rng, 1, n, n), matrix[float64](rng, 1, n, n)
			k := min(n, block) + n/block + 3
			scale := func(a approx) approx { a.bound *= gamma64(k) / gamma64(n+2); return a }
			squares := exactSum(n, 2, func(i int) (a, b float64) { return x[i], x[i] })
			for _, c := range []struct {
				name string
				got  float64
				want approx
			}{
				{"Ddot", Ddot(x, y), scale(exactSum(n, 2, func(i int) (a, b float64) { return x[i], y[i] }))},
				{"Dasum", Dasum(x), scale(exactSum(n, 2, func(i int) (a, b float64) { return math.Abs(x[i]), 1 }))},
				{"Dnrm2", Dnrm2(x), approx{math.Sqrt(squares.want), math.Sqrt(squares.want) * gamma64(k)}},
			} {
				if !c.want.within(c.got) {
					t.Errorf("n=%d: %s = %g, want %g ± %g", n, c.name, c.got, c.want.want, c.want.bound)
				}
			}
			before := append([]float64(nil), y...)
			Daxpy(0.5, x, y)
			Dscal(-2, x)
			for i := range y {
				if want := before[i] - x[i]/4; math.Abs(y[i]-want) > 1e-15*(math.Abs(before[i])+math.Abs(x[i])) {
					t.Fatalf("n=%d: Daxpy, Dscal: y[%d] = %g, want %g", n, i, y[i], want)
				}
			}
		}
	})
}

// TestScalInc has vectors that touch guard pages, with canaries between their elements.
func TestScalInc(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 1, 2*(8*1024+1))
		rng := rand.New(rand.NewPCG(151, 152))
		for n := range 131 {
			for _, inc := range []int{1, 2, 4, 7, 8} {
				for _, tail := range []bool{false, true} {
					size := max(0, (n-1)*inc+1)
					x := g.place(0, size, tail)
					testScalInc(t, rng, ScalInc, n, x, inc)
					testScalInc(t, rng, DscalInc, n, doubles(g.place(0, 2*size, tail)), inc)
					if err := g.check(0, 2*size, tail); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		for n := range 10 { // a multiple of a page apart
			for _, tail := range []bool{false, true} {
				size := max(0, (n-1)*1024+1)
				testScalInc(t, rng, ScalInc, n, g.place(0, size, tail), 1024)
				if err := g.check(0, size, tail); err != nil {
					t.Fatal(err)
				}
				size = max(0, (n-1)*512+1)
				testScalInc(t, rng, DscalInc, n, doubles(g.place(0, 2*size, tail)), 512)
				if err := g.check(0, 2*size, tail); err != nil {
					t.Fatal(err)
				}
			}
		}
		testScalInc(t, rng, DscalInc, 1030, make([]float64, 1029*512+1), 512) // more than a call of the table
	})
}

func testScalInc[F float](t *testing.T, rng *rand.Rand, call func(n int, alpha F, x []F, inc int), n int, x []F, inc int) {
	t.Helper()
	for i := range x {
		x[i] = F(rng.NormFloat64())
	}
	if len(x) > inc {
		x[inc] = F(math.Inf(1))
	}
	before := append([]F(nil), x...)
	if err := faults(func() { call(n, -1.375, x, inc) }); err != nil {
		t.Fatalf("n=%d, inc=%d: %v", n, inc, err)
	}
	for i, v := range x {
		want := before[i]
		if i%inc == 0 {
			want *= -1.375
		}
		if v != want {
			t.Fatalf("n=%d, inc=%d: element %d is %g, want %g", n, inc, i, v, want)
		}
	}
}

// checkIamax compares with the definition.
func checkIamax[F float](t *testing.T, name string, iamax func([]F) int, x []F) {
	t.Helper()
	want := -1
	for i, v := range x {
		if want < 0 || x[want] != x[want] && v == v || math.Abs(float64(v)) > math.Abs(float64(x[want])) {
			want = i
		}
	}
	if got := iamax(x); got != want {
		t.Fatalf("%s: %s of %d elements is %d, want %d", ISA(), name, len(x), got, want)
	}
}

func TestIamax(t *testing.T) {
	forEachISA(t, func(t *testing.T) { testIamax(t, "Iamax", Iamax); testIamax(t, "Idamax", Idamax) })
}

func testIamax[F float](t *testing.T, name string, iamax func([]F) int) {
	rng := rand.New(rand.NewPCG(137, 138))
	for _, n := range append(lengths(), 0, iamaxBlock-1, iamaxBlock, iamaxBlock+1, 3*iamaxBlock+5) {
		for try := range 20 {
			x := make([]F, n)
			for i := range x {
				switch {
				case try < 5: // ties
					x[i] = F(rng.IntN(5) - 2)
				case try < 8: // NaN, also in whole blocks
					x[i] = F(math.NaN())
					if i%(try*iamaxBlock/6) == 7 {
						x[i] = F(rng.IntN(3) - 1)
					}
				case try == 8:
					x[i] = F(math.NaN())
				case try == 9:
					x[i] = F(math.Inf(i%3 - 1))
				default:
					x[i] = F(rng.NormFloat64())
				}
			}
			checkIamax(t, name, iamax, x)
		}
	}
}

// TestDnrm2Range has squares that overflow or underflow where the norm does not.
func TestDnrm2Range(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(139, 140))
		for _, exponent := range []int{1015, 900, 520, 512, 511, 500, -480, -500, -505, -511, -512, -513, -520, -538, -600, -1000, -1020, -1060, -1074} {
			for _, n := range []int{1, 10, 3000} {
				x, scaled := make([]float64, n), make([]float64, n)
				for i := range x {
					x[i] = math.Ldexp(0.5+rng.Float64()/2, exponent)
					scaled[i] = math.Ldexp(x[i], -exponent)
				}
				squares := exactSum(n, 3, func(i int) (a, b float64) { return scaled[i], scaled[i] })
				want := math.Ldexp(math.Sqrt(squares.want), exponent)
				if a := (approx{want, want*gamma64(n+3) + 0x1p-1074}); !a.within(Dnrm2(x)) {
					t.Errorf("2^%d, n=%d: Dnrm2 = %g, want %g ± %g", exponent, n, Dnrm2(x), want, a.bound)
				}
			}
		}
		inf, nan := math.Inf(1), math.NaN()
		for _, c := range []struct {
			x    []float64
			want float64
		}{{nil, 0}, {[]float64{0, 0}, 0}, {[]float64{1, -inf}, inf}, {[]float64{math.MaxFloat64, math.MaxFloat64}, inf},
			{[]float64{1, nan}, nan}, {[]float64{1e300, nan}, nan}, {[]float64{inf, nan}, nan}, {[]float64{3e300, 4e300}, 5e300}, {[]float64{1e300, 1e-300}, 1e300}} {
			if got := Dnrm2(c.x); !(approx{c.want, 1e-15 * c.want}).within(got) {
				t.Errorf("Dnrm2(%g) = %g, want %g", c.x, got, c.want)
			}
		}
	})
}

func FuzzLevel1Double(f *testing.F) {
	f.Add(uint64(1), uint16(61), 1.5, -1e-200)
	f.Add(uint64(2), uint16(300), 1e300, 5e-324)
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, a, b float64) {
		rng := rand.New(rand.NewPCG(seed, 0))
		x := make([]float64, int(n)%3000+2)
		for i := range x {
			x[i] = []float64{a, b, rng.NormFloat64()}[rng.IntN(3)]
		}
		largest, finite := 0.0, true
		for _, v := range x {
			largest = max(largest, math.Abs(v))
			finite = finite && v-v == 0
		}
		eachISA(t, func() {
			checkIamax(t, "Idamax", Idamax, x)
			if !finite {
				return
			}
			_, e := math.Frexp(largest)
			squares := exactSum(len(x), 3, func(i int) (p, q float64) {
				v := math.Ldexp(math.Ldexp(x[i], -e/2), e/2-e)
				return v, v
			})
			want := math.Ldexp(math.Sqrt(squares.want), e)
			if got := Dnrm2(x); !(approx{want, want*gamma64(len(x)+3) + 0x1p-1074}).within(got) {
				t.Errorf("%s: Dnrm2 of %d elements up to %g = %g, want %g", ISA(), len(x), largest, got, want)
			}
		})
	})
}

func BenchmarkDlevel1(b *testing.B) {
	for _, n := range []int{1024, 1 << 21} {
		x, y, z := make([]float64, n), make([]float64, n), matrix[float64](rand.New(rand.NewPCG(1, 2)), 1, n, n)
		for name, c := range map[string]struct {
			floats int
			call   func()
		}{
			"Daxpy":  {3, func() { Daxpy(1e-9, x, y) }},
			"Dscal":  {2, func() { Dscal(-1, x) }},
			"Ddot":   {2, func() { Ddot(x, y) }},
			"Dasum":  {1, func() { Dasum(x) }},
			"Dnrm2":  {1, func() { Dnrm2(z) }},
			"Idamax": {1, func() { Idamax(x) }},
		} {
			benchEachISA(b, fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(8 * c.floats * n))
				for b.Loop() {
					c.call()
				}
			})
		}
	}
}
