package multilevel

import (
	"fmt"
	"math"

	"github.com/vcycle-go/vcycle/nn"
)

// recursion is a cycle on a level and those below it.
type recursion func(b *builder, level int, arrive Arrival)

// cycle repeats a cycle from the finest level.
func (b *builder) cycle(visit recursion) {
	for range b.o.Cycles {
		visit(b, b.finest, Arrival{})
	}
}

func (b *builder) vcycle(l int, a Arrival) { b.visit(l, a, (*builder).vcycle) }

func (b *builder) wcycle(l int, a Arrival) { b.visit(l, a, (*builder).wcycle, (*builder).wcycle) }

func (b *builder) fcycle(l int, a Arrival) { b.visit(l, a, (*builder).fcycle, (*builder).vcycle) }

// visit is one cycle on a level: relax, restrict, recurse, correct, relax. A second recursion goes on from
// where the first has ended.
func (b *builder) visit(l int, arrive Arrival, recurse ...recursion) {
	b.train(l, 1, arrive)
	if l == 0 {
		return
	}
	for _, r := range recurse {
		r(b, l-1, b.down(b.restrict))
	}
	b.train(l, 1, b.correction())
}

const (
	coherenceBatches = 4 // over which the gradients of the first-order term are averaged
	probeBatches     = 2 // whose loss a line search lowers
	lineSearchTrials = 4 // α, α/2, α/4, α/8; then the correction is rejected

	// trustRadius is how far the steps on a level with a first-order term go, as a share of ‖y₀‖. f(y) − ⟨v, y⟩
	// has no lower bound: farther out its steps follow v, which says nothing there, until the loss is lost.
	// Trust regions on the coarse levels: Gratton, Sartenaer and Toint, Recursive Trust-Region Methods for Multiscale
	// Nonlinear Optimization, SIAM Journal on Optimization 19, 2008; here the radius is fixed, because a cycle
	// visits a level a few times only.
	trustRadius = 0.3
)

// confine takes the parameters of a level with a first-order term back into the trust region, ‖y − y₀‖ ≤ r‖y₀‖,
// on the line to y₀. It tells whether they were outside.
func (m *model) confine() bool {
	if m.tau == nil {
		return false
	}
	var moved, size float64
	for i, g := range m.groups {
		for j, y := range m.start[i] {
			d := float64(g.Theta[j] - y)
			moved += float64(d * d)
			size += float64(float64(y) * float64(y))
		}
	}
	back := trustRadius * math.Sqrt(size/moved)
	if !(back < 1) {
		return false
	}
	for i, g := range m.groups {
		for j, y := range m.start[i] {
			g.Theta[j] = y + float32(float32(back)*(g.Theta[j]-y))
		}
	}
	return true
}

// remember keeps where the steps on the model begin, which a correction is measured from.
func (m *model) remember() {
	m.start = nil
	for _, g := range m.groups {
		m.start = append(m.start, append([]float32(nil), g.Theta...))
	}
}

// cohere computes the first-order term of a level, v = ∇f(y) − Pᵀ(∇f_fine(x) − v_fine), with the decoder
// on it. Gradients are means over the next batches; those of the fine level have to be in fine's groups.
// Pᵀ and not a restriction of parameters, because ⟨Pᵀ∇f_fine, d⟩ = ⟨∇f_fine, P·d⟩: a direction that lowers
// the coarse objective then lowers the fine one when it is prolonged.
// The fine network is k times as wide.
func (t *Trainer) cohere(fine, coarse *model, prolong Operator, k float64) error {
	rows, err := prolong.Rows(len(coarse.groups)-1, len(fine.groups)-1)
	if err != nil {
		return err
	}
	t.gradient(coherenceBatches)
	coarse.tau = nil
	for _, g := range coarse.groups {
		coarse.tau = append(coarse.tau, append([]float32(nil), g.Grad...))
	}
	subtract := func(v []float32, w, output float64, i int) {
		g, like := fine.groups[i], coarse.groups[min(i, 1)]
		entries, grad, tau := g.Entries, g.Grad, []float32(nil)
		if fine.tau != nil {
			tau = fine.tau[i]
		}
		if len(g.Theta) != len(like.Theta) {
			if entries, grad = like.Entries, pullBack(g, like, k, grad); tau != nil {
				tau = pullBack(g, like, k, tau)
			}
		}
		for _, e := range entries {
			w := w
			if e.Output {
				w *= output
			}
			for j := e.Offset; j < e.Offset+e.Len(); j++ {
				d := float64(grad[j])
				if tau != nil {
					d -= float64(tau[j])
				}
				v[j] -= float32(w * d)
			}
		}
	}
	subtract(coarse.tau[0], 1, 1, 0)
	for j, r := range transpose(rows, len(coarse.groups)-1) {
		for _, w := range r.Weights {
			subtract(coarse.tau[j+1], w.Value, rows[w.Block].Output, w.Block+1)
		}
	}
	return nil
}

