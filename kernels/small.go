package kernels

import "unsafe"

const (
	// smallRows is the least rows, and smallSize the largest dimension, of a product for runSmall: one of fewer rows may be
	// thin, and to a larger one it makes no difference.
	smallRows = thinRows + 2
	smallSize = 128
)

// idle is what tiles fetch that have nothing to fetch.
var idle = func() *ahead {
	h := new(ahead)
	h.nothing()
	return h
}()

// isSmall tells whether runSmall computes the product: both operands are read where they are, in one block of K, and whole
// tiles or halves cover the columns.
func (kern *gemmKernel[E, F]) isSmall(p *Product[E, F], b gemmBlock) bool {
	if p.M < smallRows || max(p.M, p.N, p.K) > smallSize || p.K < 1 || p.Alpha == 0 {
		return false
	}
	if !kern.inPlace || p.TransB || p.Packed != nil || p.ends() || kern.depth(b) < smallSize {
		return false
	}
	unit := kern.nr
	if len(kern.half) > 0 {
		unit /= 2
	}
	return p.N%unit == 0 && kern.aInPlace(p) && kern.bInPlace(p)
}

// runSmall computes a small product, as gemmCall does it, with nothing but the calls of tiles: what else products prepare is
// a tenth of the time of 64×64×64.
func (kern *gemmKernel[E, F]) runSmall(p *Product[E, F]) {
	d, ldd := p.C, p.LDC
	if p.D != nil && p.Beta != 0 {
		d, ldd = p.D, p.LDD
	}
	count := ceilDiv(p.M, kern.mr)
	height, over := p.M/count, p.M%count
	// E is F.
	a, lda := (*F)(unsafe.Pointer(&p.A[0])), p.LDA
	for j := 0; j < p.N; j += kern.nr {
		tiles := kern.tile
		switch whole := p.N-j >= kern.nr; {
		case whole && !p.TransA:
			tiles = kern.rowTile
		case !whole && p.TransA:
			tiles = kern.half
		case !whole:
			tiles = kern.halfRows
		}
		b := (*F)(unsafe.Pointer(&p.B[j]))
		var bias *F
		if p.Bias != nil {
			bias = &p.Bias[j]
		}
		for q, lo, rest := 0, 0, 0; q < count; q++ {
			// As gemmCall.tiles has it.
			rows := height
			if rest += over; rest >= count {
				rest -= count
				rows++
			}
			at := lo
			if !p.TransA {
				at *= lda
			}
			tiles[rows](p.K, p.Alpha, (*F)(unsafe.Add(unsafe.Pointer(a), at*int(unsafe.Sizeof(*a)))), lda, b, p.LDB, bias,
				p.Beta, &d[lo*ldd+j], ldd, &p.C[lo*p.LDC+j], p.LDC, idle)
			lo += rows
		}
	}
}
