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
	x.combinedNorms()
	x.normGradRows("layerNormGrad", true)
	x.normGradRows("rmsNormGrad", false)
}

// rowPairs is the loop of a normalisation over the rows of matrices without gaps. Rows go two at a time through the
// sums of their elements, the moments that these give, and the results, and the results of a pair are written
// in the loop that sums the pair after the next: so instructions of both are there for all ports, and nothing
// waits for sums over lanes, a root and a division. What a row gives does not depend on those beside it.
type rowPairs struct {
	*x86
	centred                        bool
	frame                          Mem
	xs, ys, from, gammas, betas, n reg.Register // rows to sum, to write and to read for that; n is the number of columns
	second                         reg.Register // the second of the rows to sum
	shift                          [2]reg.VecVirtual
	sum, squares                   [2]accumulators // of vectors in turn
	made                           *madeRows       // nil: rows are there
}

const pairUnroll = 2

// What is in the frame: quads, whose four elements are equal, and words.
const (
	pairRoot    = iota // √cols
	pairInverse        // 1/cols
	pairEps            // cols*eps
	pairLeast          // cols*2⁻¹²⁶
	pairQuads
)

const (
	pairLeft  = iota // rows whose sums are to come
	pairReady        // rows with moments and without results
	pairRows         // rows of the pair at hand
	pairMean         // where the mean is of the next row to write
	pairRstd
	pairLost // rows that are left to the caller
	pairWords
	pairApart = pairWords // where rows are made: how many elements x, and then each stage, are from y
)

func (r *rowPairs) quad(i int) Mem { m := r.frame; m.Disp += 16 * i; return m }

func (r *rowPairs) word(i int) Mem {
	m := r.quad(pairQuads)
	m.Disp += 8 * i
	return m
}

func (x *x86) layerNorm() {
	x.function("layerNorm", "func(rows, cols int, eps float32, x, gamma, beta, y, mean, rstd []float32, stores int)", "is the normalisation described at isa.layerNorm.")
	x.normPairs(true, "x", "y", nil)
	x.ret()
}

func (x *x86) rmsNorm() {
	x.function("rmsNorm", "func(rows, cols int, eps float32, x, gamma, y, rstd []float32, stores int) int", "is the normalisation described at isa.rmsNorm.")
	x.normPairs(false, "x", "y", nil).returnRows()
}

// returnRows ends the function, whose result is how many rows are done.
func (r *rowPairs) returnRows() {
	rows := r.param("rows")
	r.SUBQ(r.word(pairLost), rows)
	r.Store(rows, r.ReturnIndex(0))
	r.ret()
}

// sliceAddr returns where the base pointer of an argument is.
func (x *x86) sliceAddr(name string) Mem {
	at, err := x.Param(name).Base().Resolve()
	if err != nil {
		panic(err)
	}
	return at.Addr
}

