package odeint

// The methods for a given step. Error estimates and interpolants of their own have those of embedded.go
// and dopri8.go.

// Euler is the explicit Euler method, of order 1.
var Euler = Tableau{
	Name:   "euler",
	A:      [][]float64{{0}},
	B:      []float64{1},
	C:      []float64{0},
	Order:  1,
	Source: "Euler, Institutionum calculi integralis I, 1768, §650",
}

// Midpoint is the explicit midpoint rule, of order 2.
var Midpoint = Tableau{
	Name: "midpoint",
	A: [][]float64{
		{0, 0},
		{1. / 2, 0},
	},
	B:      []float64{0, 1},
	C:      []float64{0, 1. / 2},
	Order:  2,
	Source: "Runge, Über die numerische Auflösung von Differentialgleichungen, Math. Ann. 46, 1895, eq. (4)",
}

// Heun is the explicit trapezoidal rule, of order 2.
var Heun = Tableau{
	Name: "heun",
	A: [][]float64{
		{0, 0},
		{1, 0},
	},
	B:      []float64{1. / 2, 1. / 2},
	C:      []float64{0, 1},
	Order:  2,
	Source: "Heun, Neue Methoden zur approximativen Integration, Z. Math. Phys. 45, 1900",
}

// Ralston is the method of two stages and order 2 with the least bound on the error of a step.
var Ralston = Tableau{
	Name: "ralston",
	A: [][]float64{
		{0, 0},
		{2. / 3, 0},
	},
	B:      []float64{1. / 4, 3. / 4},
	C:      []float64{0, 2. / 3},
	Order:  2,
	Source: "Ralston, Runge–Kutta methods with minimum error bounds, Math. Comp. 16, 1962",
}

// RK4 is the classical Runge–Kutta method, of order 4.
var RK4 = Tableau{
	Name: "rk4",
	A: [][]float64{
		{0, 0, 0, 0},
		{1. / 2, 0, 0, 0},
		{0, 1. / 2, 0, 0},
		{0, 0, 1, 0},
	},
	B:      []float64{1. / 6, 1. / 3, 1. / 3, 1. / 6},
	C:      []float64{0, 1. / 2, 1. / 2, 1},
	Order:  4,
	Source: "Kutta, Beitrag zur näherungsweisen Integration totaler Differentialgleichungen, Z. Math. Phys. 46, 1901",
}

// RK38 is the 3/8 rule, of order 4.
var RK38 = Tableau{
	Name: "rk38",
	A: [][]float64{
		{0, 0, 0, 0},
		{1. / 3, 0, 0, 0},
		{-1. / 3, 1, 0, 0},
		{1, -1, 1, 0},
	},
	B:      []float64{1. / 8, 3. / 8, 3. / 8, 1. / 8},
	C:      []float64{0, 1. / 3, 2. / 3, 1},
	Order:  4,
	Source: "Kutta, Beitrag zur näherungsweisen Integration totaler Differentialgleichungen, Z. Math. Phys. 46, 1901",
}
