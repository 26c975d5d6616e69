package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/multilevel"
)

// logLines returns metrics.jsonl of a run as objects, without what depends on the clock.
func logLines(t *testing.T, dir string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(runDir(dir).metrics())
	if err != nil {
		t.Fatal(err)
	}
	var lines []map[string]any
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, clock := range []string{"wall_seconds", "tokens_per_second"} {
			if v, ok := m[clock].(float64); !ok || v <= 0 {
				t.Errorf("%s of %q", clock, line)
			}
			delete(m, clock)
		}
		lines = append(lines, m)
	}
	return lines
}

// final returns the data of the last checkpoint of a run.
func final(t *testing.T, dir string) []byte {
	t.Helper()
	m, _, err := runDir(dir).readManifest()
	if err != nil {
		t.Fatal(err)
	}
	last, _ := m.last()
	return checkpointData(t, runDir(dir).path(last))
}

// checkpointData returns the parameters and moments in a checkpoint. What comes before them holds the
// account of time.
func checkpointData(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b[8+binary.LittleEndian.Uint64(b):]
}

// sameRun fails unless the two runs have the same metrics, but for the clock, and the same final state.
func sameRun(t *testing.T, a, b string) {
	t.Helper()
	if diff := cmp.Diff(logLines(t, a), logLines(t, b)); diff != "" {
		t.Errorf("the metrics differ: %s", diff)
	}
	if !bytes.Equal(final(t, a), final(t, b)) {
		t.Error("the trained parameters or the optimizer's state differ")
	}
}

