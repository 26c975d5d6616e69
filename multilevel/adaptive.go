package multilevel

import (
	"fmt"
	"math"
	"slices"

	"github.com/vcycle-go/vcycle/nn"
)

// The adaptive schedule starts on the coarsest level and decides early, after a third of the steps that it would
// have with one late growth, when to refine, how far and how. It predicts the loss at the end of every path
// through the levels, and of staying, from what it has measured:
//
//   - the cost of a step on each level, in seconds or operations, which says how many steps each path has;
//   - the loss ℓ, and its fall B with every doubling of the steps, fitted to those of the last octave. A network of n
//     blocks of width w has after D steps the loss E + κ·ℓ·(w/24)^ω·n^−α + A·(D/s)^−β, with s the steps so far and
//     β·ln2·A = B.
//     B is taken to be no less than a share of ℓ that falls as the tokens per parameter to the power −β, for at
//     the beginning of a run the loss may rest on a plateau;
//   - new blocks are identities, which change no loss: the deeper network goes on from where its own curve has
//     the loss that the shallow one has come to. What was lost for want of depth then is as if lost for want of
//     data, and so many steps the less behind it, which is why growth has to come early enough, or not at all;
//   - and, if the run is long enough for trials of a hundred steps, how those come out: steps on each finer level,
//     once for each way to get there, on the batches that the run itself sees next. By how much more than the law has
//     it for as many steps a trial lowers the loss, on batches that none has seen, is added to what a path gains,
//     for a trial of k steps as k/(k + 1000) of it: short ones see little but the disturbance of the growth. What
//     begins with a spike gets a warm-up;
//   - new blocks are copies instead where at least 6,000 steps follow: copies disturb, which takes steps to come back
//     from, and end lower than identities where there are enough of them. Of the ways to copy, trials choose.
//
// The form of the law is that of Hoffmann et al. (arXiv:2203.15556), its constants are fitted to runs of this
// program (docs/results). Of paths that it cannot tell apart the one that grows first is taken, because growth that comes
// too late has cost more than growth that comes too early. The last change of level comes by 5% of the steps before the decay, so that all of the
// decay is at the depth that it ends with (late growth: Bu, arXiv:2511.04981). Where no path promises more than the
// same cost spent on the coarse level, depth does not pay at this budget: the run stays coarse. Blocks that the
// finest level still lacks are inserted as identities in the last steps, which changes no loss.
//
// Nothing here reads a clock: costs are operations or, with a budget in seconds, the times of a step that
// the options hold. Equal options give equal bits.

const (
	trialAt    = 0.35 // share of the steps of a late growth after which the run decides
	trialShare = 0.02 // of the budget that all trials together may take
	trialDoubt = 1000 // steps of a trial that count as much as the law
	copySteps  = 6000 // at least, after a growth by copies

	// The law, fitted to the runs of docs/results.
	lawData  = 0.38  // β, exponent of the data's part of the loss in the tokens
	lawFresh = 0.225 // fall of the loss with a doubling of 20 tokens per parameter at least, as a share of the loss
	lawDepth = 0.15  // α, exponent of the depth's part in the blocks
	lawLack  = 1.0   // κ, that part with one block of width 24, as a share of the loss
	lawWidth = 0.1   // ω, exponent of that part in the width
	lawTie   = 0.002 // nats within which paths are as good as each other

	lastShare  = 0.003 // of the steps, on the finest level, if the run stays coarser
	leastLast  = 10    // and as many as this, or a tenth if that is less
	probeOfTry = 4     // batches of a probe
	bucketsPer = 8     // octave of steps, of the losses that B is fitted to
	worthless  = math.MaxFloat32
)

// leastTrial is how many steps a trial has at least: fewer say nothing, and are not tried. A variable for tests.
var leastTrial = 100

