package nn

import (
	"math"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/odeint"
	"github.com/vcycle-go/vcycle/tensor"
)

// weighted takes the steps of the methods that weigh their stages by parameters of the block: with F_i the
// field at x + h·Σ_{j<i} a_ij·F_j,
//
//	y = x + h·Σ γ_i·F_i,   or   y = x + h·(g·F₁ + (1−g)·F₂),  g = σ(F₁·w₁ + F₂·w₂ + b) in every row.
//
// For the Solver that is a step of Euler's method. Its reverse is, from the last stage to the first, with
// dX_i = (∂F/∂x(X_i))ᵀ·v_i,
//
//	v_i = (∂y/∂F_i)ᵀ·dy + h·Σ_{j>i} a_ji·dX_j,   dx = dy + Σ dX_i
//
// Li et al., ODE Transformer, ACL 2022, §3.2 and §3.3.
type weighted struct{ *depth }

var _ odeint.EulerStepper[float32] = weighted{}

// stageWeights are the parameters of a block that weigh its stages: γ, or the gate's w = [w₁ w₂] and b.
type stageWeights struct {
	gamma, gradGamma []float32
	gate, gradGate   []float32
	bias, gradBias   []float32
}

func newStageWeights(g *Group, by weighting) (s stageWeights) {
	data := func(i int) (theta, grad []float32) {
		t, d := g.tensors(i)
		return t.Data(), d.Data()
	}
	switch by {
	case learned:
		s.gamma, s.gradGamma = data(entryStages)
	case gated:
		s.gate, s.gradGate = data(entryGate)
		s.bias, s.gradBias = data(entryGateBias)
	}
	return s
}

// weightedMemory is what weighted steps keep, and their scratch. All vectors are [B·T, C] but for those of rows.
type weightedMemory struct {
	tableau odeint.Tableau
	// Of each step: the points of the stages after the first, and the F_i. Without a backward pass all steps
	// share them.
	points, slopes [][]float32
	v              [][]float32 // v_i, then dX_2, …
	gates, dgates  []float32   // g and the gradient of its argument, a number for each row
	partial        []float32   // sums over chunks of rows, or of elements

	sum  sumTask
	dots dotsTask
	gate gateTask
}

// keep lays out what is kept from one step to the other.
func (w *weightedMemory) keep(a *tensor.Arena, cfg Config, rows int, backward bool) {
	m := cfg.method()
	if m.weights == fixed {
		return
	}
	w.tableau = m.tableau
	s, steps := len(m.tableau.B), cfg.Blocks
	if !backward {
		steps = 1
	}
	w.points, w.slopes = floats(a, w.points, steps*(s-1), rows*cfg.Width), floats(a, w.slopes, steps*s, rows*cfg.Width)
	for len(w.slopes) < cfg.Blocks*s {
		w.points, w.slopes = append(w.points, w.points[:s-1]...), append(w.slopes, w.slopes[:s]...)
	}
}

// scratch lays out what a step needs while it is taken.
func (w *weightedMemory) scratch(a *tensor.Arena, cfg Config, rows int, backward bool) {
	m, c := cfg.method(), cfg.Width
	s := len(m.tableau.B)
	switch {
	case m.weights == fixed || !backward:
		return
	case m.weights == learned:
		w.partial = a.Floats((rows*c + flatGrain - 1) / flatGrain * s)
	case m.weights == gated:
		w.gates, w.dgates = a.Floats(rows), a.Floats(rows)
		w.partial = a.Floats((rows + rowGrain - 1) / rowGrain * 2 * c)
	}
	w.v = floats(a, w.v, s, rows*c)
}

// floats returns n vectors of an arena, in the memory of x.
func floats(a *tensor.Arena, x [][]float32, n, elements int) [][]float32 {
	x = x[:0]
	for range n {
		x = append(x, a.Floats(elements))
	}
	return x
}

// at returns the points after the first and the slopes of a step.
func (w *weightedMemory) at(step int) (points, slopes [][]float32) {
	s := len(w.tableau.B)
	return w.points[step*(s-1) : (step+1)*(s-1)], w.slopes[step*s : (step+1)*s]
}