func TestTrain(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	stdout, stderr := mustRun(t, exitOK, tiny(t, out)...)
	if stderr != "" {
		t.Errorf("stderr %q", stderr)
	}
	for _, want := range []string{
		"1 file, 1.90 kB to train, 100 B to validate", "2 blocks (euler, h = 1), width 8, 2 heads", "levels 1 → 2",
		"of single-level", "memory", "step 1/10 ", "level 1/2, 1 block", "level 2/2, 2 blocks", "  val ", "ETA", "of FMA",
		"\n  | ", "validation loss", "wall-clock", "% of 10 steps at 2 blocks\n", out,
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output lacks %q:\n%s", want, stdout)
		}
	}
	if strings.ContainsAny(stdout, "\r\x1b") {
		t.Error("the output, not to a terminal, moves the cursor")
	}
	entries, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		entries[i] = filepath.Base(entries[i])
	}
	if want := []string{"checkpoint", "config.toml", "loss.png", "metrics.jsonl", "run.lock", "summary.json"}; !slices.Equal(entries, want) {
		t.Errorf("the run holds %v, want %v", entries, want)
	}

	t.Run("metrics", func(t *testing.T) {
		lines := logLines(t, out)
		if len(lines) != 10 {
			t.Fatalf("%d lines, want 10", len(lines))
		}
		for i, m := range lines {
			step := i + 1
			keys := strings.Fields("blocks flops_blocks flops_total grad_norm level lr step step_size tokens train_loss")
			if step%4 == 0 || step == 10 {
				keys = append(keys, "val_loss")
			}
			var got []string
			for k := range m {
				got = append(got, k)
			}
			slices.Sort(got)
			if !slices.Equal(got, keys) {
				t.Errorf("step %d has %v, want %v", step, got, keys)
			}
			level, blocks := 0.0, 1.0
			if step > 7 {
				level, blocks = 1, 2
			}
			if m["step"] != float64(step) || m["tokens"] != float64(16*step) || m["level"] != level || m["blocks"] != blocks {
				t.Errorf("line %d: %v", step, m)
			}
		}
	})
	t.Run("summary", func(t *testing.T) {
		text, err := os.ReadFile(runDir(out).summary())
		if err != nil {
			t.Fatal(err)
		}
		var s map[string]any
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		for _, key := range strings.Fields("final_val_loss wall_seconds flops_blocks flops_total tokens parameters steps isa threads version") {
			if s[key] == nil {
				t.Errorf("summary.json lacks %s", key)
			}
		}
		last := logLines(t, out)[9]
		for a, b := range map[string]string{"final_val_loss": "val_loss", "flops_blocks": "flops_blocks", "flops_total": "flops_total", "tokens": "tokens", "steps": "step"} {
			if s[a] != last[b] {
				t.Errorf("%s is %v, but %s of the last step is %v", a, s[a], b, last[b])
			}
		}
	})
	t.Run("config", func(t *testing.T) {
		again := filepath.Join(t.TempDir(), "again")
		mustRun(t, exitOK, "train", "--config", runDir(out).config(), "--out", again, "--threads", "2")
		sameRun(t, out, again)
		a, _ := os.ReadFile(runDir(out).config())
		b, _ := os.ReadFile(runDir(again).config())
		if want := bytes.Replace(a, []byte("threads = 1\n"), []byte("threads = 2\n"), 1); !bytes.Equal(b, want) {
			t.Errorf("the configuration changes when it is fed back:\n%s\n%s", a, b)
		}
	})
	t.Run("library", func(t *testing.T) {
		f := configFile{settings: defaultSettings()}
		if err := f.read(runDir(out).config()); err != nil {
			t.Fatal(err)
		}
		c := load(t, f.Data, f.Context)
		src, err := multilevel.NewBytes(c.train, c.val, f.Context, uint64(f.Seed))
		if err != nil {
			t.Fatal(err)
		}
		trainer, err := multilevel.NewTrainer(f.options(), src)
		if err != nil {
			t.Fatal(err)
		}
		for !trainer.Done() {
			if _, err := trainer.Step(); err != nil {
				t.Fatal(err)
			}
		}
		d := runDir(t.TempDir())
		if err := d.create(); err != nil {
			t.Fatal(err)
		}
		if err := trainer.Save(d.checkpoint(10)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(final(t, out), final(t, string(d))) {
			t.Error("validating and measuring have changed the bits of the run")
		}
	})
	t.Run("other data", func(t *testing.T) {
		other := filepath.Join(t.TempDir(), "other.txt")
		if err := os.WriteFile(other, []byte(sentences(3000)), 0o644); err != nil {
			t.Fatal(err)
		}
		mustRun(t, exitOK, "train", "--config", runDir(out).config(), "--out", filepath.Join(t.TempDir(), "x"), "--data", other)

		var f configFile
		if err := f.read(runDir(out).config()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Data, []byte(sentences(2001)), 0o644); err != nil {
			t.Fatal(err)
		}
		_, stderr := mustRun(t, exitBadInput, "train", "--config", runDir(out).config(), "--out", filepath.Join(t.TempDir(), "y"))
		if !strings.Contains(stderr, "is not the text") {
			t.Errorf("stderr %q", stderr)
		}
		if err := os.WriteFile(f.Data, []byte(sentences(2000)), 0o644); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("finished", func(t *testing.T) {
		stdout, _ := mustRun(t, exitOK, "train", "--resume", out)
		if !strings.Contains(stdout, "is finished") {
			t.Errorf("stdout %q", stdout)
		}
	})
	t.Run("sample", func(t *testing.T) {
		a, _ := mustRun(t, exitOK, "sample", out, "--prompt", "the answer to", "--bytes", "30")
		b, _ := mustRun(t, exitOK, "sample", out, "--prompt", "the answer to", "--bytes", "30", "--threads", "2")
		other, _ := mustRun(t, exitOK, "sample", out, "--prompt", "the answer to", "--bytes", "30", "--seed", "2")
		if len(a) != len("the answer to")+30+1 || !strings.HasPrefix(a, "the answer to") {
			t.Errorf("sample %q", a)
		}
		if a != b || a == other {
			t.Errorf("the same seed gives %q and %q, another %q", a, b, other)
		}
		done, cancel := context.WithCancel(context.Background())
		cancel()
		if code, _, stderr := vcycleUntil(t, done, "sample", out, "--bytes", "9223372036854775807"); code != exitInterrupted {
			t.Errorf("a long sample: exit code %d, %s", code, stderr)
		}
	})
}

// untilStep is a context that is done, as after SIGINT, once a run has logged so many steps.
type untilStep struct {
	context.Context
	dir   string
	steps int
}

func (u untilStep) Err() error {
	text, _ := os.ReadFile(runDir(u.dir).metrics())
	if bytes.Count(text, []byte("\n")) >= u.steps {
		return context.Canceled
	}
	return nil
}

// interrupt starts a run and stops it after so many steps.
func interrupt(t *testing.T, steps int, out string, args []string) {
	t.Helper()
	code, stdout, stderr := vcycleUntil(t, untilStep{context.Background(), out, steps}, args...)
	if code != exitInterrupted || !strings.Contains(stdout, "--resume "+out) {
		t.Fatalf("exit code %d, want %d\n%s%s", code, exitInterrupted, stdout, stderr)
	}
	if got := len(logLines(t, out)); got != steps {
		t.Fatalf("interrupted after %d steps, want %d", got, steps)
	}
}

func TestResume(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	args := tiny(t, whole)
	mustRun(t, exitOK, args...)
	for _, c := range []struct {
		name  string
		after []int
	}{{"coarse", []int{3}}, {"between", []int{7}}, {"validated", []int{4}}, {"twice", []int{2, 9}}, {"at once", []int{0, 10}}} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(dir, c.name)
			args := replaceArg(args, "--out", out)
			for i, steps := range c.after {
				if steps == 10 {
					break
				}
				if steps == 0 {
					done, cancel := context.WithCancel(context.Background())
					cancel()
					if code, stdout, stderr := vcycleUntil(t, done, args...); code != exitInterrupted {
						t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
					}
				} else if interrupt(t, steps, out, args); i > 0 {
					t.Log("interrupted again")
				}
				args = []string{"train", "--resume", out}
			}
			mustRun(t, exitOK, append(args, "--threads", "2")...)
			sameRun(t, whole, out)
		})
	}
}

