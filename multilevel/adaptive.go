package multilevel

import (
	"fmt"
	"math"
	"slices"

	"github.com/vcycle-go/vcycle/nn"
)

// The adaptive schedule starts on the coarsest level and decides once, half-way through the budget, when
// to refine, how far and how. It predicts the loss at the end for either way from what it has measured:
//
//   - staying: the loss of the coarse level falls by B with every doubling of its steps, fitted to the
//     losses of the last octave; n more steps after s are worth B·log₂(1 + n/s);
//   - refining: trial steps on each finer level, once for each way to get there, on the batches that the run
//     itself sees next. From the losses ℓ₀ before, ℓ₁ after half and ℓ₂ after all k of them, on batches that
//     none has seen, n steps promise ℓ₀ − ℓ₂ + a·log₂(n/k) with a = ℓ₁ − ℓ₂; a is 0 where ℓ₂ > ℓ₀, because
//     what a network regains of the loss that it began with says nothing of what comes after.
//
// With c the cost of a step, the run should change level where the coarse level's gain falls to what the
// fine level gains at the end of the budget, per cost: at step s with a/((S−s)·c_fine) = B/(s·c_coarse)
// (Charnov's marginal value theorem, Theoretical Population Biology 9, 1976: leave a patch when its rate
// has fallen to what the rest offers). That is late, as others have found (Bu, arXiv:2511.04981); what
// changes level by 5% of the steps before the decay has all of the decay at the finer depth. Where not
// even that promises more than the same cost spent on the coarse level, depth does not pay at this budget:
// the run stays coarse, and the blocks that the finest level still lacks are inserted as identities in its
// last steps, which changes no loss.
//
// Nothing here reads a clock: costs are operations or, with a budget in seconds, the times of a step that
// the options hold. Equal options give equal bits.

const (
	trialAt    = 0.5  // share of the budget after which the trials run
	trialShare = 0.06 // of the budget that all trials together may take
	leastTrial = 8    // steps; with fewer nothing can be told
	lastShare  = 0.02 // of the steps, on the finest level, if the run stays coarse
	leastLast  = 10   // and as many as this, or a tenth if that is less
	probeOfTry = 4    // batches of a probe
	bucketsPer = 8    // octave of steps, of the losses that B is fitted to
	worthless  = math.MaxFloat32
)

// adaptive is the state of the schedule, as checkpoints hold it.
type adaptive struct {
	Buckets []bucket   `json:"buckets"`         // losses by log₂ of the step
	Try     int        `json:"try"`             // the candidate that is being tried
	Tried   int        `json:"tried"`           // trial steps taken with it
	Before  float64    `json:"before"`          // ℓ₀
	Half    float64    `json:"half"`            // ℓ₁
	Results []Decision `json:"results"`         // of the candidates so far
	Done    bool       `json:"done"`            // decided
	Level   int        `json:"level,omitempty"` // to refine to; 0: none before the end
	Way     int        `json:"way,omitempty"`   // how
	Grow    int        `json:"grow,omitempty"`  // steps before that
	Rewarm  int        `json:"rewarm,omitempty"`
	Last    int        `json:"last,omitempty"`   // steps before the finest level
	Total   int        `json:"total,omitempty"`  // steps of the run
	Damped  int        `json:"damped,omitempty"` // the step after which a spike was damped; 0: none
	Average float64    `json:"average,omitempty"`
	Spread  float64    `json:"spread,omitempty"` // average distance of a loss from Average
	Known   float64    `json:"known,omitempty"`  // the average before the change of level
}

type bucket struct {
	N   int     `json:"n"`
	Sum float64 `json:"sum"`
}

// ways are the candidates for a refinement: operator, step size, and what becomes of the moments.
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
	_, step := o.Config(h.Levels[level]).FLOPs()
	_, finest := o.Config(h.Finest()).FLOPs()
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
		a.Total = o.stay(h, 0, o.budget(h))
	}
	a.stayCoarse()
	return a
}

func (a *adaptive) stayCoarse() {
	a.Level = 0
	a.Last = max(1, a.Total-lastSteps(a.Total))
	a.Grow = a.Last
}

// lastSteps returns how many of so many steps are on the finest level, if the run stays coarser until then.
func lastSteps(total int) int {
	return max(1, min(leastLast, total/10), int(lastShare*float64(total)))
}

