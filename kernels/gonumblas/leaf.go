package gonumblas

import (
	"math"
	"sync"

	"gonum.org/v1/gonum/blas"
)

// This file has level 3 for triangles up to leaf×leaf, by products with vectors that take all columns, or
// all rows, of the other matrix at once.

// workspace holds the copies that the leaves make.
type workspace[F float32 | float64] struct {
	square [leaf * leaf]F
	rows   [leaf * (leafWidth + 8)]F // the gap keeps rows out of each other's lines of the cache
}

// leafWidth is how many columns a leaf takes at a time: leaf rows of them stay in the second cache.
const leafWidth = 512

// workspaces keeps workspaces for later calls.
type workspaces[F float32 | float64] struct{ pool sync.Pool }

func (w *workspaces[F]) take() *workspace[F] {
	if x, ok := w.pool.Get().(*workspace[F]); ok {
		return x
	}
	return new(workspace[F])
}

func (w *workspaces[F]) give(x *workspace[F]) { w.pool.Put(x) }

// triangleOf is op(A) for a triangular A of order k: element (i, j) is a[i*row + j*col].
type triangleOf[F float32 | float64] struct {
	a           []F
	k, row, col int
	lower, unit bool
}

func newTriangle[F float32 | float64](ul blas.Uplo, tA blas.Transpose, d blas.Diag, k int, a []F, lda int) triangleOf[F] {
	t := triangleOf[F]{a: a, k: k, row: lda, col: 1, lower: ul == blas.Lower, unit: d == blas.Unit}
	if tA != blas.NoTrans {
		return t.transposed()
	}
	return t
}

func (t triangleOf[F]) transposed() triangleOf[F] {
	t.row, t.col, t.lower = t.col, t.row, !t.lower
	return t
}

// beside returns the columns of row i that are stored beside the diagonal.
func (t triangleOf[F]) beside(i int) (from, to int) {
	if t.lower {
		return 0, i
	}
	return i + 1, t.k
}

// leafTrmm computes B = alpha*op(A)*B, or B = alpha*B*op(A) if s is Right.
func (r *routines[F]) leafTrmm(s blas.Side, t triangleOf[F], m, n int, alpha F, b []F, ldb int) {
	r.leaf(s, t, m, n, b, ldb, func(t triangleOf[F], n int, b []F, ldb int) {
		for p := range t.k {
			i := p // the rows that others still need come last
			if t.lower {
				i = t.k - 1 - p
			}
			row, beta := b[i*ldb:i*ldb+n], alpha
			if !t.unit {
				beta *= t.a[i*t.row+i*t.col]
			}
			r.combine(t, i, alpha, b, ldb, beta, row)
		}
	})
}

// leafTrsm solves op(A)*X = alpha*B, or X*op(A) = alpha*B if s is Right; X overwrites B.
func (r *routines[F]) leafTrsm(s blas.Side, t triangleOf[F], m, n int, alpha F, b []F, ldb int) {
	r.leaf(s, t, m, n, b, ldb, func(t triangleOf[F], n int, b []F, ldb int) {
		for p := range t.k {
			i := p
			if !t.lower {
				i = t.k - 1 - p
			}
			row := b[i*ldb : i*ldb+n]
			r.combine(t, i, -1, b, ldb, alpha, row)
			if t.unit {
				continue
			}
			d := t.a[i*t.row+i*t.col]
			if inverse := 1 / d; d == 0 || !math.IsInf(float64(inverse), 0) {
				r.scale(inverse, row)
				continue
			}
			for j := range row {
				row[j] /= d
			}
		}
	})
}

// combine sets row i of B, which is given, to beta times itself plus alpha*Σ op(A)(i, j)*row j over the
// elements beside the diagonal.
func (r *routines[F]) combine(t triangleOf[F], i int, alpha F, b []F, ldb int, beta F, row []F) {
	from, to := t.beside(i)
	if from == to || beta == 0 { // which in gemv would not read the row
		if beta != 1 {
			r.scale(beta, row)
		}
		beta = 1
	}
	if from < to {
		r.product(true, to-from, len(row), alpha, b[from*ldb:], ldb, t.a[i*t.row+from*t.col:], t.col, beta, row, 1)
	}
}

// leaf calls f, which does the side Left, for a number of columns at a time; for the side Right it transposes
// as many rows, so that f is for op(A)ᵀ.
func (r *routines[F]) leaf(s blas.Side, t triangleOf[F], m, n int, b []F, ldb int, f func(t triangleOf[F], n int, b []F, ldb int)) {
	if s == blas.Left {
		for j := 0; j < n; j += leafWidth {
			f(t, min(leafWidth, n-j), b[j:], ldb)
		}
		return
	}
	w := r.work.take()
	defer r.work.give(w)
	t = t.transposed()
	const stride = leafWidth + 8
	for i := 0; i < m; i += leafWidth {
		rows := min(leafWidth, m-i)
		for q := range rows {
			for j, v := range b[(i+q)*ldb : (i+q)*ldb+n] {
				w.rows[j*stride+q] = v
			}
		}
		f(t, rows, w.rows[:], stride)
		for q := range rows {
			row := b[(i+q)*ldb : (i+q)*ldb+n]
			for j := range row {
				row[j] = w.rows[j*stride+q]
			}
		}
	}
}

// leafSymm is Symm for an A of order k ≤ leaf, of which it makes a copy with both triangles.
func (r *routines[F]) leafSymm(s blas.Side, ul blas.Uplo, m, n int, alpha F, a []F, lda int, b []F, ldb int, beta F, c []F, ldc int) {
	w := r.work.take()
	defer r.work.give(w)
	k := order(s, m, n)
	for i := range k {
		from, to := 0, i+1
		if ul == blas.Upper {
			from, to = i, k
		}
		for j := from; j < to; j++ {
			v := a[i*lda+j]
			w.square[i*k+j], w.square[j*k+i] = v, v
		}
	}
	if s == blas.Left {
		r.gemm(false, false, m, n, k, alpha, w.square[:], k, b, ldb, beta, c, ldc)
	} else {
		r.gemm(false, false, m, n, k, alpha, b, ldb, w.square[:], k, beta, c, ldc)
	}
}

// addTriangle computes the triangle ul of C = S + beta*C for n×n matrices, without reading C if beta is 0.
func addTriangle[F float32 | float64](ul blas.Uplo, n int, s []F, beta F, c []F, ldc int) {
	for i := range n {
		from, to := 0, i+1
		if ul == blas.Upper {
			from, to = i, n
		}
		row := c[i*ldc+from : i*ldc+to]
		for j, v := range s[i*n+from : i*n+to] {
			if beta != 0 {
				v += F(beta * row[j])
			}
			row[j] = v
		}
	}
}
