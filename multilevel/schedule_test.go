package multilevel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/nn"
)

// TestTours: the depths that each schedule visits, in order.
func TestTours(t *testing.T) {
	for _, c := range []struct {
		name   string
		blocks int
		cycles int
		levels []int
		want   string // blocks:steps
	}{
		{SingleLevel, 12, 0, nil, "12:400"},
		{Nested, 12, 0, nil, "3:280 12:120"},
		{Reference, 12, 1, nil, "12:40 6:140 12:40 6:140 12:40"},
		{Zou, 12, 0, nil, "12:20 6:180 12:200"},
		{VCycle, 12, 1, nil, "12:29 6:57 3:228 6:57 12:29"},
		{VCycle, 12, 2, []int{3, 12}, "12:20 3:160 12:40 3:160 12:20"},
		{WCycle, 12, 1, nil, "12:29 6:28 3:114 6:58 3:114 6:28 12:29"},
		{WCycle, 8, 1, []int{2, 4, 8}, "8:29 4:28 2:114 4:58 2:114 4:28 8:29"},
		{FCycle, 8, 1, []int{1, 2, 4, 8}, "8:13 4:14 2:17 1:107 2:36 1:53 2:18 4:26 2:18 1:54 2:17 4:14 8:13"},
		{MGOPT, 12, 1, nil, "12:29 6:57 3:228 6:57 12:29"},
		{Stacking, 12, 0, nil, "3:50 6:70 12:280"},
		{GStack, 12, 0, nil, "3:40 12:360"},
		{Staged, 12, 0, nil, "3:140 6:140 12:120"},
		{MIDAS, 12, 0, nil, "3:40 6:80 9:120 12:160"},
		{Late, 12, 0, []int{1, 12}, "1:280 12:120"},
	} {
		o := Defaults()
		o.Multilevel, o.Blocks, o.Levels, o.Cycles, o.Steps = c.name, c.blocks, c.levels, c.cycles, 400
		h, plan, err := o.Plan()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, s := range plan {
			got = append(got, fmt.Sprintf("%d:%d", h.Levels[s.Level].Blocks, s.Steps))
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s: %s, want %s", c.name, g, c.want)
		}
		if plan.Steps() != 400 || h.Steps() != 400 || plan[len(plan)-1].Level != len(h.Levels)-1 {
			t.Errorf("%s: %d steps, the levels have %d", c.name, plan.Steps(), h.Steps())
		}
		if text, err := DescribeSchedule(c.name); err != nil || text == "" {
			t.Errorf("%s: described as %q, %v", c.name, text, err)
		}
	}
}

// TestLeft: what is left on each level, of a plan that comes back to it.
func TestLeft(t *testing.T) {
	p := Plan{{Level: 1, Steps: 2}, {Level: 0, Steps: 3}, {Level: 1, Steps: 4}}
	for _, c := range [][3]int{{0, 3, 6}, {1, 3, 5}, {2, 3, 4}, {4, 1, 4}, {5, 0, 4}, {7, 0, 2}, {9, 0, 0}} {
		if a, b := p.Left(0, c[0]), p.Left(1, c[0]); a != c[1] || b != c[2] {
			t.Errorf("after %d steps: %d and %d are left, want %d and %d", c[0], a, b, c[1], c[2])
		}
	}
	for step, want := range []int{0, 0, 1, 1, 1, 2, 2, 2, 2, 2} {
		if got := p.at(step); got != want {
			t.Errorf("step %d is in stage %d, want %d", step, got, want)
		}
	}
}

