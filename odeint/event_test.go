package odeint

import (
	"math"
	"testing"
)

// pendulum is x” = −x: from (0, 1), x = sin t.
func pendulum[F Float](_ float64, x, f []F) { f[0], f[1] = x[1], -x[0] }

func level[F Float](element int, at float64) func(float64, []F) float64 {
	return func(_ float64, x []F) float64 { return float64(x[element]) - at }
}

// Zeros of the sine and the cosine, by direction, in order of time, forwards and back.
func TestEvents(t *testing.T) {
	for _, tab := range adaptive {
		tol := 1e-9
		bound := 100 * tol
		if tab.Order <= 3 {
			tol = 1e-7
			bound = 1e-3
		}
		s := integrator(t, tab, Func[float64](pendulum[float64]), Options{RTol: tol, ATol: tol, MaxStep: 1},
			Event[float64]{G: level[float64](0, 0)},
			Event[float64]{G: level[float64](1, 0), Direction: 1},
			Event[float64]{G: level[float64](1, 0), Direction: -1})
		for _, sign := range []float64{1, -1} {
			sol := integrate(t, s, 0, 10*sign, []float64{0, 1})
			// The sine is 0 at the beginning, which is no event; the cosine falls at π/2 in both directions.
			events := []int{2, 0, 1, 0, 2, 0}
			if len(sol.Crossings) != len(events) || sol.Terminal {
				t.Fatalf("%s: %+v", tab.Name, sol.Crossings)
			}
			for i, c := range sol.Crossings {
				want := sign * float64(i+1) * math.Pi / 2
				x := []float64{math.Sin(want), math.Cos(want)}
				if c.Event != events[i] || !(math.Abs(c.T-want) <= bound) || !(distance(c.X, x) <= bound) {
					t.Errorf("%s: crossing %d is %+v, want event %d at %v", tab.Name, i, c, events[i], want)
				}
			}
		}
	}
}

// A terminal event ends the solution at its time, on a grid of which a Solver computes the same state.
func TestTerminalEvent(t *testing.T) {
	for _, dense := range []bool{false, true} {
		for _, tab := range tableaux {
			o := Options{RTol: 1e-6, ATol: 1e-6, Dense: dense}
			if tab.E == nil {
				o = Options{FirstStep: 1. / 256, Dense: dense}
			}
			f := Func[float64](pendulum[float64])
			s := integrator(t, tab, f, o,
				Event[float64]{G: level[float64](0, 0.5)},
				Event[float64]{G: level[float64](1, 0), Terminal: true})
			sol := integrate(t, s, 0, 10, []float64{0, 1})
			end := sol.Times[sol.Accepted]
			if !sol.Terminal || len(sol.Crossings) != 2 || sol.Crossings[1].T != end || sol.Crossings[1].X[0] != sol.X[0] {
				t.Fatalf("%s: ends at %v, %+v", tab.Name, end, sol.Crossings)
			}
			bound := 1e-4
			if tab.Order <= 2 {
				bound = 1e-2
			}
			if !(math.Abs(end-math.Pi/2) <= bound && math.Abs(sol.X[1]) <= bound && math.Abs(sol.Crossings[0].T-math.Pi/6) <= bound) {
				t.Errorf("%s: ends at %v in %v after %+v", tab.Name, end, sol.X, sol.Crossings)
			}
			states := solve(solver(t, tab, false, f), sol.Grid(), []float64{0, 1}).States
			if last := states[len(states)-1]; last[0] != sol.X[0] || last[1] != sol.X[1] {
				t.Errorf("%s: %v, on the grid %v", tab.Name, sol.X, last)
			}
			if dense {
				x := make([]float64, 2)
				sol.At(end-1e-9, x)
				if !(distance(x, sol.X) <= 1e-8) {
					t.Errorf("%s: just before the end %v, at it %v", tab.Name, x, sol.X)
				}
			}
		}
	}
}

// An event that is 0 at the end of a step is found once; float32 finds it too.
func TestEventAtNode(t *testing.T) {
	clock := func(at float64) func(float64, []float32) float64 {
		return func(t float64, _ []float32) float64 { return t - at }
	}
	s := integrator(t, RK4, Func[float32](pendulum[float32]), Options{FirstStep: 0.25}, Event[float32]{G: clock(0.5)}, Event[float32]{G: clock(0.9)},
		Event[float32]{G: clock(1), Terminal: true})
	sol := integrate(t, s, 0, 2, []float32{0, 1})
	if c := sol.Crossings; len(c) != 3 || c[0].T != 0.5 || !(math.Abs(c[1].T-0.9) <= 1e-14) || c[2].T != 1 || sol.Times[sol.Accepted] != 1 || !sol.Terminal {
		t.Errorf("%+v", c)
	}
}

// An event within rounding of the beginning ends the integration there, before any step.
func TestEventAtBeginning(t *testing.T) {
	for _, dense := range []bool{false, true} {
		s := integrator(t, Tsit5, Func[float64](pendulum[float64]), Options{RTol: 1e-6, Dense: dense}, Event[float64]{G: level[float64](0, 0), Terminal: true})
		x0 := []float64{-1e-300, 1}
		sol := integrate(t, s, 100, 101, x0)
		if !sol.Terminal || sol.Accepted != 0 || len(sol.Crossings) != 1 || sol.Crossings[0].T != 100 || sol.X[1] != 1 {
			t.Errorf("%+v", sol)
		}
		if dense {
			x := make([]float64, 2)
			if sol.At(100, x); x[0] != x0[0] || x[1] != 1 {
				t.Errorf("at the beginning %v", x)
			}
		}
	}
}
