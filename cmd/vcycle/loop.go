package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
	"github.com/vcycle-go/vcycle/multilevel"
)

// train runs the steps that are left and ends the run.
func (r *training) train() (err error) {
	defer func() {
		if e := r.metrics.close(); err == nil {
			err = e
		}
	}()
	r.saved = time.Now()
	if _, ok := r.manifest.last(); !ok && r.rollsBack() {
		if err := r.save(); err != nil { // to go back to
			return r.failed(err)
		}
	}
	for !r.trainer.Done() {
		if r.session.ctx.Err() != nil {
			return r.interrupted()
		}
		err := r.oneStep()
		if d := (*multilevel.DivergedError)(nil); errors.As(err, &d) {
			err = r.diverged(d)
		}
		if errors.As(err, new(*multilevel.DataError)) { // what has been trained is whole
			if e := r.save(); e != nil {
				err = fmt.Errorf("%w; %w", err, e)
			}
		}
		if err != nil {
			r.console.clear()
			return r.failed(err)
		}
	}
	return r.finish()
}

// oneStep takes a step, validates and saves where that is due, and shows and logs it.
func (r *training) oneStep() error {
	m, err := r.trainer.Step()
	if err != nil {
		return err
	}
	if m.Trial > 0 { // of the adaptive schedule; the run has not moved
		r.reporter.step(r, m, r.console.status(m.Trial == 1, func(int) string { return r.progress.trial(m) }))
		return nil
	}
	r.announce(m.Decisions)
	news := r.progress.observe(m)
	if every := r.settings.ValEvery; r.trainer.Done() || every > 0 && m.Step%every == 0 {
		start := time.Now()
		loss, err := r.trainer.Validate()
		if err != nil {
			if d := (*multilevel.DivergedError)(nil); errors.As(err, &d) && !r.goesBack() {
				m.Decisions = append(m.Decisions, r.trainer.Diverged(d).Decisions...)
			}
			if e := r.metrics.append(m); e != nil { // the step has been taken
				r.warn(e)
			}
			return err
		}
		m.ValLoss = &loss
		if d := r.trainer.Observe(loss); d != nil {
			m.Decisions = append(m.Decisions, *d)
			r.announce([]multilevel.Decision{*d})
		}
		r.progress.validated(loss, time.Since(start).Seconds())
		news = true
	}
	if err := r.metrics.append(m); err != nil {
		return err
	}
	r.reporter.step(r, m, r.console.status(news, r.progress.line))
	if m.ValLoss != nil && r.rollsBack() {
		return r.save() // here, and not by the clock, so that a repetition goes back to the same step
	}
	if m.ValLoss != nil && r.settings.KeepBest {
		if best, ok := r.manifest.best(); !ok || *m.ValLoss < *best.ValLoss {
			return r.save()
		}
	}
	if every := r.settings.SaveEvery.Duration; every > 0 && time.Since(r.saved) >= every && !r.trainer.Done() {
		return r.save()
	}
	return nil
}

// announce shows what the run has decided, and takes it into the plan.
func (r *training) announce(decisions []multilevel.Decision) {
	if len(decisions) == 0 {
		return
	}
	for _, d := range decisions {
		r.reporter.tell("decision", "decision", d)
		switch {
		case d.Kind == multilevel.TrialDecision:
			r.console.print("trial     %s with %s (%s, step size: %s): loss %.4g, then %.4g, then %.4g\n",
				plural(d.Steps, "step"), blocks(d.Blocks), d.Prolong, d.StepSizePolicy, d.LossBefore, d.LossHalf, d.LossAfter)
		case d.Action == multilevel.RollBackOnDivergence: // as has been said
		case d.Kind == multilevel.DivergenceDecision:
			r.console.print("diverged  %s\n", d.Why)
		case d.Why != "":
			r.console.print("decision  %s\n", d.Why)
		}
	}
	r.plan.follow(r.trainer.Plan())
}

