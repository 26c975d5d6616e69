// Package gonumblas is a BLAS for gonum whose matrix products run on package kernels:
//
//	blas64.Use(gonumblas.Implementation{})
//	blas32.Use(gonumblas.Implementation{})
//
// speed up a program that uses gonum/mat or gonum/lapack, and change nothing else in it. Of both real
// precisions, level 3 (gemm, symm, syrk, syr2k, trmm, trsm) goes through kernels.Sgemm and kernels.Dgemm,
// of level 2 gemv, ger, symv, syr, syr2, trmv and trsv through their gemv and ger, and of level 1 axpy, dot,
// scal, asum, nrm2, iamax and swap through theirs, where increments are 1. All else, the complex routines
// among it, is gonum's own, and so is what is too small to gain.
//
// Package gonumlapack adds factorisations that a BLAS cannot speed up.
//
// The panics are gonum's. Unlike gonum's, Sgemm and Dgemm do not skip elements of A that are 0, so that
// 0·NaN and 0·Inf are NaN. The symmetric and triangular routines leave small blocks on the diagonal to gonum,
// which skips some: there a 0 in A may hide a NaN or an Inf, and whether it does depends on where it stands.
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

	product: kernels.Sgemv,
	scale:   kernels.Scal,
	gemv:    Implementation{}.Sgemv,
	ger:     Implementation{}.Sger,
	scal:    Implementation{}.Sscal,
	symv:    gonum.Implementation{}.Ssymv,
	syr:     gonum.Implementation{}.Ssyr,
	syr2:    gonum.Implementation{}.Ssyr2,
	trmv:    gonum.Implementation{}.Strmv,
	trsv:    gonum.Implementation{}.Strsv,
}

var double = routines[float64]{
	gemm:  kernels.Dgemm,
	symm:  gonum.Implementation{}.Dsymm,
	syrk:  gonum.Implementation{}.Dsyrk,
	syr2k: gonum.Implementation{}.Dsyr2k,
	trmm:  gonum.Implementation{}.Dtrmm,
	trsm:  gonum.Implementation{}.Dtrsm,

	product: kernels.Dgemv,
	scale:   kernels.Dscal,
	gemv:    Implementation{}.Dgemv,
	ger:     Implementation{}.Dger,
	scal:    Implementation{}.Dscal,
	symv:    gonum.Implementation{}.Dsymv,
	syr:     gonum.Implementation{}.Dsyr,
	syr2:    gonum.Implementation{}.Dsyr2,
	trmv:    gonum.Implementation{}.Dtrmv,
	trsv:    gonum.Implementation{}.Dtrsv,
}

// Sgemv computes y = alpha*op(A)*x + beta*y.
func (impl Implementation) Sgemv(tA blas.Transpose, m, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	if m*n < smallMatrix || !gemvFits(tA, m, n, len(a), lda, len(x), incX, len(y), incY) {
		impl.Implementation.Sgemv(tA, m, n, alpha, a, lda, x, incX, beta, y, incY)
		return
	}
	kernels.Sgemv(tA != blas.NoTrans, m, n, alpha, a, lda, x, incX, beta, y, incY)
}

// Sger computes A += alpha*x*yᵀ.
func (impl Implementation) Sger(m, n int, alpha float32, x []float32, incX int, y []float32, incY int, a []float32, lda int) {
	if m*n < smallMatrix && incX > 0 && incY > 0 || !gerFits(m, n, len(x), incX, len(y), incY, len(a), lda) {
		impl.Implementation.Sger(m, n, alpha, x, incX, y, incY, a, lda)
		return
	}
	kernels.Sger(m, n, alpha, x, incX, y, incY, a, lda)
}

// Ssymv computes y = alpha*A*x + beta*y for a symmetric A.
func (Implementation) Ssymv(ul blas.Uplo, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	single.Symv(ul, n, alpha, a, lda, x, incX, beta, y, incY)
}

