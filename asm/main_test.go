package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
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

// TestAVX2Registers reads the assembly back: a function whose name ends in AVX2 uses no register and no
// operand form of AVX-512.
func TestAVX2Registers(t *testing.T) {
	files, err := outputs()
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^TEXT ·(\w+)\(SB\)`)
	beyond := regexp.MustCompile(`\b(Y(1[6-9]|2\d|3[01])|X(1[6-9]|2\d|3[01])|Z\d+|K[0-7])\b|\.Z\b|\.BCST\b`)
	checked := 0
	for _, f := range files {
		if filepath.Ext(f.name) != ".s" {
			continue
		}
		bounds := text.FindAllSubmatchIndex(f.body, -1)
		for i, b := range bounds {
			end := len(f.body)
			if i+1 < len(bounds) {
				end = bounds[i+1][0]
			}
			if name := f.body[b[2]:b[3]]; bytes.HasSuffix(name, []byte("AVX2")) {
				checked++
				if bad := beyond.Find(f.body[b[0]:end]); bad != nil {
					t.Errorf("kernels/%s: %s uses %s", f.name, name, bad)
				}
			}
		}
	}
	if checked == 0 {
		t.Error("found no AVX2 function")
	}
}
