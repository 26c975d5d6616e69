package kernels

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

// float is the element type of the result of a matrix product, and of what it is summed in.
type float interface{ float32 | float64 }

// entry is the element type of the operands.
type entry interface{ float | BFloat16 }

// gemmTile sets C = alpha*(A*B + 1·biasᵀ) + beta*D on a tile of nr columns, with A and B packed as
// gemmKernel says; a step of A is lda words after the one before, and one of B ldb. k counts steps, k ≥ 1.
// Without bias the pointer is nil. If beta is 0, D is not read; it may be C. next may be fetched, and is not nil.
type gemmTile[F float] func(k int, alpha F, a *F, lda int, b *F, ldb int, bias *F, beta F, d *F, ldd int, c *F, ldc int, next *ahead)

// gemmKernel is what an instruction set contributes to the matrix product: a register tile and the
// copies that feed it. The blocking around it, in this file, is the same for all.
//
// K goes by steps of group elements, which take words words of the result's type in a packed panel: one
// element and one word where operands are of that type or are converted to it, two bfloat16 in a word
// where the CPU multiplies these. Missing elements of the last step are 0; in B, with a Packed of more rows, they
// are those of the next ones, which A's zeros cancel. A packed panel of A holds
// rows ≤ mr rows, step-major: step p of row i is at (p*rows + i)*words. A packed panel of B holds nr
// columns in the same way; columns past the edge of B hold anything.
//
//	         nr                      each step p of K:
//	       ┌─────┐ B panel             broadcast rows words of A,
//	       │ p → │                     load nr words of B,
//	┌───┐  ├─────┤                     rows·nr multiply-adds in registers
//	│ p │  │  C  │ rows
//	└───┘  └─────┘
//	A panel
type gemmKernel[E entry, F float] struct {
	name         string // of a way to multiply bfloat16, as BFloat16Products returns it
	mr, nr       int
	group, words int
	tile         []gemmTile[F] // by rows, 1 ≤ rows ≤ mr
	// rowTile is tile for a matrix A that is not transposed, where it is: lda is the distance of its rows,
	// and a step is one element. There may be none.
	rowTile []gemmTile[F]
	// half and halfRows are tile and rowTile on the first nr/2 columns of a panel. There may be none.
	half, halfRows []gemmTile[F]
	// wide is tile on 2*nr columns of a B in place, for as few rows as it has functions for.
	wide []gemmTile[F]
	// lanes is the width of packT: it transposes up to lanes rows at once and writes lanes elements for
	// each step, so that a panel narrower than lanes is followed by slack.
	lanes int
	// packT packs rows ≤ lanes rows of k elements, contiguous along K: with one element in a step,
	// dst[p*stride + i] = src[i*ld + p]. stride is in words. Words of a step past rows hold anything: a
	// following step of the same call, or a later call, overwrites them.
	packT func(rows, k int, src *E, ld int, dst *F, stride int)
	// packN packs k rows of width elements, contiguous across the panel: with one element in a step,
	// dst[p*stride + i] = src[p*ld + i]. It reads and writes whole vectors: up to lanes−1 elements past
	// width are read from src, and written to dst as in packT.
	packN func(width, k int, src *E, ld int, dst *F, stride int)
	// copyN is packN without touching anything beyond the width.
	copyN func(width, k int, src []E, ld int, dst []F, stride int)
	// inPlace tells that a tile can read B, or Aᵀ, where it is, as what packN makes of it is what it reads.
	inPlace bool
	// prefetches tells that the tile prefetches its panels.
	prefetches bool
	// fma does rounds of what multiplies bfloat16 on registers; nil: that is the row's.
	fma func(n int) float64
	// stripes, if not nil, stands for the tiles and copies above.
	stripes *stripeKernel[E, F]
}

