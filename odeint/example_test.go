package odeint_test

import (
	"errors"
	"fmt"
	"math"

	"github.com/vcycle-go/vcycle/odeint"
)

// decay is dx/dt = −θ·x.
type decay struct{ theta, grad float32 }

func (d *decay) Eval(_ odeint.Point, x, f []float32) {
	for i := range x {
		f[i] = -d.theta * x[i]
	}
}

func (d *decay) VJP(_ odeint.Point, x, v, dx []float32) {
	for i := range x {
		dx[i] -= d.theta * v[i]
		d.grad -= x[i] * v[i]
	}
}

// Exponential decay from 1 over one unit of time: x(1) = e^−θ, and so are the derivative with respect
// to the initial value and, but for the sign, that with respect to θ = 1/2.
func Example() {
	field := &decay{theta: 0.5}
	solver, err := odeint.NewSolver(odeint.RK4, odeint.VectorField[float32](field))
	if err != nil {
		fmt.Println(err)
		return
	}
	grid := odeint.Uniform(0, 0.1, 10)
	w := solver.NewWorkspace(grid.Steps(), 1)
	w.States[0][0] = 1
	x := solver.Solve(grid, w)
	dx := []float32{1}
	solver.Gradient(grid, w, dx)
	fmt.Printf("x(1) = %.5f, dx(1)/dx(0) = %.5f, dx(1)/dθ = %.5f\n", x[0], dx[0], field.grad)
	// Output: x(1) = 0.60653, dx(1)/dx(0) = 0.60653, dx(1)/dθ = -0.60653
}

func ExampleTableau_Check() {
	ralston := odeint.Tableau{
		Name:  "ralston",
		A:     [][]float64{{0, 0}, {2. / 3, 0}},
		B:     []float64{1. / 4, 3. / 4},
		C:     []float64{0, 2. / 3},
		Order: 2,
	}
	fmt.Println(ralston.Check())
	ralston.Order = 3
	fmt.Println(ralston.Check())
	// Output:
	// <nil>
	// tableau ralston: order 3 fails for the tree [[[]]]: 0, want 0.16666666666666666
}

