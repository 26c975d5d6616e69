package main

import (
	"context"
	"fmt"
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
	ceiling float64 // GFLOP/s of fused multiply-adds on the threads in use; 0: not measured
}

// planLevel is the part of a plan on one level.
type planLevel struct {
	multilevel.Level
	config      nn.Config
	flopsBlocks float64 // of one step, matrix products of the blocks
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
	for _, l := range h.Levels {
		c := o.Config(l)
		perToken, perTokenTotal := c.FLOPs()
		p.levels = append(p.levels, planLevel{
			Level: l, config: c, flopsBlocks: perToken * p.stepTokens(), flopsTotal: perTokenTotal * p.stepTokens(),
		})
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

// measureBudget bounds the time that estimating may take, apart from the first measurement.
const measureBudget = 4 * time.Second

// measure estimates the time of a step at each level with models of its own, so that the run is as if
// it had not been measured. Levels that would take too long to measure are taken to be as fast, by
// operations, as the level before. It ends early, without an error, when ctx is done.
func (p *plan) measure(ctx context.Context, src multilevel.Source) error {
	const steps = 3
	start := time.Now()
	for i := range p.levels {
		l := &p.levels[i]
		if l.seconds > 0 {
			continue
		}
		if i > 0 {
			before := p.levels[i-1]
			l.seconds = before.seconds * l.flopsTotal / before.flopsTotal
			expected := time.Duration(steps * l.seconds * float64(time.Second))
			if time.Since(start)+expected > measureBudget {
				continue
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		seconds, err := stepSeconds(ctx, p.options, l.Level, steps, src)
		if err != nil {
			return err
		}
		l.seconds = seconds
	}
	return nil
}

// stepSeconds returns the time of the fastest of so many steps of a new model; the first, which
// allocates, is not counted if there are more. When ctx is done, it takes no further step.
func stepSeconds(ctx context.Context, o multilevel.Options, l multilevel.Level, steps int, src multilevel.Source) (float64, error) {
	o.Multilevel, o.Blocks, o.Levels, o.LevelFractions, o.StepSize = multilevel.SingleLevel, l.Blocks, nil, nil, l.StepSize
	o.Seconds, o.StepSeconds = 0, nil
	o.Steps, o.Warmup = steps, 0
	o.LR = 1e-9 // without a warm-up, more could diverge
	t, err := multilevel.NewTrainer(o, src)
	if err != nil {
		return 0, err
	}
	var fastest float64
	for i := range steps {
		if ctx.Err() != nil {
			break
		}
		start := time.Now()
		if _, err := t.Step(); err != nil {
			return 0, err
		}
		if s := time.Since(start).Seconds(); i < 2 || s < fastest {
			fastest = s
		}
	}
	return fastest, nil
}

// table returns the plan by level.
func (p *plan) table() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "level\tblocks\th\tparameters\tsteps\ttokens\tFLOPs, blocks\tFLOPs, all\ttime\t")
	for i, l := range p.levels {
		steps := float64(l.Steps)
		fmt.Fprintf(t, "%d\t%d\t%g\t%s\t%s\t%s\t%s\t%s\t%s\t\n", i+1, l.Blocks, l.StepSize, commas(int64(l.config.Parameters())),
			commas(int64(l.Steps)), si(steps*p.stepTokens()), si(steps*l.flopsBlocks), si(steps*l.flopsTotal), clock(steps*l.seconds))
	}
	inBlocks, total, singleBlocks, singleTotal := p.flops()
	if len(p.levels) > 1 {
		steps := float64(p.steps())
		fmt.Fprintf(t, "all\t\t\t\t%s\t%s\t%s\t%s\t%s\t\n", commas(int64(p.steps())), si(steps*p.stepTokens()), si(inBlocks), si(total), clock(p.seconds()))
		fmt.Fprintf(t, "of single-level\t\t\t\t\t\t%s\t%s\t%s\t\n", percent(inBlocks, singleBlocks), percent(total, singleTotal),
			percent(p.seconds(), steps*p.finest().seconds))
	}
	t.Flush()
	return b.String()
}

// describeModel returns one line on the trained model.
func (p *plan) describeModel() string {
	c := p.finest().config
	return fmt.Sprintf("%s (%s, h = %g), width %d, %d heads, context %d, vocabulary %d: %s parameters",
		blocks(c.Blocks), c.Method, c.StepSize, c.Width, c.Heads, c.Context, c.Vocab, commas(int64(c.Parameters())))
}

// describeTraining returns one line on the optimization.
func (p *plan) describeTraining() string {
	o := p.options
	line := fmt.Sprintf("%s steps of %d × %d tokens, %s, peak rate %g (%s), seed %d",
		commas(int64(p.steps())), o.Batch, o.Context, o.Optimizer, o.LR, o.Schedule, o.Seed)
	if len(p.levels) > 1 {
		if o.Multilevel == multilevel.Adaptive {
			return line + fmt.Sprintf("; %s, levels %s; it decides half-way", o.Multilevel, arrows(o.Levels))
		}
		line += fmt.Sprintf("; %s, levels %s, %s, moments %s", o.Multilevel, arrows(o.Levels), o.Prolong, map[string]string{
			multilevel.CarryMoments: "carried", multilevel.RescaleMoments: "rescaled", multilevel.ResetMoments: "reset",
			multilevel.KeepMoments: "of each level kept",
		}[o.Moments])
	}
	return line
}

// memory returns what training takes at the finest level.
func (p *plan) memory() nn.Memory {
	moments := 2
	if p.options.Optimizer == multilevel.SGD {
		moments = 1
	}
	return p.finest().config.Memory(p.options.MicroBatch(), moments)
}

// checkMemory refuses a run that takes more memory than the machine has, of which 0 says that it is not
// known, before the attempt to get it ends the process.
func (p *plan) checkMemory(data, machine int64) error {
	m := p.memory()
	// A part that is negative has overflowed.
	if need := m.Total() + data; machine > 0 && (need > machine || min(m.Parameters, m.Moments, m.Activations, need) < 0) {
		return badf("training takes %s and the data %s, but this machine has %s: use a smaller width, context, batch or fewer blocks",
			byteSize(float64(m.Parameters)+float64(m.Gradients)+float64(m.Moments)+float64(m.Activations)), byteSize(float64(data)), byteSize(float64(machine)))
	}
	return nil
}

// describeMemory returns one line on the memory that training takes at the finest level, by part.
func (p *plan) describeMemory(data int64) string {
	m := p.memory()
	size := func(n int64) string { return byteSize(float64(n)) }
	return fmt.Sprintf("%s: parameters %s, gradients %s, moments %s, activations %s, data %s", size(m.Total()+data),
		size(m.Parameters), size(m.Gradients), size(m.Moments), size(m.Activations), size(data))
}
