// Package gonumlapack is a LAPACK for gonum that adds to package gonumblas what a BLAS has no say in:
//
//	blas64.Use(gonumblas.Implementation{})
//	lapack64.Use(gonumlapack.Implementation{})
//
// Dgetrf and Dgeqrf factorise LU and QR with panels whose columns lie in one piece, and Dgecon, Dpocon, Dtrcon and Dlansy, which
// mat.LU, mat.Cholesky and mat.QR call after each factorisation, solve with triangles by rows. All else is gonum's own.
// Results are those of gonum's but for rounding, and so are the panics.
package gonumlapack

import (
	"sync"

	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/gonum"

	"github.com/vcycle-go/vcycle/kernels/gonumblas"
)

// Implementation is a lapack.Float64. The zero value is ready, and safe for concurrent use.
type Implementation struct {
	gonum.Implementation
}

var _ lapack.Float64 = Implementation{}

var bl gonumblas.Implementation

// panel is a copy of some columns of a matrix that has each of them in one piece. In the matrix their elements are a
// row apart: with rows of 8 KB in so few sets of the caches that each comes from the third, at 3 ns (Zen 4).
type panel struct {
	x              []float64
	rows, cols, ld int
}

// resize gives the panel room for rows×cols elements.
func (p *panel) resize(rows, cols int) {
	p.rows, p.cols = rows, cols
	p.ld = rows + 8 // keeps columns out of each other's sets
	if n := cols * p.ld; cap(p.x) < n {
		p.x = make([]float64, n)
	}
	p.x = p.x[:cols*p.ld]
}

// column returns the elements of column j from row i on.
func (p *panel) column(j, i int) []float64 { return p.x[j*p.ld+i : j*p.ld+p.rows] }

// load copies the first columns of a.
func (p *panel) load(a []float64, lda int) {
	for i := range p.rows {
		for j, v := range a[i*lda : i*lda+p.cols] {
			p.x[j*p.ld+i] = v
		}
	}
}

// store copies them back.
func (p *panel) store(a []float64, lda int) {
	for i := range p.rows {
		row := a[i*lda : i*lda+p.cols]
		for j := range row {
			row[j] = p.x[j*p.ld+i]
		}
	}
}

// workspaces keeps the memory of calls for later ones.
type workspaces[T any] struct{ pool sync.Pool }

func (w *workspaces[T]) take() *T {
	if x, ok := w.pool.Get().(*T); ok {
		return x
	}
	return new(T)
}

func (w *workspaces[T]) give(x *T) { w.pool.Put(x) }
