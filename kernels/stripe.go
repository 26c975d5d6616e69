package kernels

import "unsafe"

// stripeKernel multiplies where the CPU has registers of two dimensions, in the place of gemmKernel.tile. A
// step of K is as many elements as fill a row of them. The rows of A need no order of their own: a packed
// panel holds mr rows, the steps of each beside each other (step p of row i is at (p*mr + i)*words), and is
// followed by the next one. A step of a panel of B is steps of the kernel pairs, whose copies pack it; A has
// zeros past the end of K, and so has B, unless it is a Packed of more rows.
type stripeKernel[E entry, F float] struct {
	// stripe sets cols ≤ nr columns of C, of any number of rows, to alpha*(A*B + 1·biasᵀ) + beta*D, as
	// gemmTile does. Rows of A are row bytes apart, its steps step bytes and panels panel bytes; rows past the
	// last, up to the next multiple of 16, are read. Of bias, D and C it touches no more than there is.
	stripe func(rows, cols, k int, alpha F, a *F, row, step, panel int, b *F, bias *F, beta F, d *F, ldd int, c *F, ldc int, scratch *F)
	// packRows packs steps of rows ≤ mr rows of A, contiguous along K; packColumns packs those of cols ≤ lanes
	// rows of op(A), contiguous across the panel, and zeros for the rest of lanes.
	packRows    func(rows, steps int, src *E, ld int, dst *F)
	packColumns func(cols, steps int, src *E, ld int, dst *F)
	pairs       *gemmKernel[E, F]
}

// stripeRows bounds the rows of a stripe, so that what it leaves of C is in the second-level cache for the
// activation, and no call takes longer than some tens of microseconds.
const stripeRows = 1024

// of returns the kernel that computes a product: the one for pairs, if it is not worth a stripe, which takes as
// long for one element as for 32×32 of 32 products each. On Sapphire Rapids that is below 20×20×20.
func (kern *gemmKernel[E, F]) of(p *Product[E, F]) *gemmKernel[E, F] {
	if kern.stripes != nil && p.M*p.N <= 1<<13/max(1, p.K) && p.Packed == nil && !p.RowInvariant {
		return kern.stripes.pairs
	}
	return kern
}

// height returns how many rows of A are packed at once, for blocks of K of so many steps. As writing C takes as
// long as many steps, K is cut no finer than for tiles, although a panel of B is then beyond the first cache. On
// Sapphire Rapids with busy neighbours, half the second-level cache for A was 6 to 15% slower than a quarter,
// which is half of what tiles take.
func (kern *gemmKernel[E, F]) height(b gemmBlock, steps int) int {
	return min(stripeRows, max(1, b.mc*b.kc/(steps*kern.words)/kern.mr)*kern.mr)
}

// runStripes computes the product on the calling goroutine. A block of A meets the columns of B a panel at
// a time; with one block, a panel of B is packed where the last one was.
func (g *gemmCall[E, F]) runStripes(buf *gemmBuffers[F]) {
	kern := g.kernel
	for s := range g.blocks() {
		p0, p1 := g.blockOf(s)
		count := ceilDiv(g.M, kern.height(g.block, kern.steps(p1-p0)))
		nc := g.N
		if count > 1 {
			nc = max(1, g.block.nc/kern.nr) * kern.nr
		}
		for j0 := 0; j0 < g.N; j0 += nc {
			for i := range count {
				i0, i1 := share(g.M, kern.mr, i, count)
				g.packStripes(buf, p0, p1, i0, i1)
				g.stripes(buf, s, i0, i1, j0, min(j0+nc, g.N), count > 1)
			}
		}
	}
}

// stripes computes rows [i0, i1) and columns [j0, j1) of C for the block s of K. With keep, the panels of B
// are packed beside each other for the first rows, and are there for the others.
func (g *gemmCall[E, F]) stripes(buf *gemmBuffers[F], s, i0, i1, j0, j1 int, keep bool) {
	kern := g.kernel
	p0, p1 := g.blockOf(s)
	k := kern.steps(p1 - p0)
	z, ldz := g.z()
	beta, d, ldd := F(1), z, ldz
	if s == 0 {
		beta = g.Beta
		d, ldd = g.d()
	}
	for j, done := j0, j0; j < j1; j += kern.nr {
		end := min(j+kern.nr, j1)
		var b, bias, dj *F
		switch {
		case g.Packed != nil:
			b = g.packedPanel(s, j)
		case keep:
			panel := buf.b[g.words(p0, p1, j-j0):]
			if i0 == 0 {
				g.packPanelB(panel, p0, p1, j, end)
			}
			b = &panel[0]
		default:
			g.packPanelB(buf.b, p0, p1, j, end)
			b = &buf.b[0]
		}
		if s == 0 && g.Bias != nil {
			bias = &g.Bias[j]
		}
		if beta != 0 {
			dj = &d[i0*ldd+j]
		}
		row := 4 * kern.words
		kern.stripes.stripe(i1-i0, end-j, k, g.Alpha, &buf.a[0], row, kern.mr*row, k*kern.mr*row, b, bias, beta, dj, ldd, &z[i0*ldz+j], ldz, &buf.tile[0])
		if s+1 == g.blocks() && (end-done >= stripe*kern.nr || end == j1) {
			g.activate(i0, i1, done, end)
			done = end
		}
	}
}

// packStripes packs rows [i0, i1) of op(A), columns [p0, p1), panel after panel.
func (g *gemmCall[E, F]) packStripes(buf *gemmBuffers[F], p0, p1, i0, i1 int) {
	kern := g.kernel
	whole, rest := (p1-p0)/kern.group, (p1-p0)%kern.group
	end := p0 + whole*kern.group
	for i := i0; i < i1; i += kern.mr {
		rows := min(kern.mr, i1-i)
		panel := buf.a[g.words(p0, p1, i-i0):]
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