func TestSchedulesRefuse(t *testing.T) {
	for _, c := range []struct {
		change func(o *Options)
		want   string
	}{
		{func(o *Options) { o.Multilevel = "x-cycle" }, "use adaptive, single, nested, reference"},
		{func(o *Options) { o.Multilevel, o.Levels = SingleLevel, []int{3, 12} }, "leave the levels out"},
		{func(o *Options) { o.Multilevel, o.Levels = Reference, []int{3, 12} }, "use levels such as 6,12"},
		{func(o *Options) { o.Multilevel, o.Blocks = Reference, 7 }, "use levels such as 3,6"},
		{func(o *Options) { o.Multilevel, o.Levels = Zou, []int{3, 6, 12} }, "use levels such as 6,12"},
		{func(o *Options) { o.Multilevel, o.Blocks = VCycle, 9 }, "depths that divide 9 (1,3)"},
		{func(o *Options) { o.Multilevel, o.Levels = Stacking, []int{5, 12} }, "below 12 use a depth that divides it (1,2,3,4,6)"},
		{func(o *Options) { o.Multilevel, o.Levels = MIDAS, []int{6, 5} }, "must increase"},
		{func(o *Options) { o.Multilevel, o.Prolong, o.StepSizePolicy = VCycle, Random, KeepStepSize }, "a cycle corrects blocks that are there"},
		{func(o *Options) { o.Multilevel, o.Steps, o.Warmup = VCycle, 12, 0 }, "13 visits of levels need at least 13 steps, or fewer cycles"},
		{func(o *Options) { o.LevelFractions = []float64{1, 2} }, "adaptive decides itself"},
		{func(o *Options) { o.Steps, o.Warmup = 1, 0 }, "need at least 2 steps"},
		{func(o *Options) { o.Levels = []int{5, 12} }, "below 12 use a depth that divides it (1,2,3,4,6)"},
		{func(o *Options) { o.Seconds = -1 }, "time -1"},
		{func(o *Options) { o.Seconds, o.Multilevel = 60, Late }, "is for multilevel adaptive"},
		{func(o *Options) { o.Seconds, o.StepSeconds = 60, []float64{1} }, "1 given for 3 levels"},
		{func(o *Options) { o.Seconds, o.StepSeconds = 60, []float64{0, 1} }, "step seconds 0"},
		{func(o *Options) { o.Cycles = -1 }, "cycles -1"},
		{func(o *Options) { o.Alpha = 1.5 }, "alpha 1.5"},
		{func(o *Options) { o.Restrict = "x" }, "use injection, odd, even, average"},
		{func(o *Options) { o.StepSizeExponent = 2 }, "step size exponent 2"},
		{func(o *Options) { o.Rewarm = math.MaxInt }, "rewarm"},
	} {
		o := Defaults()
		c.change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

// TestReferenceReachesEveryBlock: between them, the odd and the even network train every fine block, and
// what they learn is in the fine network.
func TestReferenceReachesEveryBlock(t *testing.T) {
	o := scheduled(Reference)
	o.Cycles, o.Steps, o.LevelFractions = 1, 5, []float64{2, 3}
	tr := newTiny(t, o)
	for stage := 1; stage < len(tr.plan); stage++ {
		steps(t, tr, 1)
		before := make([][]float32, 4)
		fine := tr.models[2]
		for i := range before {
			before[i] = slices.Clone(fine.groups[i+1].Theta)
		}
		if err := tr.enter(stage); err != nil {
			t.Fatal(err)
		}
		if tr.level().Blocks == 2 {
			if tr.level().StepSize != 2 {
				t.Errorf("coarse step size %g", tr.level().StepSize)
			}
			continue
		}
		which := tr.plan[stage-1].Level // 0: odd, counted from 1
		for i := range before {
			if same := slices.Equal(before[i], fine.groups[i+1].Theta); same != (i%2 != which) {
				t.Errorf("after the network %d, block %d is as before: %v", which, i, same)
			}
		}
	}
}

// TestCoherence: at the restricted point, the gradient of the coarse objective is Pᵀ of the fine one's, on
// all levels of a cycle, and stays that on the way up.
func TestCoherence(t *testing.T) {
	o := scheduled(MGOPT)
	tr := newTiny(t, o)
	for stage := 1; stage < 3; stage++ {
		steps(t, tr, tr.plan.start(stage)-tr.step)
		fine := tr.model()
		tr.gradient(coherenceBatches)
		want := fine.objective()
		if err := tr.enter(stage); err != nil {
			t.Fatal(err)
		}
		tr.gradient(coherenceBatches)
		got := tr.model().objective()
		rows, _ := must(Prolongation(Interleave)).Rows(len(got)-1, len(want)-1)
		near := func(what string, got, want []float64) {
			for j := range got {
				if math.Abs(got[j]-want[j]) > 1e-5*(1+math.Abs(want[j])) {
					t.Fatalf("stage %d, %s[%d]: %v, want %v", stage, what, j, got[j], want[j])
				}
			}
		}
		near("embed", got[0], want[0])
		for i, r := range transpose(rows, len(got)-1) {
			sum := make([]float64, len(got[i+1]))
			for _, w := range r.Weights {
				for j := range sum {
					sum[j] += w.Value * want[w.Block+1][j]
				}
			}
			near(fmt.Sprintf("block %d", i), got[i+1], sum)
		}
	}
	// On the way up, the correction from the coarsest level leaves the objective of the one above it.
	want := fmt.Sprint(tr.models[1].tau)
	steps(t, tr, tr.plan.start(3)-tr.step+1)
	if tr.plan[3].Level != 1 || !tr.plan[3].Arrive.Correct || tr.model().tau == nil || fmt.Sprint(tr.model().tau) != want {
		t.Errorf("level %d has another first-order term after its correction", tr.plan[3].Level)
	}
	steps(t, tr, tr.plan.start(4)-tr.step+1)
	if tr.plan[4].Level != 2 || tr.model().tau != nil {
		t.Error("the finest level has a first-order term")
	}
}

// TestPullBack: ⟨Pᵀg, d⟩ = ⟨g, Pd⟩ for the gradient g of the fine level and any direction d of the coarse
// one, with every prolongation that a cycle admits.
func TestPullBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 11))
	for _, name := range Prolongations() {
		o := scheduled(MGOPT)
		o.Levels, o.Prolong, o.StepSizePolicy = []int{2, 4}, name, KeepStepSize
		if name == Grow || name == Random {
			if o.Validate() == nil {
				t.Errorf("%s: a cycle admits it", name)
			}
			continue
		}
		tr := newTiny(t, o)
		steps(t, tr, tr.plan.start(1))
		fine := tr.model()
		tr.gradient(coherenceBatches)
		g := fine.objective()
		if err := tr.enter(1); err != nil {
			t.Fatal(err)
		}
		tr.gradient(coherenceBatches)
		restricted := tr.model().objective()
		direction := func(m *model, draw func() float64) (d []*nn.Group) {
			for _, g := range m.groups {
				c := &nn.Group{Name: g.Name, Entries: g.Entries, Theta: make([]float32, len(g.Theta))}
				for j := range c.Theta {
					c.Theta[j] = float32(draw())
				}
				d = append(d, c)
			}
			return d
		}
		zero := func() float64 { return 0 }
		for i := range tr.model().groups { // group by group: none hides in the sum over all
			d := direction(tr.model(), zero)
			for j := range d[i].Theta {
				d[i].Theta[j] = float32(rng.NormFloat64())
			}
			prolonged := direction(fine, zero)
			if err := (link{op: must(Prolongation(name)), moments: CarryMoments, ratio: 1, alpha: 1}).both(d, prolonged); err != nil {
				t.Fatal(err)
			}
			product := func(g [][]float64, d []*nn.Group) (sum, size float64) {
				for i := range g {
					for j, v := range g[i] {
						x := float64(v * float64(d[i].Theta[j]))
						sum, size = sum+x, size+math.Abs(x)
					}
				}
				return sum, size
			}
			got, _ := product(restricted, d)
			want, size := product(g, prolonged)
			if math.Abs(got-want) > 1e-5*size {
				t.Errorf("%s, group %d: ⟨Pᵀg, d⟩ = %v, ⟨g, Pd⟩ = %v", name, i, got, want)
			}
		}
	}
}

