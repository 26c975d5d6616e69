package multilevel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vcycle-go/vcycle/nn"
)

// What happens to the optimizer's moments m ≈ E[g] and v ≈ E[g²] at a change of level.
const (
	CarryMoments   = "carry"   // m and v move with the parameters
	RescaleMoments = "rescale" // m·r and v·r², r = h_new/h_old: a block's gradient is proportional to its step size
	ResetMoments   = "reset"   // m = v = 0 and the count of steps (bias correction) starts again
)

var momentPolicies = []string{CarryMoments, RescaleMoments, ResetMoments}

// Prolong computes θ_fine = P·θ_coarse over blocks, and the optimizer's state with it. ratio is
// h_fine/h_coarse, which RescaleMoments needs. The groups of fine are overwritten, and have as many moments
// afterwards as those of coarse; they share no memory with coarse, and all groups have one layout.
//
// A moment moves along the weights of its block: m_i = Σ_j w_ij m_j and v_i = Σ_j w_ij v_j. The weights
// of v are w and not w², although v is a variance: w² would describe the mean of independent gradients,
// but block i meets the noise of one block at one t_i, whose level the weights interpolate between t_j and
// t_{j+1}. It also keeps constants, and by convexity it bounds (Σ w_ij √v_j)² from above, so that the
// error is a smaller step. Where a row is silent, m is zeroed with the parameters, because their last
// direction belongs to the block that is still there; v stays, because it is the scale of the gradient
// that the zeroed projections are about to see. The count of steps is the largest of the sources.
//
// An error says which depths, layouts or policy do not fit; fine is then unchanged.
func Prolong(op Operator, coarse, fine []*nn.Group, policy string, ratio float64) error {
	if len(coarse) > len(fine) {
		return fmt.Errorf("multilevel: Prolong: from %d to %d blocks: the result has fewer", len(coarse), len(fine))
	}
	return transfer(op, coarse, fine, policy, ratio)
}

// Restrict computes θ_coarse = R·θ_fine over blocks, and the optimizer's state with it, as Prolong does;
// ratio is h_coarse/h_fine.
func Restrict(op Operator, fine, coarse []*nn.Group, policy string, ratio float64) error {
	if len(coarse) > len(fine) {
		return fmt.Errorf("multilevel: Restrict: from %d to %d blocks: the result has more", len(fine), len(coarse))
	}
	return transfer(op, fine, coarse, policy, ratio)
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

func transfer(op Operator, from, to []*nn.Group, policy string, ratio float64) error {
	rows, err := op.Rows(len(from), len(to))
	if err != nil {
		return err
	}
	if !slices.Contains(momentPolicies, policy) {
		return fmt.Errorf("multilevel: moments %q is unknown: use %s", policy, strings.Join(momentPolicies, ", "))
	}
	if err := checkLayouts(op, from, to); err != nil {
		return err
	}
	for i, row := range rows {
		transferTheta(row, from, to[i])
		transferMoments(row, from, to[i], policy, ratio)
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

func transferTheta(row Row, from []*nn.Group, to *nn.Group) {
	combine(row.Weights, 1, func(j int) []float32 { return from[j].Theta }, to.Theta)
	if row.Silent {
		silence(to.Entries, to.Theta)
	}
}

func transferMoments(row Row, from []*nn.Group, to *nn.Group, policy string, ratio float64) {
	n := len(from[0].Moments)
	for len(to.Moments) < n {
		to.Moments = append(to.Moments, make([]float32, len(to.Theta)))
	}
	to.Moments = to.Moments[:n]
	to.Steps = 0
	if policy == ResetMoments || n == 0 {
		ResetState([]*nn.Group{to})
		return
	}
	scale := 1.0
	for s := range n { // scale = r for m, r² for v
		if policy == RescaleMoments {
			scale *= ratio
		}
		combine(row.Weights, scale, func(j int) []float32 { return from[j].Moments[s] }, to.Moments[s])
	}
	if row.Silent {
		silence(to.Entries, to.Moments[0])
	}
	for _, w := range row.Weights {
		to.Steps = max(to.Steps, from[w.Block].Steps)
	}
}

// combine computes y = scale·Σ w·x_j in float64, rounded once: a copy is exact, and so is a mean of
// equal numbers.
func combine(weights []Weight, scale float64, x func(block int) []float32, y []float32) {
	if len(weights) == 1 && weights[0].Value*scale == 1 {
		copy(y, x(weights[0].Block))
		return
	}
	for i := range y {
		var sum float64
		for _, w := range weights {
			sum += float64(w.Value * float64(x(w.Block)[i])) // the conversion forbids fusing, so every machine agrees
		}
		y[i] = float32(scale * sum)
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
