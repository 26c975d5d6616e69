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
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/vcycle-go/vcycle/multilevel"
)

// compareCmd runs schedules beside single-level training and its controls, all for the same time.
type compareCmd struct {
	Out         string    `group:"run" required:"" placeholder:"DIR" help:"Directory of the comparison: a run for each cell. What is finished there is kept, what was interrupted goes on."`
	Schedules   []string  `group:"levels" default:"nested,late,adaptive" help:"Schedules to compare with single-level training."`
	Shallow     []int     `group:"levels" placeholder:"3,6" help:"Depths of the controls, trained alone. Default: the coarser depths that the schedules pass through."`
	Seeds       []int64   `group:"training" default:"1,2,3" help:"Seeds. The rates are tuned with the first."`
	Rates       []float64 `group:"training" default:"0.001,0.002,0.004" help:"Peak learning rates, the same grid for all."`
	LRSchedules []string  `name:"lr-schedules" group:"training" default:"wsd" help:"wsd, cosine or both; each has its own baseline. The schedule adaptive has wsd only."`
	settings
}

// Help is the detailed help.
func (compareCmd) Help() string {
	var refused []string
	for _, d := range decided {
		refused = append(refused, "--"+d.flag)
	}
	return "The baseline trains all blocks from the start for --steps. Every schedule, and every shallower network alone, gets as many steps as " +
		"take the same time, by a measurement of the steps on each level that is made once. Each has the best rate of the same grid, and is fully decayed. " +
		"A rate that diverges is left out. The directory gets compare.md, compare.json and plots.\n\n" +
		"Refused, because the comparison sets it itself: " + strings.Join(refused, ", ") + ".\n\n" + exitCodes
}

// cell is one run of a comparison.
type cell struct {
	Name       string  `json:"name"` // of what is compared
	LRSchedule string  `json:"lr_schedule"`
	Rate       float64 `json:"rate"`
	Seed       int64   `json:"seed"`
}

func (c cell) dir(out string) runDir {
	return runDir(filepath.Join(out, fmt.Sprintf("%s-%s-lr%g-seed%d", c.Name, c.LRSchedule, c.Rate, c.Seed)))
}

const (
	compareBaseline = "single"
	compareShallow  = "shallow-" // and the depth
)

// comparison is what a directory was begun with; what is not the same cannot go on in it.
type comparison struct {
	Settings settings  `json:"settings"`
	Data     string    `json:"data"` // SHA-256 of what was read: the same path may hold another text
	Depths   []int     `json:"depths"`
	Seconds  []float64 `json:"seconds"` // of a step at each depth
}

// decided are the flags of train that a comparison sets itself, and what to do instead of giving them.
var decided = []struct{ flag, instead string }{
	{"time", "the budget is the time that --steps of the baseline take"},
	{"tokens", "the budget is the time that --steps of the baseline take"},
	{"step-seconds", "the steps are measured"},
	{"init", "all begin with new networks"},
	{"lr", "--rates are those that are tried"},
	{"lr-schedule", "give --lr-schedules"},
	{"seed", "give --seeds"},
	{"multilevel", "give --schedules"},
	{"levels", "each schedule has its own; --shallow are the depths of the controls"},
	{"level-fractions", "each schedule has its own"},
	{"cycles", "each schedule has its own"},
	{"prolong", "each schedule has its own"},
	{"restrict", "each schedule has its own"},
	{"moments", "each schedule has its own"},
	{"step-size-policy", "each schedule has its own"},
	{"alpha", "each schedule has its own"},
	{"rewarm", "each schedule has its own"},
	{"coherence", "each schedule has its own"},
	{"line-search", "each schedule has its own"},
}

// Run refuses what a comparison sets itself, and compares.
func (c *compareCmd) Run(s *session, k *kong.Context) error {
	given := givenFlags(k)
	for _, d := range decided {
		if given[strings.ReplaceAll(d.flag, "-", "_")] {
			return badf("--%s cannot be given: %s", d.flag, d.instead)
		}
	}
	trainingProcess()
	return c.compare(s)
}