// adaptive is the state of the schedule, as checkpoints hold it.
type adaptive struct {
	Buckets []bucket   `json:"buckets"`          // losses by log₂ of the step
	Try     int        `json:"try"`              // the candidate that is being tried
	Tried   int        `json:"tried"`            // trial steps taken with it
	Before  float64    `json:"before"`           // ℓ₀
	Half    float64    `json:"half"`             // ℓ₁
	Results []Decision `json:"results"`          // of the candidates so far
	Done    bool       `json:"done"`             // decided
	Path    []change   `json:"path,omitempty"`   // what was decided
	Last    int        `json:"last,omitempty"`   // steps before the finest level
	Total   int        `json:"total,omitempty"`  // steps of the run
	Damped  int        `json:"damped,omitempty"` // the step after which a spike was damped; 0: none
	Average float64    `json:"average,omitempty"`
	Spread  float64    `json:"spread,omitempty"` // average distance of a loss from Average
	Known   float64    `json:"known,omitempty"`  // the average before the change of level
}

// change is a change of level that was decided.
type change struct {
	Level  int `json:"level"`
	Way    int `json:"way"`
	Step   int `json:"step"` // after so many
	Rewarm int `json:"rewarm,omitempty"`
}

type bucket struct {
	N   int     `json:"n"`
	Sum float64 `json:"sum"`
}

// ways are the candidates for a refinement: operator, step size, and what becomes of the moments. The first, identities,
// is for growth late in a run, the others for growth that many steps follow.
var ways = []struct {
	prolong, stepSize, moments string
}{
	{Identity, KeepStepSize, CarryMoments},
	{Interleave, KeepStepSize, CarryMoments},
	{Interleave, DivideStepSize, RescaleMoments}, // last: see ways
}

// ways returns how many of the ways there are. The step size is divided in the split method only: it alone
// folds into the weights, so that the finished network is an ordinary GPT-2 whatever was decided.
func (o Options) ways() int {
	if o.Method == "split" {
		return len(ways)
	}
	return len(ways) - 1
}

// candidate returns the level and the way of the i-th candidate.
func (o Options) candidate(i int) (level, way int) { return 1 + i/o.ways(), i % o.ways() }

func (o Options) candidates(h *Hierarchy) int { return (len(h.Levels) - 1) * o.ways() }

// cost returns what a step on a level costs, in units of one on the finest: seconds or operations.
func (o Options) cost(h *Hierarchy, level int) float64 {
	if o.timed() {
		return o.StepSeconds[level] / o.StepSeconds[len(h.Levels)-1]
	}
	_, step := o.StepFLOPs(h.Levels[level])
	_, finest := o.StepFLOPs(h.Finest())
	return step / finest
}

// timed tells whether the budget is in seconds, and the time of a step is known.
func (o Options) timed() bool { return o.Seconds > 0 && len(o.StepSeconds) == len(o.Levels) }

// budget returns what the run may cost: with a budget in steps, as many on the coarsest level, which is
// what it costs if nothing is refined.
func (o Options) budget(h *Hierarchy) float64 {
	if o.timed() {
		return o.Seconds / o.StepSeconds[len(h.Levels)-1]
	}
	return float64(o.Steps) * o.cost(h, 0)
}

// undecided is the plan before the decision: stay, and insert the last blocks at the end.
func (o Options) undecided(h *Hierarchy) *adaptive {
	a := &adaptive{Total: o.Steps}
	if o.timed() {
		_, a.Total = o.refine(h, 0, o.budget(h), nil)
	}
	a.stayCoarse()
	return a
}

func (a *adaptive) stayCoarse() {
	a.Path = nil
	a.Last = max(1, a.Total-lastSteps(a.Total))
}

// lastSteps returns how many of so many steps are on the finest level, if the run stays coarser until then.
func lastSteps(total int) int {
	return max(1, min(leastLast, total/10), int(lastShare*float64(total)))
}

// refine returns how many steps the run has, and how many before each change of level, if it changes level after
// these shares of them, or after those that are done if that is later, and takes what is left of the budget; without
// a path it stays. What the finest level lacks at the end is inserted for the last steps.
func (o Options) refine(h *Hierarchy, done int, left float64, path []hop) (steps []int, total int) {
	n := float64(o.Steps)
	if o.timed() {
		lo, hi := float64(done)+2, float64(maxSteps) // one for the coarse level, one for the finest
		for range 60 {
			if n = (lo + hi) / 2; o.refining(h, float64(done), n, path) < left {
				lo = n
			} else {
				hi = n
			}
		}
	}
	for _, p := range path {
		steps = append(steps, max(done, int(p.share*n)))
	}
	return steps, int(n)
}

