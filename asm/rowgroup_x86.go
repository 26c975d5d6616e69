package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	instructions "github.com/mmcloughlin/avo/x86"
)

// rowGroup is a loop over rows, four at a time. Each step of a computation is done for the four before the
// next: the sums of one row wait for each other, while the CPU is at work on the next row, and the last part
// of a sum, over the lanes of a register, is done for the four together. What a row gives does not depend on
// those beside it.
type rowGroup struct {
	*x86
	base                 reg.Register // of a frame, a multiple of 64: slots for a vector of each row, quads, words
	slots, size          int          // how many slots there are for a row, and their bytes
	slot, scalar         reg.Register // of the row at hand: where its vector is in the first slots, and its float in the first quad
	left, length, causal reg.Register
	top, end             string
}

const groupRows = 4

// rowGroups begins the loop. vectors is how many vectors each row leaves for the four to be summed, causal
// whether the function has an argument causal, which is 0 or the number of columns of the first row, where
// each has one more than that before it, and cols at most.
func (x *x86) rowGroups(vectors int, causal bool) *rowGroup {
	r := x.rowFrame(vectors, causal)
	x.Label(r.top)
	r.take(wordGroup)
	return r
}

// rowFrame is rowGroups without the loop, for ahead.
func (x *x86) rowFrame(vectors int, causal bool) *rowGroup {
	const quads, words = 4, 8
	r := &rowGroup{x86: x, base: x.GP64(), slots: vectors, size: x.bytes(), top: x.label("group"), end: x.label("rowsDone")}
	if vectors > 1 {
		r.size = 32 // lest the frame be larger than those may be that do not ask for stack
	}
	local := x.AllocLocal(r.quad(quads).Disp + 8*words + 64)
	x.LEAQ(local, r.base)
	x.ADDQ(Imm(63), r.base)
	x.ANDQ(I32(-64), r.base)
	// What is there of rows that a group has not is combined too, and must not be slow.
	zero := x.zero()
	for i := 0; i < groupRows*vectors*r.size; i += x.bytes() {
		x.VMOVUPS(zero, Mem{Base: r.base, Disp: i})
	}
	x.MOVQ(x.param("rows"), r.word(wordRows))
	if causal {
		// length counts up by grow.
		first, grow := x.param("causal"), x.GP64()
		x.XORQ(grow, grow)
		x.TESTQ(first, first)
		x.SETNE(grow.As8())
		x.MOVQ(grow, r.word(wordGrow))
		some := x.label("causal")
		x.JNE(LabelRef(some))
		x.MOVQ(x.paramAddr("cols"), first)
		x.Label(some)
		x.MOVQ(first, r.word(wordLength))
		r.causal = first
	}
	return r
}

// take sets the word to the number of rows of the next group.
func (r *rowGroup) take(word int) reg.GPVirtual {
	g, most := r.GP64(), r.GP64()
	r.MOVQ(r.word(wordRows), g)
	r.MOVQ(U32(groupRows), most)
	r.CMPQ(g, most)
	r.CMOVQGT(most, g)
	r.MOVQ(g, r.word(word))
	return g
}

const (
	wordRows = iota
	wordGroup
	wordLength
	wordGrow
	wordLeft // for beside, as wordScalars and wordSlot are
	wordScalars
	wordSlot
	wordNext // for ahead
)

// quad is where four floats are, one for each row.
func (r *rowGroup) quad(i int) Mem {
	return Mem{Base: r.base, Disp: r.slots*groupRows*r.size + 16*i}
}

func (r *rowGroup) word(i int) Mem {
	m := r.quad(4)
	m.Disp += 8 * i
	return m
}

// each writes the loop over the rows of a group. The body gets a register with the number of columns, for a
// sweep to count down, and moves its own pointers on.
func (r *rowGroup) each(body func(n reg.Register)) { r.eachOf(wordGroup, body) }

