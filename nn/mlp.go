package nn

import (
	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// MLP is the perceptron y = GELU(x·W₁ + b₁)·W₂ + b₂ with W₁ [C, 4C] and W₂ [4C, C].
type MLP struct{ In, Out Linear }

// Forward computes y from x [rows, C], leaving x·W₁ + b₁ in hidden [rows, 4C] and its GELU in act.
func (m *MLP) Forward(w *Workspace, x, hidden, act, y tensor.Tensor) {
	m.In.Forward(w, x, hidden)
	w.gelu = geluTask{x: hidden.Data(), y: act.Data()}
	kernels.Parallel(len(w.gelu.x), flatGrain, &w.gelu)
	m.Out.Forward(w, act, y)
}

// Backward computes dx = s·(∂y/∂x)ᵀ·dy and adds s·(∂y/∂θ)ᵀ·dy to the gradients, with x, hidden and act
// as Forward left them. It overwrites act with the gradient of hidden; dx may be x.
func (m *MLP) Backward(w *Workspace, s float32, x, hidden, act, dy, dx tensor.Tensor) {
	m.Out.Backward(w, s, act, dy, act)
	w.gelu = geluTask{x: hidden.Data(), y: act.Data(), backward: true}
	kernels.Parallel(len(w.gelu.x), flatGrain, &w.gelu)
	m.In.Backward(w, 1, x, act, dx)
}

// geluTask computes y = GELU(x), or backwards y ← y·GELU'(x).
type geluTask struct {
	x, y     []float32
	backward bool
}

func (t *geluTask) Run(_, lo, hi int) {
	if t.backward {
		kernels.GELUBackward(t.x[lo:hi], t.y[lo:hi], t.y[lo:hi])
		return
	}
	kernels.GELU(t.x[lo:hi], t.y[lo:hi])
}
