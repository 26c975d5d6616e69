package nn

import (
	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// Linear is y = x·W + b with W [in, out], b [out], x [rows, in] and y [rows, out]. Half is W rounded to
// bfloat16, which operands with a Half are multiplied with; backwards dy is rounded for it too.
type Linear struct {
	Weight, Bias         tensor.Tensor
	GradWeight, GradBias tensor.Tensor
	Half                 []kernels.BFloat16
	fresh                bool // the next gradient of W is written, over what is there
}

// Forward computes y = x·W + b. x and y must not overlap; their rows are contiguous.
func (l *Linear) Forward(w *Workspace, x Operand, y tensor.Tensor) {
	l.forward(w, x, ending{alpha: 1, y: y})
}

// Euler computes y = r + h·(x·W + b), with the layer the end of a field along which a step goes. r may be
// y; otherwise nothing may overlap.
func (l *Linear) Euler(w *Workspace, h float32, x Operand, r, y tensor.Tensor) {
	l.forward(w, x, ending{alpha: h, beta: 1, r: r, y: y})
}

// GELU computes y = GELU(x·W + b), rounded if that has a Half, and leaves its argument in pre.
func (l *Linear) GELU(w *Workspace, x Operand, pre tensor.Tensor, y Operand) {
	l.forward(w, x, ending{alpha: 1, y: y.Tensor, half: y.Half, activation: kernels.GELUTanh, pre: pre})
}

// Backward computes dx = s·dy·Wᵀ and adds s·xᵀ·dy and s·Σ dy to the gradients of W and b: the factor s
// is a step size that the caller has not applied to dy. dx may be x's tensor; otherwise nothing may overlap.
func (l *Linear) Backward(w *Workspace, s float32, x Operand, dy, dx tensor.Tensor) {
	l.backward(w, x, Operand{Tensor: dy}, ending{alpha: s, y: dx})
}

// GELUBackward is Backward where x is the GELU of pre: dx is the gradient of pre. A Half of x is overwritten with dx,
// rounded.
func (l *Linear) GELUBackward(w *Workspace, s float32, pre tensor.Tensor, x Operand, dy, dx tensor.Tensor) {
	l.backward(w, x, Operand{Tensor: dy}, ending{alpha: s, y: dx, half: x.Half, activation: kernels.GELUTanhGrad, pre: pre})
}

// ending is what becomes of a product: y = activation(alpha·(the product + bias) + beta·r), and half is y, rounded: then
// y is nobody's to read, but with GELUTanhGrad.
type ending struct {
	alpha, beta float32
	r, y, pre   tensor.Tensor
	half        []kernels.BFloat16
	activation  kernels.Activation
}

// element is the type of what products multiply.
type element interface{ float32 | kernels.BFloat16 }

func run[E element](p kernels.Product[E, float32], e ending) {
	p.Alpha, p.Beta, p.Activation = e.alpha, e.beta, e.activation
	p.Rounded, p.LDRounded, p.RoundedOnly = e.half, p.N, e.activation != kernels.GELUTanhGrad
	if e.half != nil && e.activation == kernels.GELUTanh {
		p.M = e.pre.Dim(0)
	} else {
		p.M = e.y.Dim(0)
		p.C, p.LDC = e.y.Matrix()
	}
	if e.beta != 0 {
		p.D, p.LDD = e.r.Matrix()
	}
	if e.activation != kernels.Identity {
		p.Pre, p.LDPre = e.pre.Matrix()
	}
	p.Threads = threadsFor(p.M, p.N, p.K)
	p.Run()
}

func (l *Linear) forward(w *Workspace, x Operand, e ending) {
	defer w.clock.leave(w.clock.enter(PartMatmul))
	in, out := l.Weight.Dim(0), l.Weight.Dim(1)
	if x.Half != nil {
		run(kernels.Product[kernels.BFloat16, float32]{N: out, K: in, A: x.Half, LDA: in, B: l.Half, LDB: out, Bias: l.Bias.Data()}, e)
		return
	}
	p := kernels.Product[float32, float32]{N: out, K: in, Bias: l.Bias.Data()}
	p.A, p.LDA = x.Matrix()
	p.B, p.LDB = l.Weight.Matrix()
	run(p, e)
}

// backward is Backward with what becomes of dx, for a dy that may have been rounded. The gradient of W is the first to be
// computed: x may be overwritten with dx.
func (l *Linear) backward(w *Workspace, x, dy Operand, e ending) {
	defer w.clock.leave(w.clock.enter(PartMatmul))
	rows, in, out := dy.Dim(0), l.Weight.Dim(0), l.Weight.Dim(1)
	sum := ending{alpha: e.alpha, beta: 1, r: l.GradWeight, y: l.GradWeight}
	if l.fresh {
		sum.beta, l.fresh = 0, false
	}
	dys, lddy := dy.Matrix()
	w.columnSums = columnSumsTask{rows: rows, s: e.alpha, x: dys, ld: lddy, sum: l.GradBias.Data()}
	parallel(rows*out >= leastElements, out, columnGrain, &w.columnSums)
	if x.Half != nil {
		half := dy.Half
		if half == nil {
			half = w.rounded(dy.Data())
		}
		run(kernels.Product[kernels.BFloat16, float32]{TransA: true, N: out, K: rows, A: x.Half, LDA: in, B: half, LDB: out}, sum)
		run(kernels.Product[kernels.BFloat16, float32]{TransB: true, N: in, K: out, A: half, LDA: out, B: l.Half, LDB: out}, e)
		return
	}
	p := kernels.Product[float32, float32]{TransA: true, N: out, K: rows, B: dys, LDB: lddy}
	p.A, p.LDA = x.Matrix()
	run(p, sum)
	p = kernels.Product[float32, float32]{TransB: true, N: in, K: out, A: dys, LDA: lddy}
	p.B, p.LDB = l.Weight.Matrix()
	run(p, e)
}

// columnSumsTask computes sum_j += s·Σ_i x_ij for a range of columns: no thread adds to another's, and the
// order does not depend on their number.
type columnSumsTask struct {
	rows, ld int
	s        float32
	x, sum   []float32
}

func (t *columnSumsTask) Run(_, lo, hi int) {
	kernels.ColumnSums(t.rows, hi-lo, t.s, t.x[lo:], t.ld, t.sum[lo:hi])
}
