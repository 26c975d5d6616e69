package odeint

import "fmt"

// Gradient differentiates the solution that the last Solve with this grid and workspace computed: dx
// comes in as the gradient of a function of the final state and leaves as the gradient with respect to
// the initial state; every field adds the gradient with respect to its parameters to its own. The
// result is the exact gradient of the discrete solution, up to rounding.
//
// With dy the gradient of the state after a step, the reverse of a step is, for i from the last stage to
// the first,
//
//	v_i = h·(b_i·dy + Σ_{j>i} a_ji·dX_j),   dX_i = (∂F/∂x(X_i))ᵀ·v_i,   dx = dy + Σ_i dX_i
//
// (Hager, Runge–Kutta methods in optimal control and the transformed adjoint system, Numer. Math. 87,
// 2000, written for the stages' gradients). It panics if dx or the workspace has the wrong size.
func (s *Solver) Gradient(g Grid, w *Workspace, dx []float32) {
	s.check("Gradient", g, w)
	if len(dx) != len(w.States[0]) {
		panic(fmt.Sprintf("odeint: Gradient: len(dx) = %d, the state has %d elements", len(dx), len(w.States[0])))
	}
	for i := g.Steps() - 1; i >= 0; i-- {
		for j := len(s.fields) - 1; j >= 0; j-- {
			x := w.States[i*len(s.fields)+j]
			if f := s.fused[j]; f != nil {
				f.EulerVJP(Point{Step: i, T: g.Time(i)}, g.Step(i), x, dx)
				continue
			}
			s.stepVJP(g, i, j, w, x, dx)
		}
	}
}

// stepVJP takes dx from the gradient of the state after field j of step i to that before it.
func (s *Solver) stepVJP(g Grid, i, j int, w *Workspace, x, dx []float32) {
	h := g.Step(i)
	v := w.Slopes[0] // nothing else is kept there: stage 0 adds to dx
	for l := len(s.tableau.B) - 1; l >= 0; l-- {
		s.combine.adjoint(v, dx, h, s.tableau, l, w.Slopes)
		if l > 0 {
			clear(w.Slopes[l])
			s.fields[j].VJP(s.point(g, i, l), s.stage(w, i, j, l), v, w.Slopes[l])
			continue
		}
		for _, dX := range w.Slopes[1:len(s.tableau.B)] {
			s.combine.add(dx, dX)
		}
		s.fields[j].VJP(s.point(g, i, 0), x, v, dx)
	}
}
