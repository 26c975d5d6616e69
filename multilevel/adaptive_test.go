package multilevel

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/internal/safetensors"
)

// adapting returns options of a run that is long enough for trials, which are short in t.
func adapting(t *testing.T) Options {
	t.Helper()
	was := leastTrial
	leastTrial = 4
	t.Cleanup(func() { leastTrial = was })
	o := tiny()
	o.Multilevel, o.Levels, o.LevelFractions, o.Method = Adaptive, []int{1, 4}, nil, "split"
	o.Context, o.Batch, o.Steps, o.LR = 4, 1, 1400, 3e-3
	return o
}

// all runs to the end and returns the metrics of all calls, trials included.
func all(t *testing.T, tr *Trainer) (m []Metrics, decisions []Decision) {
	t.Helper()
	m = steps(t, tr, -1)
	for _, x := range m {
		decisions = append(decisions, x.Decisions...)
	}
	return m, decisions
}

func TestAdaptive(t *testing.T) {
	o := adapting(t)
	tr := newTiny(t, o)
	m, decisions := all(t, tr)
	candidates := tr.options.candidates(tr.hierarchy)
	if n := len(decisions); n < 1+candidates {
		t.Fatalf("%d decisions: %+v", n, decisions)
	}
	d := decisions[candidates]
	at := tr.options.trialStep(tr.hierarchy)
	for i, trial := range decisions[:candidates] {
		if trial.Kind != TrialDecision || trial.Step != at || trial.Steps < leastTrial || trial.Prolong != ways[i].prolong ||
			!(trial.LossBefore > 0 && trial.LossHalf > 0 && trial.LossAfter > 0) {
			t.Errorf("trial %d: %+v", i, trial)
		}
	}
	if d.Kind != RefineDecision || d.Why == "" || d.Total != o.Steps || !(d.Slope > 0) || d.SlopeSteps < 100 {
		t.Errorf("decision %+v", d)
	}
	trials, changed := 0, 0
	for i, x := range m {
		if x.Trial > 0 {
			if want := 1 + trials%d.Steps; x.Trial != want || x.Step != at {
				t.Errorf("step %d of a trial after step %d, want %d after %d", x.Trial, x.Step, want, at)
			}
			trials++
		}
		if i > 0 && x.Trial == 0 && x.Level != m[i-1].Level {
			changed = x.Step
		}
	}
	if want := d.Steps * candidates; trials != want {
		t.Errorf("%d trial steps, want %d", trials, want)
	}
	if changed != d.Grow+1 || tr.level().Blocks != 4 || tr.step != o.Steps {
		t.Errorf("the level changes at step %d, decided was after %d; it ends with %d blocks after %d steps", changed, d.Grow, tr.level().Blocks, tr.step)
	}
	// Trials have the share, in steps of the finest level, and the probes half-way and after each come to it.
	if share := float64(trials) / tr.options.budget(tr.hierarchy); share > trialShare || share < trialShare/2 {
		t.Errorf("the steps of the trials have taken %.4f of the budget", share)
	}
	want := float64(trials) + float64(candidates)*2*probeOfTry/3
	if got := tr.costs[1].Evaluated / float64(tr.options.stepTokens()); math.Abs(got-want) > 1e-9*want {
		t.Errorf("%g steps are on account of the trials, want %g", got, want)
	}
}

// TestAdaptiveOrdinary: only where a step size folds into the weights is it divided.
func TestAdaptiveOrdinary(t *testing.T) {
	for method, want := range map[string]bool{"euler": false, "split": true, "rk4": false} {
		o := adapting(t)
		o.Method = method
		_, decisions := all(t, newTiny(t, o))
		if len(decisions) < 3 {
			t.Fatalf("%s: nothing was tried: %+v", method, decisions)
		}
		divided := slices.ContainsFunc(decisions, func(d Decision) bool {
			return d.Kind == TrialDecision && d.StepSizePolicy == DivideStepSize
		})
		if divided != want {
			t.Errorf("%s: a divided step size was tried: %v: %+v", method, divided, decisions)
		}
	}
}

