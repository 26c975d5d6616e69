package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A short run draws a picture and prints points that it reads as those of others; the file of the document can
// be read too.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	picture, peers := filepath.Join(dir, "a.png"), filepath.Join(dir, "a.csv")
	var out bytes.Buffer
	if err := run([]string{"-digits", "5", "-evaluations", "3000", "-o", picture}, &out); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if c, err := png.DecodeConfig(f); err != nil || c.Width != 1500 || c.Height != 750 {
		t.Errorf("%v, %v", c, err)
	}
	points, err := parse(out.Bytes())
	if err != nil || len(points) < 20 {
		t.Errorf("%d points, %v:\n%s", len(points), err, out.String())
	}
	for _, p := range points {
		if p.solver == "dopri8" && p.tolerance == 1e-5 && !(p.err < 0.01 && p.evaluations < 2000) {
			t.Errorf("%+v", p)
		}
	}
	if err := os.WriteFile(peers, []byte("a,b,c\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"-peers", peers}, &out); err == nil || !strings.Contains(err.Error(), peers) {
		t.Errorf("a bad file: %v", err)
	}
	text, err := os.ReadFile("../../docs/work-precision.csv")
	if err != nil {
		t.Fatal(err)
	}
	if points, err := parse(text); err != nil || len(points) < 80 {
		t.Errorf("docs/work-precision.csv: %d points, %v", len(points), err)
	}
}
