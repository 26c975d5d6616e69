package multilevel

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/nn"
)

// tiny returns options of a run of 8 steps over 1, 2 and 4 blocks that takes milliseconds.
func tiny() Options {
	o := Defaults()
	o.Multilevel, o.Levels, o.LevelFractions = Nested, []int{1, 2, 4}, []float64{3, 3, 2}
	o.Width, o.Heads, o.Context, o.Batch = 8, 2, 8, 2
	o.Steps, o.Warmup = 8, 2
	return o
}

func tinySource(t testing.TB, o Options) *Bytes {
	text := []byte(strings.Repeat("the quick brown fox jumps over the lazy dog; ", 20))
	return mustBytes(t, text[:700], text[700:], o.Context, o.Seed)
}

func newTiny(t testing.TB, o Options) *Trainer {
	t.Helper()
	tr, err := NewTrainer(o, tinySource(t, o))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// steps takes n steps, or all that are left if n < 0.
func steps(t testing.TB, tr *Trainer, n int) (all []Metrics) {
	t.Helper()
	for ; n != 0 && !tr.Done(); n-- {
		m, err := tr.Step()
		if err != nil {
			t.Fatal(err)
		}
		m.WallSeconds, m.TokensPerSecond = 0, 0
		all = append(all, m)
	}
	return all
}

// stateBits returns everything that later steps depend on.
func stateBits(tr *Trainer) []uint32 {
	b := []uint32{uint32(tr.step), uint32(tr.stage)}
	for _, m := range tr.models {
		if m == nil {
			b = append(b, 0)
			continue
		}
		vectors := append(slices.Clone(m.start), m.tau...)
		for _, g := range m.groups {
			b = append(b, uint32(g.Steps))
			vectors = append(append(vectors, g.Theta), g.Moments...)
		}
		for _, x := range vectors {
			for _, v := range x {
				b = append(b, math.Float32bits(v))
			}
		}
	}
	return b
}

// variants are the options under which runs must repeat.
func variants() map[string]Options {
	sgd, divide, linear, single := tiny(), tiny(), tiny(), tiny()
	sgd.Optimizer, sgd.LR, sgd.Moments, sgd.Prolong = SGD, 0.1, ResetMoments, Stack
	divide.StepSizePolicy, divide.Moments, divide.Prolong, divide.Schedule = DivideStepSize, RescaleMoments, Interleave, Cosine
	linear.Prolong, linear.Method = Linear, "heun"
	weighted := tiny()
	weighted.Method, weighted.Prolong = "rk2-gated", Linear
	wider := axes()
	wider.Width, wider.Heads, wider.LevelWidths = 16, 4, []int{8, 16, 16} // narrower ones learn too little here
	single.Levels, single.LevelFractions, single.Method = []int{4}, nil, "split"
	parts := tiny()
	parts.Batch, parts.Accumulate, parts.Recompute = 5, 3, true
	steps := tiny()
	steps.StepSizes, steps.Prolong, steps.Moments = []float64{0.5, 1.5, 1, 2}, Linear, RescaleMoments
	all := map[string]Options{"uneven": steps, "adamw": tiny(), "sgd": sgd, "divide": divide, "linear": linear, "single": single, "parts": parts, "weighted": weighted, "axes": wider}
	for _, name := range Schedules() {
		all[name] = scheduled(name)
	}
	for _, name := range []string{Grow, Random} {
		o := tiny()
		o.Prolong = name
		all[name] = o
	}
	cyclic := scheduled(MGOPT)
	cyclic.Levels, cyclic.Width, cyclic.Heads, cyclic.LevelWidths, cyclic.LevelContexts = []int{2, 4}, 16, 4, []int{8, 16}, []int{4, 8}
	all["mgopt axes"] = cyclic
	mgsgd := scheduled(MGOPT)
	mgsgd.Optimizer, mgsgd.LR, mgsgd.Moments = SGD, 0.1, CarryMoments
	all["mgopt sgd"] = mgsgd
	muon := tiny()
	muon.Optimizer, muon.Prolong, muon.Moments = Muon, Interleave, RescaleMoments
	all["muon"] = muon
	return all
}

// scheduled returns options of a short run with the schedule of that name on 4 blocks.
func scheduled(name string) Options {
	o := tiny()
	o.Multilevel, o.Blocks, o.Levels, o.LevelFractions = name, 4, nil, nil
	if s, _ := scheduleOf(name); s.cycles > 0 {
		o.Cycles, o.Steps = 2, 14
	}
	if name == Adaptive {
		o.Steps = 14
	}
	return o
}

func TestSameBits(t *testing.T) {
	defer kernels.SetThreads(0)
	for name, o := range variants() {
		var want []uint32
		var wantMetrics []Metrics
		for i, threads := range []int{1, 1, 3} {
			kernels.SetThreads(threads)
			tr := newTiny(t, o)
			m := steps(t, tr, -1)
			if i == 0 {
				want, wantMetrics = stateBits(tr), m
			}
			if !slices.Equal(stateBits(tr), want) || !reflect.DeepEqual(m, wantMetrics) {
				t.Errorf("%s: other bits in run %d, with %d threads", name, i, threads)
			}
		}
	}
}

// What AdamW has rounded is what a pass would round, whatever else writes parameters between the steps: transfers,
// corrections, the trust region, growing blocks, other optimizers.
func TestRounded(t *testing.T) {
	all := variants()
	far := scheduled(MGOPT) // whose steps leave the trust region, as TestConfine's
	far.Levels, far.Cycles, far.LR, far.Steps = []int{2, 4}, 1, 0.1, 40
	all["far"] = far
	for name, o := range all {
		o.Precision = "bf16"
		got, want := newTiny(t, o), newTiny(t, o)
		for !want.Done() {
			want.decoder.Changed()
			a, b := steps(t, want, 1)[0], steps(t, got, 1)[0]
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("%s: step %d is %+v, and %+v with weights rounded before it", name, a.Step, b, a)
			}
		}
		if !slices.Equal(stateBits(want), stateBits(got)) {
			t.Errorf("%s: other bits than with weights rounded before each step", name)
		}
	}
}

