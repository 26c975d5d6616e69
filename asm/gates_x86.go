package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// This file has the functions of gates_generic.go, operation for operation; the bounds are counted as in
// elementary_x86.go.

// silu is bound by 10 multiplications and a division.
func (x *x86) silu() {
	x.function("silu", "func(x, y []float32)", "is y = silu(x), as described in gates_generic.go.")
	xs, ys := x.base("x"), x.base("y")
	lo, hi := x.broadcast("siluLo", F32(siluLo)), x.broadcast("siluHi", F32(siluHi))
	x.hold(0, 32)
	exp, one, sign := x.exponential(), x.full("one", F32(1)), x.signs().sign
	x.sweep(x.length("x"), x.wideChains(), func(s *sweep) {
		s.fetch(xs, ys)
		v := s.loads(xs)
		// NaN comes first, so that these return it.
		s.do(x.VMAXPS, v, lo, v)
		upper, t := s.keep(v), s.vectors()
		s.do(x.VMINPS, v, hi, t)
		s.do(x.VXORPS, sign, t, t)
		e := s.exp(exp, t)
		s.do(x.VADDPS, one, e, e)
		v = s.back(upper)
		s.do(x.VDIVPS, e, v, v)
		s.stores(v, ys)
	})
	x.ret()
}

// siluGrad is bound by 14 multiplications and a division.
func (x *x86) siluGrad() {
	x.function("siluGrad", "func(x, dy, dx []float32)", "is dx = dy*silu'(x), as described in gates_generic.go.")
	xs, dys, dxs := x.base("x"), x.base("dy"), x.base("dx")
	lo, hi := x.broadcast("siluGradLo", F32(siluGradLo)), x.broadcast("siluHi", F32(siluHi))
	x.hold(0, 32)
	exp, one, sign := x.exponential(), x.full("one", F32(1)), x.signs().sign
	x.sweep(x.length("x"), x.wideChains(), func(s *sweep) {
		s.fetch(xs, dys, dxs)
		v := s.loads(xs)
		s.do(x.VMAXPS, v, lo, v)
		s.do(x.VMINPS, v, hi, v)
		c, t := s.keep(v), s.vectors()
		s.do(x.VXORPS, sign, v, t)
		e := s.exp(exp, t)
		sigma, e := s.sigmoid(one, e)
		s.do(x.VMULPS, c, e, e)
		s.do(x.VFMADD213PS, sigma, sigma, e)
		dy := s.loads(dys)
		s.do(x.VMULPS, dy, e, e)
		s.stores(e, dxs)
	})
	x.ret()
}

// geluErfConstants are those of geluErfParts; as many of q as there are registers for are held in them.
type geluErfConstants struct {
	exp                 exponential
	hi                  reg.VecVirtual
	signs               signs
	one, k, minus2K, mh Op
	q                   []Op
}

func (x *x86) geluErfConstants(avx512 int) geluErfConstants {
	hi := x.broadcast("geluErfHi", F32(geluErfHi))
	x.hold(0, avx512)
	return geluErfConstants{
		hi: hi, signs: x.signs(), one: x.full("one", F32(1)),
		k: x.full("geluErfK", F32(geluErfK)), minus2K: x.full("geluErfMinus2K", F32(geluErfMinus2K)), mh: x.full("minusHalf", F32(-0.5)),
		exp: x.exponential(),
		q: x.fulls("geluErf", geluErfC0, geluErfC1, geluErfC2, geluErfC3, geluErfC4, geluErfC5,
			geluErfC6, geluErfC7, geluErfC8),
	}
}

// clamped loads min(|x|, hi), or NaN.
func (s *sweep) clamped(xs reg.Register, g geluErfConstants) vectors {
	c := s.magnitudes(xs, g.signs)
	s.do(s.VMINPS, c, g.hi, c)
	return c
}

// geluErfParts returns what it does in gates_generic.go.
func (s *sweep) geluErfParts(xs reg.Register, g geluErfConstants) (e kept, q vectors) {
	low, sq := s.clamped(xs, g), s.vectors()
	s.do(s.VMULPS, low, low, sq)
	s.do(s.VFMSUB213PS, sq, low, low)
	lost, t := s.keep(low), sq
	s.do(s.VMULPS, g.mh, t, t)
	k, _ := s.expReduce(g.exp, t)
	s.do(s.VPSLLD, Imm(23), k, k)
	power := s.keep(k)
	s.do(s.VFMADD231PS, g.mh, s.back(lost), t)
	s.drop(lost)
	p := s.expPolynomial(g.exp, t)
	s.do(s.VMULPS, power, p, p)
	s.drop(power)
	e = s.keep(p)

	c, w := s.clamped(xs, g), s.copies(g.one)
	s.do(s.VADDPS, g.k, c, c)
	s.do(s.VDIVPS, c, w, w)
	u := s.copies(g.one)
	s.do(s.VFMADD231PS, g.minus2K, w, u)
	over := s.keep(w)
	q = s.polynomial(u, g.q)
	s.do(s.VMULPS, over, q, q)
	return e, q
}

// geluErf is bound by 26 multiplications and a division.
func (x *x86) geluErf() {
	x.function("geluErf", "func(x, y []float32)", "is y = geluErf(x), as described in gates_generic.go.")
	xs, ys := x.base("x"), x.base("y")
	g := x.geluErfConstants(18)
	x.sweep(x.length("x"), x.chainsOf(2), func(s *sweep) {
		s.fetch(xs, ys)
		e, q := s.geluErfParts(xs, g)
		s.do(x.VMULPS, s.clamped(xs, g), q, q)
		y, zero := s.loads(xs), s.zero()
		s.do(x.VMAXPS, zero, y, y)
		s.do(x.VFNMADD231PS, e, q, y)
		s.each(func(s *sweep) {
			s.signed(y[s.part], xs, g.signs)
			s.store(y[s.part], ys)
		})(s)
	})
	x.ret()
}

// geluErfGrad is bound by 27 multiplications, a blend on AVX2 and a division.
func (x *x86) geluErfGrad() {
	x.function("geluErfGrad", "func(x, dy, dx []float32)", "is dx = dy*geluErf'(x), as described in gates_generic.go.")
	xs, dys, dxs := x.base("x"), x.base("dy"), x.base("dx")
	g := x.geluErfConstants(18)
	density := x.full("geluErfDensity", F32(geluErfDensity))
	x.sweep(x.length("x"), x.chainsOf(2), func(s *sweep) {
		s.fetch(xs, dys, dxs)
		e, q := s.geluErfParts(xs, g)
		c := s.clamped(xs, g)
		if _, memory := density.(Mem); memory && x.lanes == 16 {
			s.do(x.VFMADD231PS_BCST, density, c, q)
		} else {
			s.do(x.VFMADD231PS, density, c, q)
		}
		s.do(x.VMULPS, e, q, q)
		d, zero := s.copies(g.one), s.zero()
		s.do(x.VSUBPS, q, d, d)
		s.each(func(s *sweep) { s.pick(s.load(xs), zero, q[s.part], d[s.part]) })(s)
		dy := s.loads(dys)
		s.do(x.VMULPS, dy, d, d)
		s.stores(d, dxs)
	})
	x.ret()
}
