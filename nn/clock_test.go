package nn

import (
	"testing"
	"time"
)

// Every part of a step is counted in its passes, and together they are the whole step.
func TestClock(t *testing.T) {
	forEachMethod(t, func(t *testing.T, cfg Config) {
		cfg.Context, cfg.Width, cfg.Vocab = 64, 32, 300
		d, tokens, targets := randomDecoder(t, cfg, 2)
		opt := &AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8}
		var c Clock
		d.SetClock(&c)
		var wall time.Duration
		for range 3 {
			c.Start()
			start := time.Now()
			d.Step(tokens, targets, 2)
			c.Enter(PassUpdate)
			opt.Step(d.Groups(), 1e-3, 1/GradNorm(d.Groups()))
			wall += time.Since(start)
			c.Stop()
		}
		if total := c.Total(); total < wall {
			t.Errorf("the clock has counted %v of %v", total, wall)
		}
		for pass := range Passes {
			for part := range Parts {
				if got := c.Times[pass][part] > 0; got != (pass != PassUpdate || part == PartRest) {
					t.Errorf("%v of %v: %v", part, pass, c.Times[pass][part])
				}
			}
		}
		counted := c.Total()
		d.SetClock(nil)
		d.Step(tokens, targets, 2)
		if c.Total() != counted {
			t.Error("the clock still counts")
		}
		if c.part != PartRest {
			t.Errorf("the step has ended in %v", c.part)
		}
	})
}
