package nn

import "github.com/vcycle-go/vcycle/tensor"

// block is the layers of one Transformer block, views of a Group.
type block struct {
	norm1     LayerNorm
	attention Attention
	norm2     LayerNorm
	mlp       MLP
	stages    stageWeights
}

// linears returns the layers that have the matrices.
func (b *block) linears() [4]*Linear {
	return [4]*Linear{&b.attention.QKV, &b.attention.Proj, &b.mlp.In, &b.mlp.Out}
}

// The entries of a block's Group, in order: matrices first. Names are GPT-2's.
const (
	entryQKV = iota
	entryProj
	entryIn
	entryOut
	entryGamma1
	entryBeta1
	entryQKVBias
	entryProjBias
	entryGamma2
	entryBeta2
	entryInBias
	entryOutBias
	entryStages                     // of the methods that weigh their stages by parameters: γ,
	entryGate     = entryStages     // or the gate's w
	entryGateBias = entryStages + 1 // and b
)

// blockEntries returns the entries of a block.
func (cfg Config) blockEntries() []Entry {
	c, m := cfg.Width, cfg.method()
	matrix, vector := []Axis{AxisReads, AxisWrites}, []Axis{AxisWrites}
	entries := []Entry{
		entryQKV:      {Name: "attn.c_attn.weight", Shape: []int{c, 3 * c}, Axes: matrix, Parts: 3},
		entryProj:     {Name: "attn.c_proj.weight", Shape: []int{c, c}, Axes: matrix, Output: true},
		entryIn:       {Name: "mlp.c_fc.weight", Shape: []int{c, mlpRatio * c}, Axes: matrix},
		entryOut:      {Name: "mlp.c_proj.weight", Shape: []int{mlpRatio * c, c}, Axes: matrix, Output: true},
		entryGamma1:   {Name: "ln_1.weight", Shape: []int{c}, Axes: vector},
		entryBeta1:    {Name: "ln_1.bias", Shape: []int{c}, Axes: vector},
		entryQKVBias:  {Name: "attn.c_attn.bias", Shape: []int{3 * c}, Axes: vector, Parts: 3},
		entryProjBias: {Name: "attn.c_proj.bias", Shape: []int{c}, Axes: vector, Output: true},
		entryGamma2:   {Name: "ln_2.weight", Shape: []int{c}, Axes: vector},
		entryBeta2:    {Name: "ln_2.bias", Shape: []int{c}, Axes: vector},
		entryInBias:   {Name: "mlp.c_fc.bias", Shape: []int{mlpRatio * c}, Axes: vector},
		entryOutBias:  {Name: "mlp.c_proj.bias", Shape: []int{c}, Axes: vector, Output: true},
	}
	switch fixed := []Axis{AxisFixed}; m.weights {
	case learned:
		entries = append(entries, Entry{Name: "stages.weight", Shape: []int{len(m.tableau.B)}, Axes: fixed})
	case gated:
		entries = append(entries, Entry{Name: "stages.gate.weight", Shape: []int{2 * c}, Axes: []Axis{AxisReads}, Parts: 2},
			Entry{Name: "stages.gate.bias", Shape: []int{1}, Axes: fixed})
	}
	return entries
}

// newBlock returns the layers whose parameters are g.
func newBlock(g *Group, cfg Config) block {
	linear := func(weight, bias int) (l Linear) {
		l.Weight, l.GradWeight = g.tensors(weight)
		l.Bias, l.GradBias = g.tensors(bias)
		return l
	}
	return block{
		norm1:     newLayerNorm(g, entryGamma1, entryBeta1),
		attention: Attention{cfg.Heads, linear(entryQKV, entryQKVBias), linear(entryProj, entryProjBias)},
		norm2:     newLayerNorm(g, entryGamma2, entryBeta2),
		mlp:       MLP{linear(entryIn, entryInBias), linear(entryOut, entryOutBias)},
		stages:    newStageWeights(g, cfg.method().weights),
	}
}

func newLayerNorm(g *Group, gamma, beta int) (l LayerNorm) {
	l.Gamma, l.GradGamma = g.tensors(gamma)
	l.Beta, l.GradBeta = g.tensors(beta)
	return l
}

// activations are what the backward pass of one evaluation of F needs, beside its argument x.
// B·T rows each. Where products are of bfloat16, the tensors of the operands are memory that all
// evaluations share: only the rounded ones are kept.
type activations struct {
	z1     Operand // [C] LN x; then its gradient
	heads  Attended
	u      tensor.Tensor // [C] x + SA(LN x); without elements in the split methods, where it is a state
	z2     Operand       // [C] LN u; then its gradient
	hidden tensor.Tensor // [4C] of the perceptron, before the GELU
	act    Operand       // [4C] after it; then the gradient of hidden
	norm1  NormStats
	norm2  NormStats
}
