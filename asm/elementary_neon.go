package main

// elementaryNEON writes the functions of elementary_generic.go, operation for operation. A coefficient is
// duplicated from its lane where one would be copied, so that four share a register.
//
// A bound is the operations on the vector pipes, over the number of those: two on Neoverse N1, four on V1.
func elementaryNEON(n *neon) {
	n.expAll()
	n.log()
	n.tanh()
	n.erf()
	n.silu()
	n.siluGrad()
	n.geluErf()
	n.geluErfGrad()
}

// lane is a constant in one lane of a register.
type lane struct {
	v vreg
	i int
}

// pack returns constants, four to a register.
func (n *neon) pack(values ...float64) []lane {
	var lanes []lane
	for i, v := range values {
		if i%4 == 0 {
			lanes = append(lanes, lane{n.constant(v), 0})
			continue
		}
		l := lane{lanes[i-1].v, i % 4}
		n.scope(func() {
			pattern, comment := float32Bits(v)
			n.op("VMOV", n.immediate(pattern, comment), l.v.lane(l.i))
		})
		lanes = append(lanes, l)
	}
	return lanes
}

// polynomial returns Σ c[i]*t^i by Horner's rule.
func (n *neon) polynomial(t vreg, c []lane) vreg {
	p, q := n.v(), n.v()
	last := c[len(c)-1]
	n.dup(p, last.v, last.i)
	for i := len(c) - 2; i >= 0; i-- {
		n.dup(q, c[i].v, c[i].i)
		n.fmla(q, p, t)
		p, q = q, p
	}
	return p
}

// exponentialNEON holds the constants of the exponential.
type exponentialNEON struct {
	log2e, magic, ln2Hi, ln2Lo vreg
	c                          []lane
}

func (n *neon) exponential(magic float64) exponentialNEON {
	return exponentialNEON{
		n.constant(expLog2e), n.constant(magic), n.constant(expLn2Hi), n.constant(expLn2Lo),
		n.pack(2, 2, expC2, expC3, expC4, expC5, expC6),
	}
}

// reduce replaces t by t − n·ln 2 and returns n + magic.
func (n *neon) reduce(t vreg, e exponentialNEON) vreg {
	k, i := n.v(), n.v()
	n.mov(k, e.magic)
	n.fmla(k, t, e.log2e)
	n.fsub(i, k, e.magic)
	n.fmls(t, i, e.ln2Hi)
	n.fmls(t, i, e.ln2Lo)
	return k
}

// expNarrow sets t = expNarrow(t).
func (n *neon) expNarrow(t vreg, e exponentialNEON) {
	n.scope(func() {
		k := n.reduce(t, e)
		p := n.polynomial(t, e.c)
		n.op("VSHL", imm(23), k.s4(), k.s4())
		n.fmul(t, p, k)
	})
}

// expAll is bound by 24 operations.
func (n *neon) expAll() {
	n.function("exp", "func(x, y []float32)", "is y = exp(x), as described in elementary_generic.go.")
	lo, hi := n.constant(expWideLo), n.constant(expHi)
	exp := n.exponential(expWideMagic)
	p, count := n.bases("x", "y"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		t := e.load(p[0])
		n.fmin(t, t, hi)
		n.fmax(t, t, lo)
		k := n.reduce(t, exp)
		y := n.polynomial(t, exp.c)
		h := t
		n.op("VUSHR", imm(1), k.s4(), h.s4())
		n.op("VSUB", h.s4(), k.s4(), k.s4())
		n.op("VSHL", imm(23), h.s4(), h.s4())
		n.op("VSHL", imm(23), k.s4(), k.s4())
		n.fmul(y, y, h)
		n.fmul(y, y, k)
		e.store(y, p[1])
	})
	n.ret()
}

