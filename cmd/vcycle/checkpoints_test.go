package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
)

// faulty counts the operations on files that run does, and fails those that fail tells by their number.
func faulty(run func(), fail func(i int, operation, path string) error) (operations []string) {
	atomicfile.Fault = func(operation, path string) error {
		operations = append(operations, operation+" "+filepath.Base(path))
		return fail(len(operations)-1, operation, path)
	}
	defer func() { atomicfile.Fault = nil }()
	run()
	return operations
}

// copyRun returns a copy of a run's directory.
func copyRun(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "run")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// A run that ends, or meets a full disk, at any operation on a file leaves a checkpoint with the bits that
// an undisturbed run has after the same step.
func TestEveryInstant(t *testing.T) {
	start := filepath.Join(t.TempDir(), "start")
	interrupt(t, 3, start, tiny(t, start))
	want := map[int][]byte{3: checkpointData(t, runDir(start).checkpoint(3))}
	resume := func(dir string) (code int, stderr string) {
		code, _, stderr = vcycle(t, "train", "--resume", dir, "--save-every", "1ns", "--keep", "1")
		return code, stderr
	}
	whole := copyRun(t, start)
	operations := faulty(func() { resume(whole) }, func(i int, operation, path string) error {
		if m, _, err := runDir(whole).readManifest(); err == nil {
			if c, ok := m.last(); ok && want[c.Step] == nil {
				want[c.Step] = checkpointData(t, runDir(whole).path(c))
			}
		}
		return nil
	})
	// Each operation of a save, until the next begins; of the writes, one a tensor, some.
	next := slices.Index(operations, "create "+checkpointFile(5, 0)+".tmp")
	if next < 0 {
		t.Fatal(operations)
	}
	full := errors.New("no space left on device")
	takesSpace := func(operation string) bool {
		return operation == "create" || operation == "write" || operation == "sync"
	}
	for i := range next {
		operation, _, _ := strings.Cut(operations[i], " ")
		if strings.HasPrefix(operations[i], "write step") && i%29 != 2 {
			continue
		}
		for _, crash := range []bool{true, false} {
			if !crash && !takesSpace(operation) {
				continue
			}
			dir := copyRun(t, start)
			var code int
			var stderr string
			faulty(func() { code, stderr = resume(dir) }, func(j int, operation, path string) error {
				switch {
				case crash && j >= i: // nothing happens any more
					return errors.New("the world has ended")
				case !crash && j >= i && takesSpace(operation):
					return full
				}
				return nil
			})
			where := fmt.Sprintf("crash %v at %s", crash, operations[i])
			m, damage, err := runDir(dir).readManifest()
			if err != nil || damage != nil {
				t.Fatalf("%s: %v, %v", where, damage, err)
			}
			c, ok := m.last()
			if !ok || want[c.Step] == nil || !bytes.Equal(checkpointData(t, runDir(dir).path(c)), want[c.Step]) {
				t.Errorf("%s: the last checkpoint, of step %d, has other bits than an undisturbed run", where, c.Step)
			}
			if err := runDir(dir).check(c); err != nil {
				t.Errorf("%s: %v", where, err)
			}
			if crash {
				continue
			}
			if code != exitFailed || !strings.Contains(stderr, full.Error()) || !strings.Contains(stderr, "the last checkpoint in "+dir+" is of step ") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("%s: exit code %d, stderr %q", where, code, stderr)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*", "*.tmp")); len(left) > 0 {
				t.Errorf("%s: %v takes what little space there is", where, left)
			}
		}
	}
}

// A process that is killed at any time, again and again, ends with the bits and the metrics of one that was not.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "out")
	args := tiny(t, whole, "--save-every", "1ns")
	mustRun(t, exitOK, args...)
	args = replaceArg(args, "--out", out)
	rng := rand.New(rand.NewPCG(1, 2))
	bound, kills, step := 100*time.Millisecond, 0, -1
	for try := 0; ; try++ {
		if try == 500 {
			t.Fatal("it comes to no end")
		}
		c := child(t, "train", "--resume", out)
		if _, err := os.Stat(runDir(out).config()); err != nil { // killed before it was a run
			os.RemoveAll(out)
			c = child(t, args...)
		}
		var stderr bytes.Buffer
		c.Stderr = &stderr
		if err := c.Start(); err != nil {
			skipIfForeign(t, err)
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(rng.Int64N(int64(bound))), func() { c.Process.Kill() })
		err := c.Wait()
		kill.Stop()
		if stderr.Len() > 0 {
			t.Fatalf("after %d kills: %v, stderr %q", kills, err, stderr.String())
		}
		if err == nil {
			break
		}
		kills++
		m, _, _ := runDir(out).readManifest()
		last, _ := m.last()
		if last.Step < step {
			t.Fatalf("it has fallen from step %d to %d", step, last.Step)
		}
		if last.Step == step { // where starting takes long, so that it comes to an end
			bound += bound / 4
		}
		step = last.Step
	}
	t.Logf("killed %d times", kills)
	sameRun(t, whole, out)
}

