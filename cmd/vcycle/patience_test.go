package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A run that is cut short says so, in its output and in its metrics, and is finished; one that is interrupted
// on the way goes on to the same end.
func TestPatience(t *testing.T) {
	dir := t.TempDir()
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "out")
	// 21 of 30 steps are on the coarse level; no loss falls by so much.
	args := tiny(t, whole, "--steps", "30", "--val-every", "1", "--patience", "2", "--min-delta", "100", "--decay-fraction", "0.1")
	stdout, _ := mustRun(t, exitOK, args...)
	if want := "decision  the validation loss has not fallen below"; strings.Count(stdout, want) != 1 || !strings.Contains(stdout, "step 27/27") {
		t.Errorf("no %q:\n%s", want, stdout)
	}
	lines := logLines(t, whole)
	decisions, _ := lines[23]["decisions"].([]any)
	if len(lines) != 27 || len(decisions) != 1 || decisions[0].(map[string]any)["kind"] != "stop" || decisions[0].(map[string]any)["total"] != 27.0 {
		t.Errorf("%d steps; the 24th: %v", len(lines), lines[23])
	}
	for _, steps := range []int{22, 23, 24, 26} {
		at := filepath.Join(out, string(rune('a'+steps-22)))
		interrupt(t, steps, at, replaceArg(args, "--out", at))
		mustRun(t, exitOK, "train", "--resume", at)
		if diff := cmp.Diff(lines, logLines(t, at)); diff != "" {
			t.Errorf("interrupted after %d steps: %s", steps, diff)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"train --patience 2 --val-every 0", "--patience 2: it counts validations"},
		{"train --patience=-1", "patience -1"},
		{"train --min-delta=-1", "min delta -1"},
		{"compare --out x --patience 3", "--patience cannot be given"},
	} {
		if _, stderr := mustRun(t, exitBadInput, strings.Fields(c.args)...); !strings.Contains(stderr, c.want) {
			t.Errorf("%s: %q", c.args, stderr)
		}
	}
}
