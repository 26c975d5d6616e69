package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// unitRoundoff is u for float32.
const unitRoundoff = 1.0 / (1 << 24)

// gamma is Higham's γ(k) = k·u/(1−k·u).
func gamma(k int) float64 {
	ku := float64(k) * unitRoundoff
	return ku / (1 - ku)
}

// gemmCase is one product with its operands and the float64 reference.
type gemmCase struct {
	transA, transB bool
	m, n, k        int
	alpha, beta    float32
	pad            int // added to each row stride
}

func (g gemmCase) String() string {
	return fmt.Sprintf("transA=%v/transB=%v/m=%d/n=%d/k=%d/alpha=%g/beta=%g/pad=%d", g.transA, g.transB, g.m, g.n, g.k, g.alpha, g.beta, g.pad)
}

func randomSlice(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// matrix returns a random rows×cols matrix with NaN in the gaps between its rows.
func matrix[F float](rng *rand.Rand, rows, cols, ld int) []F {
	if rows == 0 {
		return nil
	}
	x := make([]F, (rows-1)*ld+cols)
	for i := range x {
		x[i] = F(rng.NormFloat64())
	}
	for i := range rows - 1 {
		for j := cols; j < ld; j++ {
			x[i*ld+j] = F(math.NaN())
		}
	}
	return x
}

func at[F float](trans bool, x []F, ld, i, j int) float64 {
	if trans {
		i, j = j, i
	}
	return float64(x[i*ld+j])
}

// twice is a number of twice the precision of float64, hi + lo.
type twice struct{ hi, lo float64 }

// addProduct adds a*b (Ogita, Rump and Oishi, Accurate Sum and Dot Product, SIAM J. Sci. Comput. 26(6), 2005).
func (s *twice) addProduct(a, b float64) {
	p := a * b
	sum := s.hi + p
	z := sum - s.hi
	s.lo += math.FMA(a, b, -p) + ((s.hi - (sum - z)) + (p - z))
	s.hi = sum
}

// product is the signature of Sgemm and Dgemm.
type product[F float] func(transA, transB bool, m, n, k int, alpha F, a []F, lda int, b []F, ldb int, beta F, c []F, ldc int)

func checkGemm(t *testing.T, g gemmCase, rng *rand.Rand) {
	t.Helper()
	checkProduct(t, Sgemm, gamma(g.k+2), g, rng)
}

func checkDgemm(t *testing.T, g gemmCase, rng *rand.Rand) {
	t.Helper()
	ku := float64(g.k+2) * 0x1p-53
	checkProduct(t, Dgemm, ku/(1-ku), g, rng)
}

// checkProduct holds a product to factor times the same product of absolute values.
func checkProduct[F float](t *testing.T, call product[F], factor float64, g gemmCase, rng *rand.Rand) {
	t.Helper()
	aRows, aCols, bRows, bCols := g.m, g.k, g.k, g.n
	if g.transA {
		aRows, aCols = aCols, aRows
	}
	if g.transB {
		bRows, bCols = bCols, bRows
	}
	lda, ldb, ldc := max(1, aCols+g.pad), max(1, bCols+g.pad), max(1, g.n+g.pad)
	a, b, c := matrix[F](rng, aRows, aCols, lda), matrix[F](rng, bRows, bCols, ldb), matrix[F](rng, g.m, g.n, ldc)
	alpha, beta := float64(g.alpha), float64(g.beta)
	before := append([]F(nil), c...)
	if beta == 0 {
		for i := range c {
			c[i] = F(math.NaN())
		}
	}
	call(g.transA, g.transB, g.m, g.n, g.k, F(g.alpha), a, lda, b, ldb, F(g.beta), c, ldc)
	for i := range g.m {
		for j := range g.n {
			var sum, want twice
			var bound float64
			for p := range g.k {
				x, y := at(g.transA, a, lda, i, p), at(g.transB, b, ldb, p, j)
				sum.addProduct(x, y)
				bound += math.Abs(x * y)
			}
			want.addProduct(alpha, sum.hi)
			want.addProduct(alpha, sum.lo)
			bound *= math.Abs(alpha)
			if beta != 0 {
				x := float64(before[i*ldc+j])
				want.addProduct(beta, x)
				bound += math.Abs(beta * x)
			}
			if got := float64(c[i*ldc+j]); !(math.Abs(got-want.hi-want.lo) <= factor*bound) {
				t.Fatalf("%v: C[%d,%d] = %g, want %g ± %g", g, i, j, got, want.hi, factor*bound)
			}
		}
		for j := g.n; j < ldc && i < g.m-1; j++ {
			if x := c[i*ldc+j]; !math.IsNaN(float64(x)) {
				t.Fatalf("%v: the gap after row %d of C was written: %g", g, i, x)
			}
		}
	}
}

var sizes = []int{1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 14, 15, 16, 17, 27, 28, 29, 31, 32, 33, 47, 63, 65}

func TestSgemm(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		pick := func() int { return sizes[rng.IntN(len(sizes))] }
		scalars := []float32{0, 1, -0.5}
		for range 400 {
			g := gemmCase{
				transA: rng.IntN(2) == 0, transB: rng.IntN(2) == 0,
				m: pick(), n: pick(), k: pick(), pad: rng.IntN(3) * 5,
				alpha: scalars[rng.IntN(3)], beta: scalars[rng.IntN(3)],
			}
			checkGemm(t, g, rng)
		}
		for _, g := range []gemmCase{
			{m: 0, n: 3, k: 2, alpha: 1}, {m: 3, n: 0, k: 2, alpha: 1}, {m: 3, n: 4, k: 0, alpha: 1, beta: 2},
			{m: 2, n: 3, k: 2*single.block.kc + 5, alpha: 1, beta: 1}, {transA: true, transB: true, m: 15, n: 33, k: single.block.kc + 1, alpha: -0.5},
		} {
			checkGemm(t, g, rng)
		}
	})
}

