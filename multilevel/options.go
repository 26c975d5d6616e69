package multilevel

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vcycle-go/vcycle/nn"
)

// Options is everything that determines the bits of a run, apart from the data, as plain data: the same
// Options, data and instruction set give the same parameters.
type Options struct {
	Blocks     int    `toml:"blocks" json:"blocks"`         // depth of the finest level; 0: the last of Levels, or 12
	Multilevel string `toml:"multilevel" json:"multilevel"` // the way through the levels: one of Schedules()
	Levels     []int  `toml:"levels" json:"levels"`         // depths, coarse to fine; empty: those of the schedule
	// Axes of the levels beside the depth, coarse to fine, the last that of the finest; empty: all have the same.
	LevelWidths    []int     `toml:"level_widths" json:"level_widths"`
	LevelContexts  []int     `toml:"level_contexts" json:"level_contexts"`   // a step has as many tokens on each: sequences are cut
	LevelRates     []float64 `toml:"level_rates" json:"level_rates"`         // learning rate of each level, coarse to fine, in units of LR; empty: all 1
	LevelFractions []float64 `toml:"level_fractions" json:"level_fractions"` // shares of the steps; empty: those of the schedule
	Cycles         int       `toml:"cycles" json:"cycles"`                   // of reference and the cycles; 0: that of the schedule

	// How the depth changes. What is empty or 0, and a Rewarm of −1, is as the schedule has it.
	Prolong          string    `toml:"prolong" json:"prolong"`                       // up: one of Prolongations()
	Restrict         string    `toml:"restrict" json:"restrict"`                     // down: one of Restrictions()
	Moments          string    `toml:"moments" json:"moments"`                       // CarryMoments, RescaleMoments, ResetMoments or KeepMoments
	StepSizePolicy   string    `toml:"step_size_policy" json:"step_size_policy"`     // KeepStepSize, DivideStepSize or ScaleStepSize
	StepSizeExponent float64   `toml:"step_size_exponent" json:"step_size_exponent"` // of ScaleStepSize
	StepSize         float64   `toml:"step_size" json:"step_size"`                   // h of the finest level; in the adaptive schedule of the coarsest: with method split the finer ones may have less
	StepSizes        []float64 `toml:"step_sizes" json:"step_sizes"`                 // of the blocks of the finest level, in units of StepSize; empty: all 1
	Alpha            float64   `toml:"alpha" json:"alpha"`                           // weight of what comes up from a coarser level
	Rewarm           int       `toml:"rewarm" json:"rewarm"`                         // steps over which the rate rises again after a change
	Coherence        bool      `toml:"coherence" json:"coherence"`                   // first-order term on the coarse levels of a cycle
	LineSearch       bool      `toml:"line_search" json:"line_search"`               // of a cycle's corrections

	Method    string `toml:"method" json:"method"`       // one of nn.Methods()
	Precision string `toml:"precision" json:"precision"` // float32 or bf16: what products multiply (nn.Config); empty: float32
	Width     int    `toml:"width" json:"width"`
	Heads     int    `toml:"heads" json:"heads"`
	Context   int    `toml:"context" json:"context"` // tokens of a sequence
	Batch     int    `toml:"batch" json:"batch"`     // sequences of an optimizer step
	Vocab     int    `toml:"vocab" json:"vocab"`

	Accumulate int  `toml:"accumulate" json:"accumulate"` // parts of a batch, computed one after the other in the memory of one; 0: 1
	Recompute  bool `toml:"recompute" json:"recompute"`   // activations again in the backward pass instead of keeping them: no other bits (nn.Config)

	Steps int `toml:"steps" json:"steps"` // optimizer steps of the whole run
	// Seconds, where it is not 0, takes the place of Steps in the adaptive schedule: how long the run may
	// take, if a step on each level takes as long as StepSeconds say.
	Seconds       float64   `toml:"time" json:"time"`
	StepSeconds   []float64 `toml:"step_seconds" json:"step_seconds"`
	LR            float64   `toml:"lr" json:"lr"` // peak learning rate
	Schedule      string    `toml:"lr_schedule" json:"lr_schedule"`
	Warmup        int       `toml:"warmup" json:"warmup"`                 // steps of linear warm-up
	DecayFraction float64   `toml:"decay_fraction" json:"decay_fraction"` // wsd: share of the steps that decay
	FinalLR       float64   `toml:"final_lr" json:"final_lr"`             // the last rate as a share of LR

	Optimizer   string  `toml:"optimizer" json:"optimizer"`
	Beta1       float64 `toml:"beta1" json:"beta1"`
	Beta2       float64 `toml:"beta2" json:"beta2"`
	Eps         float64 `toml:"eps" json:"eps"`
	Momentum    float64 `toml:"momentum" json:"momentum"`         // sgd, muon
	WeightDecay float64 `toml:"weight_decay" json:"weight_decay"` // on matrices only
	Clip        float64 `toml:"clip" json:"clip"`                 // bound of the global gradient norm; 0: none

	// Patience is after how many validations without a loss lower by more than MinDelta nats the run is cut
	// short; 0: never. See Trainer.Observe.
	Patience int     `toml:"patience" json:"patience"`
	MinDelta float64 `toml:"min_delta" json:"min_delta"`

	// OnDivergence is what becomes of a step whose loss or gradient is not finite, or jumps: StopOnDivergence,
	// SkipOnDivergence or RollBackOnDivergence; empty: stop. Jump is how many times the usual perplexity or gradient
	// norm, their geometric means over some 20 steps on the level, a step has to have for that, or the perplexity of
	// tokens drawn at random (WorstLoss); 0: none jumps.
	OnDivergence string  `toml:"on_divergence" json:"on_divergence"`
	Jump         float64 `toml:"jump" json:"jump"`

	Seed uint64 `toml:"seed" json:"seed"`
}