// stay returns how many steps the run has if what is left of the budget after the first done ones goes to
// the coarsest level, but for the last few steps on the finest: with c the cost of a coarse step, n more
// cost n·c + lastShare·(done+n)·(1−c).
func (o Options) stay(h *Hierarchy, done int, left float64) int {
	c, s := o.cost(h, 0), float64(done)
	n := (left - float64(lastShare*s*(1-c))) / (c + float64(lastShare*(1-c))) // not fused: the same on every machine
	return int(min(max(s+n, s+2), maxSteps))
}

// refine returns how many steps the run has, and on the coarsest level, if it leaves that after a share of
// the steps, or after those that are done if that is later, for a level on which a step costs fine.
func (o Options) refine(h *Hierarchy, done int, left, share, fine float64) (grow, total int) {
	if !o.timed() {
		return max(done, int(share*float64(o.Steps))), o.Steps
	}
	c, s := o.cost(h, 0), float64(done)
	n := min((left+float64(s*c))/(float64(share*c)+float64((1-share)*fine)), maxSteps)
	if share*n < s {
		return done, int(min(s+left/fine, maxSteps))
	}
	return int(share * n), int(n)
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
	_, total := o.refine(h, 0, o.budget(h), o.latest(), 1)
	return int(trialAt * float64(total))
}

