package odeint

import (
	"math"
	"testing"
)

func TestReversibleHeunOrder(t *testing.T) {
	var hs, errs []float64
	for _, n := range []int{64, 128, 256} {
		s := NewReversibleHeun(VectorField[float64](Func[float64](swing[float64])), 1)
		x := []float64{1}
		s.Solve(Uniform(0, 3/float64(n), n), x)
		hs, errs = append(hs, 3/float64(n)), append(errs, math.Abs(x[0]-math.Exp(math.Sin(3))))
	}
	if got := slope(hs, errs); !(math.Abs(got-2) <= 0.2) {
		t.Errorf("error falls as h^%.2f, want h^2; errors %v", got, errs)
	}
}

// There and back again is the initial state but for rounding; the gradient is that of the discrete solution,
// and a field need keep its last evaluation only.
func TestReversibleHeun(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testReversibleHeun[float32](t, 2e-5) })
	t.Run("float64", func(t *testing.T) { testReversibleHeun[float64](t, 1e-9) })
	f := &taped{t: t}
	s := NewReversibleHeun(VectorField[float64](f), 1)
	x, dx, g := []float64{1}, []float64{1}, Uniform(0, 0.01, 9)
	s.Solve(g, x)
	s.Gradient(g, x, dx)
	if f.evaluations != 19 {
		t.Errorf("%d evaluations for 9 steps and their reverse, want 19", f.evaluations)
	}
}

func testReversibleHeun[F Float](t *testing.T, bound float64) {
	var times []float64
	for i := range 101 {
		times = append(times, 0.01*float64(i)+0.003*math.Sin(float64(i)))
	}
	g, err := Nodes(times)
	if err != nil {
		t.Fatal(err)
	}
	theta, x0 := append([]float64(nil), theta0...), append([]float64(nil), start...)
	loss := func() float64 {
		x := append([]float64(nil), x0...)
		hat := append([]float64(nil), x0...)
		k, next := make([]float64, 2), make([]float64, 2)
		lotkaVolterra(g.Time(0), theta, hat, k)
		for i := range g.Steps() {
			h := g.Step(i)
			for e := range hat {
				hat[e] = 2*x[e] - hat[e] + h*k[e]
			}
			lotkaVolterra(g.Time(i+1), theta, hat, next)
			for e := range x {
				x[e] += h / 2 * (k[e] + next[e])
			}
			k, next = next, k
		}
		return weight[0]*x[0] + weight[1]*x[1]
	}
	f := newField[F](theta)
	s := NewReversibleHeun(VectorField[F](f), 2)
	x, dx := convert[F](x0), convert[F](weight)
	s.Solve(g, x)
	if got, want := weight[0]*float64(x[0])+weight[1]*float64(x[1]), loss(); !(math.Abs(got-want) <= bound) {
		t.Errorf("%v, want %v", got, want)
	}
	s.Gradient(g, x, dx)
	if d := distance(x, x0); !(d <= bound) {
		t.Errorf("there and back again %v, want %v", x, x0)
	}
	compare(t, "x0", dx, x0, loss, bound)
	compare(t, "theta", f.grad, theta, loss, bound)
	if n := testing.AllocsPerRun(3, func() {
		s.Solve(g, x)
		s.Gradient(g, x, dx)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
