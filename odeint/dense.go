package odeint

import (
	"fmt"
	"sort"
)

// Solution is what an Integrator computed. The zero value is ready for use; its memory is used again.
type Solution[F Float] struct {
	Times     []float64     // t0, then the end of each accepted step
	X         []F           // the state at the last of Times
	Crossings []Crossing[F] // in the order in which the integration came by
	Terminal  bool          // the last of Crossings ended the integration
	Stiffness *Stiffness    // nil: no warning

	Accepted, Rejected, Evaluations int // steps, attempts that were not accepted, calls of Eval

	warning Stiffness
	degree  int
	dense   []F // for each step, the state at its beginning and the coefficients of its polynomial; nil without Options.Dense
}

// Grid returns the grid of the accepted steps. A Solver with the same tableau and field computes the same
// states on it, bit for bit, and their gradient with the step sizes held constant. The grid keeps Times.
func (s *Solution[F]) Grid() Grid {
	g, err := Nodes(s.Times)
	if err != nil {
		panic(fmt.Sprintf("odeint: Grid: %v", err))
	}
	return g
}

// At computes the solution at time t into x, from the interpolating polynomial of the step in which it
// lies. It panics if the solution is not dense, t outside it or len(x) not that of the state.
func (s *Solution[F]) At(t float64, x []F) {
	n, last := len(s.X), len(s.Times)-1
	if s.dense == nil || len(x) != n {
		panic(fmt.Sprintf("odeint: At: len(x) = %d, the state has %d elements; Options.Dense was %v", len(x), n, s.dense != nil))
	}
	back := s.Times[last] < s.Times[0]
	if first, end := s.Times[0], s.Times[last]; !(t >= min(first, end) && t <= max(first, end)) {
		panic(fmt.Sprintf("odeint: At: t = %v is outside the solution, from %v to %v", t, first, end))
	}
	if t == s.Times[last] {
		copy(x, s.X)
		return
	}
	// The step that begins at or before t, so that at the end of a step At has the bits of its state.
	i := sort.Search(last, func(i int) bool { return t != s.Times[i+1] && (s.Times[i+1] > t) != back })
	step := s.dense[i*n*(s.degree+1) : (i+1)*n*(s.degree+1)]
	h := s.Times[i+1] - s.Times[i]
	evaluate(x, step[:n], step[n:], h, (t-s.Times[i])/h)
}

// evaluate computes y = x + h·Σ_j θʲ·q_j, the coefficients q one after the other in poly.
func evaluate[F Float](y, x, poly []F, h, theta float64) {
	n := len(x)
	clear(y)
	for end := len(poly); end > 0; end -= n {
		for i, q := range poly[end-n : end] {
			y[i] = F(theta) * (q + y[i])
		}
	}
	for i := range y {
		y[i] = x[i] + F(F(h)*y[i])
	}
}

// interpolate computes the coefficients of the step's polynomial; the slopes of the step are known.
func (s *Integrator[F]) interpolate(t, next float64, poly []F) {
	d, n := s.tableau.Dense, len(s.x)
	stages := len(s.tableau.B)
	for i, row := range d.A {
		s.combine.sum(s.point, s.x, next-t, row, s.k)
		s.eval(s.stagePoint(t, next, d.C[i], stages+i), s.point, s.k[stages+i])
	}
	for j := range s.degree() {
		s.combine.start(poly[j*n:(j+1)*n], nil)
		for i := range d.P {
			s.combine.term(d.P[i][j], s.k[i])
		}
		s.combine.run()
	}
}

func (s *Solution[F]) begin(t0 float64, x0 []F, degree int, dense bool) {
	s.Times = append(s.Times[:0], t0)
	s.X = append(s.X[:0], x0...)
	s.Crossings = s.Crossings[:0]
	s.Terminal, s.Stiffness = false, nil
	s.Accepted, s.Rejected, s.Evaluations = 0, 0, 0
	s.degree = degree
	if dense {
		s.dense = append(s.dense[:0], x0...)[:0] // not nil
	} else {
		s.dense = nil
	}
}

// grow makes room for the polynomial of a step that begins at x, and returns it.
func (s *Solution[F]) grow(x []F) []F {
	begin := len(s.dense)
	s.dense = append(s.dense, x...)
	for range s.degree {
		s.dense = append(s.dense, x...)
	}
	return s.dense[begin+len(x):]
}

// shrink takes back what grow made last, if the solution is dense.
func (s *Solution[F]) shrink() {
	if s.dense != nil {
		s.dense = s.dense[:len(s.dense)-(s.degree+1)*len(s.X)]
	}
}

// accept adds a step to x at t.
func (s *Solution[F]) accept(t float64, x []F) {
	s.Times = append(s.Times, t)
	copy(s.X, x)
	s.Accepted++
}

// cross adds a crossing, in the memory of an earlier solution's if there is one.
func (s *Solution[F]) cross(event int, t float64, x []F) {
	n := len(s.Crossings)
	if n < cap(s.Crossings) {
		s.Crossings = s.Crossings[:n+1]
	} else {
		s.Crossings = append(s.Crossings, Crossing[F]{})
	}
	c := &s.Crossings[n]
	c.Event, c.T, c.X = event, t, append(c.X[:0], x...)
}

func (s *Solution[F]) warn(w Stiffness) {
	s.warning = w
	s.Stiffness = &s.warning
}