// refining returns what a run of n steps costs after the first done ones, if it changes level after these shares.
func (o Options) refining(h *Hierarchy, done, n float64, path []hop) (cost float64) {
	level, at := 0, done
	for _, p := range path {
		next := max(at, p.share*n)
		cost += float64((next - at) * o.cost(h, level))
		level, at = p.level, next
	}
	return cost + float64((n-at)*o.cost(h, level)) + float64(lastShare*n*(1-o.cost(h, level)))
}

// latest is the share of the steps after which a change of level comes too late to have all of the decay.
func (o Options) latest() float64 {
	if o.Schedule == WSD {
		return 1 - min(o.DecayFraction+0.05, 0.95)
	}
	return 0.7
}

// trialStep returns the step after which the trials run.
func (o Options) trialStep(h *Hierarchy) int {
	_, total := o.refine(h, 0, o.budget(h), []hop{{len(h.Levels) - 1, o.latest()}})
	return int(trialAt * float64(total))
}

// plan returns the stages of the decision, and sets the step size of the level that it refines to.
func (a *adaptive) plan(o Options, h *Hierarchy) Plan {
	finest := len(h.Levels) - 1
	if finest == 0 {
		h.Levels[0].Steps = a.Total
		return Plan{{Steps: a.Total}}
	}
	p := Plan{{}}
	begun := 0
	for _, c := range a.Path {
		w := ways[c.Way]
		op, _ := Prolongation(w.prolong)
		from := p[len(p)-1].Level
		if w.stepSize == DivideStepSize {
			ratio := float64(h.Levels[from].Blocks) / float64(h.Levels[c.Level].Blocks)
			for l := c.Level; l <= finest; l++ {
				h.Levels[l].StepSize = h.Levels[from].StepSize * ratio
			}
		}
		p[len(p)-1].Steps, begun = c.Step-begun, c.Step
		p = append(p, Stage{Level: c.Level, Arrive: Arrival{Operator: op, Moments: w.moments, Alpha: 1}, Rewarm: c.Rewarm})
	}
	p[len(p)-1].Steps = a.Last - begun
	if p[len(p)-1].Level < finest {
		op, _ := Prolongation(Identity)
		p = append(p, Stage{Level: finest, Steps: a.Total - a.Last, Arrive: Arrival{Operator: op, Moments: CarryMoments, Alpha: 1}})
	}
	for l := range h.Levels {
		h.Levels[l].Steps = 0
	}
	for _, s := range p {
		h.Levels[s.Level].Steps += s.Steps
	}
	return p
}

// decided puts the plan of the decision in force.
func (t *Trainer) decided() {
	t.plan = t.adaptive.plan(t.options, t.hierarchy)
	t.follow(t.adaptive.Total)
}

// observe takes in the loss of a step.
func (a *adaptive) observe(step int, loss float64) {
	i := int(bucketsPer * math.Log2(float64(step)))
	for len(a.Buckets) <= i {
		a.Buckets = append(a.Buckets, bucket{})
	}
	a.Buckets[i].N++
	a.Buckets[i].Sum += loss
}

// slope returns by how much the loss falls with every doubling of the steps, by least squares over the
// last octave, and how many steps that rests on.
func (a *adaptive) slope() (perDoubling float64, steps int) {
	var n, sx, sy, sxx, sxy float64
	for i := max(0, len(a.Buckets)-bucketsPer-1); i < len(a.Buckets); i++ {
		b := a.Buckets[i]
		x, w := (float64(i)+0.5)/bucketsPer, float64(b.N)
		n += w
		sx += float64(w * x)
		sy += b.Sum
		sxx += float64(w * float64(x*x))
		sxy += float64(x * b.Sum)
		steps += b.N
	}
	d := float64(n*sxx) - float64(sx*sx)
	if d <= 0 {
		return 0, steps
	}
	return -(float64(n*sxy) - float64(sx*sy)) / d, steps
}

// trialSteps returns the steps of each trial.
func (o Options) trialSteps(h *Hierarchy) int {
	var all float64
	for i := range o.candidates(h) {
		level, _ := o.candidate(i)
		all += o.cost(h, level)
	}
	if all == 0 {
		return 0
	}
	return int(min(trialShare*o.budget(h)/all, maxSteps))
}