// Values of Options.Schedule and Options.Optimizer.
const (
	WSD    = "wsd"    // warm-up, stable, decay
	Cosine = "cosine" // warm-up, half a cosine
	AdamW  = "adamw"
	SGD    = "sgd"
	Muon   = "muon" // for the matrices of the blocks, AdamW for the rest
)

// Bounds that keep every size in range of an int; memory runs out long before.
const (
	maxBlocks = 1 << 12
	maxSize   = 1 << 20
	maxTokens = 1 << 24 // of a step
	maxSteps  = math.MaxInt32
	maxCycles = 1 << 16
)

// Defaults returns the options of a default run: 12 blocks that the adaptive schedule comes to from 3 (what
// is left empty follows from the schedule: see Resolve), h = 1, AdamW. The learning rate is the best of 1,
// 2, 4, 8e-3 for 2,048 tokens a step.
func Defaults() Options {
	return Options{
		Multilevel:       Adaptive,
		StepSizeExponent: 0.5,
		StepSize:         1,
		Rewarm:           -1,
		Method:           "euler",
		Precision:        "float32",
		Width:            128,
		Heads:            4,
		Context:          256,
		Batch:            8,
		Vocab:            256,
		Accumulate:       1,
		Steps:            1400,
		LR:               2e-3,
		Schedule:         WSD,
		Warmup:           20,
		DecayFraction:    0.25,
		FinalLR:          0.05,
		Optimizer:        AdamW,
		Beta1:            0.9,
		Beta2:            0.95,
		Eps:              1e-8,
		Momentum:         0.9,
		WeightDecay:      0.1,
		Clip:             1,
		OnDivergence:     StopOnDivergence,
		Jump:             100,
		Seed:             1,
	}
}

// Resolve fills Blocks from Levels, an empty Precision with float32, an empty OnDivergence with stop, Accumulate with 1, and what is left open
// of Levels and all that a schedule may decide from the schedule. Whoever changes Blocks, Levels or Multilevel of resolved options should empty what is
// to follow from them.
func (o Options) Resolve() Options {
	if o.Precision == "" { // as in runs of before there was a choice
		o.Precision = Defaults().Precision
	}
	if o.OnDivergence == "" {
		o.OnDivergence = StopOnDivergence
	}
	if o.Blocks == 0 {
		o.Blocks = 12
		if len(o.Levels) > 0 {
			o.Blocks = o.Levels[len(o.Levels)-1]
		}
	}
	if s, err := scheduleOf(o.Multilevel); err == nil && o.Blocks > 0 {
		o = s.resolve(o)
	}
	if o.Accumulate == 0 {
		o.Accumulate = 1
	}
	return o
}

// Validate returns the first thing that is wrong with the resolved options, in one line that says what
// would work, or nil.
func (o Options) Validate() error {
	o = o.Resolve()
	for _, c := range []func() error{o.validateModel, o.validateLevels, o.validateTraining, o.validateDivergence, o.validateOptimizer} {
		if err := c(); err != nil {
			return err
		}
	}
	return nil
}

