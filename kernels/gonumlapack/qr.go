package gonumlapack

import "gonum.org/v1/gonum/blas"

// qrPanel is the number of columns that are factorised at once, qrSmall the order up to which gonum's routine is as
// fast.
const (
	qrPanel = 32
	qrSmall = 64
)

// reflectors is the workspace of a QR factorisation.
type reflectors struct {
	v          panel
	t          [qrPanel * qrPanel]float64
	w          [qrPanel]float64
	image, sum []float64 // rows of the other columns
}

var reflections workspaces[reflectors]

// Dgeqrf computes A = Q*R of an m×n matrix. R is left on and above the diagonal, and Q = H₀*H₁*… below it and in tau,
// H = I − tau*v*vᵀ, v having 0 above the diagonal and 1 on it. Some reflections at a time are applied to all columns on
// the right as I − V*Tᵀ*Vᵀ (Schreiber and Van Loan, A Storage-Efficient WY Representation for Products of Householder
// Transformations, SIAM J. Sci. Stat. Comput. 10(1), 1989).
func (impl Implementation) Dgeqrf(m, n int, a []float64, lda int, tau, work []float64, lwork int) {
	k := min(m, n)
	if k <= qrSmall || lda < n || len(a) < (m-1)*lda+n || len(tau) != k || lwork < n || len(work) < lwork {
		impl.Implementation.Dgeqrf(m, n, a, lda, tau, work, lwork)
		return
	}
	r := reflections.take()
	defer reflections.give(r)
	for j := 0; j < k; j += qrPanel {
		cols := min(qrPanel, k-j)
		r.v.resize(m-j, cols)
		r.v.load(a[j*lda+j:], lda)
		r.factor(impl, tau[j:j+cols])
		r.v.store(a[j*lda+j:], lda)
		if j+cols < n {
			r.triangle(tau[j : j+cols])
			r.apply(n-j-cols, a[j*lda+j+cols:], lda)
		}
	}
	work[0] = float64(n)
}

// factor factorises the panel, column after column.
func (r *reflectors) factor(impl Implementation, tau []float64) {
	v := &r.v
	for j := range v.cols {
		column := v.column(j, j)
		var beta float64
		beta, tau[j] = impl.Dlarfg(len(column), column[0], column[1:], 1)
		if right := v.cols - j - 1; right > 0 && tau[j] != 0 {
			column[0] = 1
			rest := v.x[(j+1)*v.ld+j:]
			bl.Dgemv(blas.NoTrans, right, len(column), 1, rest, v.ld, column, 1, 0, r.w[:], 1)
			bl.Dger(right, len(column), -tau[j], r.w[:], 1, column, 1, rest, v.ld)
		}
		column[0] = beta
	}
}

// triangle makes V of the panel, and the upper triangle T with H₀*H₁*… = I − V*T*Vᵀ.
func (r *reflectors) triangle(tau []float64) {
	v := &r.v
	k := v.cols
	for j := range k {
		clear(v.x[j*v.ld : j*v.ld+j])
		v.x[j*v.ld+j] = 1
	}
	t := r.t[:k*k]
	bl.Dgemm(blas.NoTrans, blas.Trans, k, k, v.rows, 1, v.x, v.ld, v.x, v.ld, 0, t, k)
	for j := range k { // T(0:j, j) = −tau*T(0:j, 0:j)*(VᵀV)(0:j, j), from above, since T(i, i:j) meets what is below
		for i := range j {
			var s float64
			for p := i; p < j; p++ {
				s += float64(t[i*k+p] * t[p*k+j])
			}
			t[i*k+j] = -tau[j] * s
		}
		t[j*k+j] = tau[j]
		clear(t[j*k : j*k+j])
	}
}

// apply computes C = (I − V*Tᵀ*Vᵀ)*C for n columns.
func (r *reflectors) apply(n int, c []float64, ldc int) {
	v, k := &r.v, r.v.cols
	if cap(r.image) < k*n {
		r.image, r.sum = make([]float64, k*n), make([]float64, k*n)
	}
	image, sum := r.image[:k*n], r.sum[:k*n]
	bl.Dgemm(blas.NoTrans, blas.NoTrans, k, n, v.rows, 1, v.x, v.ld, c, ldc, 0, image, n)
	bl.Dgemm(blas.Trans, blas.NoTrans, k, n, k, 1, r.t[:], k, image, n, 0, sum, n)
	bl.Dgemm(blas.Trans, blas.NoTrans, v.rows, n, k, -1, v.x, v.ld, sum, n, 1, c, ldc)
}
