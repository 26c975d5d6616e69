package multilevel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/nn"
)

// What happens to the optimizer's moments, m ≈ E[g] and v ≈ E[g²] of AdamW or the momentum m of SGD and
// Muon, at a change of level.
const (
	CarryMoments   = "carry"   // m and v move with the parameters
	RescaleMoments = "rescale" // m·r and v·r², r = h_new/h_old: a block's gradient is proportional to its step size
	ResetMoments   = "reset"   // m = v = 0 and the count of steps (bias correction) starts again
	KeepMoments    = "keep"    // each level has its own, as its last step left them
)

var momentPolicies = []string{CarryMoments, RescaleMoments, ResetMoments, KeepMoments}

// link is a transfer between two levels.
type link struct {
	op      Operator
	moments string
	ratio   float64 // h_to/h_from
	// Of each block, where the grids are not uniform: step sizes in units of h_to and h_from.
	relativeTo, relativeFrom []float64
	alpha                    float64           // θ_to ← (1−α)·θ_to + α·op(θ_from)
	random                   func(g *nn.Group) // draws the parameters of a block

	stateOnly bool // the parameters of blocks that are not drawn stay
}

// Prolong computes θ_fine = P·θ_coarse over blocks, and the optimizer's state with it. ratio is
// h_fine/h_coarse, which RescaleMoments needs. The groups of fine are overwritten, and have as many moments
// afterwards as those of coarse; they share no memory with coarse, and all groups have one layout.
//
// A moment moves along the weights of its block: m_i = Σ_j w_ij m_j and v_i = Σ_j w_ij v_j. The weights
// of v are w and not w², although v is a variance: w² would describe the mean of independent gradients,
// but block i meets the noise of one block at one t_i, whose level the weights interpolate between t_j and
// t_{j+1}. It also keeps constants, and by convexity it bounds (Σ w_ij √v_j)² from above, so that the
// error is a smaller step. Where a row scales the output down, m is zeroed there, because its last
// direction belongs to the block that is still there; v stays, because it is the scale of the gradient
// that these projections are about to see. The count of steps is the largest of the sources. A block that
// is drawn anew starts without a state.
//
// An error says which depths, layouts, policy or operator do not fit; fine is then unchanged. Operators
// that draw blocks need a network to draw them for: a Trainer has one, Prolong refuses them.
func Prolong(op Operator, coarse, fine []*nn.Group, policy string, ratio float64) error {
	if len(coarse) > len(fine) {
		return fmt.Errorf("multilevel: Prolong: from %d to %d blocks: the result has fewer", len(coarse), len(fine))
	}
	return link{op: op, moments: policy, ratio: ratio, alpha: 1}.transfer(coarse, fine)
}

// Restrict computes θ_coarse = R·θ_fine over blocks, and the optimizer's state with it, as Prolong does;
// ratio is h_coarse/h_fine.
func Restrict(op Operator, fine, coarse []*nn.Group, policy string, ratio float64) error {
	if len(coarse) > len(fine) {
		return fmt.Errorf("multilevel: Restrict: from %d to %d blocks: the result has more", len(fine), len(coarse))
	}
	return link{op: op, moments: policy, ratio: ratio, alpha: 1}.transfer(fine, coarse)
}

// ResetState forgets the optimizer's state of the groups.
func ResetState(groups []*nn.Group) {
	for _, g := range groups {
		for _, m := range g.Moments {
			clear(m)
		}
		g.Steps = 0
	}
}

func (l link) transfer(from, to []*nn.Group) error {
	rows, err := l.op.Rows(len(from), len(to))
	if err != nil {
		return err
	}
	if !slices.Contains(momentPolicies, l.moments) {
		return fmt.Errorf("multilevel: moments %q is unknown: use %s", l.moments, strings.Join(momentPolicies, ", "))
	}
	if l.random == nil && slices.ContainsFunc(rows, func(r Row) bool { return r.Random }) {
		return fmt.Errorf("multilevel: %s draws blocks: use it with a Trainer", l.op.Name)
	}
	if err := checkLayouts(l.op, from, to); err != nil {
		return err
	}
	for i, row := range rows {
		switch {
		case row.Random:
			l.random(to[i])
			resizeMoments(to[i], len(from[0].Moments))
			ResetState(to[i : i+1])
		case len(row.Weights) > 0:
			if !l.stateOnly {
				l.theta(row, from, to[i])
			}
			l.state(l.rescaled(row, i), from, to[i])
		}
	}
	return nil
}

