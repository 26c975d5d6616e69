package main

import "github.com/mmcloughlin/avo/reg"

// optimizerX86 writes the steps of AdamW and of SGD with momentum.
func optimizerX86(x *x86) {
	x.adamw("adamw", "", "")
	x.adamw("adamw16", ", half []BFloat16", " half is w, rounded to nearest even; NaN becomes quiet.")

	x.function("sgd", "func(scale, decay, momentum, lr float32, g, w, m []float32)",
		"is g' = scale*g + decay*w, m = momentum*m + g', w −= lr*m.")
	scale, decay, momentum, lr := x.scalar("scale"), x.scalar("decay"), x.scalar("momentum"), x.scalar("lr")
	gs, ws, ms := x.base("g"), x.base("w"), x.base("m")
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

// adamw writes a step of AdamW, with another argument: where the new w goes rounded, if anywhere.
func (x *x86) adamw(name, half, doc string) {
	x.function(name, "func(scale, beta1, oneMinusBeta1, beta2, oneMinusBeta2, step, c2, eps, decay float32, g, w, m, v []float32"+half+")",
		"is g' = scale*g, m = beta1*m + oneMinusBeta1*g', v = beta2*v + oneMinusBeta2*g'², w = decay*w − step*m/(c2*√v + eps)."+doc)
	scale, beta1, beta2 := x.scalar("scale"), x.scalar("beta1"), x.scalar("beta2")
	rest1, rest2 := x.scalar("oneMinusBeta1"), x.scalar("oneMinusBeta2")
	step, c2, eps, decay := x.scalar("step"), x.scalar("c2"), x.scalar("eps"), x.scalar("decay")
	gs, ws, ms, vs := x.base("g"), x.base("w"), x.base("m"), x.base("v")
	var halves reg.Register
	var r bf16Rounding
	if half != "" {
		x.hold(0, 3)
		halves, r = x.base("half"), x.bf16Rounding()
	}
	x.sweep(x.length("g"), 2, func(s *sweep) {
		var rounded vectors
		s.each(func(s *sweep) {
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
			if half != "" {
				rounded = append(rounded, r.round(s, w))
			}
		})(s)
		if half != "" {
			s.storeHalves(rounded, halves)
		}
	})
	x.ret()
}