// trial takes a trial step if one is due, and decides after the last. It returns the number of the step in
// its trial, from 1; 0: there was none.
func (t *Trainer) trial() (tried int, err error) {
	a := t.adaptive
	if a == nil || a.Done || t.step < t.options.trialStep(t.hierarchy) {
		return 0, nil
	}
	k := t.options.trialSteps(t.hierarchy)
	if k < leastTrial || t.options.candidates(t.hierarchy) == 0 {
		t.conclude(0)
		return 0, nil
	}
	if a.Try == 0 && a.Tried == 0 {
		a.Before = t.probeOn(t.plan[t.stage].Level, k)
	}
	level, way := t.options.candidate(a.Try)
	if a.Tried == 0 {
		if err := t.beginTrial(level, way); err != nil {
			return 0, err
		}
	}
	m := t.models[level]
	batch, err := t.batches.take(t.step + a.Tried)
	if err != nil {
		return 0, &DataError{t.step + 1, err}
	}
	t.decoder.RenewGrad()
	loss := t.accumulate(batch)
	norm := nn.GradNorm(m.groups)
	scale := 1.0
	if c := t.options.Clip; c > 0 && norm > c {
		scale = c / norm
	}
	if finite(loss) && finite(norm) { // otherwise the probe says what it is worth
		t.decoder.Update(t.optimizer, t.rateOn(level), scale)
	}
	t.tried(level)
	a.Tried++
	tried = a.Tried // before the end of the trial resets it
	if tried == k/2 {
		a.Half = t.probeOn(level, k)
	}
	if tried == k {
		t.endTrial(level, way, k)
	}
	return tried, nil
}

// beginTrial makes the candidate's network from that of the run, which stays as it is.
func (t *Trainer) beginTrial(level, way int) error {
	w, from := ways[way], t.level()
	to := t.hierarchy.Levels[level]
	to.StepSize = from.StepSize
	if w.stepSize == DivideStepSize {
		to.StepSize = from.StepSize * float64(from.Blocks) / float64(to.Blocks)
	}
	op, err := Prolongation(w.prolong)
	if err != nil {
		return err
	}
	m := t.newModel(to)
	t.models[level] = m
	main := t.model()
	if err := t.use(m, to); err != nil {
		return err
	}
	return newLink(op, w.moments, from, to).both(main.groups, m.groups)
}

// resumeTrial puts the decoder of a resumed run on the candidate that was being tried.
func (t *Trainer) resumeTrial() error {
	a := t.adaptive
	if a == nil || a.Done || a.Tried == 0 {
		return nil
	}
	level, way := t.options.candidate(a.Try)
	to := t.hierarchy.Levels[level]
	if to.StepSize = t.level().StepSize; ways[way].stepSize == DivideStepSize {
		to.StepSize = t.level().StepSize * float64(t.level().Blocks) / float64(to.Blocks)
	}
	return t.use(t.models[level], to)
}

func (t *Trainer) endTrial(level, way, k int) {
	a := t.adaptive
	after := t.probeOn(level, k)
	a.Results = append(a.Results, Decision{
		Kind: TrialDecision, Step: t.step, Blocks: t.hierarchy.Levels[level].Blocks, Prolong: ways[way].prolong,
		StepSizePolicy: ways[way].stepSize, Steps: k, LossBefore: a.Before, LossHalf: a.Half, LossAfter: after,
	})
	t.decide(a.Results[len(a.Results)-1])
	t.models[level] = nil
	t.use(t.model(), t.level()) // which it was on before
	a.Try, a.Tried = a.Try+1, 0
	if a.Try == t.options.candidates(t.hierarchy) {
		t.conclude(k)
	}
}

// hop is a change of level after a share of all steps.
type hop struct {
	level int
	share float64
}

// paths calls use for every way through the levels that ends on one that is not the coarsest, each change after
// a whole number of twentieths of the steps, the last early enough for the decay.
func (o Options) paths(h *Hierarchy, use func([]hop)) {
	var path []hop
	var extend func(level, at int)
	last := int(math.Round(20 * o.latest()))
	extend = func(level, at int) {
		for l := level + 1; l < len(h.Levels); l++ {
			for i := at; i <= last; i++ {
				path = append(path, hop{l, float64(i) / 20})
				use(path)
				extend(l, i+1)
				path = path[:len(path)-1]
			}
		}
	}
	extend(0, 1)
}

