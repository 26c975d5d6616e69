package main

// level1NEON writes the operations on one or two vectors. Sums and the maximum keep eight accumulators:
// two additions a cycle with a latency of up to four.
func level1NEON(n *neon) {
	const accumulators = 8
	for _, n.double = range []bool{false, true} {
		n.blas1(accumulators)
	}
	n.double = false

	n.function("sum", "func(x []float32) float32", "is Σ x.")
	p, count := n.bases("x"), n.length("x")
	s := n.sums(accumulators)
	n.loop(count, accumulators, p, []*reduction{s}, func(e part) {
		n.fadd(s.of(e), s.of(e), e.load(p[0]))
	})
	n.result(s.result(), "ret")
	n.ret()

	n.function("sumSqDiff", "func(mean float32, x []float32) float32", "is Σ (x−mean)².")
	mean := n.scalar("mean")
	p, count = n.bases("x"), n.length("x")
	s = n.sums(accumulators)
	n.loop(count, accumulators, p, []*reduction{s}, func(e part) {
		x := e.load(p[0])
		n.fsub(x, x, mean)
		n.fmla(s.of(e), x, x)
	})
	n.result(s.result(), "ret")
	n.ret()

	n.function("max", "func(x []float32) float32", "is the largest element of x, −Inf if there is none; NaN is left out.")
	p, count = n.bases("x"), n.length("x")
	m := n.maxima(accumulators)
	n.loop(count, accumulators, p, []*reduction{m}, func(e part) {
		n.keepLarger(m.of(e), e.load(p[0]))
	})
	n.result(m.result(), "ret")
	n.ret()
}

func (n *neon) blas1(accumulators int) {
	n.function(n.prefix()+"axpy", n.of("func(alpha T, x, y []T)"), "is y += alpha*x.")
	alpha, p, count := n.scalar("alpha"), n.bases("x", "y"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		x, y := e.load(p[0]), e.load(p[1])
		n.fmla(y, x, alpha)
		e.store(y, p[1])
	})
	n.ret()

	n.function(n.prefix()+"scal", n.of("func(alpha T, x []T)"), "is x *= alpha.")
	alpha, p, count = n.scalar("alpha"), n.bases("x"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		x := e.load(p[0])
		n.fmul(x, x, alpha)
		e.store(x, p[0])
	})
	n.ret()

	n.function(n.prefix()+"dot", n.of("func(x, y []T) T"), "is Σ x*y.")
	p, count = n.bases("x", "y"), n.length("x")
	s := n.sums(accumulators)
	n.loop(count, accumulators, p, []*reduction{s}, func(e part) {
		n.fmla(s.of(e), e.load(p[0]), e.load(p[1]))
	})
	n.result(s.result(), "ret")
	n.ret()

	n.function(n.prefix()+"sumSquares", n.of("func(x []T) T"), "is Σ x².")
	p, count = n.bases("x"), n.length("x")
	s = n.sums(accumulators)
	n.loop(count, accumulators, p, []*reduction{s}, func(e part) {
		x := e.load(p[0])
		n.fmla(s.of(e), x, x)
	})
	n.result(s.result(), "ret")
	n.ret()

	n.function(n.prefix()+"asum", n.of("func(x []T) T"), "is Σ |x|.")
	p, count = n.bases("x"), n.length("x")
	s = n.sums(accumulators)
	n.loop(count, accumulators, p, []*reduction{s}, func(e part) {
		x := e.load(p[0])
		n.fabs(x, x)
		n.fadd(s.of(e), s.of(e), x)
	})
	n.result(s.result(), "ret")
	n.ret()

	n.function(n.prefix()+"amax", n.of("func(x []T) T"), "is the largest |x|, 0 if there is none; NaN is left out.")
	p, count = n.bases("x"), n.length("x")
	m := n.sums(accumulators)
	m.combine, m.lanes = n.fmaxnm, n.maxLanes
	n.loop(count, accumulators, p, []*reduction{m}, func(e part) {
		x := e.load(p[0])
		n.fabs(x, x)
		n.keepLarger(m.of(e), x)
	})
	n.result(m.result(), "ret")
	n.ret()
}
