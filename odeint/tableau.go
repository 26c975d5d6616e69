package odeint

import (
	"fmt"
	"math"
	"slices"
)

// Tableau is an explicit Runge–Kutta method:
//
//	k_i = F(t + C_i·h, x + h·Σ_{j<i} A_ij·k_j),   x ← x + h·Σ_i B_i·k_i.
//
// A is square with zeros on and above the diagonal. Order is the order of convergence that the
// coefficients are to have.
//
// An embedded pair estimates the error of a step by h·Σ_i E_i·k_i, the difference of x from a solution
// of order ErrorOrder with the weights B−E; E is nil in other methods. Where E3 is not nil, it gives a
// second estimate, of order 3, which the Integrator combines with the first as DOP853 does.
type Tableau struct {
	Name       string
	A          [][]float64
	B, C       []float64
	Order      int
	E, E3      []float64
	ErrorOrder int
	Dense      *Interpolant // nil: the cubic Hermite polynomial
	Source     string
}

// Interpolant is the solution within a step,
//
//	x(t + θh) = x + h·Σ_i b_i(θ)·k_i,   b_i(θ) = Σ_{j≥1} P_ij·θʲ,
//
// of order Order for every θ in [0, 1]; P has j−1 for j. The stages are those of the tableau, then, unless
// the last of these is F at the end of the step already, that slope, then extra ones, with rows A over all
// stages before them and nodes C.
type Interpolant struct {
	A     [][]float64
	C     []float64
	P     [][]float64
	Order int
}

// FSAL tells whether the last stage is the first of the next step: F at the end of the step.
func (t Tableau) FSAL() bool {
	last := len(t.B) - 1
	return last > 0 && t.C[last] == 1 && slices.Equal(t.A[last], t.B)
}

// needed returns the number of stages up to the last that has a weight in one of b.
func (t Tableau) needed(b ...[]float64) int {
	n := 0
	for _, b := range b {
		for i, w := range b {
			if w != 0 {
				n = max(n, i+1)
			}
		}
	}
	return n
}

// withEnd returns the method with F at the end of the step as its last stage, and with an interpolant.
func (t Tableau) withEnd() Tableau {
	if !t.FSAL() {
		zero := func(b []float64) []float64 {
			if b == nil {
				return nil
			}
			return append(slices.Clip(b), 0)
		}
		rows := make([][]float64, 0, len(t.A)+1)
		for _, row := range append(slices.Clip(t.A), t.B) {
			rows = append(rows, zero(row))
		}
		t.A, t.B, t.C = rows, zero(t.B), append(slices.Clip(t.C), 1)
		t.E, t.E3 = zero(t.E), zero(t.E3)
	}
	if t.Dense == nil {
		t.Dense = t.hermite()
	}
	return t
}

// hermite returns the cubic polynomial of the values and slopes at both ends of a step whose last stage
// is the slope at its end (Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, 2nd
// ed., §II.6, eq. (6.7)).
func (t Tableau) hermite() *Interpolant {
	p := make([][]float64, len(t.B))
	for i, b := range t.B {
		p[i] = []float64{0, 3 * b, -2 * b}
	}
	first, last := p[0], p[len(p)-1]
	first[0], first[1], first[2] = 1, first[1]-2, first[2]+1
	last[1], last[2] = last[1]-1, last[2]+1
	return &Interpolant{P: p, Order: min(t.Order, 3)}
}

// stability returns the length of the interval [−r, 0] in which |R| ≤ 1, where R(z) = 1 + Σ_k z^{k+1}·bᵀAᵏ1
// is the factor by which a step multiplies the solution of x' = λx, z = hλ.
func (t Tableau) stability() float64 {
	var coeffs []float64 // bᵀAᵏ1
	for tall := (tree{}); len(coeffs) < len(t.B); tall = (tree{tall}) {
		c, _ := t.weight(t.B, tall)
		coeffs = append(coeffs, c)
	}
	for r := 0.0; r < 100; r += 1e-3 {
		sum := 0.0
		for _, c := range slices.Backward(coeffs) {
			sum = -(r + 1e-3) * (c + sum)
		}
		if math.Abs(1+sum) > 1+1e-9 {
			return r
		}
	}
	return 100
}

// tolerance on conditions of coefficients that are rounded to float64, relative to the sum of the terms'
// magnitudes.
const tolerance = 1e-13

