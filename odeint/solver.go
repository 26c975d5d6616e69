package odeint

import "fmt"

// Solver integrates dx/dt = F(t, x; θ) on a grid with a Runge–Kutta method, and differentiates what it
// computed. With several fields, dx/dt = F₁ + F₂ + …, a step goes along each of them in turn, from where
// the one before ended: the Lie–Trotter splitting, of order 1 for any tableau (Hairer, Lubich and
// Wanner, Geometric Numerical Integration, 2nd ed., §II.5).
//
// A field that is an EulerStepper takes the steps of Euler's method itself. A Solver allocates nothing
// after NewSolver. It is for one goroutine at a time.
type Solver struct {
	tableau Tableau
	fields  []VectorField
	fused   []EulerStepper // by field; nil where the Solver combines the stages
	combine combineTask
}

// NewSolver returns a Solver of the sum of the fields. It returns an error if the tableau does not
// fulfil its order conditions, and panics if there is no field.
func NewSolver(t Tableau, fields ...VectorField) (*Solver, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		panic("odeint: NewSolver: no field")
	}
	s := &Solver{tableau: t, fields: fields, fused: make([]EulerStepper, len(fields)), combine: newCombineTask(len(t.B))}
	for i, f := range fields {
		if e, ok := f.(EulerStepper); ok && len(t.B) == 1 {
			s.fused[i] = e
		}
	}
	return s, nil
}

// Workspace is the memory of one solution: what Solve computes and Gradient needs. All slices have the
// dimension of the state. It belongs to the caller, who may use it again for the next solution.
type Workspace struct {
	// States are the initial state, which the caller sets, and the state after each step, and with
	// several fields after each field's part of a step.
	States [][]float32
	// Stages are the points x + h·Σ a_ij·k_j at which the stages after the first were evaluated, for
	// each step and field.
	Stages [][]float32
	// Slopes are scratch: the k_i of a step, or the gradients of its stages.
	Slopes [][]float32
}

// Sizes returns how many states, stages and slopes a solution of so many steps takes.
func (s *Solver) Sizes(steps int) (states, stages, slopes int) {
	parts := steps * len(s.fields)
	states, stages = parts+1, parts*(len(s.tableau.B)-1)
	for _, f := range s.fused {
		if f == nil {
			slopes = len(s.tableau.B)
		}
	}
	return states, stages, slopes
}

// NewWorkspace returns a Workspace for so many steps of a state of dim elements.
func (s *Solver) NewWorkspace(steps, dim int) *Workspace {
	vectors := func(n int) [][]float32 {
		x := make([][]float32, n)
		for i := range x {
			x[i] = make([]float32, dim)
		}
		return x
	}
	states, stages, slopes := s.Sizes(steps)
	return &Workspace{vectors(states), vectors(stages), vectors(slopes)}
}

// Solve integrates from the initial state w.States[0] and returns the state at the end of the grid, the
// last of w.States. It panics if the workspace has less than Sizes.
func (s *Solver) Solve(g Grid, w *Workspace) []float32 {
	s.check("Solve", g, w)
	for i := range g.Steps() {
		for j := range s.fields {
			part := i*len(s.fields) + j
			x, y := w.States[part], w.States[part+1]
			if f := s.fused[j]; f != nil {
				f.EulerStep(Point{Step: i, T: g.Time(i)}, g.Step(i), x, y)
				continue
			}
			s.step(g, i, j, w, x, y)
		}
	}
	return w.States[g.Steps()*len(s.fields)]
}

// step computes the stages of field j in step i, and y from them.
func (s *Solver) step(g Grid, i, j int, w *Workspace, x, y []float32) {
	h := g.Step(i)
	for l := range s.tableau.B {
		at := x
		if l > 0 {
			at = s.stage(w, i, j, l)
			s.combine.sum(at, x, h, s.tableau.A[l][:l], w.Slopes)
		}
		s.fields[j].Eval(s.point(g, i, l), at, w.Slopes[l])
	}
	s.combine.sum(y, x, h, s.tableau.B, w.Slopes)
}

func (s *Solver) point(g Grid, i, stage int) Point {
	return Point{Step: i, Stage: stage, T: g.Time(i) + float64(s.tableau.C[stage]*g.Step(i))}
}

// stage returns the memory of the point of stage l > 0 of field j in step i.
func (s *Solver) stage(w *Workspace, i, j, l int) []float32 {
	return w.Stages[(i*len(s.fields)+j)*(len(s.tableau.B)-1)+l-1]
}

func (s *Solver) check(fn string, g Grid, w *Workspace) {
	states, stages, slopes := s.Sizes(g.Steps())
	if len(w.States) < states || len(w.Stages) < stages || len(w.Slopes) < slopes {
		panic(fmt.Sprintf("odeint: %s: %d steps need %d states, %d stages and %d slopes; the workspace has %d, %d and %d",
			fn, g.Steps(), states, stages, slopes, len(w.States), len(w.Stages), len(w.Slopes)))
	}
}
