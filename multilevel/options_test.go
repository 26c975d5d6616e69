package multilevel

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		blocks     int
		levels     []int
		wantBlocks int
		wantLevels []int
	}{
		{0, nil, 12, []int{3, 12}},
		{24, nil, 24, []int{6, 24}},
		{0, []int{2, 4}, 4, []int{2, 4}},
		{12, []int{12}, 12, []int{12}},
	} {
		o := Defaults()
		o.Multilevel, o.Blocks, o.Levels = Nested, c.blocks, c.levels
		r := o.Resolve()
		if r.Blocks != c.wantBlocks || !reflect.DeepEqual(r.Levels, c.wantLevels) || len(r.LevelFractions) != len(r.Levels) {
			t.Errorf("%d blocks, levels %v: resolved to %d, %v, %v", c.blocks, c.levels, r.Blocks, r.Levels, r.LevelFractions)
		}
		if err := o.Validate(); err != nil {
			t.Error(err)
		}
		if again := r.Resolve(); !reflect.DeepEqual(again, r) {
			t.Errorf("resolved twice: %+v", again)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Width = 100; o.Heads = 3 }, "100 is not divisible by 3 heads: use a number of heads that divides it (1,2,4,5,10,20,25,50,100)"},
		{func(o *Options) { o.Width = 0 }, "width 0"},
		{func(o *Options) { o.Heads = -1 }, "heads -1"},
		{func(o *Options) { o.Context = 1 << 30 }, "context"},
		{func(o *Options) { o.Batch = 1 << 20 }, "tokens a step"},
		{func(o *Options) { o.Vocab = 0 }, "vocab 0"},
		{func(o *Options) { o.Blocks = -2 }, "blocks -2"},
		{func(o *Options) { o.Blocks = 12; o.Levels = []int{3, 6} }, "end the levels with 12, or set blocks to 6"},
		{func(o *Options) { o.Levels = []int{5, 12} }, "1,2,3,4,6"},
		{func(o *Options) { o.LevelFractions = []float64{1} }, "1 given for 2"},
		{func(o *Options) { o.Prolong = "copy" }, "identity, grow, interleave, stack, linear, middle, random"},
		{func(o *Options) { o.StepSizePolicy = DivideStepSize }, "use step size policy keep, or another operator"},
		{func(o *Options) { o.Moments = "copy" }, "carry, rescale, reset, keep"},
		{func(o *Options) { o.Method = "rk5" }, "rk5"},
		{func(o *Options) { o.StepSize = math.Inf(1) }, "step size"},
		{func(o *Options) { o.Steps = 0 }, "steps 0"},
		{func(o *Options) { o.Warmup = o.Steps + 1 }, "warm-up"},
		{func(o *Options) { o.Schedule = "linear" }, "wsd or cosine"},
		{func(o *Options) { o.LR = math.NaN() }, "learning rate NaN"},
		{func(o *Options) { o.LR = 0 }, "more than 0"},
		{func(o *Options) { o.LR = 1e-50 }, "more than 0"},
		{func(o *Options) { o.StepSize = 1e-50 }, "step size"},
		{func(o *Options) { o.DecayFraction = 1.1 }, "decay fraction"},
		{func(o *Options) { o.FinalLR = -1 }, "final learning rate"},
		{func(o *Options) { o.Clip = -1 }, "clip -1"},
		{func(o *Options) { o.Precision = "fp8" }, "unknown precision \"fp8\"; it may be float32, bf16"},
		{func(o *Options) { o.Optimizer = "adam" }, "adamw, sgd or muon"},
		{func(o *Options) { o.Beta1 = 1 }, "beta1 1"},
		{func(o *Options) { o.Beta2 = math.NaN() }, "beta2"},
		{func(o *Options) { o.Beta2 = 0.99999999 }, "beta2 0.99999999: it must be at least 0 and below 1, as a float32"},
		{func(o *Options) { o.Momentum = -0.1 }, "momentum"},
		{func(o *Options) { o.Eps = 0 }, "eps 0"},
		{func(o *Options) { o.Eps = 1e-50 }, "eps 1e-50: it must be more than 0 and at most 1, as a float32"},
		{func(o *Options) { o.WeightDecay = -0.1 }, "weight decay"},
		{func(o *Options) { o.Seed = math.MaxUint64 }, "seed"},
	} {
		o := Defaults()
		o.Multilevel = Nested
		c.change(&o)
		err := o.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one line with %q", err, c.want)
		}
	}
}

// TestValidateAdaptive: what the adaptive schedule would ignore is refused; what Resolve fills is not.
func TestValidateAdaptive(t *testing.T) {
	o := Defaults()
	for _, o := range []Options{o, o.Resolve(), o.Resolve().Resolve()} {
		if err := o.Validate(); err != nil {
			t.Error(err)
		}
	}
	for name, change := range map[string]func(*Options){
		"prolong stack":           func(o *Options) { o.Prolong = Stack },
		"restrict average":        func(o *Options) { o.Restrict = Average },
		"moments reset":           func(o *Options) { o.Moments = ResetMoments },
		"step size policy divide": func(o *Options) { o.StepSizePolicy = DivideStepSize },
		"step size exponent 0.25": func(o *Options) { o.StepSizeExponent = 0.25 },
		"alpha 0.5":               func(o *Options) { o.Alpha = 0.5 },
		"rewarm 7":                func(o *Options) { o.Rewarm = 7 },
		"cycles 2":                func(o *Options) { o.Cycles = 2 },
		"coherence true":          func(o *Options) { o.Coherence = true },
		"line search true":        func(o *Options) { o.LineSearch = true },
		"level fractions":         func(o *Options) { o.LevelFractions = []float64{1, 1} },
		"level rates: 2 given":    func(o *Options) { o.LevelRates = []float64{1, 1} },
		"level rates: that of level 2, times the learning rate, 0": func(o *Options) { o.LevelRates = []float64{1, 0, 1} },
		`prolong "copy" is unknown`:                                func(o *Options) { o.Prolong = "copy" },
	} {
		o := Defaults()
		change(&o)
		if err := o.Validate(); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
		if err := o.Resolve().Validate(); err == nil {
			t.Errorf("%s: resolved, no error", name)
		}
	}
}

// TestOptionsAsText: what the run's configuration and its checkpoints hold is all of the options.
func TestOptionsAsText(t *testing.T) {
	o := Defaults().Resolve()
	o.LR, o.Seed = 1.0/3, math.MaxInt64
	var fromJSON, fromTOML Options
	if b, err := json.Marshal(o); err != nil {
		t.Error(err)
	} else if err := json.Unmarshal(b, &fromJSON); err != nil || !reflect.DeepEqual(fromJSON, o) {
		t.Errorf("JSON: %+v (%v), want %+v", fromJSON, err, o)
	}
	if b, err := toml.Marshal(o); err != nil {
		t.Error(err)
	} else if err := toml.Unmarshal(b, &fromTOML); err != nil || !reflect.DeepEqual(fromTOML.Resolve(), o) {
		t.Errorf("TOML: %+v (%v), want %+v", fromTOML, err, o)
	}
	for f := range reflect.TypeFor[Options]().Fields() {
		if a, b := f.Tag.Get("json"), f.Tag.Get("toml"); a == "" || a != b {
			t.Errorf("%s is %q in JSON and %q in TOML", f.Name, a, b)
		}
	}
}