// Predators y and prey x, x' = 1.1·x − 0.4·xy, y' = 0.1·xy − 0.4·y, from Lotka and Volterra, with the
// solution between the steps. The orbit is closed: 0.1·x − 0.4·ln x + 0.4·y − 1.1·ln y is constant.
func ExampleIntegrator() {
	field := odeint.Func[float64](func(_ float64, x, f []float64) {
		f[0] = 1.1*x[0] - 0.4*x[0]*x[1]
		f[1] = 0.1*x[0]*x[1] - 0.4*x[1]
	})
	integrator, err := odeint.NewIntegrator(odeint.Tsit5, field, odeint.Options{RTol: 1e-8, ATol: 1e-8, Dense: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	var sol odeint.Solution[float64]
	if err := integrator.Solve(0, 40, []float64{10, 10}, &sol); err != nil {
		fmt.Println(err)
		return
	}
	x := make([]float64, 2)
	for t := 0.0; t <= 40; t += 10 {
		sol.At(t, x)
		invariant := 0.1*x[0] - 0.4*math.Log(x[0]) + 0.4*x[1] - 1.1*math.Log(x[1])
		fmt.Printf("t = %2.0f: %6.3f prey, %6.3f predators, invariant %.6f\n", t, x[0], x[1], invariant)
	}
	// Output:
	// t =  0: 10.000 prey, 10.000 predators, invariant 1.546122
	// t = 10:  1.123 prey,  0.289 predators, invariant 1.546122
	// t = 20:  0.032 prey,  1.461 predators, invariant 1.546122
	// t = 30:  0.239 prey,  8.138 predators, invariant 1.546122
	// t = 40:  4.170 prey,  0.232 predators, invariant 1.546122
}

// The sine from some forty steps of order 8, at times between them.
func ExampleSolution_At() {
	field := odeint.Func[float64](func(_ float64, x, f []float64) { f[0], f[1] = x[1], -x[0] })
	integrator, err := odeint.NewIntegrator(odeint.Dopri8, field, odeint.Options{RTol: 1e-10, ATol: 1e-10, Dense: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	var sol odeint.Solution[float64]
	if err := integrator.Solve(0, 10, []float64{0, 1}, &sol); err != nil {
		fmt.Println(err)
		return
	}
	worst, x := 0.0, make([]float64, 2)
	for i := range 1001 {
		t := float64(i) / 100
		sol.At(t, x)
		worst = max(worst, math.Abs(x[0]-math.Sin(t)))
	}
	fmt.Println(sol.Accepted < 50, worst < 1e-9)
	// Output: true true
}

// Van der Pol's equation with μ = 1000 is smooth for hundreds of units of time, and yet every explicit method
// takes thousands of steps there.
func ExampleStiffness() {
	const mu = 1000
	field := odeint.Func[float64](func(_ float64, x, f []float64) {
		f[0], f[1] = x[1], mu*(1-x[0]*x[0])*x[1]-x[0]
	})
	integrator, err := odeint.NewIntegrator(odeint.Dopri5, field, odeint.Options{RTol: 1e-6, ATol: 1e-6, MaxSteps: 2000})
	if err != nil {
		fmt.Println(err)
		return
	}
	var sol odeint.Solution[float64]
	err = integrator.Solve(0, 500, []float64{2, 0}, &sol)
	var many *odeint.MaxStepsError
	if errors.As(err, &many) {
		fmt.Printf("%d steps lead to t = %.0f\n", many.Steps, many.T)
	}
	if w := sol.Stiffness; w != nil {
		fmt.Printf("stiff, noticed before t = 0.1: %v; |hλ| is %.1f, stable up to %.1f\n", w.T < 0.1, w.Ratio, w.Bound)
	}
	// Output:
	// 2000 steps lead to t = 2
	// stiff, noticed before t = 0.1: true; |hλ| is 3.3, stable up to 3.3
}

// A ball is dropped from a height of 1 and keeps 80% of its speed at every bounce, an event that ends the
// integration: the next begins where it ended, upwards.
func ExampleEvent() {
	const g = 9.81
	field := odeint.Func[float64](func(_ float64, x, f []float64) { f[0], f[1] = x[1], -g })
	ground := odeint.Event[float64]{
		G:         func(_ float64, x []float64) float64 { return x[0] },
		Direction: -1,
		Terminal:  true,
	}
	integrator, err := odeint.NewIntegrator(odeint.Dopri5, field, odeint.Options{RTol: 1e-9, ATol: 1e-9}, ground)
	if err != nil {
		fmt.Println(err)
		return
	}
	var sol odeint.Solution[float64]
	t, x := 0.0, []float64{1, 0}
	for range 4 {
		if err := integrator.Solve(t, 10, x, &sol); err != nil {
			fmt.Println(err)
			return
		}
		bounce := sol.Crossings[0]
		fmt.Printf("t = %.4f with %.4f\n", bounce.T, -bounce.X[1])
		t, x[0], x[1] = bounce.T, 0, -0.8*bounce.X[1]
	}
	// Output:
	// t = 0.4515 with 4.4294
	// t = 1.1740 with 3.5436
	// t = 1.7519 with 2.8348
	// t = 2.2143 with 2.2679
}

// growth is dx/dt = r·x·(1 − x/K), the logistic equation, with θ = (r, K).
type growth struct{ theta, grad []float64 }

func (l *growth) Eval(_ odeint.Point, x, f []float64) {
	r, k := l.theta[0], l.theta[1]
	f[0] = r * x[0] * (1 - x[0]/k)
}

func (l *growth) VJP(_ odeint.Point, x, v, dx []float64) {
	r, k := l.theta[0], l.theta[1]
	dx[0] += r * (1 - 2*x[0]/k) * v[0]
	l.grad[0] += x[0] * (1 - x[0]/k) * v[0]
	l.grad[1] += r * x[0] * x[0] / (k * k) * v[0]
}

// Fitting r = 0.8 and K = 3 to a curve that was measured at the nodes of a grid: the gradient of the squared
// distances, step by step of the grid, and a descent along it.
func Example_fit() {
	const steps, x0 = 24, 0.1
	field := &growth{theta: []float64{0.5, 2}, grad: make([]float64, 2)}
	solver, err := odeint.NewSolver(odeint.Bosh3, odeint.VectorField[float64](field))
	if err != nil {
		fmt.Println(err)
		return
	}
	step := odeint.Uniform(0, 0.5, 1) // the equation does not depend on t: every step is like the first
	tapes := make([]*odeint.Workspace[float64], steps)
	for i := range tapes {
		tapes[i] = solver.NewWorkspace(1, 1)
	}
	measured := func(t float64) float64 { return 3 / (1 + (3/x0-1)*math.Exp(-0.8*t)) }
	rate := []float64{0.01, 0.05} // of each parameter
	for range 2000 {
		x := []float64{x0}
		for _, w := range tapes {
			copy(w.States[0], x)
			x = solver.Solve(step, w)
		}
		clear(field.grad)
		dx := []float64{0}
		for i := steps - 1; i >= 0; i-- {
			dx[0] += (tapes[i].States[1][0] - measured(0.5*float64(i+1))) / steps
			solver.Gradient(step, tapes[i], dx)
		}
		for i, g := range field.grad {
			field.theta[i] -= rate[i] * g
		}
	}
	fmt.Printf("r = %.2f, K = %.2f\n", field.theta[0], field.theta[1])
	// Output:
	// r = 0.80, K = 3.00
}

// The gradient of an adaptive solution: the steps that were accepted are the grid of a Solver.
func ExampleSolution_Grid() {
	field := &growth{theta: []float64{0.8, 3}, grad: make([]float64, 2)}
	integrator, err := odeint.NewIntegrator(odeint.Tsit5, odeint.VectorField[float64](field), odeint.Options{RTol: 1e-9, ATol: 1e-9})
	if err != nil {
		fmt.Println(err)
		return
	}
	solver, err := odeint.NewSolver(odeint.Tsit5, odeint.VectorField[float64](field))
	if err != nil {
		fmt.Println(err)
		return
	}
	var sol odeint.Solution[float64]
	if err := integrator.Solve(0, 5, []float64{0.1}, &sol); err != nil {
		fmt.Println(err)
		return
	}
	checkpoints := solver.NewCheckpoints(4, 1)
	checkpoints.Initial()[0] = 0.1
	x := solver.SolveCheckpoints(sol.Grid(), checkpoints)
	fmt.Println(x[0] == sol.X[0])
	dx := []float64{1}
	solver.GradientCheckpoints(sol.Grid(), checkpoints, dx)
	fmt.Printf("x(5) = %.6f, dx(5)/dx(0) = %.5f, dx(5)/dr = %.5f, dx(5)/dK = %.5f\n", sol.X[0], dx[0], field.grad[0], field.grad[1])
	// Output:
	// true
	// x(5) = 1.959307, dx(5)/dx(0) = 7.03116, dx(5)/dr = 3.39839, dx(5)/dK = 0.41873
}

// The continuous adjoint of the equation of ExampleSolution_Grid, at three tolerances: its error is that of the
// integration back in time.
func ExampleAdjoint() {
	end := 3 / (1 + 29*math.Exp(-4)) // x(5)
	for _, tol := range []float64{1e-3, 1e-6, 1e-9} {
		field := &growth{theta: []float64{0.8, 3}, grad: make([]float64, 2)}
		adjoint, err := odeint.NewAdjoint(odeint.Tsit5, odeint.VectorField[float64](field), odeint.Options{RTol: tol, ATol: tol})
		if err != nil {
			fmt.Println(err)
			return
		}
		x, dx := []float64{end}, []float64{1}
		if err := adjoint.Gradient(0, 5, x, dx); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("tolerance %.0e: x(0) = %.7f, dx(5)/dx(0) = %.5f\n", tol, x[0], dx[0])
	}
	fmt.Printf("exactly:          x(0) = 0.1000000, dx(5)/dx(0) = %.5f\n", math.Pow(end/0.1, 2)*math.Exp(-4))
	// Output:
	// tolerance 1e-03: x(0) = 0.1000063, dx(5)/dx(0) = 7.03090
	// tolerance 1e-06: x(0) = 0.1000000, dx(5)/dx(0) = 7.03116
	// tolerance 1e-09: x(0) = 0.1000000, dx(5)/dx(0) = 7.03116
	// exactly:          x(0) = 0.1000000, dx(5)/dx(0) = 7.03116
}

// A model of three blocks, θ piecewise constant in t, on a grid of four steps, each with the parameters in its
// middle; and θ of four nodes, linear between them.
func ExamplePath() {
	path := odeint.PiecewiseConstant(odeint.Uniform(0, 1, 3))
	grid := odeint.Uniform(0, 0.75, 4)
	for i := range grid.Steps() {
		fmt.Printf("step %d: θ_%d\n", i, path.At(grid.Time(i)+grid.Step(i)/2).I)
	}
	mix := odeint.PiecewiseLinear(odeint.Uniform(0, 1, 3)).At(2.25)
	fmt.Printf("θ(2.25) = %v·θ_%d + %v·θ_%d\n", 1-mix.W, mix.I, mix.W, mix.J)
	// Output:
	// step 0: θ_0
	// step 1: θ_1
	// step 2: θ_1
	// step 3: θ_2
	// θ(2.25) = 0.75·θ_2 + 0.25·θ_3
}
