package gonumlapack

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/lapack"
)

// conditionSmall is the order up to which gonum's estimates are as fast.
const conditionSmall = 32

// Dgecon estimates the reciprocal of the condition number of a matrix of order n, of which a holds L and U as Dgetrf
// leaves them and anorm is the norm: that of columns' sums or of rows' sums. The estimate is Higham's (FORTRAN Codes for
// Estimating the One-Norm, ACM TOMS 14(4), 1988), as gonum's.
func (impl Implementation) Dgecon(norm lapack.MatrixNorm, n int, a []float64, lda int, anorm float64, work []float64, iwork []int) float64 {
	if n <= conditionSmall || lda < n || len(a) < (n-1)*lda+n || len(work) < 4*n || len(iwork) < n ||
		norm != lapack.MaxColumnSum && norm != lapack.MaxRowSum || !(anorm > 0) || math.IsInf(anorm, 1) {
		return impl.Implementation.Dgecon(norm, n, a, lda, anorm, work, iwork)
	}
	u := impl.newTriangle(blas.Upper, blas.NonUnit, n, a, lda, work)
	l := impl.newTriangle(blas.Lower, blas.Unit, n, a, lda, work)
	rcond := impl.inverse(n, work, iwork, norm == lapack.MaxColumnSum, minNormal, func(trans blas.Transpose) float64 {
		if trans == blas.NoTrans {
			return l.solve(trans) * u.solve(trans)
		}
		return u.solve(trans) * l.solve(trans)
	})
	return rcond / anorm
}

// Dpocon estimates the reciprocal of the condition number of a symmetric positive definite matrix of order n, of which
// a holds Cholesky's factor and anorm is the norm.
func (impl Implementation) Dpocon(ul blas.Uplo, n int, a []float64, lda int, anorm float64, work []float64, iwork []int) float64 {
	if n <= conditionSmall || lda < n || len(a) < (n-1)*lda+n || len(work) < 3*n || len(iwork) < n ||
		ul != blas.Upper && ul != blas.Lower || !(anorm > 0) {
		return impl.Implementation.Dpocon(ul, n, a, lda, anorm, work, iwork)
	}
	factor := impl.newTriangle(ul, blas.NonUnit, n, a, lda, work)
	rcond := impl.inverse(n, work, iwork, true, minNormal, func(blas.Transpose) float64 {
		if ul == blas.Upper {
			return factor.solve(blas.Trans) * factor.solve(blas.NoTrans)
		}
		return factor.solve(blas.NoTrans) * factor.solve(blas.Trans)
	})
	return rcond / anorm
}

// Dtrcon estimates the reciprocal of the condition number of a triangle of order n.
func (impl Implementation) Dtrcon(norm lapack.MatrixNorm, ul blas.Uplo, d blas.Diag, n int, a []float64, lda int, work []float64, iwork []int) float64 {
	if n <= conditionSmall || lda < n || len(a) < (n-1)*lda+n || len(work) < 3*n || len(iwork) < n ||
		norm != lapack.MaxColumnSum && norm != lapack.MaxRowSum || ul != blas.Upper && ul != blas.Lower ||
		d != blas.Unit && d != blas.NonUnit {
		return impl.Implementation.Dtrcon(norm, ul, d, n, a, lda, work, iwork)
	}
	anorm := impl.Dlantr(norm, ul, d, n, n, a, lda, work)
	if anorm <= 0 {
		return 0
	}
	t := impl.newTriangle(ul, d, n, a, lda, work)
	return impl.inverse(n, work, iwork, norm == lapack.MaxColumnSum, minNormal*float64(n), t.solve) / anorm
}

// Dlansy returns a norm of a symmetric matrix. The sums of columns are those of rows, and go by rows.
func (impl Implementation) Dlansy(norm lapack.MatrixNorm, ul blas.Uplo, n int, a []float64, lda int, work []float64) float64 {
	if n <= conditionSmall || lda < n || len(a) < (n-1)*lda+n || len(work) < n ||
		norm != lapack.MaxColumnSum && norm != lapack.MaxRowSum || ul != blas.Upper && ul != blas.Lower {
		return impl.Implementation.Dlansy(norm, ul, n, a, lda, work)
	}
	sums := work[:n]
	clear(sums)
	for i := range n {
		row, at := a[i*lda+i+1:i*lda+n], i+1 // beside the diagonal
		if ul == blas.Lower {
			row, at = a[i*lda:i*lda+i], 0
		}
		sums[i] += math.Abs(a[i*lda+i]) + bl.Dasum(len(row), row, 1)
		for j, s := range sums[at : at+len(row)] {
			sums[at+j] = s + math.Abs(row[j])
		}
	}
	largest := 0.0
	for _, s := range sums {
		largest = max(largest, s) // or NaN
	}
	return largest
}

const minNormal = 0x1p-1022

// inverse estimates the reciprocal of the norm of a matrix's inverse, of its columns' sums or else of its rows'. solve
// replaces the vector in the first n elements of work by the solution of op(A)*x = s*b, and returns the scale s. It is
// 0 if a solution would overflow, or would without a scale below small times it.
func (impl Implementation) inverse(n int, work []float64, iwork []int, columns bool, small float64, solve func(blas.Transpose) float64) float64 {
	x, v := work[:n], work[n:2*n]
	var norm float64
	var saved [3]int
	for kase := 0; ; {
		if norm, kase = impl.Dlacn2(n, v, x, iwork, norm, kase, &saved); kase == 0 {
			if norm == 0 {
				return 0
			}
			return 1 / norm
		}
		trans := blas.Trans
		if (kase == 1) == columns {
			trans = blas.NoTrans
		}
		if scale := solve(trans); scale != 1 {
			if scale == 0 || scale < math.Abs(x[bl.Idamax(n, x, 1)])*small {
				return 0
			}
			impl.Drscl(n, scale, x, 1)
		}
	}
}

// triangle is a triangle to solve with, for a vector at the begin of work.
type triangle struct {
	impl     Implementation
	ul       blas.Uplo
	d        blas.Diag
	n, lda   int
	a, work  []float64
	singular bool // an element of the diagonal is 0
}

func (impl Implementation) newTriangle(ul blas.Uplo, d blas.Diag, n int, a []float64, lda int, work []float64) *triangle {
	t := &triangle{impl: impl, ul: ul, d: d, n: n, lda: lda, a: a, work: work}
	for i := 0; i < n && d == blas.NonUnit; i++ {
		t.singular = t.singular || a[i*lda+i] == 0
	}
	return t
}

// solve solves op(T)*x = s*b and returns s. gonum's Dlatrs goes element by element, by dot products and axpy down
// columns, wherever a bound on the growth of x is beyond the largest float, which it is for most matrices of order 1000.
// But what overflows leaves an Inf or NaN in x: where there is none, nothing has, and s is 1.
func (t *triangle) solve(trans blas.Transpose) float64 {
	x, old := t.work[:t.n], t.work[2*t.n:3*t.n]
	copy(old, x)
	if !t.singular {
		bl.Dtrsv(t.ul, trans, t.d, t.n, t.a, t.lda, x, 1)
		if finite(x) {
			return 1
		}
		copy(x, old)
	}
	return t.impl.Dlatrs(t.ul, trans, t.d, false, t.n, t.a, t.lda, x, old)
}

func finite(x []float64) bool {
	for _, v := range x {
		if !(math.Abs(v) <= math.MaxFloat64) {
			return false
		}
	}
	return true
}
