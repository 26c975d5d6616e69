package blas32test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
)

// Level2 runs every test of level 2.
func Level2(t *testing.T, impl blas.Float32) {
	t.Run("Sgemv", func(t *testing.T) { Sgemv(t, impl) })
	t.Run("SgemvSpecial", func(t *testing.T) { SgemvSpecial(t, impl) })
	t.Run("Sger", func(t *testing.T) { Sger(t, impl) })
	t.Run("Sgbmv", func(t *testing.T) { Sgbmv(t, impl) })
	t.Run("Symmetric", func(t *testing.T) { Symmetric(t, impl) })
	t.Run("SymmetricUpdates", func(t *testing.T) { SymmetricUpdates(t, impl) })
	t.Run("Triangular", func(t *testing.T) { Triangular(t, impl) })
	t.Run("MatrixVectorMisuse", func(t *testing.T) { MatrixVectorMisuse(t, impl) })
}

// The orders of level 2: around the blocks of vector units, and some above.
var orders = []int{0, 1, 2, 3, 5, 8, 15, 16, 17, 31, 32, 33, 47, 63, 65, 100, 129}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// Sgemv tests y = alpha*op(A)*x + beta*y, with NaN in y where beta is 0.
func Sgemv(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(9, 1))
	for range 2000 {
		m, n, gap, tA := pick(rng, orders), pick(rng, orders), rng.IntN(3), pick(rng, transposes)
		alpha, beta, incX, incY := pick(rng, scalars), pick(rng, scalars), pick(rng, increments), pick(rng, increments)
		nx, ny := n, m
		if tA != blas.NoTrans {
			nx, ny = m, n
		}
		a := newMatrix(rng, m, n, gap)
		call{
			name: fmt.Sprintf("Sgemv(%c, %d, %d, %g, ld+%d, incX %d, %g, incY %d)", tA, m, n, alpha, gap, incX, beta, incY),
			args: []matrix{a, vector(rng, nx, incX), vector(rng, ny, incY)}, out: []int{2}, k: nx + 3,
			unread: beta == 0 && m > 0 && n > 0, // else y stays as it is
			in32:   func(v [][]float32) { impl.Sgemv(tA, m, n, alpha, v[0], a.ld, v[1], incX, beta, v[2], incY) },
			in64: func(v [][]float64, size bool) {
				reference.Dgemv(tA, m, n, signed(alpha, size), v[0], a.ld, v[1], incX, signed(beta, size), v[2], incY)
			},
		}.check(t)
	}
}

// SgemvSpecial tests that NaN and Inf in A, x and y reach the elements that they belong to, and only these.
func SgemvSpecial(t *testing.T, impl blas.Float32) {
	const m, n, row, col = 37, 41, 5, 29
	for _, tA := range transposes {
		for _, special := range []float32{nan, inf, -inf} {
			for where := range 3 {
				a, x, y := make([]float32, m*n), make([]float32, n), make([]float32, m)
				at := row
				if tA != blas.NoTrans {
					x, y, at = y, x, col
				}
				for _, v := range [][]float32{a, x, y} {
					fill(matrix{x: v}, 1)
				}
				[][]float32{a, x, y}[where][[]int{row*n + col, 3, at}[where]] = special
				impl.Sgemv(tA, m, n, 1, a, n, x, 1, 1, y, 1)
				for i, v := range y {
					if finite := v-v == 0; finite == (where == 1 || i == at) {
						t.Fatalf("Sgemv %c, %g in %s: y[%d] = %g", tA, special, []string{"A", "x", "y"}[where], i, v)
					}
				}
			}
		}
	}
}

// Sger tests A += alpha*x*yᵀ.
func Sger(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(10, 1))
	for range 1000 {
		m, n, gap, alpha, incX, incY := pick(rng, orders), pick(rng, orders), rng.IntN(3), pick(rng, scalars), pick(rng, increments), pick(rng, increments)
		a := newMatrix(rng, m, n, gap)
		call{
			name: fmt.Sprintf("Sger(%d, %d, %g, incX %d, incY %d, ld+%d)", m, n, alpha, incX, incY, gap),
			args: []matrix{vector(rng, m, incX), vector(rng, n, incY), a}, out: []int{2}, k: 4,
			in32: func(v [][]float32) { impl.Sger(m, n, alpha, v[0], incX, v[1], incY, v[2], a.ld) },
			in64: func(v [][]float64, size bool) { dger(m, n, signed(alpha, size), v[0], incX, v[1], incY, v[2], a.ld) },
		}.check(t)
	}
}