// law predicts by how much the loss falls.
type law struct {
	done  float64   // steps on the coarsest level
	data  float64   // the part of the loss that more tokens take away
	depth []float64 // the part that is there for want of depth, on each level
}

// newLaw scales the law to the measured loss and to its fall with every doubling of the steps.
func (o Options) newLaw(h *Hierarchy, done int, loss, slope float64) law {
	one, two := o.Config(Level{Blocks: 1, StepSize: 1}), o.Config(Level{Blocks: 2, StepSize: 1})
	parameters := float64(h.Levels[0].Blocks) * float64(two.Parameters()-one.Parameters())
	perParameter := float64(done) * float64(o.stepTokens()) / parameters
	w := law{done: float64(done), data: max(slope, lawFresh*loss*math.Pow(perParameter/20, -lawData)) / (lawData * math.Ln2)}
	for _, l := range h.Levels {
		w.depth = append(w.depth, lawLack*loss*math.Pow(float64(o.Width)/24, lawWidth)*math.Pow(float64(l.Blocks), -lawDepth))
	}
	return w
}

// gain returns by how much the loss falls until the end of a path of so many steps before each change and in all.
func (w law) gain(path []hop, steps []int, total int) float64 {
	lacks := func(seen float64) float64 { return float64(w.data * math.Pow(seen/w.done, -lawData)) } // for want of data
	level, from, seen := 0, 0, 0.0
	for i, p := range path {
		seen += float64(steps[i] - from)
		same := lacks(seen) + w.depth[level] - w.depth[p.level] // what the deeper network lacks at the same loss
		seen = float64(w.done * math.Pow(w.data/same, 1/lawData))
		level, from = p.level, steps[i]
	}
	return w.data + w.depth[0] - lacks(seen+float64(total-from)) - w.depth[level]
}

// surprise returns by how much more than the law has it for as many steps a trial on a level has lowered the loss,
// and false if a loss was not finite.
func (w law) surprise(d Decision, level int) (more float64, finite bool) {
	if !(d.LossBefore < worthless && d.LossHalf < worthless && d.LossAfter < worthless) {
		return 0, false
	}
	now := int(w.done)
	return d.LossBefore - d.LossAfter - w.gain([]hop{{level: level}}, []int{now}, now+d.Steps), true
}