func (o Options) validateModel() error {
	for _, s := range []struct {
		name  string
		value int
	}{{"width", o.Width}, {"heads", o.Heads}, {"context", o.Context}, {"batch", o.Batch}, {"vocab", o.Vocab}} {
		if s.value < 1 || s.value > maxSize {
			return fmt.Errorf("%s %d: it must be between 1 and %d", s.name, s.value, maxSize)
		}
	}
	if o.Batch > maxTokens/o.Context {
		return fmt.Errorf("batch %d times context %d: more than %d tokens a step", o.Batch, o.Context, maxTokens)
	}
	if o.Accumulate < 1 || o.Accumulate > o.Batch {
		return fmt.Errorf("accumulate %d: a batch of %d sequences has between 1 and %d parts", o.Accumulate, o.Batch, o.Batch)
	}
	if o.Width%o.Heads != 0 {
		return fmt.Errorf("width %d is not divisible by %d heads: use a number of heads that divides it (%s)",
			o.Width, o.Heads, join(append(divisors(o.Width), o.Width)))
	}
	return nil
}

func (o Options) validateLevels() error {
	if o.Blocks < 1 || o.Blocks > maxBlocks {
		return fmt.Errorf("blocks %d: it must be between 1 and %d", o.Blocks, maxBlocks)
	}
	if _, err := scheduleOf(o.Multilevel); err != nil {
		return err
	}
	for _, c := range []struct {
		name, value string
		known       []string
	}{{"moments", o.Moments, momentPolicies}, {"step size policy", o.StepSizePolicy, stepSizePolicies}} {
		if !slices.Contains(c.known, c.value) {
			return fmt.Errorf("%s %q is unknown: use %s", c.name, c.value, strings.Join(c.known, ", "))
		}
	}
	if n := len(o.StepSizes); n != 0 && n != o.Blocks {
		return fmt.Errorf("step sizes: %d given for %d blocks: give one for each, or none", n, o.Blocks)
	}
	for _, h := range o.StepSizes {
		if err := inRange("step sizes", h, 0, math.MaxFloat32, false); err != nil {
			return err
		}
	}
	_, err := Prolongation(o.Prolong)
	if _, e := Restriction(o.Restrict); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if o.Multilevel == Adaptive && len(o.LevelFractions) > 0 {
		return fmt.Errorf("level fractions: multilevel %s decides itself: leave them out, or use multilevel %s", Adaptive, Nested)
	}
	if err := o.validateTime(); err != nil {
		return err
	}
	if o.Cycles < 1 || o.Cycles > maxCycles {
		return fmt.Errorf("cycles %d: it must be between 1 and %d", o.Cycles, maxCycles)
	}
	if o.Rewarm < 0 || o.Rewarm > maxSteps {
		return fmt.Errorf("rewarm %d: it must be at least 0 and at most %d", o.Rewarm, maxSteps)
	}
	if err := firstError(inRange("alpha", o.Alpha, 0, 1, false), inRange("step size exponent", o.StepSizeExponent, 0, 1, true)); err != nil {
		return err
	}
	if err := o.validateAdaptive(); err != nil {
		return err
	}
	h, _, err := o.Plan()
	if err != nil {
		return err
	}
	if o.StepSizePolicy != KeepStepSize && len(h.Levels) > 1 && slices.Contains([]string{Identity, Grow, Random}, o.Prolong) && o.Multilevel != Reference {
		return fmt.Errorf("prolong %s keeps the old blocks as they are, so the step size has to be kept: use step size policy %s, or another operator (%s)",
			o.Prolong, KeepStepSize, strings.Join([]string{Interleave, Stack, Linear, Middle}, ", "))
	}
	for l := range h.Levels {
		if err := o.Config(h.Levels[l]).Validate(); err != nil {
			return err
		}
	}
	return nil
}

// validateAdaptive refuses what the adaptive schedule would ignore: all that differs from what Resolve fills.
func (o Options) validateAdaptive() error {
	if o.Multilevel != Adaptive {
		return nil
	}
	open := Options{Multilevel: Adaptive, Blocks: o.Blocks, Levels: o.Levels, Rewarm: -1}.Resolve()
	if o.StepSizeExponent != 0 {
		open.StepSizeExponent = Defaults().StepSizeExponent
	}
	for _, c := range []struct {
		name       string
		value, own any
	}{
		{"prolong", o.Prolong, open.Prolong}, {"restrict", o.Restrict, open.Restrict}, {"moments", o.Moments, open.Moments},
		{"step size policy", o.StepSizePolicy, open.StepSizePolicy}, {"step size exponent", o.StepSizeExponent, open.StepSizeExponent},
		{"alpha", o.Alpha, open.Alpha}, {"rewarm", o.Rewarm, open.Rewarm}, {"cycles", o.Cycles, open.Cycles},
		{"coherence", o.Coherence, open.Coherence}, {"line search", o.LineSearch, open.LineSearch},
	} {
		if c.value != c.own {
			return fmt.Errorf("%s %v: multilevel %s decides itself, or has no use for it: leave it out, or use another multilevel, such as %s", c.name, c.value, Adaptive, Nested)
		}
	}
	return nil
}

