package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sweepArgs returns the arguments of a sweep of runs that take milliseconds.
func sweepArgs(t *testing.T, out string, grid ...string) []string {
	args := tiny(t, out)
	args[0] = "sweep"
	for _, g := range grid {
		key, _, _ := strings.Cut(g, "=")
		if i := slices.Index(args, "--"+key); i >= 0 {
			args = slices.Delete(args, i, i+2)
		}
		args = append(args, "--grid", g)
	}
	return args
}

// A sweep goes on where it was interrupted, and ends with a table, whatever becomes of its runs.
func TestSweep(t *testing.T) {
	out := filepath.Join(t.TempDir(), "sweep")
	args := sweepArgs(t, out, "lr=0.002,1e30", "width=8,12")
	second := filepath.Join(out, "lr-0.002_width-12")
	code, stdout, stderr := vcycleUntil(t, untilStep{t.Context(), second, 3}, args...)
	if code != exitInterrupted || !strings.Contains(stdout, "the same command continues in "+out) {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	kept, err := os.ReadFile(filepath.Join(out, "lr-0.002_width-8", "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	stdout, _ = mustRun(t, exitOK, args...)
	if strings.Contains(stdout, "1 of 4") || !strings.Contains(stdout, "2 of 4: "+second+"\n") || !strings.Contains(stdout, "| 1e30 | 8 | – |") || !strings.Contains(stdout, "the best: "+out) {
		t.Errorf("%s", stdout)
	}
	if again, err := os.ReadFile(filepath.Join(out, "lr-0.002_width-8", "summary.json")); err != nil || string(again) != string(kept) {
		t.Error("a finished run was run again")
	}
	var report struct {
		Keys []string
		Runs []sweepCell
	}
	text, err := os.ReadFile(filepath.Join(out, "sweep.json"))
	if err != nil || json.Unmarshal(text, &report) != nil || len(report.Runs) != 4 || !slices.Equal(report.Keys, []string{"lr", "width"}) {
		t.Fatalf("%v\n%s", err, text)
	}
	if a, b := report.Runs[0], report.Runs[1]; *a.ValLoss > *b.ValLoss || a.State != runFinished || a.Summary["steps"] != 10.0 {
		t.Errorf("%+v, %+v", a, b)
	}
	if d := report.Runs[2]; d.State != runDiverged || d.ValLoss != nil {
		t.Errorf("%+v", d)
	}
	if md, err := os.ReadFile(filepath.Join(out, "sweep.md")); err != nil || !strings.Contains(stdout, string(md)) {
		t.Errorf("%v\n%s", err, md)
	}
	whole := filepath.Join(t.TempDir(), "whole") // what was interrupted is as if it had not been
	i := slices.Index(args, "--out")
	mustRun(t, exitOK, append(append([]string{"train"}, slices.Delete(slices.Clone(args[1:len(args)-4]), i-1, i+1)...), "--lr", "0.002", "--width", "12", "--out", whole)...)
	sameRun(t, whole, second)

	// More values, but not other settings.
	stdout, _ = mustRun(t, exitOK, append(args[:len(args)-4:len(args)-4], "--grid", "width=8,12,16", "--grid", "lr=0.002")...)
	if strings.Count(stdout, " of 3: ") != 3 { // the order of the keys names the directories
		t.Errorf("%s", stdout)
	}
	if _, stderr := mustRun(t, exitBadInput, append(args, "--seed", "7")...); !strings.Contains(stderr, "other settings") {
		t.Errorf("stderr %q", stderr)
	}
}

// A run that fails ends in the table, and is tried again.
func TestSweepFailure(t *testing.T) {
	out := filepath.Join(t.TempDir(), "sweep")
	args := sweepArgs(t, out, "seed=1,2")
	mustRun(t, exitOK, args...)
	if err := os.RemoveAll(filepath.Join(out, "seed-1")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, "seed-1"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, stderr := mustRun(t, exitFailed, args...)
	if !strings.Contains(stdout, "| 1 | – |") || !strings.Contains(stdout, "| failed |") || !strings.Contains(stderr, "1 of 2 runs failed") {
		t.Errorf("%s%s", stdout, stderr)
	}
	if err := os.Remove(filepath.Join(out, "seed-1")); err != nil {
		t.Fatal(err)
	}
	if stdout, _ = mustRun(t, exitOK, args...); strings.Contains(stdout, "failed") {
		t.Errorf("%s", stdout)
	}
}

func TestSweepRefuses(t *testing.T) {
	for _, c := range []struct{ grid, more, want string }{
		{"lr", "", "give a key and values"},
		{"rate=1", "", `unknown key "rate"`},
		{"widht=8,12", "", `did you mean "width"?`},
		{"lr=0.1,0.1", "", `"0.1" is there twice`},
		{"lr=0.1", "--lr 0.2", "lr is given twice"},
		{"lr=0.1", "--grid lr=0.2", "lr is given twice"},
		{"width=8,x", "", "width=x: expected a valid 64 bit int"},
		{"width=8,9", "", "with width=9: width 9 is not divisible by 2 heads"},
		{"steps=8", "--time 5s", "--steps and --time: give one of them"},
		{"levels=1,2;3", "--blocks 2", "levels=3"},
	} {
		out := filepath.Join(t.TempDir(), "out")
		args := append([]string{"sweep", "--out", out, "--heads", "2", "--grid", c.grid}, strings.Fields(c.more)...)
		if _, stderr := mustRun(t, exitBadInput, args...); !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: %q, want %q", args, stderr, c.want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%v: the directory has been made", args)
		}
	}
}

// A sweep whose settings fit only with the values of its grid goes by its configuration all the same.
func TestSweepConfig(t *testing.T) {
	dir := t.TempDir()
	args := tiny(t, "")
	data := args[slices.Index(args, "--data")+1]
	config := filepath.Join(dir, "base.toml")
	write := func(lr string) {
		t.Helper()
		text := "data = '" + data + "'\nmultilevel = 'nested'\nlevels = [1, 2]\nheads = 3\ncontext = 8\nbatch = 2\nsteps = 4\nsample_bytes = 0\nlr = " + lr + "\n"
		if err := os.WriteFile(config, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("0.002")
	command := []string{"sweep", "--config", config, "--grid", "width=6,12", "--out", filepath.Join(dir, "sweep")}
	mustRun(t, exitOK, command...)
	mustRun(t, exitOK, command...)
	write("0.004")
	if _, stderr := mustRun(t, exitBadInput, command...); !strings.Contains(stderr, "other settings") {
		t.Errorf("stderr %q", stderr)
	}
}
