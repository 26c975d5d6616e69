package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// expX86 writes what needs the exponential: softmax, and GELU with its gradient.
func expX86(x *x86) {
	x.expSum()

	x.function("softmaxGrad", "func(scale, dot float32, y, dy, dx []float32)", "is dx = scale*y*(dy − dot).")
	scale, dot := x.scalar("scale"), x.scalar("dot")
	ys, dys, dxs := x.base("y"), x.base("dy"), x.base("dx")
	x.sweep(x.length("y"), 4, func(s *sweep) {
		y, dy := s.load(ys), s.load(dys)
		x.VMULPS(scale, y, y)
		x.VSUBPS(dot, dy, dy)
		x.VMULPS(dy, y, y)
		s.store(y, dxs)
	})
	x.ret()

	x.gelu()
	x.geluGrad()
}

// exponential holds the constants of the exponential, which exp_generic.go of the kernels explains.
type exponential struct {
	log2e, magic, ln2Hi, c6    reg.VecVirtual
	ln2Lo, c5, c4, c3, c2, two Op
}

func (x *x86) exponential() exponential {
	return exponential{
		log2e: x.broadcast("expLog2e", F32(expLog2e)),
		magic: x.broadcast("expMagic", F32(expMagic)),
		ln2Hi: x.broadcast("expLn2Hi", F32(expLn2Hi)),
		ln2Lo: x.full("expLn2Lo", F32(expLn2Lo)),
		c6:    x.broadcast("expC6", F32(expC6)),
		c5:    x.full("expC5", F32(expC5)),
		c4:    x.full("expC4", F32(expC4)),
		c3:    x.full("expC3", F32(expC3)),
		c2:    x.full("expC2", F32(expC2)),
		two:   x.full("two", F32(2)),
	}
}

// exp returns exp(t) for −87.6 ≤ t ≤ 89, or NaN: expReduced of the kernels, with its products fused. It
// overwrites t.
func (x *x86) exp(e exponential, t reg.VecVirtual) reg.VecVirtual {
	k, n, p := x.vec(), x.vec(), x.vec()
	x.VMOVAPS(e.magic, k)
	x.VFMADD231PS(e.log2e, t, k)
	x.VSUBPS(e.magic, k, n)
	x.VFNMADD231PS(e.ln2Hi, n, t)
	x.VFNMADD231PS(e.ln2Lo, n, t)
	x.VMOVAPS(e.c6, p)
	for _, c := range []Op{e.c5, e.c4, e.c3, e.c2, e.two, e.two} {
		x.VFMADD213PS(c, t, p)
	}
	x.VPSLLD(Imm(23), k, k)
	x.VMULPS(k, p, p)
	return p
}

func (x *x86) expSum() {
	x.function("expSum", "func(scale, shift float32, x, y []float32) float32",
		"is y = exp(scale*x − shift) and returns Σ y. It is the exponential described in exp_generic.go.")
	scale, shift, xs, ys := x.scalar("scale"), x.scalar("shift"), x.base("x"), x.base("y")
	lo, hi := x.broadcast("expLo", F32(expLo)), x.broadcast("expHi", F32(expHi))
	exp := x.exponential()
	acc := x.accumulators(2)
	x.sweep(x.length("x"), 2, func(s *sweep) {
		t := s.load(xs)
		x.VFMSUB213PS(shift, scale, t)
		// If t is NaN, these return it: it comes first.
		x.VMINPS(t, hi, t)
		x.VMAXPS(t, lo, t)
		y := x.exp(exp, t)
		s.store(y, ys)
		s.clip(y)
		x.VADDPS(y, acc.of(s), acc.of(s))
	})
	x.result(x.reduce(acc, x.VADDPS), 0)
	x.ret()
}

// geluArgument returns t = −c*(geluA + geluB*c²), and c².
func (x *x86) geluArgument(c, b reg.VecVirtual, a Op) (t, sq reg.VecVirtual) {
	t, sq = x.vec(), x.vec()
	x.VMULPS(c, c, sq)
	x.VMOVAPS(b, t)
	x.VFNMSUB213PS(a, sq, t)
	x.VMULPS(c, t, t)
	return t, sq
}

func (x *x86) gelu() {
	x.function("gelu", "func(x, y []float32)", "is y = gelu(x), as described in gelu_generic.go.")
	xs, ys := x.base("x"), x.base("y")
	lo, hi := x.broadcast("geluLo", F32(geluLo)), x.broadcast("geluHi", F32(geluHi))
	b, a, one := x.broadcast("geluB", F32(geluB)), x.full("geluA", F32(geluA)), x.full("one", F32(1))
	exp := x.exponential()
	x.sweep(x.length("x"), 2, func(s *sweep) {
		v, c := s.load(xs), x.vec()
		x.VMAXPS(v, lo, v)
		x.VMINPS(v, hi, c)
		t, _ := x.geluArgument(c, b, a)
		e := x.exp(exp, t)
		x.VADDPS(one, e, e)
		x.VDIVPS(e, v, v)
		s.store(v, ys)
	})
	x.ret()
}

func (x *x86) geluGrad() {
	x.function("geluGrad", "func(x, dy, dx []float32)", "is dx = dy*gelu'(x), as described in gelu_generic.go.")
	xs, dys, dxs := x.base("x"), x.base("dy"), x.base("dx")
	lo, hi := x.broadcast("geluGradLo", F32(geluGradLo)), x.broadcast("geluHi", F32(geluHi))
	b, b3 := x.broadcast("geluB", F32(geluB)), x.broadcast("gelu3B", F32(3*geluB))
	a, one := x.full("geluA", F32(geluA)), x.broadcast("one", F32(1))
	exp := x.exponential()
	x.sweep(x.length("x"), 2, func(s *sweep) {
		c := s.load(xs)
		x.VMAXPS(c, lo, c)
		x.VMINPS(c, hi, c)
		t, sq := x.geluArgument(c, b, a)
		// sq = c*(geluA + 3*geluB*c²)
		x.VFMADD213PS(a, b3, sq)
		x.VMULPS(c, sq, sq)
		e := x.exp(exp, t)
		sigma := x.vec()
		x.VADDPS(one, e, sigma)
		x.VDIVPS(sigma, one, sigma)
		x.VMULPS(sigma, e, e) // 1−σ
		x.VMULPS(sq, e, e)
		x.VFMADD213PS(sigma, sigma, e)
		dy := s.load(dys)
		x.VMULPS(dy, e, e)
		s.store(e, dxs)
	})
	x.ret()
}
