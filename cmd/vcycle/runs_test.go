package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRuns(t *testing.T) {
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	mustRun(t, exitOK, tiny(t, a)...)
	mustRun(t, exitOK, tiny(t, b, "--lr", "0.02", "--seed", "7")...)
	interrupt(t, 5, c, tiny(t, c))
	list := func(args ...string) (states []runState, stdout string) {
		t.Helper()
		stdout, _ = mustRun(t, exitOK, append([]string{"runs"}, args...)...)
		text, _ := mustRun(t, exitOK, append([]string{"runs", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(text), &states); err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
		return states, stdout
	}
	states, stdout := list(b+"/", a)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 3 || len(states) != 2 {
		t.Fatalf("%d lines, want a heading and two runs:\n%s", len(lines), stdout)
	}
	for i, want := range []string{"finished 1,2 10 0.002 1", "finished 1,2 10 0.02 7"} {
		if got := strings.Join(strings.Fields(lines[i+1])[:5], " "); got != want {
			t.Errorf("run %d shows %v, want %v", i, got, want)
		}
	}
	if a := states[0]; a.Step != 10 || a.Tokens != 160 || a.ValLoss == nil || a.FLOPsTotal <= a.FLOPsBlocks || a.FLOPsBlocks <= 0 {
		t.Errorf("%+v", a)
	}

	states, stdout = list("--sort", "loss", dir) // whose runs are found
	if len(states) != 3 || *states[0].ValLoss > *states[1].ValLoss {
		t.Errorf("sorted by loss:\n%s", stdout)
	}
	states, stdout = list("--sort", "time", dir)
	if len(states) != 3 || states[0].WallSeconds > states[1].WallSeconds || states[1].WallSeconds > states[2].WallSeconds {
		t.Errorf("sorted by time:\n%s", stdout)
	}
	states, stdout = list(c)
	if s := states[0]; s.State != runInterrupted || s.Process != 0 || s.Step != 5 || s.Steps != 10 || s.TrainLoss == nil || !strings.Contains(stdout, " 5 of 10 ") {
		t.Errorf("an interrupted run: %+v\n%s", s, stdout)
	}
	unlock, err := runDir(c).lock(&session{stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	states, stdout = list(c)
	if s := states[0]; s.State != runRunning || s.Process != os.Getpid() || !strings.Contains(stdout, "running") {
		t.Errorf("a run in use: %+v\n%s", s, stdout)
	}
	unlock()
	if states, _ = list(c); states[0].State != runInterrupted {
		t.Errorf("a run that was in use: %+v", states[0])
	}
	if err := os.WriteFile(runDir(c).diverged(), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if states, _ = list(c); states[0].State != runDiverged {
		t.Errorf("a run that diverged: %+v", states[0])
	}
	if err := os.WriteFile(runDir(b).summary(), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if states, _ = list(b); states[0].State != runDamaged || !strings.Contains(states[0].Problem, "summary.json") {
		t.Errorf("a run whose summary is damaged: %+v", states[0])
	}
	for want, path := range map[string]string{"holds none": runDir(a).checkpoints(), "no such file": filepath.Join(dir, "nowhere")} {
		if _, stderr := mustRun(t, exitBadInput, "runs", path); !strings.Contains(stderr, want) {
			t.Errorf("stderr %q, want %q", stderr, want)
		}
	}
}
