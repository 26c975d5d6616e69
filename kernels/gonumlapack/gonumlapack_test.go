package gonumlapack_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	blasgonum "gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/lapack/testlapack"
	"gonum.org/v1/gonum/mat"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/kernels/gonumblas"
	"github.com/vcycle-go/vcycle/kernels/gonumlapack"
)

var impl gonumlapack.Implementation

func forEachISA(t *testing.T, test func(t *testing.T)) {
	defer kernels.SetISA("")
	for _, name := range kernels.ISAs() {
		if err := kernels.SetISA(name); err != nil {
			t.Fatal(err)
		}
		t.Run(name, test)
	}
}

// TestGonum runs gonum's own tests of what is not gonum's, and of what calls it.
func TestGonum(t *testing.T) {
	blas64.Use(gonumblas.Implementation{})
	defer blas64.Use(blasgonum.Implementation{})
	testlapack.DgetrfTest(t, impl)
	testlapack.DgeqrfTest(t, impl)
	testlapack.DgeconTest(t, impl)
	testlapack.DpoconTest(t, impl)
	testlapack.DtrconTest(t, impl)
	testlapack.DgetriTest(t, impl)
	testlapack.DgetrsTest(t, impl)
	testlapack.DlansyTest(t, impl)
}

func random(rng *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	return x
}

// near fails unless all elements differ by less than bound.
func near(t *testing.T, what string, got, want []float64, bound float64) {
	t.Helper()
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= bound) {
			t.Fatalf("%s: element %d is %g, gonum's %g", what, i, got[i], want[i])
		}
	}
}

// TestFactorisations compares with gonum's: both have the same pivots, and signs.
func TestFactorisations(t *testing.T) {
	var theirs gonum.Implementation
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for _, size := range [][3]int{{17, 17, 17}, {33, 20, 21}, {20, 33, 40}, {65, 65, 65}, {130, 67, 67}, {70, 131, 133}, {129, 129, 129}} {
			m, n, lda := size[0], size[1], size[2]
			k := min(m, n)
			a := random(rng, m*lda)
			got, want := slices.Clone(a), slices.Clone(a)
			p, q := make([]int, k), make([]int, k)
			if !impl.Dgetrf(m, n, got, lda, p) || !theirs.Dgetrf(m, n, want, lda, q) || !slices.Equal(p, q) {
				t.Fatalf("Dgetrf of %d×%d: pivots %v, gonum's %v", m, n, p, q)
			}
			near(t, "Dgetrf", got, want, 1e-10)
			if m == n {
				work := make([]float64, 64*n)
				if !impl.Dgetri(n, got, lda, p, work, len(work)) || !theirs.Dgetri(n, want, lda, q, work, len(work)) {
					t.Fatal("Dgetri: a random matrix is singular")
				}
				near(t, "Dgetri", got, want, 1e-9)
			}

			copy(got, a)
			copy(want, a)
			tau, tau2, work := make([]float64, k), make([]float64, k), make([]float64, 64*n)
			impl.Dgeqrf(m, n, got, lda, tau, work, len(work))
			theirs.Dgeqrf(m, n, want, lda, tau2, work, len(work))
			near(t, "Dgeqrf", got, want, 1e-11)
			near(t, "Dgeqrf's tau", tau, tau2, 1e-12)
		}
	})
}

// TestThreads expects the same bits for any number of threads.
func TestThreads(t *testing.T) {
	defer kernels.SetThreads(0)
	const n = 200
	a := random(rand.New(rand.NewPCG(11, 12)), n*n)
	var lu, qr [][]float64
	for _, threads := range []int{1, 3} {
		kernels.SetThreads(threads)
		x, y, ipiv, tau, work := slices.Clone(a), slices.Clone(a), make([]int, n), make([]float64, n), make([]float64, 32*n)
		impl.Dgetrf(n, n, x, n, ipiv)
		impl.Dgeqrf(n, n, y, n, tau, work, len(work))
		lu, qr = append(lu, x), append(qr, y)
	}
	if !slices.Equal(lu[0], lu[1]) || !slices.Equal(qr[0], qr[1]) {
		t.Error("bits depend on the number of threads")
	}
}

