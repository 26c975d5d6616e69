package main

import (
	"fmt"
	"slices"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	instructions "github.com/mmcloughlin/avo/x86"
)

// sweep is a loop over the vectors of slices of equal length. Its methods are for the body.
type sweep struct {
	*x86
	index reg.Register // the first element of the iteration
	parts int          // vectors in the iteration
	part  int          // the one at hand
	size  int          // elements in a vector: all of a register's, or less in the tail
	valid reg.Register // the elements of the tail, on AVX-512
	main  bool         // the loop to come is the main one
	past  bool         // whole vectors are stored past the caches, at multiples of their size
	ahead int          // vectors between the index and the first one
	disp  int          // bytes from a slice to the one that is meant
	free  []Mem        // slots that nothing is kept in
}

// sweep writes the loop over n elements, which it counts down in n: unroll vectors at a time, then one,
// then the tail. The body is for one iteration.
//
// AVX-512 masks the tail off. AVX2 does 16 bytes and then one element at a time in the low lanes of its
// registers: storing under a mask is slow on some CPUs, and qemu faults on memory that a masked load
// skips.
func (x *x86) sweep(n reg.Register, unroll int, body func(s *sweep)) {
	s := &sweep{x86: x, index: x.GP64(), parts: 1, size: x.elements(), main: x.side >= 0}
	done := x.label("done")
	x.XORQ(s.index, s.index)
	s.loop(n, unroll, body)
	if unroll > 1 {
		s.loop(n, 1, body)
	}
	x.TESTQ(n, n)
	x.JEQ(LabelRef(done))
	s.tail(n, body)
	x.Label(done)
}

// tail is the body for the last n elements, less than a vector.
func (s *sweep) tail(n reg.Register, body func(s *sweep)) {
	if s.lanes == 16 {
		s.size, s.valid = 0, s.firstLanes(n)
		body(s)
		return
	}
	s.size = s.low()
	s.loop(n, 1, body)
	s.size = 1
	s.loop(n, 1, body)
}

// low is the number of elements in 16 bytes, which is half a register of AVX2.
func (x *x86) low() int { return 16 / x.size() }

// loop goes over vectors of size elements, so many at a time.
func (s *sweep) loop(n reg.Register, unroll int, body func(s *sweep)) {
	loop, end := s.label("loop"), s.label("end")
	step := Imm(uint64(unroll * s.size))
	s.SUBQ(step, n)
	s.JLT(LabelRef(end))
	s.Label(loop)
	if s.main {
		s.mainLoop(unroll * max(1, s.side))
		s.main = false
	}
	s.parts, s.free = unroll, slices.Clone(s.slots)
	body(s)
	s.parts = 1
	s.ADDQ(step, s.index)
	s.SUBQ(step, n)
	s.JGE(LabelRef(loop))
	s.Label(end)
	s.ADDQ(step, n)
}

// mainLoop marks the loop that begins here as the one that does almost all elements, so many vectors at a time.
func (x *x86) mainLoop(vectors int) { x.Comment(fmt.Sprintf("%s %d", mainLoop, vectors)) }

// steps are the instructions of a computation, each for all vectors of an iteration.
type steps []func()

func (t steps) run() {
	for _, step := range t {
		step()
	}
}

// between runs the steps of u between those of t.
func (t steps) between(u steps) {
	done := 0
	for i, step := range t {
		step()
		for ; done*len(t) < (i+1)*len(u); done++ {
			u[done]()
		}
	}
}

// staged is a sweep whose body has two stages: first leaves vectors for second. Its main loop does the first stage of
// the next vectors between the steps of the second of those at hand. So instructions for all ports are
// beside each other in a window of the program that a CPU can look over, while in the order of one vector's
// computation there are many for the same ports in a row.
func (x *x86) staged(n reg.Register, unroll int, first func(s *sweep) (steps, []vectors), second func(s *sweep, v []vectors) steps) {
	s := &sweep{x86: x, index: x.GP64(), parts: unroll, size: x.elements()}
	loop, last, rest, done := x.label("loop"), x.label("last"), x.label("rest"), x.label("done")
	x.XORQ(s.index, s.index)
	step := Imm(uint64(unroll * s.size))
	x.SUBQ(step, n)
	x.JLT(LabelRef(rest))
	begin, now := first(s)
	begin.run()
	x.SUBQ(step, n)
	x.JLT(LabelRef(last))
	x.Label(loop)
	if x.side >= 0 {
		x.mainLoop(unroll)
	}
	next := *s
	next.ahead = unroll
	begin, then := first(&next)
	second(s, now).between(begin)
	for i, v := range then {
		s.do(x.VMOVAPS, v, now[i])
	}
	x.ADDQ(step, s.index)
	x.SUBQ(step, n)
	x.JGE(LabelRef(loop))
	x.Label(last)
	second(s, now).run()
	x.ADDQ(step, s.index)
	x.Label(rest)
	x.ADDQ(step, n)
	one := func(s *sweep) {
		begin, v := first(s)
		begin.run()
		second(s, v).run()
	}
	s.loop(n, 1, one)
	x.TESTQ(n, n)
	x.JEQ(LabelRef(done))
	s.tail(n, one)
	x.Label(done)
}