// dger is the reference for ger: that of gonum v0.17 reads beyond vectors with negative increments (amd64).
func dger(m, n int, alpha float64, x []float64, incX int, y []float64, incY int, a []float64, lda int) {
	for i := range m {
		for j := range n {
			a[i*lda+j] += alpha * *element(x, incX, m, i) * *element(y, incY, n, j)
		}
	}
}

// element returns element i of n with an increment.
func element(x []float64, inc, n, i int) *float64 {
	if inc < 0 {
		i -= n - 1
	}
	return &x[i*inc]
}

// Sgbmv tests y = alpha*op(A)*x + beta*y for a band matrix, with NaN where its storage has no elements.
func Sgbmv(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(11, 1))
	for range 600 {
		m, n, kL, kU, gap, tA := 1+rng.IntN(40), 1+rng.IntN(40), rng.IntN(5), rng.IntN(5), rng.IntN(3), pick(rng, transposes)
		alpha, beta, incX, incY := pick(rng, scalars), pick(rng, scalars), pick(rng, increments), pick(rng, increments)
		nx, ny := n, m
		if tA != blas.NoTrans {
			nx, ny = m, n
		}
		a := newMatrix(rng, min(m, n+kL), kL+kU+1, gap)
		a.hide(nan, func(i, j int) bool { c := i + j - kL; return 0 <= c && c < n })
		call{
			name: fmt.Sprintf("Sgbmv(%c, %d, %d, %d, %d, %g, incX %d, %g, incY %d)", tA, m, n, kL, kU, alpha, incX, beta, incY),
			args: []matrix{a, vector(rng, nx, incX), vector(rng, ny, incY)}, out: []int{2}, k: kL + kU + 4, unread: beta == 0,
			in32: func(v [][]float32) { impl.Sgbmv(tA, m, n, kL, kU, alpha, v[0], a.ld, v[1], incX, beta, v[2], incY) },
			in64: func(v [][]float64, size bool) {
				reference.Dgbmv(tA, m, n, kL, kU, signed(alpha, size), v[0], a.ld, v[1], incX, signed(beta, size), v[2], incY)
			},
		}.check(t)
	}
}

// packed is a triangle without gaps, as one row.
func packed(rng *rand.Rand, n int) matrix { return newMatrix(rng, min(n, 1), n*(n+1)/2, 0) }

// band is a triangle of k diagonals beside the main one, with NaN where its storage has no elements.
func band(rng *rand.Rand, ul blas.Uplo, n, k, gap int) matrix {
	a := newMatrix(rng, n, k+1, gap)
	a.hide(nan, func(i, j int) bool {
		if ul == blas.Upper {
			return i+j < n
		}
		return i+j >= k
	})
	return a
}