// TestSgemmBlocks crosses the cache blocks of rows and columns, made small, and those of K.
func TestSgemmBlocks(t *testing.T) {
	defer func(b gemmBlock) { single.block = b }(single.block)
	single.block = gemmBlock{mc: 12, kc: single.block.kc, nc: 70, flat: 40}
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		for trans := range 4 {
			checkGemm(t, gemmCase{transA: trans&1 != 0, transB: trans&2 != 0, m: 97, n: 150, k: 21, alpha: 1, beta: 1, pad: 3}, rng)
			checkGemm(t, gemmCase{transA: trans&1 != 0, transB: trans&2 != 0, m: 43, n: 75, k: 2*single.block.kc + 5, alpha: 2, beta: -0.5}, rng)
			for _, m := range []int{36, 44} { // rows on pages of their own
				checkGemm(t, gemmCase{transA: trans&1 != 0, transB: trans&2 != 0, m: m, n: 75, k: 2*copyRows + 5, alpha: 1, pad: page}, rng)
			}
		}
	})
}

// TestSgemmNaN, TestDgemmNaN and TestBgemmNaN hold the products to BLAS: a zero does not hide a NaN or an Inf of another
// operand, which spoils its row, its column or its own element, and nothing else.
func TestSgemmNaN(t *testing.T) { testNaN[float32](t, Sgemm) }
func TestDgemmNaN(t *testing.T) { testNaN[float64](t, Dgemm) }
func TestBgemmNaN(t *testing.T) { testNaN[BFloat16](t, bgemmRounded) }

func testNaN[E entry, F float](t *testing.T, call product[F]) {
	forEachKernel[E](t, func(t *testing.T) {
		const n, row, col = 35, 7, 3
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			for trans := range 4 {
				for operand := range 3 {
					x := [3][]F{make([]F, n*n), make([]F, n*n), make([]F, n*n)}
					at := row*n + col
					if operand < 2 && trans>>operand&1 != 0 {
						at = col*n + row // of op(X)
					}
					x[operand][at] = F(bad)
					call(trans&1 != 0, trans&2 != 0, n, n, n, 1, x[0], n, x[1], n, 0.5, x[2], n)
					for i, v := range x[2] {
						spoilt := []bool{i/n == row, i%n == col, i == row*n+col}[operand]
						if (v-v != 0) != spoilt {
							t.Fatalf("trans %d: %c has %g at (%d,%d): C[%d,%d] = %g", trans, "ABC"[operand], bad, row, col, i/n, i%n, v)
						}
					}
				}
			}
		}
	})
}

