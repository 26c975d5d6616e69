package nn

import (
	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// Head gives logits x·Wᵀ with the token embedding W [V, C], and their cross-entropy with the next
// tokens. Logits are computed for some rows at a time, with their gradient in the same pass: those of a
// vocabulary of 50,000 and a batch of 4,000 tokens would take 800 MB.
//
// Half is W rounded to bfloat16, which operands with a Half are multiplied with; backwards the gradient of the
// logits is rounded for it too. The logits and their cross-entropy are in float32.
type Head struct {
	Weight, GradWeight tensor.Tensor
	Half               []kernels.BFloat16
	fresh              bool // the next gradient of W is written, over what is there
}

// headRows returns how many of rows Head takes at a time: enough that reading and writing W's gradient
// costs little beside the products, and no more than about a million logits beyond that.
func headRows(rows, vocab int) int { return min(rows, max(256, 1<<20/vocab)) }

// Loss computes losses[i] = −log softmax(x_i·Wᵀ)[targets[i]] for each row of x [rows, C]. logits is
// scratch of headRows(rows, V)·V elements, and of as many rounded ones with Half. It panics if a target is
// not in [0, V).
func (h *Head) Loss(w *Workspace, x Operand, targets []int32, losses []float32, logits Operand) {
	h.run(w, 0, x, targets, losses, logits, tensor.Tensor{})
}

// Backward computes losses as Loss does, sets dx to the gradient of s·Σ losses and adds that of W to its
// gradient. dx may be x's tensor.
func (h *Head) Backward(w *Workspace, s float32, x Operand, targets []int32, losses []float32, logits Operand, dx tensor.Tensor) {
	h.run(w, s, x, targets, losses, logits, dx)
}

func (h *Head) run(w *Workspace, s float32, x Operand, targets []int32, losses []float32, logits Operand, dx tensor.Tensor) {
	defer w.clock.leave(w.clock.enter(PartHead))
	rows, vocab, c := x.Dim(0), h.Weight.Dim(0), h.Weight.Dim(1)
	checkIDs("Head", "target", targets, vocab)
	step := headRows(rows, vocab)
	for lo := 0; lo < rows; lo += step {
		hi := min(lo+step, rows)
		n := hi - lo
		t := &w.crossEntropy
		*t = crossEntropyTask{vocab: vocab, s: s, backward: dx.Rank() != 0, targets: targets[lo:hi], logits: logits.Data(), losses: losses[lo:hi]}
		if x.Half != nil {
			t.half = logits.Half
			headProducts(w, n, c, x.Half[lo*c:hi*c], h.Half, t.half, h, dx, lo)
		} else {
			headProducts(w, n, c, x.Data()[lo*c:hi*c], h.Weight.Data(), t.logits, h, dx, lo)
		}
		if t.backward && hi < rows {
			w.clock.Enter(PassForward)
		}
	}
}

// headProducts does n rows, from lo on: x and W in the type of the products, in which the task leaves the
// gradient of the logits in dlogits.
func headProducts[E element](w *Workspace, n, c int, x, weight, dlogits []E, h *Head, dx tensor.Tensor, lo int) {
	t := &w.crossEntropy
	vocab := t.vocab
	p := kernels.Product[E, float32]{TransB: true, M: n, N: vocab, K: c, Alpha: 1, A: x, LDA: c, B: weight, LDB: c, C: t.logits, LDC: vocab, Threads: threadsFor(n, vocab, c)}
	p.Run()
	parallel(4*n*vocab >= leastElements, n, max(1, flatGrain/vocab), t)
	if !t.backward {
		return
	}
	w.clock.Enter(PassBackward)
	beta := float32(1)
	if h.fresh {
		beta, h.fresh = 0, false
	}
	p = kernels.Product[E, float32]{TransA: true, M: vocab, N: c, K: n, Alpha: 1, A: dlogits, LDA: vocab, B: x, LDB: c, Beta: beta, C: h.GradWeight.Data(), LDC: c, Threads: threadsFor(n, vocab, c)}
	p.Run()
	p = kernels.Product[E, float32]{M: n, N: c, K: vocab, Alpha: 1, A: dlogits, LDA: vocab, B: weight, LDB: c, C: dx.Data()[lo*c:], LDC: c, Threads: threadsFor(n, vocab, c)}
	p.Run()
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
	half           []kernels.BFloat16 // where the gradient goes rounded, or nil
}

func (t *crossEntropyTask) Run(_, lo, hi int) {
	x := t.logits[lo*t.vocab : hi*t.vocab]
	if t.backward {
		kernels.CrossEntropyBackward(hi-lo, t.vocab, t.s, x, t.vocab, t.targets[lo:hi], t.losses[lo:hi], x, t.vocab)
		if t.half != nil {
			kernels.ToBFloat16(x, t.half[lo*t.vocab:hi*t.vocab])
		}
		return
	}
	kernels.CrossEntropy(hi-lo, t.vocab, x, t.vocab, t.targets[lo:hi], t.losses[lo:hi])
}
