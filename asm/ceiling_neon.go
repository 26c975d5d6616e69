package main

// ceilingNEON writes the loop that measures what the multiply-add units can do: the accumulators of the
// largest tile, by element, without a load. Zeros are as fast as any other number.
func ceilingNEON(n *neon) {
	n.function("fma", "func(n int) float64", "runs n rounds of 24 independent multiply-adds on four lanes and returns 2*4*24*n.")
	count := n.param("n")
	a, b := n.zero(), n.zero()
	acc := n.vs(neonRows * neonVectors)
	for _, v := range acc {
		n.mov(v, a)
	}
	x := n.x()
	n.op("MOVD", imm(2*4*len(acc)), x)
	n.op("MUL", count, x)
	loop, done := n.newLabel("loop"), n.newLabel("done")
	n.op("CMP", imm(0), count)
	n.op("BLE", done)
	n.label(loop)
	n.op("SUBS", imm(1), count)
	for i, v := range acc {
		n.fmlaLane(v, a, b, i%4)
	}
	n.op("BNE", loop)
	n.label(done)
	n.op("SCVTFD", x, a.f())
	n.op("FMOVD", a.f(), n.arg("ret"))
	n.ret()
}