// steps returns how many steps K takes.
func (kern *gemmKernel[E, F]) steps(k int) int {
	switch { // saves divisions, of which a small product has no few
	case kern.group == 1:
		return k
	case kern.group == 2:
		return (k + 1) / 2
	case kern.stripes != nil:
		return ceilDiv(k, stripeTile)
	}
	return ceilDiv(k, kern.group)
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
// number of them. It may differ between products of few rows and of more (see Product.RowInvariant).
//
// It panics if a size is negative, or if the stride of a matrix that is read or written is less than its
// row or its slice too short. Product has what Sgemm has no arguments for.
//
// Blocking: Van Zee and van de Geijn, BLIS: A Framework for Rapidly Instantiating BLAS Functionality,
// ACM TOMS 41(3), 2015.
func Sgemm(transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	p := Product[float32, float32]{TransA: transA, TransB: transB, M: m, N: n, K: k, Alpha: alpha, A: a, LDA: lda, B: b, LDB: ldb, Beta: beta, C: c, LDC: ldc}
	p.run(&single, &active.gemm)
}

// Dgemm is Sgemm for float64: C = alpha*op(A)*op(B) + beta*C, with u = 2⁻⁵³ in the error bound.
func Dgemm(transA, transB bool, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	p := Product[float64, float64]{TransA: transA, TransB: transB, M: m, N: n, K: k, Alpha: alpha, A: a, LDA: lda, B: b, LDB: ldb, Beta: beta, C: c, LDC: ldc}
	p.run(&double, &active.gemm64)
}

// Bgemm is Sgemm for operands of bfloat16, with the products summed, and C, in float32. Products of two
// bfloat16 are exact in float32, and the error bound is that of Sgemm, plus, where the CPU multiplies
// bfloat16 itself (see BFloat16Products), what flushing subnormal operands and sums to 0 costs: at most
// k·2⁻¹²⁶·(1 + max|a| + max|b|) in each sum.
func Bgemm(transA, transB bool, m, n, k int, alpha float32, a []BFloat16, lda int, b []BFloat16, ldb int, beta float32, c []float32, ldc int) {
	p := Product[BFloat16, float32]{TransA: transA, TransB: transB, M: m, N: n, K: k, Alpha: alpha, A: a, LDA: lda, B: b, LDB: ldb, Beta: beta, C: c, LDC: ldc}
	p.run(&half, &active.gemm16)
}

// precision is what products of one element type share.
type precision[E entry, F float] struct {
	function string // the exported one
	block    gemmBlock
	// The activations.
	gelu     func(x, y []F)
	geluGrad func(x, dy, dx []F)
	round    func(x []F, y []BFloat16) // of products that have a Rounded
	// gemv returns the products with a vector of the row in use, for operands of the result's type; vectors
	// are their workspaces.
	gemv    func() *gemvKernel[F]
	vectors *freeList[gemvWorkspace[F]]
	// Products that are cut, from outside of tasks, and those that are not, often many at once, have lists
	// of their own: the buffers of a list soon fit all that it is used for.
	cut, whole freeList[gemmWorkspace[E, F]]
}

var (
	single = precision[float32, float32]{
		function: "Sgemm", block: blocking(4, cpuid.CPU.Cache.L2, cpuid.CPU.Cache.L3), gelu: gelu, geluGrad: geluGrad,
		gemv: func() *gemvKernel[float32] { return &active.gemv }, vectors: &gemv32,
	}
	double = precision[float64, float64]{
		function: "Dgemm", block: blocking(8, cpuid.CPU.Cache.L2, cpuid.CPU.Cache.L3), gelu: gelu64, geluGrad: geluGrad64,
		gemv: func() *gemvKernel[float64] { return &active.gemv64 }, vectors: &gemv64,
	}
	half = precision[BFloat16, float32]{
		function: "Bgemm", block: blocking(4, cpuid.CPU.Cache.L2, cpuid.CPU.Cache.L3), gelu: gelu, geluGrad: geluGrad, round: toBF16,
	}
)

// gemmCall is one product, or the part of it that one goroutine computes.
type gemmCall[E entry, F float] struct {
	Product[E, F]
	prec   *precision[E, F]
	kernel *gemmKernel[E, F]
	block  gemmBlock
	rows   int // of the whole product
	cols   int
	panel0 int // of Packed, in which B begins
}

// parallelWork is the number of multiply-adds that is worth a second goroutine: below it, waking one
// costs more than it saves.
func (kern *gemmKernel[E, F]) parallelWork() int {
	switch {
	case kern.stripes != nil:
		return 1 << 21
	case kern.lanes == 16 && secondLevel >= farCache: // cores are as far: halves of 64×64×64, which takes 3 µs, are slower
		return 5 << 16
	}
	return 1 << 18
}

// grid returns in how many parts the rows and the columns of C are dealt out. Whole tiles, of unit rows, are dealt, and
// the side with more elements is cut first, so that the least is packed twice, unless the largest part of a cut
// through the other is smaller by more than a twentieth, as with 64 rows of five tiles of 14 for two goroutines.
// A unit of less than a tile is for gemvKernel.sums, which has its rows cut first.
func grid[E entry, F float](kernel *gemmKernel[E, F], unit, m, n, k, threads int) (gm, gn int) {
	gm, gn = 1, 1
	tilesM, tilesN := ceilDiv(m, unit), ceilDiv(n, kernel.nr)
	rowsFirst := unit < kernel.mr
	if rowsFirst {
		tilesM = m / sumsLeast
	}
	parts := min(threads, m*n/max(1, kernel.parallelWork()/max(1, k))+1)
	for f := 2; parts > 1; {
		for parts%f != 0 {
			f++
		}
		parts /= f
		rowsFit, colsFit := tilesM >= gm*f, tilesN >= gn*f
		byRows := m/gm >= n/gn || rowsFirst
		if rowsFit && colsFit && !rowsFirst {
			cutRows := largest(m, unit, gm*f) * largest(n, kernel.cols(), gn)
			cutCols := largest(m, unit, gm) * largest(n, kernel.cols(), gn*f)
			if byRows && 20*cutCols < 19*cutRows || !byRows && 20*cutRows < 19*cutCols {
				byRows = !byRows
			}
		}
		if rowsFit && (byRows || !colsFit) {
			gm *= f
		} else if colsFit {
			gn *= f
		}
	}
	return gm, gn
}

// cols is the number of columns that are dealt out together: whole tiles, and whole groups of those that
// products of few rows compute together.
func (kern *gemmKernel[E, F]) cols() int {
	if kern.nr%gemvRows == 0 {
		return kern.nr
	}
	return kern.nr * gemvRows // far from the least, but a common multiple
}

// share returns the part [lo, hi) of n that part i of parts gets, in multiples of unit.
func share(n, unit, i, parts int) (lo, hi int) {
	if parts == 1 {
		return 0, n
	}
	units := ceilDiv(n, unit)
	return min(n, units*i/parts*unit), min(n, units*(i+1)/parts*unit)
}

// largest returns the length of the largest share.
func largest(n, unit, parts int) (length int) {
	for i := range parts {
		lo, hi := share(n, unit, i, parts)
		length = max(length, hi-lo)
	}
	return length
}

// gemmWorkspace is the state of some products: what is computed, and packing buffers for every goroutine
// at it.
type gemmWorkspace[E entry, F float] struct {
	list         []Product[E, F]
	one          [1]Product[E, F] // the list of a single product
	prec         *precision[E, F]
	kernel       *gemmKernel[E, F]
	block        gemmBlock
	gridM, gridN int              // of a single product; 1 otherwise
	unitM        int              // of the rows that are dealt out
	buffers      []gemmBuffers[F] // by worker
}

type gemmBuffers[F float] struct {
	a, b []F
	tile []F   // an mr×nr tile that hangs over the edge of C
	bias []F   // nr elements of the bias, at the edge
	sums []F   // rows of Z, for products of few rows; those of blocks of K before the last
	z    []F   // rows of Z that become nothing but Rounded
	next ahead // of the tile that is to run
}

// reserve gives every worker the packing buffers of the largest part of the products, because any of them may take it.
func (w *gemmWorkspace[E, F]) reserve(list []Product[E, F], workers int) {
	var sizeA, sizeB, sizeSums, sizeZ int
	for i := range list {
		p := &list[i]
		kern := w.kernel.of(p)
		rows := min(ceilDiv(p.M, kern.mr*w.gridM)*kern.mr, p.M)
		cols := min(ceilDiv(p.N, kern.cols()*w.gridN)*kern.cols(), p.N)
		depth := kern.deepest(w.block, p)
		// What is packed of A at once: a lower part may be flat.
		mc, flat := w.block.heights(depth)
		packed := min(rows, max(mc, flat)) * depth
		if kern.stripes != nil {
			s := kern.stripesOf(w.block, p, rows, cols)
			sizeA, sizeSums, sizeZ = max(sizeA, s.a), max(sizeSums, s.sums), max(sizeZ, s.z)
			if p.Packed == nil {
				sizeB = max(sizeB, s.b)
			}
			continue
		}
		if rows <= flat {
			cols = min(cols, 2*kern.nr) // runFlat
		}
		sizeA = max(sizeA, packed)
		if p.Packed == nil {
			sizeB = max(sizeB, ceilDiv(min(cols, w.block.nc), kern.nr)*kern.nr*depth)
		}
	}
	for len(w.buffers) < workers {
		w.buffers = append(w.buffers, gemmBuffers[F]{})
	}
	for i := range workers {
		buf := &w.buffers[i]
		kern := w.kernel
		buf.a = grow(buf.a, sizeA+kern.lanes*kern.words)
		buf.b = grow(buf.b, sizeB+kern.lanes*kern.words)
		buf.tile = grow(buf.tile, kern.mr*kern.nr)
		if kern.stripes != nil {
			buf.tile, buf.sums, buf.z = grow(buf.tile, 2*kern.mr*kern.nr), grow(buf.sums, sizeSums), grow(buf.z, sizeZ)
		}
		buf.bias = grow(buf.bias, kern.nr)
	}
}

// Run computes the parts [lo, hi): those of the first product, of the one after it in the batch, and so on.
func (w *gemmWorkspace[E, F]) Run(worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		if len(w.list) > 1 {
			p := &w.list[i]
			if p.runFar(w.prec, w.kernel) {
				continue
			}
			small := w.kernel.isSmall(p, w.block)
			for j := 0; j < max(1, p.Batch) && p.M > 0 && p.N > 0; j++ {
				if q := p.item(j); small {
					w.kernel.runSmall(&q)
				} else {
					w.compute(worker, q, 0)
				}
			}
			continue
		}
		parts := w.gridM * w.gridN
		if p := w.list[0].item(i / parts); parts == 1 && w.kernel.isSmall(&p, w.block) {
			w.kernel.runSmall(&p)
		} else {
			w.compute(worker, p, i%parts)
		}
	}
}

