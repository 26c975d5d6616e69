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
	// rows returns a row per block of the result.
	rows    func(from, to int) []Row
	partial bool // some rows keep the block that is there
	// anyDepth says that neither depth has to divide the other.
	anyDepth bool
}

// Row is one block of the result. Without weights it is the block that is there already, unless it is
// Random.
type Row struct {
	Weights []Weight
	// Output scales the entries that write to the residual stream, which is scaling the block's step size:
	// 1 leaves them, at 0 the block is the identity, F = 0, and a value between is a step that grows (see
	// Grow).
	Output float64
	Random bool // the block is drawn anew, and has no optimizer state

	ratios []float64 // by weight, of step sizes beside that of the levels; nil: all 1
}

// Weight is the share of one source block.
type Weight struct {
	Block int
	Value float64
}

// Names of the prolongations.
const (
	Identity   = "identity"
	Grow       = "grow"
	Interleave = "interleave"
	Stack      = "stack"
	Linear     = "linear"
	Middle     = "middle"
	Random     = "random"
)

// Names of the restrictions.
const (
	Injection    = "injection"
	Odd          = "odd"
	Even         = "even"
	Average      = "average"
	AverageStack = "average-stack"
)

// growSteps is the number of steps over which the blocks that Grow adds come to their full step size.
const growSteps = 50

var prolongations = []Operator{
	{Name: Identity, rows: inserted(Row{Output: 0})}, {Name: Grow, rows: inserted(Row{Output: 1.0 / growSteps})},
	{Name: Interleave, rows: interleave}, {Name: Stack, rows: stack}, {Name: Linear, rows: linear},
	{Name: Middle, rows: middle, anyDepth: true}, {Name: Random, rows: inserted(Row{Output: 1, Random: true})},
}

var restrictions = []Operator{
	{Name: Injection, rows: extract(first)}, {Name: Odd, rows: extract(first)}, {Name: Even, rows: extract(last)},
	{Name: Average, rows: adjoint(interleave)}, {Name: AverageStack, rows: adjoint(stack)},
}

// Prolongation returns the operator of that name:
//
//   - identity: coarse block j goes to fine position j·k; the k−1 blocks after it are copies with a zero
//     output, so that at the same step size the refined network computes the same function. Shen et al.,
//     Staged Training for Transformer Language Models, arXiv:2203.06211.
//   - grow: the same with copies whose step size grows from 0 to h over 50 steps: the trainer multiplies
//     the entries that write to the residual stream, which is the same.
//   - interleave: fine block i is coarse block ⌊i/k⌋, piecewise constant in t. Chang et al., Multi-level
//     Residual Networks from Dynamical Systems View, ICLR 2018.
//   - stack: fine block i is coarse block i mod N_coarse. Gong et al., StackBERT, ICML 2019; Du et al.,
//     Stacking Your Transformers (G_stack), NeurIPS 2024, arXiv:2405.15319.
//   - linear: linear interpolation between the midpoints (j+½)/N_coarse of the coarse blocks, evaluated at
//     the midpoints of the fine ones, constant beyond the first and the last. Haber and Ruthotto, Stable
//     Architectures for Deep Neural Networks, arXiv:1705.03341.
//   - middle: the blocks in the middle, as many as are to be added, are there twice, one run of them after
//     the other; again until there are enough, if more than all are to be added. The depths need not
//     divide each other. Saunshi et al., On the Inductive Bias of Stacking Towards Improving Reasoning
//     (MIDAS), NeurIPS 2024, arXiv:2409.19044.
//   - random: as identity, but the added blocks are drawn as those of a new network. Bu, Deep Progressive
//     Training: Scaling up Depth Capacity of Zero/One-layer Models, arXiv:2511.04981.
func Prolongation(name string) (Operator, error) { return lookup("prolong", prolongations, name) }

// Prolongations returns the names that Prolongation knows.
func Prolongations() []string { return names(prolongations) }

// Restriction returns the operator of that name:
//
//   - injection and odd: coarse block j is fine block j·k, the first of the k that it stands for: for
//     k = 2 the odd blocks, counted from 1. A left inverse of interleave and identity.
//   - even: coarse block j is the last of its k fine blocks. Odd and even are the two coarse networks of
//     Lauga et al., A Multilevel Approach to Accelerate the Training of Transformers, arXiv:2504.18590.
//   - average: the mean of the k neighbours, R = Pᵀ/k with P = interleave. Zou et al., A Multi-Level
//     Framework for Accelerating Training Transformer Models, ICLR 2024.
//   - average-stack: the mean of the blocks that stack would copy from one, (i, i+N/2) for k = 2: R = Pᵀ/k
//     with P = stack.
func Restriction(name string) (Operator, error) { return lookup("restrict", restrictions, name) }

