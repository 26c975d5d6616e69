package main

// normNEON writes the passes of the normalisations and of their gradients over one row.
func normNEON(n *neon) {
	layerNormNEON(n)
	rmsNEON(n)
}

func layerNormNEON(n *neon) {
	n.function("normalize", "func(mean, rstd float32, x, gamma, beta, y []float32)", "is y = (x−mean)*rstd*gamma + beta.")
	mean, rstd := n.scalar("mean"), n.scalar("rstd")
	p, count := n.bases("x", "gamma", "beta", "y"), n.length("x")
	n.loop(count, 2, p, nil, func(e part) {
		x, gamma, beta := e.load(p[0]), e.load(p[1]), e.load(p[2])
		n.fsub(x, x, mean)
		n.fmul(x, x, rstd)
		n.fmla(beta, x, gamma)
		e.store(beta, p[3])
	})
	n.ret()

	n.function("normGradSums", "func(mean, rstd float32, x, gamma, dy []float32) (s, sx float32)",
		"is s = Σ dy*gamma, sx = Σ dy*gamma*x̂ with x̂ = (x−mean)*rstd.")
	mean, rstd = n.scalar("mean"), n.scalar("rstd")
	p, count = n.bases("x", "gamma", "dy"), n.length("x")
	s, sx := n.sums(4), n.sums(4)
	n.loop(count, 4, p, []*reduction{s, sx}, func(e part) {
		x, gamma, dy := e.load(p[0]), e.load(p[1]), e.load(p[2])
		n.fsub(x, x, mean)
		n.fmul(x, x, rstd)
		n.fmul(dy, dy, gamma)
		n.fadd(s.of(e), s.of(e), dy)
		n.fmla(sx.of(e), dy, x)
	})
	n.result(s.result(), "s")
	n.result(sx.result(), "sx")
	n.ret()

	n.function("normGrad", "func(mean, rstd, a, b float32, x, gamma, dy, dx, dgamma, dbeta []float32)",
		"is dx += rstd*(dy*gamma − a − x̂*b), dgamma += dy*x̂, dbeta += dy with x̂ = (x−mean)*rstd.")
	mean, rstd = n.scalar("mean"), n.scalar("rstd")
	a, b := n.scalar("a"), n.scalar("b")
	p, count = n.bases("x", "gamma", "dy", "dx", "dgamma", "dbeta"), n.length("x")
	n.loop(count, 2, p, nil, func(e part) {
		x, gamma, dy := e.load(p[0]), e.load(p[1]), e.load(p[2])
		n.fsub(x, x, mean)
		n.fmul(x, x, rstd)
		dgamma, dbeta := e.load(p[4]), e.load(p[5])
		n.fmla(dgamma, dy, x)
		e.store(dgamma, p[4])
		n.fadd(dbeta, dbeta, dy)
		e.store(dbeta, p[5])
		n.fmul(dy, dy, gamma)
		n.fsub(dy, dy, a)
		n.fmls(dy, x, b)
		dx := e.load(p[3])
		n.fmla(dx, dy, rstd)
		e.store(dx, p[3])
	})
	n.ret()
}

func rmsNEON(n *neon) {
	n.function("rmsNormalize", "func(rstd float32, x, gamma, y []float32)", "is y = x*rstd*gamma.")
	rstd, p, count := n.scalar("rstd"), n.bases("x", "gamma", "y"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		x := e.load(p[0])
		n.fmul(x, x, rstd)
		n.fmul(x, x, e.load(p[1]))
		e.store(x, p[2])
	})
	n.ret()

	n.function("rmsGradSum", "func(rstd float32, x, gamma, dy []float32) float32", "is Σ dy*gamma*x̂ with x̂ = x*rstd.")
	rstd, p, count = n.scalar("rstd"), n.bases("x", "gamma", "dy"), n.length("x")
	s := n.sums(8)
	n.loop(count, 8, p, []*reduction{s}, func(e part) {
		x, gamma, dy := e.load(p[0]), e.load(p[1]), e.load(p[2])
		n.fmul(x, x, rstd)
		n.fmul(dy, dy, gamma)
		n.fmla(s.of(e), dy, x)
	})
	n.result(s.result(), "ret")
	n.ret()

	n.function("rmsGrad", "func(rstd, b float32, x, gamma, dy, dx, dgamma []float32)",
		"is dx += rstd*(dy*gamma − x̂*b), dgamma += dy*x̂ with x̂ = x*rstd.")
	rstd, b := n.scalar("rstd"), n.scalar("b")
	p, count = n.bases("x", "gamma", "dy", "dx", "dgamma"), n.length("x")
	n.loop(count, 2, p, nil, func(e part) {
		x, gamma, dy := e.load(p[0]), e.load(p[1]), e.load(p[2])
		n.fmul(x, x, rstd)
		dgamma := e.load(p[4])
		n.fmla(dgamma, dy, x)
		e.store(dgamma, p[4])
		n.fmul(dy, dy, gamma)
		n.fmls(dy, x, b)
		dx := e.load(p[3])
		n.fmla(dx, dy, rstd)
		e.store(dx, p[3])
	})
	n.ret()
}
