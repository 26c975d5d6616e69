// Package blas32test is a conformance suite for implementations of gonum's blas.Float32, for which gonum
// has none. Level1, Level2 and Level3 run all of it.
//
// Every case runs in float32 by the implementation under test and in float64 by gonum, on the same numbers.
// An element may differ by γ(k+3) times the same expression on absolute values, γ(k) = k·u/(1−k·u),
// u = 2⁻²⁴, where k is the number of products summed (Higham, Accuracy and Stability of Numerical
// Algorithms, §3.1); the solution of a triangular system is held to its residual (ibid., §8.1).
package blas32test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

var reference gonum.Implementation

var (
	transposes = []blas.Transpose{blas.NoTrans, blas.Trans, blas.ConjTrans}
	triangles  = []blas.Uplo{blas.Upper, blas.Lower}
	sides      = []blas.Side{blas.Left, blas.Right}
	diagonals  = []blas.Diag{blas.NonUnit, blas.Unit}
	scalars    = []float32{0, 1, -0.5}
	nan        = float32(math.NaN())
	inf        = float32(math.Inf(1))
)

func gamma(k int) float64 {
	ku := float64(k) / (1 << 24)
	return ku / (1 - ku)
}

// matrix is rows×cols with a row stride; the gaps between its rows hold NaN.
type matrix struct {
	rows, cols, ld int
	x              []float32
}

func newMatrix(rng *rand.Rand, rows, cols, gap int) matrix {
	m := matrix{rows: rows, cols: cols, ld: max(1, cols+gap)}
	if rows == 0 {
		return m
	}
	m.x = make([]float32, (rows-1)*m.ld+cols)
	for i := range m.x {
		m.x[i] = nan
		if i%m.ld < cols {
			m.x[i] = float32(rng.NormFloat64())
		}
	}
	return m
}

func (m matrix) clone() matrix {
	m.x = append([]float32(nil), m.x...)
	return m
}

// hide puts v where keep(i, j) does not hold.
func (m matrix) hide(v float32, keep func(i, j int) bool) {
	for i := range m.rows {
		for j := range m.cols {
			if !keep(i, j) {
				m.x[i*m.ld+j] = v
			}
		}
	}
}

// wide returns the elements in float64, and their absolute values.
func (m matrix) wide() (x, abs []float64) {
	for _, v := range m.x {
		x, abs = append(x, float64(v)), append(abs, math.Abs(float64(v)))
	}
	return x, abs
}

// compare holds got to want ± factor·size, and, where keep(i, j) does not hold and in the gaps, to the bits
// of before.
func compare(t *testing.T, name string, got, before matrix, want, size []float64, factor float64, keep func(i, j int) bool) {
	t.Helper()
	for p, v := range got.x {
		i, j := p/got.ld, p%got.ld
		if j >= got.cols || !keep(i, j) {
			if math.Float32bits(v) != math.Float32bits(before.x[p]) {
				t.Fatalf("%s: element %d,%d, which is not the routine's, was written", name, i, j)
			}
			continue
		}
		if !(math.Abs(float64(v)-want[p]) <= factor*size[p]) {
			t.Fatalf("%s: element %d,%d is %g, want %g ± %g", name, i, j, v, want[p], factor*size[p])
		}
	}
}

func all(int, int) bool { return true }

func within(ul blas.Uplo) func(i, j int) bool {
	if ul == blas.Upper {
		return func(i, j int) bool { return j >= i }
	}
	return func(i, j int) bool { return j <= i }
}

func abs(x float32) float64 { return math.Abs(float64(x)) }

func fill(m matrix, v float32) {
	for i := range m.x {
		m.x[i] = v
	}
}

// shaped returns an op(X) of rows×cols.
func shaped(rng *rand.Rand, t blas.Transpose, rows, cols, gap int) matrix {
	if t != blas.NoTrans {
		rows, cols = cols, rows
	}
	return newMatrix(rng, rows, cols, gap)
}