// log is bound by 37 operations.
func (n *neon) log() {
	n.function("log", "func(x, y []float32)", "is y = log(x), as described in elementary_generic.go.")
	one, ln2, scale, scaled, normal := n.constant(1), n.constant(logLn2), n.constant(logScale), n.constant(-24), n.constant(0x1p-126)
	twoThirds := n.bits(logTwoThirds, "2/3")
	inf, minusInf := n.bits(0x7f800000, "+Inf"), n.bits(0xff800000, "-Inf")
	c := n.pack(logC2, logC3, logC4, logC5, logC6, logC7, logC8, logC9, logC10)
	p, count := n.bases("x", "y"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		x := e.load(p[0])
		v, m, exponent, t := n.v(), n.v(), n.v(), n.v()
		n.fcmgt(m, normal, x)
		n.fmul(t, x, scale)
		n.mov(v, x)
		n.op("VBIT", m.b16(), t.b16(), v.b16())
		n.op("VAND", m.b16(), scaled.b16(), m.b16())
		n.op("VSUB", twoThirds.s4(), v.s4(), exponent.s4())
		n.sshr(exponent, exponent, 23)
		n.op("VSHL", imm(23), exponent.s4(), t.s4())
		n.op("VSUB", t.s4(), v.s4(), v.s4())
		r := v
		n.fsub(r, r, one)
		n.scvtf(exponent, exponent)
		n.fadd(exponent, exponent, m)
		q := n.polynomial(r, c)
		n.fmul(t, r, r)
		y := r
		n.fmla(y, q, t)
		n.fmla(y, exponent, ln2)
		n.fcmgt(m, inf, x)
		n.op("VBIF", m.b16(), x.b16(), y.b16()) // +Inf, and NaN
		n.fcmltZero(m, x)
		n.op("VORR", m.b16(), y.b16(), y.b16()) // all bits: NaN
		n.fcmeqZero(m, x)
		n.op("VBIT", m.b16(), minusInf.b16(), y.b16())
		e.store(y, p[1])
	})
	n.ret()
}

// tanh is bound by 38 operations, with one division.
func (n *neon) tanh() {
	n.function("tanh", "func(x, y []float32)", "is y = tanh(x), as described in elementary_generic.go.")
	sign, one, two, hi, small := n.bits(signBit, "sign"), n.constant(1), n.constant(2), n.constant(tanhHi), n.constant(tanhSmall)
	exp, c := n.exponential(expMagic), n.pack(tanhC3, tanhC5, tanhC7, tanhC9, tanhC11)
	p, count := n.bases("x", "y"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		x, a, z, sq := e.load(p[0]), n.v(), n.v(), n.v()
		n.fabs(a, x)
		n.fmin(z, a, hi)
		n.fadd(z, z, z)
		n.expNarrow(z, exp)
		n.fadd(z, z, one)
		n.fdiv(z, two, z)
		n.fsub(z, one, z)

		n.fmul(sq, a, a)
		q := n.polynomial(sq, c)
		n.fmul(q, q, sq)
		n.fcmgt(sq, small, a)
		n.fmla(a, q, a)
		n.op("VBIT", sq.b16(), a.b16(), z.b16())
		n.op("VBIT", sign.b16(), x.b16(), z.b16())
		e.store(z, p[1])
	})
	n.ret()
}

// erf is bound by 45 operations.
func (n *neon) erf() {
	n.function("erf", "func(x, y []float32)", "is y = erf(x), as described in elementary_generic.go.")
	sign, one, hi, small := n.bits(signBit, "sign"), n.constant(1), n.constant(erfHi), n.constant(erfSmall)
	exp := n.exponential(expMagic)
	cp := n.pack(erfP0, erfP1, erfP2, erfP3, erfP4, erfP5)
	cq := n.pack(erfQ0, erfQ1, erfQ2, erfQ3, erfQ4, erfQ5)
	p, count := n.bases("x", "y"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		x, a, z, sq := e.load(p[0]), n.v(), n.v(), n.v()
		n.fabs(a, x)
		n.fmin(z, a, hi)
		n.fmul(z, z, n.polynomial(z, cq))
		n.expNarrow(z, exp)
		n.fsub(z, one, z)

		n.fmul(sq, a, a)
		q := n.polynomial(sq, cp)
		n.fcmgt(sq, small, a)
		n.fmla(a, q, a)
		n.op("VBIT", sq.b16(), a.b16(), z.b16())
		n.op("VBIT", sign.b16(), x.b16(), z.b16())
		e.store(z, p[1])
	})
	n.ret()
}
