package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/vcycle-go/vcycle/multilevel"
)

// progress turns metrics into the status line.
type progress struct {
	plan     *plan
	valEvery int

	last     multilevel.Metrics
	smoothed float64  // loss
	loss     smoother // of the training loss
	step     smoother // seconds of a step on the level of last
	val      smoother // seconds of a validation
}

// observe takes in the metrics of the next step, and reports whether it is the first on its level.
func (g *progress) observe(m multilevel.Metrics) (entered bool) {
	entered = g.last.Step == 0 || m.Level != g.last.Level
	if entered {
		g.step = smoother{}
	}
	g.step.add(m.WallSeconds - g.last.WallSeconds)
	g.smoothed = g.loss.add(m.TrainLoss)
	g.last = m
	return entered
}

// validated takes in the loss and the time of a validation after the last step.
func (g *progress) validated(loss, seconds float64) {
	g.last.ValLoss = &loss
	g.val.add(seconds)
}

// line returns the state of the run in one line, short where so many columns do not hold the long form;
// 0 stands for any number of columns.
func (g *progress) line(columns int) string {
	m, levels := g.last, len(g.plan.levels)
	seconds := g.step.average()
	rate := g.plan.levels[m.Level].flopsTotal / seconds / 1e9
	tokens, share := si(g.plan.stepTokens()/seconds), percent(rate, g.plan.ceiling)
	val := ""
	if m.ValLoss != nil {
		val = fmt.Sprintf("  val %.3f", *m.ValLoss)
	}
	long := fmt.Sprintf("step %d/%d  ETA %s  level %d/%d, %s  loss %.3f (~%.3f)%s  lr %.1e  |g| %.2f  %s tok/s  %s GFLOP/s (%s of FMA)",
		m.Step, g.plan.steps(), clock(g.remaining()), m.Level+1, levels, blocks(m.Blocks), m.TrainLoss, g.smoothed, val,
		m.LR, m.GradNorm, tokens, si(rate), share)
	if columns == 0 || utf8.RuneCountInString(long) <= columns {
		return long
	}
	return fmt.Sprintf("%d/%d ETA %s L%d/%d %db loss %.2f~%.2f%s lr %.2g |g|%.2f %st/s %sGF/s %s",
		m.Step, g.plan.steps(), clock(g.remaining()), m.Level+1, levels, m.Blocks, m.TrainLoss, g.smoothed, strings.TrimPrefix(val, " "),
		m.LR, m.GradNorm, tokens, si(rate), share)
}

// trial returns the line of a step of a trial.
func (g *progress) trial(m multilevel.Metrics) string {
	return fmt.Sprintf("step %d/%d  trial step %d on a finer level", m.Step, g.plan.steps(), m.Trial)
}

// remaining estimates the seconds that are left: the steps of this level at the pace measured now, those
// of the levels to come at the pace measured for the plan, corrected by how it was off on this level.
func (g *progress) remaining() float64 {
	m := g.last
	seconds := g.step.average()
	correction := 1.0
	if s := g.plan.levels[m.Level].seconds; s > 0 {
		correction = seconds / s
	}
	var t float64
	for i, l := range g.plan.levels {
		left := float64(g.plan.visits.Left(i, m.Step))
		if i == m.Level {
			t += left * seconds
		} else {
			t += left * l.seconds * correction
		}
	}
	return t + float64(g.validationsLeft())*g.val.average()
}

// validationsLeft counts those at intervals and the one after the last step.
func (g *progress) validationsLeft() int {
	total, done, every := g.plan.steps(), g.last.Step, g.valEvery
	switch {
	case done == total:
		return 0
	case every == 0:
		return 1
	}
	left := total/every - done/every
	if total%every != 0 {
		left++
	}
	return left
}
