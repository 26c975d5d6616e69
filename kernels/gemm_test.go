package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
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
func matrix(rng *rand.Rand, rows, cols, ld int) []float32 {
	if rows == 0 {
		return nil
	}
	x := randomSlice(rng, (rows-1)*ld+cols)
	for i := range rows - 1 {
		for j := cols; j < ld; j++ {
			x[i*ld+j] = float32(math.NaN())
		}
	}
	return x
}

func at(trans bool, x []float32, ld, i, j int) float64 {
	if trans {
		i, j = j, i
	}
	return float64(x[i*ld+j])
}

func checkGemm(t *testing.T, g gemmCase, rng *rand.Rand) {
	t.Helper()
	aRows, aCols, bRows, bCols := g.m, g.k, g.k, g.n
	if g.transA {
		aRows, aCols = aCols, aRows
	}
	if g.transB {
		bRows, bCols = bCols, bRows
	}
	lda, ldb, ldc := aCols+g.pad, bCols+g.pad, g.n+g.pad
	if lda == 0 {
		lda = 1
	}
	if ldb == 0 {
		ldb = 1
	}
	a, b, c := matrix(rng, aRows, aCols, lda), matrix(rng, bRows, bCols, ldb), matrix(rng, g.m, g.n, ldc)
	before := append([]float32(nil), c...)
	if g.beta == 0 {
		for i := range c {
			c[i] = float32(math.NaN())
		}
	}
	Sgemm(g.transA, g.transB, g.m, g.n, g.k, g.alpha, a, lda, b, ldb, g.beta, c, ldc)
	for i := range g.m {
		for j := range g.n {
			var want, bound float64
			for p := range g.k {
				x := at(g.transA, a, lda, i, p) * at(g.transB, b, ldb, p, j)
				want += x
				bound += math.Abs(x)
			}
			want *= float64(g.alpha)
			bound *= math.Abs(float64(g.alpha))
			if g.beta != 0 {
				x := float64(g.beta) * float64(before[i*ldc+j])
				want += x
				bound += math.Abs(x)
			}
			if got := float64(c[i*ldc+j]); !(math.Abs(got-want) <= gamma(g.k+2)*bound) {
				t.Fatalf("%v: C[%d,%d] = %g, want %g ± %g", g, i, j, got, want, gamma(g.k+2)*bound)
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
			{m: 2, n: 3, k: 2*kc + 5, alpha: 1, beta: 1}, {transA: true, transB: true, m: 15, n: 33, k: kc + 1, alpha: -0.5},
		} {
			checkGemm(t, g, rng)
		}
	})
}

// TestSgemmBlocks crosses the cache blocks of rows and columns with blocks made small.
func TestSgemmBlocks(t *testing.T) {
	defer func(m, n int) { mc, nc = m, n }(mc, nc)
	mc, nc = 40, 70
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		for trans := range 4 {
			checkGemm(t, gemmCase{transA: trans&1 != 0, transB: trans&2 != 0, m: 97, n: 150, k: 21, alpha: 1, beta: 1, pad: 3}, rng)
		}
	})
}

// TestSgemmNaN holds Sgemm to BLAS: a zero does not hide a NaN or an Inf of the other operand.
func TestSgemmNaN(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			const n = 35
			a, b, c := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
			a[7*n+3] = float32(bad)
			Sgemm(false, false, n, n, n, 1, a, n, b, n, 0, c, n)
			for i, x := range c {
				if isNaN := x != x; isNaN != (i/n == 7) {
					t.Fatalf("A has %g in row 7: C[%d,%d] = %g", bad, i/n, i%n, x)
				}
			}
		}
	})
}

// TestSgemmThreads holds every bit to be the same for any number of threads.
func TestSgemmThreads(t *testing.T) {
	defer SetThreads(0)
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for trans := range 4 {
			m, n, k := 131, 101, 53
			a, b := randomSlice(rng, m*k), randomSlice(rng, k*n)
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
				c := make([]float32, m*n)
				Sgemm(trans&1 != 0, trans&2 != 0, m, n, k, 1, a, lda, b, ldb, 0, c, n)
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

func TestSgemmAllocates(t *testing.T) {
	a, b, c := make([]float32, 128*128), make([]float32, 128*128), make([]float32, 128*128)
	f := func() { Sgemm(false, true, 128, 128, 128, 1, a, 128, b, 128, 0, c, 128) }
	f()
	if n := testing.AllocsPerRun(10, f); n != 0 {
		t.Errorf("Sgemm allocates %v times a call", n)
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
		{"lda of a transpose", func() { Sgemm(true, false, 3, 3, 2, 1, x, 2, x, 3, 0, x, 3) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			c.call()
		})
	}
}

func BenchmarkSgemm(b *testing.B) {
	for _, s := range []struct{ m, n, k int }{{64, 64, 64}, {256, 256, 256}, {1024, 1024, 1024}, {2048, 256, 256}, {2048, 1024, 256}, {256, 1024, 2048}} {
		for trans, name := range []string{"NN", "TN", "NT", "TT"} {
			for _, threads := range []int{1, 2} {
				benchmarkSgemm(b, name, threads, trans&1 != 0, trans&2 != 0, s.m, s.n, s.k)
			}
		}
	}
}

func benchmarkSgemm(b *testing.B, name string, threads int, transA, transB bool, m, n, k int) {
	lda, ldb := k, n
	if transA {
		lda = m
	}
	if transB {
		ldb = k
	}
	rng := rand.New(rand.NewPCG(7, 8))
	x, y, c := randomSlice(rng, m*k), randomSlice(rng, k*n), make([]float32, m*n)
	defer SetThreads(0)
	SetThreads(threads)
	benchEachISA(b, fmt.Sprintf("m=%d/n=%d/k=%d/trans=%s/threads=%d", m, n, k, name, threads), func(b *testing.B) {
		for b.Loop() {
			Sgemm(transA, transB, m, n, k, 1, x, lda, y, ldb, 0, c, n)
		}
		b.ReportMetric(2*float64(m)*float64(n)*float64(k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
}