// plan returns the stages of the decision, and sets the step size of the level that it refines to.
func (a *adaptive) plan(o Options, h *Hierarchy) Plan {
	finest := len(h.Levels) - 1
	if finest == 0 {
		h.Levels[0].Steps = a.Total
		return Plan{{Steps: a.Total}}
	}
	p := Plan{{Level: 0, Steps: a.Grow}}
	if a.Level > 0 && a.Grow < a.Total {
		w := ways[a.Way]
		op, _ := Prolongation(w.prolong)
		if w.stepSize == DivideStepSize {
			ratio := float64(h.Levels[0].Blocks) / float64(h.Levels[a.Level].Blocks)
			for l := a.Level; l <= finest; l++ {
				h.Levels[l].StepSize = h.Levels[0].StepSize * ratio
			}
		}
		p = append(p, Stage{Level: a.Level, Steps: a.Last - a.Grow, Arrive: Arrival{Operator: op, Moments: w.moments, Alpha: 1}, Rewarm: a.Rewarm})
	}
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
		t.decideWithout(k)
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
		return 0, fmt.Errorf("step %d: reading the data: %w", t.step+1, err)
	}
	t.decoder.ZeroGrad()
	loss := t.accumulate(batch)
	norm := nn.GradNorm(m.groups)
	scale := 1.0
	if c := t.options.Clip; c > 0 && norm > c {
		scale = c / norm
	}
	if finite(loss) && finite(norm) { // otherwise the probe says what it is worth
		t.optimizer.Step(m.groups, t.rate(), scale)
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

// promise is what refining promises from a trial: −worthless if a loss was not finite.
func promise(d Decision, steps float64) (gain, perDoubling float64) {
	if !(d.LossBefore < worthless && d.LossHalf < worthless && d.LossAfter < worthless) {
		return -worthless, 0
	}
	if d.LossAfter <= d.LossBefore { // otherwise it has not yet regained what its growth cost
		perDoubling = max(0, d.LossHalf-d.LossAfter)
	}
	return d.LossBefore - d.LossAfter + float64(perDoubling*math.Log2(max(1, steps/float64(d.Steps)))), perDoubling
}

// conclude makes the decision.
func (t *Trainer) conclude(k int) {
	a, o, h := t.adaptive, t.options, t.hierarchy
	slope, from := a.slope()
	slope = max(0, slope)
	coarse, left := o.cost(h, 0), o.budget(h)-t.spent()
	type option struct {
		try                     int
		grow, total             int
		gain, stay, perDoubling float64
	}
	best := option{try: -1}
	for i, r := range a.Results {
		level, _ := t.options.candidate(i)
		fine := o.cost(h, level)
		weigh := func(share float64) option {
			grow, total := o.refine(h, t.step, left, share, fine)
			n := float64(total - grow)
			gain, per := promise(r, n)
			return option{i, grow, total, gain, float64(slope * math.Log2(1+n*fine/coarse/float64(max(1, grow)))), per}
		}
		x := weigh(o.latest())
		// The marginal value: s/S = B·f/(a + B·f) with f = c_fine/c_coarse.
		if f := slope * fine / coarse; x.perDoubling > 0 && f/(x.perDoubling+f) < o.latest() {
			x = weigh(f / (x.perDoubling + f))
		}
		if best.try < 0 || x.gain-x.stay > best.gain-best.stay {
			best = x
		}
	}
	d := Decision{Kind: RefineDecision, Step: t.step, Slope: slope, SlopeSteps: from, Steps: k, Gain: best.gain, Stay: best.stay, PerDoubling: best.perDoubling}
	a.Done = true
	if best.gain > best.stay {
		r := a.Results[best.try]
		a.Level, a.Way = t.options.candidate(best.try)
		a.Grow, a.Total = best.grow, max(best.total, best.grow+len(h.Levels)+1)
		a.Last = a.Total
		if finest := len(h.Levels) - 1; a.Level < finest {
			a.Last = max(a.Grow+1, a.Total-lastSteps(a.Total))
		}
		if r.LossHalf > r.LossBefore { // it began with a spike
			a.Rewarm = min(k, (a.Total-a.Grow)/4)
		}
		d.Blocks, d.Prolong, d.StepSizePolicy, d.Grow = r.Blocks, r.Prolong, r.StepSizePolicy, a.Grow
		d.Why = fmt.Sprintf("refine to %d blocks after step %d (%s, step size: %s): they promise %.3f nats per token until the end, the same cost on %d blocks %.3f",
			r.Blocks, a.Grow, r.Prolong, r.StepSizePolicy, best.gain, t.level().Blocks, best.stay)
	} else {
		if o.timed() {
			a.Total = o.stay(h, t.step, left)
		}
		a.stayCoarse()
		d.Grow = a.Last
		d.Why = fmt.Sprintf("stay with %d blocks until step %d: until the end more depth promises no more than %.3f nats per token, the same cost here %.3f; depth does not pay at this budget",
			t.level().Blocks, a.Last, best.gain, best.stay)
		if best.gain == -worthless {
			d.Gain = 0
			d.Why = fmt.Sprintf("stay with %d blocks until step %d: no trial has kept its loss finite", t.level().Blocks, a.Last)
		}
	}
	d.Total = a.Total
	t.decide(d)
	t.decided()
}

// decideWithout decides where the budget is too short to try anything.
func (t *Trainer) decideWithout(k int) {
	a := t.adaptive
	a.Done = true
	a.stayCoarse()
	d := Decision{Kind: RefineDecision, Step: t.step, Grow: a.Last, Total: a.Total, Steps: k}
	if len(t.hierarchy.Levels) == 1 {
		d.Why = fmt.Sprintf("%d blocks are too few to be coarsened: this is single-level training", t.level().Blocks)
	} else {
		d.Why = fmt.Sprintf("stay with %d blocks until step %d: the budget is too short to try more (%d steps each, where %d are needed), and too short for depth to pay",
			t.level().Blocks, a.Last, k, leastTrial)
	}
	t.decide(d)
	t.decided()
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
	bad := a.Level < 0 || a.Level >= len(h.Levels) || a.Way < 0 || a.Way >= o.ways() || a.Total < 1 || a.Total > maxSteps ||
		a.Grow < 1 || a.Grow > a.Last || a.Last > a.Total || a.Rewarm < 0 || a.Rewarm > a.Total || a.Damped < 0 || a.Damped > step ||
		a.Try < 0 || a.Try > candidates || len(a.Results) != a.Try || len(a.Buckets) > 32*bucketsPer ||
		slices.ContainsFunc(a.Buckets, func(b bucket) bool { return b.N < 0 || math.Abs(b.Sum) > float64(b.N)*worthless }) ||
		slices.ContainsFunc(a.Results, func(d Decision) bool {
			return d.Steps < 1 || large(d.LossBefore) || large(d.LossHalf) || large(d.LossAfter)
		}) || large(a.Before) || large(a.Half) || large(a.Average) || large(a.Spread) || large(a.Known)
	if a.Done { // after all trials, or without any
		bad = bad || a.Tried != 0 || a.Try != 0 && a.Try != candidates || step < at
	} else {
		bad = bad || a.Level != fresh.Level || a.Way != fresh.Way || a.Grow != fresh.Grow || a.Last != fresh.Last ||
			a.Total != fresh.Total || a.Rewarm != fresh.Rewarm || step > at
		if a.Try > 0 || a.Tried != 0 { // trying
			bad = bad || a.Tried < 0 || a.Tried >= o.trialSteps(h) || a.Try >= candidates || step != at
		}
	}
	if bad {
		return fmt.Errorf("%s: the adaptive schedule cannot be in this state after %d steps", metaState, step)
	}
	return nil
}
