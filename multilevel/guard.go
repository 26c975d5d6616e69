package multilevel

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vcycle-go/vcycle/nn"
)

// Values of Options.OnDivergence: what becomes of a step whose loss or gradient is not finite, or jumps.
const (
	StopOnDivergence     = "stop"     // Step returns a DivergedError
	SkipOnDivergence     = "skip"     // the step changes no parameter; Step returns a DivergedError after MaxSkips of them in a row
	RollBackOnDivergence = "rollback" // as stop: the caller goes back to an earlier state, and calls RollBack
)

var divergencePolicies = []string{StopOnDivergence, SkipOnDivergence, RollBackOnDivergence}

const (
	// MaxSkips is how many steps in a row are skipped at most.
	MaxSkips = 10
	// MaxRollbacks is how often a run may go back.
	MaxRollbacks = 5
	// rollbackRate is the factor of the learning rate for each time that a run has gone back.
	rollbackRate = 0.5

	guardSteps  = 20   // on a level before its usual loss and gradient are known
	guardMemory = 0.05 // weight of a step in the means after that
)

// guard knows the usual loss and gradient norm of a level, and what has happened to those that were not.
// Checkpoints hold it.
type guard struct {
	Seen      int     `json:"seen"`     // steps on the level
	Loss      float64 `json:"loss"`     // mean
	LogNorm   float64 `json:"log_norm"` // mean of the logarithm of the gradient's norm
	Skipped   int     `json:"skipped,omitempty"`
	Rollbacks int     `json:"rollbacks,omitempty"`
}

// check refuses a state that no run can be in.
func (g guard) check(step int) error {
	large := func(x float64) bool { return !(math.Abs(x) <= worthless) }
	if g.Seen < 0 || g.Seen > step || large(g.Loss) || large(g.LogNorm) || g.Skipped < 0 || g.Skipped > min(step, MaxSkips) ||
		g.Rollbacks < 0 || g.Rollbacks > MaxRollbacks {
		return fmt.Errorf("%s: the guard cannot be in this state after %d steps", metaState, step)
	}
	return nil
}

func logNorm(norm float64) float64 { return math.Log(max(norm, 1e-30)) }

// observe takes in an ordinary step.
func (g *guard) observe(loss, norm float64) {
	w := max(guardMemory, 1/float64(g.Seen+1))
	g.Loss += float64(w * (loss - g.Loss))
	g.LogNorm += float64(w * (logNorm(norm) - g.LogNorm))
	g.Seen++
	g.Skipped = 0
}

// judge says what is wrong with a step, if anything is: what is not finite, or more than jump times the usual
// perplexity or gradient norm, or than a perplexity that is worse than any network begins with.
func (g *guard) judge(loss, norm float64, o Options) (what string, jumped bool) {
	jump := o.Jump
	switch {
	case !finite(loss):
		return fmt.Sprintf("the loss is %v", loss), false
	case !finite(norm):
		return fmt.Sprintf("the norm of the gradient is %v", norm), false
	case jump == 0:
		return "", false
	case loss > o.WorstLoss():
		return fmt.Sprintf("the loss jumps to %.4g, where drawing tokens at random has %.4g", loss, math.Log(float64(o.Vocab))), true
	case g.Seen < guardSteps:
		return "", false
	case loss > g.Loss+math.Log(jump):
		return fmt.Sprintf("the loss jumps to %.4g from a mean of %.4g", loss, g.Loss), true
	case logNorm(norm) > g.LogNorm+math.Log(jump):
		return fmt.Sprintf("the norm of the gradient jumps to %.4g from a mean of %.4g", norm, math.Exp(g.LogNorm)), true
	}
	return "", false
}

// WorstLoss is the loss above which a state is lost, whatever came before: that of drawing tokens at random, and
// one nat for networks that do worse before their first step, times Jump in perplexity. It is infinite if Jump is 0.
func (o Options) WorstLoss() float64 {
	if o.Jump == 0 {
		return math.Inf(1)
	}
	return math.Log(float64(o.Vocab)) + 1 + math.Log(o.Jump)
}

// DivergedError is the error of a step or a validation whose loss or gradient is not finite, or jumps.
type DivergedError struct {
	Step   int // counted from 1
	Level  int // counted from 1, coarse to fine
	Blocks int // of the level
	What   string
	// Jumped tells that everything is finite: the loss or the gradient is more than Options.Jump times as
	// large as usual.
	Jumped bool
	// Where names the tensor that is to blame: the first in the order of the step that is not finite, or after a
	// jump the largest ones.
	Where      string
	Loss, Norm float64 // of the step; what is not finite is the largest float32
}

func (e *DivergedError) Error() string {
	return e.brief() + ": try a lower learning rate, a longer warm-up or a smaller clip"
}

func (e *DivergedError) brief() string {
	text := fmt.Sprintf("step %d, level %d (%s): %s", e.Step, e.Level, plural(e.Blocks, "block"), e.What)
	if e.Where != "" {
		text += "; " + e.Where
	}
	return text
}

// diverged returns the error of the step with a batch, whose gradients are there.
func (t *Trainer) diverged(what string, jumped bool, b *batch, loss, norm float64) *DivergedError {
	if t.guard.Skipped > 0 {
		what += fmt.Sprintf(", after %s in a row", plural(t.guard.Skipped, "skipped step"))
	}
	e := &DivergedError{Step: t.step + 1, Level: t.plan[t.stage].Level + 1, Blocks: t.level().Blocks,
		What: what, Jumped: jumped, Loss: measured(loss), Norm: measured(norm)}
	e.Where = t.diagnose(b, jumped)
	return e
}

