package main

import (
	"math"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// softmaxX86 writes whole rows of softmax, of the sums that log-sum-exp takes, and of softmax's gradient.
func softmaxX86(x *x86) {
	x.softmaxRows()
	x.expSumRows()
	x.softmaxGradRows()
}

// exp2 is the exponential of these rows: of what an element is less than the largest, d, it is 2ⁿ·p(f) for an
// integer n and f = u − n, where u = −scale*log₂e*d. p is of degree 5 with p(0) = 1, so that the largest element
// gives 1. On AVX-512 n = ⌊u⌋, f is in [0, 1] and the relative error of p is 2⁻²³·⁵ (Remez exchange); the result is
// 0 for u < −126. On AVX2 n is the integer next to u, the error is 2⁻²²·⁷, and the result 0 for u < −125.5. That
// takes less operations than exp in exp_generic.go, and its errors are less than those of the sums. NaN stays.
type exp2 struct {
	slope        reg.VecVirtual // scale*log₂e on AVX-512, −scale*log₂e on AVX2
	c            []Op           // of p
	least, magic Op
	most         reg.VecVirtual // AVX2: of d
}

const exp2Least = -126 // the least u whose result is not 0, on AVX-512

func (x *x86) exp2() exp2 {
	slope, log2e := x.scalar("scale"), x.vec()
	x.hold(0, 32)
	if x.lanes == 16 {
		x.VBROADCASTSS(x.constant("expLog2e", F32(expLog2e)), log2e)
		x.VMULPS(log2e, slope, slope)
		return exp2{
			slope: slope,
			c:     x.fulls("exp2Floor", 1, 0.693151311818, 0.240164450039, 0.0557999134252, 0.00901702996253, 0.00186713021195),
			least: x.broadcast("exp2Least", F32(exp2Least)),
		}
	}
	x.VBROADCASTSS(x.constant("minusLog2e", F32(-expLog2e)), log2e)
	x.VMULPS(log2e, slope, slope)
	most := x.broadcast("exp2Most", F32(-126.4))
	x.VDIVPS(slope, most, most)
	// Doubled, as in exp_generic.go, so that the scale of n = −126 is 0.
	return exp2{
		slope: slope, most: most,
		magic: x.full("expMagic", F32(expMagic)),
		c:     x.fulls("exp2Near", 2, 2*0.693146967065, 2*0.240221197237, 2*0.0555071327186, 2*0.00967554134312, 2*0.0013276472632),
	}
}

// flushed writes a computation for the rows at hand, so many of them: once with results that may have to be flushed to
// 0, and once for rows of which largest tells that they have none.
func (e exp2) flushed(r *rowGroup, rows int, body func(flush bool)) {
	flush, done, side := r.label("flush"), r.label("flushed"), r.side
	for i := range rows {
		least := r.of(2)
		least.Disp += 4 * i
		r.CMPL(least, U32(math.Float32bits(exp2Least)))
		r.JHI(LabelRef(flush))
	}
	body(false)
	r.JMP(LabelRef(done))
	r.Label(flush)
	r.side = -1
	body(true)
	r.side = side
	r.Label(done)
}

// wholeGroup writes a step for a group that is whole, on AVX-512, and for others. The bits are to be the same.
func (r *rowGroup) wholeGroup(whole, other func()) {
	if r.lanes == 8 {
		other()
		return
	}
	some, done := r.label("some"), r.label("whole")
	r.CMPQ(r.word(wordGroup), Imm(groupRows))
	r.JNE(LabelRef(some))
	r.slot, r.scalar = r.base, r.GP64()
	r.LEAQ(r.quad(0), r.scalar)
	whole()
	r.JMP(LabelRef(done))
	r.Label(some)
	r.side = -1
	other()
	r.side = 0
	r.Label(done)
}

// exp2Sums is how many sums there are of a row: one on AVX-512, as where rows are side by side.
func (x *x86) exp2Sums() int {
	if x.lanes == 16 {
		return 1
	}
	return 2
}

// exp2Vectors is how many vectors a row leaves.
func (x *x86) exp2Vectors() int {
	if x.lanes == 16 {
		return 2
	}
	return 1
}

// of returns the exponentials on AVX2, and overwrites d.
func (e exp2) of(s *sweep, d vectors) vectors {
	// If d is NaN, this returns it: it comes first.
	s.do(s.VMINPS, d, e.most, d)
	k, n := s.copies(e.magic), s.vectors()
	s.do(s.VFMADD231PS, e.slope, d, k)
	s.do(s.VSUBPS, e.magic, k, n)
	s.do(s.VFMSUB132PS, e.slope, n, d)
	p := s.polynomial(d, e.c)
	s.do(s.VPSLLD, Imm(23), k, k)
	s.do(s.VMULPS, k, p, p)
	return p
}

// reduce is the first stage on AVX-512, which leaves u and f; scaled is the second.
func (e exp2) reduce(s *sweep, d vectors) (steps, []vectors) {
	const floor = 1
	f := s.vectors()
	return steps{
		func() { s.do(s.VMULPS, e.slope, d, d) },
		func() { s.do(s.VREDUCEPS, Imm(floor), d, f) },
	}, []vectors{d, f}
}

// scaled returns the exponentials, and flushes them to 0 for u < −126, or is for no such u. Comparing is for the ports
// that multiply, on Zen 4, and VREDUCEPS and VSCALEFPS take two turns of those that add: without it each of
// these have six for a vector.
func (e exp2) scaled(s *sweep, v []vectors, flush bool) (vectors, steps) {
	const notLess = 5
	u, f, p := v[0], v[1], s.vectors()
	last := len(e.c) - 1
	all := steps{func() { s.do(s.VMOVAPS, e.c[last], p) }}
	for i := last - 1; i >= 0; i-- {
		all = append(all, func() { s.horner(f, p, e.c[i]) })
	}
	return p, append(all, func() {
		if !flush {
			s.do(s.VSCALEFPS, u, p, p)
			return
		}
		s.each(func(s *sweep) {
			k := s.K()
			s.VCMPPS(Imm(notLess), e.least, u[s.part], k)
			s.VSCALEFPS_Z(u[s.part], p[s.part], k, p[s.part])
		})(s)
	})
}

// largest writes the first step: the largest element of each row, in quad 0. It goes to refuse if one is
// infinite or NaN. On AVX-512 quad 2 then has the least u of each row or something less, where that is more
// than −126, and else no number more than −126, as an unsigned integer: the ports that take integers have nothing else to do.
func (r *rowGroup) largest(xs, ldx reg.Register, exp exp2, refuse string) {
	const less = 1
	least := r.broadcast("minusInf", U32(math.Float32bits(float32(math.Inf(-1)))))
	r.wholeGroup(func() {
		tops, lows := r.fresh(groupRows), r.fresh(groupRows)
		for _, t := range tops {
			r.VMOVAPS(least, t)
		}
		r.across([2]reg.Register{xs, ldx}).staged(nil, func(c *columns, _ []vectors) steps {
			return steps{func() {
				for i := range groupRows {
					v := r.vec()
					c.load(0, i, v)
					if k := c.valid[i]; k != nil {
						r.VMAXPS(v, tops[i], k, tops[i])
					} else {
						r.VMAXPS(v, tops[i], tops[i])
					}
					r.VPMAXUD(v, lows[i], lows[i])
				}
			}}
		})
		for i := range groupRows {
			r.leaveRow(i, tops[i:i+1], r.VMAXPS, 0)
			r.leaveRow(i, lows[i:i+1], r.VPMAXUD, 1)
		}
	}, func() {
		p := r.GP64()
		r.MOVQ(xs, p)
		r.each(func(n reg.Register) {
			acc := make(accumulators, 4)
			for i := range acc {
				acc[i] = r.vec()
				r.VMOVAPS(least, acc[i])
			}
			var lows accumulators
			if r.lanes == 16 {
				lows = r.fresh(4)
			}
			r.sweep(n, 4, r.x86.each(func(s *sweep) {
				a := acc.of(s)
				// Where an element is NaN the maximum starts anew, or is NaN: the row becomes NaN in any case.
				switch {
				case s.lanes == 16:
					v, low := s.load(p), lows.of(s)
					if s.size == 0 {
						s.VMAXPS(v, a, s.valid, a)
					} else {
						s.VMAXPS(v, a, a)
					}
					s.VPMAXUD(v, low, low)
				case s.size == s.lanes:
					s.VMAXPS(s.at(p), a, a)
				default:
					v := s.load(p)
					s.VBLENDPS(Imm(1<<s.size-1), v, least, v)
					s.VMAXPS(v, a, a)
				}
			}))
			r.leave(acc, r.VMAXPS, 0)
			if r.lanes == 16 {
				r.leave(lows, r.VPMAXUD, 1)
			}
			r.ADDQ(ldx, p)
		})
	})
	m := r.together(r.VMAXPS, 0)
	r.VMOVUPS(m.AsX(), r.quad(0))
	if r.lanes == 16 {
		// As unsigned integers negative numbers are more than others, and more the less they are; NaN is still more.
		low, zero := r.together(r.VPMAXUD, 1), r.XMM()
		r.VPXOR(zero, zero, zero)
		r.VPMINSD(zero, low.AsX(), low.AsX())
		r.VSUBPS(m.AsX(), low.AsX(), low.AsX())
		r.VMULPS(exp.slope.AsX(), low.AsX(), low.AsX())
		r.VMOVUPS(low.AsX(), r.quad(2))
	}
	limit, sign, bits := r.vec(), r.vec(), r.GP32()
	r.VBROADCASTSS(r.constant("inf", U32(math.Float32bits(float32(math.Inf(1))))), limit.AsX())
	r.VBROADCASTSS(r.constant("magnitude", U32(math.MaxInt32)), sign.AsX())
	r.VANDPS(sign.AsX(), m.AsX(), m.AsX())
	if r.lanes == 16 {
		k := r.K()
		r.VCMPPS(Imm(less), limit.AsX(), m.AsX(), k)
		r.KMOVW(k, bits)
	} else {
		r.VCMPPS(Imm(less), limit.AsX(), m.AsX(), m.AsX())
		r.VMOVMSKPS(m.AsX(), bits)
	}
	r.CMPL(bits, Imm(1<<groupRows-1))
	r.JNE(LabelRef(refuse))
}

// exps writes the second step: the exponentials, which go to ys if there is one, and their sums in quad 1. It
// moves xs on to the next group.
func (r *rowGroup) exps(xs, ldx, ys, ldy reg.Register, exp exp2) {
	r.wholeGroup(func() {
		matrices := [][2]reg.Register{{xs, ldx}}
		if ys != nil {
			matrices = append(matrices, [2]reg.Register{ys, ldy})
		}
		all, sums := r.across(matrices...), r.fresh(groupRows)
		exp.flushed(r, groupRows, func(flush bool) {
			all.staged(func(c *columns) (steps, []vectors) {
				s := c.sweep()
				d := s.vectors()
				todo, left := exp.reduce(s, d)
				return append(steps{func() {
					for i, v := range d {
						top := r.of(0)
						top.Disp += 4 * i
						c.load(0, i, v)
						r.VSUBPS_BCST(top, v, v)
					}
				}}, todo...), left
			}, func(c *columns, v []vectors) steps {
				e, todo := exp.scaled(c.sweep(), v, flush)
				return append(todo, func() {
					for i, v := range e {
						if ys != nil {
							c.store(v, 1, i)
						}
						c.clip(v, i)
						r.VADDPS(v, sums[i], sums[i])
					}
				})
			})
		})
		for i := range groupRows {
			r.leaveRow(i, sums[i:i+1], r.VADDPS, 0)
		}
		r.LEAQ(Mem{Base: xs, Index: ldx, Scale: groupRows}, xs)
	}, func() {
		var p reg.Register
		if ys != nil {
			p = r.GP64()
			r.MOVQ(ys, p)
		}
		top := r.vec()
		r.each(func(n reg.Register) {
			r.VBROADCASTSS(r.of(0), top)
			acc := r.accumulators(r.exp2Sums())
			finish := func(s *sweep, e vectors) {
				if p != nil {
					s.stores(e, p)
				}
				r.x86.each(func(s *sweep) {
					s.clip(e[s.part])
					s.VADDPS(e[s.part], acc.of(s), acc.of(s))
				})(s)
			}
			if r.lanes == 8 {
				r.sweep(n, r.chains(), func(s *sweep) {
					d := s.vectors()
					r.x86.each(func(s *sweep) { s.VSUBPS(s.operand(xs), top, d[s.part]) })(s)
					finish(s, exp.of(s, d))
				})
			} else {
				exp.flushed(r, 1, func(flush bool) {
					r.staged(n, r.chains(), func(s *sweep) (steps, []vectors) {
						d := s.vectors()
						todo, left := exp.reduce(s, d)
						return append(steps{func() {
							r.x86.each(func(s *sweep) { s.VSUBPS(top, s.load(xs), d[s.part]) })(s)
						}}, todo...), left
					}, func(s *sweep, v []vectors) steps {
						e, todo := exp.scaled(s, v, flush)
						return append(todo, func() { finish(s, e) })
					})
				})
			}
			r.leave(acc, r.VADDPS, 0)
			r.ADDQ(ldx, xs)
			if p != nil {
				r.ADDQ(ldy, p)
			}
		})
	})
	sums := r.together(r.VADDPS, 0)
	r.VMOVUPS(sums.AsX(), r.quad(1))
}

// clearRest sets the columns from n on to 0, where p is the row.
func (r *rowGroup) clearRest(p reg.Register) {
	rest, n := r.GP64(), r.GP64()
	full := r.label("full")
	r.MOVQ(r.paramAddr("cols"), rest)
	r.MOVQ(rest, n)
	r.SUBQ(r.length, rest)
	r.JLE(LabelRef(full))
	zero, to := r.zero(), r.GP64()
	r.LEAQ(Mem{Base: p, Index: r.length, Scale: 4}, to)
	side := r.side
	r.side = -1
	r.sweep(rest, 4, r.x86.each(func(s *sweep) { s.store(zero, to) }))
	r.side = side
	r.Label(full)
}

func (x *x86) softmaxRows() {
	x.function("softmaxRows", "func(rows, cols, causal int, scale float32, x *float32, ldx int, y *float32, ldy int, over *float32, step int, tops, sums *float32) int",
		"is what is described at isa.softmaxRows.")
	exp := x.exp2()
	xs, ys := x.param("x"), x.param("y")
	r := x.rowGroups(x.exp2Vectors(), true)
	ldx, ldy := x.param("ldx"), x.param("ldy")
	x.SHLQ(Imm(2), ldx)
	x.SHLQ(Imm(2), ldy)
	r.largest(xs, ldx, exp, r.end)
	r.exps(xs, ldx, ys, ldy, exp)
	p := x.GP64()
	r.each(func(n reg.Register) {
		x.results(r)
		whole := x.label("unscaled")
		x.MOVQ(x.paramAddr("over"), p)
		x.TESTQ(p, p)
		x.JEQ(LabelRef(whole))
		factor, by := x.vec(), x.GP64()
		x.VMOVSS(Mem{Base: p}, factor.AsX())
		x.VDIVSS(r.of(1), factor.AsX(), factor.AsX())
		x.VBROADCASTSS(factor.AsX(), factor)
		x.MOVQ(x.paramAddr("step"), by)
		x.LEAQ(Mem{Base: p, Index: by, Scale: 4}, p)
		x.MOVQ(p, x.paramAddr("over"))
		x.sweep(n, 4, x.each(func(s *sweep) {
			v := s.vec()
			if s.size == s.lanes {
				s.VMULPS(s.at(ys), factor, v)
			} else {
				v = s.load(ys)
				s.VMULPS(factor, v, v)
			}
			s.store(v, ys)
		}))
		r.clearRest(ys)
		x.Label(whole)
		x.ADDQ(ldy, ys)
	})
	r.next()
	x.left(r)
	x.ret()
}

// results stores largest element and sum of the row at hand, where they are asked for.
func (x *x86) results(r *rowGroup) {
	none, p, v := x.label("quiet"), x.GP64(), x.XMM()
	x.MOVQ(x.paramAddr("tops"), p)
	x.TESTQ(p, p)
	x.JEQ(LabelRef(none))
	x.VMOVSS(r.of(0), v)
	x.VMOVSS(v, Mem{Base: p})
	x.ADDQ(Imm(4), x.paramAddr("tops"))
	x.MOVQ(x.paramAddr("sums"), p)
	x.VMOVSS(r.of(1), v)
	x.VMOVSS(v, Mem{Base: p})
	x.ADDQ(Imm(4), x.paramAddr("sums"))
	x.Label(none)
}

// left returns how many rows are done.
func (x *x86) left(r *rowGroup) {
	rows := x.param("rows")
	x.SUBQ(r.word(wordRows), rows)
	x.Store(rows, x.ReturnIndex(0))
}

func (x *x86) expSumRows() {
	x.function("expSumRows", "func(rows, cols int, scale float32, x *float32, ldx int, tops, sums *float32) int",
		"is what is described at isa.expSumRows.")
	exp := x.exp2()
	xs := x.param("x")
	r := x.rowGroups(x.exp2Vectors(), false)
	ldx := x.param("ldx")
	x.SHLQ(Imm(2), ldx)
	r.largest(xs, ldx, exp, r.end)
	r.exps(xs, ldx, nil, nil, exp)
	r.each(func(n reg.Register) { x.results(r) })
	r.next()
	x.left(r)
	x.ret()
}

func (x *x86) softmaxGradRows() {
	x.function("softmaxGradRows", "func(rows, cols, causal int, scale float32, y *float32, ldy int, dy *float32, lddy int, dx *float32, lddx int)",
		"is what is described at isa.softmaxGradRows.")
	scale := x.scalar("scale")
	ys, dys, dxs := x.param("y"), x.param("dy"), x.param("dx")
	r := x.rowGroups(1, true)
	advance := func(p reg.Register, name string) {
		ld := x.param(name)
		x.LEAQ(Mem{Base: p, Index: ld, Scale: 4}, p)
	}
	p, q := x.GP64(), x.GP64()
	x.MOVQ(ys, p)
	x.MOVQ(dys, q)
	r.each(func(n reg.Register) {
		acc := x.accumulators(4)
		x.sweep(n, 4, x.each(func(s *sweep) {
			v := s.load(p)
			s.VFMADD231PS(s.operand(q), v, acc.of(s))
		}))
		r.leave(acc, x.VADDPS, 0)
		advance(p, "ldy")
		advance(q, "lddy")
	})
	dots := r.together(x.VADDPS, 0)
	x.VMULPS(scale.AsX(), dots.AsX(), dots.AsX())
	x.VMOVUPS(dots.AsX(), r.quad(0))
	dot := x.vec()
	r.each(func(n reg.Register) {
		x.VBROADCASTSS(r.of(0), dot)
		x.sweep(n, 4, x.each(func(s *sweep) {
			dy := s.load(dys)
			s.VFMSUB213PS(dot, scale, dy) // scale*dy − scale*Σ
			s.VMULPS(s.operand(ys), dy, dy)
			s.store(dy, dxs)
		}))
		r.clearRest(dxs)
		advance(ys, "ldy")
		advance(dys, "lddy")
		advance(dxs, "lddx")
	})
	r.next()
	x.ret()
}
