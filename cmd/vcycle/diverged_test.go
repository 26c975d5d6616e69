package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// divergent returns the arguments of a run whose rate is some times as large as it can be. How many, and where it
// diverges, depends on the last bits, and so on the instruction set.
func divergent(t *testing.T, out string, more ...string) []string {
	return append(replaceArg(tiny(t, out), "--levels", "2"), append([]string{"--multilevel", "single", "--steps", "60", "--val-every", "10",
		"--optimizer", "sgd", "--clip", "0", "--lr", "2", "--warmup", "0", "--sample-bytes", "0"}, more...)...)
}

// actions returns what a run's log says that was done about steps that diverged.
func actions(lines []map[string]any) (all []string) {
	for _, m := range lines {
		decisions, _ := m["decisions"].([]any)
		for _, d := range decisions {
			if d := d.(map[string]any); d["kind"] == "divergence" {
				all = append(all, d["action"].(string))
			}
		}
	}
	return all
}

// A run that goes back does so to the same steps when it is repeated, and when it is interrupted on the way.
func TestRollBack(t *testing.T) {
	dir := t.TempDir()
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "out")
	args := divergent(t, whole, "--on-divergence", "rollback")
	stdout, stderr := mustRun(t, exitOK, args...)
	lines := logLines(t, whole)
	n := len(actions(lines))
	if n == 0 || slices.ContainsFunc(actions(lines), func(a string) bool { return a != "rollback" }) || stderr != "" {
		t.Errorf("the log has %v, stderr %q", actions(lines), stderr)
	}
	if got, want := lines[59]["lr"].(float64), 2*0.05/math.Pow(2, float64(n)); math.Abs(got-want) > 0.1*want {
		t.Errorf("the last rate is %v after going back %d times, want about %v", got, n, want)
	}
	for want, times := range map[string]int{"\ndiverged  step ": n, "; the largest are ": n, "back to step ": n, ", with the learning rate times 0.5\n": 1} {
		if strings.Count(stdout, want) != times {
			t.Errorf("the output lacks %q:\n%s", want, stdout)
		}
	}
	for i, steps := range []int{2, 13, 22} {
		if i > 0 {
			args = []string{"train", "--resume", out}
		}
		interrupt(t, steps, out, append(replaceArgIfThere(args, "--out", out), "--save-every", "1ns"))
	}
	mustRun(t, exitOK, "train", "--resume", out)
	sameRun(t, whole, out)
}

func replaceArgIfThere(args []string, name, value string) []string {
	if slices.Contains(args, name) {
		return replaceArg(args, name, value)
	}
	return args
}

// A run that stops says so in its log, and goes on as it is told then.
func TestStopThenRollBack(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	_, stderr := mustRun(t, exitFailed, divergent(t, out)...)
	for _, want := range []string{", level 1 (2 blocks): the loss jumps to ", "; the largest are the activation ", "--resume " + out + " --on-divergence rollback"} {
		if !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("stderr %q, want one line with %q", stderr, want)
		}
	}
	lines := logLines(t, out)
	if got := actions(lines); !slices.Equal(got, []string{"stop"}) || actions(lines[len(lines)-1:]) == nil {
		t.Errorf("%d lines, actions %v", len(lines), got)
	}
	state := func() string { return runDir(out).state().State }
	if why, err := os.ReadFile(runDir(out).diverged()); err != nil || !strings.Contains(string(why), "the loss jumps to ") || state() != runDiverged {
		t.Errorf("the run is %s, because %s (%v)", state(), why, err)
	}
	mustRun(t, exitBadInput, "train", "--resume", out, "--on-divergence", "pray")
	interrupt(t, 12, out, []string{"train", "--resume", out, "--on-divergence", "rollback"})
	if state() != runInterrupted {
		t.Errorf("a run that goes on is %s", state())
	}
	_, stderr = mustRun(t, exitOK, "train", "--resume", out) // as it was told before
	if got := actions(logLines(t, out)); len(got) == 0 || stderr != "" {
		t.Errorf("actions %v, stderr %q", got, stderr)
	}
}

func TestSkipAndFail(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	stdout, stderr := mustRun(t, exitFailed, divergent(t, out, "--on-divergence", "skip")...)
	if !strings.Contains(stderr, "after 10 skipped steps in a row") || strings.Count(stdout, ": the step is skipped\n") != 10 {
		t.Errorf("stderr %q, stdout:\n%s", stderr, stdout)
	}
	lines := logLines(t, out)
	skipped := 0
	for _, m := range lines {
		if m["skipped"] == true {
			skipped++
		}
	}
	if got := actions(lines); skipped != 11 || len(got) != 11 || got[9] != "skip" || got[10] != "stop" {
		t.Errorf("%d lines are skipped, actions %v", skipped, got)
	}
	if _, err := os.Stat(runDir(out).summary()); err == nil {
		t.Error("the run counts as finished")
	}
}

// A run whose validation diverges, after a step that did not, has the step in its log, and what came of it.
func TestValidationDiverges(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	stdout, stderr := mustRun(t, exitFailed, divergent(t, out, "--lr", "1e30", "--val-every", "1")...)
	if !strings.Contains(stderr, "validation") || strings.Count(stdout, "\ndiverged  ") != 1 {
		t.Errorf("stderr %q, stdout:\n%s", stderr, stdout)
	}
	lines := logLines(t, out)
	if got := actions(lines); len(lines) != 1 || !slices.Equal(got, []string{"stop"}) || lines[0]["val_loss"] != nil {
		t.Errorf("%d lines, actions %v", len(lines), got)
	}
}
