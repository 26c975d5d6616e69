package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vcycle-go/vcycle/multilevel"
)

// finish ends a run whose steps are done: checkpoint and summary.json first, then what can be had again:
// loss.png, and for people a sample and the figures.
func (r *training) finish() error {
	loss, err := r.lastValLoss()
	if err != nil {
		return err
	}
	if err := r.save(); err != nil {
		return r.failed(err)
	}
	sum := r.trainer.Summary(loss, version())
	text, err := json.MarshalIndent(sum, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(r.dir.summary(), append(text, '\n')); err != nil {
		return err
	}
	r.draw()
	r.reporter.tell("finished", "run", string(r.dir), "summary", sum)
	r.printSample()
	r.printSummary(sum)
	return nil
}

// printSummary shows what the run cost, beside a run of as many steps on the finest level alone. Its
// operations follow from the shapes; its time is taken to be that of the steps there.
func (r *training) printSummary(sum multilevel.Summary) {
	share := func(v, single float64) string {
		if len(r.settings.Levels) == 1 {
			return ""
		}
		return fmt.Sprintf(", %s of %s at %s", percent(v, single), plural(sum.Steps, "step"), blocks(r.settings.Blocks))
	}
	c, single := r.console, sum.SingleLevel
	c.print("validation loss   %s\n", r.data.describeLoss(sum.FinalValLoss))
	c.print("wall-clock        %s%s\n", clock(sum.WallSeconds), share(sum.WallSeconds, single.WallSeconds))
	c.print("FLOPs, blocks     %s%s\n", flops(sum.FLOPsBlocks), share(sum.FLOPsBlocks, single.FLOPsBlocks))
	c.print("FLOPs, all        %s%s\n", flops(sum.FLOPsTotal), share(sum.FLOPsTotal, single.FLOPsTotal))
	if peak := peakMemory(); peak > 0 {
		mapped := ""
		if n := r.data.mapped; n > peak/20 {
			mapped = fmt.Sprintf(", and what the system keeps of %s that are mapped", byteSize(float64(n)))
		}
		c.print("memory, peak      %s, planned %s%s\n", byteSize(float64(peak)), byteSize(float64(r.plan.footprint(r.data.memory).Peak)), mapped)
	}
	if best, ok := r.manifest.best(); ok && best.Step < sum.Steps && *best.ValLoss < sum.FinalValLoss {
		c.print("best              %s after step %s: vcycle generate %s --checkpoint best\n", r.data.describeLoss(*best.ValLoss), commas(int64(best.Step)), r.dir)
	}
	c.print("run               %s\n", r.dir)
}

// printSample shows what the trained model writes.
func (r *training) printSample() {
	if r.settings.SampleBytes == 0 {
		return
	}
	prompt := r.settings.Prompt
	if prompt == "" {
		prompt = "\n"
		if r.data.goSource {
			prompt = "func "
		}
	}
	text := []byte(prompt)
	end := len(text) + r.settings.SampleBytes
	generate(r.trainer.Decoder(), r.data.tokenizer, text, r.settings.SampleBytes, newSampler(0.8, 40, r.settings.Seed), func(t []byte) error {
		if text = append(text, t...); len(text) >= end {
			return errStop
		}
		return r.session.ctx.Err()
	})
	r.console.print("\n  | %s\n\n", strings.ReplaceAll(strings.TrimSpace(printable(text)), "\n", "\n  | "))
}
