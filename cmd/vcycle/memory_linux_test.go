package main

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The least limit of a process's control groups and those above them holds.
func TestGroupMemory(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("memory.max", "max\n")
	write("a/memory.max", "3000\n")
	write("a/b/memory.max", "max\n")
	write("c/memory.max", "5000\n")
	write("memory/d/memory.limit_in_bytes", "4000\n")
	for _, c := range []struct {
		groups string
		want   int64
	}{
		{"0::/\n", 0},
		{"0::/a/b\n", 3000},
		{"0::/c\n", 5000},
		{"0::/c/gone\n", 5000},
		{"3:memory:/d/e\n2:cpu,cpuacct:/a\n1:name=systemd:/a\n", 4000},
		{"3:memory:/d\n0::/a\n", 3000},
		{"nonsense\n\n", 0},
	} {
		if got := groupMemory(root, c.groups); got != c.want {
			t.Errorf("%q: %d bytes, want %d", c.groups, got, c.want)
		}
	}
	if machineMemory() <= 0 || peakMemory() <= 0 || peakMemory() > machineMemory() {
		t.Errorf("this process has had %d of %d bytes", peakMemory(), machineMemory())
	}
}

// What a run has at its peak is what was planned before its first step: runs on one level and over changes of level,
// with a checkpoint after each step and in bfloat16, in processes of their own. With 50,257 tokens the last of the changes
// is the peak, where a network that is kept alive or a gradient that is made too early counts.
func TestPlannedMemory(t *testing.T) {
	data := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(data, []byte(strings.Repeat("the quick brown fox jumps over the lazy dog; ", 2_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	shape := []string{"--width", "128", "--heads", "4", "--context", "64", "--batch", "8", "--steps", "3", "--save-every", "1us"}
	for name, flags := range map[string][]string{
		"single": {"--blocks", "6", "--multilevel", "single"},
		"nested": {"--blocks", "6", "--levels", "2,6", "--multilevel", "nested", "--precision", "bf16"},
		"vocab":  {"--blocks", "4", "--levels", "1,2,4", "--multilevel", "nested", "--tokenizer", "gpt2", "--batch", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			c := child(t, slices.Concat([]string{"train", "--data", data, "--out", filepath.Join(t.TempDir(), "run")}, shape, flags)...)
			out, err := c.CombinedOutput()
			if err != nil {
				skipIfForeign(t, err)
				t.Fatalf("%v\n%s", err, out)
			}
			m := regexp.MustCompile(`memory, peak +([0-9.]+) MB, planned ([0-9.]+) MB`).FindSubmatch(out)
			if m == nil {
				t.Fatalf("no peak:\n%s", out)
			}
			peak, _ := strconv.ParseFloat(string(m[1]), 64)
			planned, _ := strconv.ParseFloat(string(m[2]), 64)
			if math.Abs(peak-planned) > 0.05*peak {
				t.Errorf("%v MB at the peak, %v planned", peak, planned)
			}
		})
	}
}
