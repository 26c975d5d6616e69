package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRuns(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	mustRun(t, exitOK, tiny(t, a)...)
	mustRun(t, exitOK, tiny(t, b, "--lr", "0.02", "--seed", "7")...)
	stdout, _ := mustRun(t, exitOK, "runs", a, b+"/")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines, want a heading and two runs:\n%s", len(lines), stdout)
	}
	for i, want := range [][]string{{"1,2", "10", "0.002", "1"}, {"1,2", "10", "0.02", "7"}} {
		if got := strings.Fields(lines[i+1])[:4]; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("run %d shows %v, want %v", i, got, want)
		}
	}

	if err := os.Remove(runDir(b).summary()); err != nil {
		t.Fatal(err)
	}
	if _, stderr := mustRun(t, exitBadInput, "runs", a, b); !strings.Contains(stderr, "not finished") {
		t.Errorf("stderr %q", stderr)
	}
	if _, stderr := mustRun(t, exitBadInput, "runs", dir); !strings.Contains(stderr, "not the directory of a run") {
		t.Errorf("stderr %q", stderr)
	}
}