// each runs the body of one vector after the other.
func (x *x86) each(body func(s *sweep)) func(s *sweep) {
	return func(s *sweep) {
		for s.part = range s.parts {
			body(s)
		}
		s.part = 0
	}
}

// firstLanes returns a mask of the first n lanes, n < 16.
func (x *x86) firstLanes(n reg.Register) reg.Register {
	bits, k := x.GP32(), x.K()
	x.MOVQ(n, reg.RCX)
	x.MOVL(U32(1), bits)
	x.SHLL(reg.CL, bits)
	x.DECL(bits)
	x.KMOVW(bits, k)
	return k
}

func (s *sweep) at(p reg.Register) Mem {
	return Mem{Base: p, Index: s.index, Scale: uint8(s.x86.size()), Disp: s.disp + (s.ahead+s.part)*s.bytes()}
}

// load returns the next elements of a slice; the lanes past the end are 0.
func (s *sweep) load(p reg.Register) reg.VecVirtual {
	v := s.vec()
	if s.size == s.low() || s.size == 1 {
		// The loads below do this too, but avo would keep the upper half live from the start.
		s.clear(v)
	}
	switch s.size {
	case s.elements():
		s.VMOVUPS(s.at(p), v)
	case s.low():
		s.VMOVUPS(s.at(p), v.AsX())
	case 1:
		s.one(s.at(p), v.AsX())
	default:
		if s.double {
			s.VMOVUPD_Z(s.at(p), s.valid, v)
		} else {
			s.VMOVUPS_Z(s.at(p), s.valid, v)
		}
	}
	return v
}

func (s *sweep) store(v reg.VecVirtual, p reg.Register) {
	switch s.size {
	case s.elements():
		if s.past {
			s.VMOVNTPS(v, s.at(p))
		} else {
			s.VMOVUPS(v, s.at(p))
		}
	case s.low():
		s.VMOVUPS(v.AsX(), s.at(p))
	case 1:
		s.one(v.AsX(), s.at(p))
	default:
		if s.double {
			s.VMOVUPD(v, s.valid, s.at(p))
		} else {
			s.VMOVUPS(v, s.valid, s.at(p))
		}
	}
}

// fetch asks for a line of each slice, of those that an iteration 1 KB ahead is for, unless this is one of the last. Intel's cores
// fetch the lines beside it then, and those of the next page before it is reached, which they otherwise wait for.
func (s *sweep) fetch(slices ...reg.Register) {
	if s.parts == 1 {
		return
	}
	for _, p := range slices {
		m := s.at(p)
		m.Disp = 1024
		s.PREFETCHT0(m)
	}
}

// clip sets the lanes of v past the end of the slices to 0.
func (s *sweep) clip(v reg.VecVirtual) {
	switch s.size {
	case s.elements():
	case s.low():
		s.VMOVAPS(v.AsX(), v.AsX())
	case 1:
		if s.double {
			s.VMOVQ(v.AsX(), v.AsX())
		} else {
			s.VINSERTPS(Imm(0b1110), v.AsX(), v.AsX(), v.AsX())
		}
	default:
		if s.double {
			s.VMOVAPD_Z(v, s.valid, v)
		} else {
			s.VMOVAPS_Z(v, s.valid, v)
		}
	}
}

// accumulators are partial results of a reduction: several, so that their latency is hidden.
type accumulators []reg.VecVirtual

func (x *x86) accumulators(n int) accumulators {
	var a accumulators
	for range n {
		a = append(a, x.zero())
	}
	return a
}

// unset clears a register that avo is not to take for live before.
func (x *x86) unset(v reg.VecVirtual) {
	if x.lanes == 8 {
		x.clear(v)
		return
	}
	in, err := instructions.VPXORD(v, v, v)
	if err != nil {
		panic(err)
	}
	in.CancellingInputs = true
	x.Instruction(in)
}

func (a accumulators) of(s *sweep) reg.VecVirtual { return a[s.part%len(a)] }

// operation is an instruction of two sources, such as x.VADDPS.
type operation func(ops ...Op)

// reduce combines the accumulators and then the lanes of what is left, in pairs, and returns a register
// with the result in its lowest lane.
func (x *x86) reduce(a accumulators, op operation) reg.Register {
	for n := len(a); n > 1; n = (n + 1) / 2 {
		for i := 0; i+(n+1)/2 < n; i++ {
			op(a[i+(n+1)/2], a[i], a[i])
		}
	}
	v := a[0]
	if x.lanes == 16 {
		h := x.YMM()
		x.VEXTRACTF64X4(Imm(1), v, h)
		op(h, v.AsY(), v.AsY())
	}
	h := x.XMM()
	if x.lanes == 16 {
		x.VEXTRACTF32X4(Imm(1), v.AsY(), h) // which takes all 32 registers
	} else {
		x.VEXTRACTF128(Imm(1), v.AsY(), h)
	}
	op(h, v.AsX(), v.AsX())
	x.VMOVHLPS(v.AsX(), v.AsX(), h)
	op(h, v.AsX(), v.AsX())
	if x.double {
		return v.AsX()
	}
	x.VMOVSHDUP(v.AsX(), h)
	op(h, v.AsX(), v.AsX())
	return v.AsX()
}