// save writes a checkpoint of the state after the last step, unless it is there, and then removes those that
// need not be kept.
func (r *training) save() error {
	r.saved = time.Now()
	c := checkpoint{Step: r.trainer.Steps(), Rollbacks: r.trainer.Rollbacks()}
	c.File = checkpointFile(c.Step, c.Rollbacks)
	if last, ok := r.manifest.last(); ok && c.File == last.File {
		return nil
	}
	if err := r.metrics.sync(); err != nil {
		return err
	}
	r.reporter.flush()
	if m := r.metrics.at(c.Step); m != nil {
		c.ValLoss = m.ValLoss
	}
	var err error
	if c.Digest, err = atomicfile.WriteVerified(r.dir.path(c), r.trainer.SaveTo); err != nil {
		return err
	}
	next := r.manifest.with(c, r.settings.Keep, r.keeps)
	if err := r.dir.writeManifest(next); err != nil {
		return err
	}
	r.manifest = next
	if err := r.dir.prune(next); err != nil {
		r.warn(err)
	}
	debug.FreeOSMemory() // the garbage of each, which the heap could hold a twentieth of itself of
	r.saved = time.Now()
	r.reporter.tell("checkpoint", "step", c.Step)
	return nil
}

// keeps tells whether a checkpoint stays that is not one of the last.
func (r *training) keeps(m manifest, c checkpoint) bool {
	best, ok := m.best()
	back := r.rollsBack() && c.File == r.goodOnes(m)[0].File
	return r.settings.KeepBest && ok && c.File == best.File || back
}

// warn shows an error that the run survives.
func (r *training) warn(err error) {
	r.console.clear()
	r.session.warn("%v", err)
}

// failed adds to the error that ends a run what the run leaves.
func (r *training) failed(err error) error { return fmt.Errorf("%w; %s", err, r.lastCheckpoint()) }

// lastCheckpoint says what a failed run leaves.
func (r *training) lastCheckpoint() string {
	c, ok := r.manifest.last()
	if !ok {
		return fmt.Sprintf("no checkpoint had been written to %s", r.dir)
	}
	return fmt.Sprintf("the last checkpoint in %s is of step %d", r.dir, c.Step)
}

// interrupted saves and says how to continue.
func (r *training) interrupted() error {
	if err := r.save(); err != nil {
		r.console.clear()
		return r.failed(err)
	}
	r.draw()
	r.console.print("interrupted after step %d of %d; continue with\n\n  vcycle train --resume %s\n", r.trainer.Steps(), r.plan.steps(), r.dir)
	r.reporter.tell("interrupted", "step", r.trainer.Steps(), "steps", r.plan.steps(), "run", string(r.dir))
	return errInterrupted
}

// draw writes loss.png after the last step, which the log can give again: failing is no more than a warning.
func (r *training) draw() {
	r.trainer.Decoder().Release() // drawing and a sample take what steps took
	debug.FreeOSMemory()
	if len(r.metrics.all) == 0 {
		return
	}
	title := blocks(r.settings.Blocks)
	if n := len(r.settings.Levels); n > 1 {
		title = fmt.Sprintf("%s blocks, %s", arrows(r.settings.Levels), r.settings.Multilevel)
	}
	title += fmt.Sprintf("; width %d, context %d, %s", r.settings.Width, r.settings.Context, r.settings.Optimizer)
	p, err := plotLoss(r.metrics.all, wallAxis, title, lossUnit(r.data.tokenizer))
	if err == nil {
		err = writePlot(r.dir.plot(), p)
	}
	if err != nil {
		r.warn(fmt.Errorf("loss.png: %w", err))
	}
}

// lastValLoss returns the validation loss of the final model, measured if the log does not have it.
func (r *training) lastValLoss() (float64, error) {
	if m := r.metrics.last(); m.ValLoss != nil && m.Step == r.trainer.Steps() {
		return *m.ValLoss, nil
	}
	return r.trainer.Validate()
}
