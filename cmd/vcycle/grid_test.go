package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run on a grid that is not uniform is evaluated on others, and begins another on a finer one, whose
// configuration repeats it.
func TestGrids(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	args := tiny(t, run, "--step-sizes", "0.5,1.5", "--method", "split")
	data := args[2]
	if out, _ := mustRun(t, exitOK, args...); !strings.Contains(out, "h = 0.5 to 1.5") {
		t.Errorf("%s", out)
	}
	loss := func(more ...string) string {
		t.Helper()
		out, _ := mustRun(t, exitOK, append([]string{"eval", run, "--data", data}, more...)...)
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "loss") {
				return line
			}
		}
		t.Fatal(out)
		return ""
	}
	trained := loss()
	for _, theta := range []string{"constant", "linear"} {
		if got := loss("--grid", "0,0.5,2", "--theta", theta); got != trained {
			t.Errorf("%s on the grid of the network: %s, want %s", theta, got, trained)
		}
	}
	for _, grid := range [][]string{{"--grid", "1"}, {"--step-size", "2", "--theta", "linear"}} {
		if loss(grid...) == trained {
			t.Errorf("%v: the loss of the trained grid", grid)
		}
	}
	for want, bad := range map[string][]string{
		"whole number":                     {"--grid", "2.5"},
		"1.25 steps":                       {"--step-size", "1.6"},
		"give one of them":                 {"--grid", "2", "--step-size", "1"},
		"from 0 to 2, 2 steps from 0 to 3": {"--grid", "0,1,3"},
		"monotone":                         {"--grid", "0,1,1,2"},
		"must be one":                      {"--grid", "2", "--theta", "cubic"},
		"begin at 0":                       {"--grid", "1,2"},
	} {
		if _, errs := mustRun(t, exitBadInput, append([]string{"eval", run, "--data", data}, bad...)...); !strings.Contains(errs, want) {
			t.Errorf("%v: %s, want %q", bad, errs, want)
		}
	}
	mustRun(t, exitOK, "export", "hf", run, "--out", filepath.Join(t.TempDir(), "hf"))

	fine, again := filepath.Join(t.TempDir(), "fine"), filepath.Join(t.TempDir(), "again")
	out, _ := mustRun(t, exitOK, "train", "--init", run, "--blocks", "8", "--theta", "linear", "--data", data, "--out", fine, "--steps", "3", "--batch", "2", "--sample-bytes", "0")
	if !strings.Contains(out, "8 blocks (split, h = 0.25)") {
		t.Errorf("%s", out)
	}
	mustRun(t, exitOK, "train", "--config", filepath.Join(fine, "config.toml"), "--out", again)
	var weights [][]byte
	for _, dir := range []string{fine, again} {
		b, err := os.ReadFile(runDir(dir).checkpoint(3))
		if err != nil {
			t.Fatal(err)
		}
		weights = append(weights, b[len(b)-4096:])
	}
	if !bytes.Equal(weights[0], weights[1]) {
		t.Error("a repetition has other weights")
	}
	if _, errs := mustRun(t, exitBadInput, "train", "--init", run, "--blocks", "8", "--step-size", "1", "--data", data, "--out", again+"2"); !strings.Contains(errs, "add up to 2") {
		t.Errorf("%s", errs)
	}
}

// Levels of several widths and contexts, from the plan to the summary.
func TestLevelAxes(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	out, _ := mustRun(t, exitOK, tiny(t, run, "--level-widths", "4,8", "--level-contexts", "2,8")...)
	for _, want := range []string{"levels 1 → 2, widths 4 → 8, contexts 2 → 8, identity", "blocks  width  context  h"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s\nwant %q", out, want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(run, "metrics.jsonl")); err != nil || !strings.Contains(string(text), `"width":4,"context":2`) {
		t.Errorf("metrics %s, error %v", text, err)
	}
	mustRun(t, exitOK, "export", "hf", run, "--out", filepath.Join(t.TempDir(), "hf"))
	if _, errs := mustRun(t, exitBadInput, tiny(t, run+"2", "--level-widths", "8")...); !strings.Contains(errs, "1 given for 2 levels") {
		t.Errorf("%s", errs)
	}
}
