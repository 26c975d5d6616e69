package kernels

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
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
	forEachKernel[BFloat16](t, func(t *testing.T) {
		g := newGuarded(t, 5, 70*70)
		rng := rand.New(rand.NewPCG(13, 14))
		for try := range 200 {
			m, n, k, pad, trans, tail := 1+rng.IntN(40), 1+rng.IntN(40), 1+rng.IntN(70), rng.IntN(2)*3, rng.IntN(4), try&1 != 0
			if try%4 < 2 { // whole steps, and whole tiles, which are read and stored where they are
				n, k = 16*(1+n%4), 32*(1+k%2)
				if try%8 < 4 {
					m = 16 * (1 + m%3)
				}
			}
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
			sizes := []int{(sizeA + 1) / 2, (sizeB + 1) / 2, sizeC, (sizeC + 1) / 2, sizeC}
			if try%3 > 0 {
				p.LDRounded, p.RoundedOnly = p.LDC, try%3 > 1
				p.Rounded = halves(g.place(3, sizes[3], tail), sizeC, tail)
				p.Activation = Activation(rng.IntN(3))
				p.Pre, p.LDPre = g.place(4, sizeC, tail), p.LDC
				clear(p.Pre)
			}
			for i := range p.A {
				p.A[i] = NewBFloat16(float32(rng.NormFloat64()))
			}
			for i := range p.B {
				p.B[i] = NewBFloat16(float32(rng.NormFloat64()))
			}
			if err := faults(p.Run); err != nil {
				t.Fatalf("%s: pad=%d tail=%v: %v", describe(&p), pad, tail, err)
			}
			for i, size := range sizes {
				if i > 2 && p.Rounded == nil {
					break
				}
				if err := g.check(i, size, tail); err != nil {
					t.Fatalf("%s: pad=%d tail=%v: %v", describe(&p), pad, tail, err)
				}
			}
		}
	})
}

// bgemmRounded is Bgemm of operands that are to be rounded.
func bgemmRounded(transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	x, y := make([]BFloat16, len(a)), make([]BFloat16, len(b))
	ToBFloat16(a, x)
	ToBFloat16(b, y)
	Bgemm(transA, transB, m, n, k, alpha, x, lda, y, ldb, beta, c, ldc)
}

// TestBgemmSubnormal has operands and sums of any size down to the least subnormal number: what Bgemm says
// that flushing them costs is all that it costs.
func TestBgemmSubnormal(t *testing.T) {
	forEachKernel[BFloat16](t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(15, 16))
		for range 40 {
			m, n, k := 1+rng.IntN(40), 1+rng.IntN(40), 1+rng.IntN(100)
			number := func(least int) BFloat16 {
				return NewBFloat16(float32(math.Ldexp(rng.NormFloat64(), -rng.IntN(least))))
			}
			a, b, c := make([]BFloat16, m*k), make([]BFloat16, k*n), make([]float32, m*n)
			for i := range a {
				a[i] = number(134)
			}
			for i := range b {
				b[i] = number(20)
			}
			Bgemm(false, false, m, n, k, 1, a, k, b, n, 0, c, n)
			for i := range m {
				for j := range n {
					var want twice
					var sum, maxA, maxB float64
					for p := range k {
						x, y := valueOf(a[i*k+p]), valueOf(b[p*n+j])
						want.addProduct(x, y)
						sum += math.Abs(x * y)
						maxA, maxB = max(maxA, math.Abs(x)), max(maxB, math.Abs(y))
					}
					bound := gamma(k+2)*sum + float64(k)*0x1p-126*(1+maxA+maxB)
					if got := float64(c[i*n+j]); !(math.Abs(got-want.hi-want.lo) <= bound) {
						t.Fatalf("m=%d n=%d k=%d: C[%d,%d] = %g, want %g ± %g", m, n, k, i, j, got, want.hi, bound)
					}
				}
			}
		}
	})
}

// TestBgemmInterrupted has the signals of garbage collection and of the scheduler arrive while many goroutines
// multiply, whose registers must outlast them.
func TestBgemmInterrupted(t *testing.T) {
	forEachKernel[BFloat16](t, func(t *testing.T) {
		p := benchProduct[BFloat16, float32](true, false, 90, 100, 300, 1)
		p.Run()
		want := p.C
		stop := time.Now().Add(50 * time.Millisecond)
		var wg sync.WaitGroup
		for range 4 * runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				p := p
				p.C = make([]float32, len(want))
				for first := true; first || time.Now().Before(stop); first = false {
					clear(p.C)
					p.Run()
					if !sameBits(p.C, want) {
						t.Error("other bits than alone")
						return
					}
				}
			})
		}
		for time.Now().Before(stop) {
			runtime.GC()
		}
		wg.Wait()
	})
}
