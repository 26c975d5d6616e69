package kernels

import (
	"math/rand/v2"
	"testing"
)

// TestStripes has sizes around the edges of tiles, blocks of K, spans of these and blocks of A, with and without a
// Packed of more rows, against float64; and the bits of stores past the caches are those of the usual ones.
func TestStripes(t *testing.T) {
	forEachKernel[BFloat16](t, func(t *testing.T) {
		if active.gemm16.stripes == nil {
			t.Skip("no stripes")
		}
		rng := rand.New(rand.NewPCG(31, 32))
		pick := func(from ...int) int { return from[rng.IntN(len(from))] }
		for try := range 80 {
			m, n, k := pick(1, 16, 17, 32, 33, 48, 64, 65, 300), pick(1, 16, 31, 32, 33, 64, 100), pick(1, 31, 32, 64, 500, 512, 513, 544, 1024, 1056, 2048, 2080)
			p := Product[BFloat16, float32]{TransA: rng.IntN(3) == 0, TransB: rng.IntN(3) == 0, M: m, N: n, K: k, Alpha: float32(pick(1, 1, 2)), Beta: float32(pick(0, 0, 1, -2)), LDA: k, LDB: n, LDC: n, RowInvariant: true}
			if p.TransA {
				p.LDA = m
			}
			if p.TransB {
				p.LDB = k
			}
			p.A, p.B = operand[BFloat16](rng, 1, m*k, m*k, 1, 0), operand[BFloat16](rng, 1, k*n, k*n, 1, 0)
			if rng.IntN(3) == 0 {
				p.Bias = operand[float32](rng, 1, n, n, 1, 0)
			}
			if rng.IntN(3) == 0 {
				p.Packed = new(Packed[BFloat16, float32])
				p.Packed.Pack(p.TransB, k, n, p.B, p.LDB)
				if rng.IntN(2) == 0 && !p.TransA { // the first rows and columns alone
					p.K, p.N = max(1, p.K-pick(0, 1, 32, 40)), max(1, p.N-pick(0, 1, 32))
				}
			}
			p.C = operand[float32](rng, m, p.N, n, 1, 0)
			if try%4 == 0 {
				p.Threads = 2
			}
			checkRun(t, p, 0x1p-24, p.Run)
		}
	})
}

// TestStripesPast holds C that is stored past the caches to the bits of the usual stores.
func TestStripesPast(t *testing.T) {
	forEachKernel[BFloat16](t, func(t *testing.T) {
		size := secondLevel
		defer func() { secondLevel = size }()
		for _, n := range []int{96, 112} {
			for _, k := range []int{40, 512, 1100} {
				p := benchProduct[BFloat16, float32](false, false, 130, n, k, 1)
				secondLevel = 1 << 40
				p.Run()
				want := p.C
				secondLevel = 0
				p.C = make([]float32, len(want))
				p.Run()
				if !sameBits(p.C, want) {
					t.Fatalf("n=%d k=%d: other bits past the caches", n, k)
				}
			}
		}
	})
}
