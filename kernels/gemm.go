package kernels

import (
	"fmt"

	"github.com/klauspost/cpuid/v2"
)

// float is the element type of a matrix product.
type float interface{ float32 | float64 }

// gemmTile sets C = alpha*A*B + beta*C on a tile of nr columns, with A and B packed as gemmKernel says.
// k ≥ 1. If beta is 0, C is not read.
type gemmTile[F float] func(k int, alpha F, a, b *F, beta F, c *F, ldc int)

// gemmKernel is what an instruction set contributes to the matrix product: a register tile and the
// copies that feed it. The blocking around it, in this file, is the same for all.
//
// A packed panel of A holds rows ≤ mr rows, k-major: element (i, p) is at p*rows + i. A packed panel of
// B holds nr columns, k-major: element (p, j) is at p*nr + j; columns past the edge of B hold anything.
//
//	         nr                      each step p of K:
//	       ┌─────┐ B panel             broadcast rows elements of A,
//	       │ p → │                     load nr elements of B,
//	┌───┐  ├─────┤                     rows·nr multiply-adds in registers
//	│ p │  │  C  │ rows
//	└───┘  └─────┘
//	A panel
type gemmKernel[F float] struct {
	mr, nr int
	tile   []gemmTile[F] // by rows, 1 ≤ rows ≤ mr
	// lanes is the width of packT: it transposes up to lanes rows at once and writes lanes elements for
	// each step, so that a panel narrower than lanes is followed by slack.
	lanes int
	// packT sets dst[p*stride + i] = src[i*ld + p] for i < rows ≤ lanes, p < k. Elements of a step past
	// rows hold anything: a following step of the same call, or a later call, overwrites them.
	packT func(rows, k int, src *F, ld int, dst *F, stride int)
	// packN sets dst[p*stride + i] = src[p*ld + i] for i < width, p < k, reading and writing whole
	// vectors: up to lanes−1 elements past width are read from src, and written to dst as in packT.
	packN func(width, k int, src *F, ld int, dst *F, stride int)
}

