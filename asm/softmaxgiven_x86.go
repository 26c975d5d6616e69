package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// softmaxGivenX86 writes the softmax of rows whose sums are known, and its gradient: no row has anything to wait for, so
// the CPU begins the next while it ends the last.
func softmaxGivenX86(x *x86) {
	x.function("softmaxGivenRows", "func(rows, cols, causal int, scale float32, x *float32, ldx int, logSums, y *float32, ldy int)",
		"is what is described at isa.softmaxGivenRows.")
	scale, shift := x.scalar("scale"), x.vec()
	if x.lanes == 16 {
		x.givenFloor(scale, shift)
	} else {
		x.givenNear(scale, shift)
	}
	x.ret()

	x.function("softmaxGivenGradRows", "func(rows, cols, causal int, scale float32, y *float32, ldy int, dots, dy *float32, lddy int, dx *float32, lddx int)",
		"is what is described at isa.softmaxGivenGradRows.")
	scale, dot := x.scalar("scale"), x.vec()
	x.givenRows("dots", dot, []string{"y", "dy", "dx"}, func(n reg.Register, p []reg.Register) {
		x.sweep(n, 4, x.each(func(s *sweep) {
			y, dy := s.load(p[0]), s.load(p[1])
			x.VMULPS(scale, y, y)
			x.VSUBPS(dot, dy, dy)
			x.VMULPS(dy, y, y)
			s.store(y, p[2])
		}))
	})
	x.ret()
}

// givenRows writes a loop over rows of matrices, with the element of a row that is given in every lane of v.
func (x *x86) givenRows(given string, v reg.VecVirtual, matrices []string, body func(n reg.Register, p []reg.Register)) {
	rows, at, length := x.param("rows"), x.param(given), x.param("causal")
	var p []reg.Register
	for _, m := range matrices {
		p = append(p, x.param(m))
	}
	loop, some := x.label("row"), x.label("causal")
	x.TESTQ(length, length)
	x.JNE(LabelRef(some))
	x.MOVQ(x.paramAddr("cols"), length)
	x.Label(some)
	x.Label(loop)
	x.VBROADCASTSS(Mem{Base: at}, v)
	n := x.GP64()
	x.MOVQ(x.paramAddr("cols"), n)
	x.CMPQ(n, length)
	x.CMOVQGT(length, n)
	body(n, p)
	for i, m := range matrices {
		x.onTo(p[i], "ld"+m)
	}
	x.ADDQ(Imm(4), at)
	x.INCQ(length) // past cols if all rows are as long
	x.DECQ(rows)
	x.JNE(LabelRef(loop))
}

// givenNear is with the exponential of exp_generic.go.
func (x *x86) givenNear(scale, shift reg.VecVirtual) {
	lo, hi := x.broadcast("expLo", F32(expLo)), x.broadcast("expHi", F32(expHi))
	x.hold(1, 0)
	exp := x.exponential()
	x.givenRows("logSums", shift, []string{"x", "y"}, func(n reg.Register, p []reg.Register) {
		x.sweep(n, x.chains(), func(s *sweep) {
			t := s.loads(p[0])
			s.do(x.VFMSUB213PS, shift, scale, t)
			// If t is NaN, these return it: it comes first.
			s.do(x.VMINPS, t, hi, t)
			s.do(x.VMAXPS, t, lo, t)
			s.stores(s.exp(exp, t), p[1])
		})
	})
}

// givenFloor is with that of softmaxRows. What is less than the shift is rounded once before it is multiplied by log₂e:
// scale*log₂e would be off by as much of an element as of what it is less.
func (x *x86) givenFloor(scale, shift reg.VecVirtual) {
	x.hold(0, 32)
	exp := exp2{slope: x.broadcast("expLog2e", F32(expLog2e)), c: x.exp2Floor(), least: x.broadcast("exp2Least", F32(exp2Least))}
	x.givenRows("logSums", shift, []string{"x", "y"}, func(n reg.Register, p []reg.Register) {
		x.sweep(n, x.chains(), func(s *sweep) {
			d := s.loads(p[0])
			s.do(x.VFMSUB213PS, shift, scale, d)
			begin, v := exp.reduce(s, d)
			begin.run()
			y, end := exp.scaled(s, v, true)
			end.run()
			s.stores(y, p[1])
		})
	})
}
