package main

import (
	"encoding/json"
	"strings"
)

// finish ends a run whose steps are done: checkpoint, loss.png, summary.json, and for people a sample
// and the figures.
func (r *training) finish() error {
	loss, err := r.lastValLoss()
	if err != nil {
		return err
	}
	if err := r.save(); err != nil {
		return err
	}
	if err := r.draw(); err != nil {
		return err
	}
	sum := r.trainer.Summary(loss, version())
	text, err := json.MarshalIndent(sum, "", "  ")
	if err != nil {
		return err
	}
	r.printSample()
	_, _, singleBlocks, singleTotal := r.plan.flops()
	c := r.console
	c.print("validation loss  %.4f nats per byte\n", loss)
	c.print("wall-clock       %s\n", clock(sum.WallSeconds))
	c.print("blocks           %s, %s of a single-level run of %s steps\n", flops(sum.FLOPsBlocks), percent(sum.FLOPsBlocks, singleBlocks), commas(int64(r.settings.Steps)))
	c.print("everything       %s, %s of it\n", flops(sum.FLOPsTotal), percent(sum.FLOPsTotal, singleTotal))
	c.print("run              %s\n", r.dir)
	return writeFile(r.dir.summary(), append(text, '\n'))
}

// printSample shows what the trained model writes.
func (r *training) printSample() {
	if r.settings.SampleBytes == 0 {
		return
	}
	prompt := r.settings.Prompt
	if prompt == "" {
		prompt = "\n"
		if r.corpus.goSource {
			prompt = "func "
		}
	}
	text := []byte(prompt)
	generate(r.trainer.Decoder(), text, r.settings.SampleBytes, newSampler(0.8, 40, r.settings.Seed), func(b byte) error {
		text = append(text, b)
		return r.session.ctx.Err()
	})
	r.console.print("\n  | %s\n\n", strings.ReplaceAll(strings.TrimSpace(printable(text)), "\n", "\n  | "))
}
