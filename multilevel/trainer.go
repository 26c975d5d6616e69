package multilevel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/nn"
)

// Trainer runs a Plan. Its state is the networks of the levels that are in use, each with its optimizer's
// state, the number of steps done, and the account of what they cost; Save and Resume carry all of it. A
// Trainer is for one goroutine; the kernels below it are parallel, and the bits do not depend on the
// number of threads.
type Trainer struct {
	options   Options
	source    Source
	hierarchy *Hierarchy
	plan      Plan

	decoder   *nn.Decoder
	models    []*model    // by level; nil where there is none
	groups    []*nn.Group // of the level that the decoder is on
	optimizer nn.Optimizer
	schedule  nn.Schedule

	stage int // of the plan, that the decoder is in
	step  int // optimizer steps done
	costs []Cost
	guard guard

	decisions []Decision // since the last step
	adaptive  *adaptive  // nil: the plan is fixed
	patience  *patience  // nil: no loss has counted for early stopping
	growing   []int      // blocks of the level whose step size grows in this stage

	batches *batches
	clock   *nn.Clock
}

// model is the network of a level.
type model struct {
	groups []*nn.Group // what lies outside the blocks, then the blocks; with the optimizer's state
	// By group: the parameters that a correction is measured from, and the first-order term; nil: none.
	start, tau [][]float32
}

// NewTrainer returns a trainer before its first step. The options are resolved and validated; an error
// says in one line what is wrong with them or does not fit the source.
func NewTrainer(o Options, src Source) (*Trainer, error) {
	o = o.Resolve()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	h, plan, err := o.Plan()
	if err != nil {
		return nil, err
	}
	t, err := newTrainer(o, h, plan, src)
	if err == nil && o.Multilevel == Adaptive {
		t.adaptive = o.undecided(h)
		t.decided()
	}
	return t, err
}

func newTrainer(o Options, h *Hierarchy, plan Plan, src Source) (*Trainer, error) {
	if err := checkSource(o, src); err != nil {
		return nil, err
	}
	t := &Trainer{
		options: o, source: src, hierarchy: h, plan: plan, models: make([]*model, len(h.Levels)),
		optimizer: o.optimizer(), schedule: o.schedule(),
		costs:   newCosts(h),
		batches: newBatches(src, o.Batch*o.Context, plan.Steps()),
	}
	d, err := nn.NewDecoder(o.Config(t.level()), o.Seed)
	if err != nil {
		return nil, err
	}
	t.decoder, t.groups = d, d.Groups()
	t.models[plan[0].Level] = &model{groups: t.groups}
	for _, l := range h.Levels {
		d.Reserve(o.Config(l), o.microBatch(l)) // so that no change of level has to
	}
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
	adamw := nn.AdamW{Beta1: o.Beta1, Beta2: o.Beta2, Eps: o.Eps, WeightDecay: o.WeightDecay}
	if o.Optimizer == Muon {
		return &nn.Muon{Momentum: o.Momentum, AdamW: adamw}
	}
	return &adamw
}

// schedule returns the learning rate over all steps of the run, whatever their level.
func (o Options) schedule() nn.Schedule { return o.scheduleOver(o.Steps) }

func (o Options) scheduleOver(steps int) nn.Schedule {
	if o.Schedule == Cosine {
		return nn.Cosine{Peak: o.LR, Warmup: o.Warmup, Total: steps, Final: o.FinalLR}
	}
	return nn.WSD{Peak: o.LR, Warmup: o.Warmup, Total: steps, DecayFraction: o.DecayFraction, Final: o.FinalLR}
}

// Options returns the resolved options of the run.
func (t *Trainer) Options() Options { return t.options }

// Plan returns the levels and the order in which the run visits them, as far as that is decided.
func (t *Trainer) Plan() (*Hierarchy, Plan) { return t.hierarchy, t.plan }

// Decoder returns the network of the current level; a step that changes the level changes its depth.
func (t *Trainer) Decoder() *nn.Decoder { return t.decoder }

// Steps returns the number of optimizer steps done.
func (t *Trainer) Steps() int { return t.step }