// compare runs the cells that are not finished, and writes the tables.
func (c *compareCmd) compare(s *session) error {
	c.settings.Multilevel = multilevel.SingleLevel
	if len(c.Seeds) == 0 || len(c.Rates) == 0 || len(c.LRSchedules) == 0 {
		return badf("--seeds, --rates and --lr-schedules: at least one of each is needed")
	}
	with, err := c.begin(s)
	if err != nil {
		return err
	}
	for _, lr := range c.LRSchedules {
		for _, rate := range c.Rates { // in turns, so that a slow minute of the machine meets all of them
			for _, name := range c.names(with) {
				if err := c.run(s, with, cell{name, lr, rate, c.Seeds[0]}); err != nil {
					return err
				}
			}
		}
		for _, seed := range c.Seeds[1:] {
			for _, name := range c.names(with) {
				best, err := c.best(name, lr)
				if err != nil {
					return err
				}
				if err := c.run(s, with, cell{name, lr, best, seed}); err != nil {
					return err
				}
			}
		}
	}
	return c.report(s, with)
}

// begin reads or makes the record of the comparison: its settings and the time of a step at each depth.
func (c *compareCmd) begin(s *session) (*comparison, error) {
	if err := c.settings.resolve(); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	depths := slices.Clone(c.Shallow)
	for _, name := range c.Schedules {
		o := c.settings.options()
		o.Multilevel, o.Levels, o.LevelFractions = name, nil, nil
		o.Prolong, o.Restrict, o.Moments, o.StepSizePolicy, o.Alpha, o.Rewarm, o.Cycles = "", "", "", "", 0, -1, 0
		if err := o.Validate(); err != nil {
			return nil, badInput{err}
		}
		depths = append(depths, o.Resolve().Levels...)
	}
	depths = append(depths, c.Blocks)
	slices.Sort(depths)
	depths = slices.Compact(depths)
	if len(c.Shallow) == 0 {
		c.Shallow = depths[:len(depths)-1]
	}
	path := filepath.Join(c.Out, "comparison.json")
	text, err := os.ReadFile(path)
	begun := err == nil
	switch {
	case begun:
	case errors.Is(err, fs.ErrNotExist):
		if err := newOrEmpty(c.Out); err != nil {
			return nil, err
		}
	default:
		return nil, badf("--out %w", plainPathError(err))
	}
	r, err := newTraining(s, c.settings, nil)
	if err != nil {
		return nil, err
	}
	with := &comparison{Settings: c.settings, Data: r.data.sha256, Depths: depths}
	if begun {
		var was comparison
		if err := json.Unmarshal(text, &was); err != nil {
			return nil, badf("%s: %w", path, err)
		}
		a, _ := json.Marshal(was.Settings)
		b, _ := json.Marshal(with.Settings)
		if string(a) != string(b) || len(was.Seconds) != len(was.Depths) {
			return nil, badf("--out %s holds a comparison with other settings: choose another directory", c.Out)
		}
		if was.Data != with.Data {
			return nil, badf("--out %s holds a comparison on other data: those had the SHA-256 %.12s…, %s has %.12s…; choose another directory", c.Out, was.Data, r.data.path, with.Data)
		}
		for _, n := range depths {
			if !slices.Contains(was.Depths, n) {
				return nil, badf("--out %s holds a comparison without networks of %d blocks: choose another directory", c.Out, n)
			}
		}
		return &was, nil
	}
	if err := os.MkdirAll(c.Out, 0o777); err != nil {
		return nil, badf("--out %s cannot be written: %w", c.Out, plainPathError(err))
	}
	for _, n := range depths {
		o := r.options()
		o.Multilevel, o.Blocks, o.Levels, o.LevelFractions, o.StepSize = multilevel.SingleLevel, n, nil, nil, c.StepSize
		o.Seconds, o.StepSeconds = 0, nil
		p, err := newPlan(o)
		if err != nil {
			return nil, err
		}
		if err := p.measure(s.ctx, r.data.source, measurement{all: true}); err != nil {
			return nil, err
		}
		with.Seconds = append(with.Seconds, max(p.finest().seconds, 1e-6))
	}
	if s.ctx.Err() != nil {
		return nil, errInterrupted
	}
	text, err = json.MarshalIndent(with, "", "  ")
	if err != nil {
		return nil, err
	}
	return with, writeFile(path, append(text, '\n'))
}

