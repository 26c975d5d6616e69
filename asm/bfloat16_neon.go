package main

// bfloat16NEON writes the conversions between float32 and bfloat16, in integer arithmetic: the BFCVTN of
// newer CPUs is not in the baseline.
func bfloat16NEON(n *neon) {
	n.function("toBF16", "func(x []float32, y []BFloat16)", "is y = x, rounded to nearest even; NaN becomes quiet.")
	one, bias, quiet := n.bits(1, "1"), n.bits(0x7fff, "half of the last place, less one"), n.bits(1<<22, "the quiet bit")
	p, count := n.bases("x", "y"), n.length("x")
	n.loop(count, 4, p[:1], nil, func(e part) {
		x := e.load(p[0])
		t, number := n.v(), n.v()
		n.op("VUSHR", imm(16), x.s4(), t.s4())
		n.op("VAND", one.b16(), t.b16(), t.b16())
		n.op("VADD", bias.s4(), t.s4(), t.s4())
		n.op("VADD", x.s4(), t.s4(), t.s4())
		n.fcmeq(number, x, x)
		n.op("VORR", quiet.b16(), x.b16(), x.b16())
		n.op("VBIF", number.b16(), x.b16(), t.b16())
		if e.width == 4 {
			n.op("VUZP2", t.h8(), t.h8(), t.h8())
			n.op("FMOVD.P", t.f(), p[1].at(8))
			return
		}
		bits := n.x()
		n.op("FMOVS", t.f(), bits)
		n.op("LSR", imm(16), bits)
		n.op("MOVH.P", bits, p[1].at(2))
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