// eachOf is each for as many rows as the word says, at least one.
func (r *rowGroup) eachOf(word int, body func(n reg.Register)) {
	loop := r.label("row")
	r.left, r.slot, r.scalar = r.GP64(), r.GP64(), r.GP64()
	r.MOVQ(r.word(word), r.left)
	r.MOVQ(r.base, r.slot)
	r.LEAQ(r.quad(0), r.scalar)
	if r.causal != nil {
		r.length = r.GP64()
		r.MOVQ(r.word(wordLength), r.length)
	}
	r.Label(loop)
	n := r.GP64()
	r.MOVQ(r.paramAddr("cols"), n)
	if r.causal != nil {
		r.CMPQ(n, r.length)
		r.CMOVQGT(r.length, n)
	}
	body(n)
	r.ADDQ(Imm(uint64(r.size)), r.slot)
	r.ADDQ(Imm(4), r.scalar)
	if r.causal != nil {
		r.ADDQ(r.word(wordGrow), r.length)
	}
	r.DECQ(r.left)
	r.JNE(LabelRef(loop))
}

// beside is each with so many rows side by side as long as there are as many, and one by one then. The body writes the
// step for so many, whose vectors and floats are the next ones from the row at hand on: see slotOf and of.
func (r *rowGroup) beside(rows int, body func(rows int)) {
	p := r.GP64()
	r.MOVQ(r.word(wordGroup), p)
	r.MOVQ(p, r.word(wordLeft))
	r.MOVQ(r.base, r.word(wordSlot))
	r.LEAQ(r.quad(0), p)
	r.MOVQ(p, r.word(wordScalars))
	for _, n := range []int{rows, 1} {
		loop, end, left := r.label("beside"), r.label("besideDone"), r.GP64()
		r.Label(loop)
		r.MOVQ(r.word(wordLeft), left)
		r.SUBQ(Imm(uint64(n)), left)
		r.JLT(LabelRef(end))
		r.MOVQ(left, r.word(wordLeft))
		r.slot, r.scalar = r.GP64(), r.GP64()
		r.MOVQ(r.word(wordSlot), r.slot)
		r.MOVQ(r.word(wordScalars), r.scalar)
		r.ADDQ(U32(uint32(n*r.size)), r.word(wordSlot))
		r.ADDQ(Imm(uint64(4*n)), r.word(wordScalars))
		r.side = n
		if n == 1 {
			r.side = -1 // for the last rows
		}
		body(n)
		r.side = 0
		r.JMP(LabelRef(loop))
		r.Label(end)
	}
}

// fresh is accumulators that are not live before: avo takes the zeros of AVX-512 for results of what was there.
func (r *rowGroup) fresh(n int) accumulators {
	a := make(accumulators, n)
	for i := range a {
		a[i] = r.vec()
		if r.lanes == 8 {
			r.clear(a[i])
			continue
		}
		in, err := instructions.VPXORD(a[i], a[i], a[i])
		if err != nil {
			panic(err)
		}
		in.CancellingInputs = true
		r.Instruction(in)
	}
	return a
}

// rowsOf calls body for each of so many rows at an index, which is moved on by cols from row to row.
func (s *sweep) rowsOf(rows int, cols reg.Register, body func(s *sweep, row int)) {
	in := *s
	if rows > 1 {
		in.index = s.GP64()
		s.MOVQ(s.index, in.index)
	}
	for i := range rows {
		if i > 0 {
			s.ADDQ(cols, in.index)
		}
		body(&in, i)
	}
}

