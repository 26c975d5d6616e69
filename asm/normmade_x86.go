package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// madeRows says that the rows of a normalisation are combined in the pass that sums them: y = x + h*(b0*k0 + b1*k1), or
// x + h*f for one stage, with the bits of combine.
type madeRows struct {
	from []string // the arguments x and the stages
	h    reg.VecVirtual
	b    []Op // of each stage, if there are more than one
}

// combinedNorms writes the normalisations of what they combine.
func (x *x86) combinedNorms() {
	x.function("eulerLayerNorm", "func(rows, cols int, h, eps float32, x, f, gamma, beta, y, z, mean, rstd []float32)", "is what is described at isa.eulerLayerNorm.")
	x.normPairs(true, "y", "z", &madeRows{from: []string{"x", "f"}})
	x.ret()

	x.function("combineLayerNorm", "func(rows, cols int, h, b0, b1, eps float32, x, k0, k1, gamma, beta, y, z, mean, rstd []float32)", "is what is described at isa.combineLayerNorm.")
	x.normPairs(true, "y", "z", &madeRows{from: []string{"x", "k0", "k1"}})
	x.ret()

	x.function("combineRMSNorm", "func(rows, cols int, h, b0, b1, eps float32, x, k0, k1, gamma, y, z, rstd []float32) int", "is what is described at isa.combineRMSNorm.")
	x.normPairs(false, "y", "z", &madeRows{from: []string{"x", "k0", "k1"}}).returnRows()
}

// prepareMade keeps how far the arguments are from y, as all have rows of one length, and loads the factors, as many as there
// are registers for.
func (r *rowPairs) prepareMade() {
	for i, name := range r.made.from {
		p := r.base(name)
		r.SUBQ(r.xs, p)
		r.SARQ(Imm(2), p)
		r.MOVQ(p, r.word(pairApart+i))
	}
	r.made.h = r.scalar("h")
	if len(r.made.from) == 2 {
		return
	}
	for _, name := range []string{"b0", "b1"} {
		if r.lanes == 16 {
			r.made.b = append(r.made.b, r.scalar(name))
		} else {
			r.made.b = append(r.made.b, r.paramAddr(name))
		}
	}
}

// aside runs the body of each vector with the places of x and the stages beside the index, if rows are made and it is said to
// sum some.
func (r *rowPairs) aside(sums bool, body func(s *sweep, apart []reg.Register)) func(s *sweep) {
	return func(s *sweep) {
		var apart []reg.Register
		if r.made != nil && sums {
			apart = r.apart(s)
		}
		r.each(func(s *sweep) { body(s, apart) })(s)
	}
}

// apart returns what takes the place of the index for x and the stages.
func (r *rowPairs) apart(s *sweep) (index []reg.Register) {
	for i := range r.made.from {
		p := r.GP64()
		r.MOVQ(r.word(pairApart+i), p)
		r.ADDQ(s.index, p)
		index = append(index, p)
	}
	return index
}

// make returns the next elements of the row of y at p.
func (r *rowPairs) make(s *sweep, apart []reg.Register, p reg.Register) reg.VecVirtual {
	of := func(i int) *sweep {
		in := *s
		in.index = apart[i]
		return &in
	}
	if len(apart) == 2 {
		v := of(1).load(p)
		r.VFMADD213PS(of(0).operand(p), r.made.h, v)
		return v
	}
	factor := func(i int) reg.VecVirtual {
		if v, ok := r.made.b[i].(reg.VecVirtual); ok {
			return v
		}
		v := r.vec()
		r.VBROADCASTSS(r.made.b[i], v)
		return v
	}
	v := of(1).load(p)
	r.VMULPS(factor(0), v, v)
	r.VFMADD231PS(of(2).operand(p), factor(1), v)
	r.VFMADD213PS(of(0).operand(p), r.made.h, v)
	return v
}

// addMade is add for elements at hand, which it overwrites.
func (r *rowPairs) addMade(s *sweep, v reg.VecVirtual, i int) {
	if r.centred {
		r.VSUBPS(v, r.shift[i], v)
		s.clip(v)
		r.VADDPS(v, r.sum[i].of(s), r.sum[i].of(s))
	}
	r.VFMADD231PS(v, v, r.squares[i].of(s))
}
