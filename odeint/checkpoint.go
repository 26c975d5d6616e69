package odeint

import "fmt"

// Checkpoints is the memory of a solution and its gradient that keeps so many states on the way and
// computes the others again: recursive checkpointing in the order of fewest evaluations (Griewank and
// Walther, Algorithm 799: revolve, ACM TOMS 26, 2000). With c of them and r evaluations of no step more
// than that, C(c+r−1, c) steps can be reversed: ⌈√n⌉ of them evaluate n steps at most four times each, on
// average fewer. It holds c + 1 states and the stages of one step.
type Checkpoints[F Float] struct {
	slots [][]F // slots[0] is the initial state
	steps []int // at which the slots that are in use were taken
	work  *Workspace[F]
	done  int // the step that work holds, with its stages; −1: none
}

// NewCheckpoints returns the memory of so many states of dim elements, at least 1. It panics if there are
// fewer.
func (s *Solver[F]) NewCheckpoints(slots, dim int) *Checkpoints[F] {
	if slots < 1 {
		panic(fmt.Sprintf("odeint: NewCheckpoints: %d checkpoints", slots))
	}
	return &Checkpoints[F]{slots: vectors[F](slots, dim), steps: make([]int, 0, slots), work: s.NewWorkspace(1, dim), done: -1}
}

// Initial returns the initial state, which the caller sets before SolveCheckpoints.
func (c *Checkpoints[F]) Initial() []F { return c.slots[0] }

// SolveCheckpoints is Solve in the memory of c. The state that it returns is the caller's until
// GradientCheckpoints.
func (s *Solver[F]) SolveCheckpoints(g Grid, c *Checkpoints[F]) []F {
	c.steps = append(c.steps[:0], 0)
	if g.Steps() == 0 {
		return c.slots[0]
	}
	s.advance(g, c, g.Steps())
	return c.work.States[len(s.parts)]
}

// GradientCheckpoints is Gradient after SolveCheckpoints with this grid and memory, with the same bits. It
// evaluates a step's stages just before it reverses them, so that a field need keep only the last of each
// Point.Stage. It can be called once for each solution. It panics if dx has the wrong size.
func (s *Solver[F]) GradientCheckpoints(g Grid, c *Checkpoints[F], dx []F) {
	checkLength("GradientCheckpoints", len(dx), len(c.slots[0]))
	if g.Steps() > 0 && (len(c.steps) == 0 || c.done != g.Steps()-1) {
		panic("odeint: GradientCheckpoints: no solution on this grid has gone before")
	}
	for i := g.Steps() - 1; i >= 0; i-- {
		if c.done != i {
			s.advance(g, c, i+1)
		}
		s.stepVJP(g, i, c.work, 0, dx)
		if last := len(c.steps) - 1; c.steps[last] == i {
			c.steps = c.steps[:last]
		}
	}
	c.done = -1
}

// advance takes the steps from the last checkpoint to before end, and new checkpoints on the way. The last
// of the steps stays in c.work.
func (s *Solver[F]) advance(g Grid, c *Checkpoints[F], end int) {
	parts := len(s.parts)
	from := c.steps[len(c.steps)-1]
	copy(c.work.States[0], c.slots[len(c.steps)-1])
	next := from + split(end-from, len(c.slots)-len(c.steps)+1)
	for i := from; ; i++ {
		if i == next && i > from {
			copy(c.slots[len(c.steps)], c.work.States[0])
			c.steps = append(c.steps, i)
			next = i + split(end-i, len(c.slots)-len(c.steps)+1)
		}
		s.step(g, i, c.work, 0)
		c.done = i
		if i == end-1 {
			return
		}
		w := c.work.States
		w[0], w[parts] = w[parts], w[0]
	}
}

// split returns the number of steps to the next checkpoint in reversing n steps with so many checkpoints,
// of which the first is taken at the beginning; n if there is none to take.
func split(n, slots int) int {
	if n <= 1 || slots <= 1 {
		return n
	}
	// With reach(c, r) = C(c+r−1, c) the number of steps that c checkpoints reverse with r evaluations of
	// each, reach(c, r) = reach(c, r−1) + reach(c−1, r).
	r := 1
	for reach(slots, r) < n {
		r++
	}
	return min(reach(slots, r-1), n-reach(slots-1, r-1))
}

// reach is C(c+r−1, c), or 2³⁰, more than any number of steps, if it is above that.
func reach(c, r int) int {
	const enough = 1 << 30
	b := int64(1)
	for i := int64(1); i <= int64(c); i++ {
		if b = b * (int64(r) - 1 + i) / i; b > enough {
			return enough
		}
	}
	return int(b)
}
