package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/multilevel"
	"github.com/vcycle-go/vcycle/nn"
)

// benchStepCmd measures steps of training.
type benchStepCmd struct {
	Config  string        `group:"run" placeholder:"FILE" help:"TOML file with settings, as for train: the step of that run on its finest level."`
	Vocab   int           `group:"model" default:"256" help:"Tokens of the vocabulary. Default: those of the tokenizer.json beside the file of --config, as in the directory of a run; without, 256."`
	Measure time.Duration `group:"run" default:"10s" help:"Time for all rounds, of each size in a sweep; a round is a step at least."`
	Rounds  int           `group:"run" default:"5" help:"Rounds; figures are medians of them."`
	Sweep   string        `group:"run" placeholder:"SIZE" help:"Measure over a range of context, width, blocks or batch, all else as it is; heads keep their width."`
	Values  []int         `group:"run" placeholder:"N" help:"The range of --sweep. Default: a quarter to four times the size in powers of 2."`
	Plot    string        `group:"run" placeholder:"FILE" help:"Draw the sweep, as a PNG."`
	JSON    bool          `name:"json" group:"run" help:"Print a line of JSON for each size."`
	settings
	overrides
	profiles
}

// Help is the detailed help.
func (benchStepCmd) Help() string {
	return "Takes the flags of train, and measures its step, with random tokens, on the finest level: the time by pass and by what computes, " +
		"the share of the ceiling, which is measured in the same rounds, what is allocated, and the memory. " +
		"Operations are those of matrix products, forward and backward, with attention counted as if no key were masked; recomputation does not count.\n\n" +
		"Examples:\n\n" +
		"  vcycle bench step --blocks 12 --width 256\n" +
		"  vcycle bench step --config runs/notes/config.toml\n\n" + exitCodes
}

// stepResult is the measurement of one configuration.
type stepResult struct {
	plan    *plan
	seconds []float64 // of a step, by round
	ceiling []float64 // GFLOP/s, by round
	clocks  []nn.Clock
	steps   []int
	bytes   float64 // allocated by a step
	first   float64 // seconds of the first step, which gets the memory
}

// Run measures.
func (c *benchStepCmd) Run(s *session, k *kong.Context) (err error) {
	base := defaultSettings()
	base.Width, base.Heads = c.Width, c.Heads // which have defaults of their own
	given, err := checkedFlags(k, &c.settings, c.Set)
	if err != nil {
		return err
	}
	file, _, err := configured(s, given, base, c.Config, c.settings)
	if err != nil {
		return err
	}
	if !given["vocab"] {
		if err := c.vocabOfRun(); err != nil {
			return err
		}
	}
	sizes, err := c.sizes(file.settings, given)
	if err != nil {
		return err
	}
	var plans []*plan
	for _, set := range sizes {
		o := set.options()
		o.Vocab = c.Vocab
		o.Multilevel, o.Levels, o.LevelFractions, o.LR, o.Warmup, o.Steps = multilevel.SingleLevel, nil, nil, 1e-9, 0, math.MaxInt32
		o.LevelWidths, o.LevelContexts, o.LevelRates, o.Seconds, o.StepSeconds = nil, nil, nil, 0, nil
		if err := o.Resolve().Validate(); err != nil {
			return badInput{err}
		}
		p, err := newPlan(o)
		if err != nil {
			return err
		}
		p.begin(0, 0)
		p.logged = 0 // there is no log
		if err := p.checkMemory(0, machineMemory(), 1); err != nil {
			return err
		}
		plans = append(plans, p)
	}
	if err := setThreads(file.Threads); err != nil {
		return err
	}
	end, err := c.profiles.start()
	if err != nil {
		return err
	}
	defer func() {
		if e := end(); err == nil {
			err = e
		}
	}()
	keepHeapTight()
	var results []*stepResult
	for _, p := range plans {
		fmt.Fprintf(s.stderr, "vcycle bench step: %s, batch %d; %s, %s or more\n", p.describeModel(), p.options.Batch, plural(c.Rounds, "round"), clock(c.Measure.Seconds()))
		r, err := c.measure(s, p)
		if err != nil {
			return err
		}
		results = append(results, r)
		debug.FreeOSMemory()
	}
	if err := c.print(s.stdout, results); err != nil || c.Plot == "" {
		return err
	}
	p, err := plotSweep(c.Sweep, results)
	if err != nil {
		return fmt.Errorf("--plot: %w", err)
	}
	if err := writePlot(c.Plot, p); err != nil {
		return badf("--plot %s cannot be written: %w", c.Plot, plainPathError(err))
	}
	return nil
}

