package nn

import "github.com/vcycle-go/vcycle/kernels"

// Workspace is what layers share while they run: the tasks that they give to the threads, and scratch
// memory that grows to what the largest call needs and stays. The zero value is ready. Layers that use
// the same Workspace must not run at the same time.
type Workspace struct {
	clock         *Clock
	columnSums    columnSumsTask
	norm          normTask
	half          halfTask
	gradient      []kernels.BFloat16 // rounded
	normBackward  normBackwardTask
	attention     attentionTask
	crossEntropy  crossEntropyTask
	embed         embedTask
	embedBackward embedBackwardTask
	between       betweenTask
	adjoint       adjointTask
	zero          zeroTask
}

// forget drops what the last tasks hold of parameters and gradients, which would keep those of a network alive that is
// done with.
func (w *Workspace) forget() {
	w.columnSums, w.norm, w.embed, w.embedBackward = columnSumsTask{}, normTask{}, embedTask{}, embedBackwardTask{}
	w.normBackward.gamma = nil
}

const (
	rowGrain    = 64   // rows that a task of a row-wise layer takes at a time
	columnGrain = 128  // columns that a task of column sums takes at a time
	flatGrain   = 8192 // elements that an elementwise task takes at a time
)

// Below so much work a task stays with its caller, because another goroutine would cost more than it saves:
// waking it takes a microsecond where it polls for work and a hundred where it sleeps, and what it has
// written is in the caches of another core then.
const (
	leastProduct    = 1 << 20 // multiply-adds
	leastElements   = 1 << 17 // that a task inside a pass reads or writes
	leastParameters = 1 << 18 // of what comes once a step, when goroutines may sleep
)

// parallel is kernels.Parallel for a task with enough to do; of another the caller runs the chunks in order.
func parallel(enough bool, n, grain int, t kernels.Task) {
	if enough {
		kernels.Parallel(n, grain, t)
		return
	}
	for lo := 0; lo < n; lo += grain {
		t.Run(0, lo, min(lo+grain, n))
	}
}

// threadsFor returns the Threads of a product of so many multiply-adds: 0, which is all, or 1.
func threadsFor(m, n, k int) int {
	if m*n*k < leastProduct {
		return 1
	}
	return 0
}

// grow returns x with n elements, which hold anything; it allocates only if x never was that long.
func grow(x []float32, n int) []float32 {
	if cap(x) < n {
		return make([]float32, n)
	}
	return x[:n]
}

// betweenTask computes y = x + h·(u − x).
type betweenTask struct {
	h       float32
	x, y    []float32
	weights [2]float32
	slopes  [2][]float32
}

func (t *betweenTask) Run(_, lo, hi int) {
	kernels.Combine(t.h, t.x[lo:hi], t.weights[:], t.slopes[:], lo, t.y[lo:hi])
}

// interpolate computes y = x + h·(u − x).
func (w *Workspace) interpolate(h float32, x, u, y []float32) {
	w.between = betweenTask{h: h, x: x, y: y, weights: [2]float32{1, -1}, slopes: [2][]float32{u, x}}
	parallel(3*len(y) >= leastElements, len(y), flatGrain, &w.between)
}

// zeroTask sets x to 0.
type zeroTask struct{ x []float32 }

func (t *zeroTask) Run(_, lo, hi int) { clear(t.x[lo:hi]) }

// clear sets x to 0. With a vector of parameters or more it is bound by memory, of which two threads get more.
func (w *Workspace) clear(x []float32) {
	w.zero.x = x
	parallel(len(x) >= leastElements, len(x), spanLen, &w.zero)
	w.zero.x = nil
}
