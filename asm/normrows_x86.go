package main

import (
	"math"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// normRowsX86 writes the normalisations of whole rows, and their gradients.
func normRowsX86(x *x86) {
	x.layerNorm()
	x.rmsNorm()
	x.normGradRows("layerNormGrad", true)
	x.normGradRows("rmsNormGrad", false)
}

// normRows is a loop over the rows of matrices without gaps.
type normRows struct {
	*rowGroup
	n reg.VecVirtual // how many elements a row has, four times in float64
}

func (x *x86) normRows() normRows {
	r := normRows{x.rowFrame(1, false), x.YMM()}
	cols, n := x.GP64(), x.XMM()
	x.MOVQ(x.paramAddr("cols"), cols)
	x.VXORPS(n, n, n)
	x.VCVTSI2SDQ(cols, n, n)
	x.VBROADCASTSD(n, r.n)
	return r
}

// down moves pointers on to the next row.
func (x *x86) down(pointers ...reg.Register) {
	cols := x.GP64()
	x.MOVQ(x.paramAddr("cols"), cols)
	for _, p := range pointers {
		x.LEAQ(Mem{Base: p, Index: cols, Scale: 4}, p)
	}
}

// again returns a pointer to the first row of the group.
func (x *x86) again(p reg.Register) reg.Register {
	q := x.GP64()
	x.MOVQ(p, q)
	return q
}

// hand stores the float at hand in quad i as the next element of a slice.
func (r normRows) hand(i int, slice string) {
	p, v := r.GP64(), r.XMM()
	at, err := r.Param(slice).Base().Resolve()
	if err != nil {
		panic(err)
	}
	r.MOVQ(at.Addr, p)
	r.VMOVSS(r.of(i), v)
	r.VMOVSS(v, Mem{Base: p})
	r.ADDQ(Imm(4), at.Addr)
}

// mean returns four float32 over n in float64.
func (r normRows) mean(v reg.VecVirtual) reg.VecVirtual {
	d := r.YMM()
	r.VCVTPS2PD(v.AsX(), d)
	r.VDIVPD(r.n, d, d)
	return d
}

// inverseRoots stores 1/√(d + eps) as float32 in quad i.
func (r normRows) inverseRoots(d reg.VecVirtual, i int) {
	eps, one, result := r.YMM(), r.YMM(), r.XMM()
	r.VMOVSS(r.paramAddr("eps"), eps.AsX())
	r.VCVTSS2SD(eps.AsX(), eps.AsX(), eps.AsX())
	r.VBROADCASTSD(eps.AsX(), eps)
	r.VADDPD(eps, d, d)
	r.VSQRTPD(d, d)
	r.VBROADCASTSD(r.constant("one64", F64(1)), one)
	r.VDIVPD(d, one, d)
	r.VCVTPD2PSY(d, result)
	r.VMOVUPS(result, r.quad(i))
}

func (x *x86) layerNorm() {
	x.function("layerNorm", "func(rows, cols int, eps float32, x, gamma, beta, y, mean, rstd []float32, stores int)", "is the normalisation described at isa.layerNorm.")
	xs, ys := x.base("x"), x.base("y")
	r := x.normRows()
	p, q := x.again(xs), x.again(xs)
	r.ahead(func(string) {
		r.eachOf(wordNext, func(n reg.Register) {
			acc := r.fresh(4)
			x.sweep(n, 4, x.each(func(s *sweep) { x.VADDPS(s.operand(p), acc.of(s), acc.of(s)) }))
			r.leave(acc, x.VADDPS, 0)
			x.down(p)
		})
		means := x.XMM()
		x.VCVTPD2PSY(r.mean(r.together(x.VADDPS, 0)), means)
		x.VMOVUPS(means, r.quad(3))
	}, func() {
		r.each(func(reg.Register) {
			r.hand(0, "mean")
			r.hand(1, "rstd")
		})
		r.stores(func(rows int, over func(n reg.Register, body func(s *sweep))) {
			n, cols := r.columns()
			gammas, betas := x.base("gamma"), x.base("beta")
			means, minusRstds, y := r.floats(0, rows), r.floats(2, rows), make([]reg.VecVirtual, rows)
			over(n, func(s *sweep) {
				gamma, beta := s.load(gammas), s.load(betas)
				s.rowsOf(rows, cols, func(s *sweep, i int) {
					y[i] = s.vec()
					x.VSUBPS(s.operand(xs), means[i], y[i])
					x.VMULPS(minusRstds[i], y[i], y[i])
					x.VFMADD213PS(beta, gamma, y[i])
				})
				s.rowsOf(rows, cols, func(s *sweep, i int) { s.store(y[i], ys) })
			})
			r.downs(rows, xs, ys)
		})
	}, func() {
		v := x.XMM()
		x.VMOVUPS(r.quad(3), v)
		x.VMOVUPS(v, r.quad(0))
		r.beside(x.lanes/4, func(rows int) {
			n, cols := r.columns()
			means, accs := r.floats(0, rows), make([]accumulators, rows)
			for i := range accs {
				accs[i] = r.fresh(4)
			}
			x.sweep(n, 4, x.each(func(s *sweep) {
				s.rowsOf(rows, cols, func(s *sweep, i int) {
					v := s.vec()
					x.VSUBPS(s.operand(q), means[i], v)
					s.clip(v)
					x.VFMADD231PS(v, v, accs[i].of(s))
				})
			}))
			for i, acc := range accs {
				r.leaveRow(i, acc, x.VADDPS, 0)
			}
			r.downs(rows, q)
		})
		r.inverseRoots(r.mean(r.together(x.VADDPS, 0)), 1)
		// (mean − x)*−rstd, where x may stay in memory. x*rstd − mean*rstd would take one operation less, and make
		// something of a row of equal elements.
		minus := x.XMM()
		x.VBROADCASTSS(x.constant("signBit", U32(signBit)), minus)
		x.VXORPS(r.quad(1), minus, minus)
		x.VMOVUPS(minus, r.quad(2))
	})
	r.fence()
	x.ret()
}

// stores writes the last step for each way of storing, see rowStores of the kernels: with rows side by side, so that
// gamma and beta are loaded once for them, one after the other, and side by side past the caches. The body gets how
// many rows, and what writes the sweep over them.
func (r normRows) stores(body func(rows int, over func(n reg.Register, body func(s *sweep)))) {
	done := r.label("stored")
	for way, rows := range []int{groupRows, 1, groupRows} {
		other := r.label("otherwise")
		r.CMPQ(r.paramAddr("stores"), Imm(uint64(way)))
		r.JNE(LabelRef(other))
		r.beside(rows, func(rows int) {
			if way > 0 {
				r.side = -1
			}
			body(rows, func(n reg.Register, body func(s *sweep)) {
				r.sweep(n, 1, func(s *sweep) {
					s.past = way == 2
					body(s)
				})
			})
		})
		r.JMP(LabelRef(done))
		r.Label(other)
	}
	r.Label(done)
}

// fence orders stores past the caches before what follows.
func (r normRows) fence() {
	none := r.label("unfenced")
	r.CMPQ(r.paramAddr("stores"), Imm(2))
	r.JNE(LabelRef(none))
	r.SFENCE()
	r.Label(none)
}

// columns returns registers with the number of columns, for a sweep to count down, and to move on by.
func (r *rowGroup) columns() (n, cols reg.Register) {
	n, cols = r.GP64(), r.GP64()
	r.MOVQ(r.paramAddr("cols"), n)
	r.MOVQ(n, cols)
	return n, cols
}

// floats returns registers with the floats in quad i of the rows at hand.
func (r *rowGroup) floats(i, rows int) []reg.VecVirtual {
	v := make([]reg.VecVirtual, rows)
	for row := range v {
		m := r.of(i)
		m.Disp += 4 * row
		v[row] = r.vec()
		r.VBROADCASTSS(m, v[row])
	}
	return v
}

// downs moves pointers so many rows on.
func (x *x86) downs(rows int, pointers ...reg.Register) {
	for range rows {
		x.down(pointers...)
	}
}

func (x *x86) rmsNorm() {
	x.function("rmsNorm", "func(rows, cols int, eps float32, x, gamma, y, rstd []float32, stores int) int", "is the normalisation described at isa.rmsNorm.")
	xs, ys, gammas := x.base("x"), x.base("y"), x.base("gamma")
	least := x.XMM()
	r := x.normRows()
	x.VMOVSD(x.constant("leastSquare", F64(0x1p-126)), least)
	x.VMULSD(r.n.AsX(), least, least)
	x.VCVTSD2SS(least, least, least)
	x.VBROADCASTSS(least, least)
	p := x.again(xs)
	r.ahead(func(refuse string) {
		r.eachOf(wordNext, func(n reg.Register) {
			acc := r.fresh(4)
			x.sweep(n, 4, x.each(func(s *sweep) {
				v := s.load(p)
				x.VFMADD231PS(v, v, acc.of(s))
			}))
			r.leave(acc, x.VADDPS, 0)
			x.down(p)
		})
		const notLess, less = 5, 1
		sums := r.together(x.VADDPS, 0)
		bits, rows := x.GP32(), x.GP32()
		inf := x.XMM()
		x.VBROADCASTSS(x.constant("inf", U32(math.Float32bits(float32(math.Inf(1))))), inf)
		if x.lanes == 16 {
			k, l := x.K(), x.K()
			x.VCMPPS(Imm(notLess), least, sums.AsX(), k)
			x.VCMPPS(Imm(less), inf, sums.AsX(), l)
			x.KANDW(k, l, l)
			x.KMOVW(l, bits)
		} else {
			enough := x.XMM()
			x.VCMPPS(Imm(notLess), least, sums.AsX(), enough)
			x.VCMPPS(Imm(less), inf, sums.AsX(), inf)
			x.VANDPS(enough, inf, inf)
			x.VMOVMSKPS(inf, bits)
		}
		// The rows that there are not do not matter.
		x.MOVQ(r.word(wordNext), reg.RCX)
		x.MOVL(U32(1), rows)
		x.SHLL(reg.CL, rows)
		x.DECL(rows)
		x.NOTL(bits)
		x.TESTL(rows, bits)
		x.JNE(LabelRef(refuse))
		r.inverseRoots(r.mean(sums), 3)
	}, func() {
		r.each(func(reg.Register) { r.hand(1, "rstd") })
		r.stores(func(rows int, over func(n reg.Register, body func(s *sweep))) {
			n, cols := r.columns()
			rstds, y := r.floats(1, rows), make([]reg.VecVirtual, rows)
			over(n, func(s *sweep) {
				gamma := s.load(gammas)
				s.rowsOf(rows, cols, func(s *sweep, i int) {
					y[i] = s.load(xs)
					x.VMULPS(rstds[i], y[i], y[i])
					x.VMULPS(gamma, y[i], y[i])
				})
				s.rowsOf(rows, cols, func(s *sweep, i int) { s.store(y[i], ys) })
			})
			r.downs(rows, xs, ys)
		})
	}, func() {
		v := x.XMM()
		x.VMOVUPS(r.quad(3), v)
		x.VMOVUPS(v, r.quad(1))
	})
	r.fence()
	x.left(r.rowGroup)
	x.ret()
}

// normGradRows writes the gradient: the sums of four rows, then dx, with as many rows side by side as
// there are registers for, so that the gradients of gamma and beta are read and written once for all of them.
// A sum over rows has their order.
func (x *x86) normGradRows(name string, centred bool) {
	signature := "func(rows, cols int, x, gamma, mean, rstd, dy, dx, dgamma, dbeta []float32)"
	if !centred {
		signature = "func(rows, cols int, x, gamma, rstd, dy, dx, dgamma []float32)"
	}
	x.function(name, signature, "is the gradient described at isa."+name+".")
	xs, gammas, dys := x.base("x"), x.base("gamma"), x.base("dy")
	vectors := 1
	if centred {
		vectors = 2
	}
	r := x.rowGroups(vectors, false)
	address := func(slice string) Mem {
		at, err := x.Param(slice).Base().Resolve()
		if err != nil {
			panic(err)
		}
		return at.Addr
	}
	moment := func(slice string, row int, v reg.VecVirtual) {
		p := x.GP64()
		x.MOVQ(address(slice), p)
		x.VBROADCASTSS(Mem{Base: p, Disp: 4 * row}, v)
	}

	p, q, at := x.again(xs), x.again(dys), x.GP64()
	x.XORQ(at, at)
	v := x.vec()
	r.each(func(n reg.Register) {
		from := "rstd"
		if centred {
			from = "mean"
		}
		pm := x.GP64()
		x.MOVQ(address(from), pm)
		x.VBROADCASTSS(Mem{Base: pm, Index: at, Scale: 4}, v)
		x.INCQ(at)
		var sum accumulators
		if centred {
			sum = x.accumulators(x.lanes / 4)
		}
		sumX := x.accumulators(x.lanes / 4)
		x.sweep(n, x.lanes/4, x.each(func(s *sweep) {
			u, g := s.load(p), s.load(q)
			x.VMULPS(s.operand(gammas), g, g)
			if centred {
				x.VSUBPS(v, u, u)
				x.VADDPS(g, sum.of(s), sum.of(s))
			} else {
				x.VMULPS(v, u, u)
			}
			x.VFMADD231PS(g, u, sumX.of(s))
		}))
		r.leave(sumX, x.VADDPS, 0)
		if centred {
			r.leave(sum, x.VADDPS, 1)
		}
		x.down(p, q)
	})
	n, count := x.XMM(), x.GP64()
	x.MOVQ(x.paramAddr("cols"), count)
	x.VXORPS(n, n, n)
	x.VCVTSI2SSQ(count, n, n)
	x.VBROADCASTSS(n, n)
	for i := range vectors {
		s := r.together(x.VADDPS, i)
		x.VDIVPS(n, s.AsX(), s.AsX())
		x.VMOVUPS(s.AsX(), r.quad(i))
	}

	dxs, dgammas := x.base("dx"), x.base("dgamma")
	var dbetas reg.Register
	if centred {
		dbetas = x.base("dbeta")
	}
	together := x.lanes / 4
	x.MOVQ(r.word(wordGroup), count)
	x.MOVQ(count, r.word(wordLeft))
	scalars := x.GP64()
	x.LEAQ(r.quad(0), scalars)
	x.MOVQ(scalars, r.word(wordScalars))
	// side does so many rows side by side as long as there are as many.
	side := func(rows int) {
		loop, end, left := x.label("side"), x.label("sideDone"), x.GP64()
		x.Label(loop)
		x.MOVQ(r.word(wordLeft), left)
		x.SUBQ(Imm(uint64(rows)), left)
		x.JLT(LabelRef(end))
		x.MOVQ(left, r.word(wordLeft))
		type row struct{ mean, rstd, a, b reg.VecVirtual }
		all := make([]row, rows)
		quads := x.GP64()
		x.MOVQ(r.word(wordScalars), quads)
		for i := range all {
			c := row{rstd: x.vec(), b: x.vec()}
			moment("rstd", i, c.rstd)
			x.VBROADCASTSS(Mem{Base: quads, Disp: 4 * i}, c.b)
			if centred {
				c.mean, c.a = x.vec(), x.vec()
				moment("mean", i, c.mean)
				x.VBROADCASTSS(Mem{Base: quads, Disp: 16 + 4*i}, c.a)
				x.VMULPS(c.rstd, c.b, c.b)
			}
			all[i] = c
		}
		x.ADDQ(Imm(uint64(4*rows)), r.word(wordScalars))
		x.ADDQ(Imm(uint64(4*rows)), address("rstd"))
		if centred {
			x.ADDQ(Imm(uint64(4*rows)), address("mean"))
		}
		n, cols, index := x.GP64(), x.GP64(), x.GP64()
		x.MOVQ(x.paramAddr("cols"), n)
		x.MOVQ(n, cols)
		x.side = rows
		if rows == 1 {
			x.side = -1 // for the last rows
		}
		x.sweep(n, 1, func(s *sweep) {
			gamma, dgamma := s.load(gammas), s.load(dgammas)
			var dbeta reg.VecVirtual
			if centred {
				dbeta = s.load(dbetas)
			}
			x.MOVQ(s.index, index)
			in := *s
			in.index = index
			for i, c := range all {
				if i > 0 {
					x.ADDQ(cols, index)
				}
				u, dy := in.load(xs), in.load(dys)
				if centred {
					x.VSUBPS(c.mean, u, u)
				}
				x.VMULPS(c.rstd, u, u) // x̂
				x.VFMADD231PS(u, dy, dgamma)
				if centred {
					x.VADDPS(dy, dbeta, dbeta)
					x.VFMSUB213PS(c.a, gamma, dy)
				} else {
					x.VMULPS(gamma, dy, dy)
				}
				x.VFNMADD231PS(u, c.b, dy)
				dx := in.load(dxs)
				x.VFMADD231PS(dy, c.rstd, dx)
				in.store(dx, dxs)
			}
			s.store(dgamma, dgammas)
			if centred {
				s.store(dbeta, dbetas)
			}
		})
		x.side = 0
		for range rows {
			x.down(xs, dys, dxs)
		}
		x.JMP(LabelRef(loop))
		x.Label(end)
	}
	side(together)
	side(1)
	x.MOVQ(dxs, address("dx"))
	r.next()
	x.ret()
}
