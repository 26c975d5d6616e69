package gonumblas

import (
	"math/bits"

	"gonum.org/v1/gonum/blas"
)

// routines is levels 2 and 3 of one precision: the products, and gonum's routines for what remains small.
//
// Each method of level 3 halves the triangular or symmetric matrix, so that all but leaf×leaf blocks on its
// diagonal is a matrix product (Elmroth, Gustavson, Jonsson and Kågström, Recursive Blocked Algorithms and
// Hybrid Data Structures for Dense Matrix Library Software, SIAM Review 46(1), 2004, §4). Arguments that
// are wrong, or leave nothing to do, go to gonum, which panics or returns.
type routines[F float32 | float64] struct {
	gemm  func(transA, transB bool, m, n, k int, alpha F, a []F, lda int, b []F, ldb int, beta F, c []F, ldc int)
	symm  func(s blas.Side, ul blas.Uplo, m, n int, alpha F, a []F, lda int, b []F, ldb int, beta F, c []F, ldc int)
	syrk  func(ul blas.Uplo, t blas.Transpose, n, k int, alpha F, a []F, lda int, beta F, c []F, ldc int)
	syr2k func(ul blas.Uplo, t blas.Transpose, n, k int, alpha F, a []F, lda int, b []F, ldb int, beta F, c []F, ldc int)
	trmm  func(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha F, a []F, lda int, b []F, ldb int)
	trsm  func(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha F, a []F, lda int, b []F, ldb int)

	product func(trans bool, m, n int, alpha F, a []F, lda int, x []F, incX int, beta F, y []F, incY int)
	scale   func(alpha F, x []F)
	work    workspaces[F]

	gemv func(tA blas.Transpose, m, n int, alpha F, a []F, lda int, x []F, incX int, beta F, y []F, incY int)
	ger  func(m, n int, alpha F, x []F, incX int, y []F, incY int, a []F, lda int)
	scal func(n int, alpha F, x []F, incX int)
	symv func(ul blas.Uplo, n int, alpha F, a []F, lda int, x []F, incX int, beta F, y []F, incY int)
	syr  func(ul blas.Uplo, n int, alpha F, x []F, incX int, a []F, lda int)
	syr2 func(ul blas.Uplo, n int, alpha F, x []F, incX int, y []F, incY int, a []F, lda int)
	trmv func(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []F, lda int, x []F, incX int)
	trsv func(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []F, lda int, x []F, incX int)
}

// leaf is the order up to which a triangle is not halved.
const leaf = 16

// What gonum's loops do as fast: a triangle of syrk and syr2k with so few multiply-adds, a triangle up to leaf
// times so few columns, or rows at its left.
const (
	smallUpdate = 3000
	fewColumns  = 32
	fewRows     = 16
)

// half returns where a matrix of order n > leaf is cut: at a multiple of leaf.
func half(n int) int { return (n/2 + leaf - 1) / leaf * leaf }

// fits tells whether a rows×cols matrix, both positive, is within length elements.
func fits(rows, cols, ld, length int) bool {
	if rows > 0 && cols > 0 && uint(rows|ld) < 1<<(bits.UintSize/2-1) { // saves the division
		return ld >= cols && length-cols >= (rows-1)*ld
	}
	return rows > 0 && cols > 0 && ld >= cols && length >= cols && (length-cols)/ld >= rows-1
}

func transposes(t blas.Transpose) bool {
	return t == blas.NoTrans || t == blas.Trans || t == blas.ConjTrans
}

func triangle(ul blas.Uplo) bool { return ul == blas.Lower || ul == blas.Upper }

func gemmFits(tA, tB blas.Transpose, m, n, k, a, lda, b, ldb, c, ldc int) bool {
	aRows, aCols, bRows, bCols := m, k, k, n
	if tA != blas.NoTrans {
		aRows, aCols = aCols, aRows
	}
	if tB != blas.NoTrans {
		bRows, bCols = bCols, bRows
	}
	return transposes(tA) && transposes(tB) && fits(aRows, aCols, lda, a) && fits(bRows, bCols, ldb, b) && fits(m, n, ldc, c)
}

// smallProduct is the number of multiply-adds up to which a loop takes no more time than a product that is
// packed.
const smallProduct = 200

