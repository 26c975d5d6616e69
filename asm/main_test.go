package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

const kernelsDir = "../kernels"

// TestFresh holds the committed assembly and stubs to what the generators write now.
func TestFresh(t *testing.T) {
	files, err := outputs()
	if err != nil {
		t.Fatal(err)
	}
	generated := map[string]bool{}
	for _, f := range files {
		generated[f.name] = true
		got, err := os.ReadFile(filepath.Join(kernelsDir, f.name))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(got, f.body) {
			t.Errorf("kernels/%s is stale: run go generate ./...", f.name)
		}
	}
	// Nothing in assembly that no generator wrote.
	all, err := filepath.Glob(filepath.Join(kernelsDir, "*.s"))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Error("no assembly in kernels")
	}
	for _, path := range all {
		if !generated[filepath.Base(path)] {
			t.Errorf("%s: no generator writes it", path)
		}
	}
}