// TestSingleLevel: one level is the loop that one would write with package nn alone, to the same bits.
func TestSingleLevel(t *testing.T) {
	o := tiny()
	o.Levels, o.LevelFractions, o.Blocks = []int{4}, nil, 4
	tr := newTiny(t, o)
	steps(t, tr, -1)

	d, err := nn.NewDecoder(nn.Config{Vocab: 256, Context: 8, Width: 8, Heads: 2, Blocks: 4, StepSize: 1, Method: "euler"}, o.Seed)
	if err != nil {
		t.Fatal(err)
	}
	src := tinySource(t, o)
	opt := &nn.AdamW{Beta1: o.Beta1, Beta2: o.Beta2, Eps: o.Eps, WeightDecay: o.WeightDecay}
	lr := nn.WSD{Peak: o.LR, Warmup: o.Warmup, Total: o.Steps, DecayFraction: o.DecayFraction, Final: o.FinalLR}
	tokens, targets := make([]int32, 16), make([]int32, 16)
	for s := range o.Steps {
		src.Batch(s, tokens, targets)
		d.ZeroGrad()
		d.Step(tokens, targets, 2)
		opt.Step(d.Groups(), lr.LR(s), min(1, o.Clip/nn.GradNorm(d.Groups())))
	}
	for i, g := range d.Groups() {
		if !slices.Equal(g.Theta, tr.groups[i].Theta) {
			t.Errorf("group %s differs", g.Name)
		}
	}
}

