package main

// bfloat16NEON writes the conversions between float32 and bfloat16, in integer arithmetic: the BFCVTN of
// newer CPUs is not in the baseline.
func bfloat16NEON(n *neon) {
	n.function("toBF16", "func(x []float32, y []BFloat16)", "is y = x, rounded to nearest even; NaN becomes quiet.")
	r := n.bf16Rounding()
	p, count := n.bases("x", "y"), n.length("x")
	n.loop(count, 4, p[:1], nil, func(e part) {
		r.store(e, e.load(p[0]), p[1])
	})
	n.ret()

	n.function("fromBF16", "func(x []BFloat16, y []float32)", "is y = x.")
	zero := n.zero()
	p, count = n.bases("x", "y"), n.length("x")
	n.loop(count, 4, p[1:], nil, func(e part) {
		if e.width == 4 {
			x := n.v()
			n.op("FMOVD.P", p[0].at(8), x.f())
			n.op("VZIP1", x.h8(), zero.h8(), x.h8())
			e.store(x, p[1])
			return
		}
		bits := n.x()
		n.op("MOVHU.P", p[0].at(2), bits)
		n.op("LSL", imm(16), bits)
		n.op("MOVW", bits, p[1].at(0))
	})
	n.ret()
}

type bf16RoundingNEON struct{ one, bias, quiet vreg }

func (n *neon) bf16Rounding() bf16RoundingNEON {
	return bf16RoundingNEON{n.bits(1, "1"), n.bits(0x7fff, "half of the last place, less one"), n.bits(1<<22, "the quiet bit")}
}

// store stores x, rounded, in a slice of 16-bit elements, and goes on in it. x does not stay.
func (r bf16RoundingNEON) store(e part, x vreg, to xreg) {
	t, number := e.v(), e.v()
	e.op("VUSHR", imm(16), x.s4(), t.s4())
	e.op("VAND", r.one.b16(), t.b16(), t.b16())
	e.op("VADD", r.bias.s4(), t.s4(), t.s4())
	e.op("VADD", x.s4(), t.s4(), t.s4())
	e.fcmeq(number, x, x)
	e.op("VORR", r.quiet.b16(), x.b16(), x.b16())
	e.op("VBIF", number.b16(), x.b16(), t.b16())
	if e.width == 4 {
		e.op("VUZP2", t.h8(), t.h8(), t.h8())
		e.op("FMOVD.P", t.f(), to.at(8))
		return
	}
	bits := e.x()
	e.op("FMOVS", t.f(), bits)
	e.op("LSR", imm(16), bits)
	e.op("MOVH.P", bits, to.at(2))
}
