package nn

import (
	"unsafe"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// Operand is a matrix that a product reads. Where products are of bfloat16 it is Half, which is not nil
// then: contiguous rows, and the Tensor is only memory of that shape, where the gradient goes.
type Operand struct {
	tensor.Tensor
	Half []kernels.BFloat16
}

// newOperand returns an operand of rows×cols; in bfloat16 its tensor is not there yet.
func newOperand(a *tensor.Arena, half bool, rows, cols int) Operand {
	if half {
		return Operand{Half: newHalf(a, rows*cols)}
	}
	return Operand{Tensor: a.Tensor(rows, cols)}
}

// newHalf returns n elements of an arena's memory, two in the place of a float32.
func newHalf(a *tensor.Arena, n int) []kernels.BFloat16 {
	x := a.Floats((n + 1) / 2)
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*kernels.BFloat16)(unsafe.Pointer(&x[0])), n)
}

// halfTask rounds x to y.
type halfTask struct {
	x []float32
	y []kernels.BFloat16
}

func (t *halfTask) Run(_, lo, hi int) { kernels.ToBFloat16(t.x[lo:hi], t.y[lo:hi]) }

// rounded returns x in memory that the next call uses again.
func (w *Workspace) rounded(x []float32) []kernels.BFloat16 {
	if cap(w.gradient) < len(x) {
		w.gradient = make([]kernels.BFloat16, len(x))
	}
	w.half = halfTask{x, w.gradient[:len(x)]}
	parallel(2*len(x) >= leastElements, len(x), flatGrain, &w.half)
	return w.half.y
}

// weights are the matrices of a decoder, and what they are rounded to for the products of a pass. They are
// rounded at its beginning, so that whoever changes parameters needs to know nothing of that, unless the parameters are
// those that Update has left.
type weights struct {
	memory  []kernels.BFloat16
	parts   []weightPart
	groups  [][]kernels.BFloat16 // by group of the decoder
	current bool                 // the matrices are as they have been rounded
}

// weightPart is a part of the matrices of a group that a thread rounds at a time.
type weightPart struct {
	x []float32
	y []kernels.BFloat16
}

// reset forgets all matrices, and makes memory for those of so many elements.
func (t *weights) reset(n int) {
	if cap(t.memory) < n {
		t.memory = make([]kernels.BFloat16, n)
	}
	clear(t.parts) // keep no group alive
	t.memory, t.parts, t.groups, t.current = t.memory[:0], t.parts[:0], t.groups[:0], false
}

// add returns where the matrices x, with which the parameters of the next group begin, will be rounded to.
func (t *weights) add(x []float32) []kernels.BFloat16 {
	first := len(t.memory)
	t.memory = t.memory[:first+len(x)]
	y := t.memory[first:]
	t.groups = append(t.groups, y)
	for lo := 0; lo < len(x); lo += spanLen {
		hi := min(lo+spanLen, len(x))
		t.parts = append(t.parts, weightPart{x[lo:hi], y[lo:hi]})
	}
	return y
}

// round rounds all matrices, unless that has been done.
func (t *weights) round() {
	if !t.current {
		parallel(len(t.memory) >= leastParameters, len(t.parts), 1, t)
	}
}

// Run rounds the parts [lo, hi).
func (t *weights) Run(_, lo, hi int) {
	for _, p := range t.parts[lo:hi] {
		kernels.ToBFloat16(p.x, p.y)
	}
}
