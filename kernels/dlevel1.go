package kernels

import (
	"fmt"
	"math"
)

// Daxpy computes y += alpha*x. It panics if the lengths differ. y may be x.
func Daxpy(alpha float64, x, y []float64) {
	if len(x) != len(y) {
		panic(fmt.Sprintf("kernels: Daxpy: len(x) = %d, len(y) = %d", len(x), len(y)))
	}
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.axpy64(alpha, x[lo:hi], y[lo:hi])
	}
}

// Dscal computes x = alpha*x. NaN and Inf propagate, also if alpha is 0.
func Dscal(alpha float64, x []float64) {
	for lo := 0; lo < len(x); lo += block {
		active.scal64(alpha, x[lo:min(lo+block, len(x))])
	}
}

// DscalInc is ScalInc for float64.
func DscalInc(n int, alpha float64, x []float64, inc int) {
	scalInc("DscalInc", active.scalInc64, active.scalNear64, n, alpha, x, inc)
}

// Ddot returns Σ x*y. |computed − exact| ≤ γ(min(n, 2¹⁴)+⌈n/2¹⁴⌉+1)·Σ|x||y|, γ as for Dgemm. It panics
// if the lengths differ. y may be x.
func Ddot(x, y []float64) (s float64) {
	if len(x) != len(y) {
		panic(fmt.Sprintf("kernels: Ddot: len(x) = %d, len(y) = %d", len(x), len(y)))
	}
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		s += active.dot64(x[lo:hi], y[lo:hi])
	}
	return s
}

// Dasum returns Σ |x|, with a relative error of at most γ(min(n, 2¹⁴)+⌈n/2¹⁴⌉+1), γ as for Dgemm.
func Dasum(x []float64) (s float64) {
	for lo := 0; lo < len(x); lo += block {
		s += active.asum64(x[lo:min(lo+block, len(x))])
	}
	return s
}

// Dnrm2 returns √(Σ x²), with a relative error of at most γ(min(n, 2¹⁴)+⌈n/2¹⁴⌉+2), γ as for Dgemm.
// Neither squares that overflow nor squares that underflow spoil the result: it is then computed again
// from elements multiplied by a power of 2 (Blue, A Portable Fortran Program to Find the Euclidean Norm of
// a Vector, ACM TOMS 4(1), 1978).
func Dnrm2(x []float64) float64 {
	var s float64
	for lo := 0; lo < len(x); lo += block {
		s += active.sumSquares64(x[lo:min(lo+block, len(x))])
	}
	// Each addition of a square loses at most half the spacing of the subnormal numbers, 2⁻¹⁰⁷⁵, to
	// underflow; that is below the rounding error u·s if s ≥ n·2⁻¹⁰²².
	switch {
	case s > math.MaxFloat64: // some |x| > 2⁴⁷⁰, beside which an x that underflows now is nothing
		return scaledNorm(0x1p-600, x) * 0x1p600
	case s < 0x1p-1022*float64(len(x)): // all |x| < 2⁻⁴⁸⁰
		return scaledNorm(0x1p600, x) * 0x1p-600
	}
	return math.Sqrt(s)
}

func scaledNorm(scale float64, x []float64) float64 {
	var s float64
	for lo := 0; lo < len(x); lo += block {
		var t float64
		for _, v := range x[lo:min(lo+block, len(x))] {
			v *= scale
			t += float64(v * v)
		}
		s += t
	}
	return math.Sqrt(s)
}

// Idamax is Iamax for float64.
func Idamax(x []float64) int { return iamax(active.peak64, active.amax64, x) }
