package main

import (
	"math"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// level1X86 writes the operations of level 1 of BLAS, in both precisions, with the sums and the maximum
// that rows need.
func level1X86(x *x86) {
	for _, x.double = range []bool{false, true} {
		x.blas1()
	}
	x.double = false

	x.reduction("sum", "func(x []T) T", "is Σ x.", 8, func(s *sweep, p []reg.Register, acc reg.VecVirtual) {
		x.VADDPS(s.load(p[0]), acc, acc)
	}, "x")

	x.function("sumSqDiff", "func(mean float32, x []float32) float32", "is Σ (x−mean)².")
	mean, xs := x.scalar("mean"), x.base("x")
	acc := x.accumulators(8)
	x.sweep(x.length("x"), 8, x.each(func(s *sweep) {
		v := s.load(xs)
		x.VSUBPS(mean, v, v)
		s.clip(v)
		x.VFMADD231PS(v, v, acc.of(s))
	}))
	x.result(x.reduce(acc, x.VADDPS), 0)
	x.ret()

	x.max()
}

func (x *x86) blas1() {
	x.function(x.prefix()+"axpy", x.of("func(alpha T, x, y []T)"), "is y += alpha*x.")
	alpha, xs, ys := x.scalar("alpha"), x.base("x"), x.base("y")
	x.sweep(x.length("x"), 4, x.each(func(s *sweep) {
		v, y := s.load(xs), s.load(ys)
		x.fma(v, alpha, y)
		s.store(y, ys)
	}))
	x.ret()

	x.function(x.prefix()+"scal", x.of("func(alpha T, x []T)"), "is x *= alpha.")
	alpha, xs = x.scalar("alpha"), x.base("x")
	x.sweep(x.length("x"), 4, x.each(func(s *sweep) {
		v := s.load(xs)
		x.mul(v, alpha, v)
		s.store(v, xs)
	}))
	x.ret()

	x.scalInc()

	x.reduction("dot", "func(x, y []T) T", "is Σ x*y.", 8, func(s *sweep, p []reg.Register, acc reg.VecVirtual) {
		v, y := s.load(p[0]), s.load(p[1])
		x.fma(v, y, acc)
	}, "x", "y")
	x.reduction("sumSquares", "func(x []T) T", "is Σ x².", 8, func(s *sweep, p []reg.Register, acc reg.VecVirtual) {
		v := s.load(p[0])
		x.fma(v, v, acc)
	}, "x")
	x.magnitudes("asum", "is Σ |x|.", x.add)
	x.magnitudes("amax", "is the largest |x|, 0 if there is none; NaN is left out.", x.larger)
}

// scalInc does four elements at a time and waits for their loads. Elements a multiple of a page apart share a
// line of the first cache in each of its eight ways; loads that run further ahead of the stores evict what
// these are for, which takes four times as long (Zen 4: 4.2 against 17 ns an element, rows of 8 KB).
//
// scalNear does not wait. An element takes a cycle on Zen 4, for its store. Where elements are two, four or eight
// apart, AVX-512 stores those of a line at once, under a mask; AVX2's stores under a mask take three cycles for an element.
func (x *x86) scalInc() {
	x.scalFew("scalInc", "is x[i*inc] *= alpha for i < n, a positive multiple of 4.", true)
	x.scalFew("scalNear", "is x[i*inc] *= alpha for i < n, a positive multiple of 4, where elements are not a multiple of a page apart.", false)
}

func (x *x86) scalFew(name, doc string, waits bool) {
	x.function(x.prefix()+name, x.of("func(n int, alpha T, x *T, inc int)"), doc)
	n, alpha, p, inc, inc3 := x.param("n"), x.XMM(), x.param("x"), x.param("inc"), x.GP64()
	if x.lanes == 16 && !waits {
		for apart := 2; apart < x.elements(); apart *= 2 {
			x.scalMasked(n, p, inc, apart)
		}
	}
	x.one(x.paramAddr("alpha"), alpha)
	x.SHLQ(x.shift(), inc)
	x.LEAQ(Mem{Base: inc, Index: inc, Scale: 2}, inc3)
	elements := []Mem{{Base: p}, {Base: p, Index: inc, Scale: 1}, {Base: p, Index: inc, Scale: 2}, {Base: p, Index: inc3, Scale: 1}}
	loop := x.label("loop")
	x.Label(loop)
	var v []reg.VecVirtual
	for _, e := range elements {
		v = append(v, x.XMM())
		if x.double {
			x.VMULSD(e, alpha, v[len(v)-1])
		} else {
			x.VMULSS(e, alpha, v[len(v)-1])
		}
	}
	for i, e := range elements {
		x.one(v[i], e)
	}
	if waits {
		x.LFENCE()
	}
	x.LEAQ(Mem{Base: p, Index: inc, Scale: 4}, p)
	x.SUBQ(Imm(4), n)
	x.JG(LabelRef(loop))
	x.RET()
}

// scalMasked is the whole of scalNear if inc is apart, which leaves more than one element to a vector.
func (x *x86) scalMasked(n, p, inc reg.Register, apart int) {
	other, loop, last, end := x.label("other"), x.label("masked"), x.label("last"), x.label("end")
	x.CMPQ(inc, Imm(uint64(apart)))
	x.JNE(LabelRef(other))
	alpha, bits, k, m := x.scalar("alpha"), x.GP32(), x.K(), Mem{Base: p}
	var mask uint32
	group := 0 // elements in a vector
	for i := 0; i < x.elements(); i += apart {
		mask |= 1 << i
		group++
	}
	scale := func() {
		v := x.vec()
		if x.double {
			x.VMULPD_Z(m, alpha, k, v)
			x.VMOVUPD(v, k, m)
		} else {
			x.VMULPS_Z(m, alpha, k, v)
			x.VMOVUPS(v, k, m)
		}
	}
	x.MOVL(U32(mask), bits)
	x.KMOVW(bits, k)
	x.Label(loop)
	x.SUBQ(Imm(uint64(group)), n)
	x.JLT(LabelRef(last))
	scale()
	x.ADDQ(Imm(uint64(x.bytes())), p)
	x.JMP(LabelRef(loop))
	x.Label(last)
	if group > 4 { // n may be a multiple and four more
		x.ADDQ(Imm(uint64(group)), n)
		x.JEQ(LabelRef(end))
		x.MOVL(U32(mask&(1<<(4*apart)-1)), bits)
		x.KMOVW(bits, k)
		scale()
		x.Label(end)
	}
	x.ret()
	x.Label(other)
}

// magnitudes writes a reduction of absolute values. With larger, an accumulator is the operand that is
// taken where the other is NaN.
func (x *x86) magnitudes(name, doc string, op operation) {
	x.function(x.prefix()+name, x.of("func(x []T) T"), doc)
	xs, mask := x.base("x"), x.magnitude()
	acc := x.accumulators(8)
	x.sweep(x.length("x"), 8, x.each(func(s *sweep) {
		v, a := s.load(xs), acc.of(s)
		x.and(v, mask, v)
		op(a, v, a)
	}))
	x.result(x.reduce(acc, op), 0)
	x.ret()
}

// reduction writes a function that sums over its slice arguments.
func (x *x86) reduction(name, signature, doc string, unroll int, term func(s *sweep, p []reg.Register, acc reg.VecVirtual), slices ...string) {
	x.function(x.prefix()+name, x.of(signature), doc)
	var p []reg.Register
	for _, slice := range slices {
		p = append(p, x.base(slice))
	}
	acc := x.accumulators(unroll)
	x.sweep(x.length(slices[0]), unroll, x.each(func(s *sweep) { term(s, p, acc.of(s)) }))
	x.result(x.reduce(acc, x.add), 0)
	x.ret()
}

func (x *x86) max() {
	x.function("max", "func(x []float32) float32", "is the largest element, −Inf if there is none; NaN is left out.")
	xs := x.base("x")
	least := x.broadcast("minusInf", U32(math.Float32bits(float32(math.Inf(-1)))))
	acc := make(accumulators, 8)
	for i := range acc {
		acc[i] = x.vec()
		x.VMOVAPS(least, acc[i])
	}
	x.sweep(x.length("x"), 8, x.each(func(s *sweep) {
		v := s.load(xs)
		a := acc.of(s)
		s.fill(v, least)
		x.VMAXPS(a, v, a) // the first operand, if one is NaN
	}))
	x.result(x.reduce(acc, x.VMAXPS), 0)
	x.ret()
}