// A run that is interrupted on the way up and down, with several networks in use, ends as if it had not
// been, and its configuration repeats it.
func TestCycle(t *testing.T) {
	dir := t.TempDir()
	whole, out, again := filepath.Join(dir, "whole"), filepath.Join(dir, "out"), filepath.Join(dir, "again")
	args := tiny(t, whole, "--multilevel", "mgopt", "--cycles", "2")
	stdout, _ := mustRun(t, exitOK, args...)
	if !strings.Contains(stdout, "mgopt, levels 1 → 2, interleave, moments of each level kept") {
		t.Errorf("the plan does not name the schedule:\n%s", stdout)
	}
	lines := logLines(t, whole)
	if text, _ := json.Marshal(lines); !strings.Contains(string(text), `"kind":"line-search"`) {
		t.Error("the line search is not logged")
	}
	interrupt(t, 3, out, replaceArg(args, "--out", out))
	interrupt(t, 6, out, []string{"train", "--resume", out})
	mustRun(t, exitOK, "train", "--resume", out)
	sameRun(t, whole, out)
	mustRun(t, exitOK, "train", "--config", runDir(whole).config(), "--out", again)
	sameRun(t, whole, again)
}

// The adaptive schedule says what it does, for any budget; its configuration repeats it.
func TestAdaptive(t *testing.T) {
	for name, budget := range map[string][]string{
		"steps": {"--steps", "18000"}, "tokens": {"--tokens", "5599"}, "time": {"--time", "900ms", "--step-seconds", "0.001,0.0012"}, "measured": {"--time", "100ms"},
	} {
		t.Run(name, func(t *testing.T) {
			out, again := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "again")
			args := tiny(t, out, append([]string{"--multilevel", "adaptive", "--batch", "1", "--val-every", "0"}, budget...)...)
			stdout, _ := mustRun(t, exitOK, args...)
			wants := []string{"levels 1 → 2; it decides on the way", "decision  "}
			if name == "steps" { // the others are too short
				wants = append(wants, "trial     ", "(interleave, step size: keep)")
			}
			for _, want := range wants {
				if !strings.Contains(stdout, want) {
					t.Errorf("the output lacks %q:\n%s", want, stdout)
				}
			}
			mustRun(t, exitOK, "train", "--config", runDir(out).config(), "--out", again)
			if diff := cmp.Diff(logLines(t, out), logLines(t, again)); diff != "" {
				t.Errorf("the metrics differ: %s", diff)
			}
		})
	}
}

// Other schedules get as many steps as the time has room for.
func TestTime(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	mustRun(t, exitOK, tiny(t, out, "--time", "20ms")...)
	file := configFile{settings: defaultSettings()}
	if err := file.read(runDir(out).config()); err != nil {
		t.Fatal(err)
	}
	if n := len(logLines(t, out)); file.Steps != n || file.Time.Duration != 0 {
		t.Errorf("%d steps and a time of %v in the configuration, %d taken", file.Steps, file.Time, n)
	}
}