// objective returns the gradient of what the steps on the model minimise, by group.
func (m *model) objective() [][]float64 {
	all := make([][]float64, len(m.groups))
	for i, g := range m.groups {
		for j, v := range g.Grad {
			d := float64(v)
			if m.tau != nil {
				d -= float64(m.tau[i][j])
			}
			all[i] = append(all[i], d)
		}
	}
	return all
}

// TestCorrection: x ← x + α·P(y − Rx); what the coarse level has not moved stays.
func TestCorrection(t *testing.T) {
	o := scheduled(VCycle)
	o.Levels, o.Alpha, o.Cycles = []int{2, 4}, 0.5, 1
	tr := newTiny(t, o)
	steps(t, tr, tr.plan.start(1))
	if err := tr.enter(1); err != nil {
		t.Fatal(err)
	}
	coarse, fine := tr.models[0], tr.models[1]
	before := slices.Clone(fine.groups[3].Theta)
	coarse.groups[2].Theta[5] += 0.5
	if err := tr.enter(2); err != nil {
		t.Fatal(err)
	}
	for i := range before {
		want := before[i]
		if i == 5 {
			want += 0.25
		}
		if got := fine.groups[3].Theta[i]; math.Abs(float64(got-want)) > 1e-6 {
			t.Errorf("θ[%d] = %v, want %v", i, got, want)
		}
	}
	if tr.models[0] != nil {
		t.Error("the coarse network is kept though nothing comes back to it")
	}
}

