package odeint

import (
	"math"
	"testing"

	"github.com/vcycle-go/vcycle/kernels"
)

// loss is the function of the final state whose gradient is compared: Σ weight·x.
var weight = []float64{0.7, -1.1}

// The gradient of the discrete solution, with respect to the initial state and to the parameters of
// every field, against central differences of the float64 reference.
func TestGradient(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testGradient[float32](t, 4e-6) })
	t.Run("float64", func(t *testing.T) { testGradient[float64](t, 1e-9) })
}

func testGradient[F Float](t *testing.T, bound float64) {
	uneven, _ := Nodes([]float64{0, 0.4, 0.5, 1.1})
	type problem struct {
		name          string
		tab           Tableau
		fused, strang bool
		thetas        [][]float64
	}
	one, two := [][]float64{theta0}, [][]float64{theta0, theta1}
	problems := []problem{{"fused euler", Euler, true, false, one}, {"fused split", Euler, true, false, two}, {"fused strang", Euler, true, true, two}}
	for _, tab := range tableaux {
		problems = append(problems, problem{tab.Name, tab, false, false, one},
			problem{tab.Name + " split", tab, false, false, two}, problem{tab.Name + " strang", tab, false, true, two})
	}
	for _, c := range problems {
		x0 := append([]float64(nil), start...)
		loss := func() float64 {
			x := reference(c.tab, uneven, c.strang, x0, c.thetas...)
			return weight[0]*x[0] + weight[1]*x[1]
		}
		var fields []VectorField[F]
		var grads [][]F
		for _, theta := range c.thetas {
			f := newField[F](theta)
			grads = append(grads, f.grad)
			if c.fused {
				fields = append(fields, fusedField[F]{f})
			} else {
				fields = append(fields, f)
			}
		}
		s := solver(t, c.tab, c.strang, fields...)
		w := solve(s, uneven, x0)
		dx := convert[F](weight)
		s.Gradient(uneven, w, dx)
		compare(t, c.name+": x0", dx, x0, loss, bound)
		for i, theta := range c.thetas {
			compare(t, c.name+": theta", grads[i], theta, loss, bound)
		}
	}
}

// compare holds a gradient with respect to x against central differences.
func compare[F Float](t *testing.T, what string, got []F, x []float64, loss func() float64, bound float64) {
	t.Helper()
	for i := range x {
		const eps = 1e-5
		old := x[i]
		x[i] = old + eps
		up := loss()
		x[i] = old - eps
		down := loss()
		x[i] = old
		if want := (up - down) / (2 * eps); !(math.Abs(float64(got[i])-want) <= bound*(1+math.Abs(want))) {
			t.Errorf("%s: derivative %d is %v, want %v", what, i, got[i], want)
		}
	}
}

// The same bits on any number of threads, for a state of several chunks.
func TestThreads(t *testing.T) {
	t.Run("float32", testThreads[float32])
	t.Run("float64", testThreads[float64])
}

func testThreads[F Float](t *testing.T) {
	defer kernels.SetThreads(0)
	x0 := make([]float64, 3*grain+10)
	for i := range x0 {
		x0[i] = 0.5 + float64(i%7)/8
	}
	g := Uniform(0, 0.1, 2)
	var want []F
	for threads := 1; threads <= 3; threads++ {
		kernels.SetThreads(threads)
		f := newField[F](theta0)
		s := solver(t, RK4, false, f)
		w := solve(s, g, x0)
		dx := append([]F(nil), w.States[2]...)
		s.Gradient(g, w, dx)
		got := append(append(dx, w.States[2]...), f.grad...)
		if threads == 1 {
			want = got
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%d threads: element %d is %v, want %v", threads, i, got[i], want[i])
			}
		}
	}
}