func (o Options) validateTime() error {
	if o.Seconds == 0 {
		return nil
	}
	if err := inRange("time", o.Seconds, 0, 1e9, false); err != nil {
		return err
	}
	if o.Multilevel != Adaptive {
		return fmt.Errorf("time: a budget of time is for multilevel %s: give the steps otherwise", Adaptive)
	}
	for _, s := range o.StepSeconds {
		if err := inRange("step seconds", s, 0, 1e9, false); err != nil {
			return err
		}
	}
	if n := len(o.StepSeconds); n != 0 && n != len(o.Levels) {
		return fmt.Errorf("step seconds: %d given for %d levels: give one per level, or none", n, len(o.Levels))
	}
	return nil
}

// checkLevels refuses depths that the schedule cannot pass through.
func (o Options) checkLevels(s schedule) error {
	check := checkDepths
	if s.anyDepth && o.Prolong == Middle {
		check = checkIncrease
	}
	if err := o.checkAxes(s); err != nil {
		return err
	}
	if err := check(o.depths()); err != nil {
		return err
	}
	n := len(o.Levels)
	if last := o.Levels[n-1]; last != o.Blocks {
		return fmt.Errorf("levels %s end at %d blocks, but blocks is %d: end the levels with %d, or set blocks to %d",
			join(o.Levels), last, o.Blocks, o.Blocks, last)
	}
	switch s.name {
	case SingleLevel:
		if n > 1 {
			return fmt.Errorf("levels %s: multilevel %s has one: leave the levels out, or use multilevel %s", join(o.Levels), s.name, Nested)
		}
	case Reference, Zou:
		if n != 2 || s.name == Reference && o.Levels[1] != 2*o.Levels[0] {
			return fmt.Errorf("levels %s: multilevel %s has two, a half and all of an even number of blocks: use levels such as %d,%d",
				join(o.Levels), s.name, max(1, o.Blocks/2), 2*max(1, o.Blocks/2))
		}
	case VCycle, WCycle, FCycle, MGOPT:
		if n < 2 {
			return fmt.Errorf("levels %s: multilevel %s needs at least two: use depths that divide %d (%s)", join(o.Levels), s.name, o.Blocks, join(divisors(o.Blocks)))
		}
		if slices.Contains([]string{Grow, Random}, o.Prolong) {
			return fmt.Errorf("prolong %s: a cycle corrects blocks that are there: use %s", o.Prolong, strings.Join([]string{Interleave, Stack, Linear, Identity}, ", "))
		}
	}
	return nil
}

func (o Options) validateTraining() error {
	if o.Steps > maxSteps {
		return fmt.Errorf("steps %d: it must be at most %d", o.Steps, maxSteps)
	}
	if o.Warmup < 0 || o.Warmup > o.Steps {
		return fmt.Errorf("warm-up of %d steps: it must be between 0 and the %d steps of the run", o.Warmup, o.Steps)
	}
	if o.Schedule != WSD && o.Schedule != Cosine {
		return fmt.Errorf("lr schedule %q is unknown: use %s or %s", o.Schedule, WSD, Cosine)
	}
	if o.Patience < 0 || o.Patience > maxSteps {
		return fmt.Errorf("patience %d: it must be at least 0 and at most %d", o.Patience, maxSteps)
	}
	if o.Seed > math.MaxInt64 {
		return fmt.Errorf("seed %d: it must be at most %d", o.Seed, uint64(math.MaxInt64))
	}
	if n := len(o.LevelRates); n != 0 && n != len(o.Levels) {
		return fmt.Errorf("level rates: %d given for %d levels: give one per level, or none", n, len(o.Levels))
	}
	for l, r := range o.LevelRates {
		if err := inRange(fmt.Sprintf("level rates: that of level %d, times the learning rate,", l+1), r*o.LR, 0, math.MaxFloat32, false); err != nil {
			return err
		}
	}
	return firstError(
		inRange("learning rate", o.LR, 0, math.MaxFloat32, false),
		inRange("decay fraction", o.DecayFraction, 0, 1, true),
		inRange("final learning rate, as a share of the peak,", o.FinalLR, 0, 1, true),
		inRange("clip", o.Clip, 0, math.MaxFloat32, true),
		inRange("min delta", o.MinDelta, 0, math.MaxFloat32, true),
	)
}

