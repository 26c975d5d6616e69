package odeint

import (
	"math"
	"testing"
)

// lotkaVolterra is predators and prey with a prey whose growth drifts in time:
//
//	x' = a(1+t/4)·x − b·xy,   y' = c·xy − d·y.
func lotkaVolterra[F float32 | float64](t float64, theta, x, f []F) {
	f[0] = theta[0]*F(1+t/4)*x[0] - theta[1]*x[0]*x[1]
	f[1] = theta[2]*x[0]*x[1] - theta[3]*x[1]
}

// field is the equation for each of the pairs of which a state consists.
type field[F Float] struct {
	theta, grad []F
	seen        *[]Point
}

func (l field[F]) Eval(p Point, x, f []F) {
	if l.seen != nil {
		*l.seen = append(*l.seen, p)
	}
	for i := 0; i < len(x); i += 2 {
		lotkaVolterra(p.T, l.theta, x[i:], f[i:])
	}
}

func (l field[F]) VJP(p Point, x, v, dx []F) {
	if l.seen != nil {
		*l.seen = append(*l.seen, p)
	}
	a, b, c, d := l.theta[0]*F(1+p.T/4), l.theta[1], l.theta[2], l.theta[3]
	for i := 0; i < len(x); i += 2 {
		x, v, dx := x[i:], v[i:], dx[i:]
		dx[0] += (a-b*x[1])*v[0] + c*x[1]*v[1]
		dx[1] += -b*x[0]*v[0] + (c*x[0]-d)*v[1]
		l.grad[0] += F(1+p.T/4) * x[0] * v[0]
		l.grad[1] -= x[0] * x[1] * v[0]
		l.grad[2] += x[0] * x[1] * v[1]
		l.grad[3] -= x[1] * v[1]
	}
}

// fusedField takes Euler steps itself.
type fusedField[F Float] struct{ field[F] }

func (l fusedField[F]) EulerStep(p Point, h float64, x, y []F) {
	l.Eval(p, x, y)
	for i := range y {
		y[i] = x[i] + F(F(h)*y[i])
	}
}

func (l fusedField[F]) EulerVJP(p Point, h float64, x, dx []F) {
	v := make([]F, len(dx))
	for i := range v {
		v[i] = F(h) * dx[i]
	}
	l.VJP(p, x, v, dx)
}

// reference integrates fields with these parameters in float64, with strang in their symmetric order.
func reference(t Tableau, g Grid, strang bool, x0 []float64, thetas ...[]float64) []float64 {
	x := append([]float64(nil), x0...)
	flow := func(at, h float64, theta []float64) {
		k := make([][]float64, len(t.B))
		for l := range k {
			y := append([]float64(nil), x...)
			for j := range l {
				for e := range y {
					y[e] += h * t.A[l][j] * k[j][e]
				}
			}
			k[l] = make([]float64, len(x))
			for e := 0; e < len(x); e += 2 {
				lotkaVolterra(at+t.C[l]*h, theta, y[e:], k[l][e:])
			}
		}
		for l := range k {
			for e := range x {
				x[e] += h * t.B[l] * k[l][e]
			}
		}
	}
	for i := range g.Steps() {
		at, h, last := g.Time(i), g.Step(i), len(thetas)-1
		if !strang {
			for _, theta := range thetas {
				flow(at, h, theta)
			}
			continue
		}
		for _, theta := range thetas[:last] {
			flow(at, h/2, theta)
		}
		flow(at, h, thetas[last])
		for j := last - 1; j >= 0; j-- {
			flow(at+h/2, h/2, thetas[j])
		}
	}
	return x
}

var (
	theta0 = []float64{0.9, 0.6, 0.5, 0.8}
	theta1 = []float64{0.1, -0.2, 0.15, 0.05}
	theta2 = []float64{-0.2, 0.1, 0.05, -0.1}
	start  = []float64{1.2, 0.7}
)

func convert[F Float](x []float64) []F {
	y := make([]F, len(x))
	for i, v := range x {
		y[i] = F(v)
	}
	return y
}

func newField[F Float](theta []float64) field[F] {
	return field[F]{theta: convert[F](theta), grad: make([]F, len(theta))}
}

