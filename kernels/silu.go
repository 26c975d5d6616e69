package kernels

import "fmt"

// SiLU computes y = x*σ(x) = x/(1 + exp(−x)). y may be x.
//
// The error is at most 2.5 ULP, measured over every float32 down to −88.72; below, y is −0 where |y| is
// less than 2.7e−37. SiLU(+Inf) = +Inf, SiLU(−Inf) = −0, ±0 keep their sign, NaN propagates. Every row
// gives the same bits. It panics if the lengths differ.
//
// Source: Elfwing, Uchibe and Doya, Sigmoid-weighted linear units, arXiv:1702.03118, §2.
func SiLU(x, y []float32) {
	checkPair("SiLU", x, y)
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.silu(x[lo:hi], y[lo:hi])
	}
}

// SiLUBackward computes dx = dy*SiLU'(x), SiLU'(x) = σ*(1 + x*(1−σ)) with σ = σ(x). dx may be dy.
//
// The error is at most 4·2⁻²⁴·|dy|, measured over every float32 x. SiLU'(x) is 1 for x ≥ 87 and, less than
// 1.5e−36 in size, constant for x ≤ −87; NaN propagates. Every row gives the same bits. It panics if the
// lengths differ.
func SiLUBackward(x, dy, dx []float32) {
	checkTriple("SiLUBackward", x, dy, dx)
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.siluGrad(x[lo:hi], dy[lo:hi], dx[lo:hi])
	}
}

// checkTriple panics unless the slices of an elementwise gradient have one length.
func checkTriple(fn string, x, dy, dx []float32) {
	if len(x) != len(dy) || len(x) != len(dx) {
		panic(fmt.Sprintf("kernels: %s: len(x) = %d, len(dy) = %d, len(dx) = %d", fn, len(x), len(dy), len(dx)))
	}
}
