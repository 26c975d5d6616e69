package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/multilevel"
)

// compareCmd runs schedules beside single-level training and its controls, all for the same time.
type compareCmd struct {
	Out         string    `group:"run" required:"" placeholder:"DIR" help:"Directory of the comparison: a run for each cell. What is finished there is kept, what was interrupted goes on."`
	Schedules   []string  `group:"levels" default:"nested,late,adaptive" help:"Schedules to compare with single-level training."`
	Shallow     []int     `group:"levels" placeholder:"3,6" help:"Depths of the controls, trained alone. Default: the coarser depths that the schedules pass through."`
	Seeds       []int64   `group:"training" default:"1,2,3" help:"Seeds. The rates are tuned with the first."`
	Rates       []float64 `group:"training" default:"0.001,0.002,0.004" help:"Peak learning rates, the same grid for all."`
	Scales      []float64 `name:"residual-scales" group:"training" placeholder:"1,0.5,0.25" help:"Step sizes h of the finest level, which scale what the blocks add: each is tried with each of the rates, by all alike. Default: --step-size."`
	Variants    []string  `name:"variant" sep:"none" group:"levels" placeholder:"NAME=..." help:"A schedule of another name: NAME=SCHEDULE KEY=VALUE ..., with the keys of the flags of levels (short=late levels=6,12 level_contexts=64,256). Give it again for each."`
	Jobs        int       `group:"run" default:"1" placeholder:"N" help:"Runs at a time. Where --threads is left out each has its share of them, which pays where that is one: the runs share one team of threads."`
	LRSchedules []string  `name:"lr-schedules" group:"training" default:"wsd" help:"wsd, cosine or both; each has its own baseline."`
	settings
	overrides

	ways []way // --schedules and --variant
}

// Help is the detailed help.
func (compareCmd) Help() string {
	var refused []string
	for _, d := range decided {
		refused = append(refused, "--"+d.flag)
	}
	return "The baseline trains all blocks from the start for --steps. Every schedule, and every shallower network alone, gets as many steps as " +
		"take the same time, by a measurement of the steps on each level that is made once. Times are those of that measurement, so that what else the machine " +
		"does speaks neither for nor against a schedule. Each has the best rate of the same grid (with --residual-scales the best pair of rate and step size), and is fully decayed. A rate that diverges is left out, and a schedule that diverges at all of them has no loss. " +
		"The directory gets compare.md, compare.json and plots; vcycle envelope puts those of several budgets together.\n\n" +
		"Refused, because the comparison sets it itself: " + strings.Join(refused, ", ") + ".\n\n" +
		"Examples:\n\n" +
		"  vcycle compare --out runs/compare --schedules late,zou,mgopt,adaptive --data notes/ --steps 1000\n" +
		"  vcycle compare --out runs/compare --shallow 3 --seeds 1 --rates 0.002\n" +
		"  vcycle compare --out runs/compare --schedules late --variant 'narrow=late level_widths=64,128 prolong=stack' --steps 1000\n\n" + exitCodes
}

// cell is one run of a comparison.
type cell struct {
	Name       string `json:"name"` // of what is compared
	LRSchedule string `json:"lr_schedule"`
	tuning
	Seed int64 `json:"seed"`
}

// tuning is what is the best of a grid, for each schedule of its own.
type tuning struct {
	Rate  float64 `json:"rate"`
	Scale float64 `json:"residual_scale,omitempty"` // step size of the finest level; 0: that of the settings
}

func (c cell) dir(out string) runDir {
	return runDir(filepath.Join(out, fmt.Sprintf("%s-%s-%s-seed%d", c.Name, c.LRSchedule, strings.ReplaceAll(c.tuning.String(), ", ", "-"), c.Seed)))
}

func (t tuning) String() string {
	if t.Scale == 0 {
		return fmt.Sprintf("lr%g", t.Rate)
	}
	return fmt.Sprintf("lr%g, h%g", t.Rate, t.Scale)
}

// grid returns all that is tried.
func (c *compareCmd) grid() (all []tuning) {
	scales := c.Scales
	if len(scales) == 0 {
		scales = []float64{0}
	}
	for _, rate := range c.Rates {
		for _, scale := range scales {
			all = append(all, tuning{rate, scale})
		}
	}
	return all
}

const (
	compareBaseline = "single"
	compareShallow  = "shallow-" // and the depth
)

// comparison is what a directory was begun with; what is not the same cannot go on in it.
type comparison struct {
	Settings settings      `json:"settings"`
	Data     string        `json:"data"`   // SHA-256 of what was read: the same path may hold another text
	Levels   []networkStep `json:"levels"` // the last is that of the baseline
	// Parameters is how many the network of all blocks has.
	Parameters int `json:"parameters"`
}

