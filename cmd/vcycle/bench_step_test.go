package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/nn"
)

func benchStepArgs(more ...string) []string {
	return append(strings.Fields("bench step --blocks 2 --width 16 --heads 2 --context 8 --batch 4 --vocab 20 --measure 4ms --rounds 2 --threads 1"), more...)
}

// TestBenchStepJSON holds the line to say what was measured, and its parts to be the whole.
func TestBenchStepJSON(t *testing.T) {
	keepISA(t)
	dir := t.TempDir()
	profiles, check := profileFlags(t, dir)
	stdout, _ := mustRun(t, exitOK, benchStepArgs(append(profiles, "--json", "--recompute", "--accumulate", "2", "--method", "heun")...)...)
	check()
	var l stepLine
	d := json.NewDecoder(strings.NewReader(stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if got := fmt.Sprintln(l.Method, l.Blocks, l.Width, l.Heads, l.Context, l.Batch, l.Accumulate, l.Recompute, l.Vocab, l.Rounds, l.Threads); got != "heun 2 16 2 8 4 2 true 20 2 1\n" {
		t.Errorf("measured was %s", got)
	}
	sum := 0.0
	for pass := range nn.Passes {
		for part := range nn.Parts {
			s, ok := l.SecondsParts[pass.String()][part.String()]
			if want := pass != nn.PassUpdate || part == nn.PartRest; !ok || (s > 0) != want {
				t.Errorf("%v of %v: %v s", part, pass, s)
			}
			sum += s
		}
	}
	if math.Abs(sum/l.Seconds-1) > 1e-4 || l.Fastest > l.Seconds || l.Seconds > l.Slowest || l.First <= 0 {
		t.Errorf("the parts take %v s, a step %v, of %v to %v; the first %v", sum, l.Seconds, l.Fastest, l.Slowest, l.First)
	}
	if math.Abs(l.Tokens*l.Seconds/32-1) > 1e-3 || math.Abs(l.GFLOPS/l.Ceiling/l.Share-1) > 1e-3 || l.Share <= 0 || l.Share > 1 {
		t.Errorf("%v tokens/s, %v of %v GFLOP/s, %v", l.Tokens, l.GFLOPS, l.Ceiling, l.Share)
	}
	if l.Memory.Activations <= 0 || l.Memory.Peak <= l.Memory.Total() {
		t.Errorf("memory %+v", l.Memory)
	}
}

func TestBenchStepTable(t *testing.T) {
	keepISA(t)
	stdout, _ := mustRun(t, exitOK, benchStepArgs()...)
	for _, want := range []string{"model       2 blocks (euler, h = 1), width 16, 2 heads, context 8, vocabulary 20", "step        4 × 8 tokens, adamw: ", " of the ceiling, which is ", "allocated ", " planned",
		"forward  backward  optimizer", "matmul", "attention", "head", "norms", "rest", "100%"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output lacks %q:\n%s", want, stdout)
		}
	}
}

// The configuration of a run gives its step, on the finest level.
func TestBenchStepConfig(t *testing.T) {
	keepISA(t)
	out := filepath.Join(t.TempDir(), "run")
	mustRun(t, exitOK, tiny(t, out)...)
	stdout, _ := mustRun(t, exitOK, "bench", "step", "--config", runDir(out).config(), "--measure", "1ms", "--rounds", "1")
	if !strings.Contains(stdout, "2 blocks (euler, h = 1), width 8, 2 heads, context 8, vocabulary 256") {
		t.Error(stdout)
	}
	text := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(text, []byte(sentences(2000)), 0o644); err != nil {
		t.Fatal(err)
	}
	mustRun(t, exitOK, "tokenizer", "train", "--vocab", "280", "--out", runDir(out).tokenizer(), text)
	for _, c := range []struct {
		flags []string
		want  string
	}{{nil, "vocabulary 280: "}, {[]string{"--vocab", "20"}, "vocabulary 20: "}} {
		stdout, _ := mustRun(t, exitOK, append([]string{"bench", "step", "--config", runDir(out).config(), "--measure", "1ms", "--rounds", "1"}, c.flags...)...)
		if !strings.Contains(stdout, c.want) {
			t.Errorf("%v: %s", c.flags, stdout)
		}
	}
}

// What was measured is told before a plot can fail.
func TestBenchStepNoPlot(t *testing.T) {
	keepISA(t)
	file := filepath.Join(t.TempDir(), "nowhere", "sweep.png")
	stdout, stderr := mustRun(t, exitBadInput, benchStepArgs("--sweep", "batch", "--values", "1,2", "--plot", file, "--rounds", "1", "--measure", "1ms")...)
	if !strings.Contains(stdout, "of the ceiling\n") || !strings.Contains(stderr, "--plot "+file+" cannot be written: ") {
		t.Errorf("stdout %q, stderr %q", stdout, stderr)
	}
}

func TestBenchStepSweep(t *testing.T) {
	keepISA(t)
	for sweep, want := range map[string][]string{"context": {"2", "4", "8", "16", "32"}, "width": {"4", "8", "16", "32", "64"}, "blocks": {"1", "2", "4", "8"}, "batch": {"1", "2", "4", "8", "16"}} {
		if sweep == "width" {
			want = []string{"8", "16", "24"} // heads of 8
		}
		file := filepath.Join(t.TempDir(), "sweep.png")
		args := benchStepArgs("--sweep", sweep, "--plot", file, "--rounds", "1", "--measure", "1ms")
		if sweep == "width" {
			args = append(args, "--values", "24,8,16,8")
		}
		stdout, _ := mustRun(t, exitOK, args...)
		lines := strings.Split(strings.TrimSpace(stdout), "\n")[2:]
		if !strings.Contains(lines[0], sweep) || len(lines)-1 != len(want) {
			t.Fatalf("%s:\n%s", sweep, stdout)
		}
		for i, l := range lines[1:] {
			if f := strings.Fields(l); f[0] != want[i] {
				t.Errorf("%s: line %q, want %s", sweep, l, want[i])
			}
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := png.DecodeConfig(bytes.NewReader(b)); err != nil || c.Width != 1200 || c.Height != 700 {
			t.Errorf("the plot is %v, %v", c, err)
		}
	}
}

func TestBenchStepBadInput(t *testing.T) {
	keepISA(t)
	for _, c := range []struct{ args, want string }{
		{"--rounds 0", "--rounds 0: "},
		{"--measure 0s", "--measure 0s: "},
		{"--sweep depth", "--sweep depth: use context, width, blocks or batch"},
		{"--values 1,2", "--values and --plot are for a --sweep"},
		{"--sweep width --values 12", "heads are 8 wide"},
		{"--sweep batch --values 0", "batch 0: it must be between 1 and"},
		{"--vocab 0", "vocab 0"},
		{"--threads=-1", "--threads"},
		{"--width 1048576 --heads 1 --batch 4096 --context 4096 --blocks 4096 --vocab 256", "the run takes"},
		{"gemm", "unexpected argument gemm"},
	} {
		code, stdout, stderr := vcycle(t, benchStepArgs(strings.Fields(c.args)...)...)
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		if last := lines[len(lines)-1]; code != exitBadInput || stdout != "" || !strings.HasPrefix(last, "vcycle bench step: ") || !strings.Contains(last, c.want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q; want %q", c.args, code, stdout, stderr, c.want)
		}
	}
}