// Level3 runs every test of level 3.
func Level3(t *testing.T, impl blas.Float32) {
	t.Run("Sgemm", func(t *testing.T) { Sgemm(t, impl) })
	t.Run("SgemmSpecial", func(t *testing.T) { SgemmSpecial(t, impl) })
	t.Run("SgemmZero", func(t *testing.T) { SgemmZero(t, impl) })
	t.Run("Ssymm", func(t *testing.T) { Ssymm(t, impl) })
	t.Run("Ssyrk", func(t *testing.T) { Ssyrk(t, impl) })
	t.Run("Ssyr2k", func(t *testing.T) { Ssyr2k(t, impl) })
	t.Run("Strmm", func(t *testing.T) { Strmm(t, impl) })
	t.Run("Strsm", func(t *testing.T) { Strsm(t, impl) })
	t.Run("Misuse", func(t *testing.T) { Misuse(t, impl) })
}

// Sgemm tests C = alpha*op(A)*op(B) + beta*C.
func Sgemm(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(1, 1))
	sizes := []int{0, 1, 2, 3, 5, 7, 13, 14, 15, 16, 17, 31, 32, 33, 63, 65}
	pick := func() int { return sizes[rng.IntN(len(sizes))] }
	for try := range 600 {
		m, n, k, gap := pick(), pick(), pick(), rng.IntN(3)
		if try%60 == 0 {
			m, n, k = 129, 127, 128
		}
		tA, tB := transposes[rng.IntN(3)], transposes[rng.IntN(3)]
		alpha, beta := scalars[rng.IntN(3)], scalars[rng.IntN(3)]
		a, b, c := shaped(rng, tA, m, k, gap), shaped(rng, tB, k, n, gap), newMatrix(rng, m, n, gap)
		before := c.clone()
		if beta == 0 {
			c.hide(nan, func(int, int) bool { return false })
		}
		a64, aAbs := a.wide()
		b64, bAbs := b.wide()
		want, size := before.wide()
		reference.Dgemm(tA, tB, m, n, k, float64(alpha), a64, a.ld, b64, b.ld, float64(beta), want, c.ld)
		reference.Dgemm(tA, tB, m, n, k, abs(alpha), aAbs, a.ld, bAbs, b.ld, abs(beta), size, c.ld)
		impl.Sgemm(tA, tB, m, n, k, alpha, a.x, a.ld, b.x, b.ld, beta, c.x, c.ld)
		name := fmt.Sprintf("Sgemm(%c, %c, %d, %d, %d, %g, ld+%d, %g)", tA, tB, m, n, k, alpha, gap, beta)
		compare(t, name, c, before, want, size, gamma(k+3), all)
	}
}

// SgemmSpecial tests that NaN and Inf reach C, through beta = 1 too, and only the elements that they belong to.
func SgemmSpecial(t *testing.T, impl blas.Float32) {
	const n = 37
	for _, special := range []float32{nan, inf, -inf} {
		a, b, c := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
		for i := range a {
			a[i], b[i], c[i] = 1, 1, 1
		}
		b[5*n+7], c[3*n+2] = special, special
		impl.Sgemm(blas.NoTrans, blas.NoTrans, n, n, n, 1, a, n, b, n, 1, c, n)
		for i := range n {
			for j := range n {
				finite := c[i*n+j] == n+1
				if want := !(j == 7 || i == 3 && j == 2); finite != want {
					t.Fatalf("%g in B and C: element %d,%d is %g", special, i, j, c[i*n+j])
				}
			}
		}
	}
}