// smallGemm computes C = alpha*op(A)*op(B) + beta*C, without reading C if beta is 0, nor A and B if alpha is.
func smallGemm[F float32 | float64](tA, tB blas.Transpose, m, n, k int, alpha F, a []F, lda int, b []F, ldb int, beta F, c []F, ldc int) {
	aRow, aCol, bRow, bCol := lda, 1, ldb, 1
	if tA != blas.NoTrans {
		aRow, aCol = aCol, aRow
	}
	if tB != blas.NoTrans {
		bRow, bCol = bCol, bRow
	}
	if alpha == 0 {
		k = 0
	}
	for i := range m {
		row := c[i*ldc : i*ldc+n]
		for j := range row {
			var s F
			for p, q, l := i*aRow, j*bCol, k; l > 0; l-- {
				s += F(a[p] * b[q])
				p += aCol
				q += bRow
			}
			s *= alpha
			if beta != 0 {
				s += F(beta * row[j])
			}
			row[j] = s
		}
	}
}

// order returns the order of the square matrix at side s of an m×n one.
func order(s blas.Side, m, n int) int {
	if s == blas.Left {
		return m
	}
	return n
}

// rest returns the stored block beside the diagonal when a triangle is cut at k: the one below the
// diagonal if ul is Lower, and else the one above.
func rest[F any](ul blas.Uplo, a []F, lda, k int) []F {
	if ul == blas.Lower {
		return a[k*lda:]
	}
	return a[k:]
}

// Syrk computes the triangle ul of C = alpha*A*Aᵀ + beta*C, or of alpha*Aᵀ*A + beta*C if t is Trans.
func (r *routines[F]) Syrk(ul blas.Uplo, t blas.Transpose, n, k int, alpha F, a []F, lda int, beta F, c []F, ldc int) {
	rows, cols := n, k
	if t != blas.NoTrans {
		rows, cols = k, n
	}
	if k == 0 {
		alpha = 0 // with which gonum does not read C if beta is 0
	}
	if alpha == 0 || !triangle(ul) || !transposes(t) || !fits(rows, cols, lda, len(a)) || !fits(n, n, ldc, len(c)) {
		r.syrk(ul, t, n, k, alpha, a, lda, beta, c, ldc)
		return
	}
	trans := t != blas.NoTrans
	if n <= leaf && n*n*k < smallUpdate {
		if beta == 0 {
			clearTriangle(ul, n, c, ldc)
		}
		r.syrk(ul, t, n, k, alpha, a, lda, beta, c, ldc)
		return
	}
	if n <= leaf {
		w := r.work.take()
		defer r.work.give(w)
		r.gemm(trans, !trans, n, n, k, alpha, a, lda, a, lda, 0, w.square[:], n)
		addTriangle(ul, n, w.square[:], beta, c, ldc)
		return
	}
	n1 := half(n)
	a2 := part(t, a, lda, n1)
	r.Syrk(ul, t, n1, k, alpha, a, lda, beta, c, ldc)
	r.Syrk(ul, t, n-n1, k, alpha, a2, lda, beta, c[n1*ldc+n1:], ldc)
	if ul == blas.Lower {
		r.gemm(trans, !trans, n-n1, n1, k, alpha, a2, lda, a, lda, beta, c[n1*ldc:], ldc)
	} else {
		r.gemm(trans, !trans, n1, n-n1, k, alpha, a, lda, a2, lda, beta, c[n1:], ldc)
	}
}

// clearTriangle sets the triangle ul of an n×n matrix to 0, because gonum reads it even if beta is 0.
func clearTriangle[F any](ul blas.Uplo, n int, c []F, ldc int) {
	for i := range n {
		if ul == blas.Lower {
			clear(c[i*ldc : i*ldc+i+1])
		} else {
			clear(c[i*ldc+i : i*ldc+n])
		}
	}
}

// part returns the rows of op(A) from i on.
func part[F any](t blas.Transpose, a []F, lda, i int) []F {
	if t == blas.NoTrans {
		return a[i*lda:]
	}
	return a[i:]
}

