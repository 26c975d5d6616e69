package nn

import (
	"fmt"
	"math"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/odeint"
)

// Diagnosis is what a step has computed that is out of order.
type Diagnosis struct {
	// First is the first tensor, in the order in which a step computes them, that is not finite; nil: all are.
	First *Finding
	// Activation and Gradient have the largest root mean square of the activations, and the largest norm of the
	// gradients, among those before First.
	Activation, Gradient Finding
}

// Finding is a tensor of a step.
type Finding struct {
	// Kind is parameter, activation or gradient.
	Kind string
	// Tensor is the name of a parameter, as in h.3.mlp.c_fc.weight, or of the module whose output an activation
	// is: wte, h.3.ln_1, h.3.attn.c_attn (queries, keys, values), h.3.attn (the heads, before their projection),
	// h.3.attn.residual (the stream after it), h.3.ln_2, h.3.mlp.c_fc, h.3.mlp.gelu, h.3 (the stream after the
	// block), ln_f, cross-entropy. Methods of several stages have the number of the stage behind the block:
	// h.3.stage.1.mlp.gelu.
	Tensor string
	Index  int     // of the first element that is not finite
	Value  float32 // that one
	Norm   float64 // root mean square of an activation, Euclidean norm of a gradient
}

// String returns "the activation h.3.mlp.c_fc (NaN at 17)" or "the gradient wte.weight (norm 1.5e+12)".
func (f Finding) String() string {
	if !finite(f.Value) {
		return fmt.Sprintf("the %s %s (%v at %d)", f.Kind, f.Tensor, f.Value, f.Index)
	}
	what := "norm"
	if f.Kind == "activation" {
		what = "root mean square"
	}
	return fmt.Sprintf("the %s %s (%s %.3g)", f.Kind, f.Tensor, what, f.Norm)
}

func finite(v float32) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }

// Diagnose looks at what the Step on a part of a batch, as for Accumulate, computes: the parameters, the activations
// one after the other, the losses, and backwards the gradients, block by block from the last. It sets the
// gradients to those of the part. It takes the time of some steps, and panics where Accumulate does.
func (d *Decoder) Diagnose(tokens, targets []int32, batch, window int) Diagnosis {
	var r Diagnosis
	for _, g := range d.groups {
		for _, e := range g.Entries {
			r.see("parameter", parameterName(g, e), g.Theta[e.Offset:e.Offset+e.Len()])
		}
	}
	if r.First == nil {
		d.diagnoseForward(&r, tokens, targets, batch)
	}
	if r.First == nil {
		d.ZeroGrad()
		d.accumulate("Diagnose", 0, tokens, targets, batch, window)
		d.diagnoseGradients(&r)
	}
	return r
}

const crossEntropy = "cross-entropy"

// see takes in the next tensor.
func (r *Diagnosis) see(kind, name string, x []float32) {
	if r.First != nil {
		return
	}
	var sum float64
	for i, v := range x {
		if !finite(v) {
			r.First = &Finding{Kind: kind, Tensor: name, Index: i, Value: v}
			return
		}
		sum += float64(float64(v) * float64(v))
	}
	switch {
	case name == crossEntropy: // the largest wherever the loss is large
	case kind == "activation":
		if rms := math.Sqrt(sum / float64(max(1, len(x)))); rms > r.Activation.Norm {
			r.Activation = Finding{Kind: kind, Tensor: name, Norm: rms}
		}
	case kind == "gradient":
		if norm := math.Sqrt(sum); norm > r.Gradient.Norm {
			r.Gradient = Finding{Kind: kind, Tensor: name, Norm: norm}
		}
	}
}

func (r *Diagnosis) operand(name string, x Operand) {
	if x.Half == nil {
		r.see("activation", name, x.Data())
		return
	}
	wide := make([]float32, len(x.Half))
	kernels.FromBFloat16(x.Half, wide)
	r.see("activation", name, wide)
}

func parameterName(g *Group, e Entry) string {
	if g.Name == "embed" {
		return e.Name
	}
	return g.Name + "." + e.Name
}

// diagnoseForward computes all activations, and looks at each before the next is.
func (d *Decoder) diagnoseForward(r *Diagnosis, tokens, targets []int32, batch int) {
	if n := batch * d.cfg.Context; batch < 1 || len(tokens) != n || len(targets) != n {
		panic(fmt.Sprintf("nn: Diagnose: %d tokens and %d targets for a batch of %d and a context of %d", len(tokens), len(targets), batch, d.cfg.Context))
	}
	d.layout(len(tokens), d.cfg.Context, true)
	f, m := &d.field, &d.memory
	f.watch = func(p odeint.Point, x []float32, a *activations, attention, perceptron bool) {
		name := fmt.Sprintf("h.%d", p.Step)
		if f.stages > 1 {
			name = fmt.Sprintf("%s.stage.%d", name, p.Stage)
		}
		switch {
		case !attention:
			r.see("activation", name+".attn.residual", x)
		case p.Stage > 0:
			r.see("activation", name, x)
		case p.Step > 0:
			r.see("activation", fmt.Sprintf("h.%d", p.Step-1), x)
		default:
			r.see("activation", "wte", x)
		}
		if attention {
			r.operand(name+".ln_1", a.z1)
			r.operand(name+".attn.c_attn", a.heads.QKV)
			r.operand(name+".attn", a.heads.Out)
		}
		if attention && perceptron {
			r.see("activation", name+".attn.residual", a.u.Data())
		}
		if perceptron {
			r.operand(name+".ln_2", a.z2)
			r.see("activation", name+".mlp.c_fc", a.hidden.Data())
			r.operand(name+".mlp.gelu", a.act)
		}
	}
	defer func() { f.watch = nil }()
	d.integrate(tokens)
	r.see("activation", fmt.Sprintf("h.%d", d.cfg.Blocks-1), m.final())
	d.norm.Forward(&f.work, f.state(m.final()), m.z, m.norm)
	r.operand("ln_f", m.z)
	d.head.Loss(&f.work, m.z, targets, m.losses, m.logits)
	r.see("activation", crossEntropy, m.losses)
}

// backwardOrder is that in which the gradients of a block are computed, after those of its stages' weights.
var backwardOrder = []int{entryOutBias, entryOut, entryInBias, entryIn, entryGamma2, entryBeta2,
	entryProjBias, entryProj, entryQKVBias, entryQKV, entryGamma1, entryBeta1}

// diagnoseGradients looks at the gradients in the order in which the backward pass ends them: those of the token
// embedding, to which the head adds first, are last.
func (d *Decoder) diagnoseGradients(r *Diagnosis) {
	see := func(g *Group, i int) {
		e := g.Entries[i]
		r.see("gradient", parameterName(g, e), g.Grad[e.Offset:e.Offset+e.Len()])
	}
	embed := d.groups[0]
	see(embed, entryGammaF)
	see(embed, entryBetaF)
	for i := len(d.groups) - 1; i > 0; i-- {
		for e := len(backwardOrder); e < len(d.groups[i].Entries); e++ {
			see(d.groups[i], e)
		}
		for _, e := range backwardOrder {
			see(d.groups[i], e)
		}
	}
	see(embed, entryToken)
	see(embed, entryPosition)
}