// check refuses what a cell could not be trained with, before any is.
func (c *compareCmd) check() error {
	if c.Out == "" {
		return badf("--out: it must not be empty")
	}
	for _, lr := range c.LRSchedules {
		if lr != multilevel.WSD && lr != multilevel.Cosine {
			return badf("--lr-schedules %s is unknown: use %s or %s", lr, multilevel.WSD, multilevel.Cosine)
		}
	}
	if slices.Contains(c.Schedules, multilevel.Adaptive) && slices.Contains(c.LRSchedules, multilevel.Cosine) {
		return badf("--schedules %s with --lr-schedules %s: it keeps to a time with %s only; leave one of them out", multilevel.Adaptive, multilevel.Cosine, multilevel.WSD)
	}
	for _, rate := range c.Rates {
		o := c.settings.options()
		o.LR = rate
		if err := o.Validate(); err != nil {
			return badf("--rates: %w", err)
		}
	}
	for _, seed := range c.Seeds {
		if seed < 0 {
			return badf("--seeds %d: it must not be negative", seed)
		}
	}
	for _, n := range c.Shallow {
		if n < 1 || n >= c.Blocks {
			return badf("--shallow %d: it must be at least 1 and less than --blocks, %d", n, c.Blocks)
		}
	}
	if slices.Contains(c.Schedules, multilevel.SingleLevel) {
		return badf("--schedules %s: it is the baseline, and trained in any case", multilevel.SingleLevel)
	}
	for _, twice := range []struct {
		flag string
		has  bool
	}{
		{"schedules", repeats(c.Schedules)}, {"shallow", repeats(c.Shallow)}, {"seeds", repeats(c.Seeds)},
		{"rates", repeats(c.Rates)}, {"lr-schedules", repeats(c.LRSchedules)},
	} {
		if twice.has {
			return badf("--%s: one of them is given twice", twice.flag)
		}
	}
	return nil
}

func repeats[T cmp.Ordered](list []T) bool {
	sorted := slices.Sorted(slices.Values(list))
	return len(slices.Compact(sorted)) < len(list)
}

// names returns what is compared: the baseline, the schedules, and the shallower networks.
func (c *compareCmd) names(with *comparison) []string {
	names := append([]string{compareBaseline}, c.Schedules...)
	for _, n := range c.Shallow {
		names = append(names, fmt.Sprintf("%s%d", compareShallow, n))
	}
	return names
}

func (w *comparison) seconds(blocks int) float64 {
	return w.Seconds[slices.Index(w.Depths, blocks)]
}

// settingsOf returns the settings of a cell: as many steps as take the time of the baseline.
func (c *compareCmd) settingsOf(with *comparison, x cell) (settings, error) {
	s := c.settings
	s.LR, s.LRSchedule, s.Seed = x.Rate, x.LRSchedule, x.Seed
	s.Time.Duration, s.StepSeconds, s.Tokens = 0, nil, 0 // they would replace the steps
	s.Levels, s.LevelFractions = nil, nil
	s.Prolong, s.Restrict, s.Moments, s.StepSizePolicy, s.Alpha, s.Rewarm, s.Cycles = "", "", "", "", 0, -1, 0
	budget := float64(c.Steps) * with.seconds(c.Blocks)
	switch depth, shallow := strings.CutPrefix(x.Name, compareShallow); {
	case x.Name == compareBaseline:
		s.Multilevel = multilevel.SingleLevel
	case shallow:
		fmt.Sscan(depth, &s.Blocks)
		s.Multilevel = multilevel.SingleLevel
		s.Steps = int(budget / with.seconds(s.Blocks))
	default:
		s.Multilevel = x.Name
		h, _, err := s.options().Plan()
		if err != nil {
			return s, badInput{err}
		}
		if x.Name == multilevel.Adaptive {
			s.Time.Duration = time.Duration(budget * float64(time.Second))
			for _, l := range h.Levels {
				s.StepSeconds = append(s.StepSeconds, with.seconds(l.Blocks))
			}
			break
		}
		took := 0.0
		for _, l := range h.Levels {
			took += float64(l.Steps) * with.seconds(l.Blocks)
		}
		s.Steps = int(float64(s.Steps) * budget / took)
	}
	s.Warmup = min(c.Warmup, s.Steps)
	return s, nil
}

