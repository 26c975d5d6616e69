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
	xs, ldx := x.Matrix()
	ys, ldy := y.Matrix()
	ws, ldw := l.Weight.Matrix()
	rows, in, out := x.Dim(0), l.Weight.Dim(0), l.Weight.Dim(1)
	w.bias = biasTask{bias: l.Bias.Data(), y: ys, ld: ldy}
	kernels.Parallel(rows, rowGrain, &w.bias)
	kernels.Sgemm(false, false, rows, out, in, 1, xs, ldx, ws, ldw, 1, ys, ldy)
}

// Backward computes dx = s·dy·Wᵀ and adds s·xᵀ·dy and s·Σ dy to the gradients of W and b: the factor s
// is a step size that the caller has not applied to dy. dx may be x; otherwise nothing may overlap.
func (l *Linear) Backward(w *Workspace, s float32, x, dy, dx tensor.Tensor) {
	xs, ldx := x.Matrix()
	dys, lddy := dy.Matrix()
	dxs, lddx := dx.Matrix()
	ws, ldw := l.Weight.Matrix()
	dws, lddw := l.GradWeight.Matrix()
	rows, in, out := x.Dim(0), l.Weight.Dim(0), l.Weight.Dim(1)
	kernels.Sgemm(true, false, in, out, rows, s, xs, ldx, dys, lddy, 1, dws, lddw)
	w.columnSums = columnSumsTask{rows: rows, s: s, x: dys, ld: lddy, sum: l.GradBias.Data()}
	kernels.Parallel(out, columnGrain, &w.columnSums)
	kernels.Sgemm(false, true, rows, in, out, s, dys, lddy, ws, ldw, 0, dxs, lddx)
}

// biasTask copies the bias to rows of y, for a product to be added to.
type biasTask struct {
	bias, y []float32
	ld      int
}

func (t *biasTask) Run(_, lo, hi int) {
	for i := lo; i < hi; i++ {
		copy(t.y[i*t.ld:], t.bias)
	}
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