// network is what the time of a step depends on.
type network struct {
	Blocks  int `json:"blocks"`
	Width   int `json:"width"`
	Context int `json:"context"`
}

// networkStep is what a step on a level takes.
type networkStep struct {
	network
	Seconds float64 `json:"seconds"`
	FLOPs   float64 `json:"flops"` // blocks and head
}

// decided are the flags of train that a comparison sets itself, and what to do instead of giving them.
var decided = []struct{ flag, instead string }{
	{"time", "the budget is the time that --steps of the baseline take"},
	{"tokens", "the budget is the time that --steps of the baseline take"},
	{"step-seconds", "the steps are measured"},
	{"init", "all begin with new networks"},
	{"patience", "all take the same time"},
	{"lr", "--rates are those that are tried"},
	{"lr-schedule", "give --lr-schedules"},
	{"seed", "give --seeds"},
	{"multilevel", "give --schedules"},
	{"levels", "each schedule has its own; --shallow are the depths of the controls"},
	{"level-fractions", "each schedule has its own"},
	{"level-widths", "each schedule has its own"},
	{"level-contexts", "each schedule has its own"},
	{"level-rates", "each schedule has its own"},
	{"cycles", "each schedule has its own"},
	{"prolong", "each schedule has its own"},
	{"restrict", "each schedule has its own"},
	{"moments", "each schedule has its own"},
	{"step-size-policy", "each schedule has its own"},
	{"step-sizes", "the controls have other depths"},
	{"alpha", "each schedule has its own"},
	{"rewarm", "each schedule has its own"},
	{"coherence", "each schedule has its own"},
	{"line-search", "each schedule has its own"},
	{"on-divergence", "a rate that diverges is left out"},
}

// Run refuses what a comparison sets itself, and compares.
func (c *compareCmd) Run(s *session, k *kong.Context) error {
	given, err := checkedFlags(k, &c.settings, c.Set)
	if err != nil {
		return err
	}
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
	if c.Jobs < 1 {
		return badf("--jobs %d: it must be at least 1", c.Jobs)
	}
	if c.Jobs > 1 && c.Threads == 0 {
		c.Threads = max(1, kernels.Threads()/c.Jobs)
	}
	if len(c.Seeds) == 0 || len(c.Rates) == 0 || len(c.LRSchedules) == 0 {
		return badf("--seeds, --rates and --lr-schedules: at least one of each is needed")
	}
	with, err := c.begin(s)
	if err != nil {
		return err
	}
	var cells []cell
	for _, lr := range c.LRSchedules {
		for _, tried := range c.grid() {
			for _, name := range c.names() {
				cells = append(cells, cell{name, lr, tried, c.Seeds[0]})
			}
		}
	}
	if err := c.runAll(s, with, cells); err != nil {
		return err
	}
	for _, lr := range c.LRSchedules {
		if _, err := c.best(compareBaseline, lr); err != nil {
			return fmt.Errorf("single-level training, %s: %w: try lower ones, in the same directory", lr, err)
		}
	}
	cells = nil
	for _, seed := range c.Seeds[1:] {
		for _, lr := range c.LRSchedules {
			for _, name := range c.names() {
				best, err := c.best(name, lr)
				if err == errAllDiverged {
					continue
				}
				if err != nil {
					return err
				}
				cells = append(cells, cell{name, lr, best, seed})
			}
		}
	}
	if err := c.runAll(s, with, cells); err != nil {
		return err
	}
	return c.report(s, with)
}

