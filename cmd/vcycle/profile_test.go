package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// profileFlags returns flags that write profiles to dir, and a check that they are there, whole and alone.
func profileFlags(t *testing.T, dir string) (flags []string, check func()) {
	names := []string{"cpuprofile", "memprofile", "trace"}
	for _, name := range names {
		flags = append(flags, "--"+name, filepath.Join(dir, name))
	}
	return flags, func() {
		t.Helper()
		for _, name := range names {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || len(b) < 100 {
				t.Errorf("%s has %d bytes, error %v", name, len(b), err)
			}
			start := "\x1f\x8b" // of gzip
			if name == "trace" {
				start = "go 1."
			}
			if !strings.HasPrefix(string(b), start) {
				t.Errorf("%s starts with %q", name, b[:min(len(b), 16)])
			}
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
			t.Errorf("%v is left", left)
		}
	}
}

func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	flags, check := profileFlags(t, dir)
	mustRun(t, exitOK, tiny(t, filepath.Join(dir, "run"), flags...)...)
	check()
	for _, name := range []string{"cpuprofile", "memprofile", "trace"} {
		missing := filepath.Join(dir, "nowhere", "file")
		out := filepath.Join(dir, "out")
		_, stderr := mustRun(t, exitBadInput, tiny(t, out, "--"+name, missing)...)
		if !strings.Contains(stderr, "--"+name+" "+missing+" cannot be written: ") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("stderr %q", stderr)
		}
		if _, stderr := mustRun(t, exitBadInput, tiny(t, out, "--"+name, "")...); !strings.Contains(stderr, "--"+name+": it must not be empty") {
			t.Errorf("stderr %q", stderr)
		}
		if _, err := os.Stat(out); err == nil {
			t.Error("the run was started")
		}
	}
	same := filepath.Join(dir, "same")
	_, stderr := mustRun(t, exitBadInput, tiny(t, filepath.Join(dir, "out"), "--trace", same, "--cpuprofile", dir+"/./same")...)
	if !strings.Contains(stderr, "--cpuprofile and --trace are the same file "+same) {
		t.Errorf("stderr %q", stderr)
	}
	if _, err := os.Stat(same); err == nil {
		t.Error("the file was written")
	}
}

// An interrupted run has its profiles too.
func TestProfilesInterrupted(t *testing.T) {
	dir := t.TempDir()
	flags, check := profileFlags(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, _, stderr := vcycleUntil(t, ctx, tiny(t, filepath.Join(dir, "run"), flags...)...); code != exitInterrupted {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	check()
}
