package multilevel

// Kinds of decisions.
const (
	LineSearchDecision = "line-search" // which part of a correction lowers the loss
)

// Decision is something that a run has found out about itself, with the numbers that it rests on.
type Decision struct {
	Kind       string  `json:"kind"`
	Alpha      float64 `json:"alpha,omitempty"`       // of a correction; 0: rejected
	LossBefore float64 `json:"loss_before,omitempty"` // nats per token
	LossAfter  float64 `json:"loss_after,omitempty"`
}

func (t *Trainer) decide(d Decision) { t.decisions = append(t.decisions, d) }
