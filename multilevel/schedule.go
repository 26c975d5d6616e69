package multilevel

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vcycle-go/vcycle/nn"
)

// Names of the schedules, values of Options.Multilevel.
const (
	SingleLevel = "single"
	Nested      = "nested"
	Reference   = "reference"
	Zou         = "zou"
	VCycle      = "v-cycle"
	WCycle      = "w-cycle"
	FCycle      = "f-cycle"
	MGOPT       = "mgopt"
	Stacking    = "stacking"
	GStack      = "gstack"
	Staged      = "staged"
	MIDAS       = "midas"
	Late        = "late"
	Adaptive    = "adaptive"
)

// schedule is a way through a hierarchy: the settings that its source has, where Options leave them open,
// and the plan.
type schedule struct {
	name   string
	source string // what it does and who has described it
	// levels returns the depths that a network of so many blocks passes through.
	levels    func(blocks int) []int
	fractions func(levels []int, o Options) []float64
	plan      func(b *builder)

	prolong, restrict, moments, stepSize string
	alpha                                float64 // of arrivals on the way up; 0: 1
	rewarm                               bool    // the learning rate warms up again after each arrival
	cycles                               int
	coherence, lineSearch                bool
	anyDepth                             bool // depths need not divide each other
	axes                                 bool // levels may differ in width and context
}

var schedules = []schedule{
	{
		name: Adaptive, source: "the run decides early when to refine, how far and how: from the cost of a step on each level, the fall of its own loss, a law fitted to other runs, " +
			"and, if it is long enough, what trial steps on the finer levels promise. Where depth does not pay at the budget, it says so, stays coarse, and inserts the last blocks as identities at the end. This program's own",
		levels: halved(3),
	},
	{
		name: SingleLevel, source: "the finest level alone",
		levels: func(blocks int) []int { return []int{blocks} }, plan: (*builder).refine,
		axes: true,
	},
	{
		name: Nested, source: "each level is the initial guess of the next: the first half of a full multigrid cycle. " +
			"Brandt, Mathematics of Computation 31, 1977, §1.3; for the depth of networks Chang et al., ICLR 2018, and Cyr, Günther and Schroder, arXiv:1912.08974",
		levels: DefaultLevels, plan: (*builder).refine,
		axes: true,
	},
	{
		name: Reference, source: "two coarse networks, of the odd and of the even blocks, take turns with the fine one and write their blocks back. " +
			"Lauga et al., A Multilevel Approach to Accelerate the Training of Transformers, arXiv:2504.18590. Not published there, and so chosen here: " +
			"coarse step 2h, 70% of the steps on the coarse networks, four rounds, momentum carried with its block",
		levels: halved(2), fractions: shares(0.7, 0.3), plan: (*builder).reference,
		moments: RescaleMoments, stepSize: DivideStepSize, cycles: 4,
	},
	{
		name: Zou, source: "fine warm-up, coalesce by averaging, train the small network, de-coalesce and interpolate with the weights from before, train. " +
			"Zou et al., A Multi-Level Framework for Accelerating Training Transformer Models, ICLR 2024; in width as well, where levels have several",
		levels: halved(2), fractions: shares(0.45, 0.55), plan: (*builder).zou,
		prolong: Interleave, restrict: Average, moments: ResetMoments, alpha: 0.25, rewarm: true,
		axes: true,
	},
	{
		name: VCycle, source: "down and up through all levels: relax, restrict, recurse, correct, relax. " +
			"Briggs, Henson and McCormick, A Multigrid Tutorial, 2nd ed., ch. 3; for networks Gaedke-Merzhäuser, Kopaničáková and Krause, Multilevel minimization for deep residual networks, arXiv:2004.06196",
		levels: halved(3), fractions: cheaper, plan: func(b *builder) { b.cycle((*builder).vcycle) },
		prolong: Interleave, restrict: Average, moments: KeepMoments, stepSize: DivideStepSize, cycles: 3,
		axes: true,
	},
	{
		name: WCycle, source: "as v-cycle, with two cycles on each coarser level",
		levels: halved(3), fractions: cheaper, plan: func(b *builder) { b.cycle((*builder).wcycle) },
		prolong: Interleave, restrict: Average, moments: KeepMoments, stepSize: DivideStepSize, cycles: 3,
		axes: true,
	},
	{
		name: FCycle, source: "as v-cycle, with an F-cycle and then a V-cycle on each coarser level",
		levels: halved(3), fractions: cheaper, plan: func(b *builder) { b.cycle((*builder).fcycle) },
		prolong: Interleave, restrict: Average, moments: KeepMoments, stepSize: DivideStepSize, cycles: 3,
		axes: true,
	},
	{
		name: MGOPT, source: "the V-cycle of MG/OPT: coarse steps minimise f(y) − ⟨v, y⟩, which has the restricted gradient of the fine level, in a trust region, and a line search takes their correction. " +
			"Nash, A Multigrid Approach to Discretized Optimization Problems, Optimization Methods and Software 14, 2000",
		levels: halved(3), fractions: cheaper, plan: func(b *builder) { b.cycle((*builder).vcycle) },
		prolong: Interleave, restrict: Average, moments: KeepMoments, stepSize: DivideStepSize, cycles: 3,
		coherence: true, lineSearch: true,
		axes: true,
	},
	{
		name: Stacking, source: "3 → 6 → 12 by stacking, for 50, 70 and 280 thousand steps. Gong et al., Efficient Training of BERT by Progressively Stacking, ICML 2019",
		levels: halved(3), fractions: shares(50, 70, 280), plan: (*builder).refine,
		prolong: Stack, moments: ResetMoments, rewarm: true,
		axes: true,
	},
	{
		name: GStack, source: "the whole network is stacked on itself once, early, here after a tenth of the steps. Du et al., Stacking Your Transformers, NeurIPS 2024, arXiv:2405.15319",
		levels: DefaultLevels, fractions: shares(0.1, 0.9), plan: (*builder).refine,
		prolong: Stack, moments: ResetMoments, rewarm: true,
		axes: true,
	},
	{
		name: Staged, source: "identity insertion with the optimizer's state carried and a short new warm-up. Shen et al., Staged Training for Transformer Language Models, arXiv:2203.06211",
		levels: halved(3), plan: (*builder).refine,
		prolong: Identity, moments: CarryMoments, rewarm: true,
		axes: true,
	},
	{
		name: MIDAS, source: "the middle blocks are there twice at each growth; stage i has a share of the steps that grows with i. Saunshi et al., NeurIPS 2024, arXiv:2409.19044",
		levels: quarters, fractions: increasing, plan: (*builder).refine,
		prolong: Middle, moments: CarryMoments, anyDepth: true,
		axes: true,
	},
	{
		name: Late, source: "one growth shortly before the learning rate decays, so that all of the decay is at full depth. " +
			"Bu, Deep Progressive Training, arXiv:2511.04981, from no or one block; --levels 1,12 and the like say from how many",
		levels: DefaultLevels, fractions: beforeDecay, plan: (*builder).refine,
		prolong: Interleave, moments: CarryMoments,
		axes: true,
	},
}

