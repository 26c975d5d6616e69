package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/multilevel"
)

// TestMain is vcycle itself where a test starts it as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("VCYCLE_TEST_MAIN") != "" {
		main()
	}
	os.Setenv("GOGC", "100") // that of training takes its time where parsers and plots leave garbage
	os.Exit(m.Run())
}

// child returns a command that runs vcycle as a process of its own.
func child(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, args...)
	// With the garbage collection of vcycle, not of the tests.
	c.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "GOGC=") }), "VCYCLE_TEST_MAIN=1")
	return c
}

// vcycle runs a command line in this process.
func vcycle(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return vcycleUntil(t, context.Background(), args...)
}

func vcycleUntil(t *testing.T, ctx context.Context, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

// mustRun runs a command line that ends with code.
func mustRun(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	got, stdout, stderr := vcycle(t, args...)
	if got != code {
		t.Fatalf("vcycle %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	return stdout, stderr
}

// sentences returns deterministic text that a model can learn something from.
func sentences(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString("the answer to question " + strconv.Itoa(i*i%97) + " is no\n")
	}
	return b.String()[:n]
}

// tiny returns the arguments of a training run that takes milliseconds.
func tiny(t *testing.T, out string, more ...string) []string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(data, []byte(sentences(2000)), 0o644); err != nil {
		t.Fatal(err)
	}
	return append([]string{"train", "--data", data, "--out", out, "--multilevel", "nested", "--levels", "1,2", "--width", "8", "--heads", "2",
		"--context", "8", "--batch", "2", "--val-every", "4", "--sample-bytes", "12", "--threads", "1"}, tinyBudget(more)...)
}

// tinyBudget adds the steps of a tiny run to arguments that do not say how long to train.
func tinyBudget(args []string) []string {
	for _, flag := range []string{"--steps", "--tokens", "--time"} {
		if slices.Contains(args, flag) {
			return args
		}
	}
	return append(args, "--steps", "10")
}

func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.txt", sentences(5000))
	short := write("short.txt", "short")
	empty := write("empty.txt", "")
	config := write("c.toml", "steps = 10\nlearning_rate = 1\n")
	onlyHidden := filepath.Join(dir, "hidden")
	if err := os.Mkdir(onlyHidden, 0o755); err != nil {
		t.Fatal(err)
	}
	write("hidden/.x", sentences(100))
	full := filepath.Join(dir, "full")
	if err := os.Mkdir(full, 0o755); err != nil {
		t.Fatal(err)
	}
	write("full/file", "x")
	out := filepath.Join(dir, "out")

	for _, c := range []struct {
		args string // separated by spaces
		want string // part of the message
	}{
		{"trian", `unexpected argument trian, did you mean "train"?`},
		{"--frobnicate", "unknown flag --frobnicate"},
		{"train extra", "unexpected argument extra"},
		{"train --levles 3,12", `unknown flag --levles, did you mean "--levels"?`},
		{"train --steps many", `--steps: expected`},
		{"train --steps 1.5", `--steps: expected`},
		{"train --lr fast", `--lr: expected a float`},
		{"train --levels 3,six", `--levels: expected`},
		{"train --save-every soon", `--save-every: `},
		{"train --lr", "--lr: "},
		{"train --levels 5,12", "levels 5,12: "},
		{"train --levels 12,3", "levels 12,3: depths must increase"},
		{"train --levels 3,3", "levels 3,3: depths must increase"},
		{"train --levels 0,3", "levels 0,3: "},
		{"train --levels 3,6 --blocks 12", "levels 3,6 end at 6 blocks, but blocks is 12"},
		{"train --blocks -2", "blocks"},
		{"train --level-fractions 0.5", "level fractions: "},
		{"train --width 100 --heads 3", "width 100 is not divisible by 3 heads"},
		{"train --heads 0", "heads 0: "},
		{"train --context 0", "context 0: "},
		{"train --batch 0", "batch 0: "},
		{"train --steps 0", "steps 0: "},
		{"train --time 1m --tokens 5", "--tokens and --time: give one of them"},
		{"train --steps 5 --time 1m", "--steps and --time: give one of them"},
		{"train --steps 5 --tokens 5", "--steps and --tokens: give one of them"},
		{"train --step-seconds 1 --time 1m", "1 given for 3 levels"},
		{"train --steps 1", "steps 1: "},
		{"train --lr 0", "learning rate 0"},
		{"train --lr NaN", "learning rate NaN"},
		{"train --optimizer lion", `optimizer "lion" is unknown: use adamw, sgd or muon`},
		{"train --lr-schedule step", `lr schedule "step" is unknown: use wsd or cosine`},
		{"train --prolong copy", `prolong "copy" is unknown`},
		{"train --method rk5", `rk5`},
		{"train --precision fp8", `unknown precision "fp8"`},
		{"train --moments lose", `moments "lose" is unknown`},
		{"train --multilevel w", `multilevel "w" is unknown: use adaptive, single, nested, `},
		{"train --multilevel reference --levels 3,12", "use levels such as 6,12"},
		{"train --step-size-policy halve", `"halve" is unknown`},
		{"train --step-size 0", "step size 0"},
		{"train --threads=-1", "--threads"},
		{"train --threads 1000000", "--threads 1000000"},
		{"train --val-every=-5", "--val-every"},
		{"train --save-every=-5s", "--save-every"},
		{"train --sample-bytes=-1", "--sample-bytes"},
		{"train --seed=-1", "--seed"},
		{"train --data " + filepath.Join(dir, "missing.txt"), "missing.txt: no such file"},
		{"train --data " + empty, "empty.txt: no text is there"},
		{"train --data " + short, "short.txt: 5 bytes are too few: a context of 256 needs at least 514"},
		{"train --context 3000 --data " + good, "5000 bytes are too few"},
		{"train --data " + onlyHidden, "hidden: no text is there"},
		{"train --data " + os.DevNull, "neither a regular file nor a directory"},
		{"train --config " + filepath.Join(dir, "missing.toml"), "missing.toml: no such file"},
		{"train --config " + config, `c.toml:2:1: unknown key "learning_rate"`},
		{"train --out " + full, "the directory is not empty"},
		{"train --out " + good, "good.txt cannot be written"},
		{"train --levels 1 --width 8 --heads 1 --context 8 --batch 1 --steps 2 --data " + good + " --out " + filepath.Join(good, "below"), "cannot be written"},
		{"train --resume=", "--resume: it must not be empty"},
		{"train --config=", "--config: it must not be empty"},
		{"train --data=", "--data: it must not be empty"},
		{"train --out=", "--out: it must not be empty"},
		{"train --resume " + filepath.Join(dir, "nowhere"), "no run is there"},
		{"train --resume " + full + " --out x", "no run is there"},
		{"generate", `expected "<dir>"`},
		{"generate " + filepath.Join(dir, "nowhere"), "is not the directory of a run"},
		{"generate " + full, "is not the directory of a run"},
		{"generate --bytes 0 " + full, "--tokens 0"},
		{"generate --temperature=-1 " + full, "--temperature -1"},
		{"generate --top-k=-1 " + full, "--top-k -1"},
		{"generate --prompt= " + full, "--prompt"},
		{"info --threads=-1", "--threads -1"},
	} {
		t.Run(c.args, func(t *testing.T) {
			args := strings.Fields(c.args)
			if len(args) > 0 && args[0] == "train" && !strings.Contains(c.args, "--out") && !strings.Contains(c.args, "--resume") {
				args = append(args, "--out", out)
			}
			code, stdout, stderr := vcycle(t, args...)
			if code != exitBadInput {
				t.Errorf("exit code %d, want %d", code, exitBadInput)
			}
			name := "vcycle"
			if len(args) > 0 && (args[0] == "train" || args[0] == "generate" || args[0] == "info") {
				name += " " + args[0]
			}
			if !strings.HasPrefix(stderr, name+": ") || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("stderr %q, want one line that starts with %q and contains %q", stderr, name+": ", c.want)
			}
			if stdout != "" {
				t.Errorf("stdout %q", stdout)
			}
			if _, err := os.Stat(out); err == nil {
				t.Errorf("%s was created", out)
			}
		})
	}
}

