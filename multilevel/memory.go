package multilevel

import "github.com/vcycle-go/vcycle/nn"

// Memory returns the most that a run has at a time, in bytes, without its data: at a change of level the
// networks of both, where one that is new has no gradients yet, and with schedules that come back to a level what it keeps, and the vectors of a correction.
// Activations are those of the deepest level so far, whose memory stays.
func (o Options) Memory() (nn.Memory, error) {
	o = o.Resolve()
	h, plan, err := o.Plan()
	if err != nil {
		return nn.Memory{}, err
	}
	levels := make([]nn.Memory, len(h.Levels))
	for i, l := range h.Levels {
		levels[i] = o.Config(l).Memory(o.microBatch(l), o.optimizer().Moments())
	}
	var most nn.Memory
	var activations int64
	there := make([]bool, len(levels)) // that the level has a network
	copies := make([]int64, len(levels))
	consider := func(beside int64, without int) { // a level whose gradients are not there yet
		m := nn.Memory{Parameters: beside, Activations: activations}
		for i, l := range levels {
			if there[i] {
				m.Parameters += l.Parameters * (1 + copies[i])
				if i != without {
					m.Gradients += l.Gradients
				}
				m.Moments += l.Moments
			}
		}
		if m.Total() > most.Total() {
			most = m
		}
	}
	for i, s := range plan {
		fresh := -1
		if !there[s.Level] {
			fresh = s.Level
		}
		there[s.Level] = true
		if i > 0 && plan[i-1].Level != s.Level {
			was := plan[i-1].Level
			if s.Level < was {
				copies[s.Level] = 1 // where the steps begin
			}
			if s.Arrive.Coherence != nil {
				copies[s.Level] = 2 // and the first-order term
			}
			var beside int64
			if s.Arrive.Correct { // the parameters before it, the correction, and what it comes from
				beside = 2*levels[s.Level].Parameters + levels[was].Parameters
			}
			if from := h.Levels[was]; !o.sameAxes(from, h.Levels[s.Level]) { // in the other's width, for its blocks
				between := h.Levels[s.Level]
				between.Blocks, between.Relative = from.Blocks, nil
				b := o.Config(between).Memory(1, o.optimizer().Moments())
				if beside += b.Parameters + b.Moments; s.Arrive.Correct { // the state, and the difference
					beside += b.Parameters + b.Moments
				}
			}
			consider(beside, fresh)
			if !plan.needs(was, i) {
				there[was], copies[was] = false, 0
			}
		}
		activations = max(activations, levels[s.Level].Activations)
		consider(0, -1)
	}
	return most, nil
}
