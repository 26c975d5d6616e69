package main

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"github.com/vcycle-go/vcycle/multilevel"
)

// settings are the flags of train that a configuration file may hold too: a key is the name of the flag
// with _ for -. Fields that Options has too carry its names and take its defaults.
type settings struct {
	Data      string `toml:"data" group:"data" placeholder:"PATH" help:"File or directory of text, or a directory of shards (vcycle data prepare). A directory of text is read in sorted order without hidden and binary files and runs of vcycle, and every 20th file is for validation; of a single file the last 5% are. Text is held in memory, but for a file of 256 MiB or more, which is mapped into it. Default: the .go files of the installed Go toolchain that are not tests."`
	Tokenizer string `toml:"tokenizer" group:"data" placeholder:"NAME" help:"What turns text into tokens: bytes, gpt2 or the path of a tokenizer.json. Shards have their own. Default: bytes, or that of --init."`
	Init      string `toml:"init" group:"data" placeholder:"DIR" help:"Begin with the network of a run or of a GPT-2 of Hugging Face, whose shape and tokenizer become the defaults."`

	Theta string `toml:"theta" group:"data" default:"constant" placeholder:"NAME" help:"With --init and other --blocks, --step-size or --step-sizes than the network has: its parameters as a function of depth, constant on each step or linear between their middles, on the new grid, which covers the same interval. Default: constant."`

	Blocks    int       `toml:"blocks" group:"model" placeholder:"N" help:"Blocks of the trained model; 0: as many as the last of --levels, or 12. Default: 0."`
	Width     int       `toml:"width" group:"model" default:"${width}" help:"Width of the residual stream."`
	Heads     int       `toml:"heads" group:"model" default:"${heads}" help:"Attention heads; they divide the width."`
	Context   int       `toml:"context" group:"model" default:"${context}" help:"Tokens (bytes) of a sequence."`
	Method    string    `toml:"method" group:"model" default:"${method}" help:"How the depth is integrated: euler (x + h·F(x), an ordinary Transformer at h = 1), split (attention and perceptron in turn), strang (half of attention, perceptron, half of attention, of order 2), midpoint, heun, ralston, rk4, rk38 (Runge-Kutta with the same parameters in all stages), or rk2-learned, rk2-gated, rk4-learned (the stages of heun and rk4, weighed by parameters: ODE Transformer). A step costs as much as it has stages."`
	Precision string    `toml:"precision" group:"model" default:"${precision}" help:"What matrix products multiply: float32, or bf16, rounded to 8 bits and summed in float32, which pays where the CPU has instructions for it (see vcycle info); parameters stay in float32."`
	StepSize  float64   `toml:"step_size" group:"model" default:"${step_size}" help:"Step size h of the finest level."`
	StepSizes []float64 `toml:"step_sizes" group:"model" placeholder:"1,1,2,4" help:"Step sizes of the blocks in units of --step-size, one for each block of the finest level: a grid that is not uniform. Coarser levels have the means. Default: all 1."`

	Multilevel       string    `toml:"multilevel" group:"levels" default:"${multilevel}" placeholder:"NAME" help:"The way through the levels: ${schedules}. What the flags below leave open is as this has it. vcycle schedules describes them. Default: ${multilevel}."`
	Levels           []int     `toml:"levels" group:"levels" placeholder:"3,6,12" help:"Depths that the run passes through, coarse to fine; each divides the next, and the last is --blocks. A single depth is an ordinary run. Default: what --multilevel says; with adaptive a quarter, a half and all of the blocks."`
	LevelWidths      []int     `toml:"level_widths" group:"levels" placeholder:"64,128" help:"Width of each level, coarse to fine, the last --width; each divides the next. Heads keep their size, so that their number grows with the width. Depths may then repeat (--levels 12,12). Default: all --width."`
	LevelContexts    []int     `toml:"level_contexts" group:"levels" placeholder:"64,256" help:"Context of each level, coarse to fine, the last --context; each divides the next. A step has the same tokens on every level: a sequence is cut into as many as fit. Default: all --context."`
	LevelRates       []float64 `toml:"level_rates" group:"levels" placeholder:"2,1" help:"Learning rate of each level, coarse to fine, in units of --lr. Default: all 1."`
	LevelFractions   []float64 `toml:"level_fractions" group:"levels" placeholder:"0.7,0.3" help:"Share of the steps that each level gets. Default: 0.3 for the finest, the others share 0.7 equally, or what --multilevel says."`
	Cycles           int       `toml:"cycles" group:"levels" placeholder:"N" help:"How often reference and the cycles go down and up. Default: 4 and 3."`
	Prolong          string    `toml:"prolong" group:"levels" placeholder:"NAME" help:"How blocks are added: identity (copies with zero output), grow (copies whose step grows from 0), interleave, stack, linear, middle or random. Default: identity, or what --multilevel says."`
	Restrict         string    `toml:"restrict" group:"levels" placeholder:"NAME" help:"How a cycle goes to fewer blocks: injection, odd, even, average (of neighbours) or average-stack (of those that stack copies from one). Default: average."`
	Moments          string    `toml:"moments" group:"levels" placeholder:"NAME" help:"The optimizer's state at a change of level: carry it with the blocks, rescale it to the new step size, reset it, or keep one for each level. Default: carry, or what --multilevel says."`
	StepSizePolicy   string    `toml:"step_size_policy" group:"levels" placeholder:"NAME" help:"Where the depth grows by k: keep the step size, divide it by k, or scale it by k^-step_size_exponent. Default: keep, or what --multilevel says."`
	StepSizeExponent float64   `toml:"step_size_exponent" group:"levels" default:"${step_size_exponent}" help:"The exponent of --step-size-policy scale."`
	Alpha            float64   `toml:"alpha" group:"levels" placeholder:"A" help:"Weight of what comes up from a coarser level in zou, reference and the cycles. Default: 1, or 0.25 in zou."`
	Rewarm           int       `toml:"rewarm" group:"levels" default:"-1" placeholder:"STEPS" help:"Steps over which the learning rate rises again after a change of level. Default: 0, or the warm-up, as --multilevel says."`
	Coherence        bool      `toml:"coherence" group:"levels" help:"Cycles: coarse levels minimise f(y) - <v,y>, whose gradient agrees with that of the fine level to first order."`
	LineSearch       bool      `toml:"line_search" group:"levels" help:"Cycles: take as much of a coarse level's correction as lowers the loss."`

	Steps         int       `toml:"steps" group:"training" default:"${steps}" help:"Optimizer steps of the whole run."`
	Tokens        int64     `toml:"tokens" group:"training" placeholder:"N" help:"Train on so many tokens, instead of --steps."`
	Time          duration  `toml:"time" group:"training" placeholder:"30m" help:"Train for about so long, instead of --steps: the time of a step on each level is measured first."`
	StepSeconds   []float64 `toml:"step_seconds" group:"training" placeholder:"0.1,0.3" help:"Seconds of a step on each level, which --multilevel adaptive plans a --time with. Default: measured."`
	Batch         int       `toml:"batch" group:"training" default:"${batch}" help:"Sequences of a step."`
	Accumulate    int       `toml:"accumulate" group:"training" default:"${accumulate}" help:"Parts of a batch that are computed one after the other, in the memory of one."`
	Recompute     bool      `toml:"recompute" group:"training" negatable:"" help:"Compute activations again in the backward pass instead of keeping them: less memory, a quarter more time, the same result."`
	LR            float64   `toml:"lr" name:"lr" group:"training" default:"${lr}" help:"Peak learning rate."`
	LRSchedule    string    `toml:"lr_schedule" name:"lr-schedule" group:"training" default:"${lr_schedule}" help:"wsd (warm-up, stable, decay) or cosine."`
	Warmup        int       `toml:"warmup" group:"training" default:"-1" placeholder:"STEPS" help:"Steps over which the learning rate rises. Default: 20, or a tenth of the steps if that is less."`
	DecayFraction float64   `toml:"decay_fraction" group:"training" default:"${decay_fraction}" help:"wsd: share of the steps over which the rate decays at the end."`
	FinalLR       float64   `toml:"final_lr" name:"final-lr" group:"training" default:"${final_lr}" help:"The last learning rate as a share of the peak."`
	Clip          float64   `toml:"clip" group:"training" default:"${clip}" help:"Bound of the global gradient norm; 0: none."`
	Patience      int       `toml:"patience" group:"training" default:"${patience}" placeholder:"N" help:"Cut the run short after N validations without a lower loss; 0: never. With wsd the learning rate then decays, over --decay-fraction of what is then the whole run; with cosine the run ends. Counted on the last visit of the finest level only, as plans have reasons of their own to leave the others, and not during the decay. Default: 0."`
	MinDelta      float64   `toml:"min_delta" group:"training" default:"${min_delta}" placeholder:"NATS" help:"By how much a loss has to be lower for --patience. Default: 0."`
	OnDivergence  string    `toml:"on_divergence" name:"on-divergence" group:"training" default:"${on_divergence}" placeholder:"ACTION" help:"What to do when the loss or the gradient of a step is not finite, or jumps: stop; skip the step (10 in a row at most); or rollback to the last state whose validation loss was good, and go on with half the learning rate (5 times at most). Each says which tensor is to blame. Default: stop."`
	Jump          float64   `toml:"jump" group:"training" default:"${jump}" help:"How many times the usual perplexity or gradient norm counts as a jump; 0: nothing does."`
	Seed          int64     `toml:"seed" group:"training" default:"${seed}" help:"Seed of the parameters and of the order of the data."`

	Optimizer   string  `toml:"optimizer" group:"optimizer" default:"${optimizer}" help:"adamw, sgd (with momentum), or muon (orthogonalised momentum) for the matrices of the blocks and adamw for the rest."`
	WeightDecay float64 `toml:"weight_decay" group:"optimizer" default:"${weight_decay}" help:"Weight decay, on matrices only."`
	Beta1       float64 `toml:"beta1" name:"beta1" group:"optimizer" default:"${beta1}" help:"adamw: decay of the first moment."`
	Beta2       float64 `toml:"beta2" name:"beta2" group:"optimizer" default:"${beta2}" help:"adamw: decay of the second moment."`
	Eps         float64 `toml:"eps" group:"optimizer" default:"${eps}" help:"adamw: added to the root of the second moment."`
	Momentum    float64 `toml:"momentum" group:"optimizer" default:"${momentum}" help:"sgd, muon: momentum."`

	ValEvery    int      `toml:"val_every" group:"run" default:"50" placeholder:"STEPS" help:"Steps between validations; 0: only at the end. Default: 50."`
	SaveEvery   duration `toml:"save_every" group:"run" default:"2m" help:"Time between checkpoints; 0: none but those of --keep-best, at the end and when interrupted."`
	Keep        int      `toml:"keep" group:"run" default:"2" placeholder:"N" help:"Checkpoints that stay: the last N, and with --keep-best the best. Default: 2, of which the second is for when the newest is damaged."`
	KeepBest    bool     `toml:"keep_best" group:"run" default:"true" negatable:"" help:"Write a checkpoint after each validation with the lowest loss so far, and keep the best (generate --checkpoint best)."`
	TensorBoard bool     `toml:"tensorboard" name:"tensorboard" group:"run" help:"Write event files for TensorBoard, in the directory tensorboard of the run."`
	Threads     int      `toml:"threads" group:"run" placeholder:"N" help:"Threads to use; 0: all. The result does not depend on them. Default: 0."`
	Prompt      string   `toml:"prompt" group:"run" placeholder:"TEXT" help:"What the sample at the end starts with. Default: \"func \" for Go source, a line break otherwise."`
	SampleBytes int      `toml:"sample_bytes" group:"run" default:"320" help:"Bytes of the sample at the end; 0: none."`
}

