package main

import (
	"math"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// reduceX86 writes the maximum that sees NaN, and the searches for places.
func reduceX86(x *x86) {
	x.maxNaN()
	x.find()
	x.peaks()
}

// Predicates of VCMPPS.
const (
	equal     = U8(0)
	unordered = U8(3)
	ordered   = U8(7)
)

func (x *x86) maxNaN() {
	x.function("maxNaN", "func(x []float32) float32", "is the largest element, NaN if one is, −Inf if there is none.")
	xs := x.base("x")
	least := x.broadcast("minusInf", U32(math.Float32bits(float32(math.Inf(-1)))))
	acc := make(accumulators, 8)
	for i := range acc {
		acc[i] = x.vec()
		x.VMOVAPS(least, acc[i])
	}
	seen, jump := x.nanSeen()
	x.sweep(x.length("x"), 8, func(s *sweep) {
		var last reg.VecVirtual
		x.each(func(s *sweep) {
			v := s.load(xs)
			s.fill(v, least)
			a := acc.of(s)
			x.VMAXPS(a, v, a) // the first operand, if one is NaN
			switch {
			case s.parts == 1:
				seen(v, v)
			case s.part%2 == 1:
				seen(v, last)
			}
			last = v
		})(s)
	})
	none, bits := x.label("none"), x.GP32()
	jump(bits, none)
	ret, err := x.ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	x.MOVL(U32(0x7fc00000), bits)
	x.MOVL(bits, ret.Addr)
	x.ret()
	x.Label(none)
	x.result(x.reduce(acc, x.VMAXPS), 0)
	x.ret()
}

// nanSeen returns what notes whether there has been a NaN in one of two vectors, and what goes to a label if there has been
// none, and overwrites bits. Two vectors at a time are compared with each other: either has a NaN where they are unordered.
//
// On AVX-512 masks have the lanes without one, and a comparison is under the mask that it changes: to combine two masks
// takes one of the two ports for vectors on Intel's cores. There are as many masks as hide its latency.
func (x *x86) nanSeen() (seen func(v, w reg.Register), jump func(bits reg.Register, none string)) {
	if x.lanes == 8 {
		nan := x.zero()
		return func(v, w reg.Register) {
				t := x.YMM()
				x.VCMPPS(unordered, v, w, t)
				x.VORPS(t, nan, nan)
			}, func(bits reg.Register, none string) {
				x.VMOVMSKPS(nan, bits)
				x.TESTL(bits, bits)
				x.JEQ(LabelRef(none))
			}
	}
	var fine [4]reg.Register
	for i := range fine {
		fine[i] = x.K()
		x.KXNORW(fine[i], fine[i], fine[i])
	}
	next := 0
	return func(v, w reg.Register) {
			k := fine[next%len(fine)]
			x.VCMPPS(ordered, v, w, k, k)
			next++
		}, func(bits reg.Register, none string) {
			for _, k := range fine[1:] {
				x.KANDW(k, fine[0], fine[0])
			}
			x.KMOVW(fine[0], bits)
			x.XORL(U32(1<<16-1), bits)
			x.JEQ(LabelRef(none))
		}
}

// fill sets the lanes of v past the end of the slices to those of other.
func (s *sweep) fill(v, other reg.VecVirtual) {
	switch {
	case s.size == s.elements():
	case s.size == 0 && s.double:
		s.VBLENDMPD(v, other, s.valid, v)
	case s.size == 0:
		s.VBLENDMPS(v, other, s.valid, v)
	case s.double:
		s.VBLENDPD(Imm(1<<s.size-1), v, other, v)
	default:
		s.VBLENDPS(Imm(1<<s.size-1), v, other, v)
	}
}

// find compares four vectors at a time and, from where one has the value on, vector by vector.
func (x *x86) find() {
	x.function("find", "func(v float32, x []float32) int", "is the place of the first element that equals v, len(x) if there is none.")
	v, xs, n, at := x.scalar("v"), x.base("x"), x.length("x"), x.GP64()
	bits := x.GP32()
	wide, single, tail, element, next, found, done := x.label("wide"), x.label("single"), x.label("tail"), x.label("element"), x.label("next"), x.label("found"), x.label("done")
	x.XORQ(at, at)
	// compare leaves the lanes of so many vectors that equal v in bits, and sets the flags.
	compare := func(vectors int) {
		var all reg.Register
		for i := range vectors {
			m := Mem{Base: xs, Index: at, Scale: 4, Disp: i * x.bytes()}
			if x.lanes == 16 {
				k := x.K()
				x.VCMPPS(equal, m, v, k)
				if i > 0 {
					x.KORW(all, k, k)
				}
				all = k
			} else {
				t := x.YMM()
				x.VCMPPS(equal, m, v, t)
				if i > 0 {
					x.VORPS(all, t, t)
				}
				all = t
			}
		}
		if x.lanes == 16 {
			x.KMOVW(all, bits)
		} else {
			x.VMOVMSKPS(all, bits)
		}
		x.TESTL(bits, bits)
	}
	for _, l := range []struct {
		here, end string
		vectors   int
		hit       string
	}{{wide, single, 4, single}, {single, tail, 1, found}} {
		step := Imm(uint64(l.vectors * x.lanes))
		x.Label(l.here)
		x.CMPQ(n, step)
		x.JLT(LabelRef(l.end))
		compare(l.vectors)
		x.JNE(LabelRef(l.hit))
		x.ADDQ(step, at)
		x.SUBQ(step, n)
		x.JMP(LabelRef(l.here))
	}
	x.Label(tail)
	x.TESTQ(n, n)
	x.JEQ(LabelRef(done))
	x.Label(element)
	x.VUCOMISS(Mem{Base: xs, Index: at, Scale: 4}, v.AsX())
	x.JNE(LabelRef(next))
	x.JPC(LabelRef(done)) // not NaN
	x.Label(next)
	x.INCQ(at)
	x.DECQ(n)
	x.JNE(LabelRef(element))
	x.JMP(LabelRef(done))
	x.Label(found)
	x.BSFL(bits, bits)
	x.ADDQ(bits.As64(), at)
	x.Label(done)
	x.Store(at, x.ReturnIndex(0))
	x.ret()
}
