package multilevel

import (
	"fmt"
	"math"
	"time"

	"github.com/vcycle-go/vcycle/nn"
)

// Trainer runs a Plan. Its state is the decoder of the level it is on, the optimizer's state in the
// decoder's groups, the number of steps done, and the account of what they cost; Save and Resume carry
// all of it. A Trainer is for one goroutine; the kernels below it are parallel, and the bits do not
// depend on the number of threads.
type Trainer struct {
	options   Options
	source    Source
	hierarchy *Hierarchy
	plan      Plan

	decoder   *nn.Decoder
	groups    []*nn.Group // of the decoder
	optimizer nn.Optimizer
	schedule  nn.Schedule

	stage int // of the plan, that the decoder is in
	step  int // optimizer steps done
	costs []Cost

	tokens, targets []int32 // of a batch
}

// NewTrainer returns a trainer before its first step. The options are resolved and validated; an error
// says in one line what is wrong with them or does not fit the source.
func NewTrainer(o Options, src Source) (*Trainer, error) {
	o = o.Resolve()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	h, plan, err := o.plan()
	if err != nil {
		return nil, err
	}
	return newTrainer(o, h, plan, src)
}

func newTrainer(o Options, h *Hierarchy, plan Plan, src Source) (*Trainer, error) {
	if err := checkSource(o, src); err != nil {
		return nil, err
	}
	t := &Trainer{
		options: o, source: src, hierarchy: h, plan: plan,
		optimizer: o.optimizer(), schedule: o.schedule(),
		costs:  newCosts(h),
		tokens: make([]int32, o.Batch*o.Context), targets: make([]int32, o.Batch*o.Context),
	}
	d, err := nn.NewDecoder(o.Config(t.level()), o.Seed)
	if err != nil {
		return nil, err
	}
	t.decoder, t.groups = d, d.Groups()
	return t, nil
}

func checkSource(o Options, src Source) error {
	if v := src.Vocab(); v > o.Vocab {
		return fmt.Errorf("vocab %d: the data have tokens below %d: set vocab to at least that", o.Vocab, v)
	}
	tokens, targets := src.Validation()
	if n := len(tokens); n == 0 || n%o.Context != 0 || n != len(targets) {
		return fmt.Errorf("validation data of %d tokens and %d targets: whole sequences of %d are needed", n, len(targets), o.Context)
	}
	return nil
}

func (o Options) optimizer() nn.Optimizer {
	if o.Optimizer == SGD {
		return &nn.SGD{Momentum: o.Momentum, WeightDecay: o.WeightDecay}
	}
	return &nn.AdamW{Beta1: o.Beta1, Beta2: o.Beta2, Eps: o.Eps, WeightDecay: o.WeightDecay}
}

// schedule returns the learning rate over all steps of the run, whatever their level.
func (o Options) schedule() nn.Schedule {
	if o.Schedule == Cosine {
		return nn.Cosine{Peak: o.LR, Warmup: o.Warmup, Total: o.Steps, Final: o.FinalLR}
	}
	return nn.WSD{Peak: o.LR, Warmup: o.Warmup, Total: o.Steps, DecayFraction: o.DecayFraction, Final: o.FinalLR}
}

// Options returns the resolved options of the run.
func (t *Trainer) Options() Options { return t.options }

// Decoder returns the network of the current level; a step that changes the level changes its depth.
func (t *Trainer) Decoder() *nn.Decoder { return t.decoder }

// Steps returns the number of optimizer steps done.
func (t *Trainer) Steps() int { return t.step }

// Done tells whether all steps have been taken.
func (t *Trainer) Done() bool { return t.step >= t.plan.Steps() }

// level returns the level that the decoder is on.
func (t *Trainer) level() Level { return t.hierarchy.Levels[t.plan[t.stage].Level] }

