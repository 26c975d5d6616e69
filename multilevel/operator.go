package multilevel

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Operator is a linear map between depths: block i of the result is Σ_j w_ij θ_j over the blocks j of
// the source. A prolongation maps few blocks to many, a restriction many to few; both are rows of
// weights, so an adjoint is a transpose.
type Operator struct {
	Name string
	// rows returns a row per block of the result; the smaller of from and to divides the larger.
	rows func(from, to int) []Row
}

// Row is one block of the result.
type Row struct {
	Weights []Weight
	Silent  bool // the entries that write to the residual stream are set to 0 afterwards: F = 0
}

// Weight is the share of one source block.
type Weight struct {
	Block int
	Value float64
}

// Names of the prolongations.
const (
	Identity   = "identity"
	Interleave = "interleave"
	Stack      = "stack"
	Linear     = "linear"
)

// Names of the restrictions.
const (
	Injection    = "injection"
	Average      = "average"
	AverageStack = "average-stack"
)

var prolongations = []Operator{
	{Identity, identity}, {Interleave, interleave}, {Stack, stack}, {Linear, linear},
}

var restrictions = []Operator{
	{Injection, injection}, {Average, adjoint(interleave)}, {AverageStack, adjoint(stack)},
}

// Prolongation returns the operator of that name:
//
//   - identity: coarse block j goes to fine position j·k; the k−1 blocks after it are copies with a zero
//     output, so that at the same step size the refined network computes the same function. Shen et al.,
//     Staged Training for Transformer Language Models, arXiv:2203.06211.
//   - interleave: fine block i is coarse block ⌊i/k⌋, piecewise constant in t. Chang et al., Multi-level
//     Residual Networks from Dynamical Systems View, ICLR 2018.
//   - stack: fine block i is coarse block i mod N_coarse. Gong et al., StackBERT, ICML 2019; Du et al.,
//     Stacking Your Transformers (G_stack), NeurIPS 2024, arXiv:2405.15319.
//   - linear: linear interpolation between the midpoints (j+½)/N_coarse of the coarse blocks, evaluated at
//     the midpoints of the fine ones, constant beyond the first and the last. Haber and Ruthotto, Stable
//     Architectures for Deep Neural Networks, arXiv:1705.03341.
func Prolongation(name string) (Operator, error) { return lookup("prolong", prolongations, name) }

// Prolongations returns the names that Prolongation knows.
func Prolongations() []string { return names(prolongations) }

// Restriction returns the operator of that name:
//
//   - injection: coarse block j is fine block j·k, a left inverse of interleave and identity.
//   - average: the mean of the k neighbours, R = Pᵀ/k with P = interleave. Zou et al., A Multi-Level
//     Framework for Accelerating Training Transformer Models, ICLR 2024.
//   - average-stack: the mean of the blocks that stack would copy from one, R = Pᵀ/k with P = stack.
func Restriction(name string) (Operator, error) { return lookup("restrict", restrictions, name) }

// Restrictions returns the names that Restriction knows.
func Restrictions() []string { return names(restrictions) }

// Rows returns the rows of the operator between the two depths, or an error if neither divides the other.
func (op Operator) Rows(from, to int) ([]Row, error) {
	if from < 1 || to < 1 || max(from, to)%min(from, to) != 0 {
		return nil, fmt.Errorf("multilevel: %s from %d to %d blocks: one depth must divide the other", op.Name, from, to)
	}
	return op.rows(from, to), nil
}

func identity(coarse, fine int) []Row {
	rows := interleave(coarse, fine)
	for i := range rows {
		rows[i].Silent = i%(fine/coarse) != 0
	}
	return rows
}

func interleave(coarse, fine int) []Row {
	return copies(fine, func(i int) int { return i / (fine / coarse) })
}

func stack(coarse, fine int) []Row {
	return copies(fine, func(i int) int { return i % coarse })
}

func injection(fine, coarse int) []Row {
	return copies(coarse, func(i int) int { return i * (fine / coarse) })
}

func linear(coarse, fine int) []Row {
	rows := make([]Row, fine)
	for i := range rows {
		u := (float64(i)+0.5)*float64(coarse)/float64(fine) - 0.5 // in coarse blocks, 0 at the first midpoint
		u = min(max(u, 0), float64(coarse-1))
		j := int(math.Floor(u))
		w := u - float64(j)
		rows[i].Weights = []Weight{{j, 1 - w}}
		if w > 0 {
			rows[i].Weights = append(rows[i].Weights, Weight{j + 1, w})
		}
	}
	return rows
}

// adjoint returns R = Pᵀ/k for a prolongation P, k = N_fine/N_coarse: the weights of a row of R add up
// to 1 where P keeps constants and uses all coarse blocks alike.
func adjoint(p func(coarse, fine int) []Row) func(fine, coarse int) []Row {
	return func(fine, coarse int) []Row {
		rows := make([]Row, coarse)
		scale := float64(coarse) / float64(fine)
		for i, r := range p(coarse, fine) {
			for _, w := range r.Weights {
				rows[w.Block].Weights = append(rows[w.Block].Weights, Weight{i, w.Value * scale})
			}
		}
		return rows
	}
}

func copies(n int, source func(i int) int) []Row {
	rows := make([]Row, n)
	for i := range rows {
		rows[i].Weights = []Weight{{source(i), 1}}
	}
	return rows
}

func lookup(what string, ops []Operator, name string) (Operator, error) {
	i := slices.IndexFunc(ops, func(op Operator) bool { return op.Name == name })
	if i < 0 {
		return Operator{}, fmt.Errorf("%s %q is unknown: use %s", what, name, strings.Join(names(ops), ", "))
	}
	return ops[i], nil
}

func names(ops []Operator) []string {
	n := make([]string, len(ops))
	for i, op := range ops {
		n[i] = op.Name
	}
	return n
}
