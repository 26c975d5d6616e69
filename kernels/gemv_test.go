package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// gemvCase is one call of gemv or, if ger is set, of ger, where x has m elements and y n.
type gemvCase struct {
	trans, ger  bool
	m, n        int
	alpha, beta float64
	pad         int // added to the row stride
	incX, incY  int
}

func (c gemvCase) String() string {
	return fmt.Sprintf("ger=%v/trans=%v/m=%d/n=%d/alpha=%g/beta=%g/pad=%d/incX=%d/incY=%d", c.ger, c.trans, c.m, c.n, c.alpha, c.beta, c.pad, c.incX, c.incY)
}

// lengths returns how many elements x and y have.
func (c gemvCase) lengths() (x, y int) {
	if c.ger != c.trans {
		return c.m, c.n
	}
	return c.n, c.m
}

// level2 is the routines of one precision.
type level2[F float] struct {
	name string
	u    float64
	gemv func(trans bool, m, n int, alpha F, a []F, lda int, x []F, incX int, beta F, y []F, incY int)
	ger  func(m, n int, alpha F, x []F, incX int, y []F, incY int, a []F, lda int)
}

var (
	level2Single = level2[float32]{"S", 0x1p-24, Sgemv, Sger}
	level2Double = level2[float64]{"D", 0x1p-53, Dgemv, Dger}
)

// spaced returns n random elements with an increment and NaN between them.
func spaced[F float](rng *rand.Rand, n, inc int) []F { return matrix[F](rng, n, 1, max(inc, -inc)) }

// pick returns element i of n with an increment.
func pick[F float](x []F, inc, n, i int) *F {
	if inc < 0 {
		i -= n - 1
	}
	return &x[i*inc]
}

// check compares a call with twice the precision of float64. place, if there is one, moves the arguments.
func (l level2[F]) check(t *testing.T, c gemvCase, rng *rand.Rand, place func(slot int, x []F) []F) {
	t.Helper()
	nx, ny := c.lengths()
	lda := max(1, c.n+c.pad)
	a, x, y := matrix[F](rng, c.m, c.n, lda), spaced[F](rng, nx, c.incX), spaced[F](rng, ny, c.incY)
	if !c.ger && c.beta == 0 {
		for i := range ny {
			*pick(y, c.incY, ny, i) = F(math.NaN())
		}
	}
	if place != nil {
		a, x, y = place(0, a), place(1, x), place(2, y)
	}
	before := append([]F(nil), y...)
	written := y
	if c.ger {
		before, written = append(before[:0], a...), a
	}
	err := faults(func() {
		if c.ger {
			l.ger(c.m, c.n, F(c.alpha), x, c.incX, y, c.incY, a, lda)
		} else {
			l.gemv(c.trans, c.m, c.n, F(c.alpha), a, lda, x, c.incX, F(c.beta), y, c.incY)
		}
	})
	if err != nil {
		t.Fatalf("%s%v: %v", l.name, c, err)
	}
	// What is written, and where else the slice holds what it did.
	expected := map[int]approx{}
	gamma := func(k int) float64 { return float64(k) * l.u / (1 - float64(k)*l.u) }
	if c.ger {
		for i := range c.m {
			for j := range c.n {
				p, old := c.alpha*float64(*pick(x, c.incX, nx, i)), float64(before[i*lda+j])
				q := float64(*pick(y, c.incY, ny, j))
				expected[i*lda+j] = approx{math.FMA(p, q, old), gamma(3)*(math.Abs(p*q)+math.Abs(old)) + 0x1p-52*math.Abs(p*q)}
			}
		}
	} else {
		for i := range ny {
			var sum, want twice
			var size float64
			for j := range nx {
				e := i*lda + j
				if c.trans {
					e = j*lda + i
				}
				p, q := float64(a[e]), float64(*pick(x, c.incX, nx, j))
				sum.addProduct(p, q)
				size += math.Abs(p * q)
			}
			want.addProduct(c.alpha, sum.hi)
			want.addProduct(c.alpha, sum.lo)
			size *= math.Abs(c.alpha)
			at := i * c.incY
			if c.incY < 0 {
				at = (i - ny + 1) * c.incY
			}
			if c.beta != 0 {
				want.addProduct(c.beta, float64(before[at]))
				size += math.Abs(c.beta * float64(before[at]))
			}
			expected[at] = approx{want.hi + want.lo, gamma(nx+3) * size}
		}
	}
	for i, v := range written {
		if e, ok := expected[i]; ok && !e.within(float64(v)) {
			t.Fatalf("%s%v: element %d is %g, want %g ± %g", l.name, c, i, v, e.want, e.bound)
		} else if !ok && v != before[i] && (v == v || before[i] == before[i]) {
			t.Fatalf("%s%v: element %d between the vector's was written", l.name, c, i)
		}
	}
}

