package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/multilevel"
)

// trainCmd trains a model, from the start or from a checkpoint.
type trainCmd struct {
	Out    string `group:"run" placeholder:"DIR" help:"Directory to write the run to; it must be new or empty. Default: runs/<time>."`
	Config string `group:"run" placeholder:"FILE" help:"TOML file with settings: the names of the flags with _ for -. Flags take precedence. The config.toml of a run repeats it."`
	Resume string `group:"run" placeholder:"DIR" help:"Continue the run in DIR from its newest checkpoint, or from the start if it has none, to the same bits as if it had not been interrupted."`
	settings
	overrides
	reporting
	profiles

	unmeasured bool      // nobody asks how long it will take
	reporter   *reporter // nil: of a run that nobody watches
}

// Help is the detailed help.
func (trainCmd) Help() string {
	return "Without flags, a Transformer of 12 blocks learns the Go source tree of the installed toolchain: " +
		"first as a network of 3 blocks, which is refined when that promises more than staying (vcycle schedules).\n\n" +
		"vcycle help files says what a run directory holds. " +
		"The first SIGINT or SIGTERM ends the run after the current step with a checkpoint (exit code 130), a second one at once.\n\n" +
		"Examples:\n\n" +
		"  vcycle train --time 30m --data notes/ --out runs/notes\n" +
		"  vcycle train --resume runs/notes\n" +
		"  vcycle train --blocks 24 --levels 6,12,24 --width 256 --heads 8 --steps 4000 --patience 5\n" +
		"  vcycle train --config runs/notes/config.toml --seed 2\n" +
		"  vcycle train --init gpt2/ --data shards --lr 1e-4\n" +
		"  vcycle train --tensorboard --metrics-addr localhost:9100 --log-format json > train.log\n\n" + exitCodes
}

