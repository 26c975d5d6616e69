package nn

import (
	"math"
	"sync"

	"github.com/vcycle-go/vcycle/internal/hugepage"
	"github.com/vcycle-go/vcycle/kernels"
)

// Optimizer takes steps along the gradients of groups.
type Optimizer interface {
	Name() string
	Moments() int // vectors that it keeps for each group
	// Step updates Theta, Moments and Steps of each group. Gradients are multiplied by gradScale first,
	// and not changed. Groups without moments get zeroed ones.
	Step(groups []*Group, lr, gradScale float64)
}

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter, 2019), on matrices only.
type AdamW struct {
	Beta1, Beta2, Eps, WeightDecay float64
	spans                          []span
	halves                         [][]kernels.BFloat16 // by span: where its first elements go rounded
	step                           kernels.AdamWStep
}

// Name returns adamw.
func (o *AdamW) Name() string { return "adamw" }

// Moments returns 2: means of the gradient and of its square.
func (o *AdamW) Moments() int { return 2 }

// Step takes one step; see kernels.AdamW.
func (o *AdamW) Step(groups []*Group, lr, gradScale float64) {
	o.stepRounding(groups, nil, lr, gradScale)
}

// stepRounding is Step, which rounds the first elements of each group to halves, if there are any, in the same pass.
func (o *AdamW) stepRounding(groups []*Group, halves [][]kernels.BFloat16, lr, gradScale float64) {
	prepare(groups, o.Moments())
	o.spans, o.halves = appendSpans(o.spans[:0], groups), o.halves[:0]
	if halves != nil {
		i := 0
		for _, s := range o.spans {
			if s.group != groups[i] {
				i++
			}
			h := halves[i]
			o.halves = append(o.halves, h[min(s.lo, len(h)):min(s.hi, len(h))])
		}
	}
	o.run(o.spans, lr, gradScale)
	clear(o.spans) // keep no group alive
	clear(o.halves)
	o.halves = o.halves[:0]
}

// run takes the step on spans, whose groups are prepared.
func (o *AdamW) run(spans []span, lr, gradScale float64) {
	o.spans = spans
	o.step = kernels.AdamWStep{
		LR: float32(lr), Beta1: float32(o.Beta1), Beta2: float32(o.Beta2), Eps: float32(o.Eps),
		WeightDecay: float32(o.WeightDecay), GradScale: float32(gradScale),
	}
	parallel(elements(o.spans) >= leastParameters, len(o.spans), 1, (*adamWTask)(o))
}

type adamWTask AdamW

func (o *adamWTask) Run(_, lo, hi int) {
	for i, s := range o.spans[lo:hi] {
		g, p := s.group, o.step
		p.Step = g.Steps
		if !s.matrix {
			p.WeightDecay = 0
		}
		at := s.lo
		if len(o.halves) > 0 {
			half := o.halves[lo+i]
			at += len(half)
			kernels.AdamWBFloat16(p, g.Grad[s.lo:at], g.Theta[s.lo:at], g.Moments[0][s.lo:at], g.Moments[1][s.lo:at], half)
		}
		kernels.AdamW(p, g.Grad[at:s.hi], g.Theta[at:s.hi], g.Moments[0][at:s.hi], g.Moments[1][at:s.hi])
	}
}

// SGD is stochastic gradient descent with momentum and weight decay as an L2 penalty, on matrices only.
type SGD struct {
	Momentum, WeightDecay float64
	spans                 []span
	step                  kernels.SGDStep
}

// Name returns sgd.
func (o *SGD) Name() string { return "sgd" }

// Moments returns 1: the velocity.
func (o *SGD) Moments() int { return 1 }

// Step takes one step; see kernels.SGD.
func (o *SGD) Step(groups []*Group, lr, gradScale float64) {
	prepare(groups, o.Moments())
	o.spans = appendSpans(o.spans[:0], groups)
	o.step = kernels.SGDStep{LR: float32(lr), Momentum: float32(o.Momentum), WeightDecay: float32(o.WeightDecay), GradScale: float32(gradScale)}
	parallel(elements(o.spans) >= leastParameters, len(o.spans), 1, (*sgdTask)(o))
	clear(o.spans)
}

type sgdTask SGD

func (o *sgdTask) Run(_, lo, hi int) {
	for _, s := range o.spans[lo:hi] {
		g, p := s.group, o.step
		if !s.matrix {
			p.WeightDecay = 0
		}
		kernels.SGD(p, g.Grad[s.lo:s.hi], g.Theta[s.lo:s.hi], g.Moments[0][s.lo:s.hi])
	}
}

// prepare counts the step and gives groups the moments that they lack.
func prepare(groups []*Group, moments int) {
	for _, g := range groups {
		if len(g.Moments) != moments {
			g.Moments = make([][]float32, moments)
			for i := range g.Moments {
				g.Moments[i] = hugepage.Float32s(len(g.Theta))
			}
			g.Steps = 0
		}
		g.Steps++
	}
}

// span is a part of a group that one thread takes at a time, inside the matrices or outside.
type span struct {
	group  *Group
	lo, hi int
	matrix bool
}

const spanLen = 1 << 15

// appendSpans appends the spans of the groups. They do not depend on the number of threads.
func appendSpans(spans []span, groups []*Group) []span {
	for _, g := range groups {
		for lo, hi := 0, 0; lo < len(g.Theta); lo = hi {
			matrix := lo < g.Matrices
			hi = min(lo+spanLen, len(g.Theta))
			if matrix {
				hi = min(hi, g.Matrices)
			}
			spans = append(spans, span{g, lo, hi, matrix})
		}
	}
	return spans
}

// elements returns how many elements the spans have.
func elements(spans []span) (n int) {
	for _, s := range spans {
		n += s.hi - s.lo
	}
	return n
}

// GradNorm returns the Euclidean norm of all gradients together. To clip them at a norm c, give the
// optimizer the factor min(1, c/GradNorm).
func GradNorm(groups []*Group) float64 { return norms.norm(groups) }

// norms lends its memory to one GradNorm at a time.
var norms normsTask

type normsTask struct {
	mu    sync.Mutex
	spans []span
	norms []float32
}

func (t *normsTask) norm(groups []*Group) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spans = appendSpans(t.spans[:0], groups)
	t.norms = grow(t.norms, len(t.spans))
	parallel(elements(t.spans) >= leastParameters, len(t.spans), 1, t)
	clear(t.spans) // keep no group alive
	return norm(t.norms)
}

func (t *normsTask) Run(_, lo, hi int) {
	for i, s := range t.spans[lo:hi] {
		t.norms[lo+i] = kernels.Nrm2(s.group.Grad[s.lo:s.hi])
	}
}

// norm returns √Σx² in float64, where the square of no float32 overflows.
func norm(x []float32) float64 {
	s := 0.0
	for _, v := range x {
		s += float64(float64(v) * float64(v))
	}
	return math.Sqrt(s)
}
