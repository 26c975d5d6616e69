package odeint

import (
	"errors"
	"math"
	"testing"
)

// Gradient makes a field Parametric.
func (l field[F]) Gradient() []F { return l.grad }

// The gradient of an adaptive solution, on the grid of its steps, is that of the solution with these steps:
// against central differences on the grid, and against the exact flow's as the tolerance shrinks. The
// continuous adjoint's error is another, and shrinks with the tolerance too.
func TestAdaptiveGradient(t *testing.T) {
	theta, x0 := append([]float64(nil), theta0...), append([]float64(nil), start...)
	fine := Uniform(0, 1./32, 160)
	exact := newField[float64](theta0)
	s := solver(t, Dopri8, false, VectorField[float64](exact))
	want := convert[float64](weight)
	s.Gradient(fine, solve(s, fine, start), want)
	want = append(want, exact.grad...)

	var discrete, continuous, between []float64
	for _, tol := range []float64{1e-4, 1e-6, 1e-8} {
		f := newField[float64](theta)
		sol := integrate(t, integrator(t, Tsit5, VectorField[float64](f), Options{RTol: tol, ATol: tol}), 0, 5, x0)
		g := sol.Grid()
		s := solver(t, Tsit5, false, VectorField[float64](f))
		c := s.NewCheckpoints(3, 2)
		copy(c.Initial(), x0)
		s.SolveCheckpoints(g, c)
		dx := convert[float64](weight)
		s.GradientCheckpoints(g, c, dx)
		loss := func() float64 {
			x := reference(Tsit5, g, false, x0, theta)
			return weight[0]*x[0] + weight[1]*x[1]
		}
		compare(t, "x0", dx, x0, loss, 1e-7)
		compare(t, "theta", f.grad, theta, loss, 1e-7)
		exactly := append(dx, f.grad...)
		discrete = append(discrete, distance(exactly, want))

		clear(f.grad)
		a, err := NewAdjoint(Tsit5, VectorField[float64](f), Options{RTol: tol, ATol: tol})
		if err != nil {
			t.Fatal(err)
		}
		x, dx := append([]float64(nil), sol.X...), convert[float64](weight)
		if err := a.Gradient(0, 5, x, dx); err != nil {
			t.Fatal(err)
		}
		if d := distance(x, x0); !(d <= 1e4*tol) || d == 0 {
			t.Errorf("tolerance %v: the initial state is reconstructed with an error of %v", tol, d)
		}
		got := append(dx, f.grad...)
		continuous, between = append(continuous, distance(got, want)), append(between, distance(got, exactly))

		// The gradients of parameters are added.
		x, dx = append([]float64(nil), sol.X...), convert[float64](weight)
		once := append([]float64(nil), f.grad...)
		if err := a.Gradient(0, 5, x, dx); err != nil {
			t.Fatal(err)
		}
		for i, g := range f.grad {
			if g != 2*once[i] {
				t.Errorf("tolerance %v: gradients %v, the first time %v", tol, f.grad, once)
			}
		}
	}
	t.Logf("distance from the gradient of the flow, of norm %.3g: discrete %.2g, continuous adjoint %.2g; between the two %.2g",
		distance(want, make([]float64, len(want))), discrete, continuous, between)
	for _, errs := range [][]float64{discrete, continuous} {
		if !(errs[0] < 1 && errs[1] < errs[0]/10 && errs[2] < errs[1]/10 && errs[2] < 1e-4) {
			t.Errorf("errors at tolerances 1e-4, 1e-6, 1e-8: discrete %v, continuous adjoint %v", discrete, continuous)
		}
	}
}

// An error leaves everything as it was.
func TestAdjointError(t *testing.T) {
	f := newField[float64](theta0)
	f.grad[0] = 7
	a, err := NewAdjoint(Tsit5, VectorField[float64](f), Options{RTol: 1e-9, MaxSteps: 5})
	if err != nil {
		t.Fatal(err)
	}
	x, dx := []float64{1, 2}, []float64{3, 4}
	var many *MaxStepsError
	if err := a.Gradient(0, 50, x, dx); !errors.As(err, &many) || f.grad[0] != 7 || x[0] != 1 || dx[1] != 4 {
		t.Errorf("%v; x %v, dx %v, gradient %v", err, x, dx, f.grad)
	}
	if _, err := NewAdjoint(Tsit5, VectorField[float64](f), Options{}); err == nil {
		t.Error("no tolerance: no error")
	}
}

// Where the solution contracts, as x' = −8x does, its reconstruction amplifies every error: the adjoint of a
// state that was rounded to float32 is of no use, that of the discrete solution is exact.
func TestAdjointOfContraction(t *testing.T) {
	linear := &decayField{rate: 8}
	a, err := NewAdjoint(Dopri5, VectorField[float32](linear), Options{RTol: 1e-5, ATol: 1e-5})
	if err != nil {
		t.Fatal(err)
	}
	sol := integrate(t, integrator(t, Dopri5, VectorField[float32](linear), Options{RTol: 1e-5, ATol: 1e-5}), 0, 4, []float32{1})
	x, dx := append([]float32(nil), sol.X...), []float32{1}
	err = a.Gradient(0, 4, x, dx)
	t.Logf("x(4) = %.3g; reconstructed x(0) = %.3g, want 1 (error %v)", sol.X[0], x[0], err)
	if err == nil && math.Abs(float64(x[0])-1) < 0.01 {
		t.Errorf("the state is reconstructed as %v", x)
	}
}

type decayField struct{ rate float32 }

func (d *decayField) Eval(_ Point, x, f []float32) { f[0] = -d.rate * x[0] }

func (d *decayField) VJP(_ Point, _, v, dx []float32) { dx[0] -= d.rate * v[0] }

// With constant steps the adjoint's error falls with their size as the method's order says.
func TestAdjointOrder(t *testing.T) {
	exact := newField[float64](theta0)
	fine := Uniform(0, 1./64, 128)
	s := solver(t, Dopri8, false, VectorField[float64](exact))
	w := solve(s, fine, start)
	want := convert[float64](weight)
	s.Gradient(fine, w, want)
	want = append(want, exact.grad...)
	var hs, errs []float64
	for _, n := range []float64{16, 32, 64} {
		f := newField[float64](theta0)
		a, err := NewAdjoint(RK4, VectorField[float64](f), Options{FirstStep: 2 / n})
		if err != nil {
			t.Fatal(err)
		}
		x, dx := append([]float64(nil), w.States[128]...), convert[float64](weight)
		if err := a.Gradient(0, 2, x, dx); err != nil {
			t.Fatal(err)
		}
		if got, want := a.Evaluations(), int(n)*4+1; got != want {
			t.Errorf("%d evaluations in %v steps, want %d", got, n, want)
		}
		hs, errs = append(hs, 2/n), append(errs, distance(append(dx, f.grad...), want))
	}
	if got := slope(hs, errs); !(math.Abs(got-4) <= 0.3) {
		t.Errorf("the error falls as h^%.2f, want h^4; errors %v", got, errs)
	}
}