// run runs a cell, or what is left of it.
func (c *compareCmd) run(s *session, with *comparison, x cell) error {
	dir := x.dir(c.Out)
	if _, err := os.Stat(dir.summary()); err == nil || dir.hasDiverged() {
		return nil
	}
	if s.ctx.Err() != nil {
		return errInterrupted
	}
	set, err := c.settingsOf(with, x)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "%s: %s, rate %g, seed %d\n", x.Name, x.LRSchedule, x.Rate, x.Seed)
	quiet := &session{s.ctx, io.Discard, s.stderr}
	given := map[string]bool{}
	steps, err := dir.steps()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return badf("the run of an earlier start cannot be read: %w", err)
	}
	if len(steps) > 0 {
		err = (&trainCmd{Resume: string(dir), settings: set}).resume(quiet, given)
		return c.ended(s, dir, err)
	}
	if err := dir.discard(); err != nil {
		return err
	}
	for _, key := range settingKeys() {
		given[key] = true
	}
	return c.ended(s, dir, (&trainCmd{Out: string(dir), settings: set}).start(quiet, given))
}

// discard removes what a run leaves that stopped before its first checkpoint, and refuses a directory that
// holds anything else.
func (d runDir) discard() error {
	own := []string{d.config(), d.metrics(), d.tokenizer(), d.plot(), d.checkpoints(), d.diverged()}
	for _, dir := range []string{string(d), d.checkpoints()} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return badf("%w", plainPathError(err))
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			interrupted, cut := strings.CutSuffix(path, ".tmp") // a write
			if !slices.Contains(own, interrupted) && !(cut && dir == d.checkpoints()) {
				return badf("%s is in the way of a run that has no checkpoint: move it, or choose another --out", path)
			}
		}
	}
	if err := os.RemoveAll(string(d)); err != nil {
		return plainPathError(err)
	}
	return nil
}

// diverged is the file that marks a run of a comparison that diverged.
func (d runDir) diverged() string { return filepath.Join(string(d), "diverged.txt") }

func (d runDir) hasDiverged() bool {
	_, err := os.Stat(d.diverged())
	return err == nil
}

// ended marks a cell that diverged, which ends no comparison, and says how to continue an interrupted one.
func (c *compareCmd) ended(s *session, dir runDir, err error) error {
	if errors.As(err, new(*multilevel.DivergedError)) {
		fmt.Fprintf(s.stdout, "diverged: %v\n", err)
		return writeFile(dir.diverged(), []byte(err.Error()+"\n"))
	}
	if err == errInterrupted {
		fmt.Fprintf(s.stdout, "interrupted; the same command continues in %s\n", c.Out)
	}
	return err
}

// best returns the rate with the lowest final loss of the first seed, of those that did not diverge.
func (c *compareCmd) best(name, lr string) (rate float64, err error) {
	lowest := math.Inf(1)
	for _, r := range c.Rates {
		dir := cell{name, lr, r, c.Seeds[0]}.dir(c.Out)
		if dir.hasDiverged() {
			continue
		}
		_, sum, err := readRun(dir)
		if err != nil {
			return 0, err
		}
		if sum.FinalValLoss < lowest {
			lowest, rate = sum.FinalValLoss, r
		}
	}
	if math.IsInf(lowest, 1) {
		return 0, fmt.Errorf("%s, %s: it diverged at all --rates: try lower ones, in the same directory", name, lr)
	}
	return rate, nil
}