func (o Options) validateOptimizer() error {
	if !slices.Contains([]string{AdamW, SGD, Muon}, o.Optimizer) {
		return fmt.Errorf("optimizer %q is unknown: use %s, %s or %s", o.Optimizer, AdamW, SGD, Muon)
	}
	return firstError(
		below1("beta1", o.Beta1),
		below1("beta2", o.Beta2),
		below1("momentum", o.Momentum),
		inRange("eps", o.Eps, 0, 1, false),
		inRange("weight decay", o.WeightDecay, 0, math.MaxFloat32, true),
	)
}

// Hierarchy returns the levels of the resolved options.
func (o Options) Hierarchy() (*Hierarchy, error) {
	h, _, err := o.Plan()
	return h, err
}

// Config returns the decoder of a level.
func (o Options) Config(l Level) nn.Config {
	if l.Width == 0 {
		l.Width, l.Heads = o.Width, o.Heads
	}
	if l.Context == 0 {
		l.Context = o.Context
	}
	return nn.Config{
		Vocab: o.Vocab, Context: l.Context, Width: l.Width, Heads: l.Heads,
		Blocks: l.Blocks, StepSize: l.StepSize, Relative: l.Relative, Method: o.Method, Precision: o.Precision, Recompute: o.Recompute,
	}
}

// Alone returns the options of a run on the level alone.
func (o Options) Alone(l Level) Options {
	o.Multilevel, o.Blocks, o.Levels, o.LevelFractions = SingleLevel, l.Blocks, nil, nil
	o.StepSize, o.StepSizes = l.StepSize, l.Relative
	c := o.Config(l)
	o.Batch *= o.cut(l)
	o.Width, o.Heads, o.Context, o.LevelWidths, o.LevelContexts, o.LevelRates = c.Width, c.Heads, c.Context, nil, nil, nil
	o.Seconds, o.StepSeconds = 0, nil
	return o
}

// StepFLOPs returns the floating point operations of the matrix products of an optimizer step on a level, in
// the blocks and with the head (nn.Config), and of the optimizer (nn.Muon).
func (o Options) StepFLOPs(l Level) (blocks, total float64) {
	blocks, total = o.Config(l).FLOPs()
	update, tokens := o.updateFLOPs(l), float64(o.stepTokens())
	return tokens*blocks + update, tokens*total + update
}

// updateFLOPs returns those of the optimizer, which are in products with the matrices of the blocks.
func (o Options) updateFLOPs(l Level) float64 {
	if m, ok := o.optimizer().(*nn.Muon); ok {
		return m.FLOPs(o.Config(l))
	}
	return 0
}

// stepTokens returns the tokens of an optimizer step.
func (o Options) stepTokens() int { return o.Batch * o.Context }

// MicroBatch returns the sequences of the largest part of a batch, which are computed at once.
func (o Options) MicroBatch() int {
	o = o.Resolve()
	return (o.Batch + o.Accumulate - 1) / o.Accumulate
}

// microBatch returns the sequences of a level that are computed at once: as many tokens as on any other.
func (o Options) microBatch(l Level) int { return o.MicroBatch() * o.cut(l) }

// cut returns how many sequences of a level one of the data is cut into.
func (o Options) cut(l Level) int { return o.Context / max(1, o.Config(l).Context) }

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// inRange refuses NaN, values above hi and values below lo, and unless closed also what is lo in float32,
// in which the optimizers compute.
func inRange(name string, v, lo, hi float64, closed bool) error {
	if v >= lo && v <= hi && (closed || float64(float32(v)) > lo) {
		return nil
	}
	if closed {
		return fmt.Errorf("%s %g: it must be at least %g and at most %g", name, v, lo, hi)
	}
	return fmt.Errorf("%s %g: it must be more than %g and at most %g, as a float32", name, v, lo, hi)
}

// below1 refuses what is not in [0, 1) in float32.
func below1(name string, v float64) error {
	if v >= 0 && float32(v) < 1 {
		return nil
	}
	return fmt.Errorf("%s %g: it must be at least 0 and below 1, as a float32", name, v)
}