// SgemmZero tests that a 0 in one operand does not hide a NaN or an Inf in the other.
func SgemmZero(t *testing.T, impl blas.Float32) {
	const row, col = 5, 7
	for _, n := range []int{8, 37} {
		for _, special := range []float32{nan, inf, -inf} {
			for operand := range 2 {
				x := [2][]float32{make([]float32, n*n), make([]float32, n*n)}
				x[operand][row*n+col] = special
				c := make([]float32, n*n)
				impl.Sgemm(blas.NoTrans, blas.NoTrans, n, n, n, 1, x[0], n, x[1], n, 0, c, n)
				for i, v := range c {
					spoilt := []bool{i/n == row, i%n == col}[operand]
					if (v != v) != spoilt {
						t.Fatalf("n = %d, %g in %c at %d,%d: element %d,%d is %g", n, special, "AB"[operand], row, col, i/n, i%n, v)
					}
				}
			}
		}
	}
}

// Ssymm tests C = alpha*A*B + beta*C, with NaN in the triangle of A that is not stored.
func Ssymm(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(2, 1))
	for _, size3 := range [][2]int{{0, 3}, {1, 1}, {5, 3}, {17, 15}, {33, 31}, {64, 20}, {20, 65}, {129, 40}} {
		for _, s := range sides {
			for _, ul := range triangles {
				for _, alpha := range scalars {
					for _, beta := range scalars {
						m, n := size3[0], size3[1]
						k := n
						if s == blas.Left {
							k = m
						}
						gap := rng.IntN(3)
						a, b, c := newMatrix(rng, k, k, gap), newMatrix(rng, m, n, gap), newMatrix(rng, m, n, gap)
						a.hide(nan, within(ul))
						before := c.clone()
						if beta == 0 {
							c.hide(nan, func(int, int) bool { return false })
						}
						a64, aAbs := a.wide()
						b64, bAbs := b.wide()
						want, size := before.wide()
						reference.Dsymm(s, ul, m, n, float64(alpha), a64, a.ld, b64, b.ld, float64(beta), want, c.ld)
						reference.Dsymm(s, ul, m, n, abs(alpha), aAbs, a.ld, bAbs, b.ld, abs(beta), size, c.ld)
						impl.Ssymm(s, ul, m, n, alpha, a.x, a.ld, b.x, b.ld, beta, c.x, c.ld)
						name := fmt.Sprintf("Ssymm(%c, %c, %d, %d, %g, %g)", s, ul, m, n, alpha, beta)
						compare(t, name, c, before, want, size, gamma(k+5), all)
					}
				}
			}
		}
	}
}

// ranks calls f for the cases of syrk and syr2k.
func ranks(f func(ul blas.Uplo, tr blas.Transpose, n, k int, alpha, beta float32)) {
	for _, size := range [][2]int{{0, 3}, {1, 1}, {5, 3}, {17, 15}, {33, 31}, {64, 20}, {20, 65}, {129, 40}, {5, 0}, {33, 0}} {
		for _, ul := range triangles {
			for _, tr := range transposes {
				for _, alpha := range scalars {
					for _, beta := range scalars {
						f(ul, tr, size[0], size[1], alpha, beta)
					}
				}
			}
		}
	}
}

// target returns C for a result in one triangle, and C before; the other triangle is not to change.
func target(rng *rand.Rand, ul blas.Uplo, n, gap int, beta float32) (c, before matrix) {
	c = newMatrix(rng, n, n, gap)
	before = c.clone()
	if beta == 0 {
		in := within(ul)
		c.hide(nan, func(i, j int) bool { return !in(i, j) })
	}
	return c, before
}

// Ssyrk tests C = alpha*A*Aᵀ + beta*C.
func Ssyrk(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(3, 1))
	ranks(func(ul blas.Uplo, tr blas.Transpose, n, k int, alpha, beta float32) {
		gap := rng.IntN(3)
		a := shaped(rng, tr, n, k, gap)
		c, before := target(rng, ul, n, gap, beta)
		a64, aAbs := a.wide()
		want, size := before.wide()
		reference.Dsyrk(ul, tr, n, k, float64(alpha), a64, a.ld, float64(beta), want, c.ld)
		reference.Dsyrk(ul, tr, n, k, abs(alpha), aAbs, a.ld, abs(beta), size, c.ld)
		impl.Ssyrk(ul, tr, n, k, alpha, a.x, a.ld, beta, c.x, c.ld)
		name := fmt.Sprintf("Ssyrk(%c, %c, %d, %d, %g, %g)", ul, tr, n, k, alpha, beta)
		compare(t, name, c, before, want, size, gamma(k+3), within(ul))
	})
}

