package odeint

import (
	"fmt"
	"math"
)

// Options of an Integrator. RTol and ATol or, for a tableau without error estimate, FirstStep must be set.
type Options struct {
	// A step of which the estimated error is e is accepted if √(mean of (e_i/w_i)²) ≤ 1, where w_i = ATol +
	// RTol·max(|x_i|, |y_i|) with x and y the states before and after it (Hairer, Nørsett and Wanner, eq.
	// (4.10), (4.11)). RTol may not be below 10 units in the last place of the state.
	RTol, ATol float64
	Controller Controller // of the step size; ControlPI if it is 0

	FirstStep float64 // 0: chosen from the equation. It is that of all steps if the tableau has no error estimate
	MaxStep   float64 // 0: none
	MaxSteps  int     // attempts in all; 0: 100,000
	// Keep the solution between the steps, for Solution.At: for each step one state and as many more as the
	// interpolant's degree, 3 for the Hermite polynomial, 4 for Dopri5 and Tsit5, 7 for Dopri8.
	Dense bool
}

// Integrator integrates dx/dt = F(t, x) with steps whose size it chooses, and finds events on the way. It
// allocates nothing after its first solution but where a solution has more steps than the ones before. It
// is for one goroutine at a time.
//
// Eval sees as Point.Step the number of accepted steps before; a step that is not accepted is evaluated
// again, and the last slope of one step may serve as the first of the next. For gradients, see
// Solution.Grid.
type Integrator[F Float] struct {
	tableau Tableau // whose last stage is F at the end of the step
	need    int     // stages on which the state after a step and its error estimate depend
	field   VectorField[F]
	options Options
	events  []Event[F]
	control control
	stiff   stiffness
	combine combineTask[F]
	norm    normTask[F]
	lead    int // elements that the error estimate sees; 0: all

	x, y  []F   // state before and after the step
	point []F   // state of the last stage but one
	e     []F   // error estimate
	k     [][]F // slopes, also the interpolant's extra ones
	poly  []F   // the step's interpolating polynomial, unless the solution keeps it
	at    []F   // state at an event
	g     []float64
	roots []root
	sol   *Solution[F]
}

// NewIntegrator returns an Integrator that finds the events. It returns an error if the tableau does not
// fulfil its order conditions, or if an option cannot be.
func NewIntegrator[F Float](t Tableau, field VectorField[F], o Options, events ...Event[F]) (*Integrator[F], error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if err := o.check(t, epsilon[F]()); err != nil {
		return nil, err
	}
	if o.MaxStep == 0 {
		o.MaxStep = math.Inf(1)
	}
	if o.MaxSteps == 0 {
		o.MaxSteps = 100_000
	}
	power := float64(t.ErrorOrder + 1)
	if t.E3 != nil {
		power = 2*power - 4
	}
	s := &Integrator[F]{field: field, options: o, events: events, control: newControl(o.Controller, power), tableau: t.withEnd()}
	s.need = max(s.tableau.needed(s.tableau.B, s.tableau.E, s.tableau.E3), 1)
	s.stiff = newStiffness(s.tableau)
	s.combine = newCombineTask[F](len(s.tableau.Dense.P))
	s.norm.rtol, s.norm.atol = o.RTol, o.ATol
	s.g, s.roots = make([]float64, len(events)), make([]root, 0, len(events))
	return s, nil
}

func (o Options) check(t Tableau, eps float64) error {
	for _, f := range []struct {
		name  string
		value float64
	}{{"RTol", o.RTol}, {"ATol", o.ATol}, {"FirstStep", o.FirstStep}, {"MaxStep", o.MaxStep}, {"MaxSteps", float64(o.MaxSteps)}} {
		if !(f.value >= 0) || math.IsInf(f.value, 1) {
			return fmt.Errorf("%s is %v; it must be finite and not negative", f.name, f.value)
		}
	}
	switch {
	case t.E == nil && o.FirstStep == 0:
		return fmt.Errorf("%s has no error estimate; set FirstStep, the size of all its steps", t.Name)
	case t.E != nil && o.RTol == 0 && o.ATol == 0:
		return fmt.Errorf("RTol and ATol are 0; at least one must be positive")
	case t.E != nil && o.RTol > 0 && o.RTol < 10*eps:
		return fmt.Errorf("RTol is %v; in this precision it must be at least %.2g, or 0", o.RTol, 10*eps)
	}
	return nil
}