func solver[F Float](t testing.TB, tab Tableau, strang bool, fields ...VectorField[F]) *Solver[F] {
	t.Helper()
	build := NewSolver[F]
	if strang {
		build = NewStrang[F]
	}
	s, err := build(tab, fields...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func solve[F Float](s *Solver[F], g Grid, x0 []float64) *Workspace[F] {
	w := s.NewWorkspace(g.Steps(), len(x0))
	copy(w.States[0], convert[F](x0))
	s.Solve(g, w)
	return w
}

func distance[F Float](x []F, want []float64) float64 {
	sum := 0.0
	for i, v := range x {
		sum += math.Pow(float64(v)-want[i], 2)
	}
	return math.Sqrt(sum)
}

// slope fits a line to the logarithms by least squares.
func slope(hs, errs []float64) float64 {
	var n, sx, sy, sxx, sxy float64
	for i := range hs {
		x, y := math.Log(hs[i]), math.Log(errs[i])
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// The error falls as h to the order: the slope of its logarithm, over steps that are small enough for the
// leading term and large enough that rounding stays far below the error. The equation is x' = x·cos t, x =
// e^(sin t) (Hairer, Nørsett and Wanner, §II.1); where the order is 5, the terms of order 6 of other
// equations hide the leading one, whose coefficients are small.
func TestOrder(t *testing.T) {
	const end = 3
	swing := Func[float64](func(t float64, x, f []float64) { f[0] = x[0] * math.Cos(t) })
	steps := map[int][]int{1: {2048, 4096}, 2: {256, 512}, 3: {128, 256}, 4: {256, 512}, 5: {64, 96, 128, 192}, 8: {9, 12, 16}}
	for _, tab := range tableaux {
		var hs, errs []float64
		for _, n := range steps[tab.Order] {
			g := Uniform(0, end/float64(n), n)
			hs = append(hs, g.Step(0))
			errs = append(errs, distance(solve(solver(t, tab, false, swing), g, []float64{1}).States[n], []float64{math.Exp(math.Sin(end))}))
		}
		got := slope(hs, errs)
		t.Logf("%s: slope %.2f, errors %.2g", tab.Name, got, errs)
		if !(math.Abs(got-float64(tab.Order)) <= 0.3) {
			t.Errorf("%s: error falls as h^%.2f, want h^%d; errors %v", tab.Name, got, tab.Order, errs)
		}
	}
}

// Splittings of two and of three fields, with flows exact to order 4.
func TestSplittingOrder(t *testing.T) {
	whole := make([]float64, 4)
	for i := range whole {
		whole[i] = theta0[i] + theta1[i] + theta2[i]
	}
	exact := reference(Dopri8, Uniform(0, 1./64, 64), false, start, whole)
	for _, strang := range []bool{false, true} {
		var hs, errs []float64
		for _, n := range []int{64, 128, 256} {
			g := Uniform(0, 1/float64(n), n)
			s := solver(t, RK4, strang, newField[float64](theta0), newField[float64](theta1), newField[float64](theta2))
			hs = append(hs, g.Step(0))
			x := solve(s, g, start).States
			errs = append(errs, distance(x[len(x)-1], exact))
		}
		want := 1.0
		if strang {
			want = 2
		}
		if got := slope(hs, errs); !(math.Abs(got-want) <= 0.1) {
			t.Errorf("strang %v: error falls as h^%.2f, want h^%v; errors %v", strang, got, want, errs)
		}
	}
}

// A uniform grid given by its nodes, copies of the state side by side and a field that takes Euler steps
// itself change nothing.
func TestSolve(t *testing.T) {
	t.Run("float32", testSolve[float32])
	t.Run("float64", testSolve[float64])
}

func testSolve[F Float](t *testing.T) {
	bound := map[bool]float64{false: 1e-13, true: 4e-6}[F(1)+F(1e-9) == 1]
	g := Uniform(0.5, 0.125, 8)
	nodes, _ := Nodes([]float64{0.5, 0.625, 0.75, 0.875, 1, 1.125, 1.25, 1.375, 1.5})
	uneven, _ := Nodes([]float64{0.5, 0.53, 0.75, 0.8, 1.5})
	for _, tab := range tableaux {
		s := solver(t, tab, false, newField[F](theta0))
		want := solve(s, g, start).States[8]
		got := solve(s, nodes, start).States[8]
		twice := solve(s, g, append(start, start...)).States[8]
		for i, x := range want {
			if got[i] != x || twice[i] != x || twice[i+2] != x {
				t.Errorf("%s: %v, from nodes %v, two copies %v", tab.Name, want, got, twice)
			}
		}
		for _, c := range []struct {
			name   string
			strang bool
			thetas [][]float64
		}{{"uneven", false, [][]float64{theta0}}, {"split", false, [][]float64{theta0, theta1}},
			{"strang", true, [][]float64{theta0, theta1}}, {"strang of three", true, [][]float64{theta0, theta1, theta2}}} {
			var fields []VectorField[F]
			for _, theta := range c.thetas {
				fields = append(fields, newField[F](theta))
			}
			states := solve(solver(t, tab, c.strang, fields...), uneven, start).States
			got, want := states[len(states)-1], reference(tab, uneven, c.strang, start, c.thetas...)
			if d := distance(got, want); !(d <= bound) {
				t.Errorf("%s %s: %v, want %v", tab.Name, c.name, got, want)
			}
		}
	}
	for _, strang := range []bool{false, true} {
		plain := solve(solver(t, Euler, strang, newField[F](theta0), newField[F](theta1)), g, start).States
		fused := solve(solver(t, Euler, strang, fusedField[F]{newField[F](theta0)}, fusedField[F]{newField[F](theta1)}), g, start).States
		for i, x := range plain[len(plain)-1] {
			if fused[len(fused)-1][i] != x {
				t.Errorf("fused %v, want %v", fused, plain)
			}
		}
	}
}

// Eval and VJP see the same points, in opposite order; the stages of a second half are numbered on.
func TestPoints(t *testing.T) {
	var seen []Point
	f := newField[float32](theta0)
	f.seen = &seen
	g := Uniform(1, 0.5, 3)
	check := func(s *Solver[float32], want []Point) {
		t.Helper()
		seen = nil
		w := solve(s, g, start)
		s.Gradient(g, w, make([]float32, 2))
		n := len(want)
		if len(seen) != 2*n {
			t.Fatalf("%d evaluations, want %d and their reverses", len(seen), n)
		}
		for i, p := range want {
			if seen[i] != p || seen[2*n-1-i] != p {
				t.Errorf("evaluation %d at %v, reverse at %v, want %v", i, seen[i], seen[2*n-1-i], p)
			}
		}
	}
	var rk4, strang []Point
	for i := range 3 {
		at := 1 + 0.5*float64(i)
		for l, c := range RK4.C {
			rk4 = append(rk4, Point{i, l, at + 0.5*c})
		}
		strang = append(strang, Point{i, 0, at}, Point{i, 1, at + 0.25}, Point{i, 2, at + 0.25}, Point{i, 3, at + 0.5})
	}
	check(solver(t, RK4, false, f), rk4)
	check(solver(t, Heun, true, f, newField[float32](theta1)), strang)
}

// No memory is allocated by a solution and its gradient.
func TestAllocations(t *testing.T) {
	t.Run("float32", testAllocations[float32])
	t.Run("float64", testAllocations[float64])
}

func testAllocations[F Float](t *testing.T) {
	for _, tab := range tableaux {
		s := solver(t, tab, true, newField[F](theta0), newField[F](theta1))
		g := Uniform(0, 0.1, 5)
		w, dx := s.NewWorkspace(5, 2), make([]F, 2)
		copy(w.States[0], convert[F](start))
		if n := testing.AllocsPerRun(10, func() {
			s.Solve(g, w)
			s.Gradient(g, w, dx)
		}); n != 0 {
			t.Errorf("%s: %v allocations", tab.Name, n)
		}
	}
}

func TestMisusePanics(t *testing.T) {
	s := solver(t, Heun, false, newField[float32](theta0))
	w := s.NewWorkspace(3, 2)
	for name, misuse := range map[string]func(){
		"small workspace": func() { s.Solve(Uniform(0, 1, 4), w) },
		"long gradient":   func() { s.Gradient(Uniform(0, 1, 3), w, make([]float32, 3)) },
		"no field":        func() { NewSolver[float32](Heun) },
		"Func's gradient": func() { Func[float32](nil).VJP(Point{}, nil, nil, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			misuse()
		}()
	}
}
