package kernels

import "math"

// SiLU, and GELU with the error function, are like the functions of elementary_generic.go the definition of
// every row, bit for bit.

// SiLU(x) = x/(1 + exp(−x)), and its derivative is σ + σ*x*(1−σ) with σ = 1/(1 + exp(−x)) and
// 1−σ = exp(−x)*σ. The argument is clamped as that of GELU: the exponential is +Inf at siluLo, so that
// SiLU is −0 there and below; at siluGradLo it is finite and σ is not subnormal; at siluHi it is 0.
const (
	siluLo     = -89
	siluHi     = 87.5
	siluGradLo = -87
)

func siluGeneric(x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		v = max(siluLo, v)
		y[i] = v / (1 + expNarrow(-min(siluHi, v)))
	}
}

func siluGradGeneric(x, dy, dx []float32) {
	dy, dx = dy[:len(x)], dx[:len(x)]
	for i, v := range x {
		c := min(siluHi, max(siluGradLo, v))
		e := expNarrow(-c)
		s := 1 / (1 + e)
		dx[i] = dy[i] * fused(s, e*s*c, s)
	}
}

// GELU(x) = max(x, 0) − |x|·Φ(−|x|) with Φ(−c) = exp(−c²/2)·g(u)/(c + k), where g is a polynomial of
// u = (c − k)/(c + k), which is 1 − 2k/(c + k). Its relative error on 0 ≤ c ≤ geluErfHi, beyond which the
// exponential is 0, is 2⁻²³. What c² loses to rounding is put back after the reduction of its
// exponential. The derivative is Φ(x) + x·φ(x), where φ(x) = exp(−x²/2)/√(2π).
//
// Reference for the argument u: Shepherd and Laframboise, Chebyshev approximation of (1+2x)exp(x²)erfc x,
// Mathematics of Computation 36(153), 1981.
const (
	geluErfHi      = 13.2
	geluErfK       = 3
	geluErfMinus2K = -2 * geluErfK
	geluErfDensity = -0.3989422804014327 // −1/√(2π)
	geluErfC0      = 0.729083657
	geluErfC1      = -0.50933224
	geluErfC2      = 0.230019242
	geluErfC3      = -0.0472573787
	geluErfC4      = -0.01047944
	geluErfC5      = 0.00693030423
	geluErfC6      = 0.00107765128
	geluErfC7      = -0.000912634598
	geluErfC8      = -0.000272995676
)

// geluErfParts returns exp(−c²/2), and Φ(−c) over it.
func geluErfParts(c float32) (e, q float32) {
	sq := c * c
	low := fused(c, c, -sq)
	t := -0.5 * sq
	k := fused(t, expLog2e, expMagic)
	r := fused(low, -0.5, expRemainder(t, k-expMagic))
	e = float32(expPolynomial(r) * math.Float32frombits(math.Float32bits(k)<<23))

	w := 1 / (c + geluErfK)
	u := fused(w, geluErfMinus2K, 1)
	q = fused(geluErfC8, u, geluErfC7)
	q = fused(q, u, geluErfC6)
	q = fused(q, u, geluErfC5)
	q = fused(q, u, geluErfC4)
	q = fused(q, u, geluErfC3)
	q = fused(q, u, geluErfC2)
	q = fused(q, u, geluErfC1)
	q = fused(q, u, geluErfC0)
	return e, float32(q * w)
}

func geluErfGeneric(x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		c := min(geluErfHi, abs32(v))
		e, q := geluErfParts(c)
		y[i] = copySign32(fused(-(c*q), e, max(0, v)), v) // Φ alone may be subnormal
	}
}

func geluErfGradGeneric(x, dy, dx []float32) {
	dy, dx = dy[:len(x)], dx[:len(x)]
	for i, v := range x {
		c := min(geluErfHi, abs32(v))
		e, q := geluErfParts(c)
		d := float32(fused(c, geluErfDensity, q) * e)
		if !(v < 0) {
			d = 1 - d
		}
		dx[i] = dy[i] * d
	}
}
