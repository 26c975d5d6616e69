package main

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/vcycle-go/vcycle/multilevel"
	"github.com/vcycle-go/vcycle/nn"
)

// plan is what a run is going to do and to cost.
type plan struct {
	options multilevel.Options
	visits  multilevel.Plan
	levels  []planLevel
	memory  nn.Memory
	present int64   // bytes that the process has without network and data; 0: not known
	loading int64   // that reading the data takes at the most
	logged  int64   // steps whose log stays in memory at the most
	ceiling float64 // GFLOP/s of fused multiply-adds on the threads in use; 0: not measured

	validation float64 // seconds of a validation on the finest level, estimated
}

// planLevel is the part of a plan on one level.
type planLevel struct {
	multilevel.Level
	config      nn.Config
	flopsBlocks float64 // of one step, matrix products of the blocks, and of the optimizer with theirs
	flopsTotal  float64 // of one step, with the head
	seconds     float64 // of one step, estimated
}

// newPlan returns the plan of a run, without what has to be measured.
func newPlan(o multilevel.Options) (*plan, error) {
	o = o.Resolve()
	h, visits, err := o.Plan()
	if err != nil {
		return nil, badInput{err}
	}
	p := &plan{options: o, visits: visits}
	if p.memory, err = o.Memory(); err != nil {
		return nil, badInput{err}
	}
	for _, l := range h.Levels {
		inBlocks, total := o.StepFLOPs(l)
		p.levels = append(p.levels, planLevel{Level: l, config: o.Config(l), flopsBlocks: inBlocks, flopsTotal: total})
	}
	return p, nil
}

// follow takes over what a run has decided, and keeps what has been measured.
func (p *plan) follow(h *multilevel.Hierarchy, visits multilevel.Plan) {
	p.visits = visits
	for i, l := range h.Levels {
		p.levels[i].Level = l
	}
}

// steps returns the optimizer steps of the run.
func (p *plan) steps() int { return p.visits.Steps() }

// stepTokens returns the tokens of one step.
func (p *plan) stepTokens() float64 { return float64(p.options.Batch * p.options.Context) }

func (p *plan) finest() planLevel { return p.levels[len(p.levels)-1] }

// flops returns the operations of the whole run, and of as many steps at the finest level.
func (p *plan) flops() (inBlocks, total, singleBlocks, singleTotal float64) {
	for _, l := range p.levels {
		inBlocks += l.flopsBlocks * float64(l.Steps)
		total += l.flopsTotal * float64(l.Steps)
		singleBlocks += p.finest().flopsBlocks * float64(l.Steps)
		singleTotal += p.finest().flopsTotal * float64(l.Steps)
	}
	return
}

// seconds returns the estimated time of the whole run.
func (p *plan) seconds() (t float64) {
	for _, l := range p.levels {
		t += l.seconds * float64(l.Steps)
	}
	return t
}

// validations returns how many validations a run has, and what part of the time of one on the finest level
// they take together: they cost in proportion to the blocks, and the head.
func (p *plan) validations(every int) (n int, weight float64) {
	last := p.steps()
	for step := every; every > 0 && step < last; step += every {
		n++
		for i, l := range p.levels {
			if p.visits.Left(i, step-1) > p.visits.Left(i, step) { // the step before it was on this level
				weight += l.flopsTotal / p.finest().flopsTotal
			}
		}
	}
	return n + 1, weight + 1
}

// total returns the estimated time of the whole run with its validations.
func (p *plan) total(valEvery int) float64 {
	_, weight := p.validations(valEvery)
	return p.seconds() + weight*p.validation
}

// measurement says how the time of a run is estimated.
type measurement struct {
	budget time.Duration // for all levels, apart from the first steps
	all    bool          // measure every level, whatever it takes
}

