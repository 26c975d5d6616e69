package main

// reduceNEON writes the maximum that sees NaN, and the search for its place.
func reduceNEON(n *neon) {
	n.function("maxNaN", "func(x []float32) float32", "is the largest element, NaN if one is, −Inf if there is none.")
	p, count := n.bases("x"), n.length("x")
	m := n.maxima(8)
	m.combine, m.lanes = n.fmax, n.fmaxv
	n.loop(count, 8, p, []*reduction{m}, func(e part) { n.fmax(m.of(e), m.of(e), e.load(p[0])) })
	n.result(m.result(), "ret")
	n.ret()

	// Four vectors at a time and, from where one has the value on, vector by vector.
	n.function("find", "func(v float32, x []float32) int", "is the place of the first element that equals v, len(x) if there is none.")
	v, at, xs, left := n.scalar("v"), n.x(), n.base("x"), n.length("x")
	bits := n.x()
	wide, single, vector, tail, element, found, done := n.newLabel("wide"), n.newLabel("single"), n.newLabel("vector"), n.newLabel("tail"), n.newLabel("element"), n.newLabel("found"), n.newLabel("done")
	n.op("MOVD", imm(0), at)
	// compare leaves 16 bits for each lane of so many vectors, ones where it equals v.
	compare := func(vectors int) {
		n.scope(func() {
			t := n.vs(vectors)
			for i := range t {
				n.op("FMOVQ", xs.at(16*i), t[i].f())
				n.fcmeq(t[i], t[i], v)
				if i > 0 {
					n.op("VORR", t[i].b16(), t[0].b16(), t[0].b16())
				}
			}
			n.op("VUZP1", t[0].h8(), t[0].h8(), t[0].h8())
			n.op("FMOVD", t[0].f(), bits)
		})
	}
	n.op("SUBS", imm(16), left)
	n.op("BLT", single)
	n.label(wide)
	compare(4)
	n.op("CBNZ", bits, single)
	n.op("ADD", imm(64), xs)
	n.op("ADD", imm(16), at)
	n.op("SUBS", imm(16), left)
	n.op("BGE", wide)
	n.label(single)
	n.op("ADDS", imm(12), left)
	n.op("BLT", tail)
	n.label(vector)
	compare(1)
	n.op("CBNZ", bits, found)
	n.op("ADD", imm(16), xs)
	n.op("ADD", imm(4), at)
	n.op("SUBS", imm(4), left)
	n.op("BGE", vector)
	n.label(tail)
	n.op("ADDS", imm(4), left)
	n.op("BEQ", done)
	n.label(element)
	n.scope(func() {
		e := n.v()
		n.op("FMOVS.P", xs.at(4), e.f())
		n.op("FCMPS", e.f(), v.f())
	})
	n.op("BEQ", done)
	n.op("ADD", imm(1), at)
	n.op("SUBS", imm(1), left)
	n.op("BNE", element)
	n.op("B", done)
	n.label(found)
	n.op("RBIT", bits, bits)
	n.op("CLZ", bits, bits)
	n.op("ADD", bits.String()+">>4", at)
	n.label(done)
	n.op("MOVD", at, n.arg("ret"))
	n.ret()
}