// conclude makes the decision; after the trials, if there were any.
func (t *Trainer) conclude(k int) {
	a, o, h := t.adaptive, t.options, t.hierarchy
	if len(h.Levels) == 1 {
		a.Done = true
		t.decide(Decision{Kind: RefineDecision, Step: t.step, Grow: a.Last, Total: a.Total,
			Why: fmt.Sprintf("depth %d cannot be coarsened: this is single-level training", t.level().Blocks)})
		t.decided()
		return
	}
	slope, from := a.slope()
	w, left := o.newLaw(h, t.step, a.Average, slope), o.budget(h)-t.spent()
	trust := 0.0
	if len(a.Results) > 0 {
		trust = float64(k) / float64(k+trialDoubt)
	}
	tried := make([]*Decision, len(h.Levels)) // the best trial of each level
	for i := range a.Results {
		level, _ := o.candidate(i)
		if r := &a.Results[i]; tried[level] == nil || r.LossAfter < tried[level].LossAfter {
			tried[level] = r
		}
	}
	type promise struct {
		path       []hop
		steps      []int
		total      int
		gain, stay float64
		surprise   float64
	}
	var promises []promise
	most := math.Inf(-1)
	refused := len(a.Results) > 0
	o.paths(h, func(path []hop) {
		steps, total := o.refine(h, t.step, left, path)
		for i := range steps {
			if i > 0 && steps[i] <= steps[i-1] || steps[i] >= total-len(h.Levels) {
				return // the same as a shorter path
			}
		}
		alone := t.step + int(o.refining(h, float64(t.step), float64(total), path)/o.cost(h, 0))
		gain, stay := w.gain(path, steps, total), w.gain(nil, nil, alone)
		surprise := 0.0
		if r := tried[path[0].level]; r != nil {
			more, finite := w.surprise(*r, path[0].level)
			if !finite {
				return
			}
			refused, surprise = false, more
			gain += float64(trust * more)
		}
		promises = append(promises, promise{slices.Clone(path), steps, total, gain, stay, surprise})
		most = max(most, gain-stay)
	})
	least := most // that a path has to promise
	if most > 0 {
		least = max(most-lawTie, math.SmallestNonzeroFloat64)
	}
	var best promise
	for _, p := range promises {
		if p.gain-p.stay < least {
			continue
		}
		if best.path == nil || p.steps[0] < best.steps[0] || p.steps[0] == best.steps[0] && p.gain-p.stay > best.gain-best.stay {
			best = p
		}
	}
	d := Decision{Kind: RefineDecision, Step: t.step, Slope: slope, SlopeSteps: from, Steps: k, Gain: best.gain, Stay: best.stay, Surprise: best.surprise}
	a.Done = true
	if best.path != nil && best.gain > best.stay {
		a.Total = max(best.total, best.steps[len(best.path)-1]+len(h.Levels)+1)
		a.Path = nil
		what := ""
		for i, p := range best.path {
			way, r := a.way(o, p.level, a.Total-best.steps[i])
			c := change{Level: p.level, Way: way, Step: best.steps[i]}
			if r != nil && r.LossHalf > r.LossBefore { // it began with a spike
				c.Rewarm = min(k, (a.Total-c.Step)/4)
			}
			a.Path = append(a.Path, c)
			what += fmt.Sprintf("to %d blocks after step %d (%s, step size: %s), ", h.Levels[p.level].Blocks, c.Step, ways[c.Way].prolong, ways[c.Way].stepSize)
		}
		a.Last = a.Total
		if end := a.Path[len(a.Path)-1]; end.Level < len(h.Levels)-1 {
			a.Last = max(end.Step+1, a.Total-lastSteps(a.Total))
		}
		c := a.Path[0]
		d.Blocks, d.Prolong, d.StepSizePolicy, d.Grow = h.Levels[c.Level].Blocks, ways[c.Way].prolong, ways[c.Way].stepSize, c.Step
		d.Why = fmt.Sprintf("refine %swhich promises %.3f nats per token more than the same cost on %s", what, best.gain-best.stay, plural(t.level().Blocks, "block"))
	} else {
		if o.timed() {
			_, a.Total = o.refine(h, t.step, left, nil)
		}
		a.stayCoarse()
		a.Last = max(a.Last, t.step+1) // where going back after divergences has taken the rest of the budget
		a.Total = max(a.Total, a.Last+1)
		d.Grow = a.Last
		d.Why = fmt.Sprintf("stay with %s until step %d: more depth promises at least %.3f nats per token less than the same cost here; depth does not pay at this budget",
			plural(t.level().Blocks, "block"), a.Last, best.stay-best.gain)
		if refused {
			d.Gain = 0
			d.Why = fmt.Sprintf("stay with %s until step %d: no trial has kept its loss finite", plural(t.level().Blocks, "block"), a.Last)
		}
	}
	d.Total = a.Total
	t.decide(d)
	t.decided()
}

// way returns how the run grows to a level where so many steps follow, and its trial, if there was one: by copies, if
// there are steps enough, in the way whose trial was best; by identities otherwise, or if no copies keep the loss finite.
func (a *adaptive) way(o Options, level, follow int) (way int, trial *Decision) {
	of := func(way int) *Decision {
		if i := (level-1)*o.ways() + way; i < len(a.Results) {
			return &a.Results[i]
		}
		return nil
	}
	if follow < copySteps {
		return 0, of(0)
	}
	way = 1
	for w := 2; w < o.ways(); w++ {
		if r := of(w); r != nil && r.LossAfter < of(way).LossAfter {
			way = w
		}
	}
	if r := of(way); r != nil && r.LossAfter >= worthless {
		return 0, of(0)
	}
	return way, of(way)
}

// spent returns what the run has cost, trials included.
func (t *Trainer) spent() float64 {
	var sum float64
	for l, c := range t.costs {
		sum += (float64(c.Tokens) + c.Evaluated) / float64(t.options.stepTokens()) * t.options.cost(t.hierarchy, l)
	}
	return sum
}

// probeOn returns the mean loss of the network that the decoder is on, which is that of level, over
// batches that come after so many others.
func (t *Trainer) probeOn(level, after int) float64 {
	var sum float64
	for i := range probeOfTry {
		batch, _ := t.batches.take(t.step + after + i) // an error will be that of a step
		sum += t.loss(batch.tokens, batch.targets)
	}
	t.evaluatedOn(level, float64(probeOfTry)/3)
	return measured(sum / probeOfTry)
}

