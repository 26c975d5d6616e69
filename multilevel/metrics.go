package multilevel

import (
	"github.com/vcycle-go/vcycle/kernels"
)

// Metrics describes one optimizer step; tokens, operations and time are sums from the beginning of the
// run, over all of its parts if it has been resumed.
type Metrics struct {
	Step            int      `json:"step"`  // counts from 1
	Level           int      `json:"level"` // counts from 0, the coarsest
	Blocks          int      `json:"blocks"`
	StepSize        float64  `json:"step_size"`
	Width           int      `json:"width,omitempty"` // and context: of the level, if levels differ in them
	Context         int      `json:"context,omitempty"`
	Tokens          int64    `json:"tokens"`
	FLOPsBlocks     float64  `json:"flops_blocks"` // matrix products of the blocks, and of Muon with theirs
	FLOPsTotal      float64  `json:"flops_total"`  // and of the head
	WallSeconds     float64  `json:"wall_seconds"` // of steps and transfers, without validation and saving
	LR              float64  `json:"lr"`
	TrainLoss       float64  `json:"train_loss"` // of the batch, before the step, in nats
	GradNorm        float64  `json:"grad_norm"`  // before clipping
	TokensPerSecond float64  `json:"tokens_per_second"`
	ValLoss         *float64 `json:"val_loss,omitempty"` // left to the caller, who decides when to Validate
	// Trial is the number, from 1 in each trial, of the trial step that was taken instead of a step of the
	// run. LR, TrainLoss and GradNorm are then 0, the account has grown by what the trial has cost, and the
	// other fields are those of the step before.
	Trial int `json:"trial,omitempty"`
	// Skipped tells that the step has changed no parameter, because its loss or gradient was not finite or jumped.
	// What was not finite is then the mean of the steps before.
	Skipped bool `json:"skipped,omitempty"`
	// Decisions are those before the step.
	Decisions []Decision `json:"decisions,omitempty"`
}

// Cost is what the steps on one level have taken.
type Cost struct {
	Level  Level `json:"level"`
	Steps  int   `json:"steps"` // done
	Tokens int64 `json:"tokens"`
	// Evaluated is how many tokens could have been trained on with the operations that went into gradients
	// and losses without a step, for changes of level.
	Evaluated float64 `json:"evaluated,omitempty"`
	// Trials is how many optimizer steps were steps of trials, whose tokens are Evaluated.
	Trials      int     `json:"trials,omitempty"`
	FLOPsBlocks float64 `json:"flops_blocks"`
	FLOPsTotal  float64 `json:"flops_total"`
	WallSeconds float64 `json:"wall_seconds"`
}

// Summary is the outcome of a run.
type Summary struct {
	FinalValLoss float64 `json:"final_val_loss"`
	WallSeconds  float64 `json:"wall_seconds"`
	FLOPsBlocks  float64 `json:"flops_blocks"`
	FLOPsTotal   float64 `json:"flops_total"`
	Tokens       int64   `json:"tokens"`
	Parameters   int     `json:"parameters"`
	Steps        int     `json:"steps"`
	ISA          string  `json:"isa"`
	BFloat16     string  `json:"bfloat16,omitempty"` // how products of bfloat16 were computed, if that was the precision
	Threads      int     `json:"threads"`
	Version      string  `json:"version"`

	Levels []Cost `json:"levels"`
	// SingleLevel is what as many steps on the finest level take: operations exactly, time as its steps
	// took on average, or 0 if there were none.
	SingleLevel Cost `json:"single_level"`
}

func newCosts(h *Hierarchy) []Cost {
	costs := make([]Cost, len(h.Levels))
	for i, l := range h.Levels {
		costs[i].Level = l
	}
	return costs
}

// account adds a step to the cost of its level.
func (t *Trainer) account(seconds float64) {
	c := &t.costs[t.plan[t.stage].Level]
	c.Steps++
	c.Tokens += int64(t.options.stepTokens())
	c.WallSeconds += seconds
	c.count(t.options)
}