// compute computes one part of a product.
func (w *gemmWorkspace[E, F]) compute(worker int, p Product[E, F], part int) {
	i0, i1 := share(p.M, w.unitM, part/w.gridN, w.gridM)
	j0, j1 := share(p.N, w.kernel.cols(), part%w.gridN, w.gridN)
	if i0 < i1 && j0 < j1 {
		g := gemmCall[E, F]{Product: p.part(i0, i1, j0, j1), prec: w.prec, kernel: w.kernel.of(&p), block: w.block, rows: p.M, cols: p.N, panel0: j0 / w.kernel.nr}
		g.run(&w.buffers[worker])
	}
}

// gemmBlock is the cache blocking: a block of A (mc×kc) is to fill a quarter of the second-level cache, or
// what 1 MB leaves of it, up to 1 MB: the panels of B and the tiles of C that pass through the rest take no
// more room in a larger cache. A block of B (kc×nc) is to fill a share of the third. kc is in words of a
// packed panel. It is as deep as leaves a panel of B, which is two vectors wide, a sixteenth of the second
// cache: the deeper, the less often C is read and written.
type gemmBlock struct {
	mc, kc, nc int
	// flat is the number of rows up to which A is one block, three quarters of the second-level cache: with
	// so few, going over B once is worth more than room for it.
	flat int
}