// TestConfine: with a first-order term the steps stay in the trust region, on the line to its centre where they would
// leave it; without one they go where they go.
func TestConfine(t *testing.T) {
	o := scheduled(MGOPT)
	o.Levels, o.Cycles, o.LR, o.Steps = []int{2, 4}, 1, 0.1, 40
	tr := newTiny(t, o)
	for tr.plan.at(tr.step) == 0 {
		steps(t, tr, 1)
	}
	distance := func(m *model) float64 {
		var moved, size float64
		for i, g := range m.groups {
			for j, y := range m.start[i] {
				moved += math.Pow(float64(g.Theta[j])-float64(y), 2)
				size += float64(y) * float64(y)
			}
		}
		return math.Sqrt(moved / size)
	}
	var farthest float64
	for tr.plan.at(tr.step) == 1 {
		steps(t, tr, 1)
		farthest = max(farthest, distance(tr.model()))
	}
	if math.Abs(farthest-trustRadius) > 1e-6 {
		t.Errorf("the steps go as far as %v of the parameters, want %v", farthest, trustRadius)
	}
	m := tr.models[0]
	for _, g := range m.groups {
		for j := range g.Theta {
			g.Theta[j] += float32(j%5) - 2
		}
	}
	before := float64(m.groups[1].Theta[0] - m.start[1][0])
	outside := distance(m)
	m.confine()
	direction := float64(m.groups[1].Theta[0]-m.start[1][0]) / before
	if math.Abs(distance(m)-trustRadius) > 1e-6 || math.Abs(direction-trustRadius/outside) > 1e-4 {
		t.Errorf("from %v back to %v, a parameter by the factor %v", outside, distance(m), direction)
	}
	m.confine() // on the edge: at most a rounding
	want, far := slices.Clone(m.groups[1].Theta), m.groups[0].Theta
	m.tau, far[0] = nil, 1e6
	if m.confine(); far[0] != 1e6 || !slices.Equal(m.groups[1].Theta, want) {
		t.Error("a level without a first-order term is confined")
	}
}

// TestLineSearch: a correction never raises the loss of the probe, and a bad one is rejected.
func TestLineSearch(t *testing.T) {
	for name, damage := range map[string]float32{"good": 0, "bad": -50} {
		o := scheduled(MGOPT)
		o.Levels, o.Cycles = []int{2, 4}, 1
		tr := newTiny(t, o)
		steps(t, tr, tr.plan.start(1))
		before := tr.probe(probeBatches)
		steps(t, tr, tr.plan.start(2)-tr.step)
		gain := tr.groups[0].Entries[2] // ln_f.weight: a negative one turns the logits around
		for i := range gain.Len() {
			tr.groups[0].Theta[gain.Offset+i] += damage
		}
		if err := tr.enter(2); err != nil {
			t.Fatal(err)
		}
		after, d := tr.probe(probeBatches), tr.decisions
		if len(d) != 1 || d[0].Kind != LineSearchDecision || d[0].Step != tr.plan.start(2) || !(d[0].LossAfter <= d[0].LossBefore) || d[0].LossAfter != after {
			t.Errorf("%s: decisions %+v, loss %v", name, d, after)
		}
		if name == "bad" && (d[0].Alpha != 0 || before <= 0) {
			t.Errorf("a correction that does harm is taken: %+v", d)
		}
	}
}

