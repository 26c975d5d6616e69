package main

// expNEON writes what needs the exponential: softmax, and GELU with its gradient.
func expNEON(n *neon) {
	n.function("expSum", "func(scale, shift float32, x, y []float32) float32",
		"is y = exp(scale*x − shift) and returns Σ y. It is the exponential described in exp_generic.go.")
	scale, shift := n.scalar("scale"), n.scalar("shift")
	n.fneg(shift, shift)
	lo, hi := n.constant(expLo), n.constant(expHi)
	exp := n.expConstants()
	p, count := n.bases("x", "y"), n.length("x")
	s := n.sums(2)
	n.loop(count, 2, p, []*reduction{s}, func(e part) {
		x, t := e.load(p[0]), n.v()
		n.mov(t, shift)
		n.fmla(t, x, scale)
		n.fmin(t, t, hi)
		n.fmax(t, t, lo)
		n.exp(t, exp)
		e.store(t, p[1])
		n.fadd(s.of(e), s.of(e), t)
	})
	n.result(s.result(), "ret")
	n.ret()

	n.function("softmaxGrad", "func(scale, dot float32, y, dy, dx []float32)", "is dx = scale*y*(dy − dot).")
	scale, dot := n.scalar("scale"), n.scalar("dot")
	p, count = n.bases("y", "dy", "dx"), n.length("y")
	n.loop(count, 4, p, nil, func(e part) {
		y, dy := e.load(p[0]), e.load(p[1])
		n.fmul(y, y, scale)
		n.fsub(dy, dy, dot)
		n.fmul(y, y, dy)
		e.store(y, p[2])
	})
	n.ret()

	n.gelu()
	n.geluGrad()
}

// expRegisters are the constants of the exponential.
type expRegisters struct{ log2e, magic, ln2Hi, ln2Lo, c2, c3, c4, c5, c6, two vreg }

func (n *neon) expConstants() expRegisters {
	return expRegisters{
		n.constant(expLog2e), n.constant(expMagic), n.constant(expLn2Hi), n.constant(expLn2Lo),
		n.constant(expC2), n.constant(expC3), n.constant(expC4), n.constant(expC5), n.constant(expC6), n.constant(2),
	}
}

// exp sets t = exp(t) for −87.6 ≤ t ≤ 89, or NaN: expReduced of package kernels, with its products fused
// and the polynomial regrouped, 2*exp(r) = 2 + (2r + r²(c2 + c3*r + r²(c4 + c5*r + c6*r²))), for a shorter
// chain of dependent instructions: that chain is what binds a loop over it (llvm-mca, Neoverse N1 and V1).
func (n *neon) exp(t vreg, e expRegisters) {
	n.scope(func() {
		k, i, sq, p, q := n.v(), n.v(), n.v(), n.v(), n.v()
		n.mov(k, e.magic)
		n.fmla(k, t, e.log2e)
		n.fsub(i, k, e.magic)
		n.fmls(t, i, e.ln2Hi)
		n.fmls(t, i, e.ln2Lo)
		n.op("VSHL", imm(23), k.s4(), k.s4())
		n.fmul(sq, t, t)
		n.mov(q, e.c4)
		n.fmla(q, t, e.c5)
		n.mov(p, e.c2)
		n.fmla(p, t, e.c3)
		n.fmla(q, sq, e.c6)
		n.fadd(t, t, t)
		n.fmla(p, q, sq)
		n.fmla(t, p, sq)
		n.fadd(t, t, e.two)
		n.fmul(t, t, k)
	})
}

// geluArgument returns t = −c*(geluA + geluB*c²) and c².
func (n *neon) geluArgument(c, minusA, minusB vreg) (t, sq vreg) {
	sq, t = n.v(), n.v()
	n.fmul(sq, c, c)
	n.mov(t, minusA)
	n.fmla(t, sq, minusB)
	n.fmul(t, t, c)
	return t, sq
}

func (n *neon) gelu() {
	n.function("gelu", "func(x, y []float32)", "is y = gelu(x), as described in gelu_generic.go.")
	lo, hi, one := n.constant(geluLo), n.constant(geluHi), n.constant(1)
	minusA, minusB := n.constant(-geluA), n.constant(-geluB)
	exp := n.expConstants()
	p, count := n.bases("x", "y"), n.length("x")
	n.loop(count, 2, p, nil, func(e part) {
		x, c := e.load(p[0]), n.v()
		n.fmax(x, x, lo)
		n.fmin(c, x, hi)
		t, _ := n.geluArgument(c, minusA, minusB)
		n.exp(t, exp)
		n.fadd(t, t, one)
		n.fdiv(x, x, t)
		e.store(x, p[1])
	})
	n.ret()
}

func (n *neon) geluGrad() {
	n.function("geluGrad", "func(x, dy, dx []float32)", "is dx = dy*gelu'(x), as described in gelu_generic.go.")
	lo, hi, one := n.constant(geluGradLo), n.constant(geluHi), n.constant(1)
	minusA, minusB, minus3B := n.constant(-geluA), n.constant(-geluB), n.constant(-3*geluB)
	exp := n.expConstants()
	p, count := n.bases("x", "dy", "dx"), n.length("x")
	n.loop(count, 2, p, nil, func(e part) {
		c := e.load(p[0])
		n.fmax(c, c, lo)
		n.fmin(c, c, hi)
		t, sq := n.geluArgument(c, minusA, minusB)
		n.exp(t, exp)
		s, q := n.v(), n.v()
		n.fadd(s, t, one)
		n.fdiv(s, one, s)
		n.mov(q, minusA)
		n.fmla(q, sq, minus3B)
		n.fmul(q, q, c) // q = −c*(geluA + 3*geluB*c²)
		n.fmul(t, t, s)
		n.fmul(q, q, t)
		n.mov(t, s)
		n.fmls(t, s, q)
		dy := e.load(p[1])
		n.fmul(dy, dy, t)
		e.store(dy, p[2])
	})
	n.ret()
}
