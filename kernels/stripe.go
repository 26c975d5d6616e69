package kernels

import "unsafe"

// stripeKernel multiplies where the CPU has registers of two dimensions, in the place of gemmKernel.tile. A
// step of K is as many elements as fill a row of them. The rows of A need no order of their own: a packed
// panel holds mr rows, the steps of each beside each other (step p of row i is at (p*mr + i)*words), and is
// followed by the next one. A step of a panel of B is steps of the kernel pairs, whose copies pack it; A has
// zeros past the end of K, and so has B, unless it is a Packed of more rows.
type stripeKernel[E entry, F float] struct {
	// stripe sets cols columns of C, of any number of rows, to alpha*(A*B + 1·biasᵀ) + beta*D, as gemmTile does,
	// with the panels of B one after the other. Rows of A are row bytes apart, its steps step bytes and panels panel bytes; rows past the
	// last, up to the next multiple of 16, are read. Of bias, D and C it touches no more than there is. from, if not
	// nil, is what sums begin with, and to, if not nil, where they are left instead of C: for each panel,
	// mr×nr of them for each mr rows. With tilesPast, panels of nr columns of C, each of which begins at a line in each row,
	// are stored past the caches; with tilesAtOnce, for an alpha of 1 without bias and beta, whole tiles where they are. scratch has room for 2·mr×nr.
	// Lines nextStep bytes apart, from next until nextEnd, may be prefetched.
	stripe func(rows, cols, k int, alpha F, a *E, row, step, panel int, b, from, to *F, store int, bias *F, beta F, d *F, ldd int, c *F, ldc int, scratch *F, next, nextEnd uintptr, nextStep int)
	// packRows packs steps of rows ≤ mr rows of A, contiguous along K; packColumns packs those of cols ≤ lanes
	// rows of op(A), contiguous across the panel, and zeros for the rest of lanes.
	packRows    func(rows, steps int, src *E, ld int, dst *F)
	packColumns func(cols, steps int, src *E, ld int, dst *F)
	pairs       *gemmKernel[E, F]
}

// stripeTile is mr, nr and group of a kernel for stripes.
const stripeTile = 32

// stripeRows bounds the rows of a stripe, so that no call takes longer than some tens of microseconds. With an activation
// they are stripeLeast: rows pages apart, as those of C may be, take few lines of the second-level cache, and with 256 of
// them GELUTanhGrad takes 9% less than with 1,024, 128 and 512 are no faster (Emerald Rapids, 2048×1024×256).
const stripeRows = 1024

// of returns the kernel that computes a product: the one for pairs, if it is not worth a stripe, which takes as
// long for one element as for 32×32 of 32 products each. On Sapphire Rapids that is below 20×20×20.
func (kern *gemmKernel[E, F]) of(p *Product[E, F]) *gemmKernel[E, F] {
	if kern.stripes != nil && p.M*p.N <= 1<<13/max(1, p.K) && p.Packed == nil && !p.RowInvariant {
		return kern.stripes.pairs
	}
	return kern
}

// stripeBlocks is how a product is cut for stripes. A span is of spanBlocks blocks of K, the sums of which stay in
// the tiles or in the second-level cache; a block of A is rows×span, and half of that cache; one of B is span×cols.
type stripeBlocks struct {
	rows, count int // of a block of A; how many there are
	cols        int // of a block of B
	group       int // columns whose sums are in the cache together
	// Words of the workspace.
	a, b, sums, z int
}

// How a stripe stores C.
const (
	tilesLater = iota // by rows, while the next tiles multiply
	tilesPast
	tilesAtOnce // which is faster as long as C is in the second-level cache
)

const (
	spanBlocks = 4
	// stripeLeast is the number of rows that is worth fetching B from the third cache.
	stripeLeast = 256
	sumsBytes   = 256 << 10
	// throughStride is the distance of the rows of C that is not kept: no multiple of a page, and room for what is
	// rounded at once.
	throughStride = 2*stripe*stripeTile + 16
	// prefetchFrom is the number of elements of B from which its panels are prefetched.
	prefetchFrom = 1 << 18
	// inPlaceColumns is the number of columns of B up to which A is not worth packing.
	inPlaceColumns = 1024
)

