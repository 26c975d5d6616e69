package main

import (
	"fmt"
	"math"
	"runtime/debug"
	"slices"

	"github.com/vcycle-go/vcycle/multilevel"
)

// rollsBack tells whether the run goes back when it diverges.
func (r *training) rollsBack() bool {
	return r.settings.OnDivergence == multilevel.RollBackOnDivergence
}

// goesBack tells whether it may once more.
func (r *training) goesBack() bool {
	return r.rollsBack() && r.trainer.Rollbacks() < multilevel.MaxRollbacks
}

// diverged goes back, or logs the end of the run and returns its error.
func (r *training) diverged(e *multilevel.DivergedError) error {
	if r.goesBack() {
		return r.rollBack(e)
	}
	m := r.trainer.Diverged(e)
	r.console.print("diverged  %s\n", m.Decisions[len(m.Decisions)-1].Why)
	r.reporter.tell("decision", "decision", m.Decisions[len(m.Decisions)-1])
	if r.metrics.last().Step < m.Step { // otherwise a validation diverged, and it says so
		if err := r.metrics.append(m); err != nil {
			r.warn(err)
		}
	}
	// train --resume removes it.
	if err := writeFile(r.dir.diverged(), []byte(e.Error()+"\n")); err != nil {
		r.warn(err)
	}
	if r.rollsBack() {
		return fmt.Errorf("%w; the run has gone back %d times, which is as often as it may", e, multilevel.MaxRollbacks)
	}
	all := ""
	if e.Jumped {
		all = ", or --jump 0 all the same"
	}
	return fmt.Errorf("%w; to go on: vcycle train --resume %s --on-divergence rollback with a lower rate%s", e, r.dir, all)
}

// goodOnes returns the checkpoints that a run may go back to, the newest first: those from before the first step, or
// with a validation loss that is no jump away from the lowest; or all, if there is none.
func (r *training) goodOnes(m manifest) []checkpoint {
	bound := r.options().WorstLoss()
	if best, ok := m.best(); ok && r.settings.Jump > 0 {
		bound = min(bound, *best.ValLoss+math.Log(r.settings.Jump))
	}
	good := slices.DeleteFunc(slices.Clone(m.Checkpoints), func(c checkpoint) bool {
		return c.Step > 0 && (c.ValLoss == nil || *c.ValLoss > bound)
	})
	if len(good) == 0 {
		good = slices.Clone(m.Checkpoints)
	}
	slices.Reverse(good)
	return good
}

// recall takes the validation losses of checkpoints that are known by their names alone from the log.
func (r *training) recall() {
	for i := range r.manifest.Checkpoints {
		c := &r.manifest.Checkpoints[i]
		for _, m := range r.metrics.all {
			if c.ValLoss == nil && m.Step == c.Step && m.Trial == 0 && m.ValLoss != nil {
				c.ValLoss = m.ValLoss
			}
		}
	}
}

// rollBack continues from the last good state with half the rate.
func (r *training) rollBack(e *multilevel.DivergedError) error {
	rollbacks, costs := r.trainer.Rollbacks(), r.trainer.Costs()
	r.trainer = nil // there is no memory for two
	debug.FreeOSMemory()
	back := r.goodOnes(r.manifest)
	slices.Reverse(back)
	t, from, err := newest(r.dir, manifest{Checkpoints: back}, r.session, func(path string) (*multilevel.Trainer, error) {
		return multilevel.Resume(path, r.data.source)
	})
	if err != nil {
		return fmt.Errorf("%v; going back: %w", e, err) // no divergence, for those who try again
	}
	if err := t.SetDivergence(r.settings.OnDivergence, r.settings.Jump); err != nil {
		return err
	}
	d, err := t.RollBack(e, rollbacks, costs)
	if err != nil {
		return err
	}
	r.console.print("diverged  %s\n", d.Why)
	r.reporter.tell("decision", "decision", d)
	r.trainer = t
	if err := r.dir.keepDamaged(back, from); err != nil {
		return err
	}
	if err := r.save(); err != nil {
		return err
	}
	if err := r.metrics.close(); err != nil {
		return err
	}
	log, err := openMetrics(r.dir.metrics(), t.Steps())
	if err != nil {
		return err
	}
	r.metrics = log
	r.progress = &progress{plan: r.plan, valEvery: r.settings.ValEvery}
	for _, m := range r.metrics.all {
		r.progress.observe(m)
	}
	r.plan.follow(t.Plan())
	return nil
}