// TestLineSearchObjective: on a level with a first-order term v, the line search lowers f(θ) − ⟨v, θ⟩.
func TestLineSearchObjective(t *testing.T) {
	for _, c := range []struct {
		damage float32
		along  float64 // ⟨v, P(y − y₀)⟩
		accept bool
	}{{0, 0, true}, {0, -100, false}, {-50, 0, false}, {-50, 100, true}} {
		o := scheduled(MGOPT)
		o.Cycles = 1
		tr := newTiny(t, o)
		steps(t, tr, tr.plan.start(3))
		gain := tr.groups[0].Entries[2]
		for i := range gain.Len() {
			tr.groups[0].Theta[gain.Offset+i] += c.damage
		}
		coarse, m := tr.models[0], tr.models[1]
		var square float64
		for i := range m.tau {
			clear(m.tau[i])
		}
		for j, v := range coarse.groups[0].Theta { // what lies outside the blocks is prolonged as it is
			d := float64(v - coarse.start[0][j])
			square += d * d
		}
		for j, v := range coarse.groups[0].Theta {
			m.tau[0][j] = float32(c.along * float64(v-coarse.start[0][j]) / square)
		}
		if err := tr.enter(3); err != nil {
			t.Fatal(err)
		}
		d := tr.decisions[len(tr.decisions)-1]
		if d.Kind != LineSearchDecision || (d.Alpha > 0) != c.accept {
			t.Errorf("%+v: %+v", c, d)
		}
		want := tr.probe(probeBatches) - c.along*d.Alpha
		if math.Abs(d.LossAfter-want) > 1e-3 {
			t.Errorf("%+v: %v after it, want %v", c, d.LossAfter, want)
		}
	}
}

// TestLineSearchState: the optimizer's state follows a correction that is accepted, and stays with one that
// is rejected.
func TestLineSearchState(t *testing.T) {
	for _, moments := range []string{CarryMoments, RescaleMoments, ResetMoments} {
		for _, damage := range []float32{0, -50} {
			o := scheduled(MGOPT)
			o.Levels, o.Cycles, o.Moments, o.Prolong = []int{2, 4}, 1, moments, Interleave
			tr := newTiny(t, o)
			steps(t, tr, tr.plan.start(2))
			gain := tr.groups[0].Entries[2]
			for i := range gain.Len() {
				tr.groups[0].Theta[gain.Offset+i] += damage
			}
			fine := tr.models[1]
			state := func() string {
				s := fmt.Sprint(fine.steps())
				for _, g := range fine.groups {
					s += fmt.Sprint(g.Moments)
				}
				return s
			}
			theta := func() (all []float32) {
				for _, g := range fine.groups {
					all = append(all, g.Theta...)
				}
				return all
			}
			before, stood := state(), theta()
			if err := tr.enter(2); err != nil {
				t.Fatal(err)
			}
			accepted := tr.decisions[0].Alpha > 0
			if accepted != (damage == 0) {
				t.Fatalf("%s, damage %g: %+v", moments, damage, tr.decisions)
			}
			if changed := state() != before; changed != accepted {
				t.Errorf("%s: accepted: %v; the state has changed: %v", moments, accepted, changed)
			}
			if changed := !slices.Equal(theta(), stood); changed != accepted {
				t.Errorf("%s: accepted: %v; the parameters have changed: %v", moments, accepted, changed)
			}
		}
	}
}

// TestGrow: the step size of the added blocks comes up to that of the others.
func TestGrow(t *testing.T) {
	o := tiny()
	o.Prolong, o.Levels, o.LevelFractions, o.Steps, o.LR = Grow, []int{1, 2}, []float64{1, growSteps + 5}, growSteps+6, 1e-9
	o.WeightDecay = 0
	tr := newTiny(t, o)
	steps(t, tr, 2)
	e := tr.groups[1].Entries[3] // mlp.c_proj.weight
	if !e.Output {
		t.Fatal(e.Name)
	}
	for step := 1; !tr.Done(); step++ {
		share := min(1, float64(step+1)/growSteps)
		for i := e.Offset; i < e.Offset+3; i++ {
			old, added := float64(tr.groups[1].Theta[i]), float64(tr.groups[2].Theta[i])
			if math.Abs(added-share*old) > 1e-4*math.Abs(old) {
				t.Fatalf("after %d steps: output %v, want %g of %v", step, added, share, old)
			}
		}
		steps(t, tr, 1)
	}
}