// Eval computes f = F(x) of the first stage; a Solver takes EulerStep.
func (s weighted) Eval(p odeint.Point, x, f []float32) { s.depth.Eval(p, x, f) }

// EulerStep computes y = x + h·(the weighted stages).
func (s weighted) EulerStep(p odeint.Point, h float64, x, y []float32) {
	w, b := &s.depth.weighted, &s.blocks[p.Step].stages
	points, slopes := w.at(p.Step)
	for i := range slopes {
		p.Stage = i
		at := x
		if i > 0 {
			at = points[i-1]
			w.sum.start(at, x)
			for j, a := range w.tableau.A[i][:i] {
				w.sum.term(h*a, slopes[j])
			}
			w.sum.run()
		}
		s.depth.Eval(p, at, slopes[i])
	}
	if b.gate != nil {
		w.gate = gateTask{h: float32(h), c: s.sa.Dim(1), f1: slopes[0], f2: slopes[1], w: b.gate, b: b.bias[0], x: x, y: y}
		w.runGate(s.sa.Dim(0))
		return
	}
	w.sum.start(y, x)
	for i, g := range b.gamma {
		w.sum.term(h*float64(g), slopes[i])
	}
	w.sum.run()
}

// EulerVJP takes dx from the gradient of y to that of x.
func (s weighted) EulerVJP(p odeint.Point, h float64, x, dx []float32) {
	w, b := &s.depth.weighted, &s.blocks[p.Step].stages
	points, slopes := w.at(p.Step)
	if b.gate != nil {
		s.gateVJP(b, h, slopes, dx)
	} else {
		w.dots = dotsTask{k: slopes, y: dx, partial: w.partial}
		parallel(2*len(slopes)*len(dx) >= leastElements, len(dx), flatGrain, &w.dots)
		w.dots.add(h, b.gradGamma)
	}
	v := w.v[0]
	for i := len(slopes) - 1; i >= 0; i-- {
		if b.gate != nil {
			w.gate = gateTask{h: float32(h), c: s.sa.Dim(1), w: b.gate, dy: dx, v: v, stage: i, gates: w.gates, dgates: w.dgates}
			w.runGate(s.sa.Dim(0))
			w.sum.start(v, v)
		} else {
			w.sum.start(v, nil)
			w.sum.term(h*float64(b.gamma[i]), dx)
		}
		for j := i + 1; j < len(slopes); j++ {
			w.sum.term(h*w.tableau.A[j][i], w.v[j])
		}
		w.sum.run()
		p.Stage = i
		if i > 0 {
			s.work.clear(w.v[i])
			s.depth.VJP(p, points[i-1], v, w.v[i])
			continue
		}
		w.sum.start(dx, dx)
		for _, d := range w.v[1:] {
			w.sum.term(1, d)
		}
		w.sum.run()
		s.depth.VJP(p, x, v, dx)
	}
}

// runGate runs the task on so many rows.
func (w *weightedMemory) runGate(rows int) {
	parallel(4*rows*w.gate.c >= leastElements, rows, rowGrain, &w.gate)
}

// gateVJP computes g and the gradient of its argument in every row, and adds those of w and b.
func (s weighted) gateVJP(b *stageWeights, h float64, slopes [][]float32, dy []float32) {
	w, rows, c := &s.depth.weighted, s.sa.Dim(0), s.sa.Dim(1)
	w.gate = gateTask{h: float32(h), c: c, f1: slopes[0], f2: slopes[1], w: b.gate, b: b.bias[0], dy: dy,
		gates: w.gates, dgates: w.dgates, partial: w.partial}
	w.runGate(rows)
	for lo := 0; lo < len(w.partial); lo += 2 * c {
		kernels.Axpy(1, w.partial[lo:lo+2*c], b.gradGate)
	}
	b.gradBias[0] += float32(add(0, w.dgates))
}

// maxTerms is a bound of the terms of a sum of stages.
const maxTerms = 4