// Check returns an error unless the tableau is explicit, its row sums are C, and B fulfils the order
// condition of every rooted tree up to Order, the tree of order 1 being Σb = 1; unless B−E does so up to
// ErrorOrder, B−E3 up to 3 and the interpolant up to its order, at several θ, with b(1) = B.
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
		for j, a := range row {
			if j >= i && a != 0 {
				return fmt.Errorf("tableau %s: A[%d][%d] = %v; an explicit method has 0 there", t.Name, i, j, a)
			}
		}
		if err := t.checkRow("A", i, row, t.C[i]); err != nil {
			return err
		}
	}
	if err := t.checkWeights("", t.B, 1, t.Order); err != nil {
		return err
	}
	for _, e := range []struct {
		name    string
		weights []float64
		order   int
	}{{"E", t.E, t.ErrorOrder}, {"E3", t.E3, 3}} {
		if e.weights == nil {
			continue
		}
		if len(e.weights) != s || e.order < 1 {
			return fmt.Errorf("tableau %s: %s has %d entries, want %d, and order %d", t.Name, e.name, len(e.weights), s, e.order)
		}
		embedded := make([]float64, s)
		for i := range embedded {
			embedded[i] = t.B[i] - e.weights[i]
		}
		if err := t.checkWeights("B−"+e.name+": ", embedded, 1, e.order); err != nil {
			return err
		}
	}
	if t.Dense == nil {
		return nil
	}
	return t.checkDense()
}

func (t Tableau) checkRow(matrix string, i int, row []float64, c float64) error {
	sum, size := 0.0, 1.0
	for _, a := range row {
		sum, size = sum+a, size+math.Abs(a)
	}
	if !(math.Abs(sum-c) <= tolerance*size) {
		return fmt.Errorf("tableau %s: row %d of %s sums to %v, its node is %v", t.Name, i, matrix, sum, c)
	}
	return nil
}

// checkWeights returns an error unless b fulfils the conditions up to order for a step of length θh.
func (t Tableau) checkWeights(what string, b []float64, theta float64, order int) error {
	for n := 1; n <= order; n++ {
		for _, tree := range trees(n) {
			want := math.Pow(theta, float64(n)) / tree.density()
			if got, size := t.weight(b, tree); !(math.Abs(got-want) <= tolerance*(1+size)) {
				return fmt.Errorf("tableau %s: %sorder %d fails for the tree %v: %v, want %v", t.Name, what, n, tree, got, want)
			}
		}
	}
	return nil
}

func (t Tableau) checkDense() error {
	d := t.Dense
	t.Dense = nil
	all := t.withEnd()
	s := len(all.B) + len(d.A)
	if len(d.P) != s || len(d.A) != len(d.C) || d.Order < 1 {
		return fmt.Errorf("tableau %s: the interpolant has %d rows of P for %d stages, %d rows of A, %d nodes, order %d", t.Name, len(d.P), s, len(d.A), len(d.C), d.Order)
	}
	for i, row := range d.A {
		if len(row) != len(all.B)+i {
			return fmt.Errorf("tableau %s: row %d of the interpolant's A has %d entries, want %d", t.Name, i, len(row), len(all.B)+i)
		}
		if err := t.checkRow("the interpolant's A", i, row, d.C[i]); err != nil {
			return err
		}
	}
	b := all.B
	all.A, all.C = append(slices.Clip(all.A), d.A...), append(slices.Clip(all.C), d.C...)
	for _, theta := range []float64{0.25, 0.5, 0.8, 1} {
		if err := all.checkWeights(fmt.Sprintf("interpolant at θ = %v: ", theta), d.weights(theta), theta, d.Order); err != nil {
			return err
		}
	}
	for i, w := range d.weights(1) {
		want := 0.0
		if i < len(b) {
			want = b[i]
		}
		if size := sumAbs(d.P[i]); !(math.Abs(w-want) <= tolerance*(1+size)) {
			return fmt.Errorf("tableau %s: the interpolant's weight %d is %v at the end of the step, want %v", t.Name, i, w, want)
		}
	}
	return nil
}

// weights returns b(θ).
func (d *Interpolant) weights(theta float64) []float64 {
	b := make([]float64, len(d.P))
	for i, p := range d.P {
		for _, c := range slices.Backward(p) {
			b[i] = theta * (c + b[i])
		}
	}
	return b
}

func sumAbs(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += math.Abs(v)
	}
	return s
}
