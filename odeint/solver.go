package odeint

import "fmt"

// Solver integrates dx/dt = F(t, x; θ) on a grid with a Runge–Kutta method, and differentiates what it
// computed. With several fields, dx/dt = F₁ + F₂ + …, a step goes along each of them in turn, from where
// the one before ended: the Lie–Trotter splitting of NewSolver, of order 1 for any tableau, or the
// Strang splitting of NewStrang, of order 2 (Hairer, Lubich and Wanner, Geometric Numerical Integration,
// 2nd ed., §II.5).
//
// A field that is an EulerStepper takes the steps of Euler's method itself. A Solver allocates nothing
// after NewSolver. It is for one goroutine at a time.
type Solver[F Float] struct {
	tableau Tableau
	stages  int // of the tableau, that the solution depends on
	parts   []part[F]
	combine combineTask[F]
}

// part is what a step does along one field.
type part[F Float] struct {
	field        VectorField[F]
	fused        EulerStepper[F] // nil where the Solver combines the stages
	from, length float64         // of the step, in units of h
	stage        int             // number of its first stage
}

// NewSolver returns a Solver of the sum of the fields, along which a step goes in turn. It returns an
// error if the tableau does not fulfil its order conditions, and panics if there is no field.
func NewSolver[F Float](t Tableau, fields ...VectorField[F]) (*Solver[F], error) {
	return newSolver("NewSolver", t, 1, fields)
}

// NewStrang returns a Solver whose step goes half its length along each of the fields but the last, its
// length along the last, and half its length along the others in reverse order: of order 2 if the
// tableau is (Strang, On the construction and comparison of difference schemes, SIAM J. Numer. Anal. 5,
// 1968). The stages of a field's second half are numbered on from those of its first. The rest is as for
// NewSolver.
func NewStrang[F Float](t Tableau, fields ...VectorField[F]) (*Solver[F], error) {
	s, err := newSolver("NewStrang", t, 0.5, fields)
	if err != nil {
		return nil, err
	}
	s.parts[len(fields)-1].length = 1
	for i := len(fields) - 2; i >= 0; i-- {
		p := s.parts[i]
		p.from, p.stage = 0.5, len(t.B)
		s.parts = append(s.parts, p)
	}
	return s, nil
}

func newSolver[F Float](fn string, t Tableau, length float64, fields []VectorField[F]) (*Solver[F], error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		panic(fmt.Sprintf("odeint: %s: no field", fn))
	}
	s := &Solver[F]{tableau: t, stages: t.needed(t.B), combine: newCombineTask[F](len(t.B))}
	for _, f := range fields {
		p := part[F]{field: f, length: length}
		if e, ok := f.(EulerStepper[F]); ok && len(t.B) == 1 {
			p.fused = e
		}
		s.parts = append(s.parts, p)
	}
	return s, nil
}

// Workspace is the memory of one solution: what Solve computes and Gradient needs. All slices have the
// dimension of the state. It belongs to the caller, who may use it again for the next solution.
type Workspace[F Float] struct {
	// States are the initial state, which the caller sets, and the state after each step, and with
	// several fields after each part of a step.
	States [][]F
	// Stages are the points x + h·Σ a_ij·k_j at which the stages after the first were evaluated, for
	// each part of each step.
	Stages [][]F
	// Slopes are scratch: the k_i of a step, or the gradients of its stages.
	Slopes [][]F
}

// Sizes returns how many states, stages and slopes a solution of so many steps takes.
func (s *Solver[F]) Sizes(steps int) (states, stages, slopes int) {
	parts := steps * len(s.parts)
	states, stages = parts+1, parts*(s.stages-1)
	for _, p := range s.parts {
		if p.fused == nil {
			slopes = s.stages
		}
	}
	return states, stages, slopes
}

// NewWorkspace returns a Workspace for so many steps of a state of dim elements.
func (s *Solver[F]) NewWorkspace(steps, dim int) *Workspace[F] {
	states, stages, slopes := s.Sizes(steps)
	return &Workspace[F]{vectors[F](states, dim), vectors[F](stages, dim), vectors[F](slopes, dim)}
}

// vectors returns n vectors of dim elements.
func vectors[F Float](n, dim int) [][]F {
	x := make([][]F, n)
	for i := range x {
		x[i] = make([]F, dim)
	}
	return x
}

// Solve integrates from the initial state w.States[0] and returns the state at the end of the grid, the
// last of w.States. It panics if the workspace has less than Sizes.
func (s *Solver[F]) Solve(g Grid, w *Workspace[F]) []F {
	s.check("Solve", g, w)
	for i := range g.Steps() {
		s.step(g, i, w, i)
	}
	return w.States[g.Steps()*len(s.parts)]
}

// step takes step i of the grid, in the memory of step at of the workspace.
func (s *Solver[F]) step(g Grid, i int, w *Workspace[F], at int) {
	for j := range s.parts {
		p := &s.parts[j]
		x, y := w.States[at*len(s.parts)+j], w.States[at*len(s.parts)+j+1]
		h := g.Step(i) * p.length
		if p.fused != nil {
			p.fused.EulerStep(s.point(g, i, p, 0), h, x, y)
			continue
		}
		for l := range s.stages {
			point := x
			if l > 0 {
				point = s.stage(w, at, j, l)
				s.combine.sum(point, x, h, s.tableau.A[l][:l], w.Slopes)
			}
			p.field.Eval(s.point(g, i, p, l), point, w.Slopes[l])
		}
		s.combine.sum(y, x, h, s.tableau.B[:s.stages], w.Slopes)
	}
}

// point is that of stage l of part p in step i. Where the step ends, the time is that of the grid.
func (s *Solver[F]) point(g Grid, i int, p *part[F], l int) Point {
	at := p.from + float64(s.tableau.C[l]*p.length)
	t := g.Time(i) + float64(at*g.Step(i))
	if at == 1 {
		t = g.Time(i + 1)
	}
	return Point{Step: i, Stage: p.stage + l, T: t}
}

// stage returns the memory of the point of stage l > 0 of part j, in that of step at.
func (s *Solver[F]) stage(w *Workspace[F], at, j, l int) []F {
	return w.Stages[(at*len(s.parts)+j)*(s.stages-1)+l-1]
}

func (s *Solver[F]) check(fn string, g Grid, w *Workspace[F]) {
	states, stages, slopes := s.Sizes(g.Steps())
	if len(w.States) < states || len(w.Stages) < stages || len(w.Slopes) < slopes {
		panic(fmt.Sprintf("odeint: %s: %d steps need %d states, %d stages and %d slopes; the workspace has %d, %d and %d",
			fn, g.Steps(), states, stages, slopes, len(w.States), len(w.Stages), len(w.Slopes)))
	}
}
