package kernels

import (
	"math/rand/v2"
	"testing"
)

// TestProductParts goes over the heights that a part of a product can have: of panels with fewer rows than
// a vector has elements, and on either side of what A in one block may have, with blocks made small. Every
// product has buffers of its own size, and rows of A and B on pages of their own.
func TestProductParts(t *testing.T) {
	testProductParts(t, &single, 0x1p-24)
	testProductParts(t, &double, 0x1p-53)
	testProductParts(t, &half, 0x1p-24)
}

func testProductParts[E entry, F float](t *testing.T, prec *precision[E, F], u float64) {
	defer func(b gemmBlock) { prec.block = b }(prec.block)
	defer SetThreads(Threads())
	SetThreads(2)
	prec.block = gemmBlock{mc: 28, kc: prec.block.kc, nc: 70, flat: 42, near: 35}
	forEachKernel[E](t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(71, 72))
		for _, m := range []int{3, 7, 8, 13, 15, 16, 23, 29, 31, 43, 56, 57, 71, 85, 97} {
			for trans := range 4 {
				n, k := 50, 2*copyRows+5
				if m > 80 { // enough to be cut for two threads
					n = 90
				}
				p := Product[E, F]{TransA: trans&1 != 0, TransB: trans&2 != 0, M: m, N: n, K: k, Alpha: 1, Threads: 1 + m%2, RowInvariant: true}
				aRows, aCols, bRows, bCols := m, k, k, n
				if p.TransA {
					aRows, aCols = k, m
				}
				if p.TransB {
					bRows, bCols = n, k
				}
				p.LDA, p.LDB, p.LDC = aCols+page, bCols+page, n
				p.A, p.B = operand[E](rng, aRows, aCols, p.LDA, 1, 0), operand[E](rng, bRows, bCols, p.LDB, 1, 0)
				p.C = make([]F, m*n)
				for _, l := range []*freeList[gemmWorkspace[E, F]]{&prec.cut, &prec.whole} {
					l.last.Store(nil)
					l.free = nil
				}
				checkRun(t, p, u, p.Run)
			}
		}
	})
}