// What is truncated, or has a bit flipped, is named, and the run goes on from what is whole.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	whole, start := filepath.Join(dir, "whole"), filepath.Join(dir, "start")
	args := tiny(t, whole)
	mustRun(t, exitOK, args...)
	interrupt(t, 5, start, replaceArg(args, "--out", start))
	interrupt(t, 6, start, []string{"train", "--resume", start})
	d := runDir(start)
	rng := rand.New(rand.NewPCG(3, 4))
	for _, path := range []string{d.config(), d.metrics(), d.manifest(), d.checkpoint(4), d.checkpoint(5), d.checkpoint(6), d.lockFile()} {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		half := good[:len(good)/2]
		flipped := bytes.Clone(good)
		if len(good) > 0 {
			flipped[rng.IntN(len(good))] ^= 1 << rng.IntN(8)
		}
		for name, bad := range map[string][]byte{"truncated": half, "bit flipped": flipped} {
			name = filepath.Base(path) + " " + name
			out := runDir(copyRun(t, start))
			rel, err := filepath.Rel(start, path)
			if err != nil {
				t.Fatal(err)
			}
			harmed := filepath.Join(string(out), rel)
			if err := os.WriteFile(harmed, bad, 0o644); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := vcycle(t, "train", "--resume", string(out))
			switch path {
			case d.config():
				if code != exitBadInput && code != exitOK || !strings.Contains(stderr, "config.toml") {
					t.Errorf("%s: exit code %d, stderr %q", name, code, stderr)
				}
				continue
			case d.metrics():
				if name == "metrics.jsonl truncated" && !strings.Contains(stderr, "metrics.jsonl: the lines of ") {
					t.Errorf("%s: stderr %q", name, stderr)
				}
			case d.manifest():
				if !strings.Contains(stderr, harmed) {
					t.Errorf("%s: stderr %q does not name it", name, stderr)
				}
			case d.checkpoint(6):
				if !strings.Contains(stderr, harmed) || !strings.Contains(stderr, "going back to the checkpoint of step 5") || !strings.Contains(stdout, "resuming after step 5") {
					t.Errorf("%s: stderr %q, stdout %s", name, stderr, stdout)
				}
				if got, err := os.ReadFile(harmed + damagedSuffix); err != nil || !bytes.Equal(got, bad) {
					t.Errorf("%s: it is not kept: %v", name, err)
				}
			}
			if code != exitOK {
				t.Fatalf("%s: exit code %d, stderr %q", name, code, stderr)
			}
			if !bytes.Equal(final(t, whole), final(t, string(out))) {
				t.Errorf("%s: the run ends with other bits", name)
			}
		}
	}
}

