package nn

import (
	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/odeint"
	"github.com/vcycle-go/vcycle/tensor"
)

// memory is where a pass over rows tokens, in sequences of length, keeps its vectors; the tape and the
// scratch of the blocks are in depth. All of it is the arena's.
type memory struct {
	rows, length   int // 0: not laid out
	trajectory     odeint.Workspace[float32]
	z              tensor.Tensor // [rows, C] final LayerNorm, then its gradient
	norm           NormStats
	dx             []float32 // [rows, C] gradient of the state
	losses, logits []float32
}

// final returns the state after the last block.
func (m *memory) final() []float32 { return m.trajectory.States[len(m.trajectory.States)-1] }

// layout gives every vector its memory, unless it has been laid out for this size. What does not depend
// on the depth comes first and the blocks follow in order, so that fewer of them use the same memory as
// the first of more.
func (d *Decoder) layout(rows, length int) {
	m, f := &d.memory, &d.field
	if m.rows == rows && m.length == length {
		return
	}
	m.rows, m.length, f.length = rows, length, length
	a, c := &d.arena, d.cfg.Width
	a.Reset()
	f.sa, f.ff, f.dqkv = a.Tensor(rows, c), a.Tensor(rows, c), a.Tensor(rows, 3*c)
	m.z, m.norm, m.dx = a.Tensor(rows, c), newNormStats(a, rows), a.Floats(rows*c)
	m.losses, m.logits = a.Floats(rows), a.Floats(headRows(rows, d.cfg.Vocab)*d.cfg.Vocab)

	f.stages = len(d.cfg.method().tableau.B)
	states, stages, slopes := d.solver.Sizes(d.cfg.Blocks)
	vectors := func(x [][]float32, n int) [][]float32 {
		for range n {
			x = append(x, a.Floats(rows*c))
		}
		return x
	}
	t := &m.trajectory
	t.Slopes = vectors(t.Slopes[:0], slopes)
	t.States = vectors(t.States[:0], 1)
	t.Stages = t.Stages[:0]
	f.tape = f.tape[:0]
	for range d.cfg.Blocks {
		t.States = vectors(t.States, (states-1)/d.cfg.Blocks)
		t.Stages = vectors(t.Stages, stages/d.cfg.Blocks)
		for range f.stages {
			f.tape = append(f.tape, newActivations(a, rows, c, d.cfg.method().split))
		}
	}
}

func newNormStats(a *tensor.Arena, rows int) NormStats {
	return NormStats{a.Floats(rows), a.Floats(rows)}
}

func newActivations(a *tensor.Arena, rows, c int, split bool) activations {
	t := activations{
		z1: a.Tensor(rows, c), qkv: a.Tensor(rows, 3*c), out: a.Tensor(rows, c),
		z2: a.Tensor(rows, c), hidden: a.Tensor(rows, mlpRatio*c), act: a.Tensor(rows, mlpRatio*c),
		norm1: newNormStats(a, rows), norm2: newNormStats(a, rows),
	}
	if !split {
		t.u = a.Tensor(rows, c)
	}
	return t
}

// Memory is what training takes, in bytes.
type Memory struct {
	Parameters, Gradients, Moments int64
	Activations                    int64 // and scratch: all that a training step computes on the way
}

// Total returns the sum of the parts.
func (m Memory) Total() int64 { return m.Parameters + m.Gradients + m.Moments + m.Activations }

// Memory returns how many bytes training takes with a batch of so many sequences and an optimizer that
// keeps so many moments: 2 for AdamW, 1 for SGD. The packing buffers of the matrix products, some
// megabytes a thread, are not in it.
func (c Config) Memory(batch, moments int) Memory {
	m := c.method()
	stages := len(m.tableau.B)
	perBlock := stages * ((7+2*mlpRatio)*c.Width + 4) // z1, qkv, out, u, z2, hidden, act, statistics
	perBlock += stages * c.Width                      // the states and the points of the later stages
	fixed := (2+3+1+1+1)*c.Width + 3                  // sa, ff, dqkv, z, dx, the initial state; statistics, loss
	if stages > 1 {
		fixed += stages * c.Width // slopes
	}
	rows := batch * c.Context
	activations := rows*(fixed+c.Blocks*perBlock) + headRows(rows, c.Vocab)*c.Vocab
	activations += min(kernels.Threads(), batch*c.Heads)*headScratch(c.Context, c.Width/c.Heads) + (rows+rowGrain-1)/rowGrain*2*c.Width
	parameters := 4 * int64(c.Parameters())
	return Memory{parameters, parameters, parameters * int64(moments), 4 * int64(activations)}
}
