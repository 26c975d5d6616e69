package nn

import "github.com/vcycle-go/vcycle/kernels"

// Workspace is what layers share while they run: the tasks that they give to the threads, and scratch
// memory that grows to what the largest call needs and stays. The zero value is ready. Layers that use
// the same Workspace must not run at the same time.
type Workspace struct {
	bias          biasTask
	columnSums    columnSumsTask
	norm          normTask
	normBackward  normBackwardTask
	attention     attentionTask
	gelu          geluTask
	crossEntropy  crossEntropyTask
	embed         embedTask
	embedBackward embedBackwardTask
	combine       combineTask
	adjoint       adjointTask
}

const (
	rowGrain    = 64   // rows that a task of a row-wise layer takes at a time
	columnGrain = 128  // columns that a task of column sums takes at a time
	flatGrain   = 8192 // elements that an elementwise task takes at a time
)

// grow returns x with n elements, which hold anything; it allocates only if x never was that long.
func grow(x []float32, n int) []float32 {
	if cap(x) < n {
		return make([]float32, n)
	}
	return x[:n]
}

// combineTask computes y = x + h·f, and with g, y = (x + h·f) + h·g.
type combineTask struct {
	h          float32
	x, f, g, y []float32
}

func (t *combineTask) Run(_, lo, hi int) {
	kernels.Euler(t.h, t.x[lo:hi], t.f[lo:hi], t.y[lo:hi])
	if t.g != nil {
		kernels.Euler(t.h, t.y[lo:hi], t.g[lo:hi], t.y[lo:hi])
	}
}

// euler computes y = x + h·f; y may be x.
func (w *Workspace) euler(h float32, x, f, y []float32) {
	w.combine = combineTask{h: h, x: x, f: f, y: y}
	kernels.Parallel(len(y), flatGrain, &w.combine)
}

// eulerTwice computes y = (x + h·f) + h·g, in that order.
func (w *Workspace) eulerTwice(h float32, x, f, g, y []float32) {
	w.combine = combineTask{h: h, x: x, f: f, g: g, y: y}
	kernels.Parallel(len(y), flatGrain, &w.combine)
}