// TestIdentityInsertion: with the step size kept, the loss across the change of level is the same to the
// last bit, whatever the method; the new blocks then learn.
func TestIdentityInsertion(t *testing.T) {
	for _, method := range nn.Methods() {
		o := tiny()
		o.Method, o.StepSize = method, 0.5
		tr := newTiny(t, o)
		for stage := 1; stage < len(tr.plan); stage++ {
			for tr.plan.at(tr.step) < stage {
				steps(t, tr, 1)
			}
			before, err := tr.Validate()
			if err != nil {
				t.Fatal(err)
			}
			if err := tr.enter(stage); err != nil {
				t.Fatal(err)
			}
			after, err := tr.Validate()
			if err != nil {
				t.Fatal(err)
			}
			if before != after {
				t.Errorf("%s, %d blocks: loss %v, before %v", method, tr.level().Blocks, after, before)
			}
			steps(t, tr, 1)
			for _, e := range tr.decoder.Blocks()[1].Entries {
				x := tr.decoder.Blocks()[1].Theta[e.Offset : e.Offset+e.Len()]
				if e.Output && !slices.ContainsFunc(x, func(v float32) bool { return v != 0 }) {
					t.Errorf("%s: %s of the new block has not moved", method, e.Name)
				}
			}
		}
	}
}

func TestTrainingLearns(t *testing.T) {
	for name, o := range variants() {
		o.Steps, o.LR, o.Batch = 60, 1e-2, 4
		if o.Optimizer == SGD {
			o.LR = 0.3
		}
		tr := newTiny(t, o)
		before, err := tr.Validate()
		if err != nil {
			t.Fatal(err)
		}
		steps(t, tr, -1)
		after, err := tr.Validate()
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(before-math.Log(256)-0.5) > 0.3 || after > 3.5 { // logits begin with unit variance
			t.Errorf("%s: validation loss from %.3f to %.3f", name, before, after)
		}
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	defer kernels.SetThreads(0)
	for _, threads := range []int{1, 2} {
		kernels.SetThreads(threads)
		o := tiny()
		o.Steps, o.LevelFractions = 40, []float64{1, 1, 2}
		tr := newTiny(t, o)
		for tr.level().Blocks < 4 {
			steps(t, tr, 1)
		}
		if n := testing.AllocsPerRun(10, func() { tr.Step() }); n != 0 {
			t.Errorf("%d threads: %v allocations per step", threads, n)
		}
	}
}

// TestDivergence: a loss or a gradient that is not finite is an error that says where, and leaves the
// parameters as they were.
func TestDivergence(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name string
		harm func(tr *Trainer)
		want []string
	}{
		{"parameter", func(tr *Trainer) { tr.groups[2].Theta[0] = nan }, []string{"step 5", "level 2 (2 blocks)", "h.1.", "learning rate"}},
		{"embedding", func(tr *Trainer) { tr.groups[0].Theta[int(' ')*8] = inf }, []string{"the parameter wte.weight (+Inf"}},
		{"overflow", func(tr *Trainer) {
			for i := range tr.groups[1].Theta {
				tr.groups[1].Theta[i] = 1e30
			}
		}, []string{"step 5", "the first that is not finite is the activation h.0."}},
	} {
		tr := newTiny(t, tiny())
		steps(t, tr, 4)
		c.harm(tr)
		before := stateBits(tr)
		_, err := tr.Step()
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %q, want %q", c.name, err, want)
			}
		}
		if !slices.Equal(stateBits(tr), before) {
			t.Errorf("%s: the failed step changed the state", c.name)
		}
	}
}