// Ssyr2k tests C = alpha*(A*Bᵀ + B*Aᵀ) + beta*C.
func Ssyr2k(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(4, 1))
	ranks(func(ul blas.Uplo, tr blas.Transpose, n, k int, alpha, beta float32) {
		gap := rng.IntN(3)
		a, b := shaped(rng, tr, n, k, gap), shaped(rng, tr, n, k, gap)
		c, before := target(rng, ul, n, gap, beta)
		a64, aAbs := a.wide()
		b64, bAbs := b.wide()
		want, size := before.wide()
		reference.Dsyr2k(ul, tr, n, k, float64(alpha), a64, a.ld, b64, b.ld, float64(beta), want, c.ld)
		reference.Dsyr2k(ul, tr, n, k, abs(alpha), aAbs, a.ld, bAbs, b.ld, abs(beta), size, c.ld)
		impl.Ssyr2k(ul, tr, n, k, alpha, a.x, a.ld, b.x, b.ld, beta, c.x, c.ld)
		name := fmt.Sprintf("Ssyr2k(%c, %c, %d, %d, %g, %g)", ul, tr, n, k, alpha, beta)
		compare(t, name, c, before, want, size, gamma(2*k+5), within(ul))
	})
}

// triangular calls f for the cases of trmm and trsm. What a triangular A must not be read at is NaN, and
// its diagonal dominates, so that solutions stay near 1.
func triangular(rng *rand.Rand, f func(name string, s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, k int, alpha float32, a, b matrix)) {
	for _, size := range [][2]int{{0, 3}, {1, 1}, {5, 3}, {17, 15}, {33, 31}, {65, 20}, {20, 64}, {127, 10}} {
		for _, s := range sides {
			for _, ul := range triangles {
				for _, tA := range transposes {
					for _, d := range diagonals {
						for _, alpha := range scalars {
							m, n := size[0], size[1]
							k := n
							if s == blas.Left {
								k = m
							}
							gap := rng.IntN(3)
							a, b := newMatrix(rng, k, k, gap), newMatrix(rng, m, n, gap)
							in := within(ul)
							for i := range k {
								for j := range k {
									a.x[i*a.ld+j] /= float32(k)
								}
								a.x[i*a.ld+i] = 1 + float32(rng.Float64())
							}
							a.hide(nan, func(i, j int) bool { return in(i, j) && (i != j || d == blas.NonUnit) })
							f(fmt.Sprintf("(%c, %c, %c, %c, %d, %d, %g)", s, ul, tA, d, m, n, alpha), s, ul, tA, d, k, alpha, a, b)
						}
					}
				}
			}
		}
	}
}

// Strmm tests B = alpha*op(A)*B.
func Strmm(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(5, 1))
	triangular(rng, func(name string, s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, k int, alpha float32, a, b matrix) {
		before := b.clone()
		a64, aAbs := a.wide()
		want, size := b.wide()
		reference.Dtrmm(s, ul, tA, d, b.rows, b.cols, float64(alpha), a64, a.ld, want, b.ld)
		reference.Dtrmm(s, ul, tA, d, b.rows, b.cols, abs(alpha), aAbs, a.ld, size, b.ld)
		impl.Strmm(s, ul, tA, d, b.rows, b.cols, alpha, a.x, a.ld, b.x, b.ld)
		compare(t, "Strmm"+name, b, before, want, size, gamma(k+4), all)
	})
}

