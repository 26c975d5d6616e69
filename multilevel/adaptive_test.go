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

// adapting returns options of a run that is long enough for trials.
func adapting() Options {
	o := tiny()
	o.Multilevel, o.Levels, o.LevelFractions, o.Method = Adaptive, []int{1, 4}, nil, "split"
	o.Context, o.Batch, o.Steps, o.LR = 4, 1, 900, 3e-3
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
	o := adapting()
	tr := newTiny(t, o)
	m, decisions := all(t, tr)
	candidates := tr.options.candidates(tr.hierarchy)
	if n := len(decisions); n < 1+candidates {
		t.Fatalf("%d decisions: %+v", n, decisions)
	}
	d := decisions[candidates]
	for i, trial := range decisions[:candidates] {
		if trial.Kind != TrialDecision || trial.Step != o.Steps/2 || trial.Steps < leastTrial || trial.Prolong != ways[i].prolong ||
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
			if want := 1 + trials%d.Steps; x.Trial != want || x.Step != o.Steps/2 {
				t.Errorf("step %d of a trial after step %d, want %d after %d", x.Trial, x.Step, want, o.Steps/2)
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
	share := tr.costs[1].Evaluated / float64(tr.options.stepTokens()) / tr.options.budget(tr.hierarchy)
	if share <= 0 || share > 1.3*trialShare {
		t.Errorf("the trials have taken %.3f of the budget", share)
	}
}

// TestAdaptiveOrdinary: only where a step size folds into the weights is it divided.
func TestAdaptiveOrdinary(t *testing.T) {
	for method, want := range map[string]bool{"euler": false, "split": true, "rk4": false} {
		o := adapting()
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
	o := adapting()
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
	trial := func(before, half, after float64) []Decision {
		var r []Decision
		for i, w := range ways {
			r = append(r, Decision{Steps: 20, LossBefore: before, LossHalf: half + float64(i), LossAfter: after + float64(i), Prolong: w.prolong, Blocks: 4})
		}
		return r
	}
	for _, c := range []struct {
		name    string
		slope   float64
		results []Decision
		want    string
		grow    int
	}{
		{"the coarse level still learns fast", 0.8, trial(2, 1.99, 1.98), "stay", 686},
		{"the coarse level has stopped", 0, trial(2, 1.95, 1.9), "refine", 350},
		{"late, with the decay", 0.05, trial(2, 1.97, 1.94), "refine", 489},
		{"more depth does harm", 0.05, trial(2, 2.5, 2.6), "stay", 686},
		{"more depth is not finite", 0.05, trial(2, worthless, worthless), "stay", 686},
	} {
		o := adapting()
		o.Width, o.Heads, o.Steps = 64, 2, 700 // so that depth costs
		tr := newTiny(t, o)
		tr.step = 350
		a := tr.adaptive
		for s := 1; s <= 350; s++ {
			a.observe(s, 5-c.slope*math.Log2(float64(s)))
		}
		a.Results, a.Try = c.results, len(c.results)
		tr.conclude(20)
		d := tr.decisions[0]
		if !strings.HasPrefix(d.Why, c.want) || d.Grow != c.grow || tr.plan.Steps() != 700 || !a.Done {
			t.Errorf("%s: %+v", c.name, d)
		}
		if math.Abs(d.Slope-c.slope) > 0.1*c.slope+1e-9 {
			t.Errorf("%s: slope %v, want %v", c.name, d.Slope, c.slope)
		}
		if err := a.check(tr.options, tr.hierarchy, tr.step); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestAdaptiveTime: a run of so many seconds costs that, if steps take what the options say.
func TestAdaptiveTime(t *testing.T) {
	for _, slope := range []float64{0, 0.05, 0.8} {
		o := adapting()
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

// TestRefineBounds: a budget of time for more steps than a run may have gives as many as that.
func TestRefineBounds(t *testing.T) {
	o := adapting()
	o.Seconds, o.StepSeconds = 1e9, []float64{1e-9, 1e-8}
	o = o.Resolve()
	h := o.hierarchy(t)
	for _, done := range []int{0, 10, maxSteps / 2, maxSteps - 5} {
		for _, share := range []float64{0.001, 0.5, 0.95} {
			grow, total := o.refine(h, done, o.budget(h), share, 1)
			if total != maxSteps || grow < done || grow >= total {
				t.Errorf("after %d steps, share %g: %d of %d steps", done, share, grow, total)
			}
		}
	}
	if n := o.trialStep(h); n != maxSteps/2 {
		t.Errorf("trials after step %d", n)
	}
}

// TestSpike: a loss that rises with the change of level is seen, and the rate comes up again.
func TestSpike(t *testing.T) {
	o := scheduled(Adaptive)
	o.Steps = 120
	tr := newTiny(t, o)
	var decisions []Decision
	for !tr.Done() {
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

// TestTooShort: where nothing can be tried, or depth cannot be coarsened, the run says so.
func TestTooShort(t *testing.T) {
	for want, o := range map[string]Options{"too short": scheduled(Adaptive), "too few to be coarsened": scheduled(Adaptive)} {
		if want != "too short" {
			o.Blocks = 1
		}
		tr := newTiny(t, o)
		_, d := all(t, tr)
		if len(d) != 1 || !strings.Contains(d[0].Why, want) || tr.level().Blocks != o.Blocks {
			t.Errorf("%+v, want %q", d, want)
		}
	}
}

// TestPromise: what a network regains after its growth is not extrapolated.
func TestPromise(t *testing.T) {
	for _, c := range []struct {
		before, half, after, gain, perDoubling float64
	}{
		{2, 1.97, 1.94, 0.06 + 3*0.03, 0.03}, // 10 trial steps and 80 to go: three doublings
		{2, 2.5, 2.2, -0.2, 0},
		{2, 1.9, 1.95, 0.05, 0},
		{2, worthless, 1.9, -worthless, 0},
		{2, 1.9, math.NaN(), -worthless, 0},
		{worthless, 1.9, 1.8, -worthless, 0},
	} {
		gain, per := promise(Decision{Steps: 10, LossBefore: c.before, LossHalf: c.half, LossAfter: c.after}, 80)
		if !(math.Abs(gain-c.gain) < 1e-12 || gain == c.gain) || math.Abs(per-c.perDoubling) > 1e-12 {
			t.Errorf("losses %g, %g, %g promise %g and %g for every doubling, want %g and %g", c.before, c.half, c.after, gain, per, c.gain, c.perDoubling)
		}
	}
}

// TestTrialNotFinite: trials whose loss is not finite leave a run that can be saved, resumed and finished.
func TestTrialNotFinite(t *testing.T) {
	o := adapting()
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
	o := adapting()
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
		{"undecided, but a level", before, func(_ *state, a *adaptive) { a.Level = 1 }},
		{"undecided, but a way", before, func(_ *state, a *adaptive) { a.Way = 1 }},
		{"undecided, but a change of level", before, func(_ *state, a *adaptive) { a.Grow = 8 }},
		{"undecided, but an end", before, func(_ *state, a *adaptive) { a.Last-- }},
		{"undecided, but steps", before, func(_ *state, a *adaptive) { a.Total++ }},
		{"undecided, but a warm-up", before, func(_ *state, a *adaptive) { a.Rewarm = 3 }},
		{"a trial too many", trying, func(_ *state, a *adaptive) { more(a) }},
		{"a trial too few", trying, func(_ *state, a *adaptive) { a.Results = nil }},
		{"a trial of no steps", trying, func(_ *state, a *adaptive) { a.Results[0].Steps = 0 }},
		{"a loss beyond all", trying, func(_ *state, a *adaptive) { a.Results[0].LossAfter = -1e300 }},
		{"losses beyond all", trying, func(_ *state, a *adaptive) { a.Buckets[0].Sum = 1e300 }},
		{"decided in a trial", trying, func(_ *state, a *adaptive) { a.Done = true }},
		{"decided too early", before, func(_ *state, a *adaptive) { a.Done = true }},
		{"decided, with a trial", done, func(_ *state, a *adaptive) { a.Tried = 1 }},
		{"decided, no such level", done, func(_ *state, a *adaptive) { a.Level = 2 }},
		{"decided, no such way", done, func(_ *state, a *adaptive) { a.Way = 3 }},
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