// Symmetric tests y = alpha*A*x + beta*y by symv, sbmv and spmv, with NaN in the triangle that is not stored.
func Symmetric(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(12, 1))
	for range 1000 {
		n, gap, ul, k := pick(rng, orders), rng.IntN(3), pick(rng, triangles), rng.IntN(6)
		alpha, beta, incX, incY := pick(rng, scalars), pick(rng, scalars), pick(rng, increments), pick(rng, increments)
		on := fmt.Sprintf("(%c, %d, %g, ld+%d, incX %d, %g, incY %d)", ul, n, alpha, gap, incX, beta, incY)
		test := func(name string, terms int, a matrix, in32 func(a, x, y []float32), in64 func(alpha float64, a, x []float64, beta float64, y []float64)) {
			t.Helper()
			call{
				name: name + on, args: []matrix{a, vector(rng, n, incX), vector(rng, n, incY)}, out: []int{2}, k: terms + 5, unread: beta == 0,
				in32: func(v [][]float32) { in32(v[0], v[1], v[2]) },
				in64: func(v [][]float64, size bool) { in64(signed(alpha, size), v[0], v[1], signed(beta, size), v[2]) },
			}.check(t)
		}
		a := newMatrix(rng, n, n, gap)
		a.hide(nan, within(ul))
		test("Ssymv", n, a, func(v, x, y []float32) { impl.Ssymv(ul, n, alpha, v, a.ld, x, incX, beta, y, incY) },
			func(alpha float64, v, x []float64, beta float64, y []float64) {
				reference.Dsymv(ul, n, alpha, v, a.ld, x, incX, beta, y, incY)
			})
		b := band(rng, ul, n, k, gap)
		test("Ssbmv", 2*k+1, b, func(v, x, y []float32) { impl.Ssbmv(ul, n, k, alpha, v, b.ld, x, incX, beta, y, incY) },
			func(alpha float64, v, x []float64, beta float64, y []float64) {
				reference.Dsbmv(ul, n, k, alpha, v, b.ld, x, incX, beta, y, incY)
			})
		test("Sspmv", n, packed(rng, n), func(v, x, y []float32) { impl.Sspmv(ul, n, alpha, v, x, incX, beta, y, incY) },
			func(alpha float64, v, x []float64, beta float64, y []float64) {
				reference.Dspmv(ul, n, alpha, v, x, incX, beta, y, incY)
			})
	}
}

// SymmetricUpdates tests syr, syr2, spr and spr2; the other triangle is not to change.
func SymmetricUpdates(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(13, 1))
	for range 1000 {
		n, gap, ul := pick(rng, orders), rng.IntN(3), pick(rng, triangles)
		alpha, incX, incY := pick(rng, scalars), pick(rng, increments), pick(rng, increments)
		on := fmt.Sprintf("(%c, %d, %g, incX %d, incY %d, ld+%d)", ul, n, alpha, incX, incY, gap)
		test := func(name string, k int, a matrix, keep func(i, j int) bool, in32 func(x, y, a []float32), in64 func(alpha float64, x, y, a []float64)) {
			t.Helper()
			call{
				name: name + on, args: []matrix{vector(rng, n, incX), vector(rng, n, incY), a}, out: []int{2}, k: k, keep: keep,
				in32: func(v [][]float32) { in32(v[0], v[1], v[2]) },
				in64: func(v [][]float64, size bool) { in64(signed(alpha, size), v[0], v[1], v[2]) },
			}.check(t)
		}
		a := newMatrix(rng, n, n, gap)
		test("Ssyr", 4, a.clone(), within(ul), func(x, _, v []float32) { impl.Ssyr(ul, n, alpha, x, incX, v, a.ld) },
			func(alpha float64, x, _, v []float64) { reference.Dsyr(ul, n, alpha, x, incX, v, a.ld) })
		test("Ssyr2", 6, a.clone(), within(ul), func(x, y, v []float32) { impl.Ssyr2(ul, n, alpha, x, incX, y, incY, v, a.ld) },
			func(alpha float64, x, y, v []float64) { reference.Dsyr2(ul, n, alpha, x, incX, y, incY, v, a.ld) })
		test("Sspr", 4, packed(rng, n), all, func(x, _, v []float32) { impl.Sspr(ul, n, alpha, x, incX, v) },
			func(alpha float64, x, _, v []float64) { reference.Dspr(ul, n, alpha, x, incX, v) })
		test("Sspr2", 6, packed(rng, n), all, func(x, y, v []float32) { impl.Sspr2(ul, n, alpha, x, incX, y, incY, v) },
			func(alpha float64, x, y, v []float64) { reference.Dspr2(ul, n, alpha, x, incX, y, incY, v) })
	}
}

