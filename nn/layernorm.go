package nn

import (
	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// LayerNorm is y = (x − mean)/√(var + 1e−5)·γ + β for each row of x [rows, C] (Ba, Kiros and Hinton,
// Layer Normalization, 2016).
type LayerNorm struct {
	Gamma, Beta         tensor.Tensor // [C]
	GradGamma, GradBeta tensor.Tensor
}

// NormStats are the mean of each row and 1/√(var + 1e−5), which the backward pass needs.
type NormStats struct{ Mean, RStd []float32 }

// Forward computes y = LayerNorm(x), and rounds it if that has a Half, and the statistics. x and y are
// contiguous; y may be x.
func (l *LayerNorm) Forward(w *Workspace, x tensor.Tensor, y Operand, st NormStats) {
	defer w.clock.leave(w.clock.enter(PartNorms))
	w.norm = normTask{cols: x.Dim(1), x: x.Data(), gamma: l.Gamma.Data(), beta: l.Beta.Data(), y: y.Data(), half: y.Half, st: st}
	parallel(2*len(w.norm.x) >= leastElements, x.Dim(0), rowGrain, &w.norm)
}

// EulerForward computes u = x + h·f and y = LayerNorm(u) with the bits of the two alone. All are
// contiguous; u may be x or f, y may not be u.
func (l *LayerNorm) EulerForward(w *Workspace, h float32, x, f, u tensor.Tensor, y Operand, st NormStats) {
	defer w.clock.leave(w.clock.enter(PartNorms))
	w.norm = normTask{cols: x.Dim(1), h: h, x: x.Data(), f: f.Data(), u: u.Data(), gamma: l.Gamma.Data(), beta: l.Beta.Data(), y: y.Data(), half: y.Half, st: st}
	parallel(2*len(w.norm.x) >= leastElements, x.Dim(0), rowGrain, &w.norm)
}

// Backward adds the gradient of Forward to dx and to the gradients of γ and β. All are contiguous, and
// none overlaps another.
func (l *LayerNorm) Backward(w *Workspace, x tensor.Tensor, st NormStats, dy, dx tensor.Tensor) {
	defer w.clock.leave(w.clock.enter(PartNorms))
	rows, cols := x.Dim(0), x.Dim(1)
	t := &w.normBackward
	chunks := (rows + rowGrain - 1) / rowGrain
	t.partial = grow(t.partial, normScratch(rows, cols))
	t.cols, t.x, t.gamma, t.st, t.dy, t.dx = cols, x.Data(), l.Gamma.Data(), st, dy.Data(), dx.Data()
	parallel(4*rows*cols >= leastElements, rows, rowGrain, t)
	dgamma, dbeta := l.GradGamma.Data(), l.GradBeta.Data()
	for c := range chunks {
		part := t.partial[c*2*cols : (c+1)*2*cols]
		kernels.Axpy(1, part[:cols], dgamma)
		kernels.Axpy(1, part[cols:], dbeta)
	}
}

// normScratch returns the elements of scratch that Backward takes in a Workspace.
func normScratch(rows, cols int) int { return (rows + rowGrain - 1) / rowGrain * 2 * cols }

// normTask normalises rows, after an Euler step if there is an f.
type normTask struct {
	cols        int
	h           float32
	x, f, u, y  []float32
	half        []kernels.BFloat16 // y rounded, or nil
	gamma, beta []float32
	st          NormStats
}

func (t *normTask) Run(_, lo, hi int) {
	n, a, b := hi-lo, lo*t.cols, hi*t.cols
	mean, rstd := t.st.Mean[lo:hi], t.st.RStd[lo:hi]
	if t.f == nil {
		kernels.LayerNorm(n, t.cols, normEps, t.x[a:b], t.gamma, t.beta, t.y[a:b], mean, rstd)
	} else {
		kernels.EulerLayerNorm(n, t.cols, t.h, normEps, t.x[a:b], t.f[a:b], t.gamma, t.beta, t.u[a:b], t.y[a:b], mean, rstd)
	}
	if t.half != nil {
		kernels.ToBFloat16(t.y[a:b], t.half[a:b])
	}
}

// normBackwardTask leaves the sums over each chunk of rows that are gradients of γ and β in partial,
// for the caller to add in order.
type normBackwardTask struct {
	cols             int
	x, gamma, dy, dx []float32
	st               NormStats
	partial          []float32 // [chunks, 2, cols]
}

func (t *normBackwardTask) Run(_, lo, hi int) {
	n, a, b := hi-lo, lo*t.cols, hi*t.cols
	part := t.partial[lo/rowGrain*2*t.cols:][:2*t.cols]
	clear(part)
	kernels.LayerNormBackward(n, t.cols, t.x[a:b], t.gamma, t.st.Mean[lo:hi], t.st.RStd[lo:hi], t.dy[a:b], t.dx[a:b], part[:t.cols], part[t.cols:])
}
