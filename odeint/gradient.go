package odeint

import "fmt"

// Gradient differentiates the solution that the last Solve with this grid and workspace computed: dx
// comes in as the gradient of a function of the final state and leaves as the gradient with respect to
// the initial state; every field adds the gradient with respect to its parameters to its own. The
// result is the exact gradient of the discrete solution, up to rounding; step sizes count as constants,
// also where an Integrator chose them.
//
// With dy the gradient of the state after a step, the reverse of a step is, for i from the last stage to
// the first,
//
//	v_i = h·(b_i·dy + Σ_{j>i} a_ji·dX_j),   dX_i = (∂F/∂x(X_i))ᵀ·v_i,   dx = dy + Σ_i dX_i
//
// (Hager, Runge–Kutta methods in optimal control and the transformed adjoint system, Numer. Math. 87,
// 2000, written for the stages' gradients). It panics if dx or the workspace has the wrong size.
func (s *Solver[F]) Gradient(g Grid, w *Workspace[F], dx []F) {
	s.check("Gradient", g, w)
	checkLength("Gradient", len(dx), len(w.States[0]))
	for i := g.Steps() - 1; i >= 0; i-- {
		s.stepVJP(g, i, w, i, dx)
	}
}

func checkLength(fn string, n, dim int) {
	if n != dim {
		panic(fmt.Sprintf("odeint: %s: len(dx) = %d, the state has %d elements", fn, n, dim))
	}
}

// stepVJP takes dx from the gradient of the state after step i to that before it. The step is in the
// memory of step at of the workspace.
func (s *Solver[F]) stepVJP(g Grid, i int, w *Workspace[F], at int, dx []F) {
	for j := len(s.parts) - 1; j >= 0; j-- {
		p := &s.parts[j]
		x, h := w.States[at*len(s.parts)+j], g.Step(i)*p.length
		if p.fused != nil {
			p.fused.EulerVJP(s.point(g, i, p, 0), h, x, dx)
			continue
		}
		v := w.Slopes[0] // nothing else is kept there: stage 0 adds to dx
		for l := s.stages - 1; l > 0; l-- {
			s.combine.adjoint(v, dx, h, &s.tableau, s.stages, l, w.Slopes)
			clear(w.Slopes[l])
			p.field.VJP(s.point(g, i, p, l), s.stage(w, at, j, l), v, w.Slopes[l])
		}
		s.combine.adjoint(v, dx, h, &s.tableau, s.stages, 0, w.Slopes)
		for _, dX := range w.Slopes[1:s.stages] {
			s.combine.add(dx, 1, dX)
		}
		p.field.VJP(s.point(g, i, p, 0), x, v, dx)
	}
}