// stripesOf returns the blocks of m rows and n columns of the product.
func (kern *gemmKernel[E, F]) stripesOf(b gemmBlock, p *Product[E, F], m, n int) (s stripeBlocks) {
	depth, span, blocks := kern.deepest(b, p), kern.steps(p.K)*kern.words, 1
	if depth < span || p.Packed != nil && p.Packed.k > p.K {
		blocks = min(spanBlocks, 1+ceilDiv(span, depth)) // those of a Packed with more rows may be less deep
		span = min(blocks*depth, span)
	}
	rows, cols := ceilDiv(m, stripeTile)*stripeTile, ceilDiv(n, stripeTile)*stripeTile
	s.rows, s.count, s.cols, s.group = rows, 1, cols, cols
	s.b = stripeTile * max(depth, b.kc)
	if rows > stripeLeast {
		s.rows = min(rows, max(stripeLeast, min(stripeRows, b.mc*b.kc/span)/stripeTile*stripeTile))
		if p.ends() {
			s.rows = stripeLeast
		}
		s.count = ceilDiv(rows, s.rows)
	}
	if s.count > 1 {
		s.cols = min(cols, max(1, b.nc*b.kc/span/stripeTile)*stripeTile)
		s.b = s.cols * span
	}
	if blocks > 1 {
		s.group = min(s.cols, max(1, sumsBytes/4/s.rows/stripeTile)*stripeTile)
		s.sums = s.rows * s.group
	}
	if p.roundedOnly() && blocks == 1 {
		s.z = s.rows * throughStride
	}
	if !kern.readsA(p, n) {
		s.a = s.rows * span
	}
	return s
}

// readsA tells whether A is read where it is, which takes whole steps and whole tiles. If it is for a product, it is for
// all parts of it.
func (kern *gemmKernel[E, F]) readsA(p *Product[E, F], n int) bool {
	return !p.TransA && p.K%kern.group == 0 && p.M%kern.lanes == 0 && n <= inPlaceColumns
}

// runStripes computes the product on the calling goroutine.
func (g *gemmCall[E, F]) runStripes(buf *gemmBuffers[F]) {
	kern := g.kernel
	w := kern.stripesOf(g.block, &g.Product, g.M, g.N)
	for s := 0; s < g.blocks(); s += spanBlocks {
		for j0 := 0; j0 < g.N; j0 += w.cols {
			for i := range w.count {
				i0, i1 := share(g.M, kern.mr, i, w.count)
				end := min(s+spanBlocks, g.blocks())
				if w.a > 0 {
					g.packStripes(buf, s, end, i0, i1)
				}
				g.stripes(buf, &w, s, end, i0, i1, j0, min(j0+w.cols, g.N))
			}
		}
	}
}

