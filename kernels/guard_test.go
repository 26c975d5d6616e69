package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// guarded is memory between guard pages, in slots.
type guarded struct {
	slots [][]float32
}

// canaries is how many elements beside a slice are watched, where no guard page touches it.
const canaries = 40

var canary = math.Float32frombits(0x7fc0dead)

// place returns n elements of a slot, at its head or ending at its tail, with canaries on the other side.
func (g *guarded) place(slot, n int, tail bool) []float32 {
	mem := g.slots[slot]
	if tail {
		at := len(mem) - n
		for i := max(0, at-canaries); i < at; i++ {
			mem[i] = canary
		}
		return mem[at:]
	}
	for i := n; i < min(len(mem), n+canaries); i++ {
		mem[i] = canary
	}
	return mem[:n:n]
}

// check returns an error if a canary that place set has changed.
func (g *guarded) check(slot, n int, tail bool) error {
	mem := g.slots[slot]
	lo, hi := n, min(len(mem), n+canaries)
	if tail {
		lo, hi = max(0, len(mem)-n-canaries), len(mem)-n
	}
	for i := lo; i < hi; i++ {
		if math.Float32bits(mem[i]) != math.Float32bits(canary) {
			return fmt.Errorf("element %d of slot %d was written, outside the slice", i, slot)
		}
	}
	return nil
}

// TestSgemmGuard has the operands touch guard pages at their heads and at their tails.
func TestSgemmGuard(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 3, 70*70)
		rng := rand.New(rand.NewPCG(11, 12))
		for try := range 200 {
			m, n, k, pad, trans, tail := 1+rng.IntN(40), 1+rng.IntN(40), 1+rng.IntN(40), rng.IntN(2)*3, rng.IntN(4), try&1 != 0
			if rng.IntN(4) == 0 {
				n += 24
			}
			transA, transB := trans&1 != 0, trans&2 != 0
			lda, ldb, ldc := k+pad, n+pad, n+pad
			sizes := [3]int{(m-1)*lda + k, (k-1)*ldb + n, (m-1)*ldc + n}
			if transA {
				lda = m + pad
				sizes[0] = (k-1)*lda + m
			}
			if transB {
				ldb = k + pad
				sizes[1] = (n-1)*ldb + k
			}
			var x [3][]float32
			for i, size := range sizes {
				x[i] = g.place(i, size, tail)
				copy(x[i], randomSlice(rng, size))
			}
			beta := float32(try & 2)
			name := fmt.Sprintf("transA=%v transB=%v m=%d n=%d k=%d pad=%d beta=%g tail=%v", transA, transB, m, n, k, pad, beta, tail)
			if err := faults(func() { Sgemm(transA, transB, m, n, k, 1, x[0], lda, x[1], ldb, beta, x[2], ldc) }); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for i, size := range sizes {
				if err := g.check(i, size, tail); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
	})
}
