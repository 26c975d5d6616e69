package kernels

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSmall has products that are computed by tiles alone give the bits of the others.
func TestSmall(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testSmall[float32](t) })
	t.Run("float64", func(t *testing.T) { testSmall[float64](t) })
}

func testSmall[F float](t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		prec, kernel := kernelOf[F, F]()
		if !kernel.inPlace { // no product is small
			return
		}
		block := kernel.fit(prec.block)
		number := 0
		for range 600 {
			m, n, k := 1+rng.IntN(smallSize+8), 1+rng.IntN(smallSize+8), 1+rng.IntN(smallSize+8)
			if rng.IntN(4) != 0 { // few are whole tiles otherwise
				n = (1 + rng.IntN(8)) * kernel.nr / 2
			}
			p := randomProduct[F, F](rng, m, n, k)
			p.Batch, p.Threads = 1, 1
			if !kernel.isSmall(&p, block) {
				continue
			}
			number++
			before := slices.Clone(p.C)
			p.Run()
			got := slices.Clone(p.C)
			copy(p.C, before)
			w := prec.whole.take()
			w.prec, w.kernel, w.block, w.gridM, w.gridN, w.unitM = prec, kernel, block, 1, 1, kernel.mr
			w.reserve([]Product[F, F]{p}, 1)
			g := gemmCall[F, F]{Product: p, prec: prec, kernel: kernel, block: block, rows: p.M, cols: p.N}
			g.run(&w.buffers[0])
			prec.whole.give(w)
			for i, v := range p.C {
				if v != got[i] && (v == v || got[i] == got[i]) {
					t.Fatalf("%d×%d×%d, transA %v: element %d is %v, otherwise %v", p.M, p.N, p.K, p.TransA, i, got[i], v)
				}
			}
		}
		if number < 5 {
			t.Errorf("only %d products were small", number)
		}
	})
}