func TestMetrics(t *testing.T) {
	o := tiny()
	o.StepSizePolicy, o.Prolong = DivideStepSize, Interleave
	tr := newTiny(t, o)
	var blocks, total float64
	lr := o.Resolve().schedule()
	for i, m := range steps(t, tr, -1) {
		level := []int{0, 0, 0, 1, 1, 1, 2, 2}[i]
		l := tr.hierarchy.Levels[level]
		b, a := o.Config(l).FLOPs()
		blocks, total = blocks+16*b, total+16*a
		if m.Step != i+1 || m.Level != level || m.Blocks != l.Blocks || m.StepSize != float64(4/l.Blocks) || m.Tokens != int64(16*(i+1)) ||
			m.FLOPsBlocks != blocks || m.FLOPsTotal != total || m.LR != lr.LR(i) || !(m.TrainLoss > 0) || !(m.GradNorm > 0) {
			t.Errorf("step %d: %+v", i+1, m)
		}
	}
	if _, err := tr.Step(); err == nil || !tr.Done() {
		t.Errorf("a step after the last: error %v", err)
	}
	sum := tr.Summary(1.5, "v9")
	finestBlocks, finestTotal := o.Config(tr.hierarchy.Finest()).FLOPs()
	if s := sum.SingleLevel; s.FLOPsBlocks != 128*finestBlocks || s.FLOPsTotal != 128*finestTotal || s.Steps != 8 || !(s.WallSeconds > 0) {
		t.Errorf("single level: %+v", s)
	}
	if sum.FLOPsBlocks != blocks || sum.FLOPsTotal != total || sum.Parameters != tr.decoder.Config().Parameters() || sum.FinalValLoss != 1.5 {
		t.Errorf("summary: %+v", sum)
	}
	for i, c := range sum.Levels {
		if c.Steps != c.Level.Steps || c.Tokens != int64(16*c.Steps) || !(c.WallSeconds > 0) {
			t.Errorf("level %d: %+v", i, c)
		}
	}
}

// TestNames: other programs read these keys.
// TestMuonFLOPs: the products of the optimizer count, those of trials included.
func TestMuonFLOPs(t *testing.T) {
	o := adapting(t)
	o.Optimizer, o.Steps = Muon, 2*o.Steps
	tr := newTiny(t, o)
	all(t, tr)
	trials := 0
	for l, c := range tr.Costs() {
		blocks, total := o.Config(c.Level).FLOPs()
		update := (&nn.Muon{}).FLOPs(o.Config(c.Level))
		tokens := float64(c.Tokens) + c.Evaluated
		if want := float64(tokens*blocks) + float64(update*float64(c.Steps+c.Trials)); update == 0 || c.FLOPsBlocks != want || !near(c.FLOPsTotal, want+tokens*(total-blocks)) {
			t.Errorf("level %d: %+v, want %v", l, c, want)
		}
		trials += c.Trials
	}
	if trials == 0 {
		t.Error("no trial steps")
	}
}

func TestNames(t *testing.T) {
	loss := 1.0
	for _, c := range []struct {
		value any
		keys  string
	}{
		{Metrics{ValLoss: &loss}, "step level blocks step_size tokens flops_blocks flops_total wall_seconds lr train_loss grad_norm tokens_per_second val_loss"},
		{Summary{}, "final_val_loss wall_seconds flops_blocks flops_total tokens parameters steps isa threads version"},
	} {
		b, err := json.Marshal(c.value)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		for _, key := range strings.Fields(c.keys) {
			if _, ok := m[key]; !ok {
				t.Errorf("%T lacks %s", c.value, key)
			}
		}
	}
	if b, _ := json.Marshal(Metrics{}); strings.Contains(string(b), "val_loss") {
		t.Error("val_loss is there without a validation")
	}
}

func arrive(op Operator) Arrival { return Arrival{Operator: op, Moments: CarryMoments, Alpha: 1} }

