package multilevel

import (
	"fmt"
	"math"
)

// patience is the state of early stopping, as checkpoints hold it.
type patience struct {
	Best  float64 `json:"best"`          // the lowest validation loss so far, or the first
	Since int     `json:"since"`         // validations that have not fallen below it
	End   int     `json:"end,omitempty"` // the steps of the run, where it has been cut short
}

// Observe takes in the validation loss after the last step. Where the loss has not fallen below the lowest by
// more than MinDelta for so many validations in a row as Patience says, the run is cut short, which the
// decision that it returns describes. With [WSD] the decay begins at once and takes its share of what is then
// the whole run, of s/(1 − DecayFraction) steps if s are done; with [Cosine] no step is left.
//
// Losses on the last stage of the plan count, which is on the finest level: before that, and until the
// adaptive schedule has decided, the plan has reasons of its own to go on. During the decay nothing is
// counted.
func (t *Trainer) Observe(valLoss float64) *Decision {
	o := t.options
	if o.Patience == 0 || t.stage < len(t.plan)-1 || t.adaptive != nil && !t.adaptive.Done {
		return nil
	}
	if t.patience == nil {
		t.patience = &patience{Best: valLoss}
		return nil
	}
	p := t.patience
	if p.End > 0 {
		return nil
	}
	if valLoss < p.Best-o.MinDelta {
		p.Best, p.Since = valLoss, 0
		return nil
	}
	end := o.shortest(t.step)
	if end >= t.plan.Steps() {
		return nil // the decay has begun
	}
	if p.Since++; p.Since < o.Patience {
		return nil
	}
	p.End = end
	t.plan = t.plan.cut(t.hierarchy, end)
	t.follow(end)
	d := &Decision{Kind: StopDecision, Step: t.step, Blocks: t.level().Blocks, Total: end, LossBefore: p.Best, LossAfter: valLoss}
	d.Why = fmt.Sprintf("the validation loss has not fallen below %.4f for %s: ", p.Best, plural(p.Since, "validation"))
	if end == t.step {
		d.Why += "the run ends"
	} else {
		d.Why += fmt.Sprintf("the learning rate decays now, and the run ends after step %d", end)
	}
	return d
}

// shortest returns the fewest steps that a run can have that has no decay in its first done ones.
func (o Options) shortest(done int) int {
	if o.Schedule != WSD {
		return done
	}
	n := math.Ceil(float64(done) / (1 - o.DecayFraction))
	return int(min(n, maxSteps)) // all of a decay is infinite
}

// cut returns the plan with so many steps, and gives the finest level of h those that it keeps.
func (p Plan) cut(h *Hierarchy, steps int) Plan {
	last := len(p) - 1
	q := append(Plan(nil), p...)
	less := p.Steps() - steps
	q[last].Steps -= less
	h.Levels[q[last].Level].Steps -= less
	return q
}

// follow puts a number of steps in force.
func (t *Trainer) follow(steps int) {
	for l := range t.costs {
		t.costs[l].Level = t.hierarchy.Levels[l]
	}
	t.schedule = t.options.scheduleOver(steps)
}

// check refuses a state that no run can be in.
func (p *patience) check(o Options, plan Plan, step int) error {
	if o.Patience == 0 || !finite(p.Best) || p.Since < 0 || p.Since > o.Patience ||
		p.End != 0 && (p.End < step || p.End >= plan.Steps() || p.End < plan.start(len(plan)-1) || p.End < 1) {
		return fmt.Errorf("%s: early stopping cannot be in this state after %d steps", metaState, step)
	}
	return nil
}
