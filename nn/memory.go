package nn

import (
	"math"

	"github.com/vcycle-go/vcycle/odeint"
	"github.com/vcycle-go/vcycle/tensor"
)

// memory is where a pass over rows tokens, in sequences of length, keeps its vectors; the tape and the
// scratch of the blocks are in depth. All of it is the arena's.
type memory struct {
	rows, length int  // 0: not laid out
	backward     bool // for Step too
	trajectory   odeint.Workspace[float32]
	z            Operand // [rows, C] final LayerNorm, then its gradient
	norm         NormStats
	dx           []float32 // [rows, C] gradient of the state; nil without a backward pass
	losses       []float32
	logits       Operand
}

// final returns the state after the last block.
func (m *memory) final() []float32 { return m.trajectory.States[len(m.trajectory.States)-1] }

// layout gives every vector its memory, unless it has been laid out for this. Only Step goes backward.
func (d *Decoder) layout(rows, length int, backward bool) {
	m := &d.memory
	if m.rows == rows && m.length == length && m.backward == backward {
		return
	}
	m.rows, m.length, m.backward = rows, length, backward
	d.arena.Lay(func(a *tensor.Arena) { m.place(a, d.cfg, d.solver, &d.field) })
}

// place lays out a pass over depth: below, what is kept from one block to the other; above it first what
// the blocks need one after the other, and in the same memory, because it lives between the passes over
// the blocks, what the head needs.
//
// The states and the points of the later stages, at which the blocks are evaluated, are kept for the
// backward pass, and of the blocks what they have computed, unless that is to be computed again: then, as
// without a backward pass, all have the memory of one.
func (m *memory) place(a *tensor.Arena, cfg Config, solver *odeint.Solver[float32], f *depth) {
	rows, c, half := m.rows, cfg.Width, cfg.half()
	f.length = m.length
	f.stages, _ = cfg.Evaluations()
	f.shared = !m.backward || cfg.Recompute
	states, stages, slopes := solver.Sizes(cfg.Blocks)
	parts := (states - 1) / cfg.Blocks // of a step
	vectors := func(x [][]float32, n int) [][]float32 {
		for range n {
			x = append(x, a.Floats(rows*c))
		}
		return x
	}
	// again repeats the last period vectors until there are n.
	again := func(x [][]float32, n, period int) [][]float32 {
		for len(x) < n {
			x = append(x, x[len(x)-period])
		}
		return x
	}
	m.losses, m.dx = a.Floats(rows), nil
	if m.backward {
		m.dx = a.Floats(rows * c)
	}
	t := &m.trajectory
	t.States, t.Stages, f.tape = vectors(t.States[:0], 1), t.Stages[:0], f.tape[:0]
	for i := range cfg.Blocks {
		if i > 0 && !m.backward {
			break
		}
		t.States = vectors(t.States, parts)
		t.Stages = vectors(t.Stages, stages/cfg.Blocks)
		for s := range f.stages {
			if !f.shared {
				f.tape = append(f.tape, newActivations(a, rows, m.length, cfg, s))
			}
		}
	}
	f.weighted.keep(a, cfg, rows, m.backward)
	t.States = again(t.States, states, 2)
	t.Stages = again(t.Stages, stages, stages/cfg.Blocks)

	mark := a.Mark()
	if f.shared {
		f.tape = append(f.tape, newActivations(a, rows, m.length, cfg, 0))
	}
	f.sa, f.ff = a.Tensor(rows, c), a.Tensor(rows, c)
	if m.backward || half {
		f.dqkv = a.Tensor(rows, 3*c)
	}
	t.Slopes = vectors(t.Slopes[:0], slopes)
	f.weighted.scratch(a, cfg, rows, m.backward)
	if half {
		z, act := a.Tensor(rows, c), tensor.Tensor{}
		if m.backward {
			act, f.work.gradient = a.Tensor(rows, mlpRatio*c), newHalf(a, rows*c)
		}
		for i := range f.tape {
			e := &f.tape[i]
			e.z1.Tensor, e.heads.QKV.Tensor, e.heads.Out.Tensor, e.z2.Tensor, e.act.Tensor = z, f.dqkv, z, z, act
		}
	}

	a.Release(mark)
	m.z, m.norm = newOperand(a, half, rows, c), newNormStats(a, rows)
	m.logits = newOperand(a, half, headRows(rows, cfg.Vocab), cfg.Vocab)
	if half {
		m.z.Tensor, m.logits.Tensor = a.Tensor(rows, c), a.Tensor(headRows(rows, cfg.Vocab), cfg.Vocab)
	}
}

func newNormStats(a *tensor.Arena, rows int) NormStats {
	return NormStats{a.Floats(rows), a.Floats(rows)}
}

// newActivations returns those of a stage, which may be one of attention alone.
func newActivations(a *tensor.Arena, rows, length int, cfg Config, stage int) activations {
	c, half := cfg.Width, cfg.half()
	t := activations{
		z1: newOperand(a, half, rows, c), heads: newAttended(a, rows, length, cfg), norm1: newNormStats(a, rows),
	}
	if _, perceptron := cfg.Evaluations(); stage < perceptron {
		t.z2, t.hidden, t.act = newOperand(a, half, rows, c), a.Tensor(rows, mlpRatio*c), newOperand(a, half, rows, mlpRatio*c)
		t.norm2 = newNormStats(a, rows)
	}
	if cfg.method().split == whole {
		t.u = a.Tensor(rows, c)
	}
	return t
}

// Memory is what training takes, in bytes.
type Memory struct {
	Parameters  int64 `json:"parameters"`
	Gradients   int64 `json:"gradients"`
	Moments     int64 `json:"moments"`
	Activations int64 `json:"activations"` // and scratch: all that a training step computes on the way
}

// Total returns the sum of the parts, or the greatest int64 if that is less.
func (m Memory) Total() int64 {
	sum := int64(0)
	for _, n := range []int64{m.Parameters, m.Gradients, m.Moments, m.Activations} {
		sum += min(n, math.MaxInt64-sum)
	}
	return sum
}

// Memory returns how many bytes training takes with a batch of so many sequences and an optimizer that
// keeps so many moments: 2 for AdamW, 1 for SGD. It is what a Decoder takes, byte by byte; the packing
// buffers of the matrix products, some megabytes a thread, are not in it.
func (c Config) Memory(batch, moments int) Memory {
	floats := int64(c.arena(batch))
	scratch := attentionScratch(c.Width, c.Heads, batch, c.Context, c.half()) + normScratch(batch*c.Context, c.Width)
	if c.half() {
		scratch += (c.matrices() + 1) / 2
	}
	floats += min(int64(scratch), math.MaxInt64-floats)
	parameters := 4 * int64(c.Parameters())
	return Memory{parameters, parameters, parameters * int64(moments), 4 * min(floats, math.MaxInt64/4)}
}

// arena returns the number of elements that the layout of a Step takes.
func (c Config) arena(batch int) int {
	var f depth
	solver, err := c.newSolver(&f)
	if err != nil {
		panic(err) // as NewDecoder would have said
	}
	m := memory{rows: batch * c.Context, length: c.Context, backward: true}
	return tensor.Need(func(a *tensor.Arena) { m.place(a, c, solver, &f) })
}