var (
	gemvScalars    = []float64{0, 1, -0.5}
	gemvIncrements = []int{1, 2, -1, -3}
)

func (l level2[F]) random(t *testing.T, rng *rand.Rand, m, n int, place func(slot int, x []F) []F) {
	t.Helper()
	how := rng.IntN(3)
	l.check(t, gemvCase{trans: how == 1, ger: how == 2, m: m, n: n, alpha: gemvScalars[rng.IntN(3)], beta: gemvScalars[rng.IntN(3)],
		pad: rng.IntN(3), incX: gemvIncrements[rng.IntN(4)], incY: gemvIncrements[rng.IntN(4)]}, rng, place)
}

func TestGemv(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		testLevel2(t, level2Single)
		testLevel2(t, level2Double)
	})
}

func testLevel2[F float](t *testing.T, l level2[F]) {
	rng := rand.New(rand.NewPCG(141, 142))
	for n := range 131 {
		for _, how := range []gemvCase{{}, {trans: true}, {ger: true}} {
			how.m, how.n, how.alpha, how.beta, how.incX, how.incY = 7, n, -0.5, 2, 1, 1
			l.check(t, how, rng, nil)
			how.m, how.n = n, 5
			l.check(t, how, rng, nil)
		}
		for range 6 {
			l.random(t, rng, rng.IntN(80), n, nil)
		}
	}
	for _, rows := range []int{5, 8, 11} { // rows that are pages apart
		l.check(t, gemvCase{ger: true, m: rows, n: 50, pad: 1024 - 50, alpha: 2, incX: 1, incY: 1}, rng, nil)
	}
	for _, size := range [][2]int{{3, gemvCols + 5}, {4, 2*gemvCols + 1}, {gemvColumn + 3, 9}, {gemvElements + 6, 1}, {40, gemvCols - 1}} {
		for range 6 {
			l.random(t, rng, size[0], size[1], nil)
		}
	}
}

// TestGemvGuard has the arguments touch guard pages at their heads and at their tails.
func TestGemvGuard(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 3, 2*40*44)
		rng := rand.New(rand.NewPCG(143, 144))
		for try := range 600 {
			tail := try&1 != 0
			m, n := 1+rng.IntN(40), 1+rng.IntN(40)
			var sizes [3]int
			level2Single.random(t, rng, m, n, func(slot int, x []float32) []float32 {
				sizes[slot] = len(x)
				at := g.place(slot, len(x), tail)
				copy(at, x)
				return at
			})
			g.mustCheck(t, sizes, tail)
			level2Double.random(t, rng, m, n, func(slot int, x []float64) []float64 {
				sizes[slot] = 2 * len(x)
				at := doubles(g.place(slot, 2*len(x), tail))
				copy(at, x)
				return at
			})
			g.mustCheck(t, sizes, tail)
		}
	})
}

func (g *guarded) mustCheck(t *testing.T, sizes [3]int, tail bool) {
	t.Helper()
	for slot, n := range sizes {
		if err := g.check(slot, n, tail); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGemvSpecial holds NaN and Inf to reach the elements that they belong to, whatever they meet.
func TestGemvSpecial(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		const m, n, row, col = 13, 37, 5, 30
		for _, special := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			a, x, y := make([]float64, m*n), make([]float64, n), make([]float64, m)
			a[row*n+col] = special // times 0
			Dgemv(false, m, n, 1, a, n, x, 1, 0, y, 1)
			for i, v := range y {
				if (v != v) != (i == row) {
					t.Errorf("%g in row %d: y[%d] = %g", special, row, i, v)
				}
			}
			clear(y)
			Dgemv(true, m, n, 1, a, n, y, 1, 0, x, 1)
			for j, v := range x {
				if (v != v) != (j == col) {
					t.Errorf("%g in column %d: element %d of the transposed product is %g", special, col, j, v)
				}
			}
			clear(a)
			clear(x)
			y[row] = special
			Dger(m, n, 1, y, 1, x, 1, a, n)
			for e, v := range a {
				if (v != v) != (e/n == row) {
					t.Errorf("%g in x at %d: element %d,%d is %g", special, row, e/n, e%n, v)
				}
			}
		}
	})
}

// TestGemvThreads holds the bits to be the same for any number of goroutines.
func TestGemvThreads(t *testing.T) {
	defer SetThreads(0)
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(145, 146))
		for _, size := range [][2]int{{515, 520}, {1030, 259}, {131, 2051}} {
			m, n := size[0], size[1]
			a := matrix[float64](rng, m, n, n)
			x, y := spaced[float64](rng, max(m, n), 1), spaced[float64](rng, max(m, n), 2)
			var want [3][]float64
			for _, threads := range []int{1, 2, 3, 7} {
				SetThreads(threads)
				for how := range want {
					got := append([]float64(nil), y...)
					switch how {
					case 0, 1:
						Dgemv(how == 1, m, n, -0.5, a, n, x, 1, 2, got, 2)
					case 2:
						got = append(got[:0], a...)
						Dger(m, n, -0.5, x, 1, y, 2, got, n)
					}
					if threads == 1 {
						want[how] = got
						continue
					}
					for i, v := range got {
						if math.Float64bits(v) != math.Float64bits(want[how][i]) {
							t.Fatalf("%d×%d, %d threads, call %d: element %d is %g, %g on one", m, n, threads, how, i, v, want[how][i])
						}
					}
				}
			}
		}
	})
}

