package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
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
	grown                bool // the length of the next group's first row is there
}

const groupRows = 4

// rowGroups begins the loop. vectors is how many vectors each row leaves for the four to be summed, causal
// whether the function has an argument causal, which is 0 or the number of columns of the first row, where
// each has one more than that before it, and cols at most.
func (x *x86) rowGroups(vectors int, causal bool) *rowGroup {
	const quads, words = 4, 9
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
	ready := x.GP64()
	x.XORQ(ready, ready)
	x.MOVQ(ready, r.word(wordReady))
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
	x.Label(r.top)
	g, most := x.GP64(), x.GP64()
	x.MOVQ(r.word(wordRows), g)
	x.MOVQ(U32(groupRows), most)
	x.CMPQ(g, most)
	x.CMOVQGT(most, g)
	x.MOVQ(g, r.word(wordGroup))
	return r
}

const (
	wordRows = iota
	wordGroup
	wordLength
	wordGrow
	wordLeft // for rows side by side, as wordScalars is
	wordScalars
	wordNone // 0 and the lanes of a register, for rows of different lengths
	wordMost
	wordReady // what the first step gives of the group is there
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
func (r *rowGroup) each(body func(n reg.Register)) {
	loop := r.label("row")
	r.left, r.slot, r.scalar = r.GP64(), r.GP64(), r.GP64()
	r.MOVQ(r.word(wordGroup), r.left)
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

// fresh is accumulators that are not live before.
func (r *rowGroup) fresh(n int) accumulators {
	a := make(accumulators, n)
	for i := range a {
		a[i] = r.vec()
		r.unset(a[i])
	}
	return a
}

// next ends the loop.
func (r *rowGroup) next() {
	if r.causal != nil && !r.grown {
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
	var v [groupRows]Op
	for row := range v {
		v[row] = Mem{Base: r.base, Disp: (i*groupRows + row) * r.size}
		if row%2 == 0 {
			w := r.x86.vector(r.size / 4)
			r.VMOVUPS(v[row], w)
			v[row] = w
		}
	}
	return r.fourLanes(op, v)
}

// togetherOf is together for the vectors of a whole group of rows at hand, one of each.
func (r *rowGroup) togetherOf(op operation, a accumulators) reg.VecVirtual {
	var v [groupRows]Op
	for row := range v {
		if r.size < r.bytes() {
			h := r.YMM()
			r.VEXTRACTF64X4(Imm(1), a[row], h)
			op(h, a[row].AsY(), a[row].AsY())
			v[row] = a[row].AsY()
		} else {
			v[row] = a[row]
		}
	}
	return r.fourLanes(op, v)
}

// fourLanes combines the lanes of each of four vectors, of which every other may be in memory.
func (r *rowGroup) fourLanes(op operation, four [groupRows]Op) reg.VecVirtual {
	slot := func() reg.VecVirtual { return r.x86.vector(r.size / 4) }
	var pairs [2]reg.VecVirtual
	for p := range pairs {
		a, t := four[2*p].(reg.VecVirtual), slot()
		r.VUNPCKLPS(four[2*p+1], a, t)
		r.VUNPCKHPS(four[2*p+1], a, a)
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