// vocabOfRun takes the vocabulary from the tokenizer beside the file of settings, as in the directory of a run.
func (c *benchStepCmd) vocabOfRun() error {
	if c.Config == "" {
		return nil
	}
	path := runDir(filepath.Dir(c.Config)).tokenizer()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	t, err := openTokenizer(path)
	if err != nil {
		return err
	}
	c.Vocab = t.Vocab()
	return nil
}

// sizes returns the settings to measure, one or those of the sweep.
func (c *benchStepCmd) sizes(set settings, given map[string]bool) ([]settings, error) {
	switch {
	case c.Rounds < 1 || c.Rounds > 1000:
		return nil, badf("--rounds %d: it must be between 1 and 1000", c.Rounds)
	case c.Measure <= 0:
		return nil, badf("--measure %v: it must be positive", c.Measure)
	case c.Sweep == "" && (given["values"] || given["plot"]):
		return nil, badf("--values and --plot are for a --sweep")
	case c.Sweep == "":
		return []settings{set}, nil
	}
	field := map[string]func(*settings) *int{
		"context": func(s *settings) *int { return &s.Context },
		"width":   func(s *settings) *int { return &s.Width },
		"blocks":  func(s *settings) *int { return &s.Blocks },
		"batch":   func(s *settings) *int { return &s.Batch },
	}[c.Sweep]
	if field == nil {
		return nil, badf("--sweep %s: use context, width, blocks or batch", c.Sweep)
	}
	values := slices.Sorted(slices.Values(c.Values))
	if len(values) == 0 {
		at := *field(&set)
		for _, f := range []int{4, 2} {
			if at%f == 0 {
				values = append(values, at/f)
			}
		}
		values = append(values, at, 2*at, 4*at)
	}
	var all []settings
	head := set.Width / set.Heads
	for _, v := range slices.Compact(values) {
		one := set
		*field(&one) = v
		if c.Sweep == "width" {
			if v%head != 0 {
				return nil, badf("--values %d: heads are %d wide, as --width and --heads have it: use a multiple", v, head)
			}
			one.Heads = v / head
		}
		all = append(all, one)
	}
	return all, nil
}

// measure takes steps in rounds, each with a ceiling of its own before and after.
func (c *benchStepCmd) measure(s *session, p *plan) (*stepResult, error) {
	t, err := multilevel.NewTrainer(p.options, &randomTokens{vocab: p.options.Vocab, context: p.options.Context, seed: p.options.Seed})
	if err != nil {
		return nil, err
	}
	r := &stepResult{plan: p}
	step := func() (float64, error) {
		if s.ctx.Err() != nil {
			return 0, errInterrupted
		}
		start := time.Now()
		_, err := t.Step()
		return time.Since(start).Seconds(), err
	}
	if r.first, err = step(); err != nil {
		return nil, err
	}
	if _, err := step(); err != nil { // the pages are there, the branches known
		return nil, err
	}
	limit := c.Measure.Seconds() / float64(c.Rounds)
	var allocated, steps uint64
	for range c.Rounds {
		before := kernels.Ceiling(kernels.Threads())
		var clock nn.Clock
		t.SetClock(&clock)
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		begun := memory.TotalAlloc
		n := 0
		for start := time.Now(); n == 0 || time.Since(start).Seconds() < limit; n++ {
			if _, err := step(); err != nil {
				return nil, err
			}
		}
		runtime.ReadMemStats(&memory)
		allocated, steps = allocated+memory.TotalAlloc-begun, steps+uint64(n)
		t.SetClock(nil)
		r.ceiling = append(r.ceiling, max(before, kernels.Ceiling(kernels.Threads())))
		r.seconds = append(r.seconds, clock.Total().Seconds()/float64(n))
		r.clocks, r.steps = append(r.clocks, clock), append(r.steps, n)
	}
	r.bytes = float64(allocated) / float64(steps)
	return r, nil
}