// TestSingular has columns of zeros, pivots whose inverse overflows, and what is no number.
func TestSingular(t *testing.T) {
	const n = 40
	rng := rand.New(rand.NewPCG(7, 8))
	a, ipiv := random(rng, n*n), make([]int, n)
	for i := range n {
		a[i*n+20] = 0
	}
	if impl.Dgetrf(n, n, a, n, ipiv) {
		t.Error("Dgetrf: a matrix with a column of zeros is not singular")
	}
	work, iwork := make([]float64, 4*n), make([]int, n)
	if c := impl.Dgecon(lapack.MaxColumnSum, n, a, n, 30, work, iwork); c != 0 {
		t.Errorf("Dgecon: %g of a singular matrix", c)
	}
	if c := impl.Dtrcon(lapack.MaxRowSum, blas.Upper, blas.NonUnit, n, a, n, work, iwork); c != 0 {
		t.Errorf("Dtrcon: %g of a singular triangle", c)
	}

	tiny := make([]float64, n*n)
	for i := range tiny {
		tiny[i] = rng.NormFloat64() * 0x1p-1030
	}
	if !impl.Dgetrf(n, n, tiny, n, ipiv) {
		t.Error("Dgetrf: pivots of 2⁻¹⁰³⁰ are zeros")
	}
	for i := range n {
		for j := range i {
			if !(math.Abs(tiny[i*n+j]) <= 1) {
				t.Fatalf("Dgetrf: L has %g", tiny[i*n+j])
			}
		}
	}

	a[3*n+3] = math.NaN()
	if c := impl.Dgecon(lapack.MaxRowSum, n, a, n, math.NaN(), work, iwork); c == c {
		t.Errorf("Dgecon: %g for a norm that is NaN", c)
	}
}

// TestOverflow has triangles with which solutions overflow unless they are scaled.
func TestOverflow(t *testing.T) {
	var theirs gonum.Implementation
	const n = 50
	work, iwork := make([]float64, 4*n), make([]int, n)
	for _, diagonal := range []float64{1e-8, 1e-4, 0.3, 1e7, 1e200} {
		a := make([]float64, n*n)
		for i := range n {
			for j := range n {
				if a[i*n+j] = -1; i == j {
					a[i*n+i] = diagonal
				}
			}
		}
		for _, ul := range []blas.Uplo{blas.Upper, blas.Lower} {
			for _, norm := range []lapack.MatrixNorm{lapack.MaxColumnSum, lapack.MaxRowSum} {
				got := impl.Dtrcon(norm, ul, blas.NonUnit, n, a, n, work, iwork)
				want := theirs.Dtrcon(norm, ul, blas.NonUnit, n, a, n, work, iwork)
				if !(math.Abs(got-want) <= 1e-10*want) {
					t.Errorf("Dtrcon %c %c, %g on the diagonal: %g, gonum %g", ul, norm, diagonal, got, want)
				}
				got = impl.Dgecon(norm, n, a, n, 2, work, iwork)
				want = theirs.Dgecon(norm, n, a, n, 2, work, iwork)
				if !(math.Abs(got-want) <= 1e-10*want) {
					t.Errorf("Dgecon %c, %g on the diagonal: %g, gonum %g", norm, diagonal, got, want)
				}
			}
			got := impl.Dpocon(ul, n, a, n, 2, work, iwork)
			want := theirs.Dpocon(ul, n, a, n, 2, work, iwork)
			if !(math.Abs(got-want) <= 1e-10*want) {
				t.Errorf("Dpocon %c, %g on the diagonal: %g, gonum %g", ul, diagonal, got, want)
			}
		}
	}
}