// begin reads or makes the record of the comparison: its settings and the time of a step on each level.
func (c *compareCmd) begin(s *session) (*comparison, error) {
	if err := c.settings.resolve(); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	var err error
	if c.ways, err = c.parseWays(); err != nil {
		return nil, err
	}
	levels := map[network]multilevel.Level{}
	for _, w := range c.ways {
		h, _, err := w.settings.options().Plan()
		if err != nil {
			return nil, badInput{err}
		}
		for _, l := range h.Levels {
			levels[c.networkOf(l)] = l
		}
	}
	if len(c.Shallow) == 0 {
		for n := range levels {
			if n.Blocks < c.Blocks {
				c.Shallow = append(c.Shallow, n.Blocks)
			}
		}
		slices.Sort(c.Shallow)
		c.Shallow = slices.Compact(c.Shallow)
	}
	for _, n := range append(slices.Clone(c.Shallow), c.Blocks) {
		l := multilevel.Level{Blocks: n}
		levels[c.networkOf(l)] = l
	}
	networks := slices.SortedFunc(maps.Keys(levels), network.compare)
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
	with := &comparison{Settings: c.settings, Data: r.data.sha256}
	if begun {
		var was comparison
		if err := json.Unmarshal(text, &was); err != nil {
			return nil, badf("%s: %w", path, err)
		}
		same := was.Settings // but for what changes no result; the times of the steps are those of the beginning
		same.Threads, same.SaveEvery = with.Settings.Threads, with.Settings.SaveEvery
		a, _ := json.Marshal(same)
		b, _ := json.Marshal(with.Settings)
		if string(a) != string(b) {
			return nil, badf("--out %s holds a comparison with other settings: choose another directory", c.Out)
		}
		if err := was.check(); err != nil {
			return nil, badf("%s: %w", path, err)
		}
		if was.Data != with.Data {
			return nil, badf("--out %s holds a comparison on other data: those had the SHA-256 %.12s…, %s has %.12s…; choose another directory", c.Out, was.Data, r.data.path, with.Data)
		}
		for _, n := range networks {
			if was.step(n) == nil {
				return nil, badf("--out %s holds a comparison without networks of %v: choose another directory", c.Out, n)
			}
		}
		return &was, nil
	}
	if err := os.MkdirAll(c.Out, 0o777); err != nil {
		return nil, badf("--out %s cannot be written: %w", c.Out, plainPathError(err))
	}
	for _, n := range networks {
		o := r.options()
		o.Multilevel, o.Blocks, o.Levels, o.LevelFractions, o.StepSize = multilevel.SingleLevel, n.Blocks, nil, nil, c.StepSize
		o.Batch, o.Context = o.Batch*o.Context/n.Context, n.Context // of as many tokens
		if l := levels[n]; l.Width > 0 {
			o.Width, o.Heads = l.Width, l.Heads
		}
		o.Seconds, o.StepSeconds = 0, nil
		p, err := newPlan(o)
		if err != nil {
			return nil, err
		}
		if err := p.measure(s.ctx, r.data.source, measurement{all: true, budget: 2 * time.Second}); err != nil {
			return nil, err
		}
		with.Levels = append(with.Levels, networkStep{n, max(p.finest().seconds, 1e-6), p.finest().flopsTotal})
	}
	with.Parameters = r.options().Config(multilevel.Level{Blocks: c.Blocks}).Parameters()
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
	for _, t := range c.grid() {
		o, flag := c.settings.options(), "--rates"
		if o.LR = t.Rate; t.Scale != 0 && o.Validate() == nil {
			o.StepSize, flag = t.Scale, "--residual-scales"
		}
		if err := o.Validate(); err != nil {
			return badf("%s: %w", flag, err)
		}
	}
	if slices.Contains(c.Scales, 0) {
		return badf("--residual-scales: a step size of 0: blocks would add nothing")
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
		{"rates", repeats(c.Rates)}, {"residual-scales", repeats(c.Scales)}, {"lr-schedules", repeats(c.LRSchedules)},
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

// way is a schedule or a variant of one: the settings of its runs, but for what each cell sets.
type way struct {
	name     string
	settings settings
}

// variantKeys are the settings that a variant may give.
var variantKeys = []string{"levels", "level_fractions", "level_widths", "level_contexts", "level_rates", "cycles", "prolong", "restrict", "moments", "step_size_policy", "step_size_exponent",
	"alpha", "rewarm", "coherence", "line_search"}

// parseWays returns the schedules and the variants, checked.
func (c *compareCmd) parseWays() ([]way, error) {
	var all []way
	add := func(flag, name, schedule string, options []string) error {
		s := c.settings
		s.overlay(settings{Multilevel: schedule}, map[string]bool{"multilevel": true})
		for _, option := range options {
			key, value, ok := strings.Cut(option, "=")
			if !ok || !slices.Contains(variantKeys, key) {
				return badf("--%s: %q is not KEY=VALUE with one of the keys %s", flag, option, strings.Join(variantKeys, ", "))
			}
			if err := s.assign(key, value); err != nil {
				return badf("--%s: %s: %w", flag, option, err)
			}
		}
		if err := s.options().Validate(); err != nil {
			return badf("--%s: %w", flag, err)
		}
		all = append(all, way{name, s})
		return nil
	}
	for _, name := range c.Schedules {
		if err := add("schedules "+name, name, name, nil); err != nil {
			return nil, err
		}
	}
	for _, v := range c.Variants {
		name, what, _ := strings.Cut(v, "=")
		fields := strings.Fields(what)
		if name == "" || len(fields) == 0 || strings.ContainsAny(name, "/\\ ") {
			return nil, badf("--variant %q: it is not NAME=SCHEDULE KEY=VALUE ...", v)
		}
		if name == compareBaseline || strings.HasPrefix(name, compareShallow) || slices.ContainsFunc(all, func(w way) bool { return w.name == name }) {
			return nil, badf("--variant %s: that name is taken", name)
		}
		if err := add("variant "+name, name, fields[0], fields[1:]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// names returns what is compared: the baseline, the schedules, and the shallower networks.
func (c *compareCmd) names() []string {
	names := []string{compareBaseline}
	for _, w := range c.ways {
		names = append(names, w.name)
	}
	for _, n := range c.Shallow {
		names = append(names, fmt.Sprintf("%s%d", compareShallow, n))
	}
	return names
}

// networkOf returns the network of a level.
func (c *compareCmd) networkOf(l multilevel.Level) network {
	return network{l.Blocks, cmp.Or(l.Width, c.Width), cmp.Or(l.Context, c.Context)}
}

func (n network) String() string {
	return fmt.Sprintf("%s of width %d and context %d", blocks(n.Blocks), n.Width, n.Context)
}

// compare orders networks, the largest last.
func (n network) compare(m network) int {
	return cmp.Or(cmp.Compare(n.Blocks, m.Blocks), cmp.Compare(n.Width, m.Width), cmp.Compare(n.Context, m.Context))
}

// check refuses what no comparison has written.
func (w *comparison) check() error {
	if len(w.Levels) == 0 {
		return errors.New("it has no times of steps by level, as those of earlier versions: begin the comparison in another directory")
	}
	bad := w.full() == nil
	for _, l := range w.Levels {
		bad = bad || !(l.Seconds > 0) || !(l.FLOPs > 0)
	}
	if bad {
		return errors.New("the levels and the times of their steps do not fit together: begin the comparison in another directory")
	}
	return nil
}

// step returns what was measured of a network; nil: nothing.
func (w *comparison) step(n network) *networkStep {
	if i := slices.IndexFunc(w.Levels, func(l networkStep) bool { return l.network == n }); i >= 0 {
		return &w.Levels[i]
	}
	return nil
}

// full returns the step of the baseline.
func (w *comparison) full() *networkStep {
	return w.step(network{w.Settings.Blocks, w.Settings.Width, w.Settings.Context})
}

// retime sets the wall-clock of a run to what its operations take by the measured times of a step.
func (w *comparison) retime(metrics []multilevel.Metrics) {
	var flops, seconds float64
	for i := range metrics {
		m := &metrics[i]
		l := w.step(network{m.Blocks, cmp.Or(m.Width, w.Settings.Width), cmp.Or(m.Context, w.Settings.Context)})
		if l == nil {
			continue // no run of this comparison
		}
		seconds += (m.FLOPsTotal - flops) * l.Seconds / l.FLOPs
		flops, m.WallSeconds = m.FLOPsTotal, seconds
	}
}

// settingsOf returns the settings of a cell: as many steps as take the time of the baseline.
func (c *compareCmd) settingsOf(with *comparison, x cell) (settings, error) {
	s := c.settings
	s.Levels, s.LevelFractions = nil, nil
	if i := slices.IndexFunc(c.ways, func(w way) bool { return w.name == x.Name }); i >= 0 {
		s = c.ways[i].settings
	}
	s.LR, s.LRSchedule, s.Seed = x.Rate, x.LRSchedule, x.Seed
	if x.Scale != 0 {
		s.StepSize = x.Scale
	}
	s.OnDivergence = multilevel.StopOnDivergence         // a rate that diverges is out, not lowered
	s.Time.Duration, s.StepSeconds, s.Tokens = 0, nil, 0 // they would replace the steps
	budget := float64(c.Steps) * with.full().Seconds
	switch depth, shallow := strings.CutPrefix(x.Name, compareShallow); {
	case x.Name == compareBaseline:
		s.Multilevel = multilevel.SingleLevel
	case shallow:
		fmt.Sscan(depth, &s.Blocks)
		s.Multilevel = multilevel.SingleLevel
		s.Steps = int(budget / with.step(network{s.Blocks, s.Width, s.Context}).Seconds)
	default:
		h, _, err := s.options().Plan()
		if err != nil {
			return s, badInput{err}
		}
		if s.Multilevel == multilevel.Adaptive {
			s.Time.Duration = time.Duration(budget * float64(time.Second))
			for _, l := range h.Levels {
				s.StepSeconds = append(s.StepSeconds, with.step(c.networkOf(l)).Seconds)
			}
			break
		}
		took := 0.0
		for _, l := range h.Levels {
			took += float64(l.Steps) * with.step(c.networkOf(l)).Seconds
		}
		s.Steps = int(float64(s.Steps) * budget / took)
	}
	s.Warmup = min(c.Warmup, s.Steps)
	return s, nil
}

// runAll runs the cells that are not finished, c.Jobs at a time. The first error ends it, after the runs in
// progress.
func (c *compareCmd) runAll(s *session, with *comparison, cells []cell) error {
	todo := make(chan cell)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	fail := func(err error) (failed bool) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = err
		}
		return first != nil
	}
	one := &session{ctx: s.ctx, stdout: &lockedWriter{w: s.stdout, mu: &mu}, stderr: &lockedWriter{w: s.stderr, mu: &mu}, runs: min(c.Jobs, max(1, len(cells)))}
	for range c.Jobs {
		wg.Go(func() {
			for x := range todo {
				if !fail(nil) {
					fail(c.run(one, with, x))
				}
			}
		})
	}
	for _, x := range cells {
		todo <- x
	}
	close(todo)
	wg.Wait()
	if first == errInterrupted {
		fmt.Fprintf(s.stdout, "interrupted; the same command continues in %s\n", c.Out)
	}
	return first
}

// lockedWriter lets several runs write lines.
type lockedWriter struct {
	w  io.Writer
	mu *sync.Mutex
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
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
	fmt.Fprintf(s.stdout, "%s: %s, %s, seed %d\n", x.Name, x.LRSchedule, x.tuning, x.Seed)
	return dir.ended(s, dir.trainQuietly(s, set))
}

// trainQuietly begins the run of a cell, or goes on with it where an earlier start was interrupted.
func (d runDir) trainQuietly(s *session, set settings) error {
	quiet := &session{ctx: s.ctx, stdout: io.Discard, stderr: s.stderr, runs: s.runs}
	given := map[string]bool{}
	steps, err := d.steps()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return badf("the run of an earlier start cannot be read: %w", err)
	}
	if len(steps) > 0 {
		return (&trainCmd{Resume: string(d), settings: set}).resume(quiet, given)
	}
	if err := d.discard(); err != nil {
		return err
	}
	for _, key := range settingKeys() {
		given[key] = true
	}
	return (&trainCmd{Out: string(d), settings: set, unmeasured: true}).start(quiet, given)
}

// discard removes what a run leaves that stopped before its first checkpoint, and refuses a directory that
// holds anything else.
func (d runDir) discard() error {
	own := []string{d.config(), d.metrics(), d.tokenizer(), d.plot(), d.tensorboard(), d.checkpoints(), d.diverged(), d.lockFile()}
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
	if _, err := os.Stat(d.lockFile()); err == nil { // of a process that may be before its first checkpoint
		unlock, err := d.lock(&session{stderr: io.Discard})
		if err != nil {
			return err
		}
		unlock()
	}
	if err := os.RemoveAll(string(d)); err != nil {
		return plainPathError(err)
	}
	return nil
}

// diverged is the file that marks a run that ended because it diverged.
func (d runDir) diverged() string { return filepath.Join(string(d), "diverged.txt") }

func (d runDir) hasDiverged() bool {
	_, err := os.Stat(d.diverged())
	return err == nil
}

// ended marks a cell that diverged, which ends neither comparison nor sweep.
func (d runDir) ended(s *session, err error) error {
	if errors.As(err, new(*multilevel.DivergedError)) {
		fmt.Fprintf(s.stdout, "diverged: %v\n", err)
		return writeFile(d.diverged(), []byte(err.Error()+"\n"))
	}
	return err
}

// errAllDiverged is the answer of best where no run of the grid came to its end.
var errAllDiverged = errors.New("it diverged at all --rates")

// best returns what has the lowest final loss of the first seed, of the grid but for what diverged.
func (c *compareCmd) best(name, lr string) (best tuning, err error) {
	lowest := math.Inf(1)
	for _, tried := range c.grid() {
		dir := cell{name, lr, tried, c.Seeds[0]}.dir(c.Out)
		if dir.hasDiverged() {
			continue
		}
		_, sum, err := readRun(dir)
		if err != nil {
			return best, err
		}
		if sum.FinalValLoss < lowest {
			lowest, best = sum.FinalValLoss, tried
		}
	}
	if math.IsInf(lowest, 1) {
		return best, errAllDiverged
	}
	return best, nil
}
