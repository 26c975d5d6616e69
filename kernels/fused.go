package kernels

import "math"

// fused returns a*b + c, rounded once, as the fused operations of the assembly do. It is for
// definitions whose bits are those of every row.
func fused(a, b, c float32) float32 {
	p := float64(a) * float64(b) // exact
	s := p + float64(c)
	// Rounding s again goes wrong only if s was rounded to a number halfway between two float32. Those
	// have their low 29 bits in common, unless the float32 are subnormal.
	if math.Float64bits(s)<<35 != 1<<63 && math.Abs(s) >= 0x1p-126 {
		return float32(s)
	}
	return fusedToOdd(p, float64(c), s)
}

// fusedToOdd returns the float32 next to p + c, which s is in float64. An inexact s is first made odd, on
// the side of p + c, so that it is not halfway between float32.
//
// Source: Boldo and Melquiond, Emulation of FMA and correctly rounded sums: proved algorithms using
// rounding to odd, IEEE Transactions on Computers 57(4), 2008.
func fusedToOdd(p, c, s float64) float32 {
	q := s - p
	e := (p - (s - q)) + (c - q) // p + c − s, exactly (Knuth's two-sum)
	bits := math.Float64bits(s)
	switch {
	case e == 0 || e != e || bits&1 != 0:
	case e > 0 == (s > 0):
		bits++
	default:
		bits--
	}
	return float32(math.Float64frombits(bits))
}
