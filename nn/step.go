package nn

import (
	"fmt"

	"github.com/vcycle-go/vcycle/odeint"
	"github.com/vcycle-go/vcycle/tensor"
)

// Step computes the mean cross-entropy of the targets, which follow the tokens, and adds its gradient to
// the groups'. tokens and targets are batch sequences of Context tokens. The loss and gradients may be NaN
// or infinite if numbers have overflowed: NonFinite names the first parameter or gradient that is, if any.
// It panics if a length is wrong, or if a token or a target is not in the vocabulary.
func (d *Decoder) Step(tokens, targets []int32, batch int) (loss float64) {
	z := d.forward("Step", tokens, targets, batch)
	m := &d.memory
	w := &d.field.work
	rows := len(tokens)
	d.head.Backward(w, 1/float32(rows), z, targets, m.losses, m.logits, z)
	clear(m.dx)
	grid := d.grid()
	d.norm.Backward(w, d.field.state(m.final()), m.norm, z, d.field.state(m.dx))
	d.solver.Gradient(grid, &m.trajectory, m.dx)
	d.embedding.Backward(w, tokens, d.cfg.Context, d.field.state(m.dx))
	return mean(m.losses)
}

// Loss computes the mean cross-entropy of the targets without gradients; the rest is as for Step.
func (d *Decoder) Loss(tokens, targets []int32, batch int) float64 {
	z := d.forward("Loss", tokens, targets, batch)
	d.head.Loss(&d.field.work, z, targets, d.memory.losses, d.memory.logits)
	return mean(d.memory.losses)
}

// Logits computes the logits of the token that follows 1 to Context tokens. It panics if there are fewer
// or more, if a token is not in the vocabulary or if len(logits) is not Vocab.
func (d *Decoder) Logits(tokens []int32, logits []float32) {
	if len(tokens) < 1 || len(tokens) > d.cfg.Context || len(logits) != d.cfg.Vocab {
		panic(fmt.Sprintf("nn: Logits: %d tokens and %d logits; want 1 to %d and %d", len(tokens), len(logits), d.cfg.Context, d.cfg.Vocab))
	}
	d.layout(d.cfg.Context, d.cfg.Context) // so that a prompt that grows finds memory that does not
	d.layout(len(tokens), len(tokens))
	x := d.integrate(tokens)
	m := &d.memory
	c := d.cfg.Width
	last := tensor.View(x[len(x)-c:], 1, c)
	z := m.z.Slice(0, 0, 1)
	d.norm.Forward(&d.field.work, last, z, m.norm)
	d.head.Logits(z.Data(), logits)
}

// forward checks the arguments and computes the final LayerNorm's result.
func (d *Decoder) forward(fn string, tokens, targets []int32, batch int) tensor.Tensor {
	if n := batch * d.cfg.Context; batch < 1 || len(tokens) != n || len(targets) != n {
		panic(fmt.Sprintf("nn: %s: %d tokens and %d targets for a batch of %d and a context of %d", fn, len(tokens), len(targets), batch, d.cfg.Context))
	}
	d.layout(len(tokens), d.cfg.Context)
	x := d.integrate(tokens)
	d.norm.Forward(&d.field.work, d.field.state(x), d.memory.z, d.memory.norm)
	return d.memory.z
}

// integrate embeds the tokens and returns the state after the last block.
func (d *Decoder) integrate(tokens []int32) []float32 {
	m := &d.memory
	d.embedding.Forward(&d.field.work, tokens, d.field.length, d.field.state(m.trajectory.States[0]))
	return d.solver.Solve(d.grid(), &m.trajectory)
}

// grid is that of the blocks: one step of size h for each.
func (d *Decoder) grid() odeint.Grid { return odeint.Uniform(0, d.cfg.StepSize, d.cfg.Blocks) }

func mean(x []float32) float64 {
	s := 0.0
	for _, v := range x {
		s += float64(v)
	}
	return s / float64(len(x))
}