func checkLayouts(op Operator, from, to []*nn.Group) error {
	for _, g := range slices.Concat(from, to) {
		if len(g.Theta) != len(from[0].Theta) {
			return fmt.Errorf("multilevel: %s: group %s has %d parameters, group %s has %d: blocks of one layout are needed",
				op.Name, g.Name, len(g.Theta), from[0].Name, len(from[0].Theta))
		}
	}
	for _, g := range from {
		if len(g.Moments) != len(from[0].Moments) {
			return fmt.Errorf("multilevel: %s: group %s has %d moments, group %s has %d: all blocks must have taken their steps with one optimizer",
				op.Name, g.Name, len(g.Moments), from[0].Name, len(from[0].Moments))
		}
	}
	return nil
}

func (l link) theta(row Row, from []*nn.Group, to *nn.Group) {
	for _, e := range to.Entries {
		scale := 1.0
		if e.Output {
			scale = row.Output
		}
		lo, hi := e.Offset, e.Offset+e.Len()
		l.combine(row.Weights, scale, func(j int) []float32 { return from[j].Theta[lo:hi] }, to.Theta[lo:hi])
	}
}

// rescaled returns the row of block i with what RescaleMoments needs, beside the ratio, on grids that are not
// uniform.
func (l link) rescaled(row Row, i int) Row {
	if l.moments != RescaleMoments || l.relativeTo == nil && l.relativeFrom == nil {
		return row
	}
	at := func(relative []float64, i int) float64 {
		if relative == nil {
			return 1
		}
		return relative[i]
	}
	row.ratios = nil
	for _, w := range row.Weights {
		row.ratios = append(row.ratios, at(l.relativeTo, i)/at(l.relativeFrom, w.Block))
	}
	return row
}

func (l link) state(row Row, from []*nn.Group, to *nn.Group) {
	n := len(from[0].Moments)
	if l.moments == KeepMoments && len(to.Moments) == n {
		return
	}
	fresh := len(to.Moments) != n
	resizeMoments(to, n)
	if l.moments == ResetMoments || l.moments == KeepMoments || n == 0 {
		ResetState([]*nn.Group{to})
		return
	}
	if fresh {
		l.alpha = 1 // nothing is there to interpolate with
		to.Steps = 0
	}
	scale, weights := 1.0, slices.Clone(row.Weights)
	for s := range n { // scale = r for m, r² for v
		if l.moments == RescaleMoments {
			scale *= l.ratio
		}
		for i, r := range row.ratios {
			weights[i].Value *= r
		}
		l.combine(weights, scale, func(j int) []float32 { return from[j].Moments[s] }, to.Moments[s])
	}
	if row.Output < 1 {
		silence(to.Entries, to.Moments[0])
	}
	if l.alpha == 1 {
		to.Steps = 0
	}
	for _, w := range row.Weights {
		to.Steps = max(to.Steps, from[w.Block].Steps)
	}
}

// resizeMoments gives the group n moments, of which those that it had hold what they held.
func resizeMoments(g *nn.Group, n int) {
	for len(g.Moments) < n {
		g.Moments = append(g.Moments, make([]float32, len(g.Theta)))
	}
	g.Moments = g.Moments[:n]
}

// combine computes y = (1−α)·y + α·scale·Σ w·x_j in float64, rounded once: a copy is exact, and so is a
// mean of equal numbers.
func (l link) combine(weights []Weight, scale float64, x func(block int) []float32, y []float32) {
	if l.alpha == 1 {
		if scale == 0 {
			clear(y)
			return
		}
		if len(weights) == 1 && weights[0].Value*scale == 1 {
			copy(y, x(weights[0].Block))
			return
		}
	}
	t := &combineTask{link: l, weights: weights, scale: scale, y: y}
	for _, w := range weights {
		t.x = append(t.x, x(w.Block)[:len(y)])
	}
	kernels.Parallel(len(y), combineGrain, t)
}

// combineTask computes the combination on ranges of elements.
type combineTask struct {
	link    link
	weights []Weight
	scale   float64
	x       [][]float32 // by weight
	y       []float32
}

const (
	combineGrain = 1 << 14
	combineBlock = 256 // whose sums stay in the first cache
)

func (t *combineTask) Run(_, lo, hi int) {
	var block [combineBlock]float64
	for ; lo < hi; lo += combineBlock {
		y := t.y[lo:min(lo+combineBlock, hi)]
		sums := block[:len(y)]
		clear(sums)
		for j, w := range t.weights {
			for i, v := range t.x[j][lo : lo+len(y)] {
				sums[i] += float64(w.Value * float64(v)) // the conversion forbids fusing, so every machine agrees
			}
		}
		for i, sum := range sums {
			sum *= t.scale
			if alpha := t.link.alpha; alpha != 1 {
				sum = float64((1-alpha)*float64(y[i])) + float64(alpha*sum)
			}
			y[i] = float32(sum)
		}
	}
}

// silence zeroes the entries that write to the residual stream.
func silence(entries []nn.Entry, x []float32) {
	for _, e := range entries {
		if e.Output {
			clear(x[e.Offset : e.Offset+e.Len()])
		}
	}
}