// TestNorm compares norms of a symmetric matrix, and what is no number in it.
func TestNorm(t *testing.T) {
	const n, lda = 45, 47
	var theirs gonum.Implementation
	a, work := random(rand.New(rand.NewPCG(9, 10)), n*lda), make([]float64, n)
	for _, ul := range []blas.Uplo{blas.Upper, blas.Lower} {
		for _, norm := range []lapack.MatrixNorm{lapack.MaxColumnSum, lapack.MaxRowSum, lapack.MaxAbs, lapack.Frobenius} {
			got, want := impl.Dlansy(norm, ul, n, a, lda, work), theirs.Dlansy(norm, ul, n, a, lda, work)
			if !(math.Abs(got-want) <= 1e-13*want) {
				t.Errorf("Dlansy %c %c: %g, gonum %g", norm, ul, got, want)
			}
		}
		b := slices.Clone(a)
		b[20*lda+20] = math.NaN()
		if got := impl.Dlansy(lapack.MaxRowSum, ul, n, b, lda, work); got == got {
			t.Errorf("Dlansy %c: %g with a NaN", ul, got)
		}
	}
}

// TestMisuse expects gonum's panics.
func TestMisuse(t *testing.T) {
	const n = 70
	a, tau, work, ipiv := make([]float64, n*n), make([]float64, n), make([]float64, 4*n), make([]int, n)
	for name, call := range map[string]func(){
		"Dgetrf, lda":   func() { impl.Dgetrf(n, n, a, n-1, ipiv) },
		"Dgetrf, a":     func() { impl.Dgetrf(n, n, a[1:], n, ipiv) },
		"Dgetrf, ipiv":  func() { impl.Dgetrf(n, n, a, n, ipiv[1:]) },
		"Dgeqrf, a":     func() { impl.Dgeqrf(n, n, a[1:], n, tau, work, len(work)) },
		"Dgeqrf, tau":   func() { impl.Dgeqrf(n, n, a, n, tau[1:], work, len(work)) },
		"Dgeqrf, lwork": func() { impl.Dgeqrf(n, n, a, n, tau, work, n-1) },
		"Dgeqrf, work":  func() { impl.Dgeqrf(n, n, a, n, tau, work[:n], n+1) },
		"Dgetri, ipiv":  func() { impl.Dgetri(n, a, n, ipiv[1:], work, len(work)) },
		"Dgecon, norm":  func() { impl.Dgecon('X', n, a, n, 1, work, ipiv) },
		"Dgecon, work":  func() { impl.Dgecon(lapack.MaxRowSum, n, a, n, 1, work[1:], ipiv) },
		"Dpocon, ul":    func() { impl.Dpocon('X', n, a, n, 1, work, ipiv) },
		"Dtrcon, a":     func() { impl.Dtrcon(lapack.MaxRowSum, blas.Upper, blas.Unit, n, a[1:], n, work, ipiv) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

// BenchmarkMat compares gonum/mat on this LAPACK and gonumblas, on gonumblas alone, and on what gonum has.
func BenchmarkMat(b *testing.B) {
	const n = 1024
	rng := rand.New(rand.NewPCG(73, 74))
	x := mat.NewDense(n, n, random(rng, n*n))
	blas64.Use(gonumblas.Implementation{})
	spd := mat.NewSymDense(n, nil)
	spd.SymOuterK(1, x)
	defer blas64.Use(blasgonum.Implementation{})
	defer lapack64.Use(gonum.Implementation{})
	for _, c := range []struct {
		name string
		call func()
	}{
		{"Mul", func() { new(mat.Dense).Mul(x, x) }},
		{"LU", func() { new(mat.LU).Factorize(x) }},
		{"Cholesky", func() { new(mat.Cholesky).Factorize(spd) }},
		{"QR", func() { new(mat.QR).Factorize(x) }},
		{"SVD", func() { new(mat.SVD).Factorize(x, mat.SVDNone) }},
		{"Inverse", func() { new(mat.Dense).Inverse(x) }},
	} {
		for _, use := range []struct {
			name   string
			blas   blas.Float64
			lapack lapack.Float64
		}{
			{"gonumlapack", gonumblas.Implementation{}, impl},
			{"gonumblas", gonumblas.Implementation{}, gonum.Implementation{}},
			{"gonum", blasgonum.Implementation{}, gonum.Implementation{}},
		} {
			b.Run(c.name+"/"+use.name, func(b *testing.B) {
				blas64.Use(use.blas)
				lapack64.Use(use.lapack)
				for b.Loop() {
					c.call()
				}
			})
		}
	}
}