// Restrictions returns the names that Restriction knows.
func Restrictions() []string { return names(restrictions) }

// WriteBack returns the adjoint of an extraction, P = Rᵀ: coarse block j goes to where the restriction
// takes it from, and the other fine blocks stay as they are. For an average it is the prolongation that
// it averages over.
func WriteBack(restrict Operator) Operator {
	return Operator{Name: "write-back of " + restrict.Name, partial: true, rows: func(coarse, fine int) []Row {
		back := make([]Row, fine)
		for i := range back {
			back[i].Output = 1
		}
		for j, r := range restrict.rows(fine, coarse) {
			for _, w := range r.Weights {
				back[w.Block].Weights = []Weight{{j, 1}}
			}
		}
		return back
	}}
}

// Rows returns the rows of the operator between the two depths, or an error if neither divides the other
// and the operator needs that.
func (op Operator) Rows(from, to int) ([]Row, error) {
	if from < 1 || to < 1 || !op.anyDepth && max(from, to)%min(from, to) != 0 {
		return nil, fmt.Errorf("multilevel: %s from %d to %d blocks: one depth must divide the other", op.Name, from, to)
	}
	return op.rows(from, to), nil
}

// transpose returns the columns of rows as rows of a map to so many blocks: Pᵀ, which takes gradients
// from the fine network to the coarse one, ∇(f∘P) = Pᵀ∇f.
func transpose(rows []Row, from int) []Row {
	t := make([]Row, from)
	for i := range t {
		t[i].Output = 1
	}
	for i, r := range rows {
		for _, w := range r.Weights {
			t[w.Block].Weights = append(t[w.Block].Weights, Weight{i, w.Value})
		}
	}
	return t
}

// inserted keeps coarse block j at position j·k; the k−1 after it are copies, changed as added says.
func inserted(added Row) func(coarse, fine int) []Row {
	return func(coarse, fine int) []Row {
		rows := interleave(coarse, fine)
		for i := range rows {
			if i%(fine/coarse) == 0 {
				continue
			}
			if rows[i].Output, rows[i].Random = added.Output, added.Random; added.Random {
				rows[i].Weights = nil
			}
		}
		return rows
	}
}

func interleave(coarse, fine int) []Row {
	return copies(fine, func(i int) int { return i / (fine / coarse) })
}

func stack(coarse, fine int) []Row {
	return copies(fine, func(i int) int { return i % coarse })
}

func middle(coarse, fine int) []Row {
	source := make([]int, coarse) // the coarse block of each
	for i := range source {
		source[i] = i
	}
	for len(source) < fine {
		n := min(len(source), fine-len(source))
		lo := (len(source) - n + 1) / 2
		source = slices.Insert(source, lo+n, slices.Clone(source[lo:lo+n])...)
	}
	return copies(fine, func(i int) int { return source[i] })
}

func first(int) int  { return 0 }
func last(k int) int { return k - 1 }

// extract takes one of the k fine blocks that each coarse one stands for.
func extract(which func(k int) int) func(fine, coarse int) []Row {
	return func(fine, coarse int) []Row {
		k := fine / coarse
		return copies(coarse, func(i int) int { return i*k + which(k) })
	}
}

func linear(coarse, fine int) []Row {
	rows := make([]Row, fine)
	for i := range rows {
		u := (float64(i)+0.5)*float64(coarse)/float64(fine) - 0.5 // in coarse blocks, 0 at the first midpoint
		u = min(max(u, 0), float64(coarse-1))
		j := int(math.Floor(u))
		w := u - float64(j)
		rows[i] = Row{Weights: []Weight{{j, 1 - w}}, Output: 1}
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
		rows := transpose(p(coarse, fine), coarse)
		scale := float64(coarse) / float64(fine)
		for _, r := range rows {
			for i := range r.Weights {
				r.Weights[i].Value *= scale
			}
		}
		return rows
	}
}

func copies(n int, source func(i int) int) []Row {
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = Row{Weights: []Weight{{source(i), 1}}, Output: 1}
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
