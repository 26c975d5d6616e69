package kernels

// GELUErf computes y = x*Φ(x) = x/2*(1 + erf(x/√2)), the form without approximation. y may be x.
//
// The error is at most 6.5 ULP, measured over every float32 down to −13.19; below, y is −0 where |y| is
// less than 7e−39. GELUErf(+Inf) = +Inf, GELUErf(−Inf) = −0, ±0 keep their sign, NaN propagates. Every
// row gives the same bits. It panics if the lengths differ.
//
// Source: Hendrycks and Gimpel, as for GELU.
func GELUErf(x, y []float32) {
	checkPair("GELUErf", x, y)
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.geluErf(x[lo:hi], y[lo:hi])
	}
}

// GELUErfBackward computes dx = dy*(Φ(x) + x*φ(x)), the derivative of GELUErf, with φ(x) =
// exp(−x²/2)/√(2π). dx may be dy.
//
// The error is at most 4·2⁻²⁴·|dy|, measured over every float32 x. The derivative is 1 for x ≥ 13.2 and 0
// for x ≤ −13.2; NaN propagates. Every row gives the same bits. It panics if the lengths differ.
func GELUErfBackward(x, dy, dx []float32) {
	checkTriple("GELUErfBackward", x, dy, dx)
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.geluErfGrad(x[lo:hi], dy[lo:hi], dx[lo:hi])
	}
}