// settingGroups order the flags in the help and in config.toml.
var settingGroups = []kong.Group{
	{Key: "data", Title: "Data:"},
	{Key: "model", Title: "Model:"},
	{Key: "levels", Title: "Levels:"},
	{Key: "training", Title: "Training:"},
	{Key: "optimizer", Title: "Optimizer:"},
	{Key: "run", Title: "Run:"},
	{Key: "profile", Title: "Profiles:"},
}

// settingDefaults gives the parser the defaults of the library under the names of their keys.
func settingDefaults() kong.Vars {
	vars := kong.Vars{"schedules": strings.Join(multilevel.Schedules(), ", ")}
	o := reflect.ValueOf(multilevel.Defaults())
	for i := range o.NumField() {
		if f := o.Field(i); f.Kind() != reflect.Slice {
			vars[o.Type().Field(i).Tag.Get("toml")] = fmt.Sprint(f.Interface())
		}
	}
	return vars
}

// defaultSettings returns what holds where neither a file nor a flag says otherwise.
var defaultSettings = sync.OnceValue(func() settings {
	var s settings
	if err := kong.ApplyDefaults(&s, settingDefaults()); err != nil {
		panic(err) // the tags above are wrong
	}
	return s
})

// options returns what determines the training run.
func (s settings) options() multilevel.Options {
	return multilevel.Options{
		Blocks: s.Blocks, Multilevel: s.Multilevel, Levels: s.Levels, LevelFractions: s.LevelFractions, LevelWidths: s.LevelWidths, LevelContexts: s.LevelContexts, LevelRates: s.LevelRates, Cycles: s.Cycles,
		Prolong: s.Prolong, Restrict: s.Restrict, Moments: s.Moments, StepSizePolicy: s.StepSizePolicy,
		StepSizeExponent: s.StepSizeExponent, StepSize: s.StepSize,
		StepSizes: s.StepSizes, Alpha: s.Alpha, Rewarm: s.Rewarm, Coherence: s.Coherence, LineSearch: s.LineSearch,
		Method: s.Method, Precision: s.Precision, Width: s.Width, Heads: s.Heads, Context: s.Context, Batch: s.Batch,
		Vocab: multilevel.Defaults().Vocab, Accumulate: s.Accumulate, Recompute: s.Recompute,
		Steps: s.Steps, Seconds: s.seconds(), StepSeconds: s.StepSeconds, LR: s.LR, Schedule: s.LRSchedule, Warmup: s.Warmup,
		DecayFraction: s.DecayFraction, FinalLR: s.FinalLR, OnDivergence: s.OnDivergence, Jump: s.Jump,
		Optimizer: s.Optimizer, Beta1: s.Beta1, Beta2: s.Beta2, Eps: s.Eps, Momentum: s.Momentum,
		WeightDecay: s.WeightDecay, Clip: s.Clip, Patience: s.Patience, MinDelta: s.MinDelta, Seed: uint64(s.Seed),
	}
}

