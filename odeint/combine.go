package odeint

import "github.com/vcycle-go/vcycle/kernels"

// combineTask computes y = x + Σ c_j·k_j on all threads, or y = Σ c_j·k_j without x.
type combineTask struct {
	y, x []float32
	c    []float32
	k    [][]float32
}

// newCombineTask returns a task of up to stages terms, beside x.
func newCombineTask(stages int) combineTask {
	return combineTask{c: make([]float32, 0, stages), k: make([][]float32, 0, stages)}
}

// grain is the number of elements that a goroutine combines at a time.
const grain = 4096

// zeros is where a sum without x begins.
var zeros [grain]float32

// sum computes y = x + h·Σ a_j·k_j.
func (t *combineTask) sum(y, x []float32, h float64, a []float64, k [][]float32) {
	t.start(y, x)
	for j := range a {
		t.term(h*a[j], k[j])
	}
	t.run()
}

// adjoint computes v = h·(b_l·dy + Σ_{j>l} a_jl·dX_j).
func (t *combineTask) adjoint(v, dy []float32, h float64, tab Tableau, l int, dX [][]float32) {
	t.start(v, nil)
	t.term(h*tab.B[l], dy)
	for j := l + 1; j < len(tab.B); j++ {
		t.term(h*tab.A[j][l], dX[j])
	}
	t.run()
}

// add computes y += x.
func (t *combineTask) add(y, x []float32) {
	t.start(y, y)
	t.term(1, x)
	t.run()
}

func (t *combineTask) start(y, x []float32) { t.y, t.x, t.c, t.k = y, x, t.c[:0], t.k[:0] }

// term adds c·k, unless c is 0: a tableau's zeros do not make NaN of an infinite slope.
func (t *combineTask) term(c float64, k []float32) {
	if c != 0 {
		t.c, t.k = append(t.c, float32(c)), append(t.k, k)
	}
}

func (t *combineTask) run() { kernels.Parallel(len(t.y), grain, t) }

// Run combines elements [lo, hi).
func (t *combineTask) Run(_, lo, hi int) {
	x := zeros[:hi-lo]
	if t.x != nil {
		x = t.x[lo:hi]
	}
	kernels.Combine(1, x, t.c, t.k, lo, t.y[lo:hi])
}
