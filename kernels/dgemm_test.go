package kernels

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"
)

// doubles returns the memory of x as float64.
func doubles(x []float32) []float64 {
	return unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(x))), len(x)/2)
}

func TestDgemm(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(61, 62))
		pick := func() int { return sizes[rng.IntN(len(sizes))] }
		scalars := []float32{0, 1, -0.5}
		for range 200 {
			checkDgemm(t, gemmCase{
				transA: rng.IntN(2) == 1, transB: rng.IntN(2) == 1,
				m: pick(), n: pick(), k: pick(),
				alpha: scalars[rng.IntN(3)], beta: scalars[rng.IntN(3)], pad: rng.IntN(3),
			}, rng)
		}
		for _, g := range []gemmCase{
			{m: 0, n: 3, k: 2, alpha: 1}, {m: 3, n: 0, k: 2, alpha: 1}, {m: 3, n: 4, k: 0, alpha: 1, beta: 2},
			{m: 2, n: 3, k: 2*double.block.kc + 5, alpha: 1, beta: 1}, {transA: true, transB: true, m: 15, n: 33, k: double.block.kc + 1, alpha: -0.5},
		} {
			checkDgemm(t, g, rng)
		}
	})
}

func FuzzDgemm(f *testing.F) { fuzzProduct(f, checkDgemm) }

// TestDgemmBlocks crosses the edges of the cache blocks.
func TestDgemmBlocks(t *testing.T) {
	defer func(b gemmBlock) { double.block = b }(double.block)
	double.block = gemmBlock{mc: 12, kc: 50, nc: 70, flat: 40}
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(63, 64))
		for trans := range 4 {
			checkDgemm(t, gemmCase{transA: trans&1 != 0, transB: trans&2 != 0, m: 43, n: 75, k: 105, alpha: 2, beta: -0.5}, rng)
			for _, m := range []int{36, 44} { // rows on pages of their own
				checkDgemm(t, gemmCase{transA: trans&1 != 0, transB: trans&2 != 0, m: m, n: 75, k: 2*copyRows + 5, alpha: 1, pad: page}, rng)
			}
		}
	})
}

// TestDgemmGuard has the operands touch guard pages at their heads and at their tails.
func TestDgemmGuard(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 3, 2*70*40)
		for _, size := range [][3]int{{1, 1, 1}, {15, 17, 9}, {14, 16, 8}, {33, 31, 5}, {7, 40, 33}} {
			m, n, k := size[0], size[1], size[2]
			for trans := range 4 {
				transA, transB := trans&1 != 0, trans&2 != 0
				lda, ldb := k, n
				if transA {
					lda = m
				}
				if transB {
					ldb = k
				}
				for _, tail := range []bool{false, true} {
					a := doubles(g.place(0, 2*m*k, tail))
					b := doubles(g.place(1, 2*k*n, tail))
					c := doubles(g.place(2, 2*m*n, tail))
					for _, beta := range []float64{0, 1} {
						for i := range a {
							a[i] = 1
						}
						for i := range b {
							b[i] = 1
						}
						clear(c)
						if err := faults(func() { Dgemm(transA, transB, m, n, k, 1, a, lda, b, ldb, beta, c, n) }); err != nil {
							t.Fatalf("m=%d n=%d k=%d transA=%v transB=%v tail=%v: %v", m, n, k, transA, transB, tail, err)
						}
						for i, x := range c {
							if x != float64(k) {
								t.Fatalf("m=%d n=%d k=%d: C[%d] = %g, want %d", m, n, k, i, x, k)
							}
						}
					}
				}
			}
		}
	})
}

func TestDgemmMisuse(t *testing.T) {
	x := make([]float64, 12)
	for name, call := range map[string]func(){
		"negative size": func() { Dgemm(false, false, 1, -1, 1, 1, x, 1, x, 1, 0, x, 1) },
		"short A":       func() { Dgemm(false, false, 4, 3, 4, 1, x, 4, x, 3, 0, x, 3) },
		"short C":       func() { Dgemm(false, false, 4, 4, 1, 1, x, 1, x, 4, 0, x, 4) },
		"ldb":           func() { Dgemm(false, true, 3, 3, 3, 1, x, 3, x, 2, 0, x, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if msg := fmt.Sprint(recover()); !strings.HasPrefix(msg, "kernels: Dgemm: ") {
					t.Errorf("panics with %q", msg)
				}
			}()
			call()
		})
	}
}
