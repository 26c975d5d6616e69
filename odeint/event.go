package odeint

import "slices"

// Event is where G(t, x) changes its sign along a solution. A sign that changes twice within one step goes
// unnoticed: MaxStep bounds how close two may be. Where G is 0 at the beginning, there is no event.
type Event[F Float] struct {
	G         func(t float64, x []F) float64 // must not change x
	Direction int                            // 1: only from − to + as the integration goes; −1: only from + to −; 0: both
	Terminal  bool                           // the integration ends there
}

// Crossing is an event that was found. T is the time just after the change of sign on the step's
// interpolant, to about 2⁻⁴⁸ of the step; its error is that of the interpolant. X is the state there.
type Crossing[F Float] struct {
	Event int // index of the Event
	T     float64
	X     []F
}

// root is a change of sign of an event within the step.
type root struct {
	event         int
	before, after float64 // values at the ends of the step
	theta, t      float64
}

// crosses evaluates the events at the end of the step and tells whether one of them changed its sign.
func (s *Integrator[F]) crosses(next float64) bool {
	s.roots = s.roots[:0]
	for i, e := range s.events {
		before, after := s.g[i], e.G(next, s.y)
		s.g[i] = after
		if before < 0 && after >= 0 && e.Direction >= 0 || before > 0 && after <= 0 && e.Direction <= 0 {
			s.roots = append(s.roots, root{event: i, before: before, after: after})
		}
	}
	return len(s.roots) > 0
}

// locate finds the crossings on the step's interpolant and adds them to the solution, up to the first that
// is terminal. It returns the time of that, or the end of the step.
func (s *Integrator[F]) locate(t, next float64, poly []F) float64 {
	for i := range s.roots {
		r := &s.roots[i]
		r.theta = s.solve(r, t, next, poly)
		if r.t = t + float64(r.theta*(next-t)); r.theta == 1 {
			r.t = next
		}
	}
	slices.SortStableFunc(s.roots, func(a, b root) int {
		switch {
		case a.theta < b.theta:
			return -1
		case a.theta > b.theta:
			return 1
		}
		return 0
	})
	for _, r := range s.roots {
		evaluate(s.at, s.x, poly, next-t, r.theta)
		if r.theta == 1 {
			copy(s.at, s.y)
		}
		s.sol.cross(r.event, r.t, s.at)
		if s.events[r.event].Terminal {
			s.sol.Terminal = true
			return r.t
		}
	}
	return next
}

// solve returns the θ just after the root, by the method of Illinois with a bisection every third time.
func (s *Integrator[F]) solve(r *root, t, next float64, poly []F) float64 {
	lo, hi, fLo, fHi := 0.0, 1.0, r.before, r.after
	for n := 1; hi-lo > 0x1p-48 && fHi != 0; n++ {
		theta := hi - fHi*(hi-lo)/(fHi-fLo)
		if n%3 == 0 || !(theta > lo && theta < hi) {
			theta = lo + (hi-lo)/2
		}
		evaluate(s.at, s.x, poly, next-t, theta)
		f := s.events[r.event].G(t+float64(theta*(next-t)), s.at)
		if (f < 0) == (r.before < 0) && f != 0 {
			if lo, fLo = theta, f; n > 1 {
				fHi /= 2
			}
		} else if hi, fHi = theta, f; n > 1 {
			fLo /= 2
		}
	}
	return hi
}
