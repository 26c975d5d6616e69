package main

// This file has the functions of gates_generic.go, operation for operation; the bounds are counted as in
// elementary_neon.go.

// silu is bound by 27 operations, with one division.
func (n *neon) silu() {
	n.function("silu", "func(x, y []float32)", "is y = silu(x), as described in gates_generic.go.")
	lo, hi, one := n.constant(siluLo), n.constant(siluHi), n.constant(1)
	exp := n.exponential(expMagic)
	p, count := n.bases("x", "y"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		v, t := e.load(p[0]), n.v()
		n.fmax(v, v, lo)
		n.fmin(t, v, hi)
		n.fneg(t, t)
		n.expNarrow(t, exp)
		n.fadd(t, t, one)
		n.fdiv(v, v, t)
		e.store(v, p[1])
	})
	n.ret()
}

// siluGrad is bound by 32 operations, with one division.
func (n *neon) siluGrad() {
	n.function("siluGrad", "func(x, dy, dx []float32)", "is dx = dy*silu'(x), as described in gates_generic.go.")
	lo, hi, one := n.constant(siluGradLo), n.constant(siluHi), n.constant(1)
	exp := n.exponential(expMagic)
	p, count := n.bases("x", "dy", "dx"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		c, t, s, d := e.load(p[0]), n.v(), n.v(), n.v()
		n.fmax(c, c, lo)
		n.fmin(c, c, hi)
		n.fneg(t, c)
		n.expNarrow(t, exp)
		n.fadd(s, t, one)
		n.fdiv(s, one, s)
		n.fmul(t, t, s)
		n.fmul(t, t, c)
		n.mov(d, s)
		n.fmla(d, s, t)
		dy := e.load(p[1])
		n.fmul(dy, dy, d)
		e.store(dy, p[2])
	})
	n.ret()
}

type geluErfRegisters struct {
	exp                     exponentialNEON
	hi, one, k, minus2K, mh vreg
	q                       []lane
}

func (n *neon) geluErfConstants() geluErfRegisters {
	return geluErfRegisters{
		n.exponential(expMagic),
		n.constant(geluErfHi), n.constant(1), n.constant(geluErfK), n.constant(geluErfMinus2K), n.constant(-0.5),
		n.pack(geluErfC0, geluErfC1, geluErfC2, geluErfC3, geluErfC4, geluErfC5, geluErfC6, geluErfC7, geluErfC8),
	}
}

// geluErfParts sets c = min(|x|, hi), and e and q as it does in gates_generic.go.
func (n *neon) geluErfParts(c, e, q, x vreg, g geluErfRegisters) {
	n.fabs(c, x)
	n.fmin(c, c, g.hi)
	n.scope(func() {
		t, low := n.v(), n.v()
		n.fmul(t, c, c)
		n.fneg(low, t)
		n.fmla(low, c, c)
		n.fmul(t, t, g.mh)
		k := n.reduce(t, g.exp)
		n.fmla(t, low, g.mh)
		n.op("VSHL", imm(23), k.s4(), k.s4())
		n.fmul(e, n.polynomial(t, g.exp.c), k)
	})
	n.scope(func() {
		w, u := n.v(), n.v()
		n.fadd(w, c, g.k)
		n.fdiv(w, g.one, w)
		n.mov(u, g.one)
		n.fmla(u, w, g.minus2K)
		n.fmul(q, n.polynomial(u, g.q), w)
	})
}

// geluErf is bound by 51 operations, with one division.
func (n *neon) geluErf() {
	n.function("geluErf", "func(x, y []float32)", "is y = geluErf(x), as described in gates_generic.go.")
	sign, zero := n.bits(signBit, "sign"), n.zero()
	g := n.geluErfConstants()
	p, count := n.bases("x", "y"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		x, c, a, q := e.load(p[0]), n.v(), n.v(), n.v()
		n.geluErfParts(c, a, q, x, g)
		n.fmul(q, q, c)
		y := c
		n.fmax(y, x, zero)
		n.fmls(y, q, a)
		n.op("VBIT", sign.b16(), x.b16(), y.b16())
		e.store(y, p[1])
	})
	n.ret()
}

// geluErfGrad is bound by 52 operations, with one division.
func (n *neon) geluErfGrad() {
	n.function("geluErfGrad", "func(x, dy, dx []float32)", "is dx = dy*geluErf'(x), as described in gates_generic.go.")
	density := n.constant(geluErfDensity)
	g := n.geluErfConstants()
	p, count := n.bases("x", "dy", "dx"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		x, c, a, q := e.load(p[0]), n.v(), n.v(), n.v()
		n.geluErfParts(c, a, q, x, g)
		n.fmla(q, c, density)
		n.fmul(q, q, a)
		d := a
		n.fsub(d, g.one, q)
		n.fcmltZero(c, x)
		n.op("VBIT", c.b16(), q.b16(), d.b16())
		dy := e.load(p[1])
		n.fmul(dy, dy, d)
		e.store(dy, p[2])
	})
	n.ret()
}
