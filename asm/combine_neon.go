package main

// combineNEON writes the combination of Runge-Kutta stages, alone and with the sums that a norm needs.
func combineNEON(n *neon) {
	const args = "(h, b0 float32, k0, b []float32, k [][]float32, lo int, x, y []float32)"
	const unroll = 8
	for _, f := range []struct {
		name, result, doc string
		term              func(acc, v vreg)
	}{
		{"combine", "", "", nil},
		{"combineSum", " float32", " and returns Σ y", func(acc, v vreg) { n.fadd(acc, acc, v) }},
		{"combineSumSquares", " float32", " and returns Σ y²", func(acc, v vreg) { n.fmla(acc, v, v) }},
	} {
		n.function(f.name, "func"+args+f.result, "is y = x + h*(b0*k0 + Σ b[j]*k[j][lo:])"+f.doc+".")
		h, b0 := n.scalar("h"), n.scalar("b0")
		p, count := n.bases("x", "k0", "y"), n.length("x")
		bs, ks, stages := n.base("b"), n.base("k"), n.length("k")
		at := n.param("lo") // in bytes, which grow like a pointer
		n.op("LSL", imm(2), at)
		var sums []*reduction
		if f.term != nil {
			sums = append(sums, n.sums(unroll)) // as sum and sumSquares have, so that they give the same bits
		}
		n.groups(count, unroll, append(p, at), sums, func(parts []part) {
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
					if f.term != nil {
						f.term(sums[0].of(e), y)
					}
				})
			}
		})
		if f.term != nil {
			n.result(sums[0].result(), "ret")
		}
		n.ret()
	}
}
