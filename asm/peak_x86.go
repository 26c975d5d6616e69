package main

import (
	"math"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// peakVectors is how many vectors make a block of peak. Fewer cost more steps between blocks, and more a longer
// search in the last one.
const peakVectors = 32

// peaks writes the searches for the place of the largest element.
func (x *x86) peaks() {
	for _, x.double = range []bool{false, true} {
		x.peak(x.prefix()+"peak", "is the largest |x| and its first place, NaN left out; −1 and 0 if there is nothing else.", true)
	}
	x.double = false
	x.peak("peakNaN", "is the largest element and its first place; NaN and 0 if an element is NaN.", false)
}

// peak goes over blocks and keeps for each lane the largest element so far, and the first block that has it. The
// element is then looked for in the first of the blocks whose lanes have the largest of all.
func (x *x86) peak(name, doc string, absolute bool) {
	x.function(name, x.of("func(x []T) (m T, at int)"), doc)
	xs, n := x.base("x"), x.length("x")
	p := x.GP64()
	x.MOVQ(xs, p)
	least := x.vec()
	switch {
	case !absolute:
		x.spread(x.constant("minusInf", U32(math.Float32bits(float32(math.Inf(-1))))), least)
	case x.double:
		x.spread(x.constant("minusOne64", F64(-1)), least)
	default:
		x.spread(x.constant("minusOne", F32(-1)), least)
	}
	var mask reg.VecVirtual
	if absolute {
		mask = x.magnitude()
	}
	one := x.vec()
	if x.double {
		x.spread(x.constant("oneInteger64", U64(1)), one)
	} else {
		x.spread(x.constant("oneInteger", U32(1)), one)
	}
	acc := make(accumulators, 4)
	for i := range acc {
		acc[i] = x.vec()
		x.VMOVAPS(least, acc[i])
	}
	best, which, block := x.vec(), x.zero(), x.zero()
	x.VMOVAPS(least, best)
	seen, jump := func(v, w reg.Register) {}, func(bits reg.Register, none string) {}
	if !absolute {
		seen, jump = x.nanSeen()
	}

	// next ends a block.
	next := func() {
		t := x.vec()
		x.larger(acc[0], acc[1], t)
		u := x.vec()
		x.larger(acc[2], acc[3], u)
		x.larger(t, u, t)
		x.takeWhereLess(best, t, block, which)
		x.VMOVAPS(t, best)
		if x.double {
			x.VPADDQ(one, block, block)
		} else {
			x.VPADDD(one, block, block)
		}
	}
	loop, rest := x.label("loop"), x.label("rest")
	step := U32(uint32(peakVectors * x.elements()))
	x.SUBQ(step, n)
	x.JLT(LabelRef(rest))
	x.Label(loop)
	x.mainLoop(peakVectors)
	var last reg.VecVirtual
	for i := range peakVectors {
		v := x.vec()
		m := Mem{Base: p, Disp: i * x.bytes()}
		if absolute {
			a := acc[i%len(acc)]
			x.and(m, mask, v)
			x.larger(a, v, a) // the first operand, if one is NaN
			continue
		}
		// The larger of two first, so that accumulators are not waited for. What NaN does to it does not matter.
		x.VMOVUPS(m, v)
		if i%2 == 1 {
			seen(v, last)
			a := acc[i/2%len(acc)]
			x.larger(last, v, v)
			x.larger(a, v, a)
		}
		last = v
	}
	next()
	x.ADDQ(U32(uint32(peakVectors*x.bytes())), p)
	x.SUBQ(step, n)
	x.JGE(LabelRef(loop))
	x.Label(rest)
	x.ADDQ(step, n)
	side := x.side
	x.side = -1
	x.sweep(n, 1, func(s *sweep) {
		v := s.load(p)
		if absolute {
			x.and(v, mask, v)
		}
		s.fill(v, least)
		x.larger(acc[0], v, acc[0])
		seen(v, v)
	})
	x.side = side
	next()

	at, count, bits := x.GP64(), x.length("x"), x.GP32()
	x.XORQ(at, at)
	end := x.label("end")
	largest := x.vec()
	x.VMOVAPS(best, largest)
	x.reduce(accumulators{largest}, x.larger)
	x.result(largest.AsX(), 0)
	if absolute {
		if x.double {
			x.VMOVMSKPD(largest.AsX(), bits)
		} else {
			x.VMOVMSKPS(largest.AsX(), bits)
		}
		x.TESTL(U32(1), bits) // its sign
		x.JNE(LabelRef(end))
	} else {
		some := x.label("some")
		jump(bits, some)
		ret, err := x.ReturnIndex(0).Resolve()
		if err != nil {
			panic(err)
		}
		x.MOVL(U32(0x7fc00000), bits)
		x.MOVL(bits, ret.Addr)
		x.JMP(LabelRef(end))
		x.Label(some)
	}
	if x.double {
		x.VBROADCASTSD(largest.AsX(), largest)
	} else {
		x.VBROADCASTSS(largest.AsX(), largest)
	}
	// The first of the blocks.
	blocks, lane, first, other := x.AllocLocal(x.bytes()), x.GP32(), x.GP32(), x.GP32()
	x.VMOVUPS(which, blocks)
	x.equalLanes(largest, best, bits)
	lanes := x.label("lanes")
	x.MOVL(U32(math.MaxInt32), first)
	x.Label(lanes)
	x.BSFL(bits, lane)
	element := blocks
	element.Index, element.Scale = lane.As64(), uint8(x.size())
	x.MOVL(element, other)
	x.CMPL(other, first)
	x.CMOVQLT(other.As64(), first.As64())
	x.LEAL(Mem{Base: bits, Disp: -1}, lane)
	x.ANDL(lane, bits)
	x.JNE(LabelRef(lanes))
	x.MOVL(first, at.As32())
	x.IMUL3Q(U32(uint32(peakVectors*x.elements())), at, at)

	// Its first element.
	x.SUBQ(at, count)
	width := Imm(uint64(x.elements()))
	seek, elements, found := x.label("seek"), x.label("elements"), x.label("found")
	x.Label(seek)
	x.SUBQ(width, count)
	x.JLT(LabelRef(elements))
	v, m := x.vec(), Mem{Base: xs, Index: at, Scale: uint8(x.size())}
	if absolute {
		x.and(m, mask, v)
	} else {
		x.VMOVUPS(m, v)
	}
	x.equalLanes(largest, v, bits)
	x.TESTL(bits, bits)
	x.JNE(LabelRef(found))
	x.ADDQ(width, at)
	x.JMP(LabelRef(seek))
	x.Label(found)
	x.BSFL(bits, bits)
	x.ADDQ(bits.As64(), at)
	x.JMP(LabelRef(end))
	x.Label(elements)
	w := x.XMM()
	x.one(m, w)
	if absolute {
		x.VANDPS(w, mask.AsX(), w)
	}
	if x.double {
		x.VUCOMISD(w, largest.AsX())
	} else {
		x.VUCOMISS(w, largest.AsX())
	}
	x.LEAQ(Mem{Base: at, Disp: 1}, at)
	x.JNE(LabelRef(elements))
	x.JPS(LabelRef(elements)) // NaN
	x.DECQ(at)
	x.Label(end)
	x.Store(at, x.ReturnIndex(1))
	x.ret()
}

// takeWhereLess sets to = from in the lanes in which a < b.
func (x *x86) takeWhereLess(a, b, from, to reg.VecVirtual) {
	const less = 1
	switch {
	case x.lanes == 16 && x.double:
		k := x.K()
		x.VCMPPD(Imm(less), b, a, k)
		x.VMOVAPD(from, k, to)
	case x.lanes == 16:
		k := x.K()
		x.VCMPPS(Imm(less), b, a, k)
		x.VMOVAPS(from, k, to)
	case x.double:
		m := x.vec()
		x.VCMPPD(Imm(less), b, a, m)
		x.VBLENDVPD(m, from, to, to)
	default:
		m := x.vec()
		x.VCMPPS(Imm(less), b, a, m)
		x.VBLENDVPS(m, from, to, to)
	}
}

// equalLanes returns the lanes in which a and b are equal.
func (x *x86) equalLanes(a, b reg.VecVirtual, bits reg.Register) {
	compare, move := x.VCMPPS, x.VMOVMSKPS
	if x.double {
		compare, move = x.VCMPPD, x.VMOVMSKPD
	}
	if x.lanes == 16 {
		k := x.K()
		compare(equal, a, b, k)
		x.KMOVW(k, bits)
		return
	}
	m := x.vec()
	compare(equal, a, b, m)
	move(m, bits)
}
