package kernels

import (
	"fmt"
	"math"
	"unsafe"
)

// block is the number of elements that one call of a table function gets at most. Assembly cannot be
// preempted, so a call has to end within some ten microseconds; and the sums of a block, which are in
// float32, are added up in float64.
const block = 1 << 14

// Axpy computes y += alpha*x. It panics if the lengths differ. y may be x.
func Axpy(alpha float32, x, y []float32) {
	if len(x) != len(y) {
		panic(fmt.Sprintf("kernels: Axpy: len(x) = %d, len(y) = %d", len(x), len(y)))
	}
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.axpy(alpha, x[lo:hi], y[lo:hi])
	}
}

// Scal computes x = alpha*x. NaN and Inf propagate, also if alpha is 0.
func Scal(alpha float32, x []float32) {
	for lo := 0; lo < len(x); lo += block {
		active.scal(alpha, x[lo:min(lo+block, len(x))])
	}
}

// ScalInc computes x[i*inc] = alpha*x[i*inc] for i < n, such as a column of a matrix. It panics if n is
// negative, inc less than 1 or x too short.
func ScalInc(n int, alpha float32, x []float32, inc int) {
	scalInc("ScalInc", active.scalInc, active.scalNear, n, alpha, x, inc)
}

func scalInc[F float](function string, apart, near func(n int, alpha F, x *F, inc int), n int, alpha F, x []F, inc int) {
	if n < 0 || inc < 1 {
		panic(fmt.Sprintf("kernels: %s: n = %d, inc = %d", function, n, inc))
	}
	checkVector(function, "x", n, x, inc)
	kernel := near
	if inc*int(unsafe.Sizeof(alpha))%4096 == 0 {
		kernel = apart
	}
	// An element may cost a visit to the third cache.
	const most = 1 << 10
	i := 0
	for ; n-i >= 4; i += min(most, (n-i)&^3) {
		kernel(min(most, (n-i)&^3), alpha, &x[i*inc], inc)
	}
	for ; i < n; i++ {
		x[i*inc] *= alpha
	}
}

// Dot returns Σ x*y. |computed − exact| ≤ γ(min(n, 2¹⁴)+2)·Σ|x||y|, as for Sgemm. It panics if the
// lengths differ. y may be x.
func Dot(x, y []float32) float32 {
	if len(x) != len(y) {
		panic(fmt.Sprintf("kernels: Dot: len(x) = %d, len(y) = %d", len(x), len(y)))
	}
	return float32(dot(x, y))
}

func dot(x, y []float32) (s float64) {
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		s += float64(active.dot(x[lo:hi], y[lo:hi]))
	}
	return s
}

// Sum returns Σ x. |computed − exact| ≤ γ(min(n, 2¹⁴)+2)·Σ|x|, as for Sgemm.
func Sum(x []float32) float32 { return float32(sum(x)) }

func sum(x []float32) (s float64) {
	for lo := 0; lo < len(x); lo += block {
		s += float64(active.sum(x[lo:min(lo+block, len(x))]))
	}
	return s
}

// Nrm2 returns √(Σ x²), with a relative error of at most γ(min(n, 2¹⁴)+3). Neither squares that
// overflow nor squares that underflow spoil the result: it is then computed again in float64.
func Nrm2(x []float32) float32 {
	return float32(math.Sqrt(squaresInRange(sumSquares(x), x)))
}

func sumSquares(x []float32) (s float64) {
	for lo := 0; lo < len(x); lo += block {
		s += float64(active.sumSquares(x[lo:min(lo+block, len(x))]))
	}
	return s
}

// squaresInRange returns s, the sum of x's squares in float32, or computes it again in float64 if some of
// them may have overflowed or underflowed.
func squaresInRange(s float64, x []float32) float64 {
	// Each addition of a square loses at most half the spacing of the subnormal numbers, 2⁻¹⁵⁰, to
	// underflow; that is below the rounding error u·s if s ≥ n·2⁻¹²⁶.
	if !(s >= 0x1p-126*float64(len(x))) || s > math.MaxFloat32 {
		s = 0
		for _, v := range x {
			s += float64(float64(v) * float64(v))
		}
	}
	return s
}

// rowMax returns the largest element of x.
func rowMax(x []float32) float32 {
	m := active.max(x[:min(block, len(x))])
	for lo := block; lo < len(x); lo += block {
		m = max(m, active.max(x[lo:min(lo+block, len(x))]))
	}
	return m
}

// Asum returns Σ |x|, with a relative error of at most γ(min(n, 2¹⁴)+2), γ as for Sgemm.
func Asum(x []float32) float32 {
	var s float64
	for lo := 0; lo < len(x); lo += block {
		s += float64(active.asum(x[lo:min(lo+block, len(x))]))
	}
	return float32(s)
}

// Iamax returns the first index at which |x| is largest, NaN left out; 0 if every element is NaN, and −1
// if there is none.
func Iamax(x []float32) int { return iamax(active.peak, active.amax, x) }

// iamaxBlock is how many elements are searched for a maximum that is known.
const iamaxBlock = 256

func iamax[F float](peak func(x []F) (F, int), amax func(x []F) F, x []F) int {
	if len(x) == 0 {
		return -1
	}
	at, largest := 0, F(-1)
	if peak != nil {
		for lo := 0; lo < len(x); lo += block {
			if m, i := peak(x[lo:min(lo+block, len(x))]); m > largest {
				at, largest = lo+i, m
			}
		}
		return at
	}
	for lo := 0; lo < len(x); lo += iamaxBlock {
		if m := amax(x[lo:min(lo+iamaxBlock, len(x))]); m > largest {
			at, largest = lo, m
		}
	}
	for i, v := range x[at:min(at+iamaxBlock, len(x))] {
		if v == largest || v == -largest {
			return at + i
		}
	}
	// The block is all NaN, whose maximum is 0 too.
	for i, v := range x {
		if v == 0 {
			return i
		}
	}
	return 0
}