// A time that has not been measured is not planned with.
func TestTimeInterrupted(t *testing.T) {
	data := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(data, []byte(sentences(2000)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, schedule := range []string{multilevel.Nested, multilevel.Adaptive} {
		set := defaultSettings()
		set.Data, set.Multilevel, set.Levels, set.Width, set.Heads, set.Context, set.Batch = data, schedule, []int{1, 2}, 8, 2, 8, 2
		set.Time.Duration = time.Minute
		if err := set.resolve(); err != nil {
			t.Fatal(err)
		}
		r, err := newTraining(&session{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard}, set, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r.session = &session{ctx: ctx, stdout: io.Discard, stderr: io.Discard}
		if err := r.fitTime(); err != errInterrupted || r.settings.Steps != set.Steps || r.settings.StepSeconds != nil {
			t.Errorf("%s: error %v, %d steps, of %v s", schedule, err, r.settings.Steps, r.settings.StepSeconds)
		}
	}
}

func replaceArg(args []string, name, value string) []string {
	args = slices.Clone(args)
	args[slices.Index(args, name)+1] = value
	return args
}

// A crash loses the steps since the last checkpoint, and may leave half a line; both are made good.
func TestResumeAfterCrash(t *testing.T) {
	dir := t.TempDir()
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "out")
	args := tiny(t, whole)
	mustRun(t, exitOK, args...)
	interrupt(t, 5, out, replaceArg(args, "--out", out))
	log, err := os.OpenFile(runDir(out).metrics(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.WriteString(`{"step":6,"level":0}` + "\n" + `{"step":7,"le`); err != nil {
		t.Fatal(err)
	}
	log.Close()
	mustRun(t, exitOK, "train", "--resume", out)
	sameRun(t, whole, out)
}

// Where the log is lost, the checkpoint still says how far the run was.
func TestResumeWithoutLog(t *testing.T) {
	dir := t.TempDir()
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "out")
	args := tiny(t, whole)
	mustRun(t, exitOK, args...)
	interrupt(t, 5, out, replaceArg(args, "--out", out))
	if err := os.Remove(runDir(out).metrics()); err != nil {
		t.Fatal(err)
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	code, stdout, stderr := vcycleUntil(t, done, "train", "--resume", out)
	if code != exitInterrupted || !strings.Contains(stdout, "interrupted after step 5 of 10") || !strings.Contains(stderr, "the lines of 5 steps are missing") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	mustRun(t, exitOK, "train", "--resume", out)
	if !bytes.Equal(final(t, whole), final(t, out)) {
		t.Error("the trained parameters or the optimizer's state differ")
	}
}

func TestResumeFromDamagedCheckpoint(t *testing.T) {
	dir := t.TempDir()
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "out")
	args := tiny(t, whole, "--no-keep-best")
	mustRun(t, exitOK, args...)
	interrupt(t, 3, out, replaceArg(args, "--out", out))
	interrupt(t, 6, out, []string{"train", "--resume", out})
	newest := runDir(out).checkpoint(6)
	good, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(good)
	flipped[len(flipped)-5] ^= 1
	for name, bad := range map[string][]byte{
		"truncated": good[:len(good)-7], "empty": nil, "foreign": []byte(sentences(500)), "bit flipped": flipped,
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(newest, bad, 0o644); err != nil {
				t.Fatal(err)
			}
			_, stderr := mustRun(t, exitOK, "sample", out, "--bytes", "3")
			if !strings.Contains(stderr, "going back to the checkpoint of step 3") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("stderr %q", stderr)
			}
			previous := runDir(out).checkpoint(3)
			if err := os.Rename(previous, previous+".away"); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"sample", out}, {"train", "--resume", out}} {
				_, stderr := mustRun(t, exitBadInput, args...)
				if !strings.Contains(stderr, newest) || strings.Count(stderr, "\n") != 1 {
					t.Errorf("%v: stderr %q, want one line that names %s", args, stderr, newest)
				}
			}
			if err := os.Rename(previous+".away", previous); err != nil {
				t.Fatal(err)
			}
		})
	}
	code, _, stderr := vcycleUntil(t, untilStep{context.Background(), out, 5}, "train", "--resume", out)
	if code != exitInterrupted || !strings.Contains(stderr, "going back to the checkpoint of step 3") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	if steps, err := runDir(out).steps(); err != nil || !slices.Equal(steps, []int{5, 3}) {
		t.Errorf("checkpoints of steps %v, %v; want 5 and 3", steps, err)
	}
	mustRun(t, exitOK, "train", "--resume", out)
	sameRun(t, whole, out)
}

