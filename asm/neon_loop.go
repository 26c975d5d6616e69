package main

// part is what a loop's body works on: a vector of elements or, in the tail, one element, which then is in
// lane 0 while the other lanes hold anything.
type part struct {
	*neon
	index int // of the vector within an iteration: it chooses among the accumulators
	width int // of a register's elements, or 1
}

func (p part) load(from xreg) vreg {
	v := p.v()
	if p.width > 1 {
		p.op("FMOVQ", from.at(16*p.index), v.f())
	} else {
		p.op(p.move(), from.at(0), v.f())
	}
	return v
}

func (p part) store(v vreg, to xreg) {
	if p.width > 1 {
		p.op("FMOVQ", v.f(), to.at(16*p.index))
	} else {
		p.op(p.move(), v.f(), to.at(0))
	}
}

// reduction is a sum or a maximum over a loop: as many accumulators as an iteration has vectors, so that
// their latencies overlap, brought together before the tail.
type reduction struct {
	acc     []vreg
	combine func(d, a, b vreg)
	lanes   func(v vreg) // leaves the reduction of all lanes in lane 0
}

// sums returns a reduction by addition with the given number of accumulators.
func (n *neon) sums(count int) *reduction {
	r := &reduction{combine: n.fadd, lanes: n.sumLanes}
	for range count {
		r.acc = append(r.acc, n.zero())
	}
	return r
}

// maxima returns a reduction by maximum, in which no accumulator may ever hold NaN.
func (n *neon) maxima(count int) *reduction {
	r := &reduction{combine: n.fmaxnm, lanes: n.maxLanes}
	for range count {
		r.acc = append(r.acc, n.bits(0xff800000, "-Inf"))
	}
	return r
}

// of returns the accumulator of a part.
func (r *reduction) of(p part) vreg { return r.acc[p.index] }

// result returns the register that has the value in lane 0, once the loop is over.
func (r *reduction) result() vreg { return r.acc[0] }

// loop prints a loop over the elements of slices of one length: unroll vectors at a time, then single
// vectors, then single elements. body is printed for each; registers that it takes are free again after
// it. count is consumed, and so are the pointers. How the elements are grouped depends on their number
// alone, and so does every bit of a reduction.
func (n *neon) loop(count xreg, unroll int, pointers []xreg, reductions []*reduction, body func(p part)) {
	n.groups(count, unroll, pointers, reductions, func(parts []part) {
		for _, p := range parts {
			n.scope(func() { body(p) })
		}
	})
}

// groups is loop with a body for all parts of an iteration.
func (n *neon) groups(count xreg, unroll int, pointers []xreg, reductions []*reduction, body func(p []part)) {
	lanes := n.lanes()
	parts := func(label, end string, step, width int) {
		n.label(label)
		var group []part
		for i := range max(1, step/lanes) {
			group = append(group, part{n, i, width})
		}
		n.scope(func() { body(group) })
		for _, x := range pointers {
			n.op("ADD", imm(n.size()*step), x)
		}
		n.op("SUBS", imm(step), count)
		n.op("BGE", label)
		n.label(end)
	}
	// Before each loop, count is the number of elements left, less the step of that loop.
	wide, vectors, vector, tail, element, done := n.newLabel("wide"), n.newLabel("vectors"), n.newLabel("vector"), n.newLabel("tail"), n.newLabel("element"), n.newLabel("done")
	if unroll > 1 {
		n.op("SUBS", imm(lanes*unroll), count)
		n.op("BLT", vectors)
		parts(wide, vectors, lanes*unroll, lanes)
		for _, r := range reductions {
			r.join()
		}
		n.op("ADDS", imm(lanes*unroll-lanes), count)
	} else {
		n.op("SUBS", imm(lanes), count)
	}
	n.op("BLT", tail)
	parts(vector, tail, lanes, lanes)
	for _, r := range reductions {
		r.lanes(r.acc[0])
	}
	n.op("ADDS", imm(lanes-1), count)
	n.op("BLT", done)
	parts(element, done, 1, 1)
}

// join brings the accumulators together in the first, pairwise.
func (r *reduction) join() {
	for half := len(r.acc) / 2; half > 0; half /= 2 {
		for i := range half {
			r.combine(r.acc[i], r.acc[i], r.acc[i+half])
		}
	}
}