// blocking returns the blocks for words of so many bytes and caches of l2 and l3 bytes; a size that the
// CPU does not tell is 0 or less.
func blocking(size, l2, l3 int) gemmBlock {
	if l2 <= 0 {
		l2 = 512 << 10
	}
	if l3 <= 0 {
		l3 = 4 << 20
	}
	const (
		panel = 128 // bytes of a step of K in a panel of B
		mb    = 1 << 20
	)
	kc := min(512, max(256, l2/16/panel))
	row := kc * size
	return gemmBlock{
		mc: max(96, max(l2/4, min(l2-mb, mb))/row), kc: kc, nc: min(4096, max(512, l3/4/row)),
		flat: max(96, 3*l2/4/row),
	}
}

// firstCache is the size of the first-level data cache.
var firstCache = func() int {
	if l1 := cpuid.CPU.Cache.L1D; l1 > 0 {
		return l1
	}
	return 32 << 10
}()

// fit returns the blocks for the kernel: where its tiles do not prefetch, blocks of K are only so deep that
// a panel of B fills half of the first cache, and those of A are higher for it.
func (kern *gemmKernel[E, F]) fit(b gemmBlock) gemmBlock {
	var word F
	if kern.stripes != nil { // two thirds of the first cache are for the panel of B: A only goes by
		if kc := max(kern.words, 2*firstCache/3/(kern.nr*int(unsafe.Sizeof(word)))/kern.words*kern.words); kc < b.kc {
			b.mc, b.nc, b.kc = b.mc*b.kc/kc, b.nc*b.kc/kc, kc
		}
		return b
	}
	if kc := firstCache / 2 / (kern.nr * int(unsafe.Sizeof(word))); !kern.prefetches && kc < b.kc {
		b.mc, b.kc = b.mc*b.kc/kc, kc
	}
	if !kern.prefetches {
		b.flat = b.mc / 2
	}
	return b
}

// run computes the product on the calling goroutine.
//
// For each block of columns and of K, and for each block of rows, it packs op(A) and runs the register tiles over
// it and op(B), which is packed, panel after panel, while the first rows are multiplied. Only the first block of K
// applies bias and beta.
func (g *gemmCall[E, F]) run(buf *gemmBuffers[F]) {
	g.multiply(buf)
	if g.Rounded != nil && g.kernel.stripes == nil {
		g.roundRows(buf)
	}
}

// multiply is run but for what it leaves to roundRows.
func (g *gemmCall[E, F]) multiply(buf *gemmBuffers[F]) {
	if g.Alpha == 0 || g.K == 0 {
		g.runEmpty(buf)
		return
	}
	mc, flat := g.block.heights(g.kernel.deepest(g.block, &g.Product))
	switch {
	case g.kernel.stripes != nil:
		g.runStripes(buf)
		return
	case g.thin():
		g.runThin(buf)
		return
	case g.M <= flat:
		g.runFlat(buf)
		return
	}
	nc := g.block.nc / g.kernel.nr * g.kernel.nr // so that only the last panel of C hangs over the edge
	for j0 := 0; j0 < g.N; j0 += nc {
		j1 := min(j0+nc, g.N)
		for s := range g.blocks() {
			p0, p1 := g.blockOf(s)
			count := ceilDiv(g.M, mc)
			for i := range count {
				i0, i1 := g.M*i/count, g.M*(i+1)/count
				g.packA(buf, p0, p1, i0, i1)
				b, next := besides, blockOfA{}
				if i > 0 || g.Packed != nil {
					b = packed
				}
				if i+1 < count {
					next = blockOfA{p0, p1, i1, g.M * (i + 2) / count}
				} else if s+1 < g.blocks() {
					next.i1 = g.M / count
					next.p0, next.p1 = g.blockOf(s + 1)
				}
				g.tiles(buf, s, i0, i1, j0, j1, b, next)
			}
		}
	}
}

