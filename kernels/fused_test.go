package kernels

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestFused holds fused to the sum in exact arithmetic, rounded once, also where float64 would round to a
// number halfway between two float32.
func TestFused(t *testing.T) {
	rng := rand.New(rand.NewPCG(71, 72))
	any32 := func() float32 {
		for {
			if x := math.Float32frombits(rng.Uint32()); x == x && !math.IsInf(float64(x), 0) {
				return x
			}
		}
	}
	check := func(a, b, c float32) {
		t.Helper()
		exact := new(big.Float).SetPrec(2000)
		product := new(big.Float).SetPrec(2000).Mul(big.NewFloat(float64(a)), big.NewFloat(float64(b)))
		want, _ := exact.Add(product, big.NewFloat(float64(c))).Float32()
		if got := fused(a, b, c); got != want {
			t.Errorf("fused(%g, %g, %g) = %g, want %g", a, b, c, got, want)
		}
	}
	for range 200000 {
		check(any32(), any32(), any32())
		a, b := any32(), any32()
		check(a, b, -a*b) // cancels, or overflows
	}
	// 1 + 2⁻²⁴ is halfway; what the product adds beyond the precision of float64 decides.
	for _, tiny := range []float32{0x1p-40, -0x1p-40, 0x1.8p-70, -0x1.8p-70} {
		check(1+0x1p-12, 1+0x1p-12, -0x1p-11+0x1p-23*tiny)
		check(0x1p-24, 1+tiny, 1)
		check(tiny, tiny, 1+0x1p-23)
		for _, half := range []float32{0x1p-12, 0x1.8p-12, -0x1p-12, 0x1p-75} {
			check(half, half*(1+0x1p-23), 1)
			check(half, half*(1-0x1p-23), 1)
			check(half, half*(1+0x1p-23), 1+0x1p-23)
			check(half, half, tiny)
		}
	}
	inf := float32(math.Inf(1))
	if fused(inf, 1, 1) != inf || fused(1, 1, -inf) != -inf || fused(math.MaxFloat32, 2, 0) != inf {
		t.Error("infinity is lost")
	}
	if x := fused(inf, 0, 1); x == x {
		t.Error("Inf·0 + 1 is a number")
	}
}