// Schedules returns the names that Options.Multilevel may have.
func Schedules() []string {
	n := make([]string, len(schedules))
	for i, s := range schedules {
		n[i] = s.name
	}
	return n
}

// DescribeSchedule returns one line on the schedule of that name, with its source.
func DescribeSchedule(name string) (string, error) {
	s, err := scheduleOf(name)
	return s.source, err
}

func scheduleOf(name string) (schedule, error) {
	i := slices.IndexFunc(schedules, func(s schedule) bool { return s.name == name })
	if i < 0 {
		return schedule{}, fmt.Errorf("multilevel %q is unknown: use %s", name, strings.Join(Schedules(), ", "))
	}
	return schedules[i], nil
}

// halved returns up to n depths, each half of the next.
func halved(n int) func(blocks int) []int {
	return func(blocks int) []int {
		levels := []int{blocks}
		for len(levels) < n && levels[0]%2 == 0 {
			levels = slices.Insert(levels, 0, levels[0]/2)
		}
		return levels
	}
}

// quarters returns a quarter, a half, three quarters and all of the blocks.
func quarters(blocks int) []int {
	if blocks%4 != 0 {
		return halved(2)(blocks)
	}
	q := blocks / 4
	return []int{q, 2 * q, 3 * q, blocks}
}

