package nn

import (
	"fmt"

	"github.com/vcycle-go/vcycle/tensor"
)

// Step computes the mean cross-entropy of the targets, which follow the tokens, and adds its gradient to
// the groups'. tokens and targets are batch sequences of Context tokens. The loss and gradients may be NaN
// or infinite if numbers have overflowed: NonFinite names the first parameter or gradient that is, if any.
// It panics if a length is wrong, or if a token or a target is not in the vocabulary.
func (d *Decoder) Step(tokens, targets []int32, batch int) (loss float64) {
	return d.accumulate("Step", 0, tokens, targets, batch, len(tokens)) / float64(len(tokens))
}

// Accumulate is Step on a part of a batch that has window tokens: it returns sum plus the cross-entropies
// of all its targets, and adds the gradient of their sum over window to the groups'. So the parts one
// after the other, in the memory of one, make the step on the whole batch:
//
//	sum := 0.0
//	for each part { sum = d.Accumulate(sum, part.tokens, part.targets, part.batch, window) }
//	loss := sum / window
//
// The sums are those of the whole batch, broken in other places. Where the parts are whole chunks of 64
// tokens, the loss has the same bits; so have, with the methods that evaluate a block once a step, the
// gradients of biases and norms, and those of the blocks' matrices if the parts are whole blocks of the
// products' sums too, 512 tokens on most rows of the dispatch table. The gradient of the token embedding
// has not, to which the head and the embedding add in turn, nor those of blocks with several stages.
// Accumulate panics if window is not positive, and where Step does.
func (d *Decoder) Accumulate(sum float64, tokens, targets []int32, batch, window int) float64 {
	if window < 1 {
		panic(fmt.Sprintf("nn: Accumulate: a window of %d tokens", window))
	}
	return d.accumulate("Accumulate", sum, tokens, targets, batch, window)
}

func (d *Decoder) accumulate(fn string, sum float64, tokens, targets []int32, batch, window int) float64 {
	d.field.work.clock.Enter(PassForward)
	d.makeGrads()
	z := d.forward(fn, tokens, targets, batch, true)
	m := &d.memory
	w := &d.field.work
	d.head.Backward(w, 1/float32(window), z, targets, m.losses, m.logits, z.Tensor)
	w.clear(m.dx)
	d.norm.Backward(w, d.field.state(m.final()), m.norm, z.Tensor, d.field.state(m.dx))
	d.solver.Gradient(d.grid, &m.trajectory, m.dx)
	d.embedding.Backward(w, tokens, d.cfg.Context, d.field.state(m.dx))
	return add(sum, m.losses)
}

// Loss computes the mean cross-entropy of the targets without gradients; the rest is as for Step.
func (d *Decoder) Loss(tokens, targets []int32, batch int) float64 {
	z := d.forward("Loss", tokens, targets, batch, false)
	d.head.Loss(&d.field.work, z, targets, d.memory.losses, d.memory.logits)
	return add(0, d.memory.losses) / float64(len(d.memory.losses))
}

// Logits computes the logits of the token that follows 1 to Context tokens. It panics if there are fewer
// or more, if a token is not in the vocabulary or if len(logits) is not Vocab.
func (d *Decoder) Logits(tokens []int32, logits []float32) {
	if len(tokens) < 1 || len(tokens) > d.cfg.Context || len(logits) != d.cfg.Vocab {
		panic(fmt.Sprintf("nn: Logits: %d tokens and %d logits; want 1 to %d and %d", len(tokens), len(logits), d.cfg.Context, d.cfg.Vocab))
	}
	d.layout(d.cfg.Context, d.cfg.Context, false) // so that a prompt that grows finds memory that does not
	d.layout(len(tokens), len(tokens), false)
	x := d.integrate(tokens)
	m := &d.memory
	c := d.cfg.Width
	last := tensor.View(x[len(x)-c:], 1, c)
	z := m.z.Slice(0, 0, 1)
	d.norm.Forward(&d.field.work, last, Operand{Tensor: z}, m.norm)
	d.head.Logits(z.Data(), logits)
}

// forward checks the arguments and computes the final LayerNorm's result.
func (d *Decoder) forward(fn string, tokens, targets []int32, batch int, backward bool) Operand {
	if n := batch * d.cfg.Context; batch < 1 || len(tokens) != n || len(targets) != n {
		panic(fmt.Sprintf("nn: %s: %d tokens and %d targets for a batch of %d and a context of %d", fn, len(tokens), len(targets), batch, d.cfg.Context))
	}
	d.layout(len(tokens), d.cfg.Context, backward)
	x := d.integrate(tokens)
	d.norm.Forward(&d.field.work, d.field.state(x), d.memory.z, d.memory.norm)
	return d.memory.z
}

// integrate embeds the tokens and returns the state after the last block.
func (d *Decoder) integrate(tokens []int32) []float32 {
	m := &d.memory
	d.weights.round()
	d.embedding.Forward(&d.field.work, tokens, d.field.length, d.field.state(m.trajectory.States[0]))
	return d.solver.Solve(d.grid, &m.trajectory)
}

// add returns s + Σx, added in this order.
func add(s float64, x []float32) float64 {
	for _, v := range x {
		s += float64(v)
	}
	return s
}