// middle returns the round whose step is the median, or the faster of the two in the middle.
func (r *stepResult) middle() int {
	order := make([]int, len(r.seconds))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(r.seconds[a], r.seconds[b]) })
	return order[(len(order)-1)/2]
}

func (r *stepResult) tokens() float64 { return r.plan.stepTokens() / r.seconds[r.middle()] }
func (r *stepResult) gflops() float64 {
	return r.plan.finest().flopsTotal / r.seconds[r.middle()] / 1e9
}
func (r *stepResult) share() float64 { return r.gflops() / median(r.ceiling) }

// part returns the seconds of a step that the median round has spent in a part of a pass.
func (r *stepResult) part(pass nn.Pass, part nn.Part) float64 {
	i := r.middle()
	return r.clocks[i].Times[pass][part].Seconds() / float64(r.steps[i])
}

// stepLine is a line of --json. Times are in seconds of a step, memory in bytes.
type stepLine struct {
	Version      string                        `json:"version"`
	ISA          string                        `json:"isa"`
	Threads      int                           `json:"threads"`
	Method       string                        `json:"method"`
	Blocks       int                           `json:"blocks"`
	Width        int                           `json:"width"`
	Heads        int                           `json:"heads"`
	Context      int                           `json:"context"`
	Batch        int                           `json:"batch"`
	Accumulate   int                           `json:"accumulate"`
	Recompute    bool                          `json:"recompute"`
	Vocab        int                           `json:"vocab"`
	Optimizer    string                        `json:"optimizer"`
	Parameters   int                           `json:"parameters"`
	Rounds       int                           `json:"rounds"`
	Seconds      float64                       `json:"seconds"`
	Fastest      float64                       `json:"fastest"` // of the rounds
	Slowest      float64                       `json:"slowest"`
	First        float64                       `json:"first_seconds"` // of the first step, which gets the memory
	Tokens       float64                       `json:"tokens_per_second"`
	GFLOPS       float64                       `json:"gflops"`
	Ceiling      float64                       `json:"ceiling_gflops"`
	Share        float64                       `json:"ceiling_share"`
	Allocated    float64                       `json:"allocated_bytes"`
	Memory       footprint                     `json:"memory"`          // planned
	PeakMemory   int64                         `json:"peak_memory"`     // of the process so far, if the system tells
	SecondsParts map[string]map[string]float64 `json:"seconds_by_part"` // by pass, then by part; of the median round
}

func (r *stepResult) line() stepLine {
	o, c := r.plan.options, r.plan.finest().config
	l := stepLine{
		Version: version(), ISA: kernels.ISA(), Threads: kernels.Threads(), Method: c.Method,
		Blocks: c.Blocks, Width: c.Width, Heads: c.Heads, Context: c.Context, Batch: o.Batch, Accumulate: o.Accumulate, Recompute: o.Recompute,
		Vocab: c.Vocab, Optimizer: o.Optimizer, Parameters: c.Parameters(), Rounds: len(r.seconds),
		Seconds: significant(r.seconds[r.middle()]), Fastest: significant(slices.Min(r.seconds)), Slowest: significant(slices.Max(r.seconds)),
		First: significant(r.first), Tokens: significant(r.tokens()), GFLOPS: significant(r.gflops()), Ceiling: significant(median(r.ceiling)), Share: significant(r.share()),
		Allocated: significant(r.bytes), Memory: r.plan.footprint(0), PeakMemory: peakMemory(), SecondsParts: map[string]map[string]float64{},
	}
	for pass := range nn.Passes {
		parts := map[string]float64{}
		for part := range nn.Parts {
			parts[part.String()] = r.part(pass, part)
		}
		l.SecondsParts[pass.String()] = parts
	}
	return l
}

