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
	prec.block = gemmBlock{mc: 28, kc: prec.block.kc, nc: 70, flat: 42}
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

// TestReserveStripes has the blocks of A and B that a product on AMX packs fit their buffers for caches of any
// size, also where the last blocks of K are shallower, and so higher, than the first.
func TestReserveStripes(t *testing.T) {
	kern := &gemmKernel[BFloat16, float32]{mr: 32, nr: 32, lanes: 16, group: 32, words: 16, stripes: &stripeKernel[BFloat16, float32]{}}
	rng := rand.New(rand.NewPCG(73, 74))
	for range 300 {
		block := kern.fit(blocking(4, (1+rng.IntN(64))<<15, 1<<20))
		p := Product[BFloat16, float32]{M: 1 + rng.IntN(2000), N: 1 + rng.IntN(2000), K: 1 + rng.IntN(1<<(5+rng.IntN(11))), RowInvariant: true}
		w := gemmWorkspace[BFloat16, float32]{list: []Product[BFloat16, float32]{p}, kernel: kern, block: block, gridM: 1, gridN: 1}
		w.reserve(w.list, 1)
		g := gemmCall[BFloat16, float32]{Product: p, kernel: kern, block: block}
		c := kern.stripesOf(block, &p, p.M, p.N)
		for s := range g.blocks() {
			end := min(s-s%spanBlocks+spanBlocks, g.blocks())
			p0, _ := g.blockOf(s - s%spanBlocks)
			_, p1 := g.blockOf(end - 1)
			for i := range c.count {
				i0, i1 := share(p.M, kern.mr, i, c.count)
				rows := ceilDiv(i1-i0, kern.mr) * kern.mr
				a, b, sums := g.words(p0, p1, rows), g.words(p0, p1, min(c.cols, ceilDiv(p.N, kern.nr)*kern.nr)), 0
				if kern.readsA(&p, p.N) {
					a = 0
				}
				if c.count == 1 { // a panel of a block of K at a time
					q0, q1 := g.blockOf(s)
					b = g.words(q0, q1, kern.nr)
				}
				if g.blocks() > 1 {
					sums = rows * min(c.group, p.N)
				}
				if buf := &w.buffers[0]; a > len(buf.a) || b > len(buf.b) || sums > len(buf.sums) {
					t.Fatalf("m=%d n=%d k=%d, blocks %+v: %d, %d and %d words for k from %d to %d, of %d, %d and %d",
						p.M, p.N, p.K, block, a, b, sums, p0, p1, len(buf.a), len(buf.b), len(buf.sums))
				}
			}
		}
	}
}