// Done tells whether all steps have been taken.
func (t *Trainer) Done() bool { return t.step >= t.plan.Steps() }

// SetClock has the steps to come counted by c, without the changes of level before them; nil: by none.
func (t *Trainer) SetClock(c *nn.Clock) {
	t.clock = c
	t.decoder.SetClock(c)
}

// level returns the level that the decoder is on.
func (t *Trainer) level() Level { return t.hierarchy.Levels[t.plan[t.stage].Level] }

// Step changes the level if its steps are done, and takes one optimizer step
//
//	g = ∇L(batch) − v,  g ← g·min(1, Clip/‖g‖),  θ ← optimizer(θ, g, LR(step))
//
// where L is the mean cross-entropy of the batch of this step, whose parts, if it has several, add to g one
// after the other, and v the first-order term of a coarse level, if it has one. The batch of the next step
// is prepared meanwhile. It allocates nothing after the first step on a level. An error means that the loss or
// the gradient is not finite or jumps, a [DivergedError], which names the step, the level and the tensor that is
// to blame, that the data cannot be read, a [DataError], or that all steps are done; the parameters are then those of the step before. With
// [SkipOnDivergence] the step is done all the same, without an update, and Metrics.Skipped says so.
//
// The adaptive schedule may take a step of a trial instead: Metrics.Trial is then more than 0, and neither
// the parameters of the run nor the number of its steps have changed.
func (t *Trainer) Step() (Metrics, error) {
	if t.Done() {
		return Metrics{}, fmt.Errorf("multilevel: all %d steps are done", t.step)
	}
	start := time.Now()
	if tried, err := t.trial(); tried > 0 || err != nil {
		return t.triedMetrics(tried, time.Since(start).Seconds()), err
	}
	if err := t.enter(t.plan.at(t.step)); err != nil {
		return Metrics{}, err
	}
	t.clock.Start()
	defer t.clock.Stop()
	batch, err := t.batches.take(t.step)
	if err != nil {
		return Metrics{}, &DataError{t.step + 1, err}
	}
	t.clock.Enter(nn.PassUpdate)
	t.decoder.RenewGrad()
	loss := t.accumulate(batch)
	t.clock.Enter(nn.PassUpdate)
	if tau := t.model().tau; tau != nil {
		for i, g := range t.groups {
			kernels.Axpy(-1, tau[i], g.Grad)
		}
	}
	norm := nn.GradNorm(t.groups)
	if what, jumped := t.guard.judge(loss, norm, t.options); what != "" {
		e := t.diverged(what, jumped, batch, loss, norm)
		if t.options.OnDivergence != SkipOnDivergence || t.guard.Skipped == MaxSkips {
			return Metrics{}, e
		}
		lr := t.rate()
		t.skip(e)
		m := t.done(start, lr, e.Loss, e.Norm)
		t.settle(&m)
		return m, nil
	}
	scale := 1.0
	if c := t.options.Clip; c > 0 && norm > c {
		scale = c / norm
	}
	lr := t.rate()
	t.decoder.Update(t.optimizer, lr, scale)
	if t.model().confine() {
		t.decoder.Changed()
	}
	t.guard.observe(loss, norm)
	t.step++
	t.grow()
	if t.adaptive != nil {
		t.adaptive.observe(t.step, loss)
		t.watch(loss)
	}
	return t.done(start, lr, loss, norm), nil
}

// done accounts for a step, and returns its metrics.
func (t *Trainer) done(start time.Time, lr, loss, norm float64) Metrics {
	seconds := time.Since(start).Seconds()
	t.account(seconds)
	m := t.metrics(seconds, lr, loss, norm)
	t.decisions = t.decisions[:0]
	return m
}

// rate returns the learning rate of the next step.
func (t *Trainer) rate() float64 { return t.rateOn(t.plan[t.stage].Level) }