// runFlat is run for A in one block: B is read where it is, or a panel of it is packed while the one before is
// multiplied.
func (g *gemmCall[E, F]) runFlat(buf *gemmBuffers[F]) {
	b := inTurns
	switch {
	case g.Packed != nil:
		b = packed
	case g.inPlaceB():
		b = inPlace
	}
	for s := range g.blocks() {
		p0, p1 := g.blockOf(s)
		g.packA(buf, p0, p1, 0, g.M)
		g.tiles(buf, s, 0, g.M, 0, g.N, b, blockOfA{})
	}
}

// blocks returns into how many blocks K is cut: with a Packed of more rows, the first of its blocks.
func (g *gemmCall[E, F]) blocks() int {
	whole := g.wholeBlocks()
	if g.K == g.depth() {
		return whole
	}
	for s := 1; s < whole; s++ {
		if p0, _ := g.wholeBlock(s); p0 >= g.K {
			return s
		}
	}
	return whole
}

// depth returns the K that is cut into blocks, that of Packed if there is one.
func (g *gemmCall[E, F]) depth() int {
	if g.Packed != nil {
		return g.Packed.k
	}
	return g.K
}

// wholeBlocks returns into how many blocks the whole depth is cut.
func (g *gemmCall[E, F]) wholeBlocks() int {
	steps := g.kernel.steps(g.depth())
	if steps*g.kernel.words <= g.block.kc { // saves a division
		return 1
	}
	return ceilDiv(steps, g.kernel.depth(g.block))
}

// wholeBlock returns the block s of these.
func (g *gemmCall[E, F]) wholeBlock(s int) (p0, p1 int) {
	steps, group, count := g.kernel.steps(g.depth()), g.kernel.group, g.wholeBlocks()
	if count == 1 {
		return 0, g.depth()
	}
	return steps * s / count * group, min(g.depth(), steps*(s+1)/count*group)
}

// deepest returns how many words of a row the deepest block of K takes.
func (kern *gemmKernel[E, F]) deepest(b gemmBlock, p *Product[E, F]) int {
	whole := kern.steps(p.K)
	if p.Packed != nil {
		whole = kern.steps(p.Packed.k)
	} else if whole*kern.words <= b.kc { // most often: saves divisions
		return whole * kern.words
	}
	return min(kern.steps(p.K), ceilDiv(whole, max(1, ceilDiv(whole, kern.depth(b))))) * kern.words
}

// heights returns how many rows of A are one block, and up to how many there is only one, where a block of K takes
// so many words: up to twice as many if it is half as deep.
func (b gemmBlock) heights(words int) (mc, flat int) {
	words = max(words, b.kc/2)
	return b.mc * b.kc / words, b.flat * b.kc / words
}

// depth returns how many steps a block of K has at most.
func (kern *gemmKernel[E, F]) depth(b gemmBlock) int { return max(1, b.kc/kern.words) }

// blockOf returns the block s of K.
func (g *gemmCall[E, F]) blockOf(s int) (p0, p1 int) {
	p0, p1 = g.wholeBlock(s)
	return p0, min(g.K, p1)
}

// packedPanel returns the panel of Packed that begins with column j of B, for the block s of K.
func (g *gemmCall[E, F]) packedPanel(s, j int) *F {
	p0, p1 := g.wholeBlock(s)
	return &g.Packed.panel(g.kernel, p0, p1, g.panel0+j/g.kernel.nr)[0]
}

// words returns how many words of a panel's buffer so many rows or columns take.
func (g *gemmCall[E, F]) words(p0, p1, count int) int {
	return count * g.kernel.steps(p1-p0) * g.kernel.words
}

// narrow is the number of columns of B up to which A is not worth packing, narrowTrans that for a
// transposed A and tiles that do not prefetch. few is the number of tiles, one upon the other, up to which a
// B with its rows far apart is not worth packing.
const (
	narrow      = 512
	narrowTrans = 64
	few         = 2
)

const page = 4096 // bytes

// far tells whether each row of a matrix is on pages of its own. A panel of it in place is on more pages than
// the CPU translates quickly, and where rows are a multiple of a page apart, the first cache holds only a few
// of them beside each other.
func far[E entry](ld int) bool {
	var e E
	return ld*int(unsafe.Sizeof(e)) >= page
}

// inPlaceA tells whether A is read where it is.
func (g *gemmCall[E, F]) inPlaceA() bool { return g.kernel.aInPlace(&g.Product) }

// inPlaceB tells whether B, for A in one block, is read where it is.
func (g *gemmCall[E, F]) inPlaceB() bool { return g.kernel.bInPlace(&g.Product) }