// Strsm compares op(A)*X with alpha*B: |op(A)*X − alpha*B| ≤ γ(k+4)·(|op(A)||X| + |alpha*B|).
func Strsm(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(6, 1))
	triangular(rng, func(name string, s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, k int, alpha float32, a, b matrix) {
		before := b.clone()
		impl.Strsm(s, ul, tA, d, b.rows, b.cols, alpha, a.x, a.ld, b.x, b.ld)
		a64, aAbs := a.wide()
		product, size := b.wide()
		reference.Dtrmm(s, ul, tA, d, b.rows, b.cols, 1, a64, a.ld, product, b.ld)
		reference.Dtrmm(s, ul, tA, d, b.rows, b.cols, 1, aAbs, a.ld, size, b.ld)
		for p := range b.x {
			i, j := p/b.ld, p%b.ld
			if j >= b.cols {
				if math.Float32bits(b.x[p]) != math.Float32bits(before.x[p]) {
					t.Fatalf("Strsm%s: the gap after row %d was written", name, i)
				}
				continue
			}
			want := float64(alpha) * float64(before.x[p])
			if bound := gamma(k+4) * (size[p] + math.Abs(want)); !(math.Abs(product[p]-want) <= bound) {
				t.Fatalf("Strsm%s: op(A)*X is %g at %d,%d, want %g ± %g", name, product[p], i, j, want, bound)
			}
		}
	})
}

// Misuse tests that wrong arguments panic, and that nothing is written.
func Misuse(t *testing.T, impl blas.Float32) {
	const n = 40
	a, b, c := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
	no, up, nu := blas.NoTrans, blas.Upper, blas.NonUnit
	misuse(t, map[string]func(){
		"Sgemm, transpose": func() { impl.Sgemm('x', no, n, n, n, 1, a, n, b, n, 0, c, n) },
		"Sgemm, m":         func() { impl.Sgemm(no, no, -1, n, n, 1, a, n, b, n, 0, c, n) },
		"Sgemm, lda":       func() { impl.Sgemm(no, no, n, n, n, 1, a, n-1, b, n, 0, c, n) },
		"Sgemm, ldb":       func() { impl.Sgemm(no, no, n, n, n, 1, a, n, b, n-1, 0, c, n) },
		"Sgemm, short A":   func() { impl.Sgemm(no, no, n, n, n, 1, a[1:], n, b, n, 0, c, n) },
		"Sgemm, short B":   func() { impl.Sgemm(no, no, n, n, n, 1, a, n, b[1:], n, 0, c, n) },
		"Sgemm, short C":   func() { impl.Sgemm(no, no, n, n, n, 1, a, n, b, n, 0, c[1:], n) },
		"Ssymm, side":      func() { impl.Ssymm('x', up, n, n, 1, a, n, b, n, 0, c, n) },
		"Ssymm, short A":   func() { impl.Ssymm(blas.Left, up, n, n, 1, a[1:], n, b, n, 0, c, n) },
		"Ssyrk, triangle":  func() { impl.Ssyrk('x', no, n, n, 1, a, n, 0, c, n) },
		"Ssyrk, ldc":       func() { impl.Ssyrk(up, no, n, n, 1, a, n, 0, c, n-1) },
		"Ssyr2k, short B":  func() { impl.Ssyr2k(up, no, n, n, 1, a, n, b[1:], n, 0, c, n) },
		"Strmm, diagonal":  func() { impl.Strmm(blas.Left, up, no, 'x', n, n, 1, a, n, b, n) },
		"Strmm, short B":   func() { impl.Strmm(blas.Left, up, no, nu, n, n, 1, a, n, b[1:], n) },
		"Strsm, lda":       func() { impl.Strsm(blas.Left, up, no, nu, n, n, 1, a, n-1, b, n) },
		"Strsm, short A":   func() { impl.Strsm(blas.Right, up, no, nu, n, n, 1, a[1:], n, b, n) },
	}, a, b, c)
}
