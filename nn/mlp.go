package nn

import "github.com/vcycle-go/vcycle/tensor"

// MLP is the perceptron y = GELU(x·W₁ + b₁)·W₂ + b₂ with W₁ [C, 4C] and W₂ [4C, C].
type MLP struct{ In, Out Linear }

// Forward computes y from x [rows, C], leaving x·W₁ + b₁ in hidden [rows, 4C] and its GELU in act.
func (m *MLP) Forward(w *Workspace, x Operand, hidden tensor.Tensor, act Operand, y tensor.Tensor) {
	m.In.GELU(w, x, hidden, act)
	m.Out.Forward(w, act, y)
}

// Euler computes y = r + h·(the perceptron of x), and leaves what Forward leaves; r may be y.
func (m *MLP) Euler(w *Workspace, h float32, x Operand, hidden tensor.Tensor, act Operand, r, y tensor.Tensor) {
	m.In.GELU(w, x, hidden, act)
	m.Out.Euler(w, h, act, r, y)
}

// Backward computes dx = s·(∂y/∂x)ᵀ·dy and adds s·(∂y/∂θ)ᵀ·dy to the gradients, with x, hidden and act
// as Forward left them. It overwrites act with the gradient of hidden; dx may be x's.
func (m *MLP) Backward(w *Workspace, s float32, x Operand, hidden tensor.Tensor, act Operand, dy, dx tensor.Tensor) {
	m.Out.GELUBackward(w, s, hidden, act, dy, act.Tensor)
	m.In.backward(w, x, act, ending{alpha: 1, y: dx})
}