func (kern *gemmKernel[E, F]) aInPlace(p *Product[E, F]) bool {
	switch {
	case !kern.inPlace:
		return false
	case p.TransA && far[E](p.LDA):
		return p.N <= kern.nr
	case p.TransA && !kern.prefetches:
		return p.N <= narrowTrans
	case p.TransA:
		return p.N <= narrow
	}
	if len(kern.rowTile) == 0 {
		return false
	}
	// Where rows are half a page or whole pages apart, they begin at few places of a page, for each of which the
	// first cache has as many lines as it has pages.
	var e E
	apart := p.LDA * int(unsafe.Sizeof(e))
	places := page / min(page, apart&-apart)
	if places <= 2 {
		return p.N <= narrow/2 && ceilDiv(kern.mr, places) < firstCache/page
	}
	return p.N <= narrow
}

func (kern *gemmKernel[E, F]) bInPlace(p *Product[E, F]) bool {
	return kern.inPlace && !p.TransB && (p.M <= few*kern.mr || !far[E](p.LDB))
}

// copyRows is how many rows of a matrix whose rows are far apart are packed at once, panel after panel: the
// CPU translates the addresses of so many pages quickly, and notices that it is read in order in each.
const copyRows = 16

// packA packs rows [i0, i1) of op(A), columns [p0, p1), panel after panel. The heights of the panels
// differ by at most one, so that no tile is left too small to hide the latency of the multiply-add.
func (g *gemmCall[E, F]) packA(buf *gemmBuffers[F], p0, p1, i0, i1 int) {
	if g.inPlaceA() || g.packsLate() {
		return
	}
	count, step := ceilDiv(i1-i0, g.kernel.mr), p1-p0
	// A step of a panel is copied in whole vectors: what reaches past the last but one must end in the last,
	// since the next panel is begun by then.
	if g.TransA && far[E](g.LDA) && (count == 1 || 2*((i1-i0)/count) >= g.kernel.lanes) {
		step = copyRows
	}
	for p := p0; p < p1; p += step {
		k := min(step, p1-p)
		for q := range count {
			lo, hi := i0+(i1-i0)*q/count, i0+(i1-i0)*(q+1)/count
			rows := hi - lo
			panel := buf.a[g.words(p0, p1, lo-i0)+g.words(p0, p, rows):]
			if !g.TransA {
				g.kernel.transposePanel(rows, k, g.A[lo*g.LDA+p:], g.LDA, panel, rows)
				continue
			}
			whole := k
			if p > p0 && p+k == p1 {
				whole = (k - 1) / g.kernel.group * g.kernel.group
			}
			g.kernel.copyPanel(rows, whole, g.A[p*g.LDA+lo:], g.LDA, panel, rows)
			if whole < k { // the last step, which must not reach into the next panel, as that is begun
				at := g.words(p, p+whole, rows)
				g.kernel.copyN(rows, k-whole, g.A[(p+whole)*g.LDA+lo:], g.LDA, panel[at:], rows*g.kernel.words)
			}
		}
	}
}

// farCache is the least size of a second cache behind which the third one is far: on an Intel Xeon with as much, a line
// takes 130 ns and a core gets 25 GB/s.
const farCache = 2 << 20

// packsLate tells whether the panels of A are packed one by one, each before the first tile on it, where the tile before has
// fetched its rows. A whole block takes long to be read from a far cache, and of what is fetched over all panels of the
// block before, little is still in the second cache.
func (g *gemmCall[E, F]) packsLate() bool {
	return secondLevel >= farCache && g.kernel.prefetches && !g.TransA && !g.inPlaceA()
}

// packPanelB packs columns [j0, j1), at most nr, of op(B), rows [p0, p1).
func (g *gemmCall[E, F]) packPanelB(panel []F, p0, p1, j0, j1 int) {
	kern := g.kernel
	if kern.stripes != nil {
		kern = kern.stripes.pairs
		clear(panel[kern.steps(p1-p0)*kern.nr*kern.words : g.words(p0, p1, kern.nr)])
	}
	if g.TransB {
		kern.transposePanel(j1-j0, p1-p0, g.B[j0*g.LDB+p0:], g.LDB, panel, kern.nr)
	} else {
		kern.copyPanel(j1-j0, p1-p0, g.B[p0*g.LDB+j0:], g.LDB, panel, kern.nr)
	}
}

// transposePanel packs a panel whose source is contiguous along K. It ends with the first rows, because
// what the call for the last rows writes past them lands on the first rows of the step after.
func (kern *gemmKernel[E, F]) transposePanel(rows, k int, src []E, ld int, dst []F, stride int) {
	stride *= kern.words
	for i := (rows - 1) / kern.lanes * kern.lanes; i >= 0; i -= kern.lanes {
		r := min(kern.lanes, rows-i)
		_ = src[(i+r-1)*ld+k-1]
		_ = dst[(kern.steps(k)-1)*stride+(i+kern.lanes)*kern.words-1]
		kern.packT(r, k, &src[i*ld], ld, &dst[i*kern.words], stride)
	}
}