// ahead is the loop in the place of next for a computation in steps of which the first is done for a group before
// the last is for that before it: then what follows a sum over lanes, divisions and roots, need not be waited for.
// first is for as many rows as wordNext says; it may go to refuse, with which the loop ends after the groups before. The
// others are for as many as wordGroup says, second for the rows of first.
func (r *rowGroup) ahead(first func(refuse string), last, second func()) {
	g := r.GP64()
	finish, again, refuse := r.label("finish"), r.label("again"), r.label("refuse")
	r.XORQ(g, g)
	r.MOVQ(g, r.word(wordGroup))
	r.Label(again)
	g = r.take(wordNext)
	r.TESTQ(g, g)
	r.JEQ(LabelRef(finish))
	first(refuse)
	g = r.GP64()
	r.MOVQ(r.word(wordNext), g)
	r.SUBQ(g, r.word(wordRows))
	r.JMP(LabelRef(finish))
	r.Label(refuse)
	g = r.GP64()
	r.XORQ(g, g)
	r.MOVQ(g, r.word(wordNext))
	r.Label(finish)
	none := r.label("none")
	g = r.GP64()
	r.MOVQ(r.word(wordGroup), g)
	r.TESTQ(g, g)
	r.JEQ(LabelRef(none))
	last()
	r.Label(none)
	g = r.GP64()
	r.MOVQ(r.word(wordNext), g)
	r.MOVQ(g, r.word(wordGroup))
	r.TESTQ(g, g)
	r.JEQ(LabelRef(r.end))
	second()
	r.JMP(LabelRef(again))
	r.Label(r.end)
}

// next ends the loop.
func (r *rowGroup) next() {
	if r.causal != nil {
		r.MOVQ(r.length, r.word(wordLength))
	}
	g, rows := r.GP64(), r.GP64()
	r.MOVQ(r.word(wordGroup), g)
	r.MOVQ(r.word(wordRows), rows)
	r.SUBQ(g, rows)
	r.MOVQ(rows, r.word(wordRows))
	r.JNE(LabelRef(r.top))
	r.Label(r.end)
}

// slotOf is where the row at hand leaves vector i, and of is its float in quad i.
func (r *rowGroup) slotOf(i int) Mem { return Mem{Base: r.slot, Disp: i * groupRows * r.size} }

func (r *rowGroup) of(i int) Mem { return Mem{Base: r.scalar, Disp: 16 * i} }

// leave combines the accumulators into one and leaves it as vector i of the row at hand.
func (r *rowGroup) leave(a accumulators, op operation, i int) { r.leaveRow(0, a, op, i) }

// leaveRow is leave for one of the rows side by side.
func (r *rowGroup) leaveRow(row int, a accumulators, op operation, i int) {
	slot := r.slotOf(i)
	slot.Disp += row * r.size
	for n := len(a); n > 1; n = (n + 1) / 2 {
		for i := 0; i+(n+1)/2 < n; i++ {
			op(a[i+(n+1)/2], a[i], a[i])
		}
	}
	if r.size == r.bytes() {
		r.VMOVUPS(a[0], slot)
		return
	}
	h := r.YMM()
	r.VEXTRACTF64X4(Imm(1), a[0], h)
	op(h, a[0].AsY(), a[0].AsY())
	r.VMOVUPS(a[0].AsY(), slot)
}

// together combines the lanes of vector i of each row and returns the four results.
func (r *rowGroup) together(op operation, i int) reg.VecVirtual {
	at := func(row int) Mem { return Mem{Base: r.base, Disp: (i*groupRows + row) * r.size} }
	slot := func() reg.VecVirtual { return r.x86.vector(r.size / 4) }
	var pairs [2]reg.VecVirtual
	for p := range pairs {
		a, t := slot(), slot()
		r.VMOVUPS(at(2*p), a)
		r.VUNPCKLPS(at(2*p+1), a, t)
		r.VUNPCKHPS(at(2*p+1), a, a)
		op(t, a, a)
		pairs[p] = a
	}
	v, t := pairs[0], slot()
	r.VUNPCKLPD(pairs[1], v, t)
	r.VUNPCKHPD(pairs[1], v, v)
	op(t, v, v)
	if r.size == 64 {
		h := r.YMM()
		r.VEXTRACTF64X4(Imm(1), v, h)
		op(h, v.AsY(), v.AsY())
	}
	h := r.XMM()
	if r.lanes == 16 {
		r.VEXTRACTF32X4(Imm(1), v.AsY(), h)
	} else {
		r.VEXTRACTF128(Imm(1), v.AsY(), h)
	}
	op(h, v.AsX(), v.AsX())
	return v
}
