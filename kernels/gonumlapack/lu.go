package gonumlapack

import (
	"math"

	"gonum.org/v1/gonum/blas"
)

// luPanel is the number of columns up to which they are not halved.
const luPanel = 16

var luPanels workspaces[panel]

// Dgetrf computes A = P*L*U of an m×n matrix with partial pivoting, and whether all pivots differ from 0. Row i was
// interchanged with row ipiv[i], in turn. Columns are halved (Toledo, Locality of Reference in LU Decomposition with
// Partial Pivoting, SIAM J. Matrix Anal. Appl. 18(4), 1997), so that all but panels of them is matrix products.
func (impl Implementation) Dgetrf(m, n int, a []float64, lda int, ipiv []int) (ok bool) {
	k := min(m, n)
	if k <= luPanel || lda < n || len(a) < (m-1)*lda+n || len(ipiv) != k {
		return impl.Implementation.Dgetrf(m, n, a, lda, ipiv)
	}
	p := luPanels.take()
	defer luPanels.give(p)
	ok = p.lu(m, k, a, lda, ipiv)
	if k < n {
		eliminate(m, k, n, a, lda, ipiv)
	}
	return ok
}

// lu factorises m×n elements of a, n ≤ m.
func (p *panel) lu(m, n int, a []float64, lda int, ipiv []int) bool {
	if n <= luPanel {
		p.resize(m, n)
		p.load(a, lda)
		ok := p.leaf(ipiv)
		p.store(a, lda)
		return ok
	}
	n1 := (n/2 + luPanel - 1) / luPanel * luPanel
	left := p.lu(m, n1, a, lda, ipiv[:n1])
	eliminate(m, n1, n, a, lda, ipiv[:n1])
	right := p.lu(m-n1, n-n1, a[n1*lda+n1:], lda, ipiv[n1:])
	interchange(n1, a[n1*lda:], lda, ipiv[n1:])
	for i := range ipiv[n1:] {
		ipiv[n1+i] += n1
	}
	return left && right
}

// leaf factorises the panel. A column that is 0 is left, and so is the rest of it.
func (p *panel) leaf(ipiv []int) (ok bool) {
	ok = true
	for j := range p.cols {
		column := p.column(j, j)
		at := bl.Idamax(len(column), column, 1)
		ipiv[j] = j + at
		if pivot := column[at]; pivot == 0 {
			ok = false
		} else {
			if at > 0 {
				bl.Dswap(p.cols, p.x[j:], p.ld, p.x[j+at:], p.ld)
			}
			divide(column[1:], pivot)
		}
		if right, below := p.cols-j-1, p.rows-j-1; right > 0 && below > 0 {
			bl.Dger(right, below, -1, p.x[(j+1)*p.ld+j:], p.ld, column[1:], 1, p.x[(j+1)*p.ld+j+1:], p.ld)
		}
	}
	return ok
}

// divide divides x by d, by multiplying where the inverse of d does not overflow.
func divide(x []float64, d float64) {
	if math.Abs(d) >= 0x1p-1022 {
		bl.Dscal(len(x), 1/d, x, 1)
		return
	}
	for i := range x {
		x[i] /= d
	}
}

// eliminate interchanges rows of the columns [k, n) as ipiv says for the first k ones, which are factorised, computes
// what U has there, and takes its product with L off the rows below.
func eliminate(m, k, n int, a []float64, lda int, ipiv []int) {
	right := a[k:]
	interchange(n-k, right, lda, ipiv)
	bl.Dtrsm(blas.Left, blas.Lower, blas.NoTrans, blas.Unit, k, n-k, 1, a, lda, right, lda)
	if k < m {
		bl.Dgemm(blas.NoTrans, blas.NoTrans, m-k, n-k, k, -1, a[k*lda:], lda, right, lda, 1, a[k*lda+k:], lda)
	}
}

// interchange interchanges row i of n columns with row ipiv[i], in turn.
func interchange(n int, a []float64, lda int, ipiv []int) {
	for i, p := range ipiv {
		if i != p {
			bl.Dswap(n, a[i*lda:], 1, a[p*lda:], 1)
		}
	}
}

var identities workspaces[[]int]

// Dgetri computes the inverse of a matrix of order n from what Dgetrf leaves, and whether there is one. Columns are
// interchanged row by row.
func (impl Implementation) Dgetri(n int, a []float64, lda int, ipiv []int, work []float64, lwork int) (ok bool) {
	if n <= luPanel || lwork == -1 || lda < n || len(a) < (n-1)*lda+n || len(ipiv) != n {
		return impl.Implementation.Dgetri(n, a, lda, ipiv, work, lwork)
	}
	none := identities.take()
	defer identities.give(none)
	for i := len(*none); i < n; i++ {
		*none = append(*none, i)
	}
	if !impl.Implementation.Dgetri(n, a, lda, (*none)[:n], work, lwork) {
		return false
	}
	for i := range n {
		row := a[i*lda : i*lda+n]
		for j := n - 1; j >= 0; j-- {
			p := ipiv[j]
			row[j], row[p] = row[p], row[j]
		}
	}
	return true
}
