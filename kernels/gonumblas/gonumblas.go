// Package gonumblas is a BLAS for gonum whose matrix products run on package kernels:
//
//	blas64.Use(gonumblas.Implementation{})
//	blas32.Use(gonumblas.Implementation{})
//
// speed up a program that uses gonum/mat or gonum/lapack, and change nothing else in it. Level 3 of both
// real precisions (gemm, symm, syrk, syr2k, trmm, trsm) goes through kernels.Sgemm and kernels.Dgemm, and
// the float32 vectors of unit stride of level 1 (axpy, dot, scal) through their kernels. All else, the
// complex routines among it, is gonum's own.
//
// The panics are gonum's. Unlike gonum's, Sgemm and Dgemm do not skip elements of A that are 0, so that
// 0·NaN and 0·Inf are NaN. The other routines of level 3 leave blocks on the diagonal to gonum, which
// skips some: there a 0 in A may hide a NaN or an Inf, and whether it does depends on where it stands.
package gonumblas

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"github.com/vcycle-go/vcycle/kernels"
)

// Implementation is a blas.Float32, blas.Float64, blas.Complex64 and blas.Complex128. The zero value is
// ready, and safe for concurrent use.
type Implementation struct {
	gonum.Implementation
}

var (
	_ blas.Float32    = Implementation{}
	_ blas.Float64    = Implementation{}
	_ blas.Complex64  = Implementation{}
	_ blas.Complex128 = Implementation{}
)

var single = routines[float32]{
	gemm:  kernels.Sgemm,
	symm:  gonum.Implementation{}.Ssymm,
	syrk:  gonum.Implementation{}.Ssyrk,
	syr2k: gonum.Implementation{}.Ssyr2k,
	trmm:  gonum.Implementation{}.Strmm,
	trsm:  gonum.Implementation{}.Strsm,
}

var double = routines[float64]{
	gemm:  kernels.Dgemm,
	symm:  gonum.Implementation{}.Dsymm,
	syrk:  gonum.Implementation{}.Dsyrk,
	syr2k: gonum.Implementation{}.Dsyr2k,
	trmm:  gonum.Implementation{}.Dtrmm,
	trsm:  gonum.Implementation{}.Dtrsm,
}

// Sgemm computes C = alpha*op(A)*op(B) + beta*C.
func (impl Implementation) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if !gemmFits(tA, tB, m, n, k, len(a), lda, len(b), ldb, len(c), ldc) {
		impl.Implementation.Sgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	kernels.Sgemm(tA != blas.NoTrans, tB != blas.NoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dgemm computes C = alpha*op(A)*op(B) + beta*C.
func (impl Implementation) Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	if !gemmFits(tA, tB, m, n, k, len(a), lda, len(b), ldb, len(c), ldc) {
		impl.Implementation.Dgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	kernels.Dgemm(tA != blas.NoTrans, tB != blas.NoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Ssymm computes C = alpha*A*B + beta*C or C = alpha*B*A + beta*C for a symmetric A.
func (Implementation) Ssymm(s blas.Side, ul blas.Uplo, m, n int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	single.Symm(s, ul, m, n, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dsymm computes C = alpha*A*B + beta*C or C = alpha*B*A + beta*C for a symmetric A.
func (Implementation) Dsymm(s blas.Side, ul blas.Uplo, m, n int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	double.Symm(s, ul, m, n, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Ssyrk computes a triangle of C = alpha*A*Aᵀ + beta*C or C = alpha*Aᵀ*A + beta*C.
func (Implementation) Ssyrk(ul blas.Uplo, t blas.Transpose, n, k int, alpha float32, a []float32, lda int, beta float32, c []float32, ldc int) {
	single.Syrk(ul, t, n, k, alpha, a, lda, beta, c, ldc)
}

// Dsyrk computes a triangle of C = alpha*A*Aᵀ + beta*C or C = alpha*Aᵀ*A + beta*C.
func (Implementation) Dsyrk(ul blas.Uplo, t blas.Transpose, n, k int, alpha float64, a []float64, lda int, beta float64, c []float64, ldc int) {
	double.Syrk(ul, t, n, k, alpha, a, lda, beta, c, ldc)
}

// Ssyr2k computes a triangle of C = alpha*(A*Bᵀ + B*Aᵀ) + beta*C or C = alpha*(Aᵀ*B + Bᵀ*A) + beta*C.
func (Implementation) Ssyr2k(ul blas.Uplo, t blas.Transpose, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	single.Syr2k(ul, t, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dsyr2k computes a triangle of C = alpha*(A*Bᵀ + B*Aᵀ) + beta*C or C = alpha*(Aᵀ*B + Bᵀ*A) + beta*C.
func (Implementation) Dsyr2k(ul blas.Uplo, t blas.Transpose, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	double.Syr2k(ul, t, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Strmm computes B = alpha*op(A)*B or B = alpha*B*op(A) for a triangular A.
func (Implementation) Strmm(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha float32, a []float32, lda int, b []float32, ldb int) {
	single.Trmm(s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
}

// Dtrmm computes B = alpha*op(A)*B or B = alpha*B*op(A) for a triangular A.
func (Implementation) Dtrmm(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha float64, a []float64, lda int, b []float64, ldb int) {
	double.Trmm(s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
}

// Strsm solves op(A)*X = alpha*B or X*op(A) = alpha*B for a triangular A; X overwrites B.
func (Implementation) Strsm(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha float32, a []float32, lda int, b []float32, ldb int) {
	single.Trsm(s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
}

// Dtrsm solves op(A)*X = alpha*B or X*op(A) = alpha*B for a triangular A; X overwrites B.
func (Implementation) Dtrsm(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha float64, a []float64, lda int, b []float64, ldb int) {
	double.Trsm(s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
}

// Saxpy computes y = y + alpha*x.
func (impl Implementation) Saxpy(n int, alpha float32, x []float32, incX int, y []float32, incY int) {
	if n < 1 || incX != 1 || incY != 1 || len(x) < n || len(y) < n || alpha == 0 {
		impl.Implementation.Saxpy(n, alpha, x, incX, y, incY)
		return
	}
	kernels.Axpy(alpha, x[:n], y[:n])
}

// Sdot returns Σ x*y.
func (impl Implementation) Sdot(n int, x []float32, incX int, y []float32, incY int) float32 {
	if n < 1 || incX != 1 || incY != 1 || len(x) < n || len(y) < n {
		return impl.Implementation.Sdot(n, x, incX, y, incY)
	}
	return kernels.Dot(x[:n], y[:n])
}

// Sscal computes x = alpha*x; as in gonum, alpha = 0 sets x to 0 whatever it holds.
func (impl Implementation) Sscal(n int, alpha float32, x []float32, incX int) {
	if n < 1 || incX != 1 || len(x) < n || alpha == 0 {
		impl.Implementation.Sscal(n, alpha, x, incX)
		return
	}
	kernels.Scal(alpha, x[:n])
}
