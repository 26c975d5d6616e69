package nn

import (
	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// Linear is y = x·W + b with W [in, out], b [out], x [rows, in] and y [rows, out].
type Linear struct {
	Weight, Bias         tensor.Tensor
	GradWeight, GradBias tensor.Tensor
}

// Forward computes y = x·W + b. x and y must not overlap; their rows are contiguous.
func (l *Linear) Forward(w *Workspace, x, y tensor.Tensor) {
	defer w.clock.leave(w.clock.enter(PartMatmul))
	p := l.product(w, x, y)
	p.Run()
}

// Euler computes y = r + h·(x·W + b), with the layer the end of a field along which a step goes. r may be
// y; otherwise nothing may overlap.
func (l *Linear) Euler(w *Workspace, h float32, x, r, y tensor.Tensor) {
	defer w.clock.leave(w.clock.enter(PartMatmul))
	p := l.product(w, x, y)
	p.Alpha, p.Beta = h, 1
	p.D, p.LDD = r.Matrix()
	p.Run()
}

// GELU computes y = GELU(x·W + b) and leaves its argument in pre.
func (l *Linear) GELU(w *Workspace, x, pre, y tensor.Tensor) {
	defer w.clock.leave(w.clock.enter(PartMatmul))
	p := l.product(w, x, y)
	p.Activation = kernels.GELUTanh
	p.Pre, p.LDPre = pre.Matrix()
	p.Run()
}

// product is y = x·W + b.
func (l *Linear) product(w *Workspace, x, y tensor.Tensor) kernels.Product[float32, float32] {
	p := kernels.Product[float32, float32]{M: x.Dim(0), N: l.Weight.Dim(1), K: l.Weight.Dim(0), Alpha: 1, Bias: l.Bias.Data()}
	p.A, p.LDA = x.Matrix()
	p.B, p.LDB = l.Weight.Matrix()
	p.C, p.LDC = y.Matrix()
	return p
}

// Backward computes dx = s·dy·Wᵀ and adds s·xᵀ·dy and s·Σ dy to the gradients of W and b: the factor s
// is a step size that the caller has not applied to dy. dx may be x; otherwise nothing may overlap.
func (l *Linear) Backward(w *Workspace, s float32, x, dy, dx tensor.Tensor) {
	defer w.clock.leave(w.clock.enter(PartMatmul))
	p := l.backward(w, s, x, dy, dx)
	p.Run()
}

// GELUBackward is Backward where x is the GELU of pre: dx is the gradient of pre.
func (l *Linear) GELUBackward(w *Workspace, s float32, pre, x, dy, dx tensor.Tensor) {
	defer w.clock.leave(w.clock.enter(PartMatmul))
	p := l.backward(w, s, x, dy, dx)
	p.Activation = kernels.GELUTanhGrad
	p.Pre, p.LDPre = pre.Matrix()
	p.Run()
}

// backward adds to the gradients of the parameters and returns dx = s·dy·Wᵀ.
func (l *Linear) backward(w *Workspace, s float32, x, dy, dx tensor.Tensor) kernels.Product[float32, float32] {
	rows, in, out := x.Dim(0), l.Weight.Dim(0), l.Weight.Dim(1)
	xs, ldx := x.Matrix()
	dys, lddy := dy.Matrix()
	dws, lddw := l.GradWeight.Matrix()
	kernels.Sgemm(true, false, in, out, rows, s, xs, ldx, dys, lddy, 1, dws, lddw)
	w.columnSums = columnSumsTask{rows: rows, s: s, x: dys, ld: lddy, sum: l.GradBias.Data()}
	kernels.Parallel(out, columnGrain, &w.columnSums)
	p := kernels.Product[float32, float32]{TransB: true, M: rows, N: in, K: out, Alpha: s, A: dys, LDA: lddy}
	p.B, p.LDB = l.Weight.Matrix()
	p.C, p.LDC = dx.Matrix()
	return p
}

// columnSumsTask computes sum_j += s·Σ_i x_ij for a range of columns, row after row: no thread adds to
// another's columns, and the order does not depend on their number.
type columnSumsTask struct {
	rows, ld int
	s        float32
	x, sum   []float32
}

func (t *columnSumsTask) Run(_, lo, hi int) {
	for i := range t.rows {
		kernels.Axpy(t.s, t.x[i*t.ld+lo:i*t.ld+hi], t.sum[lo:hi])
	}
}
