package main

// level1NEON writes the operations on one or two vectors. Sums and the maximum keep eight accumulators:
// two additions a cycle with a latency of up to four.
func level1NEON(n *neon) {
	const accumulators = 8

	n.function("axpy", "func(alpha float32, x, y []float32)", "is y += alpha*x.")
	alpha, p, count := n.scalar("alpha"), n.bases("x", "y"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		x, y := e.load(p[0]), e.load(p[1])
		n.fmla(y, x, alpha)
		e.store(y, p[1])
	})
	n.ret()

	n.function("scal", "func(alpha float32, x []float32)", "is x *= alpha.")
	alpha, p, count = n.scalar("alpha"), n.bases("x"), n.length("x")
	n.loop(count, 4, p, nil, func(e part) {
		x := e.load(p[0])
		n.fmul(x, x, alpha)
		e.store(x, p[0])
	})
	n.ret()

	n.function("dot", "func(x, y []float32) float32", "is Σ x*y.")
	p, count = n.bases("x", "y"), n.length("x")
	s := n.sums(accumulators)
	n.loop(count, accumulators, p, []*reduction{s}, func(e part) {
		n.fmla(s.of(e), e.load(p[0]), e.load(p[1]))
	})
	n.result(s.result(), "ret")
	n.ret()

	n.function("sum", "func(x []float32) float32", "is Σ x.")
	p, count = n.bases("x"), n.length("x")
	s = n.sums(accumulators)
	n.loop(count, accumulators, p, []*reduction{s}, func(e part) {
		n.fadd(s.of(e), s.of(e), e.load(p[0]))
	})
	n.result(s.result(), "ret")
	n.ret()

	n.function("sumSquares", "func(x []float32) float32", "is Σ x².")
	p, count = n.bases("x"), n.length("x")
	s = n.sums(accumulators)
	n.loop(count, accumulators, p, []*reduction{s}, func(e part) {
		x := e.load(p[0])
		n.fmla(s.of(e), x, x)
	})
	n.result(s.result(), "ret")
	n.ret()

	n.function("sumSqDiff", "func(mean float32, x []float32) float32", "is Σ (x−mean)².")
	mean, p, count := n.scalar("mean"), n.bases("x"), n.length("x")
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