// sumTask computes y = x + Σ c_i·k_i, or y = Σ c_i·k_i without x. The sum is made first and in order.
type sumTask struct {
	y, x []float32
	c    [maxTerms]float32
	k    [maxTerms][]float32
	n    int
}

func (t *sumTask) start(y, x []float32) { t.y, t.x, t.n = y, x, 0 }

// term adds c·k, unless c is 0: a tableau's zeros do not make NaN of an infinite slope.
func (t *sumTask) term(c float64, k []float32) {
	if c != 0 {
		t.c[t.n], t.k[t.n] = float32(c), k
		t.n++
	}
}

func (t *sumTask) run() { parallel((t.n+2)*len(t.y) >= leastElements, len(t.y), flatGrain, t) }

// noState is where a sum without x begins.
var noState [flatGrain]float32

func (t *sumTask) Run(_, lo, hi int) {
	x := noState[:hi-lo]
	if t.x != nil {
		x = t.x[lo:hi]
	}
	kernels.Combine(1, x, t.c[:t.n], t.k[:t.n], lo, t.y[lo:hi])
}

// dotsTask computes k_i·y for all i, in chunks.
type dotsTask struct {
	k          [][]float32
	y, partial []float32 // partial [chunks, stages]
}

func (t *dotsTask) Run(_, lo, hi int) {
	for i, k := range t.k {
		t.partial[lo/flatGrain*len(t.k)+i] = kernels.Dot(k[lo:hi], t.y[lo:hi])
	}
}

// add computes sums_i += s·(k_i·y).
func (t *dotsTask) add(s float64, sums []float32) {
	for i := range sums {
		sum := 0.0
		for j := i; j < len(t.partial); j += len(sums) {
			sum += float64(t.partial[j])
		}
		sums[i] += float32(s * sum)
	}
}

// gateTask computes, in every row, with g = σ(F₁·w₁ + F₂·w₂ + b): if there is a y,
//
//	y = x + h·(g·F₁ + (1−g)·F₂)
//
// else, if there is a v, (∂y/∂F_i)ᵀ·dy for the stage,
//
//	v = h·g·dy + z·w₁,  or  v = h·(1−g)·dy + z·w₂
//
// with z the gradient of g's argument, and otherwise g and z, and the sums of z·F₁ and z·F₂ over chunks.
type gateTask struct {
	h             float32
	c             int
	f1, f2        []float32
	w             []float32 // [w₁ w₂]
	b             float32
	x, y, dy, v   []float32
	stage         int
	gates, dgates []float32
	partial       []float32 // [chunks, 2C]
}

func (t *gateTask) Run(_, lo, hi int) {
	c := t.c
	w1, w2 := t.w[:c], t.w[c:]
	if t.v == nil && t.y == nil {
		clear(t.partial[lo/rowGrain*2*c:][:2*c])
	}
	for row := lo; row < hi; row++ {
		at, end := row*c, (row+1)*c
		if t.v != nil {
			g, w := t.gates[row], w1
			if t.stage == 1 {
				g, w = 1-g, w2
			}
			v := t.v[at:end]
			clear(v)
			kernels.Axpy(t.h*g, t.dy[at:end], v)
			kernels.Axpy(t.dgates[row], w, v)
			continue
		}
		f1, f2 := t.f1[at:end], t.f2[at:end]
		g := sigmoid(kernels.Dot(f1, w1) + kernels.Dot(f2, w2) + t.b)
		if t.y != nil {
			kernels.Euler(t.h*g, t.x[at:end], f1, t.y[at:end])
			kernels.Axpy(t.h*(1-g), f2, t.y[at:end])
			continue
		}
		dy := t.dy[at:end]
		z := t.h * g * (1 - g) * (kernels.Dot(dy, f1) - kernels.Dot(dy, f2))
		t.gates[row], t.dgates[row] = g, z
		sums := t.partial[row/rowGrain*2*c:][:2*c]
		kernels.Axpy(z, f1, sums[:c])
		kernels.Axpy(z, f2, sums[c:])
	}
}

func sigmoid(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }
