package odeint

import (
	"math"
	"testing"

	"github.com/vcycle-go/vcycle/kernels"
)

// lotkaVolterra is predators and prey with a prey whose growth drifts in time:
//
//	x' = a(1+t/4)·x − b·xy,   y' = c·xy − d·y.
func lotkaVolterra[F float32 | float64](t float64, theta, x, f []F) {
	f[0] = theta[0]*F(1+t/4)*x[0] - theta[1]*x[0]*x[1]
	f[1] = theta[2]*x[0]*x[1] - theta[3]*x[1]
}

// field is the equation for each of the pairs of which a state consists.
type field struct {
	theta, grad []float32
	seen        *[]Point
}

func (l field) Eval(p Point, x, f []float32) {
	if l.seen != nil {
		*l.seen = append(*l.seen, p)
	}
	for i := 0; i < len(x); i += 2 {
		lotkaVolterra(p.T, l.theta, x[i:], f[i:])
	}
}

func (l field) VJP(p Point, x, v, dx []float32) {
	if l.seen != nil {
		*l.seen = append(*l.seen, p)
	}
	a, b, c, d := l.theta[0]*float32(1+p.T/4), l.theta[1], l.theta[2], l.theta[3]
	for i := 0; i < len(x); i += 2 {
		x, v, dx := x[i:], v[i:], dx[i:]
		dx[0] += (a-b*x[1])*v[0] + c*x[1]*v[1]
		dx[1] += -b*x[0]*v[0] + (c*x[0]-d)*v[1]
		l.grad[0] += float32(1+p.T/4) * x[0] * v[0]
		l.grad[1] -= x[0] * x[1] * v[0]
		l.grad[2] += x[0] * x[1] * v[1]
		l.grad[3] -= x[1] * v[1]
	}
}

// fusedField takes Euler steps itself.
type fusedField struct{ field }

func (l fusedField) EulerStep(p Point, h float64, x, y []float32) {
	l.Eval(p, x, y)
	kernels.Euler(float32(h), x, y, y)
}

func (l fusedField) EulerVJP(p Point, h float64, x, dx []float32) {
	v := make([]float32, len(dx))
	kernels.Axpy(float32(h), dx, v)
	l.VJP(p, x, v, dx)
}

// reference integrates fields with these parameters in float64.
func reference(t Tableau, g Grid, x0 []float64, thetas ...[]float64) []float64 {
	x := append([]float64(nil), x0...)
	for i := range g.Steps() {
		for _, theta := range thetas {
			h, k := g.Step(i), make([][]float64, len(t.B))
			for l := range k {
				at := append([]float64(nil), x...)
				for j := range l {
					for e := range at {
						at[e] += h * t.A[l][j] * k[j][e]
					}
				}
				k[l] = make([]float64, len(x))
				for e := 0; e < len(x); e += 2 {
					lotkaVolterra(g.Time(i)+t.C[l]*h, theta, at[e:], k[l][e:])
				}
			}
			for l := range k {
				for e := range x {
					x[e] += h * t.B[l] * k[l][e]
				}
			}
		}
	}
	return x
}

var (
	theta0 = []float64{0.9, 0.6, 0.5, 0.8}
	theta1 = []float64{0.1, -0.2, 0.15, 0.05}
	start  = []float64{1.2, 0.7}
)

