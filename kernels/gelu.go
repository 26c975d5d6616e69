package kernels

import "math"

// GELU computes y = x/2*(1 + tanh(u)) = x*σ(2u) with u = √(2/π)*(x + 0.044715*x³), as GPT-2 does: the tanh
// form, within 5e−4 of GELUErf. y may be x.
//
// The relative error is at most γ(8 + 10|u|), so that it grows where y decays; y is −0 for x below
// −10.07, where |y| is less than 1e−37. GELU(+Inf) = +Inf, GELU(−Inf) = −0, ±0 keep their sign, NaN
// propagates. It panics if the lengths differ.
//
// Source: Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv:1606.08415, §2.
func GELU(x, y []float32) {
	checkPair("GELU", x, y)
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.gelu(x[lo:hi], y[lo:hi])
	}
}

// GELUBackward computes dx = dy*GELU'(x), GELU'(x) = σ*(1 + x*(1−σ)*2u') with σ = σ(2u) and
// u' = √(2/π)*(1 + 3*0.044715*x²): the tanh form. dx may be dy.
//
// The error is at most 5·2⁻²⁴·|dy|. GELU'(x) is 1 for x ≥ 10 and, less than 1e−35 in size, constant for
// x ≤ −9.98. It panics if the lengths differ.
func GELUBackward(x, dy, dx []float32) {
	checkTriple("GELUBackward", x, dy, dx)
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.geluGrad(x[lo:hi], dy[lo:hi], dx[lo:hi])
	}
}

// gelu and geluGrad are the kernels of the row in use, and gelu64 and geluGrad64 the same functions for
// products of float64.
func gelu(x, y []float32)          { active.gelu(x, y) }
func geluGrad(x, dy, dx []float32) { active.geluGrad(x, dy, dx) }

func gelu64(x, y []float64) {
	for i, v := range x {
		v = max(-gelu64Range, v)
		y[i] = v / (1 + math.Exp(-v*(geluA+geluB*v*v)))
	}
}

func geluGrad64(x, dy, dx []float64) {
	for i, v := range x {
		v = max(-gelu64Range, min(gelu64Range, v))
		s := 1 / (1 + math.Exp(-v*(geluA+geluB*v*v)))
		dx[i] = dy[i] * (s + v*(geluA+gelu3B*v*v)*s*(1-s))
	}
}

// gelu64Range is beyond where float64's exponential is 0 or Inf, so that Inf does not meet these.
const gelu64Range = 40