// Ssyr computes a triangle of A += alpha*x*xᵀ.
func (Implementation) Ssyr(ul blas.Uplo, n int, alpha float32, x []float32, incX int, a []float32, lda int) {
	single.Syr(ul, n, alpha, x, incX, a, lda)
}

// Ssyr2 computes a triangle of A += alpha*(x*yᵀ + y*xᵀ).
func (Implementation) Ssyr2(ul blas.Uplo, n int, alpha float32, x []float32, incX int, y []float32, incY int, a []float32, lda int) {
	single.Syr2(ul, n, alpha, x, incX, y, incY, a, lda)
}

// Strmv computes x = op(A)*x for a triangular A.
func (Implementation) Strmv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float32, lda int, x []float32, incX int) {
	single.Trmv(ul, tA, d, n, a, lda, x, incX)
}

// Strsv solves op(A)*x = b for a triangular A; x holds b, and is overwritten by the solution.
func (Implementation) Strsv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float32, lda int, x []float32, incX int) {
	single.Trsv(ul, tA, d, n, a, lda, x, incX)
}

// Dgemv computes y = alpha*op(A)*x + beta*y.
func (impl Implementation) Dgemv(tA blas.Transpose, m, n int, alpha float64, a []float64, lda int, x []float64, incX int, beta float64, y []float64, incY int) {
	if m*n < smallMatrix || !gemvFits(tA, m, n, len(a), lda, len(x), incX, len(y), incY) {
		impl.Implementation.Dgemv(tA, m, n, alpha, a, lda, x, incX, beta, y, incY)
		return
	}
	kernels.Dgemv(tA != blas.NoTrans, m, n, alpha, a, lda, x, incX, beta, y, incY)
}

// Dger computes A += alpha*x*yᵀ, also for negative increments, with which gonum v0.17 reads beyond the
// vectors (amd64).
func (impl Implementation) Dger(m, n int, alpha float64, x []float64, incX int, y []float64, incY int, a []float64, lda int) {
	if m*n < smallMatrix && incX > 0 && incY > 0 || !gerFits(m, n, len(x), incX, len(y), incY, len(a), lda) {
		impl.Implementation.Dger(m, n, alpha, x, incX, y, incY, a, lda)
		return
	}
	kernels.Dger(m, n, alpha, x, incX, y, incY, a, lda)
}

// Dsymv computes y = alpha*A*x + beta*y for a symmetric A.
func (Implementation) Dsymv(ul blas.Uplo, n int, alpha float64, a []float64, lda int, x []float64, incX int, beta float64, y []float64, incY int) {
	double.Symv(ul, n, alpha, a, lda, x, incX, beta, y, incY)
}

// Dsyr computes a triangle of A += alpha*x*xᵀ.
func (Implementation) Dsyr(ul blas.Uplo, n int, alpha float64, x []float64, incX int, a []float64, lda int) {
	double.Syr(ul, n, alpha, x, incX, a, lda)
}

// Dsyr2 computes a triangle of A += alpha*(x*yᵀ + y*xᵀ).
func (Implementation) Dsyr2(ul blas.Uplo, n int, alpha float64, x []float64, incX int, y []float64, incY int, a []float64, lda int) {
	double.Syr2(ul, n, alpha, x, incX, y, incY, a, lda)
}

// Dtrmv computes x = op(A)*x for a triangular A.
func (Implementation) Dtrmv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float64, lda int, x []float64, incX int) {
	double.Trmv(ul, tA, d, n, a, lda, x, incX)
}

// Dtrsv solves op(A)*x = b for a triangular A; x holds b, and is overwritten by the solution.
func (Implementation) Dtrsv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float64, lda int, x []float64, incX int) {
	double.Trsv(ul, tA, d, n, a, lda, x, incX)
}

// Sgemm computes C = alpha*op(A)*op(B) + beta*C.
func (impl Implementation) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if !gemmFits(tA, tB, m, n, k, len(a), lda, len(b), ldb, len(c), ldc) {
		impl.Implementation.Sgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	if m*n*k <= smallProduct {
		smallGemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
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
	if m*n*k <= smallProduct {
		smallGemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
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
