package main

// ceilingNEON writes the loops that measure what the multiply-add units can do: the accumulators of the
// largest tile, by element, without a load. Zeros are as fast as any other number.
func ceilingNEON(n *neon) {
	n.fmaCeiling("runs n rounds of 24 independent multiply-adds on four lanes and returns 2*4*24*n.", 4, func(acc, a, b vreg, i int) { n.fmlaLane(acc, a, b, i%4) })
	n.feature = "BF16"
	n.fmaCeiling("runs n rounds of 24 independent BFMMLA, of 16 multiply-adds each, and returns 2*16*24*n.", 16, func(acc, a, b vreg, i int) { n.bfmmla(acc, a, b) })
	n.feature = ""
}

// fmaCeiling writes the loop for an instruction of so many multiply-adds.
func (n *neon) fmaCeiling(doc string, each int, multiply func(acc, a, b vreg, i int)) {
	n.function("fma", "func(n int) float64", doc)
	count := n.param("n")
	a, b := n.zero(), n.zero()
	acc := n.vs(neonRows * neonVectors)
	for _, v := range acc {
		n.mov(v, a)
	}
	x := n.x()
	n.op("MOVD", imm(2*each*len(acc)), x)
	n.op("MUL", count, x)
	loop, done := n.newLabel("loop"), n.newLabel("done")
	n.op("CMP", imm(0), count)
	n.op("BLE", done)
	n.label(loop)
	n.op("SUBS", imm(1), count)
	for i, v := range acc {
		multiply(v, a, b, i)
	}
	n.op("BNE", loop)
	n.label(done)
	n.op("SCVTFD", x, a.f())
	n.op("FMOVD", a.f(), n.arg("ret"))
	n.ret()
}