// stripes computes rows [i0, i1) and columns [j0, j1) of C for the blocks [s0, s1) of K. If there are several blocks
// of rows, the panels of B are packed beside each other for the first, and are there for the others; otherwise one is
// packed where the last one was.
func (g *gemmCall[E, F]) stripes(buf *gemmBuffers[F], w *stripeBlocks, s0, s1, i0, i1, j0, j1 int) {
	kern := g.kernel
	k0, _ := g.blockOf(s0)
	rows, cols := ceilDiv(i1-i0, kern.mr)*kern.mr, ceilDiv(j1-j0, kern.nr)*kern.nr
	z, ldz := g.z()
	beta, d, ldd := F(1), z, ldz
	through := w.z > 0 // one block of K, of which nothing but Rounded is to stay
	if s0 == 0 {
		beta = g.Beta
		d, ldd = g.d()
	}
	// C that the second cache does not hold is stored past it: a line is then not read before it is overwritten. An
	// activation would read it at once.
	store := tilesLater
	if s1 == g.blocks() && beta == 0 && !g.ends() && g.rows*g.cols*4 >= secondLevel && g.linesOfC() {
		store = tilesPast
	}
	if g.Alpha == 1 && g.Bias == nil && beta == 0 && (through || g.rows*g.cols*4 <= secondLevel/4) {
		store = tilesAtOnce
	}
	var e E
	size := int(unsafe.Sizeof(e))
	for group := j0; group < j1; group += w.group {
		groupEnd := min(group+w.group, j1)
		for s := s0; s < s1; s++ {
			p0, p1 := g.blockOf(s)
			k := kern.steps(p1 - p0)
			var a *E
			row := kern.group * size
			step, panel := kern.mr*row, k*kern.mr*row
			if w.a > 0 {
				a = (*E)(unsafe.Pointer(&buf.a[g.words(k0, p0, rows)]))
			} else {
				a, step = &g.A[i0*g.LDA+p0], row
				row = g.LDA * size
				panel = kern.mr * row
			}
			// As many panels at once as fill what the deepest one does of the first cache.
			panels := max(1, g.block.kc/(k*kern.words)) * kern.nr
			if q0, q1 := g.wholeBlock(s); g.Packed != nil && kern.steps(q1-q0) > k {
				panels = kern.nr // with more rows, the next one is further away
			}
			if through {
				panels = min(panels, stripe*kern.nr)
			}
			for j, done := group, group; j < groupEnd; j += panels {
				end := min(j+panels, groupEnd)
				var b, bias, dj, from, to *F
				switch {
				case g.Packed != nil:
					b = g.packedPanel(s, j)
				case w.count > 1:
					at := buf.b[g.words(k0, p0, cols)+g.words(p0, p1, j-j0):]
					if i0 == 0 {
						g.packPanelsB(at, p0, p1, j, end)
					}
					b = &at[0]
				default:
					g.packPanelsB(buf.b, p0, p1, j, end)
					b = &buf.b[0]
				}
				if s1-s0 > 1 {
					sums := &buf.sums[(j-group)*rows]
					if s > s0 {
						from = sums
					}
					if s+1 < s1 {
						to = sums
					}
				}
				if s0 == 0 && g.Bias != nil {
					bias = &g.Bias[j]
				}
				if beta != 0 {
					dj = &d[i0*ldd+j]
				}
				next, nextEnd, nextStep := g.nextPanel(s, end, groupEnd, b, g.Packed != nil || w.count > 1 && i0 > 0)
				var zj *F
				if through {
					zj, ldz = &buf.z[j-done], throughStride
				} else {
					zj = &z[i0*ldz+j]
				}
				kern.stripes.stripe(i1-i0, end-j, k, g.Alpha, a, row, step, panel, b, from, to, store, bias, beta, dj, ldd, zj, ldz, &buf.tile[0], next, nextEnd, nextStep)
				if s+1 == g.blocks() && (end-done >= stripe*kern.nr || end == groupEnd) {
					if through {
						g.endThrough(buf, i0, i1, done, end)
					} else {
						g.activate(buf, i0, i1, done, end)
					}
					done = end
				}
			}
		}
	}
}

// endThrough rounds rows [i0, i1) and columns [j0, j1) of C, which are left in the workspace, after the activation.
func (g *gemmCall[E, F]) endThrough(buf *gemmBuffers[F], i0, i1, j0, j1 int) {
	keeps := g.Activation == GELUTanh && g.Pre != nil
	past := keeps && active.copyPast != nil && g.rows*g.cols*4 >= secondLevel // as C is stored past the caches
	const together = 16
	for i := i0; i < i1; i++ {
		z := buf.z[(i-i0)*throughStride:][:j1-j0]
		if past && (i-i0)%together == 0 {
			active.copyPast(min(together, i1-i), j1-j0, (*float32)(unsafe.Pointer(&z[0])), throughStride, (*float32)(unsafe.Pointer(&g.Pre[i*g.LDPre+j0])), g.LDPre) // F is float32
		}
		switch {
		case keeps && !past:
			copy(g.Pre[i*g.LDPre+j0:], z)
			fallthrough
		case g.Activation == GELUTanh:
			g.prec.gelu(z, z)
		case g.Activation == GELUTanhGrad:
			g.prec.geluGrad(g.Pre[i*g.LDPre+j0:i*g.LDPre+j1], z, z)
		}
		g.prec.round(z, g.Rounded[i*g.LDRounded+j0:i*g.LDRounded+j1])
	}
}