// TestFar has small matrices go the way of those that come from memory: products with a vector, and products
// of one row with all that can be around them, to the same bits for any number of goroutines and in RunAll.
func TestFar(t *testing.T) {
	defer func(old struct{ matrix, weights, part int }) { farFrom = old }(farFrom)
	defer SetThreads(0)
	farFrom.matrix, farFrom.weights, farFrom.part = 1, 1, 256
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(149, 150))
		for range 40 {
			m, n := rng.IntN(90), rng.IntN(90)
			level2Single.random(t, rng, m, n, nil)
			level2Double.random(t, rng, m, n, nil)
		}
		level2Single.check(t, gemvCase{m: 5, n: farCols + 3, alpha: -0.5, beta: 1, incX: 1, incY: 1}, rng, nil)
		level2Single.check(t, gemvCase{trans: true, m: 9, n: farCols + 3, alpha: -0.5, beta: 1, incX: 1, incY: 2}, rng, nil)
		testFarProducts[float32](t, 0x1p-24, rng)
		testFarProducts[float64](t, 0x1p-53, rng)
	})
}

func testFarProducts[F float](t *testing.T, u float64, rng *rand.Rand) {
	taken := 0
	for range 120 {
		p := randomProduct[F, F](rng, 1, 1+rng.IntN(90), rng.IntN(90))
		prec, kernel := kernelOf[F, F]()
		if p.K > 0 && p.runFar(prec, kernel) {
			taken++
		}
		SetThreads(1)
		checkRun(t, p, u, p.Run)
		want := append([]F(nil), p.C...)
		if p.Beta != 0 && p.D == nil {
			continue // C is not what it was
		}
		for _, threads := range []int{2, 3, 7} {
			SetThreads(threads)
			p.Threads = 0
			p.Run()
			for i, v := range p.C {
				if math.Float64bits(float64(v)) != math.Float64bits(float64(want[i])) {
					t.Fatalf("%s, %d threads: element %d is %g, %g on one", describe(&p), threads, i, v, want[i])
				}
			}
		}
		SetThreads(2)
		other := p
		other.C = append([]F(nil), p.C...)
		if p.Pre != nil {
			other.Pre = append([]F(nil), p.Pre...)
		}
		RunAll([]Product[F, F]{p, other})
		for i, v := range other.C {
			if math.Float64bits(float64(v)) != math.Float64bits(float64(want[i])) {
				t.Fatalf("%s, in RunAll: element %d is %g, %g alone", describe(&p), i, v, want[i])
			}
		}
	}
	if taken < 8 {
		t.Errorf("%d of 120 products are far", taken)
	}
}

func FuzzGemv(f *testing.F) {
	f.Add(uint64(1), uint8(17), uint8(33), uint8(3))
	f.Add(uint64(2), uint8(4), uint8(1), uint8(200))
	f.Fuzz(func(t *testing.T, seed uint64, m, n, how uint8) {
		eachISA(t, func() {
			rng := rand.New(rand.NewPCG(seed, uint64(how)))
			level2Single.random(t, rng, int(m), int(n), nil)
			level2Double.random(t, rng, int(m), int(n), nil)
		})
	})
}

func BenchmarkGemv(b *testing.B) {
	for _, size := range [][3]int{{8, 8, 8}, {32, 32, 32}, {128, 128, 128}, {1024, 1024, 1024}, {1024, 32, 1024}, {1024, 32, 1040}} {
		m, n, lda := size[0], size[1], size[2]
		rng := rand.New(rand.NewPCG(147, 148))
		a, x, y := matrix[float64](rng, m, n, lda), spaced[float64](rng, 1024, 1), spaced[float64](rng, 1024, 1)
		for name, call := range map[string]func(){
			"DgemvN": func() { Dgemv(false, m, n, 1, a, lda, x, 1, 0, y, 1) },
			"DgemvT": func() { Dgemv(true, m, n, 1, a, lda, x, 1, 0, y, 1) },
			"Dger":   func() { Dger(m, n, 1e-9, x, 1, y, 1, a, lda) },
		} {
			benchEachISA(b, fmt.Sprintf("%s/m=%d/n=%d/lda=%d", name, m, n, lda), func(b *testing.B) {
				b.SetBytes(int64(8 * m * n))
				for b.Loop() {
					call()
				}
			})
		}
	}
}
