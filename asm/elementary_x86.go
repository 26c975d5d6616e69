package main

import (
	"math"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// elementaryX86 writes the functions of elementary_generic.go, operation for operation.
//
// The bound of each is that of Zen 4's pipes. Two of them multiply, fused or not, and blend by a register;
// two others add, compare, shift, convert and take the larger; logic and integer sums go to any. Each takes
// 256 bits a cycle, and 512 in two. Vectors are bound by what the first two have to do, a division counting
// as two, and on AVX-512 what writes a mask as one.
//
// In the first cache of Zen 4 they reach 87 to 94% of that on AVX-512, and about two thirds to four fifths on AVX2, by
// docs/performance.md. There twice as many operations of the same latency wait for each other in the same queues. Six
// chains, which keep vectors in memory and load a constant once for all of them, are faster than three with constants
// as operands, and those than six: two loads of 32 bytes a cycle are then as scarce as what multiplies.
func elementaryX86(x *x86) {
	x.expAll()
	x.log()
	x.tanh()
	x.erf()
	x.silu()
	x.siluGrad()
	x.geluErf()
	x.geluErfGrad()
}

// horner sets p = p*t + c for one c after the other.
func (s *sweep) horner(t, p vectors, coefficients ...Op) {
	for _, c := range coefficients {
		if _, memory := c.(Mem); memory && s.lanes == 16 {
			s.do(s.VFMADD213PS_BCST, c, t, p)
		} else {
			s.do(s.VFMADD213PS, c, t, p)
		}
	}
}

// starts returns registers with the constant, which may be in memory.
func (s *sweep) starts(c Op) vectors {
	if _, memory := c.(Mem); memory && s.lanes == 16 {
		v := s.vectors()
		s.do(s.VBROADCASTSS, c, v)
		return v
	}
	return s.copies(c)
}

// fulls returns constants called name0, name1 and so on, for operands that may be in memory.
func (x *x86) fulls(name string, values ...float64) []Op {
	ops := make([]Op, len(values))
	for i, v := range values {
		ops[i] = x.full(name+string(rune('A'+i)), F32(v))
	}
	return ops
}

// polynomial returns Σ c[i]*t^i by Horner's rule.
func (s *sweep) polynomial(t vectors, c []Op) vectors {
	p := s.starts(c[len(c)-1])
	for i := len(c) - 2; i >= 0; i-- {
		s.horner(t, p, c[i])
	}
	return p
}

// pick sets otherwise = then where a < limit. NaN is not less. It may overwrite a and then.
func (s *sweep) pick(a reg.VecVirtual, limit Op, then, otherwise reg.VecVirtual) {
	const less = 1
	if s.lanes == 16 {
		k := s.K()
		s.VCMPPS(Imm(less), limit, a, k)
		s.VMOVAPS(then, k, otherwise)
		return
	}
	// Logic goes to any port, and a blend to those that multiply.
	s.VCMPPS(Imm(less), limit, a, a)
	s.VANDPS(then, a, then)
	s.VANDNPS(otherwise, a, otherwise)
	s.VORPS(then, otherwise, otherwise)
}

// signed gives y, which is not negative, the sign of the next element of x.
func (s *sweep) signed(y reg.VecVirtual, xs reg.Register, of signs) {
	x := s.load(xs)
	s.VANDPS(of.sign, x, x)
	s.VORPS(x, y, y)
}

// odd stores small(x) with the sign of x where |x| < limit, and else large with it: small(x) = x + x*p where p is
// the polynomial of x², or of x² and without a constant.
func (s *sweep) odd(xs, ys reg.Register, large kept, of signs, limit Op, c []Op, constant bool) {
	a, sq := s.magnitudes(xs, of), s.vectors()
	s.do(s.VMULPS, a, a, sq)
	size := s.keep(a)
	p := s.polynomial(sq, c)
	if !constant {
		s.do(s.VMULPS, sq, p, p)
	}
	a = s.back(size)
	s.do(s.VFMADD213PS, a, a, p)
	s.each(func(s *sweep) {
		y := s.backOne(large[s.part])
		s.pick(a[s.part], limit, p[s.part], y)
		s.signed(y, xs, of)
		s.store(y, ys)
	})(s)
}

// signs are what separates a number from its sign: masks in memory on AVX2, and one in a register on AVX-512.
type signs struct{ sign, rest Op }

func (x *x86) signs() signs {
	if x.lanes == 16 {
		return signs{sign: x.broadcast("signBit", U32(signBit))}
	}
	return signs{x.full("signBit", U32(signBit)), x.full("magnitude", U32(math.MaxInt32))}
}

// magnitudes loads |x|.
func (s *sweep) magnitudes(xs reg.Register, of signs) vectors {
	a := s.loads(xs)
	if s.lanes == 16 {
		s.do(s.VANDNPS, a, of.sign, a)
	} else {
		s.do(s.VANDPS, of.rest, a, a)
	}
	return a
}

// expAll is bound by 11 multiplications on AVX2, beside 7 other operations, and by 9 beside 4 on AVX-512.
func (x *x86) expAll() {
	x.function("exp", "func(x, y []float32)", "is y = exp(x), as described in elementary_generic.go.")
	xs, ys := x.base("x"), x.base("y")
	lo, hi := x.broadcast("expWideLo", F32(expWideLo)), x.broadcast("expHi", F32(expHi))
	x.hold(0, 32)
	name, half := "expWide", 1.
	if x.lanes == 16 {
		name, half = "expHalf", 0.5 // the result is then scaled by 2ⁿ at once
	}
	e := x.exponentialOf(name, expWideMagic, half)
	x.sweep(x.length("x"), x.wideChains(), func(s *sweep) {
		s.fetch(xs, ys)
		t := s.loads(xs)
		// If t is NaN, these return it: it comes first.
		s.do(x.VMINPS, t, hi, t)
		s.do(x.VMAXPS, t, lo, t)
		k, n := s.expReduce(e, t)
		if x.lanes == 16 {
			p := s.expPolynomial(e, t)
			s.do(x.VSCALEFPS, n, p, p)
			s.stores(p, ys)
			return
		}
		half, rest := make(kept, s.parts), make(kept, s.parts)
		s.each(func(s *sweep) {
			h, r := s.vec(), k[s.part]
			s.VPSRLD(Imm(1), r, h)
			s.VPSUBD(h, r, r)
			s.VPSLLD(Imm(23), h, h)
			s.VPSLLD(Imm(23), r, r)
			half[s.part], rest[s.part] = s.keepOne(h), s.keepOne(r)
		})(s)
		p := s.expPolynomial(e, t)
		s.do(x.VMULPS, half, p, p)
		s.do(x.VMULPS, rest, p, p)
		s.stores(p, ys)
	})
	x.ret()
}

// log is bound by 12 multiplications and 3 blends on AVX2, beside 13 other operations, and by the 12 beside
// 9 on AVX-512.
func (x *x86) log() {
	x.function("log", "func(x, y []float32)", "is y = log(x), as described in elementary_generic.go.")
	xs, ys := x.base("x"), x.base("y")
	x.hold(1, 32)
	one, twoThirds := x.full("one", F32(1)), x.full("logTwoThirds", U32(logTwoThirds))
	normal, scale, scaled := x.full("smallestNormal", F32(0x1p-126)), x.full("logScale", F32(logScale)), x.full("logScaled", F32(-24))
	ln2 := x.full("logLn2", F32(logLn2))
	q := x.fulls("log", logC2, logC3, logC4, logC5, logC6, logC7, logC8, logC9, logC10)
	const less, notLess, equal = 1, 5, 0
	var table, inf, minusInf Op
	if x.lanes == 16 {
		// By class of x: NaN stays, 0 becomes −Inf, a negative number NaN, +Inf stays; else the result.
		table = x.full("logTable", U32(0x03530422))
	} else {
		inf, minusInf = x.full("inf", U32(0x7f800000)), x.full("minusInf", U32(0xff800000))
	}
	x.sweep(x.length("x"), 3, func(s *sweep) {
		s.fetch(xs, ys)
		v, e := s.loads(xs), s.vectors()
		added := s.vectors()
		s.each(func(s *sweep) {
			i := s.part
			if s.lanes == 16 {
				k := s.K()
				s.VCMPPS(Imm(less), normal, v[i], k)
				s.VMULPS(scale, v[i], k, v[i])
				s.VMOVAPS_Z(scaled, k, added[i])
				return
			}
			m := s.vec()
			s.VCMPPS(Imm(less), normal, v[i], m)
			s.VMULPS(scale, v[i], added[i])
			s.VBLENDVPS(m, added[i], v[i], v[i])
			s.VANDPS(scaled, m, added[i])
		})(s)
		s.do(x.VPSUBD, twoThirds, v, e)
		s.do(x.VPSRAD, Imm(23), e, e)
		r := v
		t := s.vectors()
		s.do(x.VPSLLD, Imm(23), e, t)
		s.do(x.VPSUBD, t, r, r)
		s.do(x.VSUBPS, one, r, r)
		s.do(x.VCVTDQ2PS, e, e)
		s.do(x.VADDPS, added, e, e)
		p := s.polynomial(r, q)
		sq := t
		s.do(x.VMULPS, r, r, sq)
		s.do(x.VFMADD213PS, r, sq, p)
		s.do(x.VFMADD231PS, ln2, e, p)
		s.each(func(s *sweep) {
			v, y := s.load(xs), p[s.part]
			if s.lanes == 16 {
				s.VFIXUPIMMPS(Imm(0), table, v, y)
			} else {
				m, zero := s.vec(), s.zero()
				s.VCMPPS(Imm(notLess), inf, v, m) // NaN, too
				s.VBLENDVPS(m, v, y, y)
				s.VCMPPS(Imm(less), zero, v, m)
				s.VORPS(m, y, y) // all bits: NaN
				s.VCMPPS(Imm(equal), zero, v, m)
				s.VBLENDVPS(m, minusInf, y, y)
			}
			s.store(y, ys)
		})(s)
	})
	x.ret()
}

// tanh is bound by 17 multiplications, a blend on AVX2 and a division.
func (x *x86) tanh() {
	x.function("tanh", "func(x, y []float32)", "is y = tanh(x), as described in elementary_generic.go.")
	xs, ys := x.base("x"), x.base("y")
	hi := x.broadcast("tanhHi", F32(tanhHi))
	x.hold(0, 32)
	exp, one, of := x.exponential(), x.full("one", F32(1)), x.signs()
	small := x.full("tanhSmall", F32(tanhSmall))
	c := x.fulls("tanh", tanhC3, tanhC5, tanhC7, tanhC9, tanhC11)
	x.sweep(x.length("x"), x.chainsOf(3), func(s *sweep) {
		s.fetch(xs, ys)
		t := s.magnitudes(xs, of)
		s.do(x.VMINPS, t, hi, t) // NaN, if t is
		s.do(x.VADDPS, t, t, t)
		e := s.exp(exp, t)
		s.do(x.VADDPS, one, e, e)
		z := s.starts(exp.two)
		s.do(x.VDIVPS, e, z, z)
		y := s.starts(one)
		s.do(x.VSUBPS, z, y, y)
		s.odd(xs, ys, s.keep(y), of, small, c, false)
	})
	x.ret()
}

// erf is bound by 23 multiplications and, on AVX2, a blend.
func (x *x86) erf() {
	x.function("erf", "func(x, y []float32)", "is y = erf(x), as described in elementary_generic.go.")
	xs, ys := x.base("x"), x.base("y")
	hi := x.broadcast("erfHi", F32(erfHi))
	x.hold(0, 21)
	exp, one, of := x.exponential(), x.full("one", F32(1)), x.signs()
	small := x.full("erfSmall", F32(erfSmall))
	cp := x.fulls("erfP", erfP0, erfP1, erfP2, erfP3, erfP4, erfP5)
	cq := x.fulls("erfQ", erfQ0, erfQ1, erfQ2, erfQ3, erfQ4, erfQ5)
	x.sweep(x.length("x"), x.chainsOf(2), func(s *sweep) {
		s.fetch(xs, ys)
		t := s.magnitudes(xs, of)
		s.do(x.VMINPS, t, hi, t) // NaN, if t is
		q := s.polynomial(t, cq)
		s.do(x.VMULPS, q, t, t)
		z := s.exp(exp, t)
		y := s.starts(one)
		s.do(x.VSUBPS, z, y, y)
		s.odd(xs, ys, s.keep(y), of, small, cp, true)
	})
	x.ret()
}