// Triangular tests x = op(A)*x by trmv, tbmv and tpmv, and op(A)*x = b by trsv, tbsv and tpsv, which are
// held to |op(A)*x − b| ≤ γ(n+4)·(|op(A)||x| + |b|). What must not be read is NaN, and the diagonal
// dominates.
func Triangular(t *testing.T, impl blas.Float32) {
	rng := rand.New(rand.NewPCG(14, 1))
	for range 1000 {
		n, gap, ul, tA, d := pick(rng, orders), rng.IntN(3), pick(rng, triangles), pick(rng, transposes), pick(rng, diagonals)
		k, incX := rng.IntN(6), pick(rng, increments)
		on := fmt.Sprintf("(%c, %c, %c, %d, k %d, ld+%d, incX %d)", ul, tA, d, n, k, gap, incX)
		// dominant prepares the stored elements, of which those at diagonal(i) are on it.
		dominant := func(a matrix, diagonal func(i int) int) matrix {
			for i := range a.x {
				a.x[i] /= float32(max(n, 1))
			}
			for i := range n {
				a.x[diagonal(i)] = 1 + float32(rng.Float64())
				if d == blas.Unit {
					a.x[diagonal(i)] = nan
				}
			}
			return a
		}
		test := func(name string, a matrix, multiply, solve func(a, x []float32), reference func(a, x []float64)) {
			t.Helper()
			x := vector(rng, n, incX)
			call{
				name: "St" + name + "mv" + on, args: []matrix{a, x.clone()}, out: []int{1}, k: n + 3,
				in32: func(v [][]float32) { multiply(v[0], v[1]) },
				in64: func(v [][]float64, _ bool) { reference(v[0], v[1]) },
			}.check(t)
			b := x.clone()
			solve(a.x, x.x)
			a64, aAbs := a.wide()
			product, size := x.wide()
			reference(a64, product)
			reference(aAbs, size)
			for i, v := range b.x {
				if i%b.ld > 0 {
					if math.Float32bits(v) != math.Float32bits(x.x[i]) {
						t.Fatalf("St%ssv%s: element %d between the vector's was written", name, on, i)
					}
					continue
				}
				if bound := gamma(n+4) * (size[i] + abs(v)); !(math.Abs(product[i]-float64(v)) <= bound) {
					t.Fatalf("St%ssv%s: op(A)*x is %g at %d, want %g ± %g", name, on, product[i], i, v, bound)
				}
			}
		}
		a := newMatrix(rng, n, n, gap)
		a.hide(nan, within(ul))
		dominant(a, func(i int) int { return i*a.ld + i })
		test("r", a, func(v, x []float32) { impl.Strmv(ul, tA, d, n, v, a.ld, x, incX) },
			func(v, x []float32) { impl.Strsv(ul, tA, d, n, v, a.ld, x, incX) },
			func(v, x []float64) { reference.Dtrmv(ul, tA, d, n, v, a.ld, x, incX) })
		b := band(rng, ul, n, k, gap)
		dominant(b, func(i int) int {
			if ul == blas.Lower {
				return i*b.ld + k
			}
			return i * b.ld
		})
		test("b", b, func(v, x []float32) { impl.Stbmv(ul, tA, d, n, k, v, b.ld, x, incX) },
			func(v, x []float32) { impl.Stbsv(ul, tA, d, n, k, v, b.ld, x, incX) },
			func(v, x []float64) { reference.Dtbmv(ul, tA, d, n, k, v, b.ld, x, incX) })
		p := dominant(packed(rng, n), func(i int) int {
			if ul == blas.Lower {
				return i * (i + 3) / 2
			}
			return i*n - i*(i-1)/2
		})
		test("p", p, func(v, x []float32) { impl.Stpmv(ul, tA, d, n, v, x, incX) },
			func(v, x []float32) { impl.Stpsv(ul, tA, d, n, v, x, incX) },
			func(v, x []float64) { reference.Dtpmv(ul, tA, d, n, v, x, incX) })
	}
}

