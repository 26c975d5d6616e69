package nn

import (
	"fmt"
	"math"
	"slices"

	"github.com/vcycle-go/vcycle/internal/hugepage"
	"github.com/vcycle-go/vcycle/tensor"
)

// Group is one vector of parameters, a block's θ(t_i) or what lies outside the blocks, with its
// gradient and the optimizer's state.
type Group struct {
	Name  string
	Theta []float32
	Grad  []float32 // nil before a Decoder makes it
	// Matrices is the number of leading elements that belong to matrices: weight decay applies to
	// Theta[:Matrices] only.
	Matrices int
	// Moments are vectors as long as Theta that the optimizer keeps and allocates at its first step:
	// m and v for AdamW, m for SGD.
	Moments [][]float32
	// Steps is the number of optimizer steps taken with these moments; AdamW's bias correction needs it.
	Steps   int
	Entries []Entry // what Theta is made of, in order and without gaps
}

// Entry is a named array inside a Group.
type Entry struct {
	Name   string
	Offset int
	Shape  []int
	// Output marks the projections and biases that write to the residual stream. With all of them 0 the
	// block is the identity: F = 0.
	Output bool
	Axes   []Axis // of Shape
	Parts  int    // vectors of the width that lie side by side along the last axis: 3 for query, key and value; 0: 1
}

// Axis is what an index of an entry counts.
type Axis int

// Kinds of axes.
const (
	AxisFixed   Axis = iota // nothing that depends on width or context
	AxisContext             // positions
	AxisReads               // channels that the entry is multiplied with and summed over
	AxisWrites              // channels that it contributes to
)

// Len returns the number of elements.
func (e Entry) Len() int {
	n := 1
	for _, s := range e.Shape {
		n *= s
	}
	return n
}

// newGroup returns a zeroed group of these entries, whose offsets it sets, without a gradient. Matrices come first.
func newGroup(name string, entries []Entry) *Group {
	g := &Group{Name: name, Entries: entries}
	n := 0
	for i := range entries {
		entries[i].Offset = n
		n += entries[i].Len()
		if len(entries[i].Shape) > 1 {
			g.Matrices = n
		}
	}
	g.Theta = hugepage.Float32s(n)
	return g
}

// makeGrad makes a gradient of zeros, if there is none, and tells whether it did.
func (g *Group) makeGrad() bool {
	if g.Grad != nil {
		return false
	}
	g.Grad = hugepage.Float32s(len(g.Theta))
	return true
}

// tensors returns views of the i-th entry's parameters and, if there is one, of their gradient.
func (g *Group) tensors(i int) (theta, grad tensor.Tensor) {
	e := g.Entries[i]
	lo, hi := e.Offset, e.Offset+e.Len()
	if g.Grad != nil {
		grad = tensor.View(g.Grad[lo:hi], e.Shape...)
	}
	return tensor.View(g.Theta[lo:hi], e.Shape...), grad
}

// hasLayout tells whether the group is one that newGroup would return for the entries.
func (g *Group) hasLayout(entries []Entry) bool {
	if len(g.Entries) != len(entries) {
		return false
	}
	n, matrices := 0, 0
	for i, e := range g.Entries {
		if e.Name != entries[i].Name || e.Offset != n || !slices.Equal(e.Shape, entries[i].Shape) {
			return false
		}
		if n += e.Len(); len(e.Shape) > 1 {
			matrices = n
		}
	}
	return len(g.Theta) == n && (g.Grad == nil || len(g.Grad) == n) && g.Matrices == matrices
}

// NonFinite returns an error that names the first entry, in the order of the groups, whose parameters
// or gradient hold a NaN or an infinity, and nil if there is none. Parameters come before gradients: a
// parameter that is not finite spoils every gradient.
func NonFinite(groups []*Group) error {
	for _, part := range []string{"parameter", "gradient"} {
		for _, g := range groups {
			x := g.Theta
			if part == "gradient" {
				if x = g.Grad; x == nil {
					continue
				}
			}
			for _, e := range g.Entries {
				for i, v := range x[e.Offset : e.Offset+e.Len()] {
					if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
						return fmt.Errorf("%s %s.%s[%d] is %v", part, g.Name, e.Name, i, v)
					}
				}
			}
		}
	}
	return nil
}
