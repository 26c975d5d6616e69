package main

import (
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/vcycle-go/vcycle/multilevel"
)

// rollsBack tells whether the run goes back when it diverges.
func (r *training) rollsBack() bool {
	return r.settings.OnDivergence == multilevel.RollBackOnDivergence
}

// diverged goes back, or logs the end of the run and returns its error.
func (r *training) diverged(e *multilevel.DivergedError) error {
	if r.rollsBack() && r.trainer.Rollbacks() < multilevel.MaxRollbacks {
		return r.rollBack(e)
	}
	m := r.trainer.Diverged(e)
	r.console.print("diverged  %s\n", m.Decisions[len(m.Decisions)-1].Why)
	if r.metrics.last().Step < m.Step { // which it is not where a validation diverged
		if err := r.metrics.append(m); err != nil {
			r.warn(err)
		}
	}
	if r.rollsBack() {
		return fmt.Errorf("%w; the run has gone back %d times, which is as often as it may", e, multilevel.MaxRollbacks)
	}
	return fmt.Errorf("%w; to go on with a lower rate: vcycle train --resume %s --on-divergence rollback", e, r.dir)
}

// rollBack continues from the last validated state with half the rate.
func (r *training) rollBack(e *multilevel.DivergedError) error {
	rollbacks, costs := r.trainer.Rollbacks(), r.trainer.Costs()
	r.trainer = nil // there is no memory for two
	debug.FreeOSMemory()
	back := r.manifest.validated()
	slices.Reverse(back)
	t, _, err := newest(r.dir, manifest{Checkpoints: back}, r.session, func(path string) (*multilevel.Trainer, error) {
		return multilevel.Resume(path, r.data.source)
	})
	if err != nil {
		return fmt.Errorf("%w; going back: %w", e, err)
	}
	if err := t.SetDivergence(r.settings.OnDivergence, r.settings.Jump); err != nil {
		return err
	}
	if err := t.RollBack(e, rollbacks, costs); err != nil {
		return err
	}
	r.trainer = t
	if err := r.save(); err != nil {
		return err
	}
	if err := r.metrics.close(); err != nil {
		return err
	}
	if r.metrics, err = openMetrics(r.dir.metrics(), t.Steps()); err != nil {
		return err
	}
	r.progress = &progress{plan: r.plan, valEvery: r.settings.ValEvery}
	for _, m := range r.metrics.all {
		r.progress.observe(m)
	}
	r.plan.follow(t.Plan())
	return nil
}