func TestResumeRefuses(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	args := tiny(t, out)
	interrupt(t, 2, out, args)
	data := args[slices.Index(args, "--data")+1]
	refuse := func(want string, more ...string) {
		t.Helper()
		_, stderr := mustRun(t, exitBadInput, append([]string{"train", "--resume", out}, more...)...)
		if !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: stderr %q, want one line with %q", more, stderr, want)
		}
	}
	refuse("the run has lr = 0.002, not 0.1", "--lr", "0.1")
	refuse("the run has levels = [1 2], not [2]", "--levels", "2")
	refuse("the run has val_every = 4, not 5", "--val-every", "5")
	refuse("--resume and --out do not go together", "--out", "x")
	refuse("--resume and --config do not go together", "--config", runDir(out).config())

	if err := os.WriteFile(data, []byte(sentences(1999)), 0o644); err != nil {
		t.Fatal(err)
	}
	refuse("is not the text")
	moved := filepath.Join(t.TempDir(), "moved.txt")
	if err := os.WriteFile(moved, []byte(sentences(2000)), 0o644); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(runDir(out).config())
	if err != nil {
		t.Fatal(err)
	}
	edited := bytes.Replace(config, []byte("lr = 0.002"), []byte("lr = 0.005"), 1)
	if err := os.WriteFile(runDir(out).config(), edited, 0o644); err != nil {
		t.Fatal(err)
	}
	refuse("has been changed since the run began", "--data", moved)
	if err := os.WriteFile(runDir(out).config(), config, 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, _ := mustRun(t, exitOK, "train", "--resume", out, "--data", moved, "--lr", "0.002", "--prompt", "question", "--sample-bytes", "3")
	if !strings.Contains(stdout, "  | question") {
		t.Errorf("the prompt given anew is not continued:\n%s", stdout)
	}
}

// A picture that cannot be written stops neither an interrupted nor a finished run.
func TestNoPicture(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	interrupt(t, 2, out, tiny(t, out))
	if err := os.Remove(runDir(out).plot()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(runDir(out).plot(), 0o755); err != nil {
		t.Fatal(err)
	}
	interrupt(t, 5, out, []string{"train", "--resume", out})
	stdout, stderr := mustRun(t, exitOK, "train", "--resume", out)
	if !strings.Contains(stderr, "warning: loss.png: ") || !strings.Contains(stdout, "validation loss") {
		t.Errorf("stderr %q, stdout %q", stderr, stdout)
	}
	if _, err := os.Stat(runDir(out).summary()); err != nil {
		t.Error(err)
	}
}

func TestSampleRefusesOtherVocabularies(t *testing.T) {
	o := multilevel.Defaults()
	o.Levels, o.Width, o.Heads, o.Context, o.Batch, o.Vocab = []int{1}, 8, 1, 8, 1, 300
	o = o.Resolve()
	text := []byte(sentences(100))
	src, err := multilevel.NewBytes(text, text, o.Context, 1)
	if err != nil {
		t.Fatal(err)
	}
	trainer, err := multilevel.NewTrainer(o, src)
	if err != nil {
		t.Fatal(err)
	}
	d := runDir(t.TempDir())
	if err := d.create(); err != nil {
		t.Fatal(err)
	}
	if err := trainer.Save(d.checkpoint(0)); err != nil {
		t.Fatal(err)
	}
	if _, stderr := mustRun(t, exitBadInput, "sample", string(d)); !strings.Contains(stderr, "vocabulary of 300 tokens") {
		t.Errorf("stderr %q", stderr)
	}
}

// Checkpoints are written at intervals, and two stay.
func TestSaveEvery(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	mustRun(t, exitOK, tiny(t, out, "--save-every", "1ns")...)
	steps, err := runDir(out).steps()
	if err != nil || !slices.Equal(steps, []int{10, 9}) {
		t.Errorf("checkpoints of steps %v, %v; want 10 and 9", steps, err)
	}
}

func TestDivergence(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	_, stderr := mustRun(t, exitFailed, tiny(t, out, "--lr", "1e30", "--warmup", "0", "--optimizer", "sgd", "--clip", "0", "--save-every", "1ns")...)
	if !strings.Contains(stderr, "step ") || !strings.Contains(stderr, "the last checkpoint in "+out+" is of step ") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("stderr %q", stderr)
	}
}

// A run of --precision bf16 keeps how its products were computed, and says if a repetition's are not.
func TestBFloat16Recorded(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	mustRun(t, exitOK, append(tiny(t, out), "--precision", "bf16")...)
	way := kernels.BFloat16Products()
	config, err := os.ReadFile(runDir(out).config())
	if err != nil {
		t.Fatal(err)
	}
	line := "bfloat16 = '" + way + "'"
	if !strings.Contains(string(config), line) {
		t.Fatalf("config.toml lacks %s:\n%s", line, config)
	}
	if _, sum, err := readRun(runDir(out)); err != nil || sum.BFloat16 != way {
		t.Errorf("summary.json: bfloat16 %q, error %v; want %s", sum.BFloat16, err, way)
	}
	other := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(other, []byte(strings.Replace(string(config), line, "bfloat16 = 'abacus'", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr := mustRun(t, exitOK, "train", "--config", other, "--out", filepath.Join(t.TempDir(), "again"))
	if want := "multiplied bfloat16 by abacus"; !strings.Contains(stderr, want) {
		t.Errorf("stderr %q lacks %q", stderr, want)
	}
}
