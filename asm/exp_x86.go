package main

import (
	. "github.com/mmcloughlin/avo/operand"
)

// expX86 writes what needs the exponential: softmax, and GELU with its gradient.
func expX86(x *x86) {
	x.expSum()

	x.function("softmaxGrad", "func(scale, dot float32, y, dy, dx []float32)", "is dx = scale*y*(dy − dot).")
	scale, dot := x.scalar("scale"), x.scalar("dot")
	ys, dys, dxs := x.base("y"), x.base("dy"), x.base("dx")
	x.sweep(x.length("y"), 4, x.each(func(s *sweep) {
		y, dy := s.load(ys), s.load(dys)
		x.VMULPS(scale, y, y)
		x.VSUBPS(dot, dy, dy)
		x.VMULPS(dy, y, y)
		s.store(y, dxs)
	}))
	x.ret()

	x.gelu()
	x.geluGrad()
}

// chains is how many exponentials are computed side by side: on AVX-512 as many as hide the latency of
// each step, on AVX2 as many as the registers allow if constants stay in memory.
func (x *x86) chains() int {
	if x.lanes == 16 {
		return 4
	}
	return 3
}

// wideChains is the same for functions that keep some of their vectors in memory on AVX2.
func (x *x86) wideChains() int { return x.chainsOf(4) }

// chainsOf is so many on AVX-512, and on AVX2 as many as there are registers for two vectors of each beside a constant
// that all of them take: a window of the program that the CPU looks over has less than two such iterations in it.
func (x *x86) chainsOf(avx512 int) int {
	if x.lanes == 16 {
		return avx512
	}
	return 6
}

// exponential holds the constants of the exponential, which exp_generic.go of the kernels explains.
type exponential struct {
	log2e, magic, ln2Hi, ln2Lo, c6, c5, c4, c3, c2, two Op
}

func (x *x86) exponential() exponential { return x.exponentialOf("exp", expMagic, 1) }

// exponentialOf has another magic number, and coefficients that are scaled.
func (x *x86) exponentialOf(name string, magic, scale float64) exponential {
	return exponential{
		magic: x.full(name+"Magic", F32(magic)),
		two:   x.full(name+"Two", F32(2*scale)),
		log2e: x.full("expLog2e", F32(expLog2e)),
		ln2Hi: x.full("expLn2Hi", F32(expLn2Hi)),
		ln2Lo: x.full("expLn2Lo", F32(expLn2Lo)),
		c6:    x.full(name+"C6", F32(expC6*scale)),
		c5:    x.full(name+"C5", F32(expC5*scale)),
		c4:    x.full(name+"C4", F32(expC4*scale)),
		c3:    x.full(name+"C3", F32(expC3*scale)),
		c2:    x.full(name+"C2", F32(expC2*scale)),
	}
}

// exp returns exp(t) for −87.6 ≤ t ≤ 89, or NaN: expNarrow of the kernels. It overwrites t.
func (s *sweep) exp(e exponential, t vectors) vectors {
	k, _ := s.expReduce(e, t)
	s.do(s.VPSLLD, Imm(23), k, k)
	power := s.keep(k)
	p := s.expPolynomial(e, t)
	s.do(s.VMULPS, power, p, p)
	s.drop(power)
	return p
}

// expReduce replaces t by t − n·ln 2 and returns n and k = n + magic.
func (s *sweep) expReduce(e exponential, t vectors) (k, n vectors) {
	k, n = s.copies(e.magic), s.vectors()
	s.do(s.VFMADD231PS, e.log2e, t, k)
	if s.lanes == 8 && s.parts >= manyChains {
		// One n after the other: a register for each would be more than there are.
		s.each(func(s *sweep) {
			i := s.part
			s.VSUBPS(e.magic, k[i], n[i])
			s.VFNMADD231PS(e.ln2Hi, n[i], t[i])
			s.VFNMADD231PS(e.ln2Lo, n[i], t[i])
		})(s)
		return k, n
	}
	s.do(s.VSUBPS, e.magic, k, n)
	s.do(s.VFNMADD231PS, e.ln2Hi, n, t)
	s.do(s.VFNMADD231PS, e.ln2Lo, n, t)
	return k, n
}

// expPolynomial returns 2·exp(r), scaled as the coefficients are.
func (s *sweep) expPolynomial(e exponential, r vectors) vectors {
	p := s.copies(e.c6)
	s.horner(r, p, e.c5, e.c4, e.c3, e.c2, e.two, e.two)
	return p
}