// measured is a loss as decisions hold it: what is not finite is worthless, the largest float32, because
// JSON has no number for it.
func measured(loss float64) float64 {
	if !finite(loss) {
		return worthless
	}
	return min(loss, worthless)
}

const (
	spikeSteps = 8    // after a change of level, at whose end a spike is looked for
	spike      = 1.05 // times the loss before, and
	spikeNoise = 2    // times the average distance of a batch's loss from their mean above it
	dampSteps  = 50   // over which the rate comes back from dampRate
	dampRate   = 0.25
)

// watch looks for a spike after a change of level, and damps it: the learning rate comes up again.
func (t *Trainer) watch(loss float64) {
	a := t.adaptive
	i := t.step - t.plan.start(t.stage) // steps done on the level
	if i == 1 && t.stage > 0 {
		a.Known, a.Average = a.Average, loss
	}
	if a.Average == 0 {
		a.Average = loss
	}
	w := 0.95
	if i <= spikeSteps && t.stage > 0 {
		w = 0.5
	} else {
		a.Spread = float64(w*a.Spread) + float64((1-w)*math.Abs(loss-a.Average))
	}
	a.Average = float64(w*a.Average) + float64((1-w)*loss)
	if i == spikeSteps && t.stage > 0 && a.Average > spike*a.Known && a.Average > a.Known+float64(spikeNoise*a.Spread) {
		a.Damped = t.step
		t.decide(Decision{Kind: SpikeDecision, Step: t.step, LossBefore: a.Known, LossAfter: a.Average,
			Why: fmt.Sprintf("the loss has risen from %.3f to %.3f: the learning rate comes up again from a quarter", a.Known, a.Average)})
	}
}

// damping is the factor of the learning rate after a spike.
func (a *adaptive) damping(step int) float64 {
	if a == nil || a.Damped == 0 || step >= a.Damped+dampSteps {
		return 1
	}
	return dampRate + float64((1-dampRate)*float64(step-a.Damped)/dampSteps)
}

// check refuses a state that no run can be in after so many steps.
func (a *adaptive) check(o Options, h *Hierarchy, step int) error {
	candidates, at, fresh := o.candidates(h), o.trialStep(h), o.undecided(h)
	large := func(x float64) bool { return math.Abs(x) > worthless }
	bad := a.Total < 1 || a.Total > maxSteps || a.Last < 1 || a.Last > a.Total || a.Damped < 0 || a.Damped > step || len(a.Path) >= len(h.Levels) ||
		a.Try < 0 || a.Try > candidates || len(a.Results) != a.Try || len(a.Buckets) > 32*bucketsPer ||
		slices.ContainsFunc(a.Buckets, func(b bucket) bool { return b.N < 0 || math.Abs(b.Sum) > float64(b.N)*worthless }) ||
		slices.ContainsFunc(a.Results, func(d Decision) bool {
			return d.Steps < 1 || large(d.LossBefore) || large(d.LossHalf) || large(d.LossAfter)
		}) || large(a.Before) || large(a.Half) || large(a.Average) || large(a.Spread) || large(a.Known)
	level, begun := 0, 1
	for _, c := range a.Path {
		bad = bad || c.Level <= level || c.Level >= len(h.Levels) || c.Way < 0 || c.Way >= o.ways() || c.Step < begun || c.Step > a.Last ||
			c.Rewarm < 0 || c.Rewarm > a.Total
		level, begun = c.Level, c.Step+1
	}
	if a.Done { // after all trials, or without any
		bad = bad || a.Tried != 0 || a.Try != 0 && a.Try != candidates || step < at
	} else {
		bad = bad || len(a.Path) > 0 || a.Last != fresh.Last || a.Total != fresh.Total || step > at
		if a.Try > 0 || a.Tried != 0 { // trying
			bad = bad || a.Tried < 0 || a.Tried >= o.trialSteps(h) || a.Try >= candidates || step != at
		}
	}
	if bad {
		return fmt.Errorf("%s: the adaptive schedule cannot be in this state after %d steps", metaState, step)
	}
	return nil
}