// measure estimates the time of a step at each level with models of its own, so that the run is as if
// it had not been measured, one after the other, so that they take no more memory than the run. Levels
// that would take too long to measure are taken to be as fast, by operations, as the level before. It ends
// early, without an error, when ctx is done.
func (p *plan) measure(ctx context.Context, src multilevel.Source, how measurement) error {
	start := time.Now()
	for i := range p.levels {
		l := &p.levels[i]
		if l.seconds > 0 {
			continue
		}
		left := how.budget - time.Since(start)
		if i > 0 {
			before := p.levels[i-1]
			l.seconds = before.seconds * l.flopsTotal / before.flopsTotal
			expected := time.Duration(3 * l.seconds * float64(time.Second))
			if expected > left && !how.all {
				continue
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := p.measureLevel(ctx, i, left/time.Duration(len(p.levels)-i), how.all, src); err != nil {
			return err
		}
		debug.FreeOSMemory() // the model that was measured is gone
	}
	if p.validation == 0 {
		p.validation = p.finest().seconds * p.validationSteps(src)
	}
	return nil
}

// validationSteps returns how many steps a validation takes as long as: the forward pass is a third of one.
func (p *plan) validationSteps(src multilevel.Source) float64 {
	tokens, _ := src.Validation()
	return float64(len(tokens)) / p.stepTokens() / 3
}

// measureLevel sets the time of a step on level i: the median of those after the first, which allocates,
// and the second, of three, or if all levels are to be measured, of as many as there is time for. On the
// finest level a validation is measured too, if there is time or if all is to be measured.
func (p *plan) measureLevel(ctx context.Context, i int, limit time.Duration, all bool, src multilevel.Source) error {
	l, o := &p.levels[i], p.options
	o = o.Alone(l.Level)
	o.Steps, o.Warmup = math.MaxInt32, 0
	o.LR = 1e-9 // without a warm-up, more could diverge
	t, err := multilevel.NewTrainer(o, src)
	if err != nil {
		return err
	}
	start := time.Now()
	var seconds []float64
	for n := 0; ctx.Err() == nil && (n < 3 || all && (n < 5 || time.Since(start) < limit)); n++ {
		before := time.Now()
		if _, err := t.Step(); err != nil {
			return err
		}
		seconds = append(seconds, time.Since(before).Seconds())
	}
	if len(seconds) == 0 {
		return nil
	}
	l.seconds = median(seconds[min(len(seconds)-1, 2):])
	expected := l.seconds * p.validationSteps(src)
	if i == len(p.levels)-1 && ctx.Err() == nil && (all || expected < limit.Seconds()) {
		before := time.Now()
		if _, err := t.Validate(); err != nil {
			return err
		}
		p.validation = time.Since(before).Seconds()
	}
	return nil
}

// pace takes the time of a step at each level from the log of a run: the median of its last steps there.
// Levels without steps are taken to be as fast, by operations, as one that has some, and a validation as fast
// as the part of a step that it is. It reports whether there are any.
func (p *plan) pace(log []multilevel.Metrics, src multilevel.Source) bool {
	const recent = 21
	seconds := make([][]float64, len(p.levels))
	for i := 1; i < len(log); i++ {
		// The first step on a level includes the change.
		if l := log[i].Level; l == log[i-1].Level && log[i].Step == log[i-1].Step+1 {
			seconds[l] = append(seconds[l], log[i].WallSeconds-log[i-1].WallSeconds)
		}
	}
	perOperation := 0.0
	for i, s := range seconds {
		if n := len(s); n > 0 {
			p.levels[i].seconds = median(s[max(0, n-recent):])
			perOperation = p.levels[i].seconds / p.levels[i].flopsTotal
		}
	}
	for i := range p.levels {
		if len(seconds[i]) == 0 {
			p.levels[i].seconds = perOperation * p.levels[i].flopsTotal
		}
	}
	p.validation = p.finest().seconds * p.validationSteps(src)
	return perOperation > 0
}

// table returns the plan by level.
func (p *plan) table() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	axes := func(l planLevel) string { return "" }
	if o := p.options; len(o.LevelWidths)+len(o.LevelContexts) > 0 {
		axes = func(l planLevel) string { return fmt.Sprintf("%d\t%d\t", l.config.Width, l.config.Context) }
	}
	gap := strings.Repeat("\t", strings.Count(axes(p.finest()), "\t"))
	header := ""
	if gap != "" {
		header = "width\tcontext\t"
	}
	fmt.Fprintln(t, "level\tblocks\t"+header+"h\tparameters\tsteps\ttokens\tFLOPs, blocks\tFLOPs, all\ttime\t")
	for i, l := range p.levels {
		steps := float64(l.Steps)
		fmt.Fprintf(t, "%d\t%d\t%s%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", i+1, l.Blocks, axes(l), stepSizes(l.config), commas(int64(l.config.Parameters())),
			commas(int64(l.Steps)), si(steps*p.stepTokens()), si(steps*l.flopsBlocks), si(steps*l.flopsTotal), clock(steps*l.seconds))
	}
	inBlocks, total, singleBlocks, singleTotal := p.flops()
	if len(p.levels) > 1 {
		steps := float64(p.steps())
		fmt.Fprintf(t, "all\t\t%s\t\t%s\t%s\t%s\t%s\t%s\t\n", gap, commas(int64(p.steps())), si(steps*p.stepTokens()), si(inBlocks), si(total), clock(p.seconds()))
		fmt.Fprintf(t, "of single-level\t\t%s\t\t\t\t%s\t%s\t%s\t\n", gap, percent(inBlocks, singleBlocks), percent(total, singleTotal),
			percent(p.seconds(), steps*p.finest().seconds))
	}
	t.Flush()
	return b.String()
}

// describeModel returns one line on the trained model.
func (p *plan) describeModel() string {
	c := p.finest().config
	return fmt.Sprintf("%s (%s, h = %s), width %d, %s, context %d, vocabulary %d: %s parameters",
		blocks(c.Blocks), c.Method, stepSizes(c), c.Width, plural(c.Heads, "head"), c.Context, c.Vocab, commas(int64(c.Parameters())))
}

// stepSizes returns the step size of a network, or between what its are.
func stepSizes(c nn.Config) string {
	least, most := c.Step(0), c.Step(0)
	for i := range c.Blocks {
		least, most = min(least, c.Step(i)), max(most, c.Step(i))
	}
	if least == most {
		return fmt.Sprintf("%g", least)
	}
	return fmt.Sprintf("%.4g to %.4g", least, most)
}

// describeTraining returns one line on the optimization.
func (p *plan) describeTraining() string {
	o := p.options
	line := fmt.Sprintf("%s of %d × %d tokens, %s, peak rate %g (%s), seed %d",
		plural(p.steps(), "step"), o.Batch, o.Context, o.Optimizer, o.LR, o.Schedule, o.Seed)
	if len(p.levels) > 1 {
		if o.Multilevel == multilevel.Adaptive {
			return line + fmt.Sprintf("; %s, levels %s; it decides on the way", o.Multilevel, arrows(o.Levels)+p.describeAxes())
		}
		line += fmt.Sprintf("; %s, levels %s, %s, moments %s", o.Multilevel, arrows(o.Levels)+p.describeAxes(), o.Prolong, map[string]string{
			multilevel.CarryMoments: "carried", multilevel.RescaleMoments: "rescaled", multilevel.ResetMoments: "reset",
			multilevel.KeepMoments: "of each level kept",
		}[o.Moments])
	}
	return line
}

// describeAxes returns what levels differ in beside the depth.
func (p *plan) describeAxes() (line string) {
	if w := p.options.LevelWidths; len(w) > 0 {
		line += ", widths " + arrows(w)
	}
	if c := p.options.LevelContexts; len(c) > 0 {
		line += ", contexts " + arrows(c)
	}
	if r := p.options.LevelRates; len(r) > 0 {
		line += ", rates times " + strings.ReplaceAll(strings.Trim(fmt.Sprint(r), "[]"), " ", ", ")
	}
	return line
}

// describeOperations returns one line on the operations of the run, counted in two ways.
func (p *plan) describeOperations() string {
	_, total, _, _ := p.flops()
	return fmt.Sprintf("%s in matrix products; %s as 6 for each parameter but positions and 12·blocks·width·context, a token",
		flops(total), flops(p.flopsByParameters()))
}

// flopsByParameters returns the operations of the run as 6·(parameters − position embedding) +
// 12·blocks·width·context for each token, with what a block evaluates several times counted as often (Kaplan et
// al., 2020, §2.1; Chowdhery et al., PaLM, 2022, appendix B).
func (p *plan) flopsByParameters() (sum float64) {
	for _, l := range p.levels {
		c := l.config
		outside := (c.Vocab + 2) * c.Width
		inside := c.Parameters() - outside - c.Context*c.Width
		perceptron := c.Blocks * (8*c.Width + 7) * c.Width // with its norm
		a, n := c.Evaluations()
		perToken := 6*float64(outside) + 6*float64(a*(inside-perceptron)+n*perceptron) + 12*float64(a*c.Blocks*c.Width)*float64(c.Context)
		sum += perToken * p.stepTokens() * float64(l.Steps)
	}
	return sum
}
