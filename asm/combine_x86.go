package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const combineArgs = "(h, b0 float32, k0, b []float32, k [][]float32, lo int, x, y []float32)"

// combineX86 writes the combination of Runge-Kutta stages, alone and with the sums that a norm needs.
func combineX86(x *x86) {
	unroll := 8
	for _, f := range []struct {
		name, doc string
		past      bool
	}{{"combine", ".", false}, {"combinePast", ", past the caches; y is at a multiple of 64 bytes.", true}} {
		x.function(f.name, "func"+combineArgs, "is y = x + h*(b0*k0 + Σ b[j]*k[j][lo:])"+f.doc)
		c := x.combination()
		x.sweep(x.length("x"), unroll, func(s *sweep) {
			s.past = f.past
			s.stores(c.step(s, s.parts), c.y)
		})
		if f.past {
			x.SFENCE()
		}
		x.ret()
	}

	for _, sum := range []struct {
		name, doc string
		term      func(v, acc reg.VecVirtual)
	}{
		{"combineSum", "Σ y", func(v, acc reg.VecVirtual) { x.VADDPS(v, acc, acc) }},
		{"combineSumSquares", "Σ y²", func(v, acc reg.VecVirtual) { x.VFMADD231PS(v, v, acc) }},
	} {
		x.function(sum.name, "func"+combineArgs+" float32", "is y = x + h*(b0*k0 + Σ b[j]*k[j][lo:]) and returns "+sum.doc+".")
		c := x.combination()
		acc := x.accumulators(unroll) // as sum and sumSquares have, so that they give the same bits
		together := 8
		if x.lanes == 8 {
			together = 4 // beside eight accumulators in 16 registers
		}
		x.sweep(x.length("x"), unroll, func(s *sweep) {
			parts := s.parts
			for s.part = 0; s.part < parts; s.part += together {
				first := s.part
				for i, v := range c.step(s, min(together, parts)) {
					s.part = first + i
					s.store(v, c.y)
					s.clip(v)
					sum.term(v, acc.of(s))
				}
				s.part = first
			}
			s.part = 0
		})
		x.result(x.reduce(acc, x.VADDPS), 0)
		x.ret()
	}
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

// step returns the next elements of y, so many vectors from s.part on.
func (c combination) step(s *sweep, count int) vectors {
	first := s.part
	each := func(f func(i int)) {
		for i := range count {
			s.part = first + i
			f(i)
		}
		s.part = first
	}
	v := make(vectors, count)
	b := s.vec()
	s.VBROADCASTSS(c.b0, b)
	each(func(i int) {
		v[i] = s.load(c.k0)
		s.VMULPS(b, v[i], v[i])
	})

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
	each(func(i int) {
		inStage.part = s.part
		s.VFMADD231PS(inStage.operand(k), b, v[i])
	})
	s.ADDQ(Imm(24), ks) // a slice
	s.ADDQ(Imm(4), bs)
	s.DECQ(left)
	s.JNE(LabelRef(stage))
	s.Label(done)
	each(func(i int) { s.VFMADD213PS(s.operand(c.x), c.h, v[i]) })
	return v
}

// operand is the next elements of a slice: in memory if they are a whole vector, else loaded.
func (s *sweep) operand(p reg.Register) Op {
	if s.size == s.lanes {
		return s.at(p)
	}
	return s.load(p)
}
