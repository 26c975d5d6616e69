package main

import (
	"os"
	"path/filepath"
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
