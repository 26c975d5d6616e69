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
	Blocks         int       `toml:"blocks" json:"blocks"`                     // depth of the finest level; 0: the last of Levels, or 12
	Levels         []int     `toml:"levels" json:"levels"`                     // depths, coarse to fine; empty: DefaultLevels(Blocks)
	LevelFractions []float64 `toml:"level_fractions" json:"level_fractions"`   // shares of the steps; empty: DefaultFractions
	Prolong        string    `toml:"prolong" json:"prolong"`                   // how the depth grows: one of Prolongations()
	StepSizePolicy string    `toml:"step_size_policy" json:"step_size_policy"` // KeepStepSize or DivideStepSize
	StepSize       float64   `toml:"step_size" json:"step_size"`               // h of the finest level
	Moments        string    `toml:"moments" json:"moments"`                   // CarryMoments, RescaleMoments or ResetMoments

	Method  string `toml:"method" json:"method"` // euler, split, midpoint, heun or rk4 (nn.Config)
	Width   int    `toml:"width" json:"width"`
	Heads   int    `toml:"heads" json:"heads"`
	Context int    `toml:"context" json:"context"` // tokens of a sequence
	Batch   int    `toml:"batch" json:"batch"`     // sequences of an optimizer step
	Vocab   int    `toml:"vocab" json:"vocab"`

	Steps         int     `toml:"steps" json:"steps"` // optimizer steps of the whole run
	LR            float64 `toml:"lr" json:"lr"`       // peak learning rate
	Schedule      string  `toml:"lr_schedule" json:"lr_schedule"`
	Warmup        int     `toml:"warmup" json:"warmup"`                 // steps of linear warm-up
	DecayFraction float64 `toml:"decay_fraction" json:"decay_fraction"` // wsd: share of the steps that decay
	FinalLR       float64 `toml:"final_lr" json:"final_lr"`             // the last rate as a share of LR

	Optimizer   string  `toml:"optimizer" json:"optimizer"`
	Beta1       float64 `toml:"beta1" json:"beta1"`
	Beta2       float64 `toml:"beta2" json:"beta2"`
	Eps         float64 `toml:"eps" json:"eps"`
	Momentum    float64 `toml:"momentum" json:"momentum"`         // sgd
	WeightDecay float64 `toml:"weight_decay" json:"weight_decay"` // on matrices only
	Clip        float64 `toml:"clip" json:"clip"`                 // bound of the global gradient norm; 0: none

	Seed uint64 `toml:"seed" json:"seed"`
}

// Values of Options.Schedule and Options.Optimizer.
const (
	WSD    = "wsd"    // warm-up, stable, decay
	Cosine = "cosine" // warm-up, half a cosine
	AdamW  = "adamw"
	SGD    = "sgd"
)

// Bounds that keep every size in range of an int; memory runs out long before.
const (
	maxBlocks = 1 << 12
	maxSize   = 1 << 20
	maxTokens = 1 << 24 // of a step
	maxSteps  = math.MaxInt32
)

// Defaults returns the options of a default run: 12 blocks grown once from 3 by identity insertion at
// 70% of the steps (Blocks, Levels and LevelFractions are left empty: Resolve fills them), h = 1, AdamW.
// The learning rate is the best of 1, 2, 4, 8e-3 for 2,048 tokens a step.
func Defaults() Options {
	return Options{
		Prolong:        "identity",
		StepSizePolicy: KeepStepSize,
		StepSize:       1,
		Moments:        CarryMoments,
		Method:         "euler",
		Width:          128,
		Heads:          4,
		Context:        256,
		Batch:          8,
		Vocab:          256,
		Steps:          1400,
		LR:             2e-3,
		Schedule:       WSD,
		Warmup:         20,
		DecayFraction:  0.25,
		FinalLR:        0.05,
		Optimizer:      AdamW,
		Beta1:          0.9,
		Beta2:          0.95,
		Eps:            1e-8,
		Momentum:       0.9,
		WeightDecay:    0.1,
		Clip:           1,
		Seed:           1,
	}
}

// Resolve fills the empty ones of Blocks, Levels and LevelFractions from the others. Whoever changes
// Blocks or Levels of resolved options should empty those that are to follow.
func (o Options) Resolve() Options {
	if o.Blocks == 0 {
		o.Blocks = 12
		if len(o.Levels) > 0 {
			o.Blocks = o.Levels[len(o.Levels)-1]
		}
	}
	if len(o.Levels) == 0 {
		o.Levels = DefaultLevels(o.Blocks)
	}
	if len(o.LevelFractions) == 0 {
		o.LevelFractions = DefaultFractions(len(o.Levels))
	}
	return o
}

// Validate returns the first thing that is wrong with the resolved options, in one line that says what
// would work, or nil.
func (o Options) Validate() error {
	o = o.Resolve()
	for _, c := range []func() error{o.validateModel, o.validateLevels, o.validateTraining, o.validateOptimizer} {
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
	h, err := o.Hierarchy()
	if err != nil {
		return err
	}
	if n := h.Finest().Blocks; n != o.Blocks {
		return fmt.Errorf("levels %s end at %d blocks, but blocks is %d: end the levels with %d, or set blocks to %d",
			join(o.Levels), n, o.Blocks, o.Blocks, n)
	}
	if _, err := Prolongation(o.Prolong); err != nil {
		return err
	}
	if o.Prolong == Identity && o.StepSizePolicy == DivideStepSize && len(h.Levels) > 1 {
		return fmt.Errorf("prolong %s keeps the function only if the step size is kept: use step size policy %s, or another operator (%s)",
			Identity, KeepStepSize, strings.Join(Prolongations(), ", "))
	}
	if !slices.Contains(momentPolicies, o.Moments) {
		return fmt.Errorf("moments %q is unknown: use %s", o.Moments, strings.Join(momentPolicies, ", "))
	}
	for l := range h.Levels {
		if err := o.Config(h.Levels[l]).Validate(); err != nil {
			return err
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
	if o.Seed > math.MaxInt64 {
		return fmt.Errorf("seed %d: it must be at most %d", o.Seed, uint64(math.MaxInt64))
	}
	return firstError(
		inRange("learning rate", o.LR, 0, math.MaxFloat32, false),
		inRange("decay fraction", o.DecayFraction, 0, 1, true),
		inRange("final learning rate, as a share of the peak,", o.FinalLR, 0, 1, true),
		inRange("clip", o.Clip, 0, math.MaxFloat32, true),
	)
}

func (o Options) validateOptimizer() error {
	if o.Optimizer != AdamW && o.Optimizer != SGD {
		return fmt.Errorf("optimizer %q is unknown: use %s or %s", o.Optimizer, AdamW, SGD)
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
	o = o.Resolve()
	return NewHierarchy(o.Levels, o.Steps, o.LevelFractions, o.StepSizePolicy, o.StepSize)
}

// Config returns the decoder of a level.
func (o Options) Config(l Level) nn.Config {
	return nn.Config{
		Vocab: o.Vocab, Context: o.Context, Width: o.Width, Heads: o.Heads,
		Blocks: l.Blocks, StepSize: l.StepSize, Method: o.Method,
	}
}

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