// MatrixVectorMisuse tests that wrong arguments of level 2 panic, and that nothing is written.
func MatrixVectorMisuse(t *testing.T, impl blas.Float32) {
	const n = 40
	a, x, y := make([]float32, n*n), make([]float32, n), make([]float32, n)
	no, up, nu := blas.NoTrans, blas.Upper, blas.NonUnit
	calls := map[string]func(){
		"Sgemv, transpose": func() { impl.Sgemv('x', n, n, 1, a, n, x, 1, 0, y, 1) },
		"Sgemv, m":         func() { impl.Sgemv(no, -1, n, 1, a, n, x, 1, 0, y, 1) },
		"Sgemv, n":         func() { impl.Sgemv(no, n, -1, 1, a, n, x, 1, 0, y, 1) },
		"Sgemv, lda":       func() { impl.Sgemv(no, n, n, 1, a, n-1, x, 1, 0, y, 1) },
		"Sgemv, incX":      func() { impl.Sgemv(no, n, n, 1, a, n, x, 0, 0, y, 1) },
		"Sgemv, incY":      func() { impl.Sgemv(no, n, n, 1, a, n, x, 1, 0, y, 0) },
		"Sgemv, short A":   func() { impl.Sgemv(no, n, n, 1, a[1:], n, x, 1, 0, y, 1) },
		"Sgemv, short x":   func() { impl.Sgemv(no, n, n, 1, a, n, x[1:], 1, 0, y, 1) },
		"Sgemv, short y":   func() { impl.Sgemv(blas.Trans, n, n, 1, a, n, x, 1, 0, y[1:], 1) },
		"Sger, m":          func() { impl.Sger(-1, n, 1, x, 1, y, 1, a, n) },
		"Sger, lda":        func() { impl.Sger(n, n, 1, x, 1, y, 1, a, n-1) },
		"Sger, incX":       func() { impl.Sger(n, n, 1, x, 0, y, 1, a, n) },
		"Sger, short x":    func() { impl.Sger(n, n, 1, x[1:], -1, y, 1, a, n) },
		"Sger, short y":    func() { impl.Sger(n, n, 1, x, 1, y, 2, a, n) },
		"Sger, short A":    func() { impl.Sger(n, n, 1, x, 1, y, 1, a[1:], n) },
		"Ssymv, triangle":  func() { impl.Ssymv('x', n, 1, a, n, x, 1, 0, y, 1) },
		"Ssymv, short A":   func() { impl.Ssymv(up, n, 1, a[1:], n, x, 1, 0, y, 1) },
		"Ssymv, short y":   func() { impl.Ssymv(up, n, 1, a, n, x, 1, 0, y[1:], 1) },
		"Ssyr, triangle":   func() { impl.Ssyr('x', n, 1, x, 1, a, n) },
		"Ssyr, short x":    func() { impl.Ssyr(up, n, 1, x[1:], 1, a, n) },
		"Ssyr2, lda":       func() { impl.Ssyr2(up, n, 1, x, 1, y, 1, a, n-1) },
		"Ssyr2, incY":      func() { impl.Ssyr2(up, n, 1, x, 1, y, 0, a, n) },
		"Sgbmv, short A":   func() { impl.Sgbmv(no, n, n, n, n, 1, a, 2*n+1, x, 1, 0, y, 1) },
		"Ssbmv, k":         func() { impl.Ssbmv(up, n, -1, 1, a, n, x, 1, 0, y, 1) },
		"Sspmv, short A":   func() { impl.Sspmv(up, n, 1, a[:n], x, 1, 0, y, 1) },
		"Sspr, incX":       func() { impl.Sspr(up, n, 1, x, 0, a) },
		"Sspr2, short A":   func() { impl.Sspr2(up, n, 1, x, 1, y, 1, a[:n]) },
	}
	for name, c := range map[string]func(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float32, lda int, x []float32, incX int){
		"Strmv": impl.Strmv,
		"Strsv": impl.Strsv,
		"Stbmv": func(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float32, lda int, x []float32, incX int) {
			impl.Stbmv(ul, tA, d, n, n-1, a, lda, x, incX)
		},
		"Stbsv": func(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float32, lda int, x []float32, incX int) {
			impl.Stbsv(ul, tA, d, n, n-1, a, lda, x, incX)
		},
	} {
		calls[name+", triangle"] = func() { c('x', no, nu, n, a, n, x, 1) }
		calls[name+", transpose"] = func() { c(up, 'x', nu, n, a, n, x, 1) }
		calls[name+", diagonal"] = func() { c(up, no, 'x', n, a, n, x, 1) }
		calls[name+", n"] = func() { c(up, no, nu, -1, a, n, x, 1) }
		calls[name+", lda"] = func() { c(up, no, nu, n, a, n-1, x, 1) }
		calls[name+", incX"] = func() { c(up, no, nu, n, a, n, x, 0) }
		calls[name+", short A"] = func() { c(up, no, nu, n, a[1:], n, x, 1) }
		calls[name+", short x"] = func() { c(up, no, nu, n, a, n, x[1:], 1) }
	}
	misuse(t, calls, a, x, y)
}
