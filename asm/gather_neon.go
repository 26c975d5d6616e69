package main

// gatherNEON writes the addition of a row to one of a table. The next such row is fetched meanwhile: no
// prefetcher knows where it is.
func gatherNEON(n *neon) {
	n.function("addRow", "func(x, y, next []float32)", "is y += x, and fetches next.")
	p, count := n.bases("x", "y", "next"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		if e.width == 4 && e.index == 0 {
			n.op("PRFM", p[2].at(0), "PLDL2KEEP")
		}
		x, y := e.load(p[0]), e.load(p[1])
		n.fadd(y, y, x)
		e.store(y, p[1])
	})
	n.ret()
}