// TestRandomBlocks: added blocks are new, differ from each other, and start without a state.
func TestRandomBlocks(t *testing.T) {
	o := tiny()
	o.Prolong = Random
	tr := newTiny(t, o)
	steps(t, tr, tr.plan.start(2))
	kept := slices.Clone(tr.groups[1].Theta)
	if err := tr.enter(2); err != nil {
		t.Fatal(err)
	}
	b := tr.decoder.Blocks()
	if !slices.Equal(b[0].Theta, kept) || slices.Equal(b[1].Theta, b[0].Theta) || slices.Equal(b[1].Theta, b[3].Theta) {
		t.Error("the blocks are not the old ones and new ones")
	}
	if b[1].Steps != 0 || b[0].Steps == 0 || len(b[1].Moments) != 2 {
		t.Errorf("new block: %d steps, old block: %d", b[1].Steps, b[0].Steps)
	}
}

// TestRates: the learning rate rises again after a change of level.
func TestRates(t *testing.T) {
	o := tiny()
	o.Rewarm = 2
	tr := newTiny(t, o)
	lr := o.Resolve().schedule()
	factor := []float64{1, 1, 1, 0.5, 1, 1, 0.5, 1}
	for i, m := range steps(t, tr, -1) {
		if want := lr.LR(i) * factor[i]; math.Abs(m.LR-want) > 1e-15 {
			t.Errorf("step %d: rate %v, want %v", i+1, m.LR, want)
		}
	}
}

// TestLevelRates: every level has its own rate, those of a cycle when the run comes back to them, and the
// adaptive schedule's trials that of the level that they are on.
func TestLevelRates(t *testing.T) {
	o := scheduled(VCycle)
	o.Levels, o.LevelRates = []int{2, 4}, []float64{2, 0.5}
	tr := newTiny(t, o)
	lr := tr.options.schedule()
	seen := map[int]bool{}
	for _, m := range steps(t, tr, -1) {
		seen[m.Level] = true
		if want := lr.LR(m.Step-1) * o.LevelRates[m.Level]; math.Abs(m.LR-want) > 1e-15 {
			t.Errorf("step %d on level %d: rate %v, want %v", m.Step, m.Level, m.LR, want)
		}
	}
	if len(seen) != 2 {
		t.Errorf("levels %v", seen)
	}
	var trials [2]Decision
	for i, rate := range []float64{1, 0.5} {
		o := adapting(t)
		o.LevelRates = []float64{1, rate}
		_, decisions := all(t, newTiny(t, o))
		trials[i] = decisions[0]
	}
	a, b := trials[0], trials[1]
	if a.Kind != TrialDecision || a.LossBefore != b.LossBefore || a.LossAfter == b.LossAfter {
		t.Errorf("trials with a rate of their level, and with half of it: %+v, %+v", a, b)
	}
}

// TestConfiguredSingleLevel: what is configured for levels changes no bit of a run that has one.
func TestConfiguredSingleLevel(t *testing.T) {
	plain := tiny()
	plain.Multilevel, plain.Blocks, plain.Levels, plain.LevelFractions = SingleLevel, 4, nil, nil
	configured := plain
	configured.Prolong, configured.Restrict, configured.Moments, configured.StepSizePolicy = Stack, Average, ResetMoments, DivideStepSize
	configured.Alpha, configured.Rewarm, configured.Coherence, configured.LineSearch, configured.Cycles = 0.5, 5, true, true, 7
	one := plain
	one.Multilevel, one.Levels = Nested, []int{4}
	var want []uint32
	for i, o := range []Options{plain, configured, one} {
		tr := newTiny(t, o)
		steps(t, tr, -1)
		if got := stateBits(tr); i == 0 {
			want = got
		} else if !slices.Equal(got, want) {
			t.Errorf("other bits with %+v", o)
		}
	}
}

// TestNetworksInUse: networks that no stage comes back to are given up.
func TestNetworksInUse(t *testing.T) {
	for name, want := range map[string]string{
		Nested: "1 1", Zou: "1 2 1", VCycle: "1 2 3 3 3 3 3 2 1", Reference: "1 2 1 2 1 2 1 2 1", MIDAS: "1 1 1 1",
	} {
		tr := newTiny(t, scheduled(name))
		var got []string
		stage := -1
		for !tr.Done() {
			steps(t, tr, 1)
			if tr.stage == stage {
				continue
			}
			stage = tr.stage
			n := 0
			for _, m := range tr.models {
				if m != nil {
					n++
				}
			}
			got = append(got, fmt.Sprint(n))
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s: networks in use %s, want %s", name, g, want)
		}
	}
}