// rateOn returns that of the next step, if it were on the level.
func (t *Trainer) rateOn(level int) float64 {
	lr, rewarm := t.schedule.LR(t.step), t.plan[t.stage].Rewarm
	if r := t.options.LevelRates; len(r) > 0 {
		lr *= r[level]
	}
	if i := t.step - t.plan.start(t.stage); i < rewarm {
		lr *= float64(i+1) / float64(rewarm)
	}
	return lr * t.adaptive.damping(t.step) * t.guard.rate()
}

// model returns the network that the decoder is on.
func (t *Trainer) model() *model { return t.models[t.plan[t.stage].Level] }

// accumulate computes the mean cross-entropy of a batch, and its gradient, part by part.
func (t *Trainer) accumulate(b *batch) float64 {
	sum := 0.0
	for i := range t.options.Accumulate {
		tokens, targets, n := t.part(b, i)
		sum = t.decoder.Accumulate(sum, tokens, targets, n, len(b.tokens))
	}
	return sum / float64(len(b.tokens))
}

// part returns the i-th part of a batch, and how many sequences of the level it has.
func (t *Trainer) part(b *batch, i int) (tokens, targets []int32, sequences int) {
	size, parts, length := t.options.Batch, t.options.Accumulate, t.options.Context
	cut := length / t.decoder.Config().Context // sequences of the level in one of the data
	lo, hi := size*i/parts, size*(i+1)/parts
	return b.tokens[lo*length : hi*length], b.targets[lo*length : hi*length], (hi - lo) * cut
}

// enter carries the parameters from the level of the current stage to that of another, each stage in
// between included.
func (t *Trainer) enter(stage int) error {
	for t.stage < stage {
		from, to := t.level(), t.hierarchy.Levels[t.plan[t.stage+1].Level]
		if t.plan[t.stage].Level != t.plan[t.stage+1].Level {
			if err := t.arrive(t.stage + 1); err != nil {
				return fmt.Errorf("step %d: from %d to %d blocks: %w", t.step+1, from.Blocks, to.Blocks, err)
			}
			debug.FreeOSMemory() // a level that is done with goes before the steps on the next take memory
		} else {
			t.stage++
		}
	}
	return nil
}

// arrive enters a stage on another level.
func (t *Trainer) arrive(stage int) error {
	s, was := t.plan[stage], t.plan[t.stage].Level
	from, to := t.hierarchy.Levels[was], t.hierarchy.Levels[s.Level]
	a := s.Arrive
	if _, err := a.Operator.Rows(from.Blocks, to.Blocks); err != nil {
		return err
	}
	source, m := t.models[was], t.models[s.Level]
	if m == nil {
		if a.Correct || a.Alpha != 1 || a.Operator.partial {
			return fmt.Errorf("the level has no parameters that could be kept")
		}
		m = t.newModel(to)
		t.models[s.Level] = m
	}
	if a.Coherence != nil {
		t.gradient(coherenceBatches) // of the level that the run comes from
	}
	if err := t.use(m, to); err != nil {
		return err
	}
	t.stage = stage
	t.guard.Seen = 0 // what is usual is another thing there
	l := newLink(a.Operator, a.Moments, from, to)
	l.alpha, l.random = a.Alpha, t.drawBlock
	switch {
	case a.Correct:
		if err := t.correct(l, a, source, m, from, to); err != nil {
			return err
		}
	default:
		how := asNew
		if a.Alpha != 1 {
			how = toBlend
		}
		groups := resize(source.groups, m.groups, t.options.Config(from), t.options.Config(to), how)
		if err := l.both(groups, m.groups); err != nil {
			return err
		}
	}
	if s.Level < was {
		m.remember()
	}
	if !a.Correct { // a correction comes back to the objective that the level has
		m.tau = nil
	}
	if a.Coherence != nil {
		if err := t.cohere(source, m, *a.Coherence, float64(t.options.Config(from).Width)/float64(t.options.Config(to).Width)); err != nil {
			return err
		}
	}
	if !t.plan.needs(was, stage) {
		t.models[was] = nil
	}
	t.findGrowing()
	return nil
}