// result stores the lowest lane of v as result i of the function.
func (x *x86) result(v reg.Register, i int) {
	b, err := x.ReturnIndex(i).Resolve()
	if err != nil {
		panic(err)
	}
	x.one(v, b.Addr)
}

// vectors of an iteration, on which each step of a computation is written for all of them before the
// next, so that their chains of dependent instructions overlap.
type vectors []reg.VecVirtual

func (s *sweep) vectors() vectors {
	v := make(vectors, s.parts)
	for i := range v {
		v[i] = s.vec()
	}
	return v
}

func (s *sweep) loads(p reg.Register) vectors {
	var v vectors
	s.each(func(s *sweep) { v = append(v, s.load(p)) })(s)
	return v
}

func (s *sweep) stores(v vectors, p reg.Register) {
	s.each(func(s *sweep) { s.store(v[s.part], p) })(s)
}

// copies returns registers with the contents of a constant or, if it is one, another vectors.
func (s *sweep) copies(of Op) vectors {
	v := s.vectors()
	for i := range v {
		if i > 0 && s.lanes == 8 && s.parts >= manyChains {
			of = v[0]
		}
		s.VMOVUPS(of, v[i])
	}
	return v
}

// kept are vectors that stay in their registers, or in memory where there are more chains than registers for
// them: an operand, one for each vector.
type kept []Op

// manyChains is from how many vectors on an iteration keeps some in memory, on AVX2.
const manyChains = 4

// keep puts vectors away until an instruction takes them as its first operand, or back returns them.
func (s *sweep) keep(v vectors) kept {
	k := make(kept, len(v))
	for i := range v {
		k[i] = s.keepOne(v[i])
	}
	return k
}

func (s *sweep) keepOne(v reg.VecVirtual) Op {
	if s.lanes == 16 || s.parts < manyChains {
		return v
	}
	if len(s.free) == 0 {
		s.free = append(s.free, s.AllocLocal(s.bytes()))
		s.slots = append(s.slots, s.free...)
	}
	m := s.free[0]
	s.free = s.free[1:]
	s.VMOVUPS(v, m)
	return m
}

// back returns kept vectors in registers.
func (s *sweep) back(k kept) vectors {
	v := make(vectors, len(k))
	for i := range k {
		v[i] = s.backOne(k[i])
	}
	return v
}

// drop says that kept vectors are not wanted any more.
func (s *sweep) drop(k kept) {
	for _, o := range k {
		if m, ok := o.(Mem); ok {
			s.free = append(s.free, m)
		}
	}
}

func (s *sweep) backOne(k Op) reg.VecVirtual {
	if v, ok := k.(reg.VecVirtual); ok {
		return v
	}
	v := s.vec()
	s.VMOVUPS(k, v)
	return v
}

// do writes an instruction for each vector. An operand of type vectors, or kept, gives one to each.
func (s *sweep) do(op operation, operands ...any) {
	if s.lanes == 8 && s.parts >= manyChains {
		if m, ok := operands[0].(Mem); ok {
			// A constant is loaded once for all of them.
			c := s.vec()
			s.VMOVUPS(m, c)
			operands = append([]any{c}, operands[1:]...)
		}
	}
	for i := range s.parts {
		ops := make([]Op, len(operands))
		for j, o := range operands {
			switch v := o.(type) {
			case vectors:
				o = v[i]
			case kept:
				o = v[i]
			}
			ops[j] = o.(Op)
		}
		op(ops...)
	}
}

// hold sets how many of the constants that full returns next are in registers, by width.
func (x *x86) hold(avx2, avx512 int) {
	x.spare = avx2
	if x.lanes == 16 {
		x.spare = avx512
	}
}

// full returns the constant in every lane for an operand that may be in memory: a register for as many as
// hold says, and then an address, on AVX-512 of one element that the instruction has to broadcast.
func (x *x86) full(name string, c Constant) Op {
	if x.spare > 0 {
		x.spare--
		return x.broadcast(name, c)
	}
	if x.lanes == 16 {
		return x.constant(name, c)
	}
	name += "Full"
	m, ok := x.data[name]
	if !ok {
		m = x.StaticGlobal(name)
		x.DataAttributes(attr.RODATA | attr.NOPTR)
		for range x.lanes {
			x.AppendDatum(c)
		}
		x.data[name] = m
	}
	return m
}
