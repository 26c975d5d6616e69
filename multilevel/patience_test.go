package multilevel

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// patient returns options of 40 steps, 10 of them on the coarse level and the last quarter of them decay.
func patient() Options {
	o := tiny()
	o.Multilevel, o.Steps, o.Warmup, o.DecayFraction, o.FinalLR = Nested, 40, 0, 0.25, 0
	o.Levels, o.LevelFractions = []int{1, 2}, []float64{0.25, 0.75}
	o.Blocks = 2
	o.Patience, o.MinDelta = 3, 0.1
	return o
}

// observed runs t to its end, at every second step of which the validation loss is as given; the last stays.
func observed(t *testing.T, tr *Trainer, losses []float64) (metrics []Metrics, stops []Decision) {
	t.Helper()
	for !tr.Done() {
		m := steps(t, tr, 1)[0]
		metrics = append(metrics, m)
		if m.Step%2 == 0 {
			if d := tr.Observe(losses[min(m.Step/2, len(losses))-1]); d != nil {
				stops = append(stops, *d)
			}
		}
	}
	return metrics, stops
}

// A run whose loss falls no more goes over to the decay, and is then the run of fewer steps.
func TestPatience(t *testing.T) {
	// By step 2, 4, …: the coarse level's, which do not count; then a fall, by too little, and again.
	losses := []float64{1, 1, 1, 1, 1, 3, 2.95, 2.8, 2.75, 2.72, 2.71}
	for _, c := range []struct {
		name   string
		change func(o *Options)
		stop   int // the step of the decision
		total  int
	}{
		{"wsd", func(o *Options) {}, 22, 30}, // ceil(22/0.75)
		{"cosine", func(o *Options) { o.Schedule = Cosine }, 22, 22},
		{"no decay", func(o *Options) { o.DecayFraction = 0 }, 22, 22},
		{"nothing but decay", func(o *Options) { o.DecayFraction = 1 }, 0, 40},
		{"less patience", func(o *Options) { o.Patience = 1 }, 14, 19},
		{"smaller falls", func(o *Options) { o.MinDelta = 0 }, 28, 38},
		{"more patience than steps", func(o *Options) { o.Patience = 9 }, 0, 40},
		{"none", func(o *Options) { o.Patience = 0 }, 0, 40},
	} {
		o := patient()
		c.change(&o)
		tr := newTiny(t, o)
		metrics, stops := observed(t, tr, losses)
		if len(metrics) != c.total {
			t.Errorf("%s: %d steps, want %d", c.name, len(metrics), c.total)
		}
		if c.stop == 0 {
			if len(stops) > 0 {
				t.Errorf("%s: %+v", c.name, stops)
			}
			continue
		}
		if len(stops) != 1 || stops[0].Kind != StopDecision || stops[0].Step != c.stop || stops[0].Total != c.total || stops[0].Why == "" {
			t.Errorf("%s: %+v, want one after step %d", c.name, stops, c.stop)
		}
		if h, plan := tr.Plan(); plan.Steps() != c.total || h.Levels[1].Steps != c.total-10 || tr.Costs()[1].Level.Steps != c.total-10 {
			t.Errorf("%s: %+v, %+v", c.name, h, plan)
		}
		o.Steps, o.LevelFractions, o.Patience = c.total, []float64{10, float64(c.total - 10)}, 0
		if c.name == "cosine" {
			continue // whose rates are those of the whole run
		}
		short, _ := observed(t, newTiny(t, o), losses)
		if !reflect.DeepEqual(short, metrics) {
			t.Errorf("%s: not the run of %d steps", c.name, c.total)
		}
	}
}

// A run that is cut short resumes to the same bits from any step.
func TestPatienceResume(t *testing.T) {
	losses := []float64{1, 1, 1, 1, 1, 3, 2.9, 2.9}
	whole := newTiny(t, patient())
	metrics, _ := observed(t, whole, losses)
	if len(metrics) != 24 {
		t.Fatalf("%d steps, want 24", len(metrics)) // stopped after step 18
	}
	path := filepath.Join(t.TempDir(), "checkpoint")
	for _, n := range []int{9, 10, 11, 14, 17, 18, 19, 23, 24} {
		first := newTiny(t, patient())
		for first.Steps() < n {
			if m := steps(t, first, 1)[0]; m.Step%2 == 0 {
				first.Observe(losses[min(m.Step/2, len(losses))-1])
			}
		}
		if err := first.Save(path); err != nil {
			t.Fatal(err)
		}
		second, err := Resume(path, tinySource(t, patient()))
		if err != nil {
			t.Fatalf("after %d steps: %v", n, err)
		}
		rest, _ := observed(t, second, losses)
		if len(rest) != 24-n || len(rest) > 0 && !reflect.DeepEqual(rest, metrics[n:]) || !slices.Equal(stateBits(second), stateBits(whole)) {
			t.Errorf("resumed after %d steps: %d more, or other bits", n, len(rest))
		}
		if d, _, err := LoadDecoder(path); err != nil || d.Config().Blocks != first.Decoder().Config().Blocks {
			t.Errorf("after %d steps: %v", n, err)
		}
	}
}

// A state that no run can be in is refused.
func TestPatienceCheck(t *testing.T) {
	o := patient()
	_, plan, err := o.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if err := (&patience{Best: 2, Since: 3, End: 24}).check(o, plan, 20); err != nil {
		t.Error(err)
	}
	for _, p := range []patience{{Best: 2, Since: -1}, {Best: 2, Since: 4}, {Best: 2, End: 19}, {Best: 2, End: 40}, {Best: 2, End: -1}} {
		if p.check(o, plan, 20) == nil {
			t.Errorf("%+v is let through", p)
		}
	}
	if (&patience{Best: 2, End: 9}).check(o, plan, 8) == nil {
		t.Error("an end on the coarse level is let through")
	}
	o.Patience = 0
	if (&patience{Best: 2}).check(o, plan, 20) == nil {
		t.Error("a state without patience is let through")
	}
}
