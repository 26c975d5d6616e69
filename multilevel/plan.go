package multilevel

import "fmt"

// Stage is a piece of a run: how its level is entered, and the optimizer steps that are taken there.
type Stage struct {
	Level  int
	Steps  int
	Arrive Arrival
	// Rewarm is the number of steps over which the learning rate rises again; 0: none.
	Rewarm int

	share float64 // of the steps of its level, until they are known
}

// Arrival says how the parameters x of a level follow from those of the level of the stage before, y:
// x ← (1−Alpha)·x + Alpha·Operator(y), or as a correction x ← x + Alpha·Operator(y − y₀) with y₀ what y
// was when the run last came down to it.
type Arrival struct {
	Operator   Operator
	Moments    string // what becomes of the optimizer's state
	Alpha      float64
	Correct    bool
	LineSearch bool // halve Alpha until the loss falls, or reject the correction
	// Coherence, on the way down, is the prolongation P of the first-order term: steps on the level
	// minimise f(y) − ⟨v, y⟩ with v = ∇f(y₀) − Pᵀ∇f_fine(x), in a trust region around y₀.
	Coherence *Operator
}

// Plan is the order in which a run visits the levels, the position in which a checkpoint keeps. The last
// stage of every plan is on the finest level.
type Plan []Stage

// Steps returns the optimizer steps of all stages.
func (p Plan) Steps() int {
	n := 0
	for _, s := range p {
		n += s.Steps
	}
	return n
}

// Left returns how many of the steps after the first step ones are on a level.
func (p Plan) Left(level, step int) int {
	n, end := 0, 0
	for _, s := range p {
		end += s.Steps
		if s.Level == level && end > step {
			n += min(s.Steps, end-step)
		}
	}
	return n
}

// at returns the stage that step (counted from 0) belongs to; the last one if there are fewer steps.
func (p Plan) at(step int) int {
	end := 0
	for i, s := range p {
		end += s.Steps
		if step < end {
			return i
		}
	}
	return len(p) - 1
}

// start returns the steps before a stage.
func (p Plan) start(stage int) int { return p[:stage].Steps() }

// needs tells whether what a level holds after a stage is used again: the next arrival there keeps a part
// of the parameters or the moments.
func (p Plan) needs(level, stage int) bool {
	for _, s := range p[stage+1:] {
		if s.Level == level {
			a := s.Arrive
			return a.Correct || a.Alpha != 1 || a.Moments == KeepMoments || a.Operator.partial
		}
	}
	return false
}

// split gives the stages their steps: each level its share of them, each of its stages a part of that in
// proportion.
func (p Plan) split(steps int, fractions []float64) error {
	total := make([]float64, len(fractions))
	for _, s := range p {
		total[s.Level] += s.share
	}
	shares := make([]float64, len(p))
	for i, s := range p {
		shares[i] = fractions[s.Level] * s.share / total[s.Level]
	}
	split, err := splitSteps("visits of levels", len(p), steps, shares)
	if err != nil {
		return fmt.Errorf("%w, or fewer cycles", err)
	}
	for i := range p {
		p[i].Steps = split[i]
	}
	return nil
}