// newLink returns a transfer from one level to another.
func newLink(op Operator, moments string, from, to Level) link {
	return link{op: op, moments: moments, ratio: to.StepSize / from.StepSize, relativeTo: to.Relative, relativeFrom: from.Relative, alpha: 1}
}

// both carries what lies outside the blocks, and the blocks.
func (l link) both(from, to []*nn.Group) error {
	embed := l
	embed.op, embed.ratio = Operator{Name: l.op.Name, rows: interleave}, 1
	embed.relativeTo, embed.relativeFrom = nil, nil
	if err := embed.transfer(from[:1], to[:1]); err != nil {
		return err
	}
	return l.transfer(from[1:], to[1:])
}

// use puts the decoder on a level.
func (t *Trainer) use(m *model, l Level) error {
	t.groups = m.groups
	return t.decoder.Use(t.options.Config(l), m.groups)
}

// newModel returns a network without parameters.
func (t *Trainer) newModel(l Level) *model {
	return &model{groups: t.options.Config(l).NewGroups()}
}

// drawBlock draws a block as that of a new network, which no other block of the run is drawn like.
func (t *Trainer) drawBlock(g *nn.Group) {
	i := slices.Index(t.groups, g)
	t.decoder.InitBlock(g, rand.New(rand.NewPCG(t.options.Seed, uint64(t.stage)<<32+uint64(i))))
}

// findGrowing sets the blocks whose step size grows in this stage.
func (t *Trainer) findGrowing() {
	t.growing = t.growing[:0]
	if t.stage == 0 {
		return
	}
	from := t.hierarchy.Levels[t.plan[t.stage-1].Level].Blocks
	rows, err := t.plan[t.stage].Arrive.Operator.Rows(from, t.level().Blocks)
	if err != nil {
		return // of a stage on the level of the one before
	}
	for i, r := range rows {
		if r.Output > 0 && r.Output < 1 {
			t.growing = append(t.growing, i+1)
		}
	}
}

// grow brings the step size of growing blocks from i/growSteps to (i+1)/growSteps of h after step i of the
// stage: the entries that write to the residual stream take the factor.
func (t *Trainer) grow() {
	if len(t.growing) == 0 {
		return
	}
	i := t.step - t.plan.start(t.stage)
	if i >= growSteps {
		return
	}
	t.decoder.Changed()
	for _, b := range t.growing {
		g := t.groups[b]
		for _, e := range g.Entries {
			if e.Output {
				kernels.Scal(float32(i+1)/float32(i), g.Theta[e.Offset:e.Offset+e.Len()])
			}
		}
	}
}

// loss returns the mean cross-entropy of whole sequences, computed in the parts that a batch has.
func (t *Trainer) loss(tokens, targets []int32) float64 {
	size, context := t.options.MicroBatch()*t.options.Context, t.decoder.Config().Context
	var sum float64
	for lo := 0; lo < len(tokens); lo += size {
		hi := min(lo+size, len(tokens))
		n := (hi - lo) / context
		sum += float64(float64(n) * t.decoder.Loss(tokens[lo:hi], targets[lo:hi], n)) // not fused: the same on every machine
	}
	return sum / float64(len(tokens)/context)
}

// Validate returns the mean cross-entropy in nats over the validation sequences, at the current level.
// It changes nothing that training depends on. A loss that is not finite is a [DivergedError].
func (t *Trainer) Validate() (float64, error) {
	if err := t.use(t.model(), t.level()); err != nil { // a trial may be under way
		return 0, err
	}
	defer t.resumeTrial()
	loss := t.loss(t.source.Validation())
	if !finite(loss) {
		return loss, &DivergedError{Step: t.step, Level: t.plan[t.stage].Level + 1, Blocks: t.level().Blocks,
			What: fmt.Sprintf("the validation loss is %v%s", loss, t.culprit()), Loss: measured(loss), Norm: measured(math.NaN())}
	}
	return loss, nil
}

// culprit names the first group whose parameters or gradient are not finite.
func (t *Trainer) culprit() string {
	if err := nn.NonFinite(t.groups); err != nil {
		return " (" + err.Error() + ")"
	}
	return ""
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