// A run has one process at a time, and needs no help after that one was killed.
func TestTwoProcesses(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	c := child(t, tiny(t, out, "--steps", "1000000000", "--val-every", "0", "--save-every", "1ns")...)
	if err := c.Start(); err != nil {
		skipIfForeign(t, err)
		t.Fatal(err)
	}
	defer c.Wait()
	defer c.Process.Kill()
	for {
		if steps, err := runDir(out).steps(); err == nil && len(steps) > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	_, stderr := mustRun(t, exitBadInput, "train", "--resume", out)
	if want := fmt.Sprintf("%s is in use by another vcycle, process %d: ", out, c.Process.Pid); !strings.Contains(stderr, want) {
		t.Errorf("stderr %q, want %q", stderr, want)
	}
	mustRun(t, exitOK, "generate", out, "--tokens", "3") // reading disturbs nobody
	c.Process.Kill()
	c.Wait()
	code, _, stderr := vcycleUntil(t, untilStep{t.Context(), out, 1}, "train", "--resume", out)
	if code != exitInterrupted || stderr != "" {
		t.Errorf("after it was killed: exit code %d, stderr %q", code, stderr)
	}
}

func TestReadOnly(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	interrupt(t, 3, out, tiny(t, out))
	if os.Geteuid() != 0 { // whom no permission stops
		for _, dir := range []string{out, runDir(out).checkpoints()} {
			if err := os.Chmod(dir, 0o555); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(dir, 0o755)
		}
	} else {
		atomicfile.Fault = func(operation, path string) error {
			if operation == "read" {
				return nil
			}
			return syscall.EROFS
		}
		defer func() { atomicfile.Fault = nil }()
	}
	code, _, stderr := vcycle(t, "train", "--resume", out)
	if code == exitOK || !strings.Contains(stderr, out) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	mustRun(t, exitOK, "generate", out, "--tokens", "3")
}

// The last ones stay, and the best, which generate, eval and export find.
func TestKeepBest(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	args := tiny(t, out, "--val-every", "1", "--lr", "0.3", "--keep", "3", "--save-every", "1ns")
	stdout, _ := mustRun(t, exitOK, args...)
	lowest := map[string]any{}
	for _, m := range logLines(t, out) {
		if lowest["step"] == nil || m["val_loss"].(float64) < lowest["val_loss"].(float64) {
			lowest = m
		}
	}
	best := int(lowest["step"].(float64))
	if best > 7 {
		t.Fatalf("the best step is %d: this does not show that it is kept", best)
	}
	if steps, err := runDir(out).steps(); err != nil || !slices.Equal(steps, []int{10, 9, 8, best}) {
		t.Errorf("checkpoints of the steps %v, %v; want the last three and %d", steps, err, best)
	}
	if want := fmt.Sprintf("vcycle generate %s --checkpoint best", out); !strings.Contains(stdout, want) {
		t.Errorf("the output lacks %q:\n%s", want, stdout)
	}
	data := args[slices.Index(args, "--data")+1]
	for _, command := range [][]string{
		{"eval", out, "--data", data}, {"export", "gguf", out, "--out", filepath.Join(t.TempDir(), "x"), "--force"}, {"generate", out, "--tokens", "3"},
	} {
		for which, step := range map[string]int{"best": best, "last": 10, "9": 9, fmt.Sprint(best): best} {
			stdout, _ := mustRun(t, exitOK, append(command, "--checkpoint", which)...)
			if command[0] != "generate" && !strings.Contains(stdout, checkpointFile(step, 0)) {
				t.Errorf("%v --checkpoint %s: %s", command, which, stdout)
			}
		}
		for which, want := range map[string]string{"2": "has checkpoints of the steps 10, 9, 8", "first": "it is last, best or the number of a step"} {
			if _, stderr := mustRun(t, exitBadInput, append(command, "--checkpoint", which)...); !strings.Contains(stderr, want) {
				t.Errorf("%v --checkpoint %s: stderr %q", command, which, stderr)
			}
		}
	}
	path := runDir(out).checkpoint(best)
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	if _, stderr := mustRun(t, exitBadInput, "generate", out, "--checkpoint", "best"); !strings.Contains(stderr, path+" is truncated") {
		t.Errorf("stderr %q", stderr)
	}
}

// Where the manifest is damaged, the best checkpoint is known from the log, and stays.
func TestBestWithoutManifest(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	interrupt(t, 8, out, tiny(t, out, "--val-every", "1", "--lr", "0.3", "--keep", "1", "--save-every", "1ns"))
	dir := runDir(out)
	m, _, err := dir.readManifest()
	if err != nil {
		t.Fatal(err)
	}
	best, ok := m.best()
	if last, _ := m.last(); !ok || best.Step == last.Step {
		t.Fatalf("the best checkpoint is %+v: this does not show that it is kept", best)
	}
	if err := os.WriteFile(dir.manifest(), []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, stderr := mustRun(t, exitOK, "train", "--resume", out); !strings.Contains(stderr, "is damaged") {
		t.Errorf("stderr %q", stderr)
	}
	m, damage, err := dir.readManifest()
	if after, ok := m.best(); err != nil || damage != nil || !ok || after.Step != best.Step || *after.ValLoss != *best.ValLoss {
		t.Errorf("the best checkpoint was %+v, and is %+v (%v, %v)", best, after, damage, err)
	}
}

// Runs of versions without a manifest go on, and then have one.
func TestWithoutManifest(t *testing.T) {
	dir := t.TempDir()
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "out")
	args := tiny(t, whole)
	mustRun(t, exitOK, args...)
	interrupt(t, 5, out, replaceArg(args, "--out", out))
	if err := os.Remove(runDir(out).manifest()); err != nil {
		t.Fatal(err)
	}
	if _, stderr := mustRun(t, exitOK, "train", "--resume", out); stderr != "" {
		t.Errorf("stderr %q", stderr)
	}
	sameRun(t, whole, out)
	m, damage, err := runDir(out).readManifest()
	if err != nil || damage != nil || len(m.Checkpoints) < 2 || m.Checkpoints[0].SHA256 == "" {
		t.Errorf("%+v, %v, %v", m, damage, err)
	}
}

// A run that ended before its first checkpoint begins anew.
func TestResumeBeforeFirst(t *testing.T) {
	dir := t.TempDir()
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "out")
	args := tiny(t, whole)
	mustRun(t, exitOK, args...)
	interrupt(t, 3, out, replaceArg(args, "--out", out))
	if err := os.RemoveAll(runDir(out).checkpoints()); err != nil {
		t.Fatal(err)
	}
	if _, stderr := mustRun(t, exitBadInput, "train", "--resume", out); !strings.Contains(stderr, "not the directory of a run") {
		t.Errorf("stderr %q", stderr)
	}
	if err := os.Mkdir(runDir(out).checkpoints(), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, stderr := mustRun(t, exitBadInput, "generate", out); !strings.Contains(stderr, "holds no checkpoint") {
		t.Errorf("stderr %q", stderr)
	}
	mustRun(t, exitOK, "train", "--resume", out)
	sameRun(t, whole, out)
}

func manifestText(change func(m *manifest)) []byte {
	loss := 1.5
	digest := atomicfile.Digest{Bytes: 3, SHA256: strings.Repeat("ab", 32)}
	m := manifest{Version: manifestVersion, Files: map[string]atomicfile.Digest{"config.toml": digest}, Checkpoints: []checkpoint{
		{Step: 4, File: checkpointFile(4, 0), Digest: digest, ValLoss: &loss},
		{Step: 4, Rollbacks: 1, File: checkpointFile(4, 1), Digest: digest},
	}}
	change(&m)
	text, err := m.marshal()
	if err != nil {
		panic(err)
	}
	return text
}

func TestParseManifest(t *testing.T) {
	if _, err := parseManifest(manifestText(func(*manifest) {})); err != nil {
		t.Fatal(err)
	}
	text := manifestText(func(*manifest) {})
	for i := range text {
		flipped := bytes.Clone(text)
		flipped[i] ^= 1
		if _, err := parseManifest(flipped); err == nil {
			t.Errorf("a bit of byte %d flipped: no error", i)
		}
	}
	for want, change := range map[string]func(m *manifest){
		"version 7":                 func(m *manifest) { m.Version = 7 },
		"is not the file of step 5": func(m *manifest) { m.Checkpoints[0].Step = 5 },
		"is not the file of step 4": func(m *manifest) { m.Checkpoints[1].Rollbacks = 2 },
		`"../config.toml" is not`:   func(m *manifest) { m.Checkpoints[0].File = "../config.toml" },
		"is there twice":            func(m *manifest) { m.Checkpoints = append(m.Checkpoints, m.Checkpoints[0]) },
		`with SHA-256 "ab"`:         func(m *manifest) { m.Checkpoints[0].SHA256 = "ab" },
		"-1 bytes": func(m *manifest) {
			m.Files["config.toml"] = atomicfile.Digest{Bytes: -1, SHA256: m.Checkpoints[0].SHA256}
		},
		"is not the file of step -4": func(m *manifest) { m.Checkpoints[0].Step, m.Checkpoints[0].File = -4, checkpointFile(-4, 0) },
	} {
		if _, err := parseManifest(manifestText(change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(manifestText(func(*manifest) {}))
	f.Add([]byte(`{"version":1,"checkpoints":[{"step":1,"file":"step-00000001.safetensors","val_loss":1e400}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := decodeManifest(text)
		if err != nil {
			return
		}
		for _, c := range m.Checkpoints {
			if filepath.Base(c.File) != c.File || c.Step < 0 || c.Bytes < 0 {
				t.Fatalf("%+v", c)
			}
		}
		m.best()
		if whole, err := m.marshal(); err != nil {
			t.Fatal(err)
		} else if _, err := parseManifest(whole); err != nil {
			t.Fatalf("%v: %s", err, whole)
		}
	})
}
