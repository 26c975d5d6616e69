package multilevel

import (
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// guarded returns options of a run of 40 steps on one level.
func guarded(policy string) Options {
	o := tiny()
	o.Multilevel, o.Levels, o.LevelFractions, o.Blocks, o.Steps = SingleLevel, []int{2}, nil, 2, 40
	o.OnDivergence = policy
	return o
}

// spoiled calls f with v in the place of a parameter.
func spoiled(tr *Trainer, v float32, f func()) {
	x := tr.groups[2].Theta
	was := x[0]
	x[0] = v
	f()
	x[0] = was
}

// TestJump: a loss and a gradient that jump are found in their step, with the largest tensors; at the beginning of a
// level, where nothing is usual yet, and with a jump of 0, nothing jumps.
func TestJump(t *testing.T) {
	for _, c := range []struct {
		name   string
		before int
		jump   float64
		harm   float32 // of the token embedding
		want   string
	}{
		{"loss", 25, 100, 1000, "step 26, level 1 (2 blocks): the loss jumps to "},
		{"gradient", 25, 3, 1.5, "step 26, level 1 (2 blocks): the norm of the gradient jumps to "},
		{"early", 15, 100, 1.5, ""},
		{"worse than random", 15, 100, 1000, "step 16, level 1 (2 blocks): the loss jumps to "},
		{"off", 25, 0, 1000, ""},
	} {
		o := guarded(StopOnDivergence)
		o.Jump = c.jump
		tr := newTiny(t, o)
		steps(t, tr, c.before)
		if strings.HasPrefix(c.name, "gradient") {
			tr.guard.LogNorm -= 3 // the loss is as usual
		} else {
			x := tr.groups[0].Theta[:tr.groups[0].Matrices]
			for i := range x {
				x[i] *= c.harm
			}
		}
		_, err := tr.Step()
		var e *DivergedError
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), c.want) || !e.Jumped ||
			!strings.Contains(e.Where, "the largest are the activation ") || !strings.Contains(e.Where, " and the gradient ") {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// TestSkip: a step that is skipped changes no parameter and is in the log; so many in a row are an error. A run that
// is saved after skipped steps, the first among them, goes on with the same bits and metrics.
func TestSkip(t *testing.T) {
	o := guarded(SkipOnDivergence)
	nan := float32(math.NaN())
	run := func(save int) (*Trainer, []Metrics) {
		tr := newTiny(t, o)
		var all []Metrics
		for !tr.Done() {
			if tr.step == save {
				path := filepath.Join(t.TempDir(), "checkpoint")
				if err := tr.Save(path); err != nil {
					t.Fatal(err)
				}
				var err error
				if tr, err = Resume(path, tinySource(t, o)); err != nil {
					t.Fatal(err)
				}
			}
			if slices.Contains([]int{0, 1, 7, 30}, tr.step) {
				before := stateBits(tr)
				spoiled(tr, nan, func() { all = append(all, steps(t, tr, 1)...) })
				m := all[len(all)-1]
				after := stateBits(tr)
				if before[0]++; len(before) == len(after) && !slices.Equal(before, after) {
					t.Errorf("the skipped step %d has changed the state", m.Step)
				}
				if len(m.Decisions) != 1 || !m.Skipped || m.Decisions[0].Action != "skip" || !strings.Contains(m.Decisions[0].Where, "the parameter h.1.attn.c_attn.weight (NaN at 0)") {
					t.Errorf("a skipped step: %+v", m)
				}
				if _, err := json.Marshal(m); err != nil {
					t.Error(err)
				}
				if m.TrainLoss > 10 && m.Step > 2 {
					t.Errorf("the loss of a skipped step is logged as %v", m.TrainLoss)
				}
				continue
			}
			all = append(all, steps(t, tr, 1)...)
			if all[len(all)-1].Skipped {
				t.Error("an ordinary step is skipped")
			}
		}
		return tr, all
	}
	whole, metrics := run(-1)
	for _, save := range []int{1, 2, 8, 9, 31} {
		if tr, m := run(save); !slices.Equal(stateBits(tr), stateBits(whole)) || !reflect.DeepEqual(m, metrics) {
			t.Errorf("saved after %d steps: other bits or metrics", save)
		}
	}
	tr := newTiny(t, o)
	steps(t, tr, 3)
	spoiled(tr, nan, func() {
		steps(t, tr, MaxSkips)
		before := stateBits(tr)
		if _, err := tr.Step(); !errors.As(err, new(*DivergedError)) || !strings.Contains(err.Error(), "after 10 skipped steps in a row") {
			t.Errorf("after %d: error %v", MaxSkips, err)
		}
		if !slices.Equal(stateBits(tr), before) {
			t.Error("the failed step has changed the state")
		}
	})
	steps(t, tr, 1) // and goes on
	if tr.guard.Skipped != 0 {
		t.Errorf("%d skipped in a row", tr.guard.Skipped)
	}
}

// TestSkipInSchedules: schedules that change the level in a skipped step, or grow in it, come to their end.
func TestSkipInSchedules(t *testing.T) {
	for _, name := range []string{Nested, Adaptive, MGOPT, Grow} {
		o := scheduled(Nested)
		if name == Grow {
			o.Prolong = Grow
		} else {
			o = scheduled(name)
		}
		o.OnDivergence = SkipOnDivergence
		tr := newTiny(t, o)
		for !tr.Done() {
			if err := tr.enter(tr.plan.at(tr.step)); err != nil {
				t.Fatal(err)
			}
			if i := tr.step - tr.plan.start(tr.stage); i == 0 && (tr.adaptive == nil || tr.stage > 0) {
				x := tr.groups[1].Theta
				was := x[0]
				x[0] = float32(math.Inf(-1))
				m := steps(t, tr, 1)
				x[0] = was
				if !m[0].Skipped {
					t.Errorf("%s: step %d is not skipped", name, m[0].Step)
				}
				continue
			}
			steps(t, tr, 1)
		}
		if loss, err := tr.Validate(); err != nil || loss > 7 {
			t.Errorf("%s: ends with a loss of %v, %v", name, loss, err)
		}
	}
}

// TestRollBack: a run that has gone back has half the rate from there, accounts for what was in vain, and goes on from
// a checkpoint with the same bits.
func TestRollBack(t *testing.T) {
	o := guarded(RollBackOnDivergence)
	dir := t.TempDir()
	good, again := filepath.Join(dir, "good"), filepath.Join(dir, "again")
	tr := newTiny(t, o)
	steps(t, tr, 5)
	if err := tr.Save(good); err != nil {
		t.Fatal(err)
	}
	plain := steps(t, tr, 3)
	var e *DivergedError
	spoiled(tr, float32(math.Inf(1)), func() {
		if _, err := tr.Step(); !errors.As(err, &e) {
			t.Fatalf("error %v", err)
		}
	})
	resume := func(path string) *Trainer {
		back, err := Resume(path, tinySource(t, o))
		if err != nil {
			t.Fatal(err)
		}
		return back
	}
	back := resume(good)
	if _, err := back.RollBack(e, tr.Rollbacks(), tr.Costs()); err != nil {
		t.Fatal(err)
	}
	if err := back.Save(again); err != nil {
		t.Fatal(err)
	}
	metrics := steps(t, back, -1)
	first := metrics[0]
	if first.Step != 6 || first.LR != plain[0].LR/2 || first.TrainLoss != plain[0].TrainLoss || metrics[1].TrainLoss == plain[1].TrainLoss {
		t.Errorf("after going back %+v, before %+v", metrics[:2], plain[:2])
	}
	if len(first.Decisions) != 1 || first.Decisions[0].Action != "rollback" || first.Decisions[0].Step != 9 || !strings.Contains(first.Decisions[0].Why, "back to step 5, with the learning rate times 0.5") {
		t.Errorf("%+v", first.Decisions)
	}
	_, step := o.Config(tr.level()).FLOPs()
	if want := (6 + 3) * 16 * step; first.FLOPsTotal != want || first.Tokens != 6*16 {
		t.Errorf("the account has %v operations and %d tokens, want %v and %d", first.FLOPsTotal, first.Tokens, want, 6*16)
	}
	second := resume(again)
	if got := steps(t, second, -1); !reflect.DeepEqual(got, metrics) || !slices.Equal(stateBits(second), stateBits(back)) {
		t.Error("resumed after going back: other bits or metrics")
	}
	if _, err := resume(good).RollBack(e, MaxRollbacks, nil); !errors.Is(err, ErrRollbacks) {
		t.Errorf("error %v", err)
	}
}

// TestGuardState: a checkpoint cannot hold a state that no run is in.
func TestGuardState(t *testing.T) {
	for _, g := range []guard{{Seen: 6}, {Seen: -1}, {Loss: math.NaN()}, {LogNorm: math.Inf(1)}, {Skipped: MaxSkips + 1}, {Skipped: 6}, {Rollbacks: MaxRollbacks + 1}, {Rollbacks: -1}} {
		if g.check(5) == nil {
			t.Errorf("%+v after 5 steps: no error", g)
		}
	}
	if err := (guard{Seen: 5, Loss: 2, LogNorm: -1, Skipped: 2, Rollbacks: 1}).check(7); err != nil {
		t.Error(err)
	}
	for _, o := range []Options{{OnDivergence: "pray"}, {OnDivergence: StopOnDivergence, Jump: 1}, {OnDivergence: StopOnDivergence, Jump: math.NaN()}} {
		if o.validateDivergence() == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}
