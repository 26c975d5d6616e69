package odeint

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/internal/ivp"
)

var adaptive = []Tableau{Fehlberg21, Bosh3, Dopri5, Tsit5, Dopri8}

func integrator[F Float](t testing.TB, tab Tableau, field VectorField[F], o Options, events ...Event[F]) *Integrator[F] {
	t.Helper()
	s, err := NewIntegrator(tab, field, o, events...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func integrate[F Float](t testing.TB, s *Integrator[F], t0, t1 float64, x0 []F) *Solution[F] {
	t.Helper()
	var sol Solution[F]
	if err := s.Solve(t0, t1, x0, &sol); err != nil {
		t.Fatal(err)
	}
	return &sol
}

// swing is x' = x·cos t, x = e^(sin t), two copies.
func swing[F Float](t float64, x, f []F) {
	for i, v := range x {
		f[i] = v * F(math.Cos(t))
	}
}

// What the code DOPRI5 prints for the Arenstorf orbit at RTol = ATol = 1e-7, as the demos of the R package
// deSolve quote it: 1442 evaluations, 216 steps accepted, and the last point. Its controller has β = 0.04;
// the rest of it differs in the steps after one that is rejected.
func TestArenstorfAsDOPRI5(t *testing.T) {
	s := integrator(t, Dopri5, Func[float64](ivp.Arenstorf.F), Options{RTol: 1e-7, ATol: 1e-7, Controller: Controller{Beta: [3]float64{0.85, -0.2, 0}}})
	sol := integrate(t, s, 0, ivp.Arenstorf.End, ivp.Arenstorf.Start)
	for what, c := range map[string][2]float64{"evaluations": {float64(sol.Evaluations), 1442}, "accepted": {float64(sol.Accepted), 216}} {
		if got, want := c[0], c[1]; !(math.Abs(got-want) <= 0.02*want) {
			t.Errorf("%s: %v, want about %v", what, got, want)
		}
	}
	if x, y := sol.X[0], sol.X[1]; !(math.Abs(x-0.9940021016) <= 1e-7 && math.Abs(y-8.911185692e-6) <= 1e-6) {
		t.Errorf("the orbit ends at (%.10f, %v), want (0.9940021016, 8.911e-6)", x, y)
	}
}

// The error at the end against published solutions falls with the tolerance, and stays below a multiple of
// it that belongs to the problem: the Arenstorf orbit multiplies errors by more than 10⁴.
func TestReferences(t *testing.T) {
	for _, tab := range adaptive {
		tols, amplify := []float64{1e-6, 1e-8, 1e-11}, 3e5
		if tab.Order <= 3 {
			tols = []float64{1e-5, 1e-7}
		}
		if tab.Order == 2 { // the estimate is that of a method of order 1
			amplify = 3e6
		}
		for _, p := range []ivp.Problem{ivp.Arenstorf, ivp.Pleiades} {
			last := math.Inf(1)
			for _, tol := range tols {
				s := integrator(t, tab, Func[float64](p.F), Options{RTol: tol, ATol: tol})
				err := p.Error(integrate(t, s, 0, p.End, p.Start).X, len(p.Solution))
				t.Logf("%s %s: tolerance %g, error %.2g", tab.Name, p.Name, tol, err)
				if tol != tols[0] && !(err <= amplify*tol && err < last/5) {
					t.Errorf("%s, %s: error %v at tolerance %v, %v at the one before", tab.Name, p.Name, err, tol, last)
				}
				last = err
			}
		}
	}
}

// With every controller and precision, forwards and back in time, the error of a stable problem is within a
// factor of the tolerance.
func TestTolerance(t *testing.T) {
	for _, tab := range adaptive {
		for name, c := range map[string]Controller{"default": {}, "I": ControlI, "PI": ControlPI, "PID": ControlPID} {
			testTolerance[float64](t, tab, name, c, 1e-6)
			testTolerance[float32](t, tab, name, c, 1e-4)
			if tab.Order > 3 {
				testTolerance[float64](t, tab, name, c, 1e-10)
			}
		}
	}
}

func testTolerance[F Float](t *testing.T, tab Tableau, name string, c Controller, tol float64) {
	t.Helper()
	s := integrator(t, tab, Func[F](swing[F]), Options{RTol: tol, ATol: tol, Controller: c})
	factor := 300.0
	if tab.Order == 2 { // its steps are many
		factor = 1000
	}
	for _, end := range []float64{20, -20} {
		sol := integrate(t, s, 0, end, []F{1, 1})
		err := math.Abs(float64(sol.X[0])-math.Exp(math.Sin(end))) / tol
		if !(err <= factor && sol.X[0] == sol.X[1] && sol.Times[sol.Accepted] == end) {
			t.Errorf("%s, %s: %d steps to %v, error %.3g tolerances of %v", tab.Name, name, sol.Accepted, end, err, tol)
		}
		if sol.Rejected*2 > sol.Accepted+8 {
			t.Errorf("%s, %s: %d steps to %v with tolerance %v are accepted, %d are not", tab.Name, name, sol.Accepted, end, tol, sol.Rejected)
		}
	}
}

// Without an error estimate all steps are FirstStep, and the states are those of a Solver on the grid; so they
// are with one, for every method.
func TestGrid(t *testing.T) {
	t.Run("float32", testGrid[float32])
	t.Run("float64", testGrid[float64])
}

func testGrid[F Float](t *testing.T) {
	for _, tab := range tableaux {
		o := Options{RTol: 1e-3, ATol: 1e-3}
		if tab.E == nil {
			o = Options{FirstStep: 0.125}
		}
		f := newField[F](theta0)
		sol := integrate(t, integrator(t, tab, f, o), 1, 2, convert[F](start))
		if tab.E == nil && (sol.Accepted != 8 || sol.Times[3] != 1.375) {
			t.Errorf("%s: the ends of the steps are %v", tab.Name, sol.Times)
		}
		states := solve(solver(t, tab, false, f), sol.Grid(), start).States
		for i, x := range states[len(states)-1] {
			if x != sol.X[i] {
				t.Errorf("%s: %v, on the grid %v", tab.Name, sol.X, states[len(states)-1])
			}
		}
	}
}

func TestIntegratorErrors(t *testing.T) {
	o := Options{RTol: 1e-6, ATol: 1e-6}
	blowUp := Func[float64](func(_ float64, x, f []float64) { f[0] = x[0] * x[0] }) // 1/(1−t)
	root := Func[float64](func(_ float64, x, f []float64) { f[0] = -math.Sqrt(x[0]) })
	var sol Solution[float64]

	err := integrator(t, Dopri5, blowUp, o).Solve(0, 2, []float64{1}, &sol)
	var small *StepSizeError
	var bad *NonFiniteError
	if at := 0.0; errors.As(err, &small) || errors.As(err, &bad) {
		if at = sol.Times[sol.Accepted]; !(math.Abs(at-1) < 1e-3) || sol.Accepted < 10 {
			t.Errorf("stops at %v: %v", at, err)
		}
	} else {
		t.Errorf("a singularity: %v", err)
	}

	// A field that ends at t = 1: steps shrink towards it.
	short := Func[float64](func(t float64, x, f []float64) { f[0] = t / (1 - math.Floor(t)) })
	if err := integrator(t, Dopri5, short, Options{RTol: 1e-6, FirstStep: 0.3}).Solve(0, 3, []float64{1}, &sol); !errors.As(err, &bad) || !(math.Abs(bad.T-1) < 1e-14) {
		t.Errorf("a field that ends: %v", err)
	}
	if err := integrator(t, RK4, short, Options{FirstStep: 0.3}).Solve(0, 3, []float64{1}, &sol); !errors.As(err, &bad) || !(math.Abs(bad.T-0.9) < 1e-14) {
		t.Errorf("a field that ends, with constant steps: %v", err)
	}
	if err := integrator(t, Tsit5, root, o).Solve(0, 3, []float64{-1}, &sol); !errors.As(err, &bad) || bad.T != 0 {
		t.Errorf("NaN at the beginning: %v", err)
	}

	var many *MaxStepsError
	o.MaxSteps = 20
	if err := integrator(t, Tsit5, Func[float64](ivp.Arenstorf.F), o).Solve(0, 17, ivp.Arenstorf.Start, &sol); !errors.As(err, &many) || sol.Accepted+sol.Rejected != 20 || many.T != sol.Times[sol.Accepted] {
		t.Errorf("20 steps: %v", err)
	}
	if err := integrator(t, Tsit5, Func[float64](ivp.Arenstorf.F), o).Solve(0, math.Inf(1), ivp.Arenstorf.Start, &sol); err == nil {
		t.Error("an end at infinity: no error")
	}

	// 1e-13 in float64 is no more than what rounding allows, in float32 it is.
	if _, err := NewIntegrator(Tsit5, Func[float64](swing[float64]), Options{RTol: 1e-13}); err != nil {
		t.Error(err)
	}
	for want, c := range map[string]struct {
		tab Tableau
		o   Options
	}{
		"at least 1.2e-06": {Tsit5, Options{RTol: 1e-13}}, "RTol and ATol are 0": {Tsit5, Options{}}, "set FirstStep": {RK4, Options{RTol: 1e-3}},
		"MaxStep is -1": {Tsit5, Options{RTol: 1e-3, MaxStep: -1}}, "ATol is NaN": {Tsit5, Options{RTol: 1e-3, ATol: math.NaN()}},
		"0 rows": {Tableau{}, Options{}},
	} {
		if _, err := NewIntegrator(c.tab, Func[float32](swing[float32]), c.o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// MaxStep bounds the steps; an integration over no time returns the initial state.
func TestMaxStep(t *testing.T) {
	s := integrator(t, Dopri8, Func[float64](swing[float64]), Options{RTol: 1e-3, MaxStep: 0.25})
	if sol := integrate(t, s, 0, 10, []float64{1}); sol.Accepted < 40 {
		t.Errorf("%d steps of at most 1/4 over 10", sol.Accepted)
	}
	if sol := integrate(t, s, 3, 3, []float64{1}); sol.Accepted != 0 || sol.X[0] != 1 {
		t.Errorf("over no time: %v", sol)
	}
}

// vanDerPol is x” = μ·(1−x²)·x' − x with μ = 1000, stiff, or 1.
func vanDerPol(mu float64) Func[float64] {
	return func(_ float64, x, f []float64) { f[0], f[1] = x[1], mu*(1-x[0]*x[0])*x[1]-x[0] }
}

// Van der Pol's equation with μ = 1000 is stiff, with μ = 1 it is not; nor are the orbits.
func TestStiffness(t *testing.T) {
	o := Options{RTol: 1e-6, ATol: 1e-6}
	for _, tab := range []Tableau{Fehlberg21, Dopri5, Tsit5, Dopri8} {
		for _, c := range []struct {
			name  string
			field Func[float64]
			end   float64
			x     []float64
			stiff bool
		}{
			{"stiff van der Pol", vanDerPol(1000), 2, []float64{2, 0}, true}, {"van der Pol", vanDerPol(1), 20, []float64{2, 0}, false},
			{"arenstorf", ivp.Arenstorf.F, ivp.Arenstorf.End, ivp.Arenstorf.Start, false}, {"pleiades", ivp.Pleiades.F, 3, ivp.Pleiades.Start, false},
		} {
			sol := integrate(t, integrator(t, tab, c.field, o), 0, c.end, c.x)
			if (sol.Stiffness != nil) != c.stiff {
				t.Errorf("%s, %s: warning %v in %d steps", tab.Name, c.name, sol.Stiffness, sol.Accepted)
			}
			if w := sol.Stiffness; w != nil && !(w.Ratio > w.Bound && w.T > 0 && w.T < 2) {
				t.Errorf("%s, %s: %+v", tab.Name, c.name, w)
			}
		}
	}
}

// A second solution allocates nothing, with events and dense output too.
func TestIntegratorAllocations(t *testing.T) {
	for _, tab := range tableaux {
		o := Options{RTol: 1e-4, ATol: 1e-4, Dense: true}
		if tab.E == nil {
			o = Options{FirstStep: 0.1, Dense: true}
		}
		rise := Event[float32]{G: func(_ float64, x []float32) float64 { return float64(x[0]) - 1.25 }}
		s := integrator(t, tab, Func[float32](swing[float32]), o, rise)
		var sol Solution[float32]
		x0, x := []float32{1, 1}, make([]float32, 2)
		if n := testing.AllocsPerRun(10, func() {
			if s.Solve(0, 5, x0, &sol) != nil || len(sol.Crossings) != 2 {
				t.Fatal(sol)
			}
			sol.At(2.5, x)
		}); n != 0 {
			t.Errorf("%s: %v allocations", tab.Name, n)
		}
	}
}
