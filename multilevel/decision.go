package multilevel

// Kinds of decisions.
const (
	TrialDecision      = "trial"       // what some steps on a finer level brought
	RefineDecision     = "refine"      // when to refine, how far and how
	SpikeDecision      = "spike"       // the loss has risen after a change of level
	DivergenceDecision = "divergence"  // what becomes of a step whose loss or gradient is not finite or jumps
	LineSearchDecision = "line-search" // which part of a correction lowers the loss
	StopDecision       = "stop"        // the validation loss falls no more
)

// Decision is something that a run has found out or made up its mind about, with the numbers that it
// rests on. Losses are in nats per token; what was not finite is the largest float32. Those of a line search
// on a level with a first-order term v are of f(θ) − ⟨v, θ − θ₀⟩, with θ₀ what the level had before.
type Decision struct {
	Kind           string  `json:"kind"`
	Step           int     `json:"step,omitempty"` // after which
	Why            string  `json:"why,omitempty"`  // for people
	Blocks         int     `json:"blocks,omitempty"`
	Prolong        string  `json:"prolong,omitempty"`
	StepSizePolicy string  `json:"step_size_policy,omitempty"`
	Grow           int     `json:"grow,omitempty"`  // the step after which the level changes
	Total          int     `json:"total,omitempty"` // steps of the run
	Steps          int     `json:"steps,omitempty"` // of a trial
	LossBefore     float64 `json:"loss_before,omitempty"`
	LossHalf       float64 `json:"loss_half,omitempty"` // after half of a trial
	LossAfter      float64 `json:"loss_after,omitempty"`
	Slope          float64 `json:"slope,omitempty"`       // fall of the coarse level's loss with every doubling of its steps
	SlopeSteps     int     `json:"slope_steps,omitempty"` // that it is fitted to
	Surprise       float64 `json:"surprise,omitempty"`    // by how much a trial ended lower than the law has it
	Gain           float64 `json:"gain,omitempty"`        // that refining promises until the end
	Stay           float64 `json:"stay,omitempty"`        // that the same cost promises on the coarse level
	Action         string  `json:"action,omitempty"`      // after a divergence: stop, skip or rollback
	Where          string  `json:"where,omitempty"`       // the tensors that are to blame for it
	GradNorm       float64 `json:"grad_norm,omitempty"`   // of the step that diverged; LossAfter is its loss
	Alpha          float64 `json:"alpha,omitempty"`       // of a correction; 0: rejected
}

func (t *Trainer) decide(d Decision) { t.decisions = append(t.decisions, d) }