// nextPanel returns the lines that the panel of B from column j is made of, or packed from, unless they are in the
// second-level cache or are read in order. Packed panels follow that at b.
func (g *gemmCall[E, F]) nextPanel(s, j, end int, b *F, packed bool) (next, nextEnd uintptr, nextStep int) {
	const line = 64
	p0, p1 := g.blockOf(s)
	if j >= end || g.K*g.N < prefetchFrom || !packed && g.TransB {
		return 0, 0, 0
	}
	if packed {
		panel := 4 * uintptr(g.kernel.steps(p1-p0)*g.kernel.nr*g.kernel.words)
		at := uintptr(unsafe.Pointer(b))
		return at + panel, at + 2*panel, line
	}
	return uintptr(unsafe.Pointer(&g.B[p0*g.LDB+j])), uintptr(unsafe.Pointer(&g.B[(p1-1)*g.LDB+j])), 2 * g.LDB
}

// packPanelsB packs columns [j0, j1) of op(B), rows [p0, p1), panel after panel.
func (g *gemmCall[E, F]) packPanelsB(dst []F, p0, p1, j0, j1 int) {
	for j := j0; j < j1; j += g.kernel.nr {
		g.packPanelB(dst[g.words(p0, p1, j-j0):], p0, p1, j, min(j+g.kernel.nr, j1))
	}
}

// linesOfC tells whether every panel of C begins at a line.
func (g *gemmCall[E, F]) linesOfC() bool {
	return uintptr(unsafe.Pointer(&g.C[0]))%64 == 0 && g.LDC*4%64 == 0
}

// packStripes packs rows [i0, i1) of op(A), the blocks [s0, s1) of K one after the other, each panel after panel.
func (g *gemmCall[E, F]) packStripes(buf *gemmBuffers[F], s0, s1, i0, i1 int) {
	k0, _ := g.blockOf(s0)
	for s := s0; s < s1; s++ {
		p0, p1 := g.blockOf(s)
		g.packStripeBlock(buf, buf.a[g.words(k0, p0, ceilDiv(i1-i0, g.kernel.mr)*g.kernel.mr):], p0, p1, i0, i1)
	}
}

// packStripeBlock packs rows [i0, i1) of op(A), columns [p0, p1).
func (g *gemmCall[E, F]) packStripeBlock(buf *gemmBuffers[F], dst []F, p0, p1, i0, i1 int) {
	kern := g.kernel
	whole, rest := (p1-p0)/kern.group, (p1-p0)%kern.group
	end := p0 + whole*kern.group
	for i := i0; i < i1; i += kern.mr {
		rows := min(kern.mr, i1-i)
		panel := dst[g.words(p0, p1, i-i0):]
		if !g.TransA {
			if whole > 0 {
				kern.stripes.packRows(rows, whole, &g.A[i*g.LDA+p0], g.LDA, &panel[0])
			}
			if rest > 0 {
				tail := tailOf[E](buf.tile, rows*kern.group)
				for r := range rows {
					copy(tail[r*kern.group:], g.A[(i+r)*g.LDA+end:][:rest])
				}
				kern.stripes.packRows(rows, 1, &tail[0], kern.group, &panel[whole*kern.mr*kern.words])
			}
			continue
		}
		for r := 0; r < rows; r += kern.lanes {
			cols := min(kern.lanes, rows-r)
			if whole > 0 {
				kern.stripes.packColumns(cols, whole, &g.A[p0*g.LDA+i+r], g.LDA, &panel[r*kern.words])
			}
			if rest > 0 {
				tail := tailOf[E](buf.tile, kern.group*kern.lanes)
				for p := range rest {
					copy(tail[p*kern.lanes:], g.A[(end+p)*g.LDA+i+r:][:cols])
				}
				kern.stripes.packColumns(cols, 1, &tail[0], kern.lanes, &panel[(whole*kern.mr+r)*kern.words])
			}
		}
	}
}

// tailOf returns n zeros in memory for other things, for the last elements along K and what a step lacks.
func tailOf[E entry, F float](memory []F, n int) []E {
	tail := unsafe.Slice((*E)(unsafe.Pointer(&memory[0])), n)
	clear(tail)
	return tail
}