func narrow(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

func newField(theta []float64) field {
	return field{theta: narrow(theta), grad: make([]float32, len(theta))}
}

func solver(t testing.TB, tab Tableau, fields ...VectorField) *Solver {
	s, err := NewSolver(tab, fields...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func solve(t testing.TB, s *Solver, g Grid, x0 []float64) *Workspace {
	w := s.NewWorkspace(g.Steps(), len(x0))
	copy(w.States[0], narrow(x0))
	s.Solve(g, w)
	return w
}

// The error at t = 1 falls as h to the order: the slope of its logarithm, over steps that are small
// enough for the leading term and large enough that rounding to float32 stays far below the error.
func TestOrder(t *testing.T) {
	exact := reference(RK4, Uniform(0, 1./512, 512), start, theta0)
	for _, tab := range tableaux {
		var hs, es []float64
		steps := []int{16, 32, 64}
		if tab.Order == 4 {
			steps = []int{2, 3, 4}
		}
		for _, n := range steps {
			g := Uniform(0, 1/float64(n), n)
			w := solve(t, solver(t, tab, newField(theta0)), g, start)
			e := 0.0
			for i, x := range w.States[n] {
				e += math.Pow(float64(x)-exact[i], 2)
			}
			hs, es = append(hs, math.Log(g.Step(0))), append(es, math.Log(e)/2)
		}
		last := len(hs) - 1
		if slope := (es[0] - es[last]) / (hs[0] - hs[last]); !(math.Abs(slope-float64(tab.Order)) <= 0.3) {
			t.Errorf("%s: error falls as h^%.2f, want h^%d; errors %v", tab.Name, slope, tab.Order, es)
		}
	}
}

// A uniform grid given by its nodes, copies of the state side by side and a field that takes Euler steps
// itself change nothing; the split of a field into two is of order 1.
func TestSolve(t *testing.T) {
	g := Uniform(0.5, 0.125, 8)
	nodes, _ := Nodes([]float64{0.5, 0.625, 0.75, 0.875, 1, 1.125, 1.25, 1.375, 1.5})
	uneven, _ := Nodes([]float64{0.5, 0.53, 0.75, 0.8, 1.5})
	for _, tab := range tableaux {
		s := solver(t, tab, newField(theta0))
		want := solve(t, s, g, start).States[8]
		got := solve(t, s, nodes, start).States[8]
		twice := solve(t, s, g, append(start, start...)).States[8]
		for i, x := range want {
			if got[i] != x || twice[i] != x || twice[i+2] != x {
				t.Errorf("%s: %v, from nodes %v, two copies %v", tab.Name, want, got, twice)
			}
		}
		for _, c := range []struct {
			name   string
			grid   Grid
			thetas [][]float64
		}{{"uneven", uneven, [][]float64{theta0}}, {"split", uneven, [][]float64{theta0, theta1}}} {
			var fields []VectorField
			for _, theta := range c.thetas {
				fields = append(fields, newField(theta))
			}
			s := solver(t, tab, fields...)
			states := solve(t, s, c.grid, start).States
			got, want := states[len(states)-1], reference(tab, c.grid, start, c.thetas...)
			for i := range want {
				if !(math.Abs(float64(got[i])-want[i]) <= 1e-6) {
					t.Errorf("%s %s: %v, want %v", tab.Name, c.name, got, want)
				}
			}
		}
	}
	plain := solve(t, solver(t, Euler, newField(theta0)), g, start).States[8]
	fused := solve(t, solver(t, Euler, fusedField{newField(theta0)}), g, start).States[8]
	for i, x := range plain {
		if fused[i] != x {
			t.Errorf("fused %v, want %v", fused, plain)
		}
	}
}

// Eval and VJP see the same points, in opposite order.
func TestPoints(t *testing.T) {
	var seen []Point
	f := newField(theta0)
	f.seen = &seen
	s := solver(t, RK4, f)
	g := Uniform(1, 0.5, 3)
	w := solve(t, s, g, start)
	s.Gradient(g, w, make([]float32, 2))
	if len(seen) != 24 {
		t.Fatalf("%d evaluations, want 12 and their 12 reverses", len(seen))
	}
	for i := range 12 {
		if want := (Point{i / 4, i % 4, 1 + 0.5*float64(i/4) + 0.5*RK4.C[i%4]}); seen[i] != want || seen[23-i] != want {
			t.Errorf("evaluation %d at %v, reverse at %v, want %v", i, seen[i], seen[23-i], want)
		}
	}
}

// No memory is allocated by a solution and its gradient.
func TestAllocations(t *testing.T) {
	for _, tab := range tableaux {
		s := solver(t, tab, newField(theta0), newField(theta1))
		g := Uniform(0, 0.1, 5)
		w, dx := s.NewWorkspace(5, 2), make([]float32, 2)
		copy(w.States[0], narrow(start))
		if n := testing.AllocsPerRun(10, func() {
			s.Solve(g, w)
			s.Gradient(g, w, dx)
		}); n != 0 {
			t.Errorf("%s: %v allocations", tab.Name, n)
		}
	}
}

func TestSmallWorkspacePanics(t *testing.T) {
	s := solver(t, Heun, newField(theta0))
	w := s.NewWorkspace(3, 2)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	s.Solve(Uniform(0, 1, 4), w)
}