// diagnose computes the step again, part by part, to find what is to blame.
func (t *Trainer) diagnose(b *batch, jumped bool) string {
	var worst nn.Diagnosis
	for i := 0; i < t.options.Accumulate && worst.First == nil; i++ {
		tokens, targets, n := t.part(b, i)
		d := t.decoder.Diagnose(tokens, targets, n, len(b.tokens))
		worst.First = d.First
		if d.Activation.Norm > worst.Activation.Norm {
			worst.Activation = d.Activation
		}
		if d.Gradient.Norm > worst.Gradient.Norm {
			worst.Gradient = d.Gradient
		}
	}
	switch {
	case worst.First != nil:
		return fmt.Sprintf("the first that is not finite is %v", worst.First)
	case jumped:
		return fmt.Sprintf("the largest are %v and %v", worst.Activation, worst.Gradient)
	}
	// The sum of the parts, or with the first-order term.
	if err := nn.NonFinite(t.groups); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("every tensor is finite, the sum is not: the largest are %v and %v", worst.Activation, worst.Gradient)
}

// skip ends a step that changes no parameter.
func (t *Trainer) skip(e *DivergedError) {
	t.guard.Skipped++
	for _, g := range t.groups {
		if len(g.Moments) != t.optimizer.Moments() { // as a checkpoint after a step has them
			resizeMoments(g, t.optimizer.Moments())
		}
	}
	t.decide(e.decision(SkipOnDivergence, e.brief()+": the step is skipped"))
	t.step++
	t.grow()
	if a := t.adaptive; a != nil && t.stage > 0 && t.step-t.plan.start(t.stage) == 1 {
		a.Known = a.Average // as watch does
	}
}

// decision returns what the log says of e.
func (e *DivergedError) decision(action, why string) Decision {
	return Decision{Kind: DivergenceDecision, Action: action, Step: e.Step, Blocks: e.Blocks, Why: why, Where: e.Where, LossAfter: e.Loss, GradNorm: e.Norm}
}

// Diverged returns the metrics of the step whose error e is, for the log of a run that ends with it: its loss where
// that is finite, else the mean of those before.
func (t *Trainer) Diverged(e *DivergedError) Metrics {
	m := t.metrics(1, t.rate(), e.Loss, e.Norm)
	m.Step = e.Step
	t.settle(&m)
	m.Decisions = append(m.Decisions, e.decision(StopOnDivergence, e.brief()+": the run stops"))
	return m
}

// settle gives metrics of a step that came to nothing the means for what was not finite.
func (t *Trainer) settle(m *Metrics) {
	m.Skipped = true
	if m.TrainLoss == worthless && t.guard.Seen > 0 {
		m.TrainLoss = t.guard.Loss
	}
	if m.GradNorm == worthless && t.guard.Seen > 0 {
		m.GradNorm = math.Exp(t.guard.LogNorm)
	}
}

// Rollbacks returns how often the run has gone back.
func (t *Trainer) Rollbacks() int { return t.guard.Rollbacks }

// ErrRollbacks is that of a run that has gone back as often as it may.
var ErrRollbacks = errors.New("the run has gone back as often as it may")

// RollBack sends t, which Resume has returned with an earlier state, another way than the one that ended in e: from
// here on the learning rate is 2⁻ⁿ times what it would be, where n, with this one, is how often the run has gone
// back. rollbacks and costs are those of the trainer that diverged; what its steps since the state have cost is
// accounted for as operations without a step. It returns what the metrics of the next step say about it, or
// ErrRollbacks after MaxRollbacks.
func (t *Trainer) RollBack(e *DivergedError, rollbacks int, costs []Cost) (Decision, error) {
	if rollbacks >= MaxRollbacks {
		return Decision{}, fmt.Errorf("%w: %d times", ErrRollbacks, MaxRollbacks)
	}
	t.guard.Rollbacks, t.guard.Skipped = rollbacks+1, 0
	for i := range min(len(t.costs), len(costs)) {
		c, was := &t.costs[i], costs[i]
		c.Evaluated += max(0, float64(was.Tokens-c.Tokens)+was.Evaluated-c.Evaluated)
		c.Trials += max(0, was.Steps+was.Trials-c.Steps-c.Trials) // the optimizer's own products
		c.WallSeconds = max(c.WallSeconds, was.WallSeconds)
		c.count(t.options)
	}
	d := e.decision(RollBackOnDivergence, fmt.Sprintf("%s: back to step %d, with the learning rate times %.3g", e.brief(), t.step, t.guard.rate()))
	t.decide(d)
	return d, nil
}

// rate is the factor of the learning rate.
func (g guard) rate() float64 { return math.Pow(rollbackRate, float64(g.Rollbacks)) }

// SetDivergence changes what becomes of a step that diverges, as Options.OnDivergence and Options.Jump do.
func (t *Trainer) SetDivergence(policy string, jump float64) error {
	o := t.options
	o.OnDivergence, o.Jump = policy, jump
	if err := o.validateDivergence(); err != nil {
		return err
	}
	t.options = o
	return nil
}

func (o Options) validateDivergence() error {
	if !slices.Contains(divergencePolicies, o.OnDivergence) {
		return fmt.Errorf("on divergence %q is unknown: use %s", o.OnDivergence, strings.Join(divergencePolicies, ", "))
	}
	if o.Jump != 0 && !(o.Jump >= 2 && o.Jump <= math.MaxFloat32) {
		return fmt.Errorf("jump %g: it must be 0, for none, or at least 2", o.Jump)
	}
	return nil
}
