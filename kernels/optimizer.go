package kernels

import (
	"fmt"
	"math"
)

// AdamWStep holds the numbers of one step of AdamW. LR is the learning rate, WeightDecay is multiplied
// by it, gradients are multiplied by GradScale first, and Step counts from 1.
type AdamWStep struct {
	LR, Beta1, Beta2, Eps, WeightDecay, GradScale float32
	Step                                          int
}

// AdamW takes one step: with ĝ = GradScale*g and t = Step,
//
//	m = β₁*m + (1−β₁)*ĝ
//	v = β₂*v + (1−β₂)*ĝ²
//	w = (1 − LR*WeightDecay)*w − LR/(1−β₁ᵗ) * m / (√(v/(1−β₂ᵗ)) + Eps)
//
// The factors of the step are computed in float64. With the unit u = 2⁻²⁴ and M = |β₁*m| + |(1−β₁)*ĝ|,
// m is off by at most 4u·M, v by 5u·v, and w by 4u·|(1 − LR*WeightDecay)*w| and 12u times the update that
// M would make. It panics if the lengths differ or Step is less than 1.
//
// Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv:1711.05101, algorithm 2
// with the schedule multiplier in LR, as in PyTorch.
func AdamW(p AdamWStep, g, w, m, v []float32) {
	f := p.factors("AdamW", g, w, m, v)
	for lo := 0; lo < len(g); lo += block {
		hi := min(lo+block, len(g))
		active.adamw(p.GradScale, p.Beta1, f.rest1, p.Beta2, f.rest2, f.step, f.c2, p.Eps, f.decay, g[lo:hi], w[lo:hi], m[lo:hi], v[lo:hi])
	}
}

// AdamWBFloat16 is AdamW, and half = w, rounded as ToBFloat16 does, while w is at hand: a pass over weights that
// products of bfloat16 read next. No slice may overlap half. It panics where AdamW does, and if half has another
// length.
func AdamWBFloat16(p AdamWStep, g, w, m, v []float32, half []BFloat16) {
	f := p.factors("AdamWBFloat16", g, w, m, v)
	if len(g) != len(half) {
		panic(fmt.Sprintf("kernels: AdamWBFloat16: len(g) = %d, len(half) = %d", len(g), len(half)))
	}
	for lo := 0; lo < len(g); lo += block {
		hi := min(lo+block, len(g))
		active.adamw16(p.GradScale, p.Beta1, f.rest1, p.Beta2, f.rest2, f.step, f.c2, p.Eps, f.decay, g[lo:hi], w[lo:hi], m[lo:hi], v[lo:hi], half[lo:hi])
	}
}

// adamWFactors are those of a step that do not depend on the element, computed in float64: 1−β₁, 1−β₂,
// LR/(1−β₁ᵗ), 1/√(1−β₂ᵗ) and 1 − LR*WeightDecay.
type adamWFactors struct{ rest1, rest2, step, c2, decay float32 }

// factors checks the arguments.
func (p AdamWStep) factors(function string, g, w, m, v []float32) adamWFactors {
	if len(g) != len(w) || len(g) != len(m) || len(g) != len(v) {
		panic(fmt.Sprintf("kernels: %s: len(g) = %d, len(w) = %d, len(m) = %d, len(v) = %d", function, len(g), len(w), len(m), len(v)))
	}
	if p.Step < 1 {
		panic(fmt.Sprintf("kernels: %s: Step = %d", function, p.Step))
	}
	beta1, beta2 := float64(p.Beta1), float64(p.Beta2)
	return adamWFactors{
		rest1: float32(1 - beta1),
		rest2: float32(1 - beta2),
		step:  float32(float64(p.LR) / (1 - math.Pow(beta1, float64(p.Step)))),
		c2:    float32(1 / math.Sqrt(1-math.Pow(beta2, float64(p.Step)))),
		decay: float32(1 - float64(float64(p.LR)*float64(p.WeightDecay))),
	}
}

// SGDStep holds the numbers of one step of SGD with momentum. WeightDecay is the coefficient of the L2
// penalty; gradients are multiplied by GradScale first.
type SGDStep struct {
	LR, Momentum, WeightDecay, GradScale float32
}

// SGD takes one step: ĝ = GradScale*g + WeightDecay*w, m = Momentum*m + ĝ, w −= LR*m. m is off by at
// most 4·2⁻²⁴ times the sum of the sizes of its terms. It panics if the lengths differ.
//
// Source: Sutskever, Martens, Dahl and Hinton, On the importance of initialization and momentum in deep
// learning, ICML 2013, in the form of PyTorch, where the learning rate is not inside m.
func SGD(p SGDStep, g, w, m []float32) {
	if len(g) != len(w) || len(g) != len(m) {
		panic(fmt.Sprintf("kernels: SGD: len(g) = %d, len(w) = %d, len(m) = %d", len(g), len(w), len(m)))
	}
	for lo := 0; lo < len(g); lo += block {
		hi := min(lo+block, len(g))
		active.sgd(p.GradScale, p.WeightDecay, p.Momentum, p.LR, g[lo:hi], w[lo:hi], m[lo:hi])
	}
}
