package nn

import (
	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// Head gives logits x·Wᵀ with the token embedding W [V, C], and their cross-entropy with the next
// tokens. Logits are computed for some rows at a time, with their gradient in the same pass: those of a
// vocabulary of 50,000 and a batch of 4,000 tokens would take 800 MB.
type Head struct {
	Weight, GradWeight tensor.Tensor
}

// headRows returns how many of rows Head takes at a time: enough that reading and writing W's gradient
// costs little beside the products, and no more than about a million logits beyond that.
func headRows(rows, vocab int) int { return min(rows, max(256, 1<<20/vocab)) }

// Loss computes losses[i] = −log softmax(x_i·Wᵀ)[targets[i]] for each row of x [rows, C]. logits is
// scratch of headRows(rows, V)·V elements. It panics if a target is not in [0, V).
func (h *Head) Loss(w *Workspace, x tensor.Tensor, targets []int32, losses, logits []float32) {
	h.run(w, 0, x, targets, losses, logits, tensor.Tensor{})
}

// Backward computes losses as Loss does, sets dx to the gradient of s·Σ losses and adds that of W to its
// gradient. dx may be x.
func (h *Head) Backward(w *Workspace, s float32, x tensor.Tensor, targets []int32, losses, logits []float32, dx tensor.Tensor) {
	h.run(w, s, x, targets, losses, logits, dx)
}

func (h *Head) run(w *Workspace, s float32, x tensor.Tensor, targets []int32, losses, logits []float32, dx tensor.Tensor) {
	defer w.clock.leave(w.clock.enter(PartHead))
	rows, vocab, c := x.Dim(0), h.Weight.Dim(0), h.Weight.Dim(1)
	checkIDs("Head", "target", targets, vocab)
	backward := dx.Rank() != 0
	ws, step := h.Weight.Data(), headRows(rows, vocab)
	for lo := 0; lo < rows; lo += step {
		hi := min(lo+step, rows)
		xs, n := x.Data()[lo*c:hi*c], hi-lo
		kernels.Sgemm(false, true, n, vocab, c, 1, xs, c, ws, c, 0, logits, vocab)
		w.crossEntropy = crossEntropyTask{vocab: vocab, s: s, backward: backward, targets: targets[lo:hi], logits: logits, losses: losses[lo:hi]}
		kernels.Parallel(n, max(1, flatGrain/vocab), &w.crossEntropy)
		if backward {
			w.clock.Enter(PassBackward)
			kernels.Sgemm(true, false, vocab, c, n, 1, logits, vocab, xs, c, 1, h.GradWeight.Data(), c)
			kernels.Sgemm(false, false, n, c, vocab, 1, logits, vocab, ws, c, 0, dx.Data()[lo*c:hi*c], c)
			if hi < rows {
				w.clock.Enter(PassForward)
			}
		}
	}
}

// Logits computes logits = x·Wᵀ of one row.
func (h *Head) Logits(x, logits []float32) {
	vocab, c := h.Weight.Dim(0), h.Weight.Dim(1)
	kernels.Sgemm(false, true, 1, vocab, c, 1, x, c, h.Weight.Data(), c, 0, logits, vocab)
}

// crossEntropyTask computes the losses of rows and, backwards, replaces logits by their gradient.
type crossEntropyTask struct {
	vocab          int
	s              float32
	backward       bool
	targets        []int32
	logits, losses []float32
}

func (t *crossEntropyTask) Run(_, lo, hi int) {
	x := t.logits[lo*t.vocab : hi*t.vocab]
	if t.backward {
		kernels.CrossEntropyBackward(hi-lo, t.vocab, t.s, x, t.vocab, t.targets[lo:hi], t.losses[lo:hi], x, t.vocab)
		return
	}
	kernels.CrossEntropy(hi-lo, t.vocab, x, t.vocab, t.targets[lo:hi], t.losses[lo:hi])
}