// normPairs writes the normalisation of the rows of one argument, made or there, into another.
func (x *x86) normPairs(centred bool, from, to string, made *madeRows) *rowPairs {
	r := &rowPairs{x86: x, centred: centred, second: x.GP64(), made: made}
	words := pairWords
	if made != nil {
		words = pairApart + len(made.from)
	}
	r.frame = x.AllocLocal(16*pairQuads + 8*words)
	r.xs, r.ys, r.gammas, r.n = x.base(from), x.base(to), x.base("gamma"), x.param("cols")
	if made != nil {
		r.prepareMade()
	}
	r.from = x.GP64()
	x.MOVQ(r.xs, r.from)
	if centred {
		r.betas = x.base("beta")
	}
	fresh := func(n int) (a accumulators) {
		for range n {
			a = append(a, x.vec())
		}
		return a
	}
	// Adding waits three cycles for the last sum, multiplying four, in which AVX2 does more than two vectors; but it has
	// no registers for more. On AVX-512 that bounds the sums of squares alone.
	sums, squares := 1, pairUnroll
	if centred && x.lanes == 16 {
		squares = 1
	}
	for i := range 2 {
		r.shift[i], r.sum[i], r.squares[i] = x.vec(), fresh(sums), fresh(squares)
	}
	n, v, g := x.XMM(), x.XMM(), x.GP64()
	quad := func(i int) {
		x.VBROADCASTSS(v, v)
		x.VMOVUPS(v, r.quad(i))
	}
	x.VXORPS(n, n, n)
	x.VCVTSI2SSQ(r.n, n, n)
	x.VSQRTSS(n, n, v)
	quad(pairRoot)
	x.VMOVSS(x.constant("one", F32(1)), v)
	x.VDIVSS(n, v, v)
	quad(pairInverse)
	x.VMULSS(x.paramAddr("eps"), n, v)
	quad(pairEps)
	x.VMULSS(x.constant("leastSquare", F32(0x1p-126)), n, v)
	quad(pairLeast)
	x.MOVQ(x.paramAddr("rows"), g)
	x.MOVQ(g, r.word(pairLeft))
	x.XORQ(g, g)
	x.MOVQ(g, r.word(pairReady))
	x.MOVQ(g, r.word(pairLost))
	if centred {
		x.MOVQ(x.sliceAddr("mean"), g)
		x.MOVQ(g, r.word(pairMean))
	}
	x.MOVQ(x.sliceAddr("rstd"), g)
	x.MOVQ(g, r.word(pairRstd))

	top, drain, alone, only, past, moments := x.label("top"), x.label("drain"), x.label("alone"), x.label("only"), x.label("past"), x.label("moments")
	x.Label(top)
	g = x.GP64()
	x.MOVQ(r.word(pairLeft), g)
	x.TESTQ(g, g)
	x.JEQ(LabelRef(drain))
	x.LEAQ(Mem{Base: r.xs, Index: r.n, Scale: 4}, r.second)
	x.DECQ(g)
	x.JEQ(LabelRef(alone))
	x.DECQ(g)
	x.MOVQ(g, r.word(pairLeft))
	x.MOVQ(U32(2), g)
	x.MOVQ(g, r.word(pairRows))
	r.begin()
	if made == nil {
		x.CMPQ(x.paramAddr("stores"), Imm(0))
		x.JNE(LabelRef(past))
	}
	x.CMPQ(r.word(pairReady), Imm(4))
	x.JLT(LabelRef(only))
	x.SUBQ(Imm(2), r.word(pairReady))
	r.both([]int{0, 1}, 2, false, true)
	x.JMP(LabelRef(moments))
	x.Label(only)
	r.both([]int{0, 1}, 0, false, false)
	x.JMP(LabelRef(moments))
	if made == nil {
		// From memory rows are read in order.
		x.Label(past)
		wait := x.label("wait")
		x.CMPQ(r.word(pairReady), Imm(4))
		x.JLT(LabelRef(wait))
		x.SUBQ(Imm(2), r.word(pairReady))
		r.both(nil, 2, true, false)
		x.Label(wait)
		r.both([]int{0}, 0, false, false)
		r.both([]int{1}, 0, false, false)
		x.JMP(LabelRef(moments))
	}
	x.Label(alone)
	x.MOVQ(g, r.word(pairLeft))
	x.INCQ(g)
	x.MOVQ(g, r.word(pairRows))
	x.MOVQ(r.xs, r.second)
	r.begin()
	r.both([]int{0}, 0, false, false)
	x.Label(moments)
	r.moments(drain)
	x.JMP(LabelRef(top))

	x.Label(drain)
	pair, single, in, done := x.label("pair"), x.label("single"), x.label("inTurn"), x.label("done")
	if made == nil {
		x.CMPQ(x.paramAddr("stores"), Imm(1))
		x.JEQ(LabelRef(in))
		x.JHI(LabelRef(past + "Pair"))
	}
	x.Label(pair)
	x.SUBQ(Imm(2), r.word(pairReady))
	x.JLT(LabelRef(single))
	r.both(nil, 2, false, false)
	x.JMP(LabelRef(pair))
	if made == nil {
		x.Label(past + "Pair")
		x.SUBQ(Imm(2), r.word(pairReady))
		x.JLT(LabelRef(past + "Single"))
		r.both(nil, 2, true, false)
		x.JMP(LabelRef(past + "Pair"))
		x.Label(past + "Single")
		x.ADDQ(Imm(2), r.word(pairReady))
		x.JEQ(LabelRef(past + "Done"))
		r.both(nil, 1, true, false)
		x.Label(past + "Done")
		x.SFENCE()
		x.JMP(LabelRef(done))
	}
	x.Label(single)
	x.ADDQ(Imm(2), r.word(pairReady))
	x.Label(in)
	x.SUBQ(Imm(1), r.word(pairReady))
	x.JLT(LabelRef(done))
	r.both(nil, 1, false, false)
	x.JMP(LabelRef(in))
	x.Label(done)
	return r
}