// Step changes the level if its steps are done, and takes one optimizer step
//
//	g = ∇L(batch),  g ← g·min(1, Clip/‖g‖),  θ ← optimizer(θ, g, LR(step))
//
// where L is the mean cross-entropy of the batch of this step. It allocates nothing after the first step
// on a level. An error, which names the step, the level and the first bad group, means that the loss or
// the gradient is not finite, or that all steps are done; the parameters are then those of the step
// before.
func (t *Trainer) Step() (Metrics, error) {
	if t.Done() {
		return Metrics{}, fmt.Errorf("multilevel: all %d steps are done", t.step)
	}
	start := time.Now()
	if err := t.enter(t.plan.at(t.step)); err != nil {
		return Metrics{}, err
	}
	t.source.Batch(t.step, t.tokens, t.targets)
	t.decoder.ZeroGrad()
	loss := t.decoder.Step(t.tokens, t.targets, t.options.Batch)
	norm := nn.GradNorm(t.groups)
	if !finite(loss) || !finite(norm) {
		return Metrics{}, t.diverged(loss, norm)
	}
	scale := 1.0
	if c := t.options.Clip; c > 0 && norm > c {
		scale = c / norm
	}
	lr := t.schedule.LR(t.step)
	t.optimizer.Step(t.groups, lr, scale)
	t.step++
	seconds := time.Since(start).Seconds()
	t.account(seconds)
	return t.metrics(seconds, lr, loss, norm), nil
}

// enter carries the blocks from the level of the current stage to that of another, each stage in
// between included.
func (t *Trainer) enter(stage int) error {
	for t.stage < stage {
		from, to := t.level(), t.hierarchy.Levels[t.plan[t.stage+1].Level]
		if from.Blocks != to.Blocks {
			if err := t.change(from, to, t.plan[t.stage+1].Transfer); err != nil {
				return fmt.Errorf("step %d: from %d to %d blocks: %w", t.step+1, from.Blocks, to.Blocks, err)
			}
		}
		t.stage++
	}
	return nil
}

func (t *Trainer) change(from, to Level, op Operator) error {
	blocks := t.newBlocks(to)
	if err := transfer(op, t.decoder.Blocks(), blocks, t.options.Moments, to.StepSize/from.StepSize); err != nil {
		return err
	}
	if err := t.decoder.SetBlocks(blocks, to.StepSize); err != nil {
		return err
	}
	t.groups = t.decoder.Groups()
	if t.options.Moments == ResetMoments {
		ResetState(t.groups)
	}
	return nil
}

func (t *Trainer) newBlocks(l Level) []*nn.Group {
	blocks := make([]*nn.Group, l.Blocks)
	for i := range blocks {
		blocks[i] = t.decoder.NewBlock()
	}
	return blocks
}

// Validate returns the mean cross-entropy in nats over the validation sequences, at the current level.
// It changes nothing that training depends on. A loss that is not finite is an error.
func (t *Trainer) Validate() (float64, error) {
	tokens, targets := t.source.Validation()
	size := t.options.Batch * t.options.Context
	var sum float64
	for lo := 0; lo < len(tokens); lo += size {
		hi := min(lo+size, len(tokens))
		n := (hi - lo) / t.options.Context
		sum += float64(float64(n) * t.decoder.Loss(tokens[lo:hi], targets[lo:hi], n)) // not fused: the same on every machine
	}
	loss := sum / float64(len(tokens)/t.options.Context)
	if !finite(loss) {
		return loss, fmt.Errorf("step %d, level %d (%d blocks): the validation loss is %v%s", t.step, t.plan[t.stage].Level+1, t.level().Blocks, loss, t.culprit())
	}
	return loss, nil
}

func (t *Trainer) diverged(loss, norm float64) error {
	what := fmt.Sprintf("the loss is %v", loss)
	if finite(loss) {
		what = fmt.Sprintf("the norm of the gradient is %v", norm)
	}
	return fmt.Errorf("step %d, level %d (%d blocks): %s%s: try a lower learning rate, a longer warm-up or a smaller clip",
		t.step+1, t.plan[t.stage].Level+1, t.level().Blocks, what, t.culprit())
}

// culprit names the first group whose parameters or gradient are not finite.
func (t *Trainer) culprit() string {
	if err := nn.NonFinite(t.groups); err != nil {
		return " (" + err.Error() + ")"
	}
	return ""
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
