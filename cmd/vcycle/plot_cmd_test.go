package main

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlot(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	mustRun(t, exitOK, tiny(t, a)...)
	interrupt(t, 9, b, tiny(t, b, "--seed", "2"))
	for _, runs := range [][]string{{a}, {a, b}} {
		for _, x := range axes {
			for _, format := range plotFormats {
				out := filepath.Join(dir, "plot"+format)
				mustRun(t, exitOK, append([]string{"plot", "--x", x.name, "--out", out}, runs...)...)
				text, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				if format == ".png" {
					if img, err := png.Decode(bytes.NewReader(text)); err != nil || img.Bounds().Dx() != 1200 {
						t.Errorf("%s: %v", out, err)
					}
					continue
				}
				label, _ := x.scale(1)
				for d := xml.NewDecoder(bytes.NewReader(text)); err == nil; {
					_, err = d.Token()
				}
				if name, _, _ := strings.Cut(label, ","); err != io.EOF || !strings.Contains(string(text), name) {
					t.Errorf("%s: %v; it has no %q", out, err, name)
				}
			}
		}
	}

	stdout, _ := mustRun(t, exitOK, "plot", a, b, "--x", "steps")
	for _, want := range []string{"validation loss, nats per byte against steps\n", "  * a  ", "  o b  ", " at last\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the drawing lacks %q:\n%s", want, stdout)
		}
	}
	if strings.Count(stdout, "*") < 5 || strings.Contains(stdout, "\x1b") {
		t.Errorf("the drawing has no curve, or colours that are not for a terminal:\n%s", stdout)
	}
	for _, line := range strings.Split(stdout, "\n") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("a line of %d columns: %q", n, line)
		}
	}
	stdout, _ = mustRun(t, exitOK, "plot", a)
	for _, want := range []string{"* training, smoothed ", "o validation "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the drawing lacks %q:\n%s", want, stdout)
		}
	}

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{a, "--out", "x.gif"}, "--out x.gif: the name of a picture ends in .png or .svg"},
		{[]string{a, "--x", "years"}, "--x must be one of"},
		{[]string{dir}, "is not the directory of a run"},
		{[]string{a, "--out", filepath.Join(dir, "nowhere", "x.png")}, "cannot be written"},
		{nil, "expected"},
	} {
		if _, stderr := mustRun(t, exitBadInput, append([]string{"plot"}, c.args...)...); !strings.Contains(stderr, c.want) {
			t.Errorf("%v: %q, want %q", c.args, stderr, c.want)
		}
	}
}

// Units fit what they are to hold, and the points of curves keep their places.
func TestAxes(t *testing.T) {
	for _, c := range []struct {
		axis string
		end  float64
		want string
		unit float64
	}{
		{"wall", 10, "wall-clock, seconds", 1}, {"wall", 1000, "wall-clock, minutes", 60}, {"wall", 1e5, "wall-clock, hours", 3600},
		{"steps", 1400, "steps", 1}, {"steps", 5e4, "thousand steps", 1e3}, {"tokens", 3e10, "billion tokens", 1e9}, {"tokens", 1e20, "billion tokens", 1e9},
		{"flops-all", 26e12, "operations of blocks and head, TFLOP", 1e12}, {"flops-blocks", 0, "operations of the blocks, FLOP", 1},
	} {
		if label, unit := axisNamed(c.axis).scale(c.end); label != c.want || unit != c.unit {
			t.Errorf("%s to %g: %q of %g, want %q of %g", c.axis, c.end, label, unit, c.want, c.unit)
		}
	}
	k := newRunCurve("x", lossCurve(40), axisNamed("steps"), true)
	if len(k.points) != 4 || k.points[1].X != 20 || len(k.changes) != 1 || k.changes[0] != 21 {
		t.Errorf("%+v", k)
	}
	v := k.sampled(100, k.points[0].Y, 101)
	if v[5] == v[5] || v[10] != k.points[0].Y || v[20] != k.points[1].Y || !(v[25] < v[20] && v[25] > v[30]) || v[41] == v[41] {
		t.Errorf("sampled %v", v)
	}
}