// begin sets the sums to 0, and the shifts, from which elements are counted so that sums and squares are of numbers not
// much larger than the standard deviation, to the mean of a first vector, or to the first element of a row that has none.
func (r *rowPairs) begin() {
	r.clearSums()
	if !r.centred {
		return
	}
	short, done, two := r.label("short"), r.label("shifted"), r.XMM()
	r.CMPQ(r.n, Imm(uint64(r.lanes)))
	r.JLT(LabelRef(short))
	first := [2]reg.VecVirtual{r.first(r.xs, r.lanes), r.first(r.second, r.lanes)}
	v := r.lower(r.halves(first))
	r.VMOVHLPS(v, v, two)
	r.VADDPS(two, v, two)
	inverse := r.XMM()
	r.VBROADCASTSS(r.constant("lanes"+r.suffix, F32(1/float32(r.lanes))), inverse)
	r.VMULPS(inverse, two, two)
	r.VBROADCASTSS(two, r.shift[0])
	r.VMOVSHDUP(two, two)
	r.VBROADCASTSS(two, r.shift[1])
	r.JMP(LabelRef(done))
	r.Label(short)
	if r.made == nil {
		r.VBROADCASTSS(Mem{Base: r.xs}, r.shift[0])
		r.VBROADCASTSS(Mem{Base: r.second}, r.shift[1])
	} else {
		r.VBROADCASTSS(r.first(r.xs, 1).AsX(), r.shift[0])
		r.VBROADCASTSS(r.first(r.second, 1).AsX(), r.shift[1])
	}
	r.Label(done)
}

// first returns the first elements of a row to sum.
func (r *rowPairs) first(p reg.Register, size int) reg.VecVirtual {
	if r.made != nil {
		index := r.GP64()
		r.XORQ(index, index)
		s := &sweep{x86: r.x86, index: index, size: size}
		return r.make(s, r.apart(s), p)
	}
	v := r.vec()
	r.VMOVUPS(Mem{Base: p}, v)
	return v
}

// clearSums sets the sums to 0.
func (r *rowPairs) clearSums() {
	for i := range 2 {
		for _, v := range r.squares[i] {
			r.unset(v)
		}
		if r.centred {
			for _, v := range r.sum[i] {
				r.unset(v)
			}
		}
	}
}

// whole adds the accumulators of each row to the first.
func (x *x86) whole(a [2]accumulators) (v [2]reg.VecVirtual) {
	for i := range a {
		v[i] = a[i][0]
		for _, b := range a[i][1:] {
			x.VADDPS(b, v[i], v[i])
		}
	}
	return v
}

// halves adds elements of two vectors, and returns those of both, one beside the other, in 32 bytes.
func (x *x86) halves(v [2]reg.VecVirtual) reg.VecVirtual {
	var y [2]reg.Register
	for i := range v {
		y[i] = v[i].AsY()
		if x.lanes == 16 {
			h := x.YMM()
			x.VEXTRACTF64X4(Imm(1), v[i], h)
			x.VADDPS(y[i], h, h)
			y[i] = h
		}
	}
	low, high := x.YMM(), x.YMM()
	x.VUNPCKLPS(y[1], y[0], low)
	x.VUNPCKHPS(y[1], y[0], high)
	x.VADDPS(high, low, low)
	return low
}

// lower adds the halves of v.
func (x *x86) lower(v reg.VecVirtual) reg.VecVirtual {
	h := x.XMM()
	if x.lanes == 16 {
		x.VEXTRACTF32X4(Imm(1), v.AsY(), h)
	} else {
		x.VEXTRACTF128(Imm(1), v.AsY(), h)
	}
	x.VADDPS(v.AsX(), h, h)
	return h
}

// quadSums returns the sums over the lanes of four vectors.
func (x *x86) quadSums(a, b [2]reg.VecVirtual) reg.VecVirtual {
	p, q := x.halves(a), x.halves(b)
	low, high := x.YMM(), x.YMM()
	x.VUNPCKLPD(q, p, low)
	x.VUNPCKHPD(q, p, high)
	x.VADDPS(high, low, low)
	return x.lower(low)
}

