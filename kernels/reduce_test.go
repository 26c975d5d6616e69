package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// checkMax holds Max and ArgMax to what they state.
func checkMax(t *testing.T, name string, x []float32) {
	t.Helper()
	at, m := -1, float32(math.Inf(-1))
	for i, v := range x {
		if v != v {
			at, m = i, v
			break
		}
		if v > m || at < 0 {
			at, m = i, v
		}
	}
	if got := ArgMax(x); got != at {
		t.Fatalf("%s: ArgMax is %d, want %d", name, got, at)
	}
	if got := Max(x); got != m && !(got != got && m != m) {
		t.Fatalf("%s: Max is %g, want %g", name, got, m)
	}
}

func TestMax(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	zero := float32(math.Copysign(0, -1))
	forEachISA(t, func(t *testing.T) {
		for _, x := range [][]float32{
			nil, {0}, {-inf}, {-inf, -inf}, {inf}, {nan}, {signalling}, {-nan, inf}, {inf, nan, nan}, {nan, inf},
			{zero, 0}, {0, zero}, {zero, zero}, {-1e-45, zero}, {1e-45, 1e-44, 1e-44}, {-3, -2, -2}, {math.MaxFloat32, inf, inf},
		} {
			checkMax(t, fmt.Sprint(x), x)
		}
		rng := rand.New(rand.NewPCG(91, 92))
		for _, n := range append(lengths(), 2047, 2048, 2049, 6000, block, block+1, 2*block+100) {
			x := make([]float32, n)
			for try := range 12 {
				for i := range x {
					x[i] = float32(rng.NormFloat64()) - 5
				}
				for range rng.IntN(4) { // equals
					if n > 0 {
						x[rng.IntN(n)] = 7
					}
				}
				if try%3 == 2 && n > 0 {
					x[rng.IntN(n)] = []float32{nan, -nan, signalling}[rng.IntN(3)]
					x[rng.IntN(n)] = inf
				}
				checkMax(t, fmt.Sprintf("n=%d, try %d", n, try), x)
			}
		}
	})
}

// TestFind has the element at every place, between guard pages, and after it others that are equal.
func TestFind(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 1, maxLength)
		for _, n := range lengths() {
			for _, tail := range []bool{false, true} {
				x := g.place(0, n, tail)
				for i := range x {
					x[i] = []float32{1, float32(math.NaN()), -4, float32(math.Inf(1))}[i%4]
				}
				for at := n; at >= 0; at-- { // 4 stays where it has been put
					if at < n {
						x[at] = 4
					}
					for v, want := range map[float32]int{4: at, -5: n, signalling: n} {
						var got int
						if err := faults(func() { got = active.find(v, x) }); err != nil {
							t.Fatalf("n=%d, tail=%v: %v", n, tail, err)
						}
						if got != want {
							t.Fatalf("n=%d, tail=%v: the first %g is at %d, want %d", n, tail, v, got, want)
						}
					}
				}
			}
		}
	})
}