func TestNoToolchain(t *testing.T) {
	for name, goroot := range map[string]string{"none": "", "without source": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			fakeGo(t, goroot)
			_, stderr := mustRun(t, exitBadInput, "train", "--out", filepath.Join(t.TempDir(), "out"))
			if !strings.Contains(stderr, "--data") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("stderr %q does not say what to pass", stderr)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"train", "--help"}, {"generate", "--help"}, {"bench", "--help"}, {"info", "-h"}, {"version", "--help"}} {
		stdout, stderr := mustRun(t, exitOK, args...)
		if !strings.HasPrefix(stdout, "Usage: vcycle") || stderr != "" {
			t.Errorf("%v: stdout %q, stderr %q", args, stdout, stderr)
		}
	}
	for _, args := range [][]string{{"--help"}, {"train", "--help"}} {
		stdout, _ := mustRun(t, exitOK, args...)
		if !strings.Contains(strings.Join(strings.Fields(stdout), " "), "130 interrupted") {
			t.Errorf("%v does not document the exit codes:\n%s", args, stdout)
		}
	}
	if stdout, stderr := mustRun(t, exitBadInput); stdout != "" || !strings.HasPrefix(stderr, "Usage: vcycle") {
		t.Errorf("without arguments: stdout %q, stderr %q", stdout, stderr)
	}
	stdout, _ := mustRun(t, exitOK, "train", "--help")
	for _, flag := range strings.Fields("--data --out --config --resume --blocks --levels --width --heads --context --batch " +
		"--steps --lr --optimizer --lr-schedule --seed --threads --val-every") {
		if !strings.Contains(stdout, "  "+flag+"=") {
			t.Errorf("the help of train lacks %s", flag)
		}
	}
}

func TestInfo(t *testing.T) {
	stdout, _ := mustRun(t, exitOK, "info", "--threads", "2")
	for _, want := range []string{"version ", "go ", "cpu ", "kernels ", "generic", "bfloat16  multiplied by ", "threads   2", "GFLOP/s on 1 thread ", "GFLOP/s on 2 threads"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("info lacks %q:\n%s", want, stdout)
		}
	}
	if stdout, _ := mustRun(t, exitOK, "version"); !strings.HasPrefix(stdout, "vcycle "+version()+" go1.") {
		t.Errorf("version: %q", stdout)
	}
}

// The instruction set is chosen before main starts, so this takes a process of its own.
func TestUnknownISA(t *testing.T) {
	c := child(t, "info")
	c.Env = append(c.Env, "VCYCLE_ISA=abacus")
	out, err := c.CombinedOutput()
	skipIfForeign(t, err)
	if c.ProcessState.ExitCode() != exitBadInput || !strings.HasPrefix(string(out), "vcycle info: VCYCLE_ISA=abacus: ") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("exit code %d, output %q", c.ProcessState.ExitCode(), out)
	}
}

func TestSchedules(t *testing.T) {
	stdout, _ := mustRun(t, exitOK, "schedules")
	for _, name := range multilevel.Schedules() {
		if !strings.Contains("\n"+stdout, "\n"+name+"\n    ") {
			t.Errorf("%s is not described:\n%s", name, stdout)
		}
	}
}