// gradient sets the gradients of the current level to their mean over the next so many batches.
func (t *Trainer) gradient(batches int) {
	t.decoder.RenewGrad()
	for i := range batches {
		batch, _ := t.batches.take(t.step + i) // an error will be that of the step
		t.accumulate(batch)
	}
	for _, g := range t.groups {
		for j := range g.Grad {
			g.Grad[j] /= float32(batches)
		}
	}
	t.evaluated(float64(batches))
}

// probe returns the mean loss of the current level over the next batches.
func (t *Trainer) probe(batches int) float64 {
	var sum float64
	for i := range batches {
		batch, _ := t.batches.take(t.step + i)
		sum += t.loss(batch.tokens, batch.targets)
	}
	t.evaluated(float64(batches) / 3) // the forward pass is a third of the operations
	return measured(sum / float64(batches))
}

// correct computes θ ← θ + α·P(y − y₀) on the current level, m, from the coarse one. The line search
// lowers what steps on the level minimise, f(θ) − ⟨v, θ⟩ with v its first-order term; a correction that it
// rejects changes nothing, the optimizer's state included.
func (t *Trainer) correct(l link, a Arrival, coarse, m *model, from, to Level) error {
	if coarse.start == nil {
		return fmt.Errorf("a correction from %d blocks, which were not restricted", len(coarse.groups)-1)
	}
	before := make([][]float32, len(m.groups))
	for i, g := range m.groups {
		before[i] = append([]float32(nil), g.Theta...)
	}
	moved := make([]*nn.Group, len(coarse.groups))
	for i, g := range coarse.groups {
		d := *g
		d.Theta = make([]float32, len(g.Theta))
		for j, v := range g.Theta {
			d.Theta[j] = v - coarse.start[i][j]
		}
		moved[i] = &d
	}
	theta, state := l, l
	theta.alpha, theta.moments = 1, KeepMoments // until the correction is accepted
	state.alpha, state.stateOnly = 1, true
	x, y := t.options.Config(from), t.options.Config(to)
	groups := resize(coarse.groups, m.groups, x, y, toBlend)
	if err := theta.both(resize(moved, m.groups, x, y, asCorrection), m.groups); err != nil {
		return err
	}
	correction := make([][]float32, len(m.groups))
	for i, g := range m.groups {
		correction[i] = append([]float32(nil), g.Theta...)
	}
	set := func(alpha float64) {
		for i, g := range m.groups {
			for j := range g.Theta {
				g.Theta[j] = float32(float64(before[i][j]) + float64(alpha*float64(correction[i][j])))
			}
		}
	}
	if !a.LineSearch {
		set(a.Alpha)
		return state.both(groups, m.groups)
	}
	objective := func() float64 {
		f := t.probe(probeBatches)
		for i, v := range m.tau { // f − ⟨v, θ⟩, from where it is before
			for j, w := range v {
				f -= float64(float64(w) * (float64(m.groups[i].Theta[j]) - float64(before[i][j])))
			}
		}
		return measured(f)
	}
	set(0)
	loss, alpha := objective(), a.Alpha
	for range lineSearchTrials {
		set(alpha)
		if tried := objective(); tried < loss {
			t.decide(Decision{Kind: LineSearchDecision, Step: t.step, Alpha: alpha, LossBefore: loss, LossAfter: tried})
			return state.both(groups, m.groups)
		}
		alpha /= 2
	}
	set(0)
	t.decide(Decision{Kind: LineSearchDecision, Step: t.step, LossBefore: loss, LossAfter: loss})
	return nil
}