// epsilon is the distance of 1 from the next number.
func epsilon[F Float]() float64 {
	if f := F(1) + F(0x1p-30); f == 1 {
		return 0x1p-23
	}
	return 0x1p-52
}

// Solve integrates from x0 at t0 to t1, which may be before t0, and leaves in sol, whose memory it uses
// again, what Solution says. x0 is not changed. It returns a StepSizeError, a MaxStepsError or a
// NonFiniteError where it cannot go on, with sol as it is up to there, and another error if t0 or t1 is not
// finite. It panics if x0 is empty.
func (s *Integrator[F]) Solve(t0, t1 float64, x0 []F, sol *Solution[F]) error {
	if math.IsNaN(t0-t1) || math.IsInf(t0-t1, 0) {
		return fmt.Errorf("integration from %v to %v: both must be finite", t0, t1)
	}
	s.begin(t0, x0, sol)
	s.eval(Point{T: t0}, s.x, s.k[0])
	if i := nonFinite(s.x, s.k[0]); i >= 0 {
		return &NonFiniteError{T: t0, Index: i}
	}
	for i, e := range s.events {
		s.g[i] = e.G(t0, s.x)
	}
	t, h := t0, math.Copysign(s.options.FirstStep, t1-t0)
	if h == 0 && t != t1 {
		h = s.firstStep(t0, t1-t0)
	}
	failed := -1 // element that was not finite in an attempt since the last that was accepted
	for t != t1 {
		if sol.Accepted+sol.Rejected >= s.options.MaxSteps {
			return &MaxStepsError{T: t, H: h, End: t1, Steps: s.options.MaxSteps, Stiff: sol.Stiffness != nil}
		}
		h = math.Copysign(min(math.Abs(h), s.options.MaxStep), h)
		next := t + h
		if (t+1.01*h-t1)*h >= 0 { // a little longer rather than a tiny last step
			next = t1
		}
		if next != t1 && math.Abs(next-t) <= 4*0x1p-52*math.Abs(t) {
			if failed >= 0 {
				return &NonFiniteError{T: t, H: h, Index: failed}
			}
			return &StepSizeError{T: t, H: h}
		}
		step := next - t
		s.attempt(t, next)
		err := s.estimate(step)
		if !(err <= 1) {
			if math.IsNaN(err) || math.IsInf(err, 1) {
				failed = s.culprit()
			}
			if s.tableau.E == nil || failed >= 0 && nonFinite(s.k[0], s.k[0]) >= 0 {
				return &NonFiniteError{T: t, H: step, Index: failed}
			}
			sol.Rejected++
			h = step * s.control.reject(err)
			continue
		}
		failed = -1
		if s.finish(t, next) {
			return nil
		}
		t = next
		if s.tableau.E != nil {
			h = step * s.control.accept(err)
		}
	}
	return nil
}

// begin makes everything ready for a solution.
func (s *Integrator[F]) begin(t0 float64, x0 []F, sol *Solution[F]) {
	n := len(x0)
	if n == 0 {
		panic("odeint: Solve: the state has no elements")
	}
	if len(s.x) != n {
		s.x, s.y, s.point, s.e, s.at = make([]F, n), make([]F, n), make([]F, n), make([]F, n), make([]F, n)
		s.k = vectors[F](max(2, len(s.tableau.Dense.P)), n)
		s.poly = make([]F, n*s.degree())
	}
	copy(s.x, x0)
	s.control.start()
	s.stiff.near, s.stiff.calm = 0, 0
	s.sol = sol
	sol.begin(t0, x0, s.degree(), s.options.Dense)
}

func (s *Integrator[F]) degree() int { return len(s.tableau.Dense.P[0]) }

func (s *Integrator[F]) eval(p Point, x, f []F) {
	s.sol.Evaluations++
	s.field.Eval(p, x, f)
}

// attempt takes a step from x at t to y at next, with the slope k[0] at t known.
func (s *Integrator[F]) attempt(t, next float64) {
	h := next - t
	last := len(s.tableau.B) - 1
	for l := 1; l < min(s.need, last); l++ {
		s.combine.sum(s.point, s.x, h, s.tableau.A[l][:l], s.k)
		s.eval(s.stagePoint(t, next, s.tableau.C[l], l), s.point, s.k[l])
	}
	s.combine.sum(s.y, s.x, h, s.tableau.B[:last], s.k)
	if s.need > last { // the error estimate takes the slope at the end
		s.end(next)
	}
}

// end evaluates the slope at the end of the step.
func (s *Integrator[F]) end(next float64) {
	last := len(s.tableau.B) - 1
	s.eval(Point{s.sol.Accepted, last, next}, s.y, s.k[last])
}

// stagePoint is the point of a stage at node c of a step.
func (s *Integrator[F]) stagePoint(t, next, c float64, stage int) Point {
	p := Point{s.sol.Accepted, stage, t + float64(c*(next-t))}
	if c == 1 {
		p.T = next
	}
	return p
}

// estimate returns the error of the step in units of the tolerance; NaN if something is not finite.
func (s *Integrator[F]) estimate(h float64) float64 {
	if s.tableau.E == nil {
		if nonFinite(s.y, s.y) >= 0 {
			return math.NaN()
		}
		return 0
	}
	n := float64(s.measured(len(s.x)))
	s.combine.sum(s.e, nil, h, s.tableau.E[:s.need], s.k)
	sum := s.squares(s.e, s.x, s.y)
	if s.tableau.E3 == nil {
		return math.Sqrt(sum / n)
	}
	s.combine.sum(s.e, nil, h, s.tableau.E3[:s.need], s.k)
	both := sum + 0.01*s.squares(s.e, s.x, s.y)
	if both == 0 {
		return 0
	}
	return sum / math.Sqrt(both*n)
}

// measured returns how many of n elements the error estimate sees.
func (s *Integrator[F]) measured(n int) int {
	if s.lead > 0 {
		return s.lead
	}
	return n
}

// squares is Σ (e_i/w_i)², w_i the tolerance for a step from x to y.
func (s *Integrator[F]) squares(e, x, y []F) float64 {
	n := s.measured(len(e))
	return s.norm.sum(e[:n], x[:n], y[:n])
}

// finish accepts the step; it tells whether an event ends the integration there.
func (s *Integrator[F]) finish(t, next float64) (done bool) {
	last := len(s.tableau.B) - 1
	if s.need <= last {
		s.end(next)
	}
	if s.stiff.due(s.sol.Accepted) && s.sol.Stiffness == nil {
		ratio, stiff := s.stiff.step(next-t, squaredDistance(s.k[last], s.k[last-1]), squaredDistance(s.y, s.point))
		if stiff {
			s.sol.warn(Stiffness{T: next, H: next - t, Ratio: ratio, Bound: s.stiff.bound})
		}
	}
	var poly []F
	if s.options.Dense {
		poly = s.sol.grow(s.x)
		s.interpolate(t, next, poly)
	}
	if s.crosses(next) {
		if poly == nil {
			poly = s.poly
			s.interpolate(t, next, poly)
		}
		stop := s.locate(t, next, poly)
		if stop == t { // the beginning of the step, to rounding
			s.sol.shrink()
			return true
		}
		if stop != next {
			// Once more, up to the event, so that Times are a grid of which a Solver computes the same states.
			next = stop
			s.attempt(t, next)
			if s.options.Dense {
				if s.need <= last {
					s.end(next)
				}
				s.interpolate(t, next, poly)
			}
			copy(s.sol.Crossings[len(s.sol.Crossings)-1].X, s.y)
		}
		done = s.sol.Terminal
	}
	s.sol.accept(next, s.y)
	if done {
		return true
	}
	s.x, s.y = s.y, s.x
	s.k[0], s.k[last] = s.k[last], s.k[0]
	return false
}

// culprit returns the index of an element that is not finite.
func (s *Integrator[F]) culprit() int {
	for _, k := range s.k[:min(s.need, len(s.tableau.B))] {
		if i := nonFinite(k, k); i >= 0 {
			return i
		}
	}
	return max(0, nonFinite(s.y, s.e))
}

// nonFinite returns the index of the first element at which one of x and y is NaN or infinite, or −1.
func nonFinite[F Float](x, y []F) int {
	for i := range x {
		if x[i]-x[i] != 0 || y[i]-y[i] != 0 {
			return i
		}
	}
	return -1
}
