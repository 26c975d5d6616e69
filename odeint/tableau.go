package odeint

import (
	"fmt"
	"math"
)

// Tableau is an explicit Runge–Kutta method:
//
//	k_i = F(t + C_i·h, x + h·Σ_{j<i} A_ij·k_j),   x ← x + h·Σ_i B_i·k_i.
//
// A is square with zeros on and above the diagonal. Order is the order of convergence that the
// coefficients are to have.
type Tableau struct {
	Name   string
	A      [][]float64
	B, C   []float64
	Order  int
	Source string
}

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

// tolerance on conditions of coefficients that are rounded to float64.
const tolerance = 1e-12

// Check returns an error unless the tableau is explicit, its row sums are C, and B fulfils the order
// condition of every rooted tree up to Order; the tree of order 1 is Σb = 1.
func (t Tableau) Check() error {
	s := len(t.B)
	if s == 0 || len(t.C) != s || len(t.A) != s {
		return fmt.Errorf("tableau %s: %d rows in A, %d weights, %d nodes; they must be as many, and at least 1", t.Name, len(t.A), s, len(t.C))
	}
	if t.Order < 1 {
		return fmt.Errorf("tableau %s: order %d; it must be at least 1", t.Name, t.Order)
	}
	for i, row := range t.A {
		if len(row) != s {
			return fmt.Errorf("tableau %s: row %d of A has %d entries, want %d", t.Name, i, len(row), s)
		}
		sum := 0.0
		for j, a := range row {
			if j >= i && a != 0 {
				return fmt.Errorf("tableau %s: A[%d][%d] = %v; an explicit method has 0 there", t.Name, i, j, a)
			}
			sum += a
		}
		if !(math.Abs(sum-t.C[i]) <= tolerance) {
			return fmt.Errorf("tableau %s: row %d of A sums to %v, C[%d] = %v", t.Name, i, sum, i, t.C[i])
		}
	}
	for order := 1; order <= t.Order; order++ {
		for _, tree := range trees(order) {
			if got, want := t.weight(tree), 1/tree.density(); !(math.Abs(got-want) <= tolerance) {
				return fmt.Errorf("tableau %s: order %d fails for the tree %v: %v, want %v", t.Name, order, tree, got, want)
			}
		}
	}
	return nil
}