// Run trains.
func (c *trainCmd) Run(s *session, k *kong.Context) (err error) {
	given, err := checkedFlags(k, &c.settings, c.Set)
	if err != nil {
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
	trainingProcess()
	if c.reporter, s, err = c.reporting.open(s); err != nil {
		return err
	}
	defer c.reporter.close()
	defer c.announceStop(s)()
	if c.Resume != "" {
		return c.resume(s, given)
	}
	return c.start(s, given)
}

// trainingProcess sets what a process that trains needs: whoever reads the output may go, the run is kept; and
// the heap holds next to no garbage.
func trainingProcess() {
	signal.Ignore(syscall.SIGPIPE)
	keepHeapTight()
}

// fileFlags are the flags that stand for files and directories.
var fileFlags = []string{"data", "out", "config", "resume", "tokenizer", "init", "cpuprofile", "memprofile", "trace", "plot"}

// checkedFlags returns the keys of the flags that the command line sets, those of --set among them, which it
// sets in flags. It refuses flags that stand for files and are empty, as of a shell variable that is not set,
// and two that say how long to train.
func checkedFlags(k *kong.Context, flags *settings, set []string) (map[string]bool, error) {
	for _, p := range k.Path {
		if p.Flag != nil && slices.Contains(fileFlags, p.Flag.Name) && p.Flag.Target.String() == "" {
			return nil, badf("--%s: it must not be empty", p.Flag.Name)
		}
	}
	given := givenFlags(k)
	if err := flags.override(set, given); err != nil {
		return nil, err
	}
	return given, oneBudget(given)
}

// oneBudget refuses keys that say in two ways how long to train.
func oneBudget(given map[string]bool) error {
	var budgets []string
	for _, name := range []string{"steps", "tokens", "time"} {
		if given[name] {
			budgets = append(budgets, "--"+name)
		}
	}
	if len(budgets) > 1 {
		return badf("%s: give one of them", strings.Join(budgets, " and "))
	}
	return nil
}

// configured returns the settings of a command line over those of the file that it names, if any, and over
// base, the model that a run with them begins with, if there is one, and what the command line gives.
func configured(s *session, given map[string]bool, base settings, path string, flags settings) (file configFile, init *model, err error) {
	file.settings = base
	if path != "" {
		if err := file.read(path); err != nil {
			return file, nil, badf("--config %w", err)
		}
	}
	file.overlay(flags, given)
	if init, err = file.openInit(s, given); err != nil {
		return file, nil, err
	}
	return file, init, file.resolve()
}

// announceStop tells the user that the first signal has been heard. What it returns ends that.
func (c *trainCmd) announceStop(s *session) (end func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(s.ctx, func() {
		defer close(done)
		if newConsole(s.stdout).width != nil {
			fmt.Fprintln(s.stderr) // leaves the live line
		}
		fmt.Fprintln(s.stderr, "vcycle train: stopping after this step; a second signal stops at once")
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// start begins a new run.
func (c *trainCmd) start(s *session, given map[string]bool) error {
	file, init, err := configured(s, given, defaultSettings(), c.Config, c.settings)
	if err != nil {
		return err
	}
	now := time.Now()
	if _, err := newRunDir(c.Out, now); err != nil { // before the data are read
		return err
	}
	expected := file.Recorded
	if given["data"] {
		expected = nil
	}
	r, err := newTraining(s, file.settings, expected)
	if err != nil {
		return err
	}
	if err := r.checkInit(init); err != nil {
		return err
	}
	if err := r.fitTime(); err != nil {
		if err == errInterrupted {
			r.console.print("interrupted before the first step: no run has been begun\n")
		}
		return err
	}
	if r.dir, err = createRunDir(c.Out, now); err != nil {
		return err
	}
	unlock, err := r.dir.lock(s)
	if err != nil {
		return err
	}
	defer unlock()
	r.watch(c.reporter)
	if err := r.createFiles(); err != nil {
		return err
	}
	how := briefly
	if c.unmeasured {
		how.budget = 0
	}
	if err := r.prepare(how); err != nil {
		return err
	}
	r.describe()
	r.console.print("run       %s\n\n", r.dir)
	// Not before: the models that are measured have the memory to themselves.
	if err := r.begin(init); err != nil {
		return err
	}
	if err := r.reporter.begin(r, 0); err != nil {
		return err
	}
	return r.train()
}

// begin makes the network of a new run, which is init if that is not nil.
func (r *training) begin(init *model) (err error) {
	if r.trainer, err = multilevel.NewTrainer(r.options(), r.data.source); err != nil {
		return badInput{err}
	}
	if init == nil {
		return nil
	}
	return init.fill(r.trainer.Decoder())
}

// resume continues a run.
func (c *trainCmd) resume(s *session, given map[string]bool) error {
	dir := runDir(filepath.Clean(c.Resume))
	file := configFile{settings: defaultSettings()}
	if err := file.read(dir.config()); err != nil {
		return badf("--resume %s: no run is there: %w", c.Resume, err)
	}
	if err := c.contradicts(file.settings, given); err != nil {
		return err
	}
	file.set(c.settings, given)
	if err := file.resolve(); err != nil {
		return badf("%s: %w", dir.config(), err)
	}
	config := file // to write back
	if _, err := os.Stat(dir.tokenizer()); err == nil && file.Tokenizer != "" {
		file.Tokenizer = dir.tokenizer() // the other may have changed
	}
	if _, err := os.Stat(dir.summary()); err == nil {
		fmt.Fprintf(s.stdout, "the run in %s is finished, after %s; generate from it with\n\n  vcycle generate %s\n", dir, plural(file.Steps, "step"), dir)
		return nil
	}
	unlock, err := dir.lock(s)
	if err != nil {
		return badf("--resume %s: %w", c.Resume, err)
	}
	defer unlock()
	saved, err := dir.openRun(s)
	if err != nil {
		return err
	}
	if err := saved.unchanged(dir.tokenizer()); err != nil {
		return badInput{err}
	}
	r, err := newTraining(s, file.settings, file.Recorded)
	if err != nil {
		return err
	}
	r.dir = dir
	r.watch(c.reporter)
	step, err := r.restore(saved, &file)
	if err != nil {
		return err
	}
	if err := r.trainer.SetDivergence(r.settings.OnDivergence, r.settings.Jump); err != nil {
		return badInput{err}
	}
	if !reflect.DeepEqual(r.trainer.Options(), r.options().Resolve()) {
		return badf("%s has been changed since the run began: a run continues with the settings of its checkpoint", dir.config())
	}
	if err := saved.unchanged(dir.config()); err != nil {
		s.warn("%v; it may have been edited: the run goes on with what it says", err)
	}
	if given["on_divergence"] || given["jump"] { // for the next time, too
		config.settings.absolute()
		if err := r.writeConfig(config); err != nil {
			return badf("--resume %s: %w", c.Resume, err)
		}
		if len(r.manifest.Checkpoints) > 0 {
			if err := dir.writeManifest(r.manifest); err != nil {
				return badf("--resume %s: %w", c.Resume, err)
			}
		}
	}
	r.plan.follow(r.trainer.Plan())
	if err := dir.writable(); err != nil {
		return badf("--resume %s: %w", c.Resume, err)
	}
	if err := dir.prune(r.manifest); err != nil {
		s.warn("%v", err)
	}
	if r.metrics, err = openMetrics(dir.metrics(), step); err != nil {
		return badf("--resume %s: %w", c.Resume, err)
	}
	r.recall()
	if n := r.metrics.missing(step); n > 0 {
		s.warn("%s: the lines of %s are missing", dir.metrics(), plural(n, "step"))
	}
	for _, m := range r.metrics.all {
		r.progress.observe(m)
	}
	if !r.trainer.Done() { // otherwise only the end is left
		if !r.plan.pace(r.metrics.all, r.data.source) { // measuring would take the memory of another model
			if err := r.plan.measure(s.ctx, r.data.source, briefly); err != nil {
				return err
			}
		}
		r.introduce()
		r.describe()
		r.console.print("run       %s\n\n", r.dir)
		left := ""
		if step > 0 {
			left = ": about " + clock(r.progress.remaining()) + " are left"
		}
		r.console.print("resuming after step %d of %d%s\n\n", step, r.plan.steps(), left)
	}
	if err := os.Remove(dir.diverged()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return badf("--resume %s: %w", c.Resume, plainPathError(err))
	}
	if err := r.reporter.begin(r, step); err != nil {
		return err
	}
	return r.train()
}

// restore makes the trainer of the newest checkpoint that is whole, or of a run that ended before it wrote one,
// and returns its step. What the run went past and cannot be read is kept out of its way.
func (r *training) restore(saved manifest, file *configFile) (step int, err error) {
	r.manifest = saved
	if len(saved.Checkpoints) == 0 {
		init, err := file.openInit(r.session, nil)
		if err != nil {
			return 0, err
		}
		if err := r.checkInit(init); err != nil {
			return 0, err
		}
		return 0, r.begin(init)
	}
	var c checkpoint
	r.trainer, c, err = newest(r.dir, saved, r.session, func(path string) (*multilevel.Trainer, error) {
		return multilevel.Resume(path, r.data.source)
	})
	if err != nil {
		return 0, err
	}
	if r.manifest, err = r.dir.setAside(saved, c); err != nil {
		return 0, badf("--resume %s: %w", r.dir, err)
	}
	return c.Step, nil
}

// contradicts returns an error if a flag asks for another setting than the run has. What does not
// change the result may be changed.
func (c *trainCmd) contradicts(run settings, given map[string]bool) error {
	for _, name := range []string{"config", "out"} {
		if given[name] {
			return badf("--resume and --%s do not go together: the run continues where it is, as it was configured", name)
		}
	}
	asked, has := reflect.ValueOf(c.settings), reflect.ValueOf(run)
	for i, key := range settingKeys() {
		switch key {
		case "data", "init", "threads", "save_every", "tensorboard", "keep", "keep_best", "on_divergence", "jump", "prompt", "sample_bytes": // data are checked by what they hold
			continue
		}
		a, h := asked.Field(i).Interface(), has.Field(i).Interface()
		if given[key] && !reflect.DeepEqual(a, h) {
			return badf("--resume %s: the run has %s = %v, not %v: a run continues as it was configured; start another with --config %s",
				c.Resume, key, h, a, runDir(c.Resume).config())
		}
	}
	return nil
}

// training is a run in progress.
type training struct {
	session  *session
	dir      runDir
	settings settings
	data     *dataset
	plan     *plan
	trainer  *multilevel.Trainer
	manifest manifest // of the checkpoints that are written
	metrics  *metricsLog
	progress *progress
	console  *console
	reporter *reporter
	saved    time.Time
}

// newTraining reads the data of a run, which must be the expected ones unless expected is nil.
func newTraining(s *session, set settings, expected *recorded) (*training, error) {
	if err := setThreads(set.Threads); err != nil {
		return nil, err
	}
	d, err := loadDataset(s.ctx, set)
	if err != nil {
		return nil, err
	}
	if e := expected; e != nil {
		if e.DataBytes != d.size || e.DataSHA256 != d.sha256 {
			return nil, badf("%s is not the text of the run that the configuration records (%s bytes, SHA-256 %.12s…): it has %s bytes, SHA-256 %.12s…",
				d.path, commas(e.DataBytes), e.DataSHA256, commas(d.size), d.sha256)
		}
		if e.ISA != kernels.ISA() {
			s.warn("the run was configured on %s kernels, these are %s: the result will differ in its last bits", e.ISA, kernels.ISA())
		} else if way := bfloat16Of(set); e.BFloat16 != "" && way != "" && way != e.BFloat16 {
			s.warn("the run multiplied bfloat16 by %s, which is by %s here: the result will differ in its last bits", e.BFloat16, way)
		}
	}
	if set.Precision == "bf16" && kernels.BFloat16Products() == "float32" {
		s.warn("--precision bf16: the %s kernels have no instructions for it here, and convert: it takes longer than float32", kernels.ISA())
	}
	r := &training{session: s, settings: set, data: d, console: newConsole(s.stdout), reporter: &reporter{}}
	if r.plan, err = newPlan(r.options()); err != nil {
		return nil, err
	}
	r.plan.begin(d.memory, d.loading)
	if err := r.plan.checkMemory(d.memory, machineMemory(), max(1, s.runs)); err != nil {
		return nil, err
	}
	r.progress = &progress{plan: r.plan, valEvery: set.ValEvery}
	return r, nil
}

// bfloat16Of returns how a run multiplies bfloat16 here, if it does.
func bfloat16Of(set settings) string {
	if set.Precision != "bf16" {
		return ""
	}
	return kernels.BFloat16Products()
}

// watch has a reporter told of the run, if there is one.
func (r *training) watch(p *reporter) {
	if p != nil {
		r.reporter = p
	}
}

// options returns what determines the run: the settings, and the vocabulary of the data.
func (r *training) options() multilevel.Options {
	o := r.settings.options()
	o.Vocab = r.data.vocab()
	return o
}

// openInit opens the model that a run begins with, if there is one, and takes over its shape and tokenizer.
func (s *configFile) openInit(session *session, given map[string]bool) (*model, error) {
	if s.Init == "" {
		return nil, nil
	}
	m, err := openModel(session, s.Init, s.Tokenizer, checkpointFlags{lastCheckpoint})
	if err != nil {
		return nil, err
	}
	return m, m.apply(&s.settings, given)
}

// checkInit refuses a model to begin with, if there is one, that has another tokenizer than the data.
func (r *training) checkInit(init *model) error {
	if init != nil && !r.data.tokenizer.Equal(init.tokenizer) {
		return badf("--init: the network in %s has another tokenizer than the data: prepare them with that one", init.from)
	}
	return nil
}

// fitTime turns a budget of time into what a run is made of: the seconds of a step on each level for the
// adaptive schedule, steps for the others. Then the configuration says the same on any machine.
func (r *training) fitTime() error {
	s := &r.settings
	if s.Time.Duration == 0 || s.Multilevel == multilevel.Adaptive && len(s.StepSeconds) > 0 {
		return nil
	}
	if err := r.plan.measure(r.session.ctx, r.data.source, briefly); err != nil {
		return err
	}
	if r.session.ctx.Err() != nil {
		return errInterrupted // what has not been measured is not to be planned with
	}
	measured := r.plan.levels
	if s.Multilevel == multilevel.Adaptive {
		s.StepSeconds = nil
		for _, l := range measured {
			s.StepSeconds = append(s.StepSeconds, max(l.seconds, 1e-6))
		}
	} else {
		s.Steps = int(min(max(1, float64(s.Steps)*s.Time.Seconds()/max(r.plan.seconds(), 1e-6)), math.MaxInt32))
		s.Time.Duration = 0
	}
	if err := s.resolve(); err != nil {
		return err
	}
	before := r.plan
	var err error
	if r.plan, err = newPlan(r.options()); err != nil {
		return err
	}
	r.plan.present, r.plan.loading, r.plan.logged = before.present, before.loading, before.logged
	for i := range r.plan.levels {
		r.plan.levels[i].seconds = measured[i].seconds
	}
	r.progress.plan = r.plan
	return nil
}

// absolute makes the paths independent of the working directory.
func (s *settings) absolute() {
	for _, path := range []*string{&s.Data, &s.Tokenizer, &s.Init} {
		if *path == "" || path == &s.Tokenizer && (*path == "bytes" || *path == "gpt2") {
			continue
		}
		if abs, err := filepath.Abs(*path); err == nil {
			*path = abs
		}
	}
}

// createFiles writes the configuration of a new run and an empty log.
func (r *training) createFiles() error {
	r.settings.absolute()
	if err := r.dir.saveTokenizer(r.data.tokenizer); err != nil {
		return badf("--out cannot be written: %w", err)
	}
	if err := r.writeConfig(configFile{r.settings, &recorded{version(), kernels.ISA(), bfloat16Of(r.settings), r.data.size, r.data.sha256}}); err != nil {
		return badf("--out cannot be written: %w", err)
	}
	if sum, err := atomicfile.Sum(r.dir.tokenizer()); err == nil {
		r.manifest.Files[filepath.Base(r.dir.tokenizer())] = sum
	} else if !errors.Is(err, fs.ErrNotExist) {
		return plainPathError(err)
	}
	var err error
	r.metrics, err = openMetrics(r.dir.metrics(), 0)
	return err
}

// writeConfig writes the configuration, and takes down what it is.
func (r *training) writeConfig(file configFile) error {
	text, err := file.write()
	if err != nil {
		return err
	}
	if err := writeFile(r.dir.config(), text); err != nil {
		return err
	}
	sum, err := atomicfile.Sum(r.dir.config())
	if err != nil {
		return plainPathError(err)
	}
	r.manifest.Version = manifestVersion
	r.manifest.Files = maps.Clone(r.manifest.Files)
	if r.manifest.Files == nil {
		r.manifest.Files = map[string]atomicfile.Digest{}
	}
	r.manifest.Files[filepath.Base(r.dir.config())] = sum
	return nil
}

// briefly is how train measures: as little as gives an idea of the time.
var briefly = measurement{budget: 4 * time.Second}

// prepare says what the run is and measures it.
func (r *training) prepare(how measurement) error {
	r.introduce()
	return r.plan.measure(r.session.ctx, r.data.source, how)
}

// introduce prints what the run is, and on what.
func (r *training) introduce() {
	r.plan.ceiling = ceiling(kernels.Threads())
	c := r.console
	c.print("vcycle %s: %s kernels on %s of %s; FMA ceiling %s GFLOP/s\n\n",
		version(), kernels.ISA(), plural(kernels.Threads(), "thread"), cpuName(), si(r.plan.ceiling))
	c.print("data      %s\n", r.data.about)
	c.print("model     %s\n", r.plan.describeModel())
	c.print("training  %s\n", r.plan.describeTraining())
}

// describe prints what the run takes.
func (r *training) describe() {
	c, p := r.console, r.plan
	c.print("\n%s\n", p.table())
	c.print("memory    %s\n", p.describeMemory(r.data.memory))
	c.print("FLOPs     %s\n", p.describeOperations())
	n, _ := p.validations(r.settings.ValEvery)
	c.print("time      about %s, %s of it %s\n", clock(p.total(r.settings.ValEvery)), clock(p.total(r.settings.ValEvery)-p.seconds()), plural(n, "validation"))
}
