package multilevel

// Stage is a piece of a run: Steps optimizer steps on a level of the hierarchy. Where the level differs
// from that of the stage before, Transfer carries the blocks over: a prolongation towards finer levels, a
// restriction towards coarser ones.
type Stage struct {
	Level    int
	Steps    int
	Transfer Operator
}

// Plan is the order in which a run visits the levels. A single-level run has one stage; the last stage
// of every plan is on the finest level.
type Plan []Stage

// NestedIteration visits the levels once each, from coarse to fine, every solution being the initial
// guess of the next: the first half of a full multigrid cycle. Brandt, Multi-Level Adaptive Solutions to
// Boundary-Value Problems, Mathematics of Computation 31, 1977, §1.3; for the depth of networks Chang et
// al., ICLR 2018, and Cyr, Günther and Schroder, arXiv:1912.08974.
func NestedIteration(h *Hierarchy, prolong Operator) Plan {
	plan := make(Plan, len(h.Levels))
	for l, level := range h.Levels {
		plan[l] = Stage{Level: l, Steps: level.Steps, Transfer: prolong}
	}
	return plan
}

// plan returns the hierarchy and the plan of resolved options.
func (o Options) plan() (*Hierarchy, Plan, error) {
	h, err := o.Hierarchy()
	if err != nil {
		return nil, nil, err
	}
	prolong, err := Prolongation(o.Prolong)
	if err != nil {
		return nil, nil, err
	}
	return h, NestedIteration(h, prolong), nil
}

// Steps returns the optimizer steps of all stages.
func (p Plan) Steps() int {
	n := 0
	for _, s := range p {
		n += s.Steps
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