// TestDescent: a plan may also go to coarser levels.
func TestDescent(t *testing.T) {
	o := tiny()
	o.Levels, o.LevelFractions = []int{2, 4}, nil
	o = o.Resolve()
	h, err := o.Hierarchy()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Restrictions() {
		plan := Plan{{Level: 1, Steps: 2}, {Level: 0, Steps: 3, Arrive: arrive(must(Restriction(r)))}, {Level: 1, Steps: 3, Arrive: arrive(must(Prolongation(Interleave)))}}
		tr, err := newTrainer(o, h, plan, tinySource(t, o))
		if err != nil {
			t.Fatal(err)
		}
		var depths []int
		for _, m := range steps(t, tr, -1) {
			depths = append(depths, m.Blocks)
		}
		if want := []int{4, 4, 2, 2, 2, 4, 4, 4}; !slices.Equal(depths, want) {
			t.Errorf("depths %v, want %v", depths, want)
		}
		for _, g := range tr.groups {
			if g.Steps != o.Steps {
				t.Errorf("%s has taken %d steps, want %d", g.Name, g.Steps, o.Steps)
			}
		}
	}
}

func TestResetForgetsEverything(t *testing.T) {
	o := tiny()
	o.Moments = ResetMoments
	tr := newTiny(t, o)
	steps(t, tr, 4)
	for _, g := range tr.groups {
		if g.Steps != 1 {
			t.Errorf("%s: %d steps after the reset, want 1", g.Name, g.Steps)
		}
	}
}

type badSource struct {
	*Bytes
	vocab, n int
}

func (s badSource) Vocab() int { return s.vocab }
func (s badSource) Validation() (tokens, targets []int32) {
	return make([]int32, s.n), make([]int32, s.n)
}

func TestNewTrainerRefuses(t *testing.T) {
	for _, c := range []struct {
		src  badSource
		want string
	}{
		{badSource{vocab: 257, n: 8}, "tokens below 257"},
		{badSource{vocab: 256, n: 0}, "validation data of 0"},
		{badSource{vocab: 256, n: 9}, "whole sequences of 8"},
	} {
		if _, err := NewTrainer(tiny(), c.src); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	o := tiny()
	o.Heads = 3
	if _, err := NewTrainer(o, badSource{vocab: 256, n: 8}); err == nil {
		t.Error("options that are not valid: no error")
	}
}

// A batch in parts, uneven ones too, is the batch: loss and gradient are divided by the tokens of all.
func TestAccumulate(t *testing.T) {
	o := tiny()
	o.Batch = 5
	whole := newTiny(t, o)
	want := steps(t, whole, 1)[0]
	wantLoss, err := whole.Validate()
	if err != nil {
		t.Fatal(err)
	}
	for _, o.Accumulate = range []int{2, 3, 5} {
		tr := newTiny(t, o)
		got := steps(t, tr, 1)[0]
		if got.Tokens != want.Tokens || !near(got.TrainLoss, want.TrainLoss) || !near(got.GradNorm, want.GradNorm) {
			t.Errorf("in %d parts: %+v, want %+v", o.Accumulate, got, want)
		}
		if loss, err := tr.Validate(); err != nil || !near(loss, wantLoss) {
			t.Errorf("in %d parts: validation loss %v, want %v; error %v", o.Accumulate, loss, wantLoss, err)
		}
		if a, b := o.Config(o.hierarchy(t).Finest()).Memory(o.MicroBatch(), 0), o.Config(o.hierarchy(t).Finest()).Memory(5, 0); a.Activations >= b.Activations {
			t.Errorf("in %d parts: %d bytes of activations, %d in one", o.Accumulate, a.Activations, b.Activations)
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-5*math.Abs(b) }

func (o Options) hierarchy(t testing.TB) *Hierarchy {
	h, err := o.Hierarchy()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// What is computed again has the bits of what is kept.
func TestRecompute(t *testing.T) {
	for name, o := range variants() {
		o.Recompute = false
		kept := newTiny(t, o)
		want := steps(t, kept, -1)
		o.Recompute = true
		tr := newTiny(t, o)
		if got := steps(t, tr, -1); !reflect.DeepEqual(got, want) || !slices.Equal(stateBits(tr), stateBits(kept)) {
			t.Errorf("%s: another run", name)
		}
	}
}