// both writes the loop that sums these rows of a pair and writes the results of so many others, and moves on to the next of those.
func (r *rowPairs) both(sums []int, results int, past, main bool) {
	xs := [2]reg.Register{r.xs, r.second}
	var from, to [2]reg.Register
	var mean, rstd [2]reg.VecVirtual
	if results > 0 {
		from[0], to[0], from[1], to[1] = r.from, r.ys, r.GP64(), r.GP64()
		if results > 1 {
			r.LEAQ(Mem{Base: r.from, Index: r.n, Scale: 4}, from[1])
			r.LEAQ(Mem{Base: r.ys, Index: r.n, Scale: 4}, to[1])
		}
		p := r.GP64()
		scalars := func(word int) (v [2]reg.VecVirtual) {
			r.MOVQ(r.word(word), p)
			for i := range results {
				v[i] = r.vec()
				r.VBROADCASTSS(Mem{Base: p, Disp: 4 * i}, v[i])
			}
			r.ADDQ(Imm(uint64(4*results)), r.word(word))
			return v
		}
		rstd = scalars(pairRstd)
		if r.centred {
			mean = scalars(pairMean)
		}
	}
	n := r.GP64()
	r.MOVQ(r.n, n)
	r.side = -1
	if main {
		r.side = 2
	}
	r.sweep(n, pairUnroll, r.aside(len(sums) > 0, func(s *sweep, apart []reg.Register) {
		s.past = past
		for _, i := range sums {
			if r.made != nil {
				v := r.make(s, apart, xs[i])
				s.store(v, xs[i])
				r.addMade(s, v, i)
				continue
			}
			r.add(s, xs[i], i)
		}
		if results == 0 {
			return
		}
		gamma := s.load(r.gammas)
		var beta Op
		switch {
		case !r.centred:
		case s.lanes == 16:
			beta = s.load(r.betas)
		default:
			beta = s.operand(r.betas)
		}
		for i := range results {
			y := r.vec()
			if r.centred {
				r.VSUBPS(s.operand(from[i]), mean[i], y)
				r.VMULPS(rstd[i], y, y)
				r.VFNMADD213PS(beta, gamma, y)
			} else {
				r.times(s, from[i], rstd[i], y)
				r.VMULPS(gamma, y, y)
			}
			s.store(y, to[i])
		}
	}))
	r.side = 0
	if results > 0 {
		r.LEAQ(Mem{Base: to[results-1], Index: r.n, Scale: 4}, r.ys)
		r.LEAQ(Mem{Base: from[results-1], Index: r.n, Scale: 4}, r.from)
	}
}

// times sets y to v times the elements.
func (r *rowPairs) times(s *sweep, p reg.Register, v, y reg.VecVirtual) {
	if s.size == s.lanes {
		r.VMULPS(s.at(p), v, y)
		return
	}
	r.VMULPS(s.load(p), v, y)
}

// add adds the elements of a row, how much less they are than the shift, and squares.
func (r *rowPairs) add(s *sweep, p reg.Register, i int) {
	if !r.centred {
		v := s.load(p)
		r.VFMADD231PS(v, v, r.squares[i].of(s))
		return
	}
	d := r.vec()
	r.VSUBPS(s.operand(p), r.shift[i], d)
	s.clip(d)
	r.VADDPS(d, r.sum[i].of(s), r.sum[i].of(s))
	r.VFMADD231PS(d, d, r.squares[i].of(s))
}

// rstds returns 1/√(s/cols + eps).
func (r *rowPairs) rstds(s reg.VecVirtual) reg.VecVirtual {
	root := r.XMM()
	r.VADDPS(r.quad(pairEps), s, s)
	r.VSQRTPS(s, s)
	r.VMOVUPS(r.quad(pairRoot), root)
	r.VDIVPS(s, root, root)
	return root
}

// hand stores one or two of the results, and moves on the pointer.
func (r *rowPairs) hand(v reg.VecVirtual, slice string) {
	one, done, p := r.label("one"), r.label("handed"), r.GP64()
	r.MOVQ(r.sliceAddr(slice), p)
	r.CMPQ(r.word(pairRows), Imm(2))
	r.JNE(LabelRef(one))
	r.VMOVLPS(v, Mem{Base: p})
	r.ADDQ(Imm(8), r.sliceAddr(slice))
	r.JMP(LabelRef(done))
	r.Label(one)
	r.VMOVSS(v, Mem{Base: p})
	r.ADDQ(Imm(4), r.sliceAddr(slice))
	r.Label(done)
}

// bits returns a bit for each of four comparisons, as VCMPPS makes them.
func (x *x86) bits(predicate uint64, b Op, a reg.VecVirtual) reg.Register {
	bits := x.GP32()
	if x.lanes == 16 {
		k := x.K()
		x.VCMPPS(Imm(predicate), b, a, k)
		x.KMOVW(k, bits)
		return bits
	}
	v := x.XMM()
	x.VCMPPS(Imm(predicate), b, a, v)
	x.VMOVMSKPS(v, bits)
	return bits
}

