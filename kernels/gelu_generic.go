package kernels

// GELU(x) = x/(1 + exp(t)) with t = −x*(geluA + geluB*x²), and its derivative is
// σ*(1 + x*(geluA + 3*geluB*x²)*(1−σ)) with σ = 1/(1 + exp(t)) and 1−σ = exp(t)*σ.
//
// The argument is clamped where nothing changes any more, so that t stays within the range of
// expReduced and Inf does not meet 0 or Inf. The exponential is +Inf at geluLo, so that GELU is −0 there
// and below; at geluGradLo it is finite and σ is not subnormal; at geluHi it is 0.
const (
	geluA      = 1.5957691216057308  // 2*√(2/π)
	geluB      = 0.07135481627260025 // 0.044715*geluA
	gelu3B     = 3 * geluB
	geluLo     = -10.07
	geluHi     = 10
	geluGradLo = -9.98
)

func geluGeneric(x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		v = max(geluLo, v)
		c := min(geluHi, v)
		t := -c * (float32(geluB*float32(c*c)) + geluA)
		y[i] = v / (1 + expReduced(t))
	}
}

func geluGradGeneric(x, dy, dx []float32) {
	dy, dx = dy[:len(x)], dx[:len(x)]
	for i, v := range x {
		c := min(geluHi, max(geluGradLo, v))
		sq := c * c
		e := expReduced(-c * (float32(geluB*sq) + geluA))
		s := 1 / (1 + e)
		q := float32(e*s) * float32(c*(float32(gelu3B*sq)+geluA))
		dx[i] = dy[i] * (float32(s*q) + s)
	}
}