func (c *benchStepCmd) print(w io.Writer, results []*stepResult) error {
	if c.JSON {
		e := json.NewEncoder(w)
		for _, r := range results {
			if err := e.Encode(r.line()); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Fprintf(w, "vcycle %s: %s kernels on %s of %s, medians of %s\n\n", version(), kernels.ISA(), plural(kernels.Threads(), "thread"), cpuName(), plural(c.Rounds, "round"))
	if c.Sweep != "" {
		return c.printSweep(w, results)
	}
	r := results[0]
	l := r.line()
	fmt.Fprintf(w, "model       %s\n", r.plan.describeModel())
	fmt.Fprintf(w, "step        %d × %d tokens, %s: %s s (%s to %s; the first %s)\n", l.Batch, l.Context, l.Optimizer, si3(l.Seconds), si3(l.Fastest), si3(l.Slowest), si3(l.First))
	fmt.Fprintf(w, "rate        %s tokens/s, %s GFLOP/s, %s of the ceiling, which is %s\n", si(l.Tokens), si(l.GFLOPS), percent(l.Share, 1), si(l.Ceiling))
	fmt.Fprintf(w, "allocated   %s a step\n", byteSize(math.Round(l.Allocated)))
	fmt.Fprintf(w, "memory      %s planned", byteSize(float64(l.Memory.Peak)))
	if l.PeakMemory > 0 {
		fmt.Fprintf(w, ", %s at the peak of the process", byteSize(float64(l.PeakMemory)))
	}
	fmt.Fprint(w, "\n\n")
	return r.printParts(w)
}

// si3 returns v with three digits.
func si3(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// printParts writes the milliseconds of a step of the median round, by pass and part, and their sums.
func (r *stepResult) printParts(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "ms\t")
	for pass := range nn.Passes {
		fmt.Fprintf(t, "%v\t", pass)
	}
	fmt.Fprint(t, "all\t\t\n")
	total := r.seconds[r.middle()]
	row := func(name string, parts []nn.Part) {
		fmt.Fprintf(t, "%s\t", name)
		sum := 0.0
		for pass := range nn.Passes {
			s := 0.0
			for _, p := range parts {
				s += r.part(pass, p)
			}
			sum += s
			fmt.Fprintf(t, "%.2f\t", 1000*s)
		}
		fmt.Fprintf(t, "%.2f\t%s\t\n", 1000*sum, percent(sum, total))
	}
	order := []nn.Part{nn.PartMatmul, nn.PartAttention, nn.PartHead, nn.PartNorms, nn.PartRest}
	for _, p := range order {
		row(p.String(), []nn.Part{p})
	}
	row("all", order)
	return t.Flush()
}

// printSweep writes a line for each size.
func (c *benchStepCmd) printSweep(w io.Writer, results []*stepResult) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s\tparameters\tms a step\ttokens/s\tGFLOP/s\tof the ceiling\t\n", c.Sweep)
	for _, r := range results {
		l := r.line()
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t\n", sweepValue(c.Sweep, r), commas(int64(l.Parameters)), si3(1000*l.Seconds), si(l.Tokens), si(l.GFLOPS), percent(l.Share, 1))
	}
	return t.Flush()
}

// sweepValue returns the size that a sweep goes over.
func sweepValue(sweep string, r *stepResult) int {
	c := r.plan.finest().config
	return map[string]int{"context": c.Context, "width": c.Width, "blocks": c.Blocks, "batch": r.plan.options.Batch}[sweep]
}

// randomTokens is a source of tokens that are uniform in a hash of seed, step and place.
type randomTokens struct {
	vocab, context int
	seed           uint64
}

// Batch implements multilevel.Source.
func (s *randomTokens) Batch(step int, tokens, targets []int32) {
	x := s.seed<<32 ^ uint64(step)
	for i := range tokens {
		x = x*6364136223846793005 + 1442695040888963407 // Knuth, TAOCP, vol. 2, §3.3.4
		tokens[i] = int32(x >> 33 % uint64(s.vocab))
		if i > 0 {
			targets[i-1] = tokens[i]
		}
	}
	targets[len(targets)-1] = tokens[0]
}

// Validation implements multilevel.Source.
func (s *randomTokens) Validation() (tokens, targets []int32) {
	return make([]int32, s.context), make([]int32, s.context)
}

// Vocab implements multilevel.Source.
func (s *randomTokens) Vocab() int { return s.vocab }

// Fingerprint implements multilevel.Source.
func (s *randomTokens) Fingerprint() string {
	return strings.Join([]string{"random", strconv.Itoa(s.vocab), strconv.FormatUint(s.seed, 10)}, ":")
}
