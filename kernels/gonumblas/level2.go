package gonumblas

import "gonum.org/v1/gonum/blas"

// Level 2 of one precision: a symmetric or triangular matrix is taken in strips of rows, of which all but
// the block on the diagonal is a product with a vector or an update of rank one. Vectors with increments
// other than 1, and wrong arguments, go to gonum, as the diagonal blocks do.

// strip is the number of rows of a strip.
const strip = 16

// smallMatrix is the number of elements of a matrix below which gonum's gemv and ger are as fast.
const smallMatrix = 600

// strips calls f for every strip of n rows, from the last one on if backwards is set.
func strips(n int, backwards bool, f func(lo, hi int)) {
	count := (n + strip - 1) / strip
	for i := range count {
		if backwards {
			i = count - 1 - i
		}
		f(i*strip, min(n, (i+1)*strip))
	}
}

// vectorFits tells whether n ≥ 1 elements with an increment of either sign are within length.
func vectorFits(n, inc, length int) bool {
	return n > 0 && (spaced(n, inc, length) || spaced(n, -inc, length))
}

func gemvFits(t blas.Transpose, m, n, a, lda, x, incX, y, incY int) bool {
	nx, ny := n, m
	if t != blas.NoTrans {
		nx, ny = m, n
	}
	return transposes(t) && fits(m, n, lda, a) && vectorFits(nx, incX, x) && vectorFits(ny, incY, y)
}

func gerFits(m, n, x, incX, y, incY, a, lda int) bool {
	return fits(m, n, lda, a) && vectorFits(m, incX, x) && vectorFits(n, incY, y)
}

// Symv computes y = alpha*A*x + beta*y for a symmetric A of which the triangle ul is stored.
func (r *routines[F]) Symv(ul blas.Uplo, n int, alpha F, a []F, lda int, x []F, incX int, beta F, y []F, incY int) {
	if n <= strip || alpha == 0 || !triangle(ul) || !fits(n, n, lda, len(a)) || !dense(n, incX, len(x)) || !dense(n, incY, len(y)) {
		r.symv(ul, n, alpha, a, lda, x, incX, beta, y, incY)
		return
	}
	if beta != 1 {
		r.scal(n, beta, y, 1)
	}
	strips(n, false, func(lo, hi int) {
		r.symv(ul, hi-lo, alpha, a[lo*lda+lo:], lda, x[lo:], 1, 1, y[lo:], 1)
		from, to := beside(ul, n, lo, hi)
		if from < to {
			off := a[lo*lda+from:]
			r.gemv(blas.NoTrans, hi-lo, to-from, alpha, off, lda, x[from:], 1, 1, y[lo:], 1)
			r.gemv(blas.Trans, hi-lo, to-from, alpha, off, lda, x[lo:], 1, 1, y[from:], 1)
		}
	})
}

// beside returns the columns of the strip [lo, hi) that are stored beside its block on the diagonal.
func beside(ul blas.Uplo, n, lo, hi int) (from, to int) {
	if ul == blas.Lower {
		return 0, lo
	}
	return hi, n
}

// Syr computes the triangle ul of A += alpha*x*xᵀ.
func (r *routines[F]) Syr(ul blas.Uplo, n int, alpha F, x []F, incX int, a []F, lda int) {
	if n <= strip || alpha == 0 || !triangle(ul) || !fits(n, n, lda, len(a)) || !dense(n, incX, len(x)) {
		r.syr(ul, n, alpha, x, incX, a, lda)
		return
	}
	strips(n, false, func(lo, hi int) {
		r.syr(ul, hi-lo, alpha, x[lo:], 1, a[lo*lda+lo:], lda)
		if from, to := beside(ul, n, lo, hi); from < to {
			r.ger(hi-lo, to-from, alpha, x[lo:], 1, x[from:], 1, a[lo*lda+from:], lda)
		}
	})
}

// Syr2 computes the triangle ul of A += alpha*(x*yᵀ + y*xᵀ).
func (r *routines[F]) Syr2(ul blas.Uplo, n int, alpha F, x []F, incX int, y []F, incY int, a []F, lda int) {
	if n <= strip || alpha == 0 || !triangle(ul) || !fits(n, n, lda, len(a)) || !dense(n, incX, len(x)) || !dense(n, incY, len(y)) {
		r.syr2(ul, n, alpha, x, incX, y, incY, a, lda)
		return
	}
	strips(n, false, func(lo, hi int) {
		r.syr2(ul, hi-lo, alpha, x[lo:], 1, y[lo:], 1, a[lo*lda+lo:], lda)
		if from, to := beside(ul, n, lo, hi); from < to {
			off := a[lo*lda+from:]
			r.ger(hi-lo, to-from, alpha, x[lo:], 1, y[from:], 1, off, lda)
			r.ger(hi-lo, to-from, alpha, y[lo:], 1, x[from:], 1, off, lda)
		}
	})
}

// triangleFits tells whether trmv and trsv have strips to work on.
func triangleFits(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n, a, lda, x, incX int) bool {
	return n > strip && triangle(ul) && transposes(tA) && (d == blas.Unit || d == blas.NonUnit) &&
		fits(n, n, lda, a) && dense(n, incX, x)
}

// Trmv computes x = op(A)*x for a triangular A.
func (r *routines[F]) Trmv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []F, lda int, x []F, incX int) {
	if !triangleFits(ul, tA, d, n, len(a), lda, len(x), incX) {
		r.trmv(ul, tA, d, n, a, lda, x, incX)
		return
	}
	trans := tA != blas.NoTrans
	// The strips whose elements of x others still need come last.
	strips(n, (ul == blas.Lower) != trans, func(lo, hi int) {
		from, to := beside(ul, n, lo, hi)
		off := a[lo*lda+min(from, n-1):]
		if trans && from < to {
			r.gemv(blas.Trans, hi-lo, to-from, 1, off, lda, x[lo:], 1, 1, x[from:], 1)
		}
		r.trmv(ul, tA, d, hi-lo, a[lo*lda+lo:], lda, x[lo:], 1)
		if !trans && from < to {
			r.gemv(blas.NoTrans, hi-lo, to-from, 1, off, lda, x[from:], 1, 1, x[lo:], 1)
		}
	})
}

// Trsv solves op(A)*x = b for a triangular A; x holds b, and is overwritten by the solution.
func (r *routines[F]) Trsv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []F, lda int, x []F, incX int) {
	if !triangleFits(ul, tA, d, n, len(a), lda, len(x), incX) {
		r.trsv(ul, tA, d, n, a, lda, x, incX)
		return
	}
	trans := tA != blas.NoTrans
	strips(n, (ul == blas.Upper) != trans, func(lo, hi int) {
		from, to := beside(ul, n, lo, hi)
		off := a[lo*lda+min(from, n-1):]
		if !trans && from < to {
			r.gemv(blas.NoTrans, hi-lo, to-from, -1, off, lda, x[from:], 1, 1, x[lo:], 1)
		}
		r.trsv(ul, tA, d, hi-lo, a[lo*lda+lo:], lda, x[lo:], 1)
		if trans && from < to {
			r.gemv(blas.Trans, hi-lo, to-from, -1, off, lda, x[lo:], 1, 1, x[from:], 1)
		}
	})
}
