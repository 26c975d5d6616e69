package kernels

import "fmt"

// Packed is a matrix in the order in which the products of this CPU read it, such as a weight that is used
// many times between two changes. The zero value is empty; memory is kept from one Pack to the next.
//
// A weight W (inputs×outputs) that a training step multiplies as X·W forward and as dY·Wᵀ backward is
// packed twice: Pack(false, …) and Pack(true, …) of the same slice.
//
// A product with a smaller K or N takes the first rows and columns. What lies past K in the last step of
// the instructions, up to 31 rows, is multiplied with 0: NaN and Inf there are seen.
type Packed[E entry, F float] struct {
	k, n int
	row  string // of the dispatch table, whose order it is
	data []F
	call gemmCall[E, F] // of a Pack under way
}

// Pack stores op(B), which is k×n. It panics as Sgemm does. It must not run beside products that use p,
// and SetISA makes a Packed of before useless: products with it panic.
func (p *Packed[E, F]) Pack(trans bool, k, n int, b []E, ldb int) {
	prec, kernel := kernelOf[E, F]()
	const function = "Packed.Pack"
	if k < 0 || n < 0 {
		panic(fmt.Sprintf("kernels: %s: k = %d, n = %d", function, k, n))
	}
	if k > 0 && n > 0 {
		if trans {
			checkMatrix(function, "B", n, k, b, ldb)
		} else {
			checkMatrix(function, "B", k, n, b, ldb)
		}
	}
	p.Reserve(k, n)
	p.k, p.n, p.row = k, n, active.name
	if k == 0 || n == 0 {
		return
	}
	panels := ceilDiv(n, kernel.nr)
	p.call = gemmCall[E, F]{Product: Product[E, F]{TransB: trans, N: n, K: k, B: b, LDB: ldb}, prec: prec, kernel: kernel, block: kernel.fit(prec.block)}
	threads := 1
	if k*n >= packWork {
		threads = Threads()
	}
	parallel(panels, ceilDiv(panels, threads), threads, (*packing[E, F])(p))
	p.call = gemmCall[E, F]{}
}

// Reserve makes the memory of a k×n matrix, so that Pack of one, or of a smaller one, allocates nothing. What was
// packed is lost. It panics if a size is negative.
func (p *Packed[E, F]) Reserve(k, n int) {
	if k < 0 || n < 0 {
		panic(fmt.Sprintf("kernels: Packed.Reserve: k = %d, n = %d", k, n))
	}
	p.k, p.n, p.row = 0, 0, ""
	p.data = grow(p.data, PackedSize[E, F](k, n))
}

// Size returns how many elements of F there is memory for.
func (p *Packed[E, F]) Size() int { return len(p.data) }

// PackedSize returns how many elements of F the row of the dispatch table in use packs a k×n matrix into.
// It panics if a size is negative.
func PackedSize[E entry, F float](k, n int) int {
	_, kernel := kernelOf[E, F]()
	if k < 0 || n < 0 {
		panic(fmt.Sprintf("kernels: PackedSize: k = %d, n = %d", k, n))
	}
	return ceilDiv(n, kernel.nr) * kernel.nr * kernel.words * kernel.steps(k)
}

// packWork is the number of elements that is worth a second goroutine at packing.
const packWork = 1 << 16

// packing is the Task of Pack over panels.
type packing[E entry, F float] Packed[E, F]

func (w *packing[E, F]) Run(_, lo, hi int) {
	g := &w.call
	for s := range g.blocks() {
		p0, p1 := g.blockOf(s)
		for q := lo; q < hi; q++ {
			j := q * g.kernel.nr
			g.packPanelB((*Packed[E, F])(w).panel(g.kernel, p0, p1, q), p0, p1, j, min(j+g.kernel.nr, g.N))
		}
	}
}

// panel returns where the packed panel q of the block [p0, p1) of the packed matrix's K is.
func (p *Packed[E, F]) panel(kernel *gemmKernel[E, F], p0, p1, q int) []F {
	step := kernel.nr * kernel.words
	return p.data[(p0/kernel.group*ceilDiv(p.n, kernel.nr)+q*kernel.steps(p1-p0))*step:]
}

func (p *Packed[E, F]) check(function string, k, n int) {
	if k > p.k || n > p.n {
		panic(fmt.Sprintf("kernels: %s: B is %d×%d but the packed one is only %d×%d", function, k, n, p.k, p.n))
	}
	if p.row != active.name {
		panic(fmt.Sprintf("kernels: %s: B was packed for %q, and the row in use is %q", function, p.row, active.name))
	}
}
