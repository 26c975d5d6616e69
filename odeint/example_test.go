package odeint_test

import (
	"fmt"

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
	solver, err := odeint.NewSolver(odeint.RK4, field)
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
