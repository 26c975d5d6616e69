package main

// optimizerNEON writes the steps of the optimizers. AdamW is bound by the square root and the division,
// which the exact instructions do as fast as an estimate refined to the same accuracy.
func optimizerNEON(n *neon) {
	n.adamw("adamw", "", "is the step described at isa.adamw.")
	n.adamw("adamw16", ", half []BFloat16", "is the step described at isa.adamw16.")

	n.function("sgd", "func(scale, decay, momentum, lr float32, g, w, m []float32)",
		"is g' = scale*g + decay*w; m = momentum*m + g'; w −= lr*m.")
	scale, decay := n.scalar("scale"), n.scalar("decay")
	momentum, lr := n.scalar("momentum"), n.scalar("lr")
	p, count := n.bases("g", "w", "m"), n.length("g")
	n.loop(count, 2, p, nil, func(e part) {
		g, w, m := e.load(p[0]), e.load(p[1]), e.load(p[2])
		n.fmul(g, g, scale)
		n.fmla(g, w, decay)
		n.fmla(g, m, momentum)
		e.store(g, p[2])
		n.fmls(w, g, lr)
		e.store(w, p[1])
	})
	n.ret()
}

// adamw writes a step of AdamW, with another argument: where the new w goes rounded, if anywhere.
func (n *neon) adamw(name, half, doc string) {
	n.function(name, "func(scale, beta1, oneMinusBeta1, beta2, oneMinusBeta2, step, c2, eps, decay float32, g, w, m, v []float32"+half+")", doc)
	scale := n.scalar("scale")
	beta1, oneMinusBeta1 := n.scalar("beta1"), n.scalar("oneMinusBeta1")
	beta2, oneMinusBeta2 := n.scalar("beta2"), n.scalar("oneMinusBeta2")
	step, c2, eps, decay := n.scalar("step"), n.scalar("c2"), n.scalar("eps"), n.scalar("decay")
	p, count := n.bases("g", "w", "m", "v"), n.length("g")
	var halves []xreg
	var r bf16RoundingNEON
	if half != "" {
		halves, r = n.bases("half"), n.bf16Rounding()
	}
	n.loop(count, 2, p, nil, func(e part) {
		g, w, m, v := e.load(p[0]), e.load(p[1]), e.load(p[2]), e.load(p[3])
		n.fmul(g, g, scale)
		n.fmul(m, m, beta1)
		n.fmla(m, g, oneMinusBeta1)
		e.store(m, p[2])
		t := n.v()
		n.fmul(t, g, oneMinusBeta2)
		n.fmul(v, v, beta2)
		n.fmla(v, t, g)
		e.store(v, p[3])
		n.fsqrt(v, v)
		n.mov(t, eps)
		n.fmla(t, v, c2)
		n.fmul(m, m, step)
		n.fdiv(m, m, t)
		n.fmul(w, w, decay)
		n.fsub(w, w, m)
		e.store(w, p[1])
		if half != "" {
			r.store(e, w, halves[0])
		}
	})
	n.ret()
}
