package kernels

import "math"

// The functions of this file are the definition of every row, bit for bit: each step is one operation of
// float32, rounded once, and fused is one of them; a conversion keeps compilers from fusing others. The
// coefficients are those of the polynomials of least maximum relative error (Remez exchange), rounded to
// float32.

// exp(x) = 2ⁿ·exp(r) has the reduction and the polynomial of exp_generic.go in fused operations. The power
// of two is applied as two, so that neither overflows while the result does not, and what becomes
// subnormal is rounded then. Adding expWideMagic leaves the bits of n+253 at the low end: half of it, and
// the rest, are the exponents of the two.
func expGeneric(x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = expWide(max(expWideLo, min(expHi, v)))
	}
}

const (
	expWideLo    = -104 // exp(-104) is less than half of the smallest number
	expWideMagic = 3<<22 + 253
)

func expWide(t float32) float32 {
	k := fused(t, expLog2e, expWideMagic)
	p := expPolynomial(expRemainder(t, k-expWideMagic))
	b := math.Float32bits(k)
	h := b >> 1
	return float32(p * math.Float32frombits(h<<23) * math.Float32frombits((b-h)<<23))
}

// expNarrow is exp(t) for −87.6 ≤ t ≤ 89, with 0 for what is less than 1.66e−38.
func expNarrow(t float32) float32 {
	k := fused(t, expLog2e, expMagic)
	return float32(expPolynomial(expRemainder(t, k-expMagic)) * math.Float32frombits(math.Float32bits(k)<<23))
}

// expRemainder returns t − n·ln 2.
func expRemainder(t, n float32) float32 { return fused(-n, expLn2Lo, fused(-n, expLn2Hi, t)) }

// expPolynomial returns 2·exp(r) for |r| ≤ ln 2/2.
func expPolynomial(r float32) float32 {
	p := fused(expC6, r, expC5)
	p = fused(p, r, expC4)
	p = fused(p, r, expC3)
	p = fused(p, r, expC2)
	p = fused(p, r, 2)
	return fused(p, r, 2)
}

// log(x) = e·ln 2 + log(1+r), where x = 2ᵉ·(1+r) and −1/3 ≤ r < 1/3, and log(1+r) = r + r²·q(r). The
// relative error of the latter is 2⁻²⁷. A subnormal x is scaled first.
const (
	logTwoThirds = 0x3f2aaaab // the bits of 2/3
	logScale     = 0x1p24
	logLn2       = 0.69314718056
	logC2        = -0.5
	logC3        = 0.333332151
	logC4        = -0.249997973
	logC5        = 0.200104058
	logC6        = -0.166804865
	logC7        = 0.140058622
	logC8        = -0.121842675
	logC9        = 0.139844716
	logC10       = -0.128916666
)

func logGeneric(x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = logElement(v)
	}
}

func logElement(x float32) float32 {
	scaled := float32(0)
	switch {
	case x < 0:
		return float32(math.NaN())
	case x == 0:
		return float32(math.Inf(-1))
	case x < 0x1p-126:
		x, scaled = x*logScale, -24
	case !(x <= math.MaxFloat32):
		return x
	}
	b := math.Float32bits(x)
	e := int32(b-logTwoThirds) >> 23
	r := math.Float32frombits(b-uint32(e)<<23) - 1
	q := fused(logC10, r, logC9)
	q = fused(q, r, logC8)
	q = fused(q, r, logC7)
	q = fused(q, r, logC6)
	q = fused(q, r, logC5)
	q = fused(q, r, logC4)
	q = fused(q, r, logC3)
	q = fused(q, r, logC2)
	return fused(float32(e)+scaled, logLn2, fused(q, r*r, r))
}

// tanh(x) = x + x³·p(x²) for |x| < tanhSmall, to 2⁻²⁷, and elsewhere 1 − 2/(exp(2|x|) + 1) with the sign
// of x. It is 1 from 9.011 on.
const (
	tanhSmall = 0.65
	tanhHi    = 9.1
	tanhC3    = -0.333332598
	tanhC5    = 0.133308291
	tanhC7    = -0.053687904
	tanhC9    = 0.0204690006
	tanhC11   = -0.00551467994
)

func tanhGeneric(x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = tanhElement(v)
	}
}

func tanhElement(x float32) float32 {
	a := abs32(x)
	var y float32
	if a < tanhSmall {
		s := a * a
		p := fused(tanhC11, s, tanhC9)
		p = fused(p, s, tanhC7)
		p = fused(p, s, tanhC5)
		p = fused(p, s, tanhC3)
		y = fused(p*s, a, a)
	} else {
		t := min(tanhHi, a)
		y = 1 - 2/(expNarrow(t+t)+1)
	}
	return copySign32(y, x)
}

// erf(x) = x + x·p(x²) for |x| < erfSmall, to 2⁻²⁷, and elsewhere 1 − exp(|x|·q(|x|)) with the sign of
// x, where |x|·q(|x|) is log(erfc(|x|)): 2⁻²⁸ of the result on erfSmall ≤ |x| < erfHi, beyond which the
// result is 1.
const (
	erfSmall = 0.85
	erfHi    = 3.95
	erfP0    = 0.128379166
	erfP1    = -0.376125902
	erfP2    = 0.11282865
	erfP3    = -0.0268072877
	erfP4    = 0.0050577037
	erfP5    = -0.000634851865
	erfQ0    = -1.12852955
	erfQ1    = -0.63566637
	erfQ2    = -0.105330996
	erfQ3    = 0.0229347255
	erfQ4    = -0.00322903716
	erfQ5    = 0.000215707507
)

func erfGeneric(x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = erfElement(v)
	}
}

func erfElement(x float32) float32 {
	a := abs32(x)
	var y float32
	if a < erfSmall {
		s := a * a
		p := fused(erfP5, s, erfP4)
		p = fused(p, s, erfP3)
		p = fused(p, s, erfP2)
		p = fused(p, s, erfP1)
		p = fused(p, s, erfP0)
		y = fused(p, a, a)
	} else {
		t := min(erfHi, a)
		q := fused(erfQ5, t, erfQ4)
		q = fused(q, t, erfQ3)
		q = fused(q, t, erfQ2)
		q = fused(q, t, erfQ1)
		q = fused(q, t, erfQ0)
		y = 1 - expNarrow(q*t)
	}
	return copySign32(y, x)
}

const signBit = 1 << 31

func abs32(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ signBit) }

// copySign32 returns y, which is not negative, with the sign of x.
func copySign32(y, x float32) float32 {
	return math.Float32frombits(math.Float32bits(y) | math.Float32bits(x)&signBit)
}