// Sgemm computes C = alpha*op(A)*op(B) + beta*C for row-major float32 matrices, where op(X) is X or, if
// the flag is set, Xᵀ. op(A) is m×k, op(B) is k×n, C is m×n; lda, ldb and ldc are row strides in
// elements, of A, B and C as they are stored.
//
// If beta is 0, C is not read, so that it may hold NaN; otherwise NaN and Inf propagate as in BLAS. If
// alpha or k is 0, A and B are not read. C must not overlap A or B.
//
// Each element of C is |computed − exact| ≤ γ(k+2)·(|alpha|·Σ|a||b| + |beta·c|), γ(k) = k·u/(1−k·u),
// u = 2⁻²⁴ (Higham, Accuracy and Stability of Numerical Algorithms, §3.1). The work is split over
// Threads() goroutines; the order of each element's additions, and so every bit, is the same for any
// number of them.
//
// It panics if a size is negative, or if the stride of a matrix that is read or written is less than its
// row or its slice too short.
//
// Blocking: Van Zee and van de Geijn, BLIS: A Framework for Rapidly Instantiating BLAS Functionality,
// ACM TOMS 41(3), 2015.
func Sgemm(transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	gemm(&single, &active.gemm, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dgemm is Sgemm for float64: C = alpha*op(A)*op(B) + beta*C, with u = 2⁻⁵³ in the error bound.
func Dgemm(transA, transB bool, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	gemm(&double, &active.gemm64, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// gemm is the product of either precision.
func gemm[F float](p *precision[F], kernel *gemmKernel[F], transA, transB bool, m, n, k int, alpha F, a []F, lda int, b []F, ldb int, beta F, c []F, ldc int) {
	if m < 0 || n < 0 || k < 0 {
		panic(fmt.Sprintf("kernels: %s: m = %d, n = %d, k = %d", p.function, m, n, k))
	}
	if m == 0 || n == 0 {
		return
	}
	checkMatrix(p.function, "C", m, n, c, ldc)
	if alpha == 0 || k == 0 {
		scaleMatrix(m, n, beta, c, ldc)
		return
	}
	if transA {
		checkMatrix(p.function, "A", k, m, a, lda)
	} else {
		checkMatrix(p.function, "A", m, k, a, lda)
	}
	if transB {
		checkMatrix(p.function, "B", n, k, b, ldb)
	} else {
		checkMatrix(p.function, "B", k, n, b, ldb)
	}
	call := gemmCall[F]{
		kernel: kernel, block: p.block,
		transA: transA, transB: transB, m: m, n: n, k: k,
		alpha: alpha, a: a, lda: lda, b: b, ldb: ldb, beta: beta, c: c, ldc: ldc,
	}
	// The grid is for the goroutines that are free: where they are not, as in a Task, cutting would only
	// pack more. No bit depends on it.
	threads := 1
	if !team.busy() {
		threads = Threads()
	}
	gridM, gridN := call.grid(threads)
	free := &p.whole
	if gridM*gridN > 1 {
		free = &p.cut
	}
	w := free.take()
	w.call, w.gridM, w.gridN = call, gridM, gridN
	w.reserve()
	Parallel(gridM*gridN, 1, w)
	w.call = gemmCall[F]{} // keeps nothing of the caller's alive
	free.give(w)
}

// precision is what products of one element type share.
type precision[F float] struct {
	function string // the exported one
	block    gemmBlock
	// Products that are cut, from outside of tasks, and those that are not, often many at once, have lists
	// of their own: the buffers of a list soon fit all that it is used for.
	cut, whole freeList[gemmWorkspace[F]]
}

var (
	single = precision[float32]{function: "Sgemm", block: blocking(4, cpuid.CPU.Cache.L2, cpuid.CPU.Cache.L3)}
	double = precision[float64]{function: "Dgemm", block: blocking(8, cpuid.CPU.Cache.L2, cpuid.CPU.Cache.L3)}
)

func checkMatrix[F float](function, name string, rows, cols int, x []F, ld int) {
	if ld < max(1, cols) {
		panic(fmt.Sprintf("kernels: %s: %s is %d×%d but its row stride is %d", function, name, rows, cols, ld))
	}
	if len(x) < cols || (len(x)-cols)/ld < rows-1 { // not (rows-1)*ld + cols, which may overflow
		panic(fmt.Sprintf("kernels: %s: %s is %d×%d with row stride %d, which takes more than its %d elements", function, name, rows, cols, ld, len(x)))
	}
}

// scaleMatrix sets C = beta*C, without reading C if beta is 0.
func scaleMatrix[F float](m, n int, beta F, c []F, ldc int) {
	for i := range m {
		row := c[i*ldc : i*ldc+n]
		switch beta {
		case 0:
			clear(row)
		case 1:
		default:
			for j := range row {
				row[j] *= beta
			}
		}
	}
}

// gemmCall is one product, or the part of it that one goroutine computes.
type gemmCall[F float] struct {
	kernel         *gemmKernel[F]
	block          gemmBlock
	transA, transB bool
	m, n, k        int
	alpha          F
	a              []F
	lda            int
	b              []F
	ldb            int
	beta           F
	c              []F
	ldc            int
}

// parallelWork is the number of multiply-adds that is worth a second goroutine: below it, waking one
// costs more than it saves.
const parallelWork = 1 << 18

// grid returns in how many parts the rows and the columns of C are dealt out. Whole tiles are dealt, and
// the side with more elements is cut first, so that the least is packed twice.
func (g *gemmCall[F]) grid(threads int) (gm, gn int) {
	gm, gn = 1, 1
	tilesM, tilesN := ceilDiv(g.m, g.kernel.mr), ceilDiv(g.n, g.kernel.nr)
	parts := min(threads, g.m*g.n/max(1, parallelWork/g.k)+1)
	for f := 2; parts > 1; {
		for parts%f != 0 {
			f++
		}
		parts /= f
		rowsFit, colsFit := tilesM >= gm*f, tilesN >= gn*f
		if rowsFit && (g.m/gm >= g.n/gn || !colsFit) {
			gm *= f
		} else if colsFit {
			gn *= f
		}
	}
	return gm, gn
}

// share returns the part [lo, hi) of n that part i of parts gets, in multiples of unit.
func share(n, unit, i, parts int) (lo, hi int) {
	units := ceilDiv(n, unit)
	return min(n, units*i/parts*unit), min(n, units*(i+1)/parts*unit)
}

// part returns the product that computes rows [i0, i1) and columns [j0, j1) of C.
func (g gemmCall[F]) part(i0, i1, j0, j1 int) gemmCall[F] {
	if g.transA {
		g.a = g.a[i0:]
	} else {
		g.a = g.a[i0*g.lda:]
	}
	if g.transB {
		g.b = g.b[j0*g.ldb:]
	} else {
		g.b = g.b[j0:]
	}
	g.c = g.c[i0*g.ldc+j0:]
	g.m, g.n = i1-i0, j1-j0
	return g
}

// gemmWorkspace is the state of one product: the call, and packing buffers for every goroutine at it.
type gemmWorkspace[F float] struct {
	call         gemmCall[F]
	gridM, gridN int
	parts        []gemmBuffers[F] // by worker
}

type gemmBuffers[F float] struct {
	a, b []F
	tile []F // an mr×nr tile that hangs over the edge of C
}

// reserve gives every worker the packing buffers of the largest part, because any of them may take it.
func (w *gemmWorkspace[F]) reserve() {
	g := &w.call
	rows := min(ceilDiv(g.m, g.kernel.mr*w.gridM)*g.kernel.mr, g.m)
	cols := min(ceilDiv(g.n, g.kernel.nr*w.gridN)*g.kernel.nr, g.n)
	if rows <= g.block.mc {
		cols = g.kernel.nr // runFlat
	}
	depth := min(g.k, g.block.kc)
	for len(w.parts) < w.gridM*w.gridN { // no worker has a larger number
		w.parts = append(w.parts, gemmBuffers[F]{})
	}
	for i := range w.gridM * w.gridN {
		buf := &w.parts[i]
		buf.a = grow(buf.a, min(rows, g.block.mc)*depth+g.kernel.lanes)
		buf.b = grow(buf.b, ceilDiv(min(cols, g.block.nc), g.kernel.nr)*g.kernel.nr*depth+g.kernel.lanes)
		buf.tile = grow(buf.tile, g.kernel.mr*g.kernel.nr)
	}
}

// Run computes the parts [lo, hi) of the grid.
func (w *gemmWorkspace[F]) Run(worker, lo, hi int) {
	for p := lo; p < hi; p++ {
		i0, i1 := share(w.call.m, w.call.kernel.mr, p/w.gridN, w.gridM)
		j0, j1 := share(w.call.n, w.call.kernel.nr, p%w.gridN, w.gridN)
		if i0 < i1 && j0 < j1 {
			part := w.call.part(i0, i1, j0, j1)
			part.run(&w.parts[worker])
		}
	}
}

// gemmBlock is the cache blocking, in elements: a block of A (mc×kc) is to fill a quarter of the second-level
// cache, the rest of which the panels of B and the tiles of C pass through; a block of B (kc×nc) a share
// of the third. kc is as deep as leaves a panel of B, which is two vectors wide, a sixteenth of the second:
// the deeper, the less often C is read and written. The panels need not fit the first, as tiles prefetch.
type gemmBlock struct{ mc, kc, nc int }

// blocking returns the blocks for elements of so many bytes and caches of l2 and l3 bytes; a size that
// the CPU does not tell is 0 or less.
func blocking(size, l2, l3 int) gemmBlock {
	if l2 <= 0 {
		l2 = 512 << 10
	}
	if l3 <= 0 {
		l3 = 4 << 20
	}
	const panel = 128 // bytes of a step of K in a panel of B
	kc := min(512, max(256, l2/16/panel))
	return gemmBlock{mc: max(96, l2/4/(kc*size)), kc: kc, nc: min(4096, max(512, l3/4/(kc*size)))}
}

// run computes the product on the calling goroutine.
//
// For each block of columns and of K it packs op(B) once, then for each block of rows it packs op(A)
// and runs the register tiles over the two. Only the first block of K applies beta.
func (g *gemmCall[F]) run(buf *gemmBuffers[F]) {
	if g.m <= g.block.mc {
		g.runFlat(buf)
		return
	}
	nc := g.block.nc / g.kernel.nr * g.kernel.nr // so that only the last panel of C hangs over the edge
	for j0 := 0; j0 < g.n; j0 += nc {
		j1 := min(j0+nc, g.n)
		for s := range g.steps() {
			p0, p1, beta := g.step(s)
			g.packB(buf, p0, p1, j0, j1)
			blocks := ceilDiv(g.m, g.block.mc)
			for i := range blocks {
				i0, i1 := g.m*i/blocks, g.m*(i+1)/blocks
				g.packA(buf, p0, p1, i0, i1)
				g.tiles(buf, p1-p0, i0, i1, j0, j1, beta)
			}
		}
	}
}

// runFlat is run for one block of rows: each panel of B meets all of A as soon as it is packed, and
// never leaves the first caches.
func (g *gemmCall[F]) runFlat(buf *gemmBuffers[F]) {
	for s := range g.steps() {
		p0, p1, beta := g.step(s)
		g.packA(buf, p0, p1, 0, g.m)
		for j0 := 0; j0 < g.n; j0 += g.kernel.nr {
			j1 := min(j0+g.kernel.nr, g.n)
			g.packB(buf, p0, p1, j0, j1)
			g.tiles(buf, p1-p0, 0, g.m, j0, j1, beta)
		}
	}
}

// steps returns into how many blocks K is cut.
func (g *gemmCall[F]) steps() int { return ceilDiv(g.k, g.block.kc) }

// step returns the block s of K, and the beta that it applies.
func (g *gemmCall[F]) step(s int) (p0, p1 int, beta F) {
	steps := g.steps()
	beta = g.beta
	if s > 0 {
		beta = 1
	}
	return g.k * s / steps, g.k * (s + 1) / steps, beta
}

// packA packs rows [i0, i1) of op(A), columns [p0, p1), panel after panel. The heights of the panels
// differ by at most one, so that no tile is left too small to hide the latency of the multiply-add.
func (g *gemmCall[F]) packA(buf *gemmBuffers[F], p0, p1, i0, i1 int) {
	k, count := p1-p0, ceilDiv(i1-i0, g.kernel.mr)
	for q := range count {
		lo, hi := i0+(i1-i0)*q/count, i0+(i1-i0)*(q+1)/count
		rows := hi - lo
		panel := buf.a[(lo-i0)*k:]
		if g.transA {
			g.kernel.copyPanel(rows, k, g.a[p0*g.lda+lo:], g.lda, panel, rows)
		} else {
			g.kernel.transposePanel(rows, k, g.a[lo*g.lda+p0:], g.lda, panel, rows)
		}
	}
}

// packB packs columns [j0, j1) of op(B), rows [p0, p1), panel after panel.
func (g *gemmCall[F]) packB(buf *gemmBuffers[F], p0, p1, j0, j1 int) {
	k, nr := p1-p0, g.kernel.nr
	for j := j0; j < j1; j += nr {
		cols := min(nr, j1-j)
		panel := buf.b[(j-j0)*k:]
		if g.transB {
			g.kernel.transposePanel(cols, k, g.b[j*g.ldb+p0:], g.ldb, panel, nr)
		} else {
			g.kernel.copyPanel(cols, k, g.b[p0*g.ldb+j:], g.ldb, panel, nr)
		}
	}
}

// transposePanel packs a panel whose source is contiguous along K. It ends with the first rows, because
// what the call for the last rows writes past them lands on the first rows of the step after.
func (kern *gemmKernel[F]) transposePanel(rows, k int, src []F, ld int, dst []F, stride int) {
	for i := (rows - 1) / kern.lanes * kern.lanes; i >= 0; i -= kern.lanes {
		r := min(kern.lanes, rows-i)
		_ = src[(i+r-1)*ld+k-1]
		_ = dst[(k-1)*stride+i+kern.lanes-1]
		kern.packT(r, k, &src[i*ld], ld, &dst[i], stride)
	}
}

// copyPanel packs a panel whose source is contiguous across the panel. packN reads whole vectors, so
// the last steps, where these would pass the end of the source, are copied here.
func (kern *gemmKernel[F]) copyPanel(width, k int, src []F, ld int, dst []F, stride int) {
	padded := ceilDiv(width, kern.lanes) * kern.lanes
	safe := k
	for safe > 0 && (safe-1)*ld+padded > len(src) {
		safe--
	}
	if safe > 0 {
		_ = dst[(safe-1)*stride+padded-1]
		kern.packN(width, safe, &src[0], ld, &dst[0], stride)
	}
	for p := safe; p < k; p++ {
		copy(dst[p*stride:p*stride+width], src[p*ld:p*ld+width])
	}
}

// tiles runs the register tiles over one packed block.
func (g *gemmCall[F]) tiles(buf *gemmBuffers[F], k, i0, i1, j0, j1 int, beta F) {
	kern := g.kernel
	count := ceilDiv(i1-i0, kern.mr)
	for j := j0; j < j1; j += kern.nr {
		b := &buf.b[(j-j0)*k]
		for q := range count {
			lo, hi := i0+(i1-i0)*q/count, i0+(i1-i0)*(q+1)/count
			a, tile := &buf.a[(lo-i0)*k], kern.tile[hi-lo]
			if j+kern.nr <= j1 {
				tile(k, g.alpha, a, b, beta, &g.c[lo*g.ldc+j], g.ldc)
				continue
			}
			tile(k, g.alpha, a, b, 0, &buf.tile[0], kern.nr)
			for i := lo; i < hi; i++ {
				addRow(g.c[i*g.ldc+j:i*g.ldc+j1], buf.tile[(i-lo)*kern.nr:], beta)
			}
		}
	}
}

// addRow sets c = ab + beta*c, without reading c if beta is 0.
func addRow[F float](c, ab []F, beta F) {
	if beta == 0 {
		copy(c, ab)
		return
	}
	for j, v := range ab[:len(c)] {
		c[j] = F(beta*c[j]) + v
	}
}

// grow returns x with at least n elements; what it held is lost when it has to grow.
func grow[F any](x []F, n int) []F {
	if cap(x) < n {
		return make([]F, n)
	}
	return x[:cap(x)]
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