// TestSgemmThreads holds every bit to be the same for any number of threads, that is for grids of one
// and of two dimensions.
func TestSgemmThreads(t *testing.T) {
	defer SetThreads(0)
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for trans := range 4 {
			m, n, k := 250, 331, 160
			if ISA() == "generic" {
				m, n, k = 71, 93, 241 // as many parts at less work
			}
			a, b, old := randomSlice(rng, m*k), randomSlice(rng, k*n), randomSlice(rng, m*n)
			lda, ldb := k, n
			if trans&1 != 0 {
				lda = m
			}
			if trans&2 != 0 {
				ldb = k
			}
			var want []float32
			for _, threads := range []int{1, 2, 3, 4, 7} {
				SetThreads(threads)
				c := append([]float32(nil), old...)
				Sgemm(trans&1 != 0, trans&2 != 0, m, n, k, 1, a, lda, b, ldb, -0.5, c, n)
				if threads == 1 {
					want = c
				}
				for i := range c {
					if math.Float32bits(c[i]) != math.Float32bits(want[i]) {
						t.Fatalf("trans %d, %d threads: C[%d,%d] = %g, with one thread %g", trans, threads, i/n, i%n, c[i], want[i])
					}
				}
			}
		}
	})
}

// TestSgemmGrid sees that the sizes above are cut both ways.
func TestSgemmGrid(t *testing.T) {
	for _, c := range []struct{ m, n, k, threads, gm, gn int }{
		{250, 331, 160, 1, 1, 1}, {250, 331, 160, 2, 1, 2}, {250, 331, 160, 4, 2, 2}, {331, 250, 160, 2, 2, 1}, {71, 93, 241, 4, 2, 2},
		{8, 8, 8, 4, 1, 1}, {4, 4096, 512, 4, 1, 4},
	} {
		kernel := gemmGeneric[float32]()
		if gm, gn := grid(&kernel, kernel.mr, c.m, c.n, c.k, c.threads); gm != c.gm || gn != c.gn {
			t.Errorf("%d×%d×%d on %d threads is cut into %d×%d parts, want %d×%d", c.m, c.n, c.k, c.threads, gm, gn, c.gm, c.gn)
		}
	}
	// Five tiles of 14 rows make 36 and 28, ten 70 and 58, and nineteen 126 and 130, which is even enough.
	kernel := gemmKernel[float32, float32]{mr: 14, nr: 32}
	for _, c := range []struct{ m, n, gm, gn int }{{64, 64, 1, 2}, {128, 128, 1, 2}, {256, 256, 2, 1}, {64, 32, 2, 1}} {
		if gm, gn := grid(&kernel, kernel.mr, c.m, c.n, 2048, 2); gm != c.gm || gn != c.gn {
			t.Errorf("%d×%d in tiles of 14×32 on 2 threads is cut into %d×%d parts, want %d×%d", c.m, c.n, gm, gn, c.gm, c.gn)
		}
	}
}

// TestSgemmAllocates counts on two threads, which testing.AllocsPerRun cannot. The runtime itself allocates
// now and then where a goroutine parks, so some stretch of calls must allocate nothing at all.
func TestSgemmAllocates(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	defer SetThreads(0)
	SetThreads(2)
	const n, calls, stretches = 128, 10, 40
	a, b, c := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
	least := uint64(math.MaxUint64)
	for try := 0; try < stretches && least > 0; try++ {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range calls {
			Sgemm(false, true, n, n, n, 1, a, n, b, n, 0, c, n)
		}
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	if least > 0 {
		t.Errorf("at least %d allocations in each of %d stretches of %d calls", least, stretches, calls)
	}
}

func TestSgemmMisuse(t *testing.T) {
	x := make([]float32, 12)
	for _, c := range []struct {
		name string
		call func()
	}{
		{"negative size", func() { Sgemm(false, false, -1, 1, 1, 1, x, 1, x, 1, 0, x, 1) }},
		{"short A", func() { Sgemm(false, false, 4, 3, 4, 1, x, 4, x, 3, 0, x, 3) }},
		{"short B", func() { Sgemm(false, true, 3, 4, 4, 1, x, 4, x, 4, 0, x, 4) }},
		{"short C", func() { Sgemm(false, false, 4, 4, 1, 1, x, 1, x, 4, 0, x, 4) }},
		{"lda", func() { Sgemm(false, false, 3, 3, 3, 1, x, 2, x, 3, 0, x, 3) }},
		{"overflow", func() { Sgemm(false, false, 3, 4, 1, 1, x, 1, x, 4, 0, x, 1<<62+1000) }},
		{"lda of a transpose", func() { Sgemm(true, false, 3, 3, 2, 1, x, 2, x, 3, 0, x, 3) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if msg := fmt.Sprint(recover()); !strings.HasPrefix(msg, "kernels: Sgemm: ") {
					t.Errorf("panics with %q", msg)
				}
			}()
			c.call()
		})
	}
}