// TestAdaptiveResume: a run that is interrupted in a trial, before and after, ends with the same bits.
func TestAdaptiveResume(t *testing.T) {
	o := adapting(t)
	whole := newTiny(t, o)
	metrics, _ := all(t, whole)
	want := stateBits(whole)
	path := filepath.Join(t.TempDir(), "checkpoint")
	first := slices.IndexFunc(metrics, func(m Metrics) bool { return m.Trial > 0 })
	for _, n := range []int{1, first, first + 1, first + 4, first + 5, first + 9, first + 20, len(metrics) - 12, len(metrics) - 1} {
		tr := newTiny(t, o)
		steps(t, tr, n)
		if err := tr.Save(path); err != nil {
			t.Fatal(err)
		}
		loss, err := tr.Validate()
		if err != nil {
			t.Fatal(err)
		}
		second, err := Resume(path, tinySource(t, o))
		if err != nil {
			t.Fatalf("after %d calls: %v", n, err)
		}
		if got, err := second.Validate(); got != loss || err != nil {
			t.Errorf("after %d calls: validation loss %v (%v), want %v", n, got, err, loss)
		}
		if d, _, err := LoadDecoder(path); err != nil || !reflect.DeepEqual(d.Config(), o.Config(tr.level())) {
			t.Errorf("after %d calls: %v", n, err)
		}
		if got := steps(t, second, -1); !reflect.DeepEqual(got, metrics[n:]) {
			t.Errorf("resumed after %d calls: other metrics", n)
		}
		if !slices.Equal(stateBits(second), want) {
			t.Errorf("resumed after %d calls: other bits", n)
		}
	}
}

