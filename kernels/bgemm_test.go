package kernels

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

// halves returns the last n, or the first, of the 16-bit elements in the memory of x.
func halves(x []float32, n int, tail bool) []BFloat16 {
	all := unsafe.Slice((*BFloat16)(unsafe.Pointer(unsafe.SliceData(x))), 2*len(x))
	if tail {
		return all[2*len(x)-n:]
	}
	return all[:n:n]
}

// TestBgemmGuard has the operands touch guard pages at their heads and at their tails, to the last half of
// a word.
func TestBgemmGuard(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 3, 70*70)
		rng := rand.New(rand.NewPCG(13, 14))
		for try := range 200 {
			m, n, k, pad, trans, tail := 1+rng.IntN(40), 1+rng.IntN(40), 1+rng.IntN(70), rng.IntN(2)*3, rng.IntN(4), try&1 != 0
			p := Product[BFloat16, float32]{TransA: trans&1 != 0, TransB: trans&2 != 0, M: m, N: n, K: k, Alpha: 1, Beta: float32(try & 2), LDA: k + pad, LDB: n + pad, LDC: n + pad}
			sizeA, sizeB, sizeC := (m-1)*p.LDA+k, (k-1)*p.LDB+n, (m-1)*p.LDC+n
			if p.TransA {
				p.LDA = m + pad
				sizeA = (k-1)*p.LDA + m
			}
			if p.TransB {
				p.LDB = k + pad
				sizeB = (n-1)*p.LDB + k
			}
			p.A = halves(g.place(0, (sizeA+1)/2, tail), sizeA, tail)
			p.B = halves(g.place(1, (sizeB+1)/2, tail), sizeB, tail)
			p.C = g.place(2, sizeC, tail)
			clear(p.C)
			for i := range p.A {
				p.A[i] = NewBFloat16(float32(rng.NormFloat64()))
			}
			for i := range p.B {
				p.B[i] = NewBFloat16(float32(rng.NormFloat64()))
			}
			if err := faults(p.Run); err != nil {
				t.Fatalf("%s: pad=%d tail=%v: %v", describe(&p), pad, tail, err)
			}
			for i, size := range []int{(sizeA + 1) / 2, (sizeB + 1) / 2, sizeC} {
				if err := g.check(i, size, tail); err != nil {
					t.Fatalf("%s: pad=%d tail=%v: %v", describe(&p), pad, tail, err)
				}
			}
		}
	})
}