func shares(f ...float64) func([]int, Options) []float64 {
	return func(levels []int, _ Options) []float64 {
		if len(levels) == len(f) {
			return f
		}
		return DefaultFractions(len(levels))
	}
}

// increasing gives level i (from 1) a share in proportion to i: PROP-1 of MIDAS.
func increasing(levels []int, _ Options) []float64 {
	f := make([]float64, len(levels))
	for i := range f {
		f[i] = float64(i + 1)
	}
	return f
}

// cheaper gives every level the same operations in its blocks: shares in inverse proportion to the depth, and to
// what a block takes if levels differ in that.
func cheaper(levels []int, o Options) []float64 {
	f := make([]float64, len(levels))
	for i, n := range levels {
		f[i] = 1 / float64(n)
		if l, finest := o.axes(i), o.axes(len(levels)-1); l != finest {
			block, _ := nn.Config{Width: l.width, Context: l.context, Blocks: 1, Method: "euler"}.FLOPs()
			most, _ := nn.Config{Width: finest.width, Context: finest.context, Blocks: 1, Method: "euler"}.FLOPs()
			f[i] *= most / block
		}
	}
	return f
}

// beforeDecay leaves the finest level the decay and 5% of the steps before it; the coarse ones have equal
// parts of the rest.
func beforeDecay(levels []int, o Options) []float64 {
	f := DefaultFractions(len(levels))
	if n := len(levels); n > 1 && o.Schedule == WSD {
		fine := min(o.DecayFraction+0.05, 0.95)
		for l := range n - 1 {
			f[l] = (1 - fine) / float64(n-1)
		}
		f[n-1] = fine
	}
	return f
}

// resolve fills what the options leave open.
func (s schedule) resolve(o Options) Options {
	if len(o.LevelFractions) == 0 {
		o.LevelFractions = nil
	}
	if len(o.StepSeconds) == 0 {
		o.StepSeconds = nil
	}
	if len(o.StepSizes) == 0 {
		o.StepSizes = nil
	}
	if len(o.LevelWidths) == 0 {
		o.LevelWidths = nil
	}
	if len(o.LevelContexts) == 0 {
		o.LevelContexts = nil
	}
	if len(o.LevelRates) == 0 {
		o.LevelRates = nil
	}
	if len(o.Levels) == 0 {
		o.Levels = s.levels(o.Blocks)
	}
	if len(o.LevelFractions) == 0 && s.name != Adaptive {
		if o.LevelFractions = DefaultFractions(len(o.Levels)); s.fractions != nil && len(o.Levels) > 1 {
			o.LevelFractions = s.fractions(o.Levels, o)
		}
	}
	for _, f := range []struct {
		value    *string
		own, all string
	}{{&o.Prolong, s.prolong, Identity}, {&o.Restrict, s.restrict, Injection}, {&o.Moments, s.moments, CarryMoments}, {&o.StepSizePolicy, s.stepSize, KeepStepSize}} {
		if *f.value == "" {
			if *f.value = f.own; f.own == "" {
				*f.value = f.all
			}
		}
	}
	if o.Alpha == 0 {
		if o.Alpha = s.alpha; s.alpha == 0 {
			o.Alpha = 1
		}
	}
	if o.Rewarm < 0 {
		if o.Rewarm = 0; s.rewarm {
			o.Rewarm = o.Warmup
		}
	}
	if o.Cycles == 0 {
		o.Cycles = max(1, s.cycles)
	}
	o.Coherence = o.Coherence || s.coherence
	o.LineSearch = o.LineSearch || s.lineSearch
	return o
}

// builder writes the stages of a plan; the steps come later.
type builder struct {
	o                 Options
	prolong, restrict Operator
	plan              Plan
	finest            int
}

