package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const combineArgs = "(h, b0 float32, k0, b []float32, k [][]float32, lo int, x, y []float32)"

// combineX86 writes the combination of Runge-Kutta stages.
func combineX86(x *x86) {
	for _, f := range []struct {
		name, doc string
		past      bool
	}{{"combine", ".", false}, {"combinePast", ", past the caches; y is at a multiple of 64 bytes.", true}} {
		x.function(f.name, "func"+combineArgs, "is y = x + h*(b0*k0 + Σ b[j]*k[j][lo:])"+f.doc)
		c := x.combination()
		for more := range maxStages {
			x.fewStages(c, more, f.past)
		}
		x.sweep(x.length("x"), 8, func(s *sweep) {
			s.past = f.past
			s.stores(c.step(s), c.y)
		})
		x.endCombine(f.past)
	}
}

// maxStages stages and fewer have loops of their own, with addresses and factors in registers.
const maxStages = 4

// fewStages is the whole of combine if there are so many stages beside k0.
func (x *x86) fewStages(c combination, more int, past bool) {
	others := x.label("others")
	x.CMPQ(c.count, Imm(uint64(more)))
	x.JNE(LabelRef(others))
	k := []reg.Register{c.k0}
	b := []reg.VecVirtual{x.vec()}
	x.VBROADCASTSS(c.b0, b[0])
	ks, bs, lo := x.GP64(), x.GP64(), x.GP64()
	x.MOVQ(c.k, ks)
	x.MOVQ(c.b, bs)
	x.MOVQ(c.lo, lo)
	for i := range more {
		p, factor := x.GP64(), x.vec()
		x.MOVQ(Mem{Base: ks, Disp: 24 * i}, p) // of a slice
		x.LEAQ(Mem{Base: p, Index: lo, Scale: 4}, p)
		x.VBROADCASTSS(Mem{Base: bs, Disp: 4 * i}, factor)
		k, b = append(k, p), append(b, factor)
	}
	side := x.side
	x.side = -1
	x.sweep(x.length("x"), 4, x.each(func(s *sweep) {
		s.past = past
		v := s.vec()
		if s.size == s.lanes {
			s.VMULPS(s.at(k[0]), b[0], v)
		} else {
			v = s.load(k[0])
			s.VMULPS(v, b[0], v)
		}
		for i := 1; i < len(k); i++ {
			s.VFMADD231PS(s.operand(k[i]), b[i], v)
		}
		s.VFMADD213PS(s.operand(c.x), c.h, v)
		s.store(v, c.y)
	}))
	x.side = side
	x.endCombine(past)
	x.Label(others)
}

func (x *x86) endCombine(past bool) {
	if past {
		x.SFENCE()
	}
	x.ret()
}

// combination holds the arguments of combine.
type combination struct {
	h                   reg.VecVirtual
	b0, b, k, count, lo Mem
	x, k0, y            reg.Register
}

func (x *x86) combination() combination {
	address := func(name string) Mem {
		b, err := x.Param(name).Base().Resolve()
		if err != nil {
			panic(err)
		}
		return b.Addr
	}
	count, err := x.Param("k").Len().Resolve()
	if err != nil {
		panic(err)
	}
	return combination{
		h: x.scalar("h"), b0: x.paramAddr("b0"), b: address("b"), k: address("k"), count: count.Addr, lo: x.paramAddr("lo"),
		x: x.base("x"), k0: x.base("k0"), y: x.base("y"),
	}
}

// step returns the next elements of y.
func (c combination) step(s *sweep) vectors {
	v, b := s.loads(c.k0), s.vec()
	s.VBROADCASTSS(c.b0, b)
	s.do(s.VMULPS, b, v, v)

	left, bs, ks, at, k := s.GP64(), s.GP64(), s.GP64(), s.GP64(), s.GP64()
	stage, done := s.label("stage"), s.label("done")
	s.MOVQ(c.count, left)
	s.TESTQ(left, left)
	s.JEQ(LabelRef(done))
	s.MOVQ(c.b, bs)
	s.MOVQ(c.k, ks)
	s.MOVQ(c.lo, at)
	s.ADDQ(s.index, at)
	s.Label(stage)
	s.MOVQ(Mem{Base: ks}, k)
	s.VBROADCASTSS(Mem{Base: bs}, b)
	inStage := *s
	inStage.index = at
	inStage.each(func(s *sweep) { s.VFMADD231PS(s.operand(k), b, v[s.part]) })(&inStage)
	s.ADDQ(Imm(24), ks) // a slice
	s.ADDQ(Imm(4), bs)
	s.DECQ(left)
	s.JNE(LabelRef(stage))
	s.Label(done)
	s.each(func(s *sweep) { s.VFMADD213PS(s.operand(c.x), c.h, v[s.part]) })(s)
	return v
}

// operand is the next elements of a slice: in memory if they are a whole vector, else loaded.
func (s *sweep) operand(p reg.Register) Op {
	if s.size == s.lanes {
		return s.at(p)
	}
	return s.load(p)
}
