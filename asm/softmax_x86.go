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
			c:     x.exp2Floor(),
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

// exp2Floor returns the coefficients on AVX-512.
func (x *x86) exp2Floor() []Op {
	return x.fulls("exp2Floor", 1, 0.693151311818, 0.240164450039, 0.0557999134252, 0.00901702996253, 0.00186713021195)
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
	ready := r.label("ready")
	if r.lanes == 16 {
		r.CMPQ(r.word(wordReady), Imm(0))
		r.JNE(LabelRef(ready))
	}
	least := r.broadcast("minusInf", U32(math.Float32bits(float32(math.Inf(-1)))))
	r.wholeGroup(func() {
		tops := r.fourTops()
		r.across([2]reg.Register{xs, ldx}).staged(nil, func(c *columns, _ []vectors) steps {
			return steps{func() {
				for i := range groupRows {
					tops.add(c, 0, i)
				}
			}}
		})
		tops.leave()
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
		r.VMOVUPS(r.together(r.VMAXPS, 0).AsX(), r.quad(0))
		if r.lanes == 16 {
			r.VMOVUPS(r.together(r.VPMAXUD, 1).AsX(), r.quad(3))
		}
	})
	r.Label(ready)
	if r.lanes == 16 {
		none := r.GP64()
		r.XORQ(none, none)
		r.MOVQ(none, r.word(wordReady))
	}
	m := r.vec()
	r.VMOVUPS(r.quad(0), m.AsX())
	if r.lanes == 16 {
		// As unsigned integers negative numbers are more than others, and more the less they are; NaN is still more.
		low, zero := r.vec(), r.XMM()
		r.VMOVUPS(r.quad(3), low.AsX())
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

// fourTops are the largest elements of four rows, and the largest as unsigned integers.
type fourTops struct {
	*rowGroup
	tops, lows accumulators
}

func (r *rowGroup) fourTops() fourTops {
	t := fourTops{r, r.fresh(groupRows), r.fresh(groupRows)}
	least := r.broadcast("minusInf", U32(math.Float32bits(float32(math.Inf(-1)))))
	for _, v := range t.tops {
		r.VMOVAPS(least, v)
	}
	return t
}

func (t fourTops) add(c *columns, matrix, row int) {
	v := t.vec()
	c.load(matrix, row, v)
	if k := c.valid[row]; k != nil {
		t.VMAXPS(v, t.tops[row], k, t.tops[row])
	} else {
		t.VMAXPS(v, t.tops[row], t.tops[row])
	}
	t.VPMAXUD(v, t.lows[row], t.lows[row])
}

// leave combines the lanes and leaves the results in quads 0 and 3.
func (t fourTops) leave() {
	t.VMOVUPS(t.togetherOf(t.VMAXPS, t.tops).AsX(), t.quad(0))
	t.VMOVUPS(t.togetherOf(t.VPMAXUD, t.lows).AsX(), t.quad(3))
}

// exps writes the second step: the exponentials, which go to ys if there is one, and their sums in quad 1. It
// moves xs on to the next group.
func (r *rowGroup) exps(xs, ldx, ys, ldy reg.Register, exp exp2) {
	r.wholeGroup(func() {
		matrices := [][2]reg.Register{{xs, ldx}}
		limit := uint32(0)
		if ys != nil {
			matrices, limit = append(matrices, [2]reg.Register{ys, ldy}), 512
		}
		all, sums := r.across(matrices...), r.fresh(groupRows)
		all.fetchLater(limit)
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
					c.fetch()
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
		r.VMOVUPS(r.togetherOf(r.VADDPS, sums).AsX(), r.quad(1))
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
		r.VMOVUPS(r.together(r.VADDPS, 0).AsX(), r.quad(1))
	})
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
	r.grown = true
	r.wholeGroup(func() { r.scaleFour(xs, ldx, ys, ldy) }, func() { r.scaleEach(ys, ldy) })
	r.next()
	x.left(r)
	x.ret()
}

// scaleEach writes the last step: each row times what is asked for over its sum. It moves ys on to the next group.
func (r *rowGroup) scaleEach(ys, ldy reg.Register) {
	x, p := r.x86, r.GP64()
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
	x.MOVQ(r.length, r.word(wordLength))
}

// scaleFour is scaleEach for a whole group. If another follows, and no row is shorter, its first step is done beside this one's last:
// the loads of the one fit between the stores of the other.
func (r *rowGroup) scaleFour(xs, ldx, ys, ldy reg.Register) {
	x, p, by := r.x86, r.GP64(), r.GP64()
	rows, next, end := r.XMM(), r.label("unscaled"), r.label("scaled")
	x.fourResults(r)
	x.MOVQ(x.paramAddr("over"), p)
	x.TESTQ(p, p)
	x.JEQ(LabelRef(next))
	x.MOVQ(x.paramAddr("step"), by)
	x.VMOVSS(Mem{Base: p}, rows)
	for i := 1; i < groupRows; i++ {
		x.LEAQ(Mem{Base: p, Index: by, Scale: 4}, p)
		x.VINSERTPS(Imm(uint64(i)<<4), Mem{Base: p}, rows, rows)
	}
	x.LEAQ(Mem{Base: p, Index: by, Scale: 4}, p)
	x.MOVQ(p, x.paramAddr("over"))
	x.VDIVPS(r.quad(1), rows, rows)
	x.VMOVUPS(rows, r.quad(3))
	var factors [groupRows]reg.VecVirtual
	for i := range factors {
		factors[i] = x.vec()
		m := r.quad(3)
		m.Disp += 4 * i
		x.VBROADCASTSS(m, factors[i])
	}
	scaled := func(c *columns, i int) {
		v := x.vec()
		x.VMULPS(c.operand(0, i), factors[i], v)
		c.store(v, 0, i)
	}
	alone := x.label("alone")
	x.CMPQ(r.word(wordGrow), Imm(0))
	x.JNE(LabelRef(alone))
	x.CMPQ(r.word(wordRows), Imm(2*groupRows))
	x.JLT(LabelRef(alone))
	x.side = -1
	tops := r.fourTops()
	r.across([2]reg.Register{ys, ldy}, [2]reg.Register{xs, ldx}).staged(nil, func(c *columns, _ []vectors) steps {
		return steps{func() {
			for i := range groupRows {
				scaled(c, i)
				tops.add(c, 1, i)
			}
		}}
	})
	x.side = 0
	tops.leave()
	x.MOVQ(U32(1), p)
	x.MOVQ(p, r.word(wordReady))
	x.JMP(LabelRef(next))
	x.Label(alone)
	r.across([2]reg.Register{ys, ldy}).staged(nil, func(c *columns, _ []vectors) steps {
		return steps{func() {
			for i := range groupRows {
				scaled(c, i)
			}
		}}
	})
	x.CMPQ(r.word(wordGrow), Imm(0))
	x.JEQ(LabelRef(next))
	r.each(func(n reg.Register) {
		r.clearRest(ys)
		x.ADDQ(ldy, ys)
	})
	x.MOVQ(r.length, r.word(wordLength))
	x.JMP(LabelRef(end))
	x.Label(next)
	x.LEAQ(Mem{Base: ys, Index: ldy, Scale: groupRows}, ys)
	x.MOVQ(r.word(wordGrow), p)
	x.SHLQ(Imm(2), p)
	x.ADDQ(p, r.word(wordLength)) // also of rows that are not scaled
	x.Label(end)
}

// fourResults is results for a whole group.
func (x *x86) fourResults(r *rowGroup) {
	none, p, v := x.label("quiet"), x.GP64(), x.XMM()
	x.MOVQ(x.paramAddr("tops"), p)
	x.TESTQ(p, p)
	x.JEQ(LabelRef(none))
	for i, name := range []string{"tops", "sums"} {
		x.MOVQ(x.paramAddr(name), p)
		x.VMOVUPS(r.quad(i), v)
		x.VMOVUPS(v, Mem{Base: p})
		x.ADDQ(Imm(4*groupRows), x.paramAddr(name))
	}
	x.Label(none)
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
	r.wholeGroup(func() { x.fourResults(r) }, func() {
		r.each(func(n reg.Register) { x.results(r) })
	})
	r.next()
	x.left(r)
	x.ret()
}

func (x *x86) softmaxGradRows() {
	x.function("softmaxGradRows", "func(rows, cols, causal int, scale float32, y *float32, ldy int, dy *float32, lddy int, dx *float32, lddx int)",
		"is what is described at isa.softmaxGradRows.")
	scale := x.scalar("scale")
	r := x.rowGroups(1, true)
	r.grown = true
	r.wholeGroup(func() { x.fourGradients(r, scale) }, func() { x.eachGradient(r, scale) })
	r.next()
	x.ret()
}

// onTo moves a pointer on by a stride.
func (x *x86) onTo(p reg.Register, stride string) {
	ld := x.param(stride)
	x.LEAQ(Mem{Base: p, Index: ld, Scale: 4}, p)
}

// eachGradient does the rows of a group one after the other, on AVX-512 with the one sum of each that rows side by side have.
func (x *x86) eachGradient(r *rowGroup, scale reg.VecVirtual) {
	ys, dys, dxs := x.param("y"), x.param("dy"), x.param("dx")
	sums := 4
	if x.lanes == 16 {
		sums = 1
	}
	p, q := x.GP64(), x.GP64()
	x.MOVQ(ys, p)
	x.MOVQ(dys, q)
	r.each(func(n reg.Register) {
		acc := x.accumulators(sums)
		x.sweep(n, 4, x.each(func(s *sweep) {
			v := s.load(p)
			s.VFMADD231PS(s.operand(q), v, acc.of(s))
		}))
		r.leave(acc, x.VADDPS, 0)
		x.onTo(p, "ldy")
		x.onTo(q, "lddy")
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
		x.onTo(ys, "ldy")
		x.onTo(dys, "lddy")
		x.onTo(dxs, "lddx")
	})
	x.MOVQ(ys, x.paramAddr("y"))
	x.MOVQ(dys, x.paramAddr("dy"))
	x.MOVQ(dxs, x.paramAddr("dx"))
	x.MOVQ(r.length, r.word(wordLength))
}

// fourGradients does a whole group side by side.
func (x *x86) fourGradients(r *rowGroup, scale reg.VecVirtual) {
	matrix := func(name, stride string) [2]reg.Register {
		p, ld := x.param(name), x.param(stride)
		x.SHLQ(Imm(2), ld)
		return [2]reg.Register{p, ld}
	}
	sums := r.fresh(groupRows)
	r.across(matrix("y", "ldy"), matrix("dy", "lddy")).staged(nil, func(c *columns, _ []vectors) steps {
		return steps{func() {
			for i, sum := range sums {
				v := x.vec()
				c.load(0, i, v)
				x.VFMADD231PS(c.operand(1, i), v, sum)
			}
		}}
	})
	dots := r.togetherOf(x.VADDPS, sums)
	x.VMULPS(scale.AsX(), dots.AsX(), dots.AsX())
	x.VMOVUPS(dots.AsX(), r.quad(0))
	var dot [groupRows]reg.VecVirtual
	for i := range dot {
		dot[i] = x.vec()
		m := r.quad(0)
		m.Disp += 4 * i
		x.VBROADCASTSS(m, dot[i])
	}
	matrices := [][2]reg.Register{matrix("y", "ldy"), matrix("dy", "lddy"), matrix("dx", "lddx")}
	r.across(matrices...).staged(nil, func(c *columns, _ []vectors) steps {
		return steps{func() {
			for i := range dot {
				dy := x.vec()
				c.load(1, i, dy)
				x.VFMSUB213PS(dot[i], scale, dy) // scale*dy − scale*Σ
				x.VMULPS(c.operand(0, i), dy, dy)
				c.store(dy, 2, i)
			}
		}}
	})
	even, dxs := x.label("even"), x.GP64()
	x.MOVQ(x.paramAddr("dx"), dxs)
	for _, name := range []string{"y", "dy", "dx"} {
		ld := x.param("ld" + name)
		x.SHLQ(Imm(4), ld)
		x.ADDQ(ld, x.paramAddr(name))
	}
	x.CMPQ(r.word(wordGrow), Imm(0))
	x.JEQ(LabelRef(even))
	r.each(func(n reg.Register) {
		r.clearRest(dxs)
		x.onTo(dxs, "lddx")
	})
	x.MOVQ(r.length, r.word(wordLength))
	x.Label(even)
}