// Plan returns the hierarchy and the order in which a run of the options visits it.
func (o Options) Plan() (*Hierarchy, Plan, error) {
	o = o.Resolve()
	s, err := scheduleOf(o.Multilevel)
	if err != nil {
		return nil, nil, err
	}
	if err := o.checkLevels(s); err != nil {
		return nil, nil, err
	}
	if s.name == Adaptive {
		h, err := newHierarchy(o.Levels, 0, o.StepSize, o.StepSizes)
		if err != nil {
			return nil, nil, err
		}
		if n := min(2, len(o.Levels)); o.Steps < n {
			return nil, nil, fmt.Errorf("steps %d: %d levels need at least %d steps", o.Steps, len(o.Levels), n)
		}
		return h, o.undecided(h).plan(o, h), nil
	}
	b := &builder{o: o}
	if b.prolong, err = Prolongation(o.Prolong); err != nil {
		return nil, nil, err
	}
	if b.restrict, err = Restriction(o.Restrict); err != nil {
		return nil, nil, err
	}
	depths, fractions := o.Levels, o.LevelFractions
	if s.name == Reference && len(depths) == 2 { // the coarse level is two networks
		depths = []int{depths[0], depths[0], depths[1]}
		if len(fractions) == 2 {
			fractions = []float64{fractions[0] / 2, fractions[0] / 2, fractions[1]}
		}
	}
	b.finest = len(depths) - 1
	h, err := newHierarchy(depths, o.stepSizeExponent(), o.StepSize, o.StepSizes)
	if err != nil {
		return nil, nil, err
	}
	for l := range h.Levels {
		if len(o.LevelWidths) > 0 {
			h.Levels[l].Width = o.LevelWidths[l]
			h.Levels[l].Heads = o.LevelWidths[l] / (o.Width / o.Heads)
		}
		if len(o.LevelContexts) > 0 {
			h.Levels[l].Context = o.LevelContexts[l]
		}
	}
	if len(fractions) != len(depths) {
		return nil, nil, fmt.Errorf("level fractions: %d given for %d levels: give one per level, or none", len(o.LevelFractions), len(o.Levels))
	}
	for _, f := range fractions {
		if !(f > 0) || math.IsInf(f, 0) {
			return nil, nil, fmt.Errorf("level fractions: %g: every level needs a positive share of the steps", f)
		}
	}
	s.plan(b)
	if err := b.plan.split(o.Steps, fractions); err != nil {
		return nil, nil, err
	}
	for _, st := range b.plan {
		h.Levels[st.Level].Steps += st.Steps
	}
	return h, b.plan, nil
}

func (o Options) stepSizeExponent() float64 {
	return map[string]float64{KeepStepSize: 0, DivideStepSize: 1, ScaleStepSize: o.StepSizeExponent}[o.StepSizePolicy]
}

// train spends steps on a level: a share of those that the level has.
func (b *builder) train(level int, share float64, arrive Arrival) {
	if n := len(b.plan); n > 0 && b.plan[n-1].Level == level { // two visits in a row are one
		b.plan[n-1].share += share
		return
	}
	s := Stage{Level: level, share: share, Arrive: arrive}
	if len(b.plan) > 0 {
		s.Rewarm = b.o.Rewarm
	}
	b.plan = append(b.plan, s)
}

// down arrives with R, up with P, correction with P as in a cycle.
func (b *builder) down(op Operator) Arrival {
	a := Arrival{Operator: op, Moments: b.o.Moments, Alpha: 1}
	if b.o.Coherence {
		a.Coherence = &b.prolong
	}
	return a
}

func (b *builder) up(alpha float64) Arrival {
	return Arrival{Operator: b.prolong, Moments: b.o.Moments, Alpha: alpha}
}

func (b *builder) correction() Arrival {
	a := b.up(b.o.Alpha)
	a.Correct, a.LineSearch = true, b.o.LineSearch
	return a
}

// refine visits the levels once each, from coarse to fine.
func (b *builder) refine() {
	for l := range b.finest + 1 {
		b.train(l, 1, b.up(1))
	}
}

// zou is fine, coarse, fine: 5, 45 and 50 of 100 steps, with the fractions of the schedule.
func (b *builder) zou() {
	b.train(1, 5, Arrival{})
	b.train(0, 45, b.down(b.restrict))
	b.train(1, 50, b.up(b.o.Alpha))
}

// reference alternates the fine network with those of the odd and of the even blocks.
func (b *builder) reference() {
	b.train(2, 1, Arrival{})
	for range b.o.Cycles {
		for l, name := range []string{Odd, Even} {
			op, _ := Restriction(name)
			b.train(l, 1, b.down(op))
			b.train(2, 1, Arrival{Operator: WriteBack(op), Moments: b.o.Moments, Alpha: b.o.Alpha})
		}
	}
}
