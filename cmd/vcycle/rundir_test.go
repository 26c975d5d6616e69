package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Two runs that start in the same second do not share a directory.
func TestCreateRunDirAlone(t *testing.T) {
	t.Chdir(t.TempDir())
	now := time.Now()
	first, err := newRunDir("", now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		d, err := createRunDir("", now)
		if err != nil {
			t.Fatal(err)
		}
		if (d == first) != (i == 0) {
			t.Errorf("run %d is in %s", i, d)
		}
	}
	if err := first.create(); err == nil {
		t.Error("a directory is created twice")
	}
}

// Characters that a pattern gives a meaning are names in a path.
func TestPruneStaysInItsRun(t *testing.T) {
	parent := t.TempDir()
	for _, name := range []string{"a[", "*"} {
		d, other := runDir(filepath.Join(parent, name)), runDir(filepath.Join(parent, "other"+name))
		for _, d := range []runDir{d, other} {
			if err := d.create(); err != nil {
				t.Skip(err) // Windows has no such names
			}
			for _, path := range []string{d.checkpoint(1), d.checkpoint(2), d.checkpoint(3), d.checkpoint(9), d.checkpoint(4) + ".tmp"} {
				if err := os.WriteFile(path, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		two, three := checkpoint{Step: 2, File: checkpointFile(2, 0)}, checkpoint{Step: 3, File: checkpointFile(3, 0)}
		if err := d.prune(manifest{Checkpoints: []checkpoint{two, three}}); err != nil {
			t.Fatal(err)
		}
		names := func(d runDir) (names []string) {
			entries, err := os.ReadDir(d.checkpoints())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				names = append(names, e.Name())
			}
			return names
		}
		if want := []string{"step-00000002.safetensors", "step-00000003.safetensors"}; !slices.Equal(names(d), want) {
			t.Errorf("%q keeps %v, want %v", name, names(d), want)
		}
		if n := len(names(other)); n != 5 {
			t.Errorf("%d files are left in another run, want 5", n)
		}
	}
}