// seconds is the budget of time that the schedule itself keeps to. Others get steps that take as long.
func (s settings) seconds() float64 {
	if s.Multilevel != multilevel.Adaptive {
		return 0
	}
	return s.Time.Seconds()
}

// resolve fills what follows from other settings, and checks everything.
func (s *settings) resolve() error {
	for _, f := range []struct {
		name  string
		value int
	}{{"val-every", s.ValEvery}, {"save-every", int(s.SaveEvery.Duration)}, {"threads", s.Threads}, {"sample-bytes", s.SampleBytes}} {
		if f.value < 0 {
			return badf("--%s: it must not be negative", f.name)
		}
	}
	if s.Patience > 0 && s.ValEvery == 0 {
		return badf("--patience %d: it counts validations, of which --val-every 0 has one: give both", s.Patience)
	}
	if s.Keep < 1 {
		return badf("--keep %d: it must be at least 1", s.Keep)
	}
	if s.Time.Duration > 0 && s.Tokens > 0 {
		return badf("--time and --tokens: give one of them")
	}
	if s.Time.Duration < 0 || s.Tokens < 0 {
		return badf("--time and --tokens must not be negative")
	}
	if s.Tokens > 0 && s.Batch > 0 && s.Context > 0 {
		step := int64(s.Batch) * int64(s.Context)
		s.Steps, s.Tokens = int(min((s.Tokens-1)/step+1, math.MaxInt32)), 0
	}
	if s.Warmup == -1 {
		s.Warmup = min(multilevel.Defaults().Warmup, s.Steps/10)
	}
	if !slices.Contains(multilevel.Interpolations(), s.Theta) {
		return badf("--theta %q is unknown: use %s", s.Theta, strings.Join(multilevel.Interpolations(), " or "))
	}
	if s.Seed < 0 {
		return badf("--seed %d: it must not be negative", s.Seed)
	}
	o := s.options().Resolve()
	if err := o.Validate(); err != nil {
		return badInput{err}
	}
	s.LevelWidths, s.LevelContexts, s.LevelRates = o.LevelWidths, o.LevelContexts, o.LevelRates
	s.Blocks, s.Levels, s.LevelFractions, s.Cycles = o.Blocks, o.Levels, o.LevelFractions, o.Cycles
	s.Prolong, s.Restrict, s.Moments, s.StepSizePolicy = o.Prolong, o.Restrict, o.Moments, o.StepSizePolicy
	s.StepSizes, s.Alpha, s.Rewarm, s.Coherence, s.LineSearch = o.StepSizes, o.Alpha, o.Rewarm, o.Coherence, o.LineSearch
	return nil
}

// duration is a time.Duration that configuration files write as text. It is no integer, which they could
// give without a unit.
type duration struct{ time.Duration }

// UnmarshalText reads a duration such as 90s or 1h30m.
func (d *duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}

// MarshalText writes a duration that UnmarshalText reads.
func (d duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