// copyPanel packs a panel whose source is contiguous across the panel. packN reads whole vectors, so the
// last steps, where these would pass the end of the source, are left to copyN.
func (kern *gemmKernel[E, F]) copyPanel(width, k int, src []E, ld int, dst []F, stride int) {
	stride *= kern.words
	padded := ceilDiv(width, kern.lanes) * kern.lanes
	safe := k
	for safe > 0 && (safe-1)*ld+padded > len(src) {
		safe = (safe - 1) / kern.group * kern.group
	}
	if safe > 0 {
		_ = dst[(kern.steps(safe)-1)*stride+padded*kern.words-1]
		kern.packN(width, safe, &src[0], ld, &dst[0], stride)
	}
	if safe < k {
		kern.copyN(width, k-safe, src[safe*ld:], ld, dst[safe/kern.group*stride:], stride)
	}
}

// stripe is the number of panels of C that are finished before the activation passes over them: calls of
// it are long enough to be fast, and what they read is still in the second-level cache.
const stripe = 8

// placeOfB is where tiles find the panels of B.
type placeOfB int

const (
	packed  placeOfB = iota // they are packed
	inPlace                 // in B, except for what is narrower than a tile
	besides                 // tiles pack them, beside each other for later calls
	inTurns                 // tiles pack them in two places in turns
)

// blockOfA is rows [i0, i1) of op(A), columns [p0, p1).
type blockOfA struct{ p0, p1, i0, i1 int }

// tiles runs the register tiles over a block of A and the columns [j0, j1) of B for the block s of K. While these
// multiply, the next panel of B is packed, piece after piece, or fetched, and next, the block of A to be packed
// after this one, is fetched.
func (g *gemmCall[E, F]) tiles(buf *gemmBuffers[F], s, i0, i1, j0, j1 int, place placeOfB, next blockOfA) {
	kern := g.kernel
	p0, p1 := g.blockOf(s)
	k, count := kern.steps(p1-p0), ceilDiv(i1-i0, kern.mr)
	height, over, depth := (i1-i0)/count, (i1-i0)%count, k*kern.words
	inPlaceA, late := g.inPlaceA(), g.packsLate()

	// What the block leaves: Z, in C or in Pre, from what was there before.
	z, ldz := g.z()
	beta, d, ldd := F(1), z, ldz
	if s == 0 {
		beta = g.Beta
		d, ldd = g.d()
	}
	f := fetching{place: place, s: s, p0: p0, p1: p1, j0: j0, j1: j1, tiles: count, rowTiles: inPlaceA && !g.TransA, a: next}
	if inPlaceA || secondLevel >= farCache { // see packsLate
		f.a = blockOfA{}
	}
	if place >= besides {
		g.packPanelB(buf.b, p0, p1, j0, min(j0+kern.nr, j1))
	}
	for j, done, end := j0, j0, 0; j < j1; j = end {
		cols, tiles, rowTiles := kern.nr, kern.tile, kern.rowTile
		if j1-j <= kern.nr/2 && len(kern.half) > 0 {
			cols, tiles, rowTiles = kern.nr/2, kern.half, kern.halfRows
		}
		if inPlaceA && !g.TransA {
			tiles = rowTiles
		}
		end = min(j+cols, j1)
		var b *F
		ldb := kern.nr * kern.words
		switch {
		case g.Packed != nil:
			b = g.packedPanel(s, j)
		case place == inPlace && j+cols == end:
			b, ldb = (*F)(unsafe.Pointer(&g.B[p0*g.LDB+j])), g.LDB // E is F
			if i1-i0 < len(kern.wide) && j+2*kern.nr <= j1 && !inPlaceA {
				tiles, end = kern.wide, j+2*kern.nr
			}
		case place == inPlace:
			g.packPanelB(buf.b, p0, p1, j, end)
			b = &buf.b[0]
		default:
			b = &g.panelB(buf, &f, j)[0]
		}
		edge := end < j+cols
		var bias *F
		if s == 0 && g.Bias != nil {
			if bias = &g.Bias[j]; edge {
				copy(buf.bias, g.Bias[j:end])
				bias = &buf.bias[0]
			}
		}
		g.follow(&f, end)
		for q, lo, hi, rest := 0, i0, i0, 0; q < count; q, lo = q+1, hi {
			// hi = i0 + (i1-i0)*(q+1)/count, without dividing for each tile.
			hi += height
			if rest += over; rest >= count {
				rest -= count
				hi++
			}
			if late && j == j0 {
				kern.transposePanel(hi-lo, p1-p0, g.A[lo*g.LDA+p0:], g.LDA, buf.a[(lo-i0)*depth:], hi-lo)
			}
			var a *F
			lda := g.LDA
			switch {
			case !inPlaceA:
				a, lda = &buf.a[(lo-i0)*depth], (hi-lo)*kern.words
			case g.TransA:
				a = (*F)(unsafe.Pointer(&g.A[p0*g.LDA+lo])) // E is F
			default:
				a = (*F)(unsafe.Pointer(&g.A[lo*g.LDA+p0]))
			}
			var r0, r1 int
			if q <= f.forB+f.forA {
				r0, r1 = g.fetch(buf, &f, q)
			}
			if late && j == j0 {
				g.fetchRows(&buf.next, &f, hi, min(2*hi-lo, i1))
			}
			if !edge {
				tiles[hi-lo](k, g.Alpha, a, lda, b, ldb, bias, beta, &d[lo*ldd+j], ldd, &z[lo*ldz+j], ldz, &buf.next)
			} else {
				tiles[hi-lo](k, g.Alpha, a, lda, b, ldb, bias, 0, nil, 0, &buf.tile[0], kern.nr, &buf.next)
				for i := lo; i < hi; i++ {
					addRow(z[i*ldz+j:i*ldz+end], buf.tile[(i-lo)*kern.nr:], beta, d[i*ldd+j:])
				}
			}
			if r0 < r1 {
				g.packPanelB(g.panelB(buf, &f, end)[g.words(p0, r0, kern.nr):], r0, r1, end, min(end+kern.nr, j1))
			}
		}
		if s+1 == g.blocks() && (end-done >= stripe*kern.nr || end == j1) {
			g.activate(buf, i0, i1, done, end)
			done = end
		}
	}
}