// count computes the operations: products, so that no rounding adds up.
func (c *Cost) count(o Options) {
	blocks, total := o.Config(c.Level).FLOPs()
	update := float64(c.Steps+c.Trials) * o.updateFLOPs(c.Level)
	c.FLOPsBlocks = float64((float64(c.Tokens)+c.Evaluated)*blocks) + update // not fused: the same on every machine
	c.FLOPsTotal = float64((float64(c.Tokens)+c.Evaluated)*total) + update
}

// tried adds the operations of a trial step to a level.
func (t *Trainer) tried(level int) {
	t.costs[level].Trials++
	t.evaluatedOn(level, 1)
}

// evaluated adds the operations of so many steps to the level that the decoder is on; the step that
// follows accounts for their time.
func (t *Trainer) evaluated(steps float64) { t.evaluatedOn(t.plan[t.stage].Level, steps) }

func (t *Trainer) evaluatedOn(level int, steps float64) {
	c := &t.costs[level]
	c.Evaluated += steps * float64(t.options.stepTokens())
	c.count(t.options)
}

// Costs returns the cost of each level so far, coarse to fine.
func (t *Trainer) Costs() []Cost { return append([]Cost(nil), t.costs...) }

func (t *Trainer) total() Cost {
	var sum Cost
	for i := range t.costs {
		c := &t.costs[i]
		sum.Steps += c.Steps
		sum.Tokens += c.Tokens
		sum.FLOPsBlocks += c.FLOPsBlocks
		sum.FLOPsTotal += c.FLOPsTotal
		sum.WallSeconds += c.WallSeconds
	}
	return sum
}

func (t *Trainer) metrics(seconds, lr, loss, norm float64) Metrics {
	sum, l := t.total(), t.level()
	return Metrics{
		Step: t.step, Level: t.plan[t.stage].Level, Blocks: l.Blocks, StepSize: l.StepSize, Width: l.Width, Context: l.Context,
		Tokens: sum.Tokens, FLOPsBlocks: sum.FLOPsBlocks, FLOPsTotal: sum.FLOPsTotal, WallSeconds: sum.WallSeconds,
		LR: lr, TrainLoss: loss, GradNorm: norm, TokensPerSecond: float64(t.options.stepTokens()) / max(seconds, 1e-9),
		Decisions: append([]Decision(nil), t.decisions...),
	}
}

// triedMetrics returns the metrics of a trial step of that number, whose time it accounts for.
func (t *Trainer) triedMetrics(tried int, seconds float64) Metrics {
	t.costs[t.plan[t.stage].Level].WallSeconds += seconds
	m := t.metrics(seconds, 0, 0, 0)
	m.Trial, m.Decisions = tried, nil
	return m
}

// Summary returns the figures of the run so far, with the validation loss that the caller has measured
// and the version of its program.
func (t *Trainer) Summary(finalValLoss float64, version string) Summary {
	sum := t.total()
	bfloat16 := ""
	if t.options.Precision == "bf16" {
		bfloat16 = kernels.BFloat16Products()
	}
	return Summary{
		FinalValLoss: finalValLoss,
		WallSeconds:  sum.WallSeconds, FLOPsBlocks: sum.FLOPsBlocks, FLOPsTotal: sum.FLOPsTotal, Tokens: sum.Tokens,
		Parameters: t.decoder.Config().Parameters(), Steps: t.step,
		ISA: kernels.ISA(), BFloat16: bfloat16, Threads: kernels.Threads(), Version: version,
		Levels: t.Costs(), SingleLevel: t.singleLevel(sum),
	}
}

func (t *Trainer) singleLevel(sum Cost) Cost {
	finest := t.costs[len(t.costs)-1]
	blocks, total := t.options.StepFLOPs(finest.Level)
	single := Cost{Level: finest.Level, Steps: sum.Steps, Tokens: sum.Tokens}
	single.Level.Steps = sum.Steps
	single.FLOPsBlocks = float64(sum.Steps) * blocks
	single.FLOPsTotal = float64(sum.Steps) * total
	if finest.Steps > 0 {
		single.WallSeconds = finest.WallSeconds / float64(finest.Steps) * float64(sum.Steps)
	}
	return single
}