// moments stores what the sums give and moves on. It goes to refuse with rows that are left to the caller.
func (r *rowPairs) moments(refuse string) {
	if r.centred {
		r.centredMoments()
	} else {
		r.squareMoments(refuse)
	}
	g := r.GP64()
	r.MOVQ(r.word(pairRows), g)
	r.ADDQ(g, r.word(pairReady))
	r.LEAQ(Mem{Base: r.second, Index: r.n, Scale: 4}, r.xs)
}

// centredMoments are from sums s of n elements' differences d from the shift and q of their squares:
// n*variance = q − s²/n. If s²/n is more than that, the row is summed once more, with the mean for shift.
func (r *rowPairs) centredMoments() {
	const lessEqual = 2
	v := r.quadSums(r.whole(r.sum), r.whole(r.squares))
	m, mean, w, q := r.XMM(), r.XMM(), r.XMM(), r.XMM()
	r.VMULPS(r.quad(pairInverse), v, m)
	r.VUNPCKLPS(r.shift[1].AsX(), r.shift[0].AsX(), mean)
	r.VSUBPS(m, mean, mean)
	r.VMULPS(v, m, w)
	r.VMOVHLPS(v, v, q)
	r.VSUBPS(w, q, q)
	good := r.bits(lessEqual, q, w)
	rstd := r.rstds(q)
	means, rstds, at := r.GP64(), r.GP64(), r.GP64()
	r.MOVQ(r.sliceAddr("mean"), means)
	r.MOVQ(r.sliceAddr("rstd"), rstds)
	r.hand(mean, "mean")
	r.hand(rstd, "rstd")
	fine, loop, next := r.label("fine"), r.label("anew"), r.label("next")
	r.NOTL(good)
	r.ANDL(Imm(3), good)
	r.JEQ(LabelRef(fine))
	r.MOVQ(r.xs, at)
	r.Label(loop)
	r.TESTL(U32(1), good)
	r.JEQ(LabelRef(next))
	r.VBROADCASTSS(Mem{Base: means}, r.shift[0])
	r.clearSums()
	n := r.GP64()
	r.MOVQ(r.n, n)
	r.side = -1
	r.sweep(n, pairUnroll, r.each(func(s *sweep) { r.add(s, at, 0) }))
	r.side = 0
	v, q = r.quadSums(r.whole(r.sum), r.whole(r.squares)), r.XMM()
	m = r.XMM()
	r.VMULPS(r.quad(pairInverse), v, m)
	r.VSUBPS(m, r.shift[0].AsX(), m)
	r.VMOVHLPS(v, v, q)
	r.VMOVSS(m, Mem{Base: means})
	r.VMOVSS(r.rstds(q), Mem{Base: rstds})
	r.Label(next)
	r.MOVQ(r.second, at)
	r.ADDQ(Imm(4), means)
	r.ADDQ(Imm(4), rstds)
	r.SHRL(Imm(1), good)
	r.JNE(LabelRef(loop))
	r.Label(fine)
}

func (r *rowPairs) squareMoments(refuse string) {
	const notLess, less = 5, 1
	v := r.lower(r.halves(r.whole(r.squares)))
	two := r.XMM()
	r.VMOVHLPS(v, v, two)
	r.VADDPS(two, v, v)
	least, inf := r.XMM(), r.XMM()
	r.VMOVUPS(r.quad(pairLeast), least)
	r.VBROADCASTSS(r.constant("inf", U32(math.Float32bits(float32(math.Inf(1))))), inf)
	good, small, fine := r.bits(notLess, least, v), r.bits(less, inf, v), r.label("fine")
	r.ANDL(small, good)
	// Of a row alone the second does not matter.
	g := r.GP64()
	r.MOVQ(r.word(pairRows), g)
	r.NOTL(good)
	mask := r.GP32()
	r.LEAL(Mem{Base: g, Index: g, Scale: 1, Disp: -1}, mask) // 1 or 3
	r.ANDL(mask, good)
	r.JEQ(LabelRef(fine))
	r.ADDQ(r.word(pairLeft), g)
	r.MOVQ(g, r.word(pairLost))
	r.XORQ(g, g)
	r.MOVQ(g, r.word(pairLeft))
	r.JMP(LabelRef(refuse))
	r.Label(fine)
	r.hand(r.rstds(v), "rstd")
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
