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
	uneven, _ := Nodes([]float64{0, 0.4, 0.5, 1.1})
	type problem struct {
		name   string
		tab    Tableau
		fused  bool
		thetas [][]float64
	}
	problems := []problem{{"fused euler", Euler, true, [][]float64{theta0}}, {"fused split", Euler, true, [][]float64{theta0, theta1}}}
	for _, tab := range tableaux {
		problems = append(problems, problem{tab.Name, tab, false, [][]float64{theta0}},
			problem{tab.Name + " split", tab, false, [][]float64{theta0, theta1}})
	}
	for _, c := range problems {
		x0 := append([]float64(nil), start...)
		loss := func() float64 {
			x := reference(c.tab, uneven, x0, c.thetas...)
			return weight[0]*x[0] + weight[1]*x[1]
		}
		var fields []VectorField
		var grads [][]float32
		for _, theta := range c.thetas {
			f := newField(theta)
			grads = append(grads, f.grad)
			if c.fused {
				fields = append(fields, fusedField{f})
			} else {
				fields = append(fields, f)
			}
		}
		s := solver(t, c.tab, fields...)
		w := solve(t, s, uneven, x0)
		dx := narrow(weight)
		s.Gradient(uneven, w, dx)
		compare := func(what string, got []float32, x []float64) {
			for i := range x {
				const eps = 1e-5
				old := x[i]
				x[i] = old + eps
				up := loss()
				x[i] = old - eps
				down := loss()
				x[i] = old
				if want := (up - down) / (2 * eps); !(math.Abs(float64(got[i])-want) <= 3e-6*(1+math.Abs(want))) {
					t.Errorf("%s: gradient of %s[%d] is %v, want %v", c.name, what, i, got[i], want)
				}
			}
		}
		compare("x0", dx, x0)
		for i, theta := range c.thetas {
			compare("theta", grads[i], theta)
		}
	}
}

// The same bits on any number of threads, for a state of several chunks.
func TestThreads(t *testing.T) {
	defer kernels.SetThreads(0)
	x0 := make([]float64, 3*grain+10)
	for i := range x0 {
		x0[i] = 0.5 + float64(i%7)/8
	}
	g := Uniform(0, 0.1, 2)
	var want []float32
	for threads := 1; threads <= 3; threads++ {
		kernels.SetThreads(threads)
		f := newField(theta0)
		s := solver(t, RK4, f)
		w := solve(t, s, g, x0)
		dx := append([]float32(nil), w.States[2]...)
		s.Gradient(g, w, dx)
		got := append(append(dx, w.States[2]...), f.grad...)
		if threads == 1 {
			want = got
		}
		for i := range got {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Fatalf("%d threads: element %d is %v, want %v", threads, i, got[i], want[i])
			}
		}
	}
}