// z returns where Z is left: C, or Pre where the activation keeps its argument.
func (g *gemmCall[E, F]) z() (z []F, ldz int) {
	if g.Activation == GELUTanh && g.Pre != nil {
		return g.Pre, g.LDPre
	}
	return g.C, g.LDC
}

// d returns what beta multiplies.
func (g *gemmCall[E, F]) d() (d []F, ldd int) {
	switch {
	case g.D != nil && g.Beta != 0:
		return g.D, g.LDD
	case g.C == nil: // beta is 0, and nothing is read
		return g.z()
	}
	return g.C, g.LDC
}

// addRow sets c = ab + beta*d, without reading d if beta is 0.
func addRow[F float](c, ab []F, beta F, d []F) {
	if beta == 0 {
		copy(c, ab)
		return
	}
	for j, v := range ab[:len(c)] {
		c[j] = F(beta*d[j]) + v
	}
}

// ends tells whether anything is done to Z after it has been left.
func (p *Product[E, F]) ends() bool { return p.Activation != Identity || p.Rounded != nil }

// roundedOnly tells whether nobody reads C.
func (p *Product[E, F]) roundedOnly() bool {
	return p.Rounded != nil && (p.RoundedOnly || p.C == nil)
}

// activate applies the activation to rows [i0, i1) and columns [j0, j1) of C, and rounds them.
func (g *gemmCall[E, F]) activate(buf *gemmBuffers[F], i0, i1, j0, j1 int) {
	rounds := g.Rounded != nil && g.kernel.stripes != nil
	switch {
	case g.C == nil:
		if rounds {
			g.activateRounded(buf, i0, i1, j0, j1)
		}
		return
	case g.Activation == Identity && !rounds:
		return
	}
	for i := i0; i < i1; i++ {
		c := g.C[i*g.LDC+j0 : i*g.LDC+j1]
		switch {
		case g.Activation == Identity:
		case g.Activation == GELUTanhGrad:
			g.prec.geluGrad(g.Pre[i*g.LDPre+j0:i*g.LDPre+j1], c, c)
		case g.Pre != nil:
			g.prec.gelu(g.Pre[i*g.LDPre+j0:i*g.LDPre+j1], c)
		default:
			g.prec.gelu(c, c)
		}
		if rounds {
			g.prec.round(c, g.Rounded[i*g.LDRounded+j0:i*g.LDRounded+j1])
		}
	}
}

// roundRows rounds C row after row. Without stripes blocks of C have so many rows that they leave the second-level cache.
func (g *gemmCall[E, F]) roundRows(buf *gemmBuffers[F]) {
	if g.C == nil {
		g.activateRounded(buf, 0, g.M, 0, g.N)
		return
	}
	for i := range g.M {
		g.prec.round(g.C[i*g.LDC:i*g.LDC+g.N], g.Rounded[i*g.LDRounded:i*g.LDRounded+g.N])
	}
}

// activateRounded is activate without a C: GELUTanh of Pre goes through a tile.
func (g *gemmCall[E, F]) activateRounded(buf *gemmBuffers[F], i0, i1, j0, j1 int) {
	for j := j0; j < j1; j += len(buf.tile) {
		end := min(j+len(buf.tile), j1)
		c := buf.tile[:end-j]
		for i := i0; i < i1; i++ {
			g.prec.gelu(g.Pre[i*g.LDPre+j:i*g.LDPre+end], c)
			g.prec.round(c, g.Rounded[i*g.LDRounded+j:i*g.LDRounded+end])
		}
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