// TestConclude: what the measurements mean, by example.
func TestConclude(t *testing.T) {
	trial := func(before, half, after float64) func(o Options, h *Hierarchy) []Decision {
		return func(o Options, h *Hierarchy) (all []Decision) {
			for i := range o.candidates(h) {
				level, way := o.candidate(i)
				all = append(all, Decision{Steps: 4000, LossBefore: before, LossHalf: half + float64(way), LossAfter: after + float64(way), Blocks: h.Levels[level].Blocks})
			}
			return all
		}
	}
	none := func(Options, *Hierarchy) []Decision { return nil }
	for _, c := range []struct {
		name    string
		width   int
		slope   float64
		results func(o Options, h *Hierarchy) []Decision
		want    string
		path    []int // levels
	}{
		{"many tokens for the parameters", 8, 0.1, none, "refine to 8 blocks", []int{2}},
		{"fewer", 24, 0.1, none, "refine to 4 blocks", []int{1, 2}},
		{"few tokens for the parameters", 256, 0.1, none, "stay", nil},
		{"the coarse level has stopped", 8, 0, none, "refine to 8 blocks", []int{2}},
		{"rather few tokens for the parameters", 48, 0.1, none, "stay", nil},
		{"long trials say that depth helps", 48, 0.1, trial(6, 4, 1), "refine to ", []int{1}},
		{"long trials say that depth does harm", 8, 0.1, trial(2, 2.5, 2.6), "stay", nil},
		{"more depth is not finite", 8, 0.1, trial(2, worthless, worthless), "stay", nil},
	} {
		o := adapting(t)
		o.Levels, o.Blocks, o.Width, o.Heads, o.Steps, o.Batch = []int{2, 4, 8}, 8, c.width, 2, 1000, 400
		tr := newTiny(t, o)
		tr.step = 300
		a := tr.adaptive
		for s := 1; s <= 300; s++ {
			a.observe(s, 5-c.slope*math.Log2(float64(s)))
		}
		a.Average = 5 - c.slope*math.Log2(300)
		a.Results = c.results(tr.options, tr.hierarchy)
		a.Try = len(a.Results)
		k := 0
		if a.Try > 0 {
			k = 4000
		}
		tr.conclude(k)
		d := tr.decisions[0]
		var path []int
		for _, x := range a.Path {
			path = append(path, x.Level)
			if x.Way != 0 {
				t.Errorf("%s: way %d, and not identities in so short a run", c.name, x.Way)
			}
		}
		if !strings.HasPrefix(d.Why, c.want) || !slices.Equal(path, c.path) || tr.plan.Steps() != 1000 || !a.Done {
			t.Errorf("%s: %v: %+v", c.name, path, d)
		}
		if math.Abs(d.Slope-c.slope) > 0.1*c.slope+1e-9 {
			t.Errorf("%s: slope %v, want %v", c.name, d.Slope, c.slope)
		}
		if err := a.check(tr.options, tr.hierarchy, max(tr.step, tr.options.trialStep(tr.hierarchy))); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestConcludeMeasured: what the runs of docs/results decide by the loss and slope that they measured, in seconds of
// single-level training with 12 blocks.
func TestConcludeMeasured(t *testing.T) {
	narrow, wide := []float64{0.00229, 0.00437, 0.00922}, []float64{0.0152, 0.0293, 0.0576}
	for _, c := range []struct {
		name        string
		width       int
		seconds     []float64
		steps       float64 // of 12 blocks
		loss, slope float64
		level, way  int // of the first growth; 0: none
		from, to    float64
	}{
		{"width 24, 5 tokens per parameter", 24, narrow, 922, 2.623, 0.088, 0, 0, 0, 0},
		{"width 24, 10", 24, narrow, 1844, 2.411, 0.201, 1, 0, 0.6, 0.7},
		{"width 24, 20", 24, narrow, 3688, 2.295, 0.234, 1, 1, 0.29, 0.4},
		{"width 24, 40", 24, narrow, 7376, 2.074, 0.176, 1, 1, 0.29, 0.45},
		{"width 64, 5", 64, wide, 3049, 1.883, 0.366, 0, 0, 0, 0},
		{"width 64, 20", 64, wide, 12197, 1.464, 0.178, 1, 1, 0.29, 0.35},
	} {
		o := tiny()
		o.Multilevel, o.Levels, o.LevelFractions, o.Blocks, o.Width, o.Heads = Adaptive, []int{3, 6, 12}, nil, 12, c.width, 2
		o.Context, o.Batch, o.Steps = 64, 8, 1000
		if c.width == 64 {
			o.Context = 128
		}
		o.Seconds, o.StepSeconds = c.steps*c.seconds[2], c.seconds
		tr := newTiny(t, o)
		tr.step = tr.options.trialStep(tr.hierarchy)
		tr.costs[0].Tokens = int64(tr.step * tr.options.stepTokens())
		a := tr.adaptive
		for s := 1; s <= tr.step; s++ {
			a.observe(s, 5-c.slope*math.Log2(float64(s)))
		}
		a.Average = c.loss
		tr.conclude(0)
		if c.level == 0 {
			if len(a.Path) != 0 {
				t.Errorf("%s: %+v", c.name, tr.decisions)
			}
			continue
		}
		if len(a.Path) == 0 {
			t.Errorf("%s: %+v", c.name, tr.decisions)
			continue
		}
		first := a.Path[0]
		if at := float64(first.Step) / float64(a.Total); first.Level != c.level || first.Way != c.way || at < c.from || at > c.to {
			t.Errorf("%s: to level %d by way %d at %.2f of the steps: %s", c.name, first.Level, first.Way, at, tr.decisions[0].Why)
		}
	}
}

// TestWay: growth is by copies where many steps follow, by the best of the trials, and by identities otherwise.
func TestWay(t *testing.T) {
	o := adapting(t).Resolve() // three ways
	a := &adaptive{}
	for i, c := range []struct {
		follow int
		after  []float64 // losses after the trials
		want   int
	}{
		{copySteps, nil, 1},
		{copySteps - 1, nil, 0},
		{copySteps, []float64{1, 3, 2}, 2},
		{copySteps, []float64{1, 2, 3}, 1},
		{copySteps - 1, []float64{3, 2, 1}, 0},
		{copySteps, []float64{1, worthless, worthless}, 0},
		{copySteps, []float64{1, worthless, 2}, 2},
	} {
		a.Results = nil
		for _, x := range c.after {
			a.Results = append(a.Results, Decision{LossAfter: x})
		}
		way, trial := a.way(o, 1, c.follow)
		if way != c.want || (trial == nil) != (c.after == nil) || trial != nil && trial.LossAfter != c.after[way] {
			t.Errorf("%d: way %d, trial %+v, want %d", i, way, trial, c.want)
		}
	}
}

// TestAdaptiveTime: a run of so many seconds costs that, if steps take what the options say.
func TestAdaptiveTime(t *testing.T) {
	for _, slope := range []float64{0, 0.05, 0.8} {
		o := adapting(t)
		o.Seconds, o.StepSeconds = 100, []float64{0.1, 0.35}
		tr := newTiny(t, o)
		half := o.Resolve().trialStep(tr.hierarchy)
		tr.step = half
		tr.costs[0].Tokens = int64(half * tr.options.stepTokens())
		for s := 1; s <= half; s++ {
			tr.adaptive.observe(s, 5-slope*math.Log2(float64(s)))
		}
		for range ways {
			tr.adaptive.Results = append(tr.adaptive.Results, Decision{Steps: 10, LossBefore: 2, LossHalf: 1.97, LossAfter: 1.94})
		}
		tr.adaptive.Try = len(ways)
		tr.conclude(10)
		seconds := 0.0
		for _, s := range tr.plan {
			seconds += float64(s.Steps) * o.StepSeconds[s.Level]
		}
		if math.Abs(seconds-100) > 2 {
			t.Errorf("slope %g: %.1f seconds: %+v", slope, seconds, tr.decisions[0])
		}
	}
}

// TestAdaptiveCosine: the rate falls over the steps that are decided; at the decision, which leaves fewer of them than staying would have,
// it falls too.
func TestAdaptiveCosine(t *testing.T) {
	o := adapting(t)
	o.Schedule, o.Seconds, o.StepSeconds = Cosine, 1, []float64{0.001, 0.0012}
	tr := newTiny(t, o)
	m, decisions := all(t, tr)
	last := 2 * o.LR
	for _, x := range m {
		if x.Trial > 0 || x.Step <= o.Warmup {
			continue
		}
		if x.LR > last {
			t.Errorf("step %d: the rate rises from %g to %g", x.Step, last, x.LR)
		}
		last = x.LR
	}
	d := decisions[len(decisions)-1]
	if before := int(o.Seconds / o.StepSeconds[0]); d.Total > 95*before/100 {
		t.Errorf("%d steps of %d are decided: this does not show what becomes of the rate", d.Total, before)
	}
	if m[len(m)-1].Step != d.Total || last > 1.01*o.LR*o.FinalLR+1e-3*o.LR {
		t.Errorf("%d steps of %d, the last with the rate %g", m[len(m)-1].Step, d.Total, last)
	}
}

// TestRefineBounds: a budget of time for more steps than a run may have gives as many as that.
func TestRefineBounds(t *testing.T) {
	o := adapting(t)
	o.Seconds, o.StepSeconds = 1e9, []float64{1e-9, 1e-8}
	o = o.Resolve()
	h := o.hierarchy(t)
	for _, done := range []int{0, 10, maxSteps / 2, maxSteps - 5} {
		for _, share := range []float64{0.001, 0.5, 0.95} {
			steps, total := o.refine(h, done, o.budget(h), []hop{{1, share}})
			if total < maxSteps-1 || total > maxSteps || steps[0] < done || steps[0] >= total {
				t.Errorf("after %d steps, share %g: %d of %d steps", done, share, steps, total)
			}
		}
	}
	if n := o.trialStep(h); n < maxSteps/3 || n > maxSteps/2 {
		t.Errorf("trials after step %d", n)
	}
}

// TestSpike: a loss that rises with the change of level is seen, and the rate comes up again.
func TestSpike(t *testing.T) {
	o := scheduled(Adaptive)
	o.Steps, o.Jump = 120, 0 // it is no divergence here
	tr := newTiny(t, o)
	var decisions []Decision
	for !tr.Done() {
		if _, err := tr.trial(); err != nil { // decides, if it is time
			t.Fatal(err)
		}
		if tr.stage == 0 && tr.plan.at(tr.step) == 1 {
			if err := tr.enter(1); err != nil {
				t.Fatal(err)
			}
			gain := tr.groups[0].Entries[2] // a negative one turns the logits around
			for i := range gain.Len() {
				tr.groups[0].Theta[gain.Offset+i] -= 50
			}
		}
		m := steps(t, tr, 1)[0]
		decisions = append(decisions, m.Decisions...)
		if a := tr.adaptive; a.Damped > 0 && tr.step == a.Damped+1 {
			if want := tr.schedule.LR(tr.step-1) * dampRate; math.Abs(m.LR-want) > 1e-12 {
				t.Errorf("rate %v after a spike, want %v", m.LR, want)
			}
		}
	}
	if n := len(decisions); n == 0 || decisions[n-1].Kind != SpikeDecision || tr.adaptive.Damped == 0 {
		t.Errorf("decisions %+v", decisions)
	}
}

// TestTooShort: where depth does not pay, or cannot be coarsened, the run says so.
func TestTooShort(t *testing.T) {
	for want, o := range map[string]Options{"depth does not pay at this budget": scheduled(Adaptive), "cannot be coarsened": scheduled(Adaptive)} {
		if want != "depth does not pay at this budget" {
			o.Blocks = 1
		}
		tr := newTiny(t, o)
		_, d := all(t, tr)
		if len(d) != 1 || !strings.Contains(d[0].Why, want) || tr.level().Blocks != o.Blocks {
			t.Errorf("%+v, want %q", d, want)
		}
	}
}

// TestSurprise: a trial that comes out as the law has it changes nothing, and one whose loss was not finite says so.
func TestSurprise(t *testing.T) {
	w := law{done: 1000, data: 0.5, depth: []float64{0.9, 0.8, 0.72}}
	lacks := 0.5 + 0.9 - 0.72 // for want of data, on the curve of two levels up
	begun := 1000 * math.Pow(0.5/lacks, 1/lawData)
	fall := lacks - 0.5*math.Pow((begun+100)/1000, -lawData) // within the 100 steps of a trial
	for _, c := range []struct {
		before, half, after, want float64
		finite                    bool
	}{
		{2, 1.9, 2 - fall, 0, true},
		{2, 2.5, 2.2, -0.2 - fall, true},
		{2, worthless, 1.9, 0, false},
		{2, 1.9, math.NaN(), 0, false},
		{worthless, 1.9, 1.8, 0, false},
	} {
		got, finite := w.surprise(Decision{Steps: 100, LossBefore: c.before, LossHalf: c.half, LossAfter: c.after}, 2)
		if finite != c.finite || math.Abs(got-c.want) > 1e-12 {
			t.Errorf("losses %g, %g, %g: %g, %t, want %g, %t", c.before, c.half, c.after, got, finite, c.want, c.finite)
		}
	}
}

// TestTrialNotFinite: trials whose loss is not finite leave a run that can be saved, resumed and finished.
func TestTrialNotFinite(t *testing.T) {
	o := adapting(t)
	path := filepath.Join(t.TempDir(), "checkpoint")
	tr := newTiny(t, o)
	var decisions []Decision
	for !tr.adaptive.Done {
		steps(t, tr, 1)
		if a := tr.adaptive; a.Tried == 1 {
			for i := range tr.groups[0].Theta { // of the trial's network
				tr.groups[0].Theta[i] = float32(math.NaN())
			}
		}
		if a := tr.adaptive; a.Tried == 0 && a.Try == 0 || a.Tried%8 != 0 {
			continue
		}
		if err := tr.Save(path); err != nil {
			t.Fatalf("after step %d of trial %d: %v", tr.adaptive.Tried, tr.adaptive.Try+1, err)
		}
		second, err := Resume(path, tinySource(t, o))
		if err != nil {
			t.Fatalf("after step %d of trial %d: %v", tr.adaptive.Tried, tr.adaptive.Try+1, err)
		}
		tr = second
	}
	m := steps(t, tr, -1)
	if _, err := json.Marshal(m); err != nil {
		t.Error(err)
	}
	for _, x := range m {
		decisions = append(decisions, x.Decisions...)
	}
	if n := len(ways); len(decisions) != n+1 || decisions[0].LossAfter != worthless || decisions[n].Gain != 0 || !strings.Contains(decisions[n].Why, "finite") {
		t.Errorf("decisions %+v", decisions)
	}
	if !tr.Done() || tr.level().Blocks != 4 {
		t.Errorf("%d steps, %d blocks", tr.step, tr.level().Blocks)
	}
}

// TestAdaptiveRefuses: a checkpoint with a state that no run can be in is an error, and nothing worse.
func TestAdaptiveRefuses(t *testing.T) {
	o := adapting(t)
	before := newTiny(t, o)
	steps(t, before, 10)
	trying := newTiny(t, o)
	for trying.adaptive.Try != 1 || trying.adaptive.Tried != 3 {
		steps(t, trying, 1)
	}
	candidates, k := trying.options.candidates(trying.hierarchy), trying.options.trialSteps(trying.hierarchy)
	if k < leastTrial || candidates != 3 {
		t.Fatalf("%d candidates, %d steps each", candidates, k)
	}
	done := newTiny(t, o)
	for !done.adaptive.Done {
		steps(t, done, 1)
	}
	more := func(a *adaptive) { a.Results = append(a.Results, a.Results[0]) }
	for _, c := range []struct {
		name   string
		tr     *Trainer
		change func(s *state, a *adaptive)
	}{
		{"all tried, undecided", trying, func(_ *state, a *adaptive) { more(a); more(a); a.Try, a.Tried = candidates, 0 }},
		{"more than all tried", trying, func(_ *state, a *adaptive) { more(a); more(a); more(a); a.Try = candidates + 1 }},
		{"negative try", before, func(_ *state, a *adaptive) { a.Try = -1 }},
		{"a trial at its end", trying, func(_ *state, a *adaptive) { a.Tried = k }},
		{"a trial beyond its end", trying, func(_ *state, a *adaptive) { a.Tried = k + 5 }},
		{"negative steps of a trial", trying, func(_ *state, a *adaptive) { a.Tried = -1 }},
		{"a trial before its step", before, func(_ *state, a *adaptive) { a.Tried = 1 }},
		{"a later trial before its step", before, func(_ *state, a *adaptive) { a.Try, a.Results = 1, []Decision{{Steps: 1}} }},
		{"undecided for too long", trying, func(s *state, a *adaptive) { a.Try, a.Tried, a.Results = 0, 0, nil; s.Step++ }},
		{"undecided, but a path", before, func(_ *state, a *adaptive) { a.Path = []change{{Level: 1, Step: 8}} }},
		{"undecided, but an end", before, func(_ *state, a *adaptive) { a.Last-- }},
		{"undecided, but steps", before, func(_ *state, a *adaptive) { a.Total++ }},
		{"a trial too many", trying, func(_ *state, a *adaptive) { more(a) }},
		{"a trial too few", trying, func(_ *state, a *adaptive) { a.Results = nil }},
		{"a trial of no steps", trying, func(_ *state, a *adaptive) { a.Results[0].Steps = 0 }},
		{"a loss beyond all", trying, func(_ *state, a *adaptive) { a.Results[0].LossAfter = -1e300 }},
		{"losses beyond all", trying, func(_ *state, a *adaptive) { a.Buckets[0].Sum = 1e300 }},
		{"decided in a trial", trying, func(_ *state, a *adaptive) { a.Done = true }},
		{"decided too early", before, func(_ *state, a *adaptive) { a.Done = true }},
		{"decided, with a trial", done, func(_ *state, a *adaptive) { a.Tried = 1 }},
		{"decided, no such level", done, func(_ *state, a *adaptive) { a.Path = []change{{Level: 2, Step: a.Last}} }},
		{"decided, no such way", done, func(_ *state, a *adaptive) { a.Path = []change{{Level: 1, Way: 3, Step: a.Last}} }},
		{"decided, a level twice", done, func(_ *state, a *adaptive) { a.Path = []change{{Level: 1, Step: 8}, {Level: 1, Step: a.Last}} }},
		{"decided, a change after the end", done, func(_ *state, a *adaptive) { a.Path = []change{{Level: 1, Step: a.Last + 1}} }},
		{"decided, a long warm-up", done, func(_ *state, a *adaptive) { a.Path = []change{{Level: 1, Step: a.Last, Rewarm: math.MaxInt}} }},
		{"decided, a spike to come", done, func(_ *state, a *adaptive) { a.Damped = math.MaxInt }},
	} {
		path := filepath.Join(t.TempDir(), "checkpoint")
		write := func(change func(s *state, a *adaptive)) {
			file := checkpoint(t, c.tr, func(meta map[string]string, x []safetensors.Tensor) []safetensors.Tensor {
				var s state
				if err := strictJSON(meta[metaState], &s); err != nil {
					t.Fatal(err)
				}
				change(&s, s.Adaptive)
				b, err := json.Marshal(s)
				if err != nil {
					t.Fatal(err)
				}
				meta[metaState] = string(b)
				return x
			})
			if err := os.WriteFile(path, file, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		write(func(*state, *adaptive) {})
		if _, err := Resume(path, tinySource(t, o)); err != nil {
			t.Fatalf("%s: unchanged: %v", c.name, err)
		}
		write(c.change)
		if _, err := Resume(path, tinySource(t, o)); err == nil || !strings.Contains(err.Error(), "cannot be in this state") {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
}

// TestLaw: the deeper network goes on from the loss of the shallow one, after as many steps as it would have taken
// to come there itself, and steps on it are worth more than as many on the shallow one.
func TestLaw(t *testing.T) {
	w := law{done: 1000, data: 0.5, depth: []float64{0.9, 0.8, 0.72}}
	stay := w.gain(nil, nil, 4000)
	if want := 0.5 - 0.5*math.Pow(4, -lawData); math.Abs(stay-want) > 1e-12 {
		t.Errorf("staying gains %v, want %v", stay, want)
	}
	for _, path := range [][]hop{{{1, 1}}, {{2, 1}}} {
		if got := w.gain(path, []int{4000}, 4000); math.Abs(got-stay) > 1e-12 {
			t.Errorf("blocks that are not trained gain %v, and staying %v", got, stay)
		}
	}
	if got, want := w.gain([]hop{{1, 0.5}, {2, 0.5}}, []int{2000, 2000}, 4000), w.gain([]hop{{2, 0.5}}, []int{2000}, 4000); math.Abs(got-want) > 1e-12 {
		t.Errorf("by way of a level without steps: %v, directly %v", got, want)
	}
	last := stay
	for _, at := range []int{3000, 2000, 1000} {
		got := w.gain([]hop{{2, 0}}, []int{at}, 4000)
		if got <= last {
			t.Errorf("growth after %d steps gains %v, and later %v", at, got, last)
		}
		last = got
	}
	alone := 0.5 + 0.9 - 0.72 - 0.5*math.Pow(4, -lawData) // as if the network had been deep from the start
	if last >= alone {
		t.Errorf("growth gains %v, and a network that was always deep %v", last, alone)
	}
}

// TestAdaptiveCost: the cost of a step has the operations of the optimizer, which Muon has in products.
func TestAdaptiveCost(t *testing.T) {
	for _, optimizer := range []string{AdamW, Muon} {
		o := scheduled(Adaptive).Resolve()
		o.Optimizer = optimizer
		h, _, err := o.Plan()
		if err != nil {
			t.Fatal(err)
		}
		for level, l := range h.Levels {
			_, step := o.StepFLOPs(l)
			_, finest := o.StepFLOPs(h.Finest())
			if got, want := o.cost(h, level), step/finest; got != want {
				t.Errorf("%s: a step with %d blocks costs %v of one on the finest level, want %v", optimizer, l.Blocks, got, want)
			}
		}
	}
}
