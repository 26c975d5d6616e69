package main

import "github.com/mmcloughlin/avo/reg"

// normX86 writes the row kernels of the normalisations.
func normX86(x *x86) {
	layerNormX86(x)
	rmsX86(x)
}

func layerNormX86(x *x86) {
	x.function("normalize", "func(mean, rstd float32, x, gamma, beta, y []float32)", "is y = (x−mean)*rstd*gamma + beta.")
	n := x.normRow()
	gammas, betas, ys := x.base("gamma"), x.base("beta"), x.base("y")
	x.sweep(x.length("x"), 4, x.each(func(s *sweep) {
		v, gamma, beta := n.xhat(s), s.load(gammas), s.load(betas)
		x.VFMADD213PS(beta, gamma, v)
		s.store(v, ys)
	}))
	x.ret()

	x.function("normGradSums", "func(mean, rstd float32, x, gamma, dy []float32) (s, sx float32)",
		"is s = Σ dy*gamma, sx = Σ dy*gamma*x̂, where x̂ = (x−mean)*rstd.")
	n = x.normRow()
	gammas, dys := x.base("gamma"), x.base("dy")
	sum, sumX := x.accumulators(4), x.accumulators(4)
	x.sweep(x.length("x"), 4, x.each(func(s *sweep) {
		v, gamma, g := n.xhat(s), s.load(gammas), s.load(dys)
		x.VMULPS(gamma, g, g)
		x.VADDPS(g, sum.of(s), sum.of(s))
		x.VFMADD231PS(g, v, sumX.of(s))
	}))
	x.result(x.reduce(sum, x.VADDPS), 0)
	x.result(x.reduce(sumX, x.VADDPS), 1)
	x.ret()

	x.function("normGrad", "func(mean, rstd, a, b float32, x, gamma, dy, dx, dgamma, dbeta []float32)",
		"is dx += rstd*(dy*gamma − a − x̂*b), dgamma += dy*x̂, dbeta += dy, where x̂ = (x−mean)*rstd.")
	n = x.normRow()
	a, b := x.scalar("a"), x.scalar("b")
	gammas, dys = x.base("gamma"), x.base("dy")
	dxs, dgammas, dbetas := x.base("dx"), x.base("dgamma"), x.base("dbeta")
	x.sweep(x.length("x"), 2, x.each(func(s *sweep) {
		v, gamma, dy := n.xhat(s), s.load(gammas), s.load(dys)
		dgamma, dbeta, dx := s.load(dgammas), s.load(dbetas), s.load(dxs)
		x.VFMADD231PS(v, dy, dgamma)
		s.store(dgamma, dgammas)
		x.VADDPS(dy, dbeta, dbeta)
		s.store(dbeta, dbetas)
		x.VFMSUB213PS(a, gamma, dy)
		x.VFNMADD231PS(v, b, dy)
		x.VFMADD231PS(dy, n.rstd, dx)
		s.store(dx, dxs)
	}))
	x.ret()
}

// rmsX86 writes the row kernels of RMS normalisation.
func rmsX86(x *x86) {
	xhat := func(s *sweep, xs reg.Register, rstd reg.VecVirtual) reg.VecVirtual {
		v := s.load(xs)
		x.VMULPS(rstd, v, v)
		return v
	}
	x.function("rmsNormalize", "func(rstd float32, x, gamma, y []float32)", "is y = x*rstd*gamma.")
	rstd, xs, gammas, ys := x.scalar("rstd"), x.base("x"), x.base("gamma"), x.base("y")
	x.sweep(x.length("x"), 4, x.each(func(s *sweep) {
		v := xhat(s, xs, rstd)
		x.VMULPS(s.operand(gammas), v, v)
		s.store(v, ys)
	}))
	x.ret()

	x.function("rmsGradSum", "func(rstd float32, x, gamma, dy []float32) float32", "is Σ dy*gamma*x̂, where x̂ = x*rstd.")
	rstd, xs, gammas = x.scalar("rstd"), x.base("x"), x.base("gamma")
	dys, acc := x.base("dy"), x.accumulators(8)
	x.sweep(x.length("x"), 8, x.each(func(s *sweep) {
		v, g := xhat(s, xs, rstd), s.load(dys)
		x.VMULPS(s.operand(gammas), g, g)
		x.VFMADD231PS(g, v, acc.of(s))
	}))
	x.result(x.reduce(acc, x.VADDPS), 0)
	x.ret()

	x.function("rmsGrad", "func(rstd, b float32, x, gamma, dy, dx, dgamma []float32)",
		"is dx += rstd*(dy*gamma − x̂*b), dgamma += dy*x̂, where x̂ = x*rstd.")
	rstd, xs, gammas = x.scalar("rstd"), x.base("x"), x.base("gamma")
	b, dxs, dgammas := x.scalar("b"), x.base("dx"), x.base("dgamma")
	dys = x.base("dy")
	x.sweep(x.length("x"), 4, x.each(func(s *sweep) {
		v, dy, dgamma, dx := xhat(s, xs, rstd), s.load(dys), s.load(dgammas), s.load(dxs)
		x.VFMADD231PS(v, dy, dgamma)
		s.store(dgamma, dgammas)
		x.VMULPS(s.operand(gammas), dy, dy)
		x.VFNMADD231PS(v, b, dy)
		x.VFMADD231PS(dy, rstd, dx)
		s.store(dx, dxs)
	}))
	x.ret()
}

// normRow holds the row x and its moments.
type normRow struct {
	x          reg.Register
	mean, rstd reg.VecVirtual
}

func (x *x86) normRow() normRow {
	return normRow{x.base("x"), x.scalar("mean"), x.scalar("rstd")}
}

// xhat returns (x−mean)*rstd.
func (n normRow) xhat(s *sweep) reg.VecVirtual {
	v := s.load(n.x)
	s.VSUBPS(n.mean, v, v)
	s.VMULPS(n.rstd, v, v)
	return v
}
