package nn

import "time"

// Pass is a part of a training step that comes before or after the others.
type Pass int

// The passes of a step. Of the head, which computes its gradient together with the logits, the logits
// and the cross-entropy are forward. Activations that are computed again are backward.
const (
	PassForward Pass = iota
	PassBackward
	PassUpdate // gradients set to 0, their norm, and the optimizer
	Passes     // how many there are
)

// String returns forward, backward or optimizer.
func (p Pass) String() string { return [Passes]string{"forward", "backward", "optimizer"}[p] }

// Part is what computes.
type Part int

// The parts of a step. What a product does on its way out, such as biases, the GELU or a residual
// connection, is the product's.
const (
	PartRest      Part = iota // embeddings, combinations of stages, and whatever is nothing below
	PartMatmul                // products with the weights of the blocks, and the gradients of these and of the biases
	PartAttention             // the heads, between the projections
	PartHead                  // logits, cross-entropy and their gradients
	PartNorms                 // layer norms
	Parts                     // how many there are
)

// String returns rest, matmul, attention, head or norms.
func (p Part) String() string {
	return [Parts]string{"rest", "matmul", "attention", "head", "norms"}[p]
}

// Clock divides the time of steps among their passes and parts: at every instant it counts for one of
// each, so that their sum is the time from Start to Stop. A nil *Clock does nothing, in no time. It is for
// one goroutine at a time.
type Clock struct {
	Times [Passes][Parts]time.Duration

	pass  Pass
	part  Part
	since time.Time
}

// Start begins, or goes on, to count, for the rest of the forward pass.
func (c *Clock) Start() {
	if c != nil {
		c.pass, c.part, c.since = PassForward, PartRest, time.Now()
	}
}

// Stop ends counting until the next Start.
func (c *Clock) Stop() { c.count() }

// Total returns the time that has been counted.
func (c *Clock) Total() (t time.Duration) {
	for _, parts := range c.Times {
		for _, d := range parts {
			t += d
		}
	}
	return t
}

// Enter says that a pass begins.
func (c *Clock) Enter(p Pass) {
	if c != nil {
		c.count()
		c.pass = p
	}
}

// enter says that a part begins, and returns the one that it interrupts.
func (c *Clock) enter(p Part) (before Part) {
	if c == nil {
		return 0
	}
	c.count()
	before, c.part = c.part, p
	return before
}

// leave says that a part ends, and goes back to the one before:
//
//	defer c.leave(c.enter(p))
func (c *Clock) leave(before Part) {
	if c != nil {
		c.count()
		c.part = before
	}
}

// count adds the time since the last call to what has been going on.
func (c *Clock) count() {
	if c != nil {
		now := time.Now()
		c.Times[c.pass][c.part] += now.Sub(c.since)
		c.since = now
	}
}

// SetClock has the steps to come counted by c, between its Start and Stop; nil: by none.
func (d *Decoder) SetClock(c *Clock) { d.field.work.clock = c }
