package main

// combineNEON writes the combination of Runge-Kutta stages.
func combineNEON(n *neon) {
	n.function("combine", "func(h, b0 float32, k0, b []float32, k [][]float32, lo int, x, y []float32)", "is y = x + h*(b0*k0 + Σ b[j]*k[j][lo:]).")
	h, b0 := n.scalar("h"), n.scalar("b0")
	p, count := n.bases("x", "k0", "y"), n.length("x")
	bs, ks, stages := n.base("b"), n.base("k"), n.length("k")
	at := n.param("lo") // in bytes, which grow like a pointer
	n.op("LSL", imm(2), at)
	n.groups(count, 8, append(p, at), nil, func(parts []part) {
		var v []vreg
		for _, e := range parts {
			v = append(v, e.load(p[1]))
			n.fmul(v[e.index], v[e.index], b0)
		}
		n.scope(func() {
			left, bp, kp, k, b := n.x(), n.x(), n.x(), n.x(), n.v()
			stage, done := n.newLabel("stage"), n.newLabel("done")
			n.op("MOVD", stages, left)
			n.op("CBZ", left, done)
			n.op("MOVD", bs, bp)
			n.op("MOVD", ks, kp)
			n.label(stage)
			n.op("MOVD.P", kp.at(24), k) // a slice
			n.op("FMOVS.P", bp.at(4), b.f())
			n.op("ADD", at, k)
			for _, e := range parts {
				n.scope(func() { n.fmlaLane(v[e.index], e.load(k), b, 0) })
			}
			n.op("SUBS", imm(1), left)
			n.op("BNE", stage)
			n.label(done)
		})
		for _, e := range parts {
			n.scope(func() {
				y := e.load(p[0])
				n.fmla(y, v[e.index], h)
				e.store(y, p[2])
			})
		}
	})
	n.ret()
}