// Syr2k computes the triangle ul of C = alpha*(A*Bᵀ + B*Aᵀ) + beta*C, or of alpha*(Aᵀ*B + Bᵀ*A) + beta*C
// if t is Trans.
func (r *routines[F]) Syr2k(ul blas.Uplo, t blas.Transpose, n, k int, alpha F, a []F, lda int, b []F, ldb int, beta F, c []F, ldc int) {
	rows, cols := n, k
	if t != blas.NoTrans {
		rows, cols = k, n
	}
	if k == 0 {
		alpha = 0 // with which gonum does not read C if beta is 0
	}
	if alpha == 0 || !triangle(ul) || !transposes(t) ||
		!fits(rows, cols, lda, len(a)) || !fits(rows, cols, ldb, len(b)) || !fits(n, n, ldc, len(c)) {
		r.syr2k(ul, t, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	trans := t != blas.NoTrans
	if n <= leaf && n*n*k < smallUpdate {
		if beta == 0 {
			clearTriangle(ul, n, c, ldc)
		}
		r.syr2k(ul, t, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	if n <= leaf {
		w := r.work.take()
		defer r.work.give(w)
		r.gemm(trans, !trans, n, n, k, alpha, a, lda, b, ldb, 0, w.square[:], n)
		r.gemm(trans, !trans, n, n, k, alpha, b, ldb, a, lda, 1, w.square[:], n)
		addTriangle(ul, n, w.square[:], beta, c, ldc)
		return
	}
	n1 := half(n)
	n2 := n - n1
	a2, b2 := part(t, a, lda, n1), part(t, b, ldb, n1)
	r.Syr2k(ul, t, n1, k, alpha, a, lda, b, ldb, beta, c, ldc)
	r.Syr2k(ul, t, n2, k, alpha, a2, lda, b2, ldb, beta, c[n1*ldc+n1:], ldc)
	if ul == blas.Lower {
		c = c[n1*ldc:]
		r.gemm(trans, !trans, n2, n1, k, alpha, a2, lda, b, ldb, beta, c, ldc)
		r.gemm(trans, !trans, n2, n1, k, alpha, b2, ldb, a, lda, 1, c, ldc)
	} else {
		c = c[n1:]
		r.gemm(trans, !trans, n1, n2, k, alpha, a, lda, b2, ldb, beta, c, ldc)
		r.gemm(trans, !trans, n1, n2, k, alpha, b, ldb, a2, lda, 1, c, ldc)
	}
}

// Symm computes C = alpha*A*B + beta*C, or C = alpha*B*A + beta*C if s is Right, for a symmetric A of
// which the triangle ul is stored.
func (r *routines[F]) Symm(s blas.Side, ul blas.Uplo, m, n int, alpha F, a []F, lda int, b []F, ldb int, beta F, c []F, ldc int) {
	k := order(s, m, n)
	if alpha == 0 || (s != blas.Left && s != blas.Right) || !triangle(ul) ||
		!fits(k, k, lda, len(a)) || !fits(m, n, ldb, len(b)) || !fits(m, n, ldc, len(c)) {
		r.symm(s, ul, m, n, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	if k <= leaf && m*n < smallUpdate/leaf {
		r.symm(s, ul, m, n, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	if k <= leaf {
		r.leafSymm(s, ul, m, n, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	k1 := half(k)
	k2 := k - k1
	off, a22 := rest(ul, a, lda, k1), a[k1*lda+k1:]
	lower := ul == blas.Lower // then off is A21, and else A12
	if s == blas.Left {
		b2, c2 := b[k1*ldb:], c[k1*ldc:]
		r.Symm(s, ul, k1, n, alpha, a, lda, b, ldb, beta, c, ldc)
		r.gemm(lower, false, k1, n, k2, alpha, off, lda, b2, ldb, 1, c, ldc)
		r.Symm(s, ul, k2, n, alpha, a22, lda, b2, ldb, beta, c2, ldc)
		r.gemm(!lower, false, k2, n, k1, alpha, off, lda, b, ldb, 1, c2, ldc)
		return
	}
	b2, c2 := b[k1:], c[k1:]
	r.Symm(s, ul, m, k1, alpha, a, lda, b, ldb, beta, c, ldc)
	r.gemm(false, !lower, m, k1, k2, alpha, b2, ldb, off, lda, 1, c, ldc)
	r.Symm(s, ul, m, k2, alpha, a22, lda, b2, ldb, beta, c2, ldc)
	r.gemm(false, lower, m, k2, k1, alpha, b, ldb, off, lda, 1, c2, ldc)
}

// triangularFits tells whether trmm and trsm have something to do.
func triangularFits[F float32 | float64](s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha F, a []F, lda int, b []F, ldb int) bool {
	k := order(s, m, n)
	return alpha != 0 && (s == blas.Left || s == blas.Right) && triangle(ul) && transposes(tA) &&
		(d == blas.Unit || d == blas.NonUnit) && fits(k, k, lda, len(a)) && fits(m, n, ldb, len(b))
}

// Trmm computes B = alpha*op(A)*B, or B = alpha*B*op(A) if s is Right, for a triangular A.
func (r *routines[F]) Trmm(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha F, a []F, lda int, b []F, ldb int) {
	if !triangularFits(s, ul, tA, d, m, n, alpha, a, lda, b, ldb) {
		r.trmm(s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
		return
	}
	k := order(s, m, n)
	if k <= leaf && (s == blas.Left && n < fewColumns || s == blas.Right && m < fewRows) {
		r.trmm(s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
		return
	}
	if k <= leaf {
		r.leafTrmm(s, newTriangle(ul, tA, d, k, a, lda), m, n, alpha, b, ldb)
		return
	}
	k1 := half(k)
	off, a22 := rest(ul, a, lda, k1), a[k1*lda+k1:]
	trans := tA != blas.NoTrans
	lower := (ul == blas.Lower) != trans // op(A) is
	// The half that the other's old values are added to comes first.
	if s == blas.Left {
		b2, m2 := b[k1*ldb:], m-k1
		if lower {
			r.Trmm(s, ul, tA, d, m2, n, alpha, a22, lda, b2, ldb)
			r.gemm(trans, false, m2, n, k1, alpha, off, lda, b, ldb, 1, b2, ldb)
			r.Trmm(s, ul, tA, d, k1, n, alpha, a, lda, b, ldb)
		} else {
			r.Trmm(s, ul, tA, d, k1, n, alpha, a, lda, b, ldb)
			r.gemm(trans, false, k1, n, m2, alpha, off, lda, b2, ldb, 1, b, ldb)
			r.Trmm(s, ul, tA, d, m2, n, alpha, a22, lda, b2, ldb)
		}
		return
	}
	b2, n2 := b[k1:], n-k1
	if lower {
		r.Trmm(s, ul, tA, d, m, k1, alpha, a, lda, b, ldb)
		r.gemm(false, trans, m, k1, n2, alpha, b2, ldb, off, lda, 1, b, ldb)
		r.Trmm(s, ul, tA, d, m, n2, alpha, a22, lda, b2, ldb)
	} else {
		r.Trmm(s, ul, tA, d, m, n2, alpha, a22, lda, b2, ldb)
		r.gemm(false, trans, m, n2, k1, alpha, b, ldb, off, lda, 1, b2, ldb)
		r.Trmm(s, ul, tA, d, m, k1, alpha, a, lda, b, ldb)
	}
}

// Trsm solves op(A)*X = alpha*B, or X*op(A) = alpha*B if s is Right, for a triangular A; X overwrites B.
func (r *routines[F]) Trsm(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha F, a []F, lda int, b []F, ldb int) {
	if !triangularFits(s, ul, tA, d, m, n, alpha, a, lda, b, ldb) {
		r.trsm(s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
		return
	}
	k := order(s, m, n)
	if k <= leaf && (s == blas.Left && n < fewColumns || s == blas.Right && m < fewRows) {
		r.trsm(s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
		return
	}
	if k <= leaf {
		r.leafTrsm(s, newTriangle(ul, tA, d, k, a, lda), m, n, alpha, b, ldb)
		return
	}
	k1 := half(k)
	off, a22 := rest(ul, a, lda, k1), a[k1*lda+k1:]
	trans := tA != blas.NoTrans
	lower := (ul == blas.Lower) != trans // op(A) is
	if s == blas.Left {
		b2, m2 := b[k1*ldb:], m-k1
		if lower {
			r.Trsm(s, ul, tA, d, k1, n, alpha, a, lda, b, ldb)
			r.gemm(trans, false, m2, n, k1, -1, off, lda, b, ldb, alpha, b2, ldb)
			r.Trsm(s, ul, tA, d, m2, n, 1, a22, lda, b2, ldb)
		} else {
			r.Trsm(s, ul, tA, d, m2, n, alpha, a22, lda, b2, ldb)
			r.gemm(trans, false, k1, n, m2, -1, off, lda, b2, ldb, alpha, b, ldb)
			r.Trsm(s, ul, tA, d, k1, n, 1, a, lda, b, ldb)
		}
		return
	}
	b2, n2 := b[k1:], n-k1
	if lower {
		r.Trsm(s, ul, tA, d, m, n2, alpha, a22, lda, b2, ldb)
		r.gemm(false, trans, m, k1, n2, -1, b2, ldb, off, lda, alpha, b, ldb)
		r.Trsm(s, ul, tA, d, m, k1, 1, a, lda, b, ldb)
	} else {
		r.Trsm(s, ul, tA, d, m, k1, alpha, a, lda, b, ldb)
		r.gemm(false, trans, m, n2, k1, -1, b, ldb, off, lda, alpha, b2, ldb)
		r.Trsm(s, ul, tA, d, m, n2, 1, a22, lda, b2, ldb)
	}
}
