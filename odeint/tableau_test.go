package odeint

import (
	"math"
	"strings"
	"testing"
)

var tableaux = []Tableau{Euler, Midpoint, Heun, Ralston, RK4, RK38, Fehlberg21, Bosh3, Dopri5, Tsit5, Dopri8}

func TestTableaux(t *testing.T) {
	for _, tab := range tableaux {
		if err := tab.Check(); err != nil {
			t.Error(err)
		}
		if tab.Source == "" {
			t.Errorf("%s: no source", tab.Name)
		}
		tab.Order++
		if tab.Check() == nil {
			t.Errorf("%s has order %d, more than it says", tab.Name, tab.Order)
		}
	}
}

// Every coefficient matters to some condition: a tableau with one of them changed does not pass.
func TestCheckSeesEveryCoefficient(t *testing.T) {
	for _, tab := range tableaux {
		var coefficients []*float64
		for i, row := range tab.A {
			for j := range row {
				coefficients = append(coefficients, &tab.A[i][j])
			}
			coefficients = append(coefficients, &tab.B[i], &tab.C[i])
			if tab.E != nil {
				coefficients = append(coefficients, &tab.E[i])
			}
			if tab.E3 != nil {
				coefficients = append(coefficients, &tab.E3[i])
			}
		}
		if d := tab.Dense; d != nil {
			for i := range d.A {
				coefficients = append(coefficients, &d.C[i])
				for j := range d.A[i] {
					coefficients = append(coefficients, &d.A[i][j])
				}
			}
			for i := range d.P {
				for j := range d.P[i] {
					coefficients = append(coefficients, &d.P[i][j])
				}
			}
		}
		for i, c := range coefficients {
			old := *c
			*c += 1e-3
			if tab.Check() == nil {
				t.Errorf("%s: coefficient %d changed from %v passes", tab.Name, i, old)
			}
			*c = old
		}
	}
}

// Numbers of rooted trees: OEIS A000081. Densities of the trees of order 4: Hairer, Nørsett and Wanner,
// §II.2, table 2.1.
func TestTrees(t *testing.T) {
	for n, want := range []int{1, 1, 2, 4, 9, 20, 48} {
		seen := map[string]bool{}
		for _, tr := range trees(n + 1) {
			if tr.order() != n+1 {
				t.Errorf("%v has order %d, want %d", tr, tr.order(), n+1)
			}
			seen[tr.String()] = true
		}
		if len(seen) != want {
			t.Errorf("order %d: %d different trees, want %d", n+1, len(seen), want)
		}
	}
	want := map[string]float64{"[[][][]]": 4, "[[[]][]]": 8, "[[[][]]]": 12, "[[[[]]]]": 24}
	for _, tr := range trees(4) {
		if got := tr.density(); got != want[tr.String()] {
			t.Errorf("γ(%v) = %v, want %v", tr, got, want[tr.String()])
		}
	}
}

func TestCheckErrors(t *testing.T) {
	implicit := Tableau{Name: "implicit", A: [][]float64{{1}}, B: []float64{1}, C: []float64{1}, Order: 1}
	for want, tab := range map[string]Tableau{
		"0 rows":   {Order: 1},
		"order 0":  {A: [][]float64{{0}}, B: []float64{1}, C: []float64{0}},
		"explicit": implicit,
		"sums to":  {A: [][]float64{{0}}, B: []float64{1}, C: []float64{1}, Order: 1},
		"entries":  {A: [][]float64{{0, 0}}, B: []float64{1}, C: []float64{0}, Order: 1},
	} {
		if err := tab.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if _, err := NewSolver[float32](implicit, field[float32]{}); err == nil {
		t.Error("NewSolver takes a tableau that fails")
	}
}

func TestNodes(t *testing.T) {
	for _, bad := range [][]float64{nil, {0, 0}, {0, 1, 0.5}, {1, 0, 0.5}, {0, 1 / zero}} {
		if _, err := Nodes(bad); err == nil {
			t.Errorf("nodes %v: no error", bad)
		}
	}
	g, err := Nodes([]float64{3, 1, 0.5})
	if err != nil || g.Steps() != 2 || g.Time(1) != 1 || g.Step(1) != -0.5 {
		t.Errorf("grid %v, error %v", g, err)
	}
}

var zero float64

// Intervals of stability on the negative axis: 2 and 2.785 are those of Euler's and the classical method,
// 3.3 that of Dopri5 (Hairer and Wanner, Solving Ordinary Differential Equations II, §IV.2).
func TestStability(t *testing.T) {
	for _, c := range []struct {
		tab  Tableau
		want float64
	}{{Euler, 2}, {RK4, 2.785}, {RK38, 2.785}, {Bosh3, 2.513}, {Dopri5, 3.31}} {
		if got := c.tab.stability(); !(math.Abs(got-c.want) <= 0.1) {
			t.Errorf("%s is stable down to −%v, want −%v", c.tab.Name, got, c.want)
		}
	}
}