func (x *x86) expSum() {
	x.function("expSum", "func(scale, shift float32, x, y []float32) float32",
		"is y = exp(scale*x − shift) and returns Σ y. It is the exponential described in exp_generic.go.")
	scale, shift, xs, ys := x.scalar("scale"), x.scalar("shift"), x.base("x"), x.base("y")
	lo, hi := x.broadcast("expLo", F32(expLo)), x.broadcast("expHi", F32(expHi))
	acc := x.accumulators(2)
	x.hold(1, 32)
	exp := x.exponential()
	x.sweep(x.length("x"), x.chains(), func(s *sweep) {
		t := s.loads(xs)
		s.do(x.VFMSUB213PS, shift, scale, t)
		// If t is NaN, these return it: it comes first.
		s.do(x.VMINPS, t, hi, t)
		s.do(x.VMAXPS, t, lo, t)
		y := s.exp(exp, t)
		s.stores(y, ys)
		x.each(func(s *sweep) {
			s.clip(y[s.part])
			x.VADDPS(y[s.part], acc.of(s), acc.of(s))
		})(s)
	})
	x.result(x.reduce(acc, x.VADDPS), 0)
	x.ret()
}

// geluArgument returns t = −c*(geluA + geluB*c²), c², and c put away.
func (s *sweep) geluArgument(c vectors, a, b Op) (t, sq vectors, away kept) {
	away, sq = s.keep(c), s.vectors()
	s.do(s.VMULPS, c, c, sq)
	t = s.copies(b)
	s.do(s.VFNMSUB213PS, a, sq, t)
	s.do(s.VMULPS, away, t, t)
	return t, sq, away
}

// sigmoid returns σ = 1/(1 + e), and 1−σ = e*σ.
func (s *sweep) sigmoid(one Op, e vectors) (sigma, rest vectors) {
	power, v := s.keep(e), s.vectors()
	s.do(s.VADDPS, one, e, v)
	sigma, rest = s.copies(one), s.vectors()
	s.do(s.VDIVPS, v, sigma, sigma)
	s.do(s.VMULPS, power, sigma, rest)
	return sigma, rest
}

func (x *x86) gelu() {
	x.function("gelu", "func(x, y []float32)", "is y = gelu(x), as described in gelu_generic.go.")
	xs, ys := x.base("x"), x.base("y")
	lo, hi := x.broadcast("geluLo", F32(geluLo)), x.broadcast("geluHi", F32(geluHi))
	x.hold(0, 32)
	exp := x.exponential()
	b, a, one := x.full("geluB", F32(geluB)), x.full("geluA", F32(geluA)), x.full("one", F32(1))
	x.sweep(x.length("x"), x.wideChains(), func(s *sweep) {
		s.fetch(xs, ys)
		v := s.loads(xs)
		s.do(x.VMAXPS, v, lo, v)
		upper := s.keep(v)
		c := s.vectors()
		s.do(x.VMINPS, v, hi, c)
		t, _, clamped := s.geluArgument(c, a, b)
		s.drop(clamped)
		e := s.exp(exp, t)
		s.do(x.VADDPS, one, e, e)
		v = s.back(upper)
		s.do(x.VDIVPS, e, v, v)
		s.stores(v, ys)
	})
	x.ret()
}

func (x *x86) geluGrad() {
	x.function("geluGrad", "func(x, dy, dx []float32)", "is dx = dy*gelu'(x), as described in gelu_generic.go.")
	xs, dys, dxs := x.base("x"), x.base("dy"), x.base("dx")
	lo, hi := x.broadcast("geluGradLo", F32(geluGradLo)), x.broadcast("geluHi", F32(geluHi))
	x.hold(0, 32)
	exp, one := x.exponential(), x.full("one", F32(1))
	b, a, b3 := x.full("geluB", F32(geluB)), x.full("geluA", F32(geluA)), x.broadcast("gelu3B", F32(3*geluB))
	x.sweep(x.length("x"), x.wideChains(), func(s *sweep) {
		s.fetch(xs, dys, dxs)
		c := s.loads(xs)
		s.do(x.VMAXPS, c, lo, c)
		s.do(x.VMINPS, c, hi, c)
		t, q, clamped := s.geluArgument(c, a, b)
		s.do(x.VFMADD213PS, a, b3, q)
		s.do(x.VMULPS, clamped, q, q) // c*(geluA + 3*geluB*c²)
		s.drop(clamped)
		slope := s.keep(q)
		e := s.exp(exp, t)
		sigma, e := s.sigmoid(one, e)
		s.do(x.VMULPS, slope, e, e)
		s.do(x.VFMADD213PS, sigma, sigma, e)
		dy := s.loads(dys)
		s.do(x.VMULPS, dy, e, e)
		s.stores(e, dxs)
	})
	x.ret()
}
