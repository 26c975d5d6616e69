package main

// optimizerX86 writes the steps of AdamW and of SGD with momentum.
func optimizerX86(x *x86) {
	x.function("adamw", "func(scale, beta1, oneMinusBeta1, beta2, oneMinusBeta2, step, c2, eps, decay float32, g, w, m, v []float32)",
		"is g' = scale*g, m = beta1*m + oneMinusBeta1*g', v = beta2*v + oneMinusBeta2*g'², w = decay*w − step*m/(c2*√v + eps).")
	scale, beta1, beta2 := x.scalar("scale"), x.scalar("beta1"), x.scalar("beta2")
	rest1, rest2 := x.scalar("oneMinusBeta1"), x.scalar("oneMinusBeta2")
	step, c2, eps, decay := x.scalar("step"), x.scalar("c2"), x.scalar("eps"), x.scalar("decay")
	gs, ws, ms, vs := x.base("g"), x.base("w"), x.base("m"), x.base("v")
	x.sweep(x.length("g"), 2, x.each(func(s *sweep) {
		g, m, v := s.load(gs), s.load(ms), s.load(vs)
		x.VMULPS(scale, g, g)
		x.VMULPS(beta1, m, m)
		x.VFMADD231PS(g, rest1, m)
		s.store(m, ms)
		x.VMULPS(beta2, v, v)
		g2 := x.vec()
		x.VMULPS(rest2, g, g2)
		x.VFMADD231PS(g, g2, v)
		s.store(v, vs)
		x.VSQRTPS(v, v)
		x.VFMADD213PS(eps, c2, v)
		x.VMULPS(step, m, m)
		x.VDIVPS(v, m, m)
		w := s.load(ws)
		x.VFMSUB213PS(m, decay, w)
		s.store(w, ws)
	}))
	x.ret()

	x.function("sgd", "func(scale, decay, momentum, lr float32, g, w, m []float32)",
		"is g' = scale*g + decay*w, m = momentum*m + g', w −= lr*m.")
	scale, decay, momentum, lr := x.scalar("scale"), x.scalar("decay"), x.scalar("momentum"), x.scalar("lr")
	gs, ws, ms = x.base("g"), x.base("w"), x.base("m")
	x.sweep(x.length("g"), 4, x.each(func(s *sweep) {
		g, w, m := s.load(gs), s.load(ws), s.load(ms)
		x.VMULPS(scale, g, g)
		x.VFMADD231PS(w, decay, g)
		x.VFMADD213PS(g, momentum, m)
		s.store(m, ms)
		x.VFNMADD231PS(m, lr, w)
		s.store(w, ws)
	}))
	x.ret()
}
