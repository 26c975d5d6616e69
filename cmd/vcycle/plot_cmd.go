package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/guptarohit/asciigraph"
	"gonum.org/v1/plot"

	"github.com/vcycle-go/vcycle/multilevel"
)

// plotCmd draws the losses of runs.
type plotCmd struct {
	Dirs     []string `arg:"" name:"run" help:"Run directories; they need not be finished."`
	X        string   `name:"x" default:"wall" enum:"wall,steps,tokens,flops-blocks,flops-all" help:"What the loss is drawn against: wall (wall-clock), steps, tokens, flops-blocks (operations of the blocks) or flops-all."`
	Loss     string   `default:"val" enum:"val,train" help:"Which loss of several runs: val, or train, smoothed. A single run is drawn with both."`
	Out      string   `placeholder:"FILE" help:"Picture to write, as PNG or SVG by its extension. Default: none, but a drawing in the terminal."`
	Terminal bool     `help:"Draw in the terminal, beside --out."`
}

// Help is the detailed help.
func (plotCmd) Help() string {
	return "Examples:\n\n" +
		"  vcycle plot runs/notes\n" +
		"  vcycle plot runs/* --x flops-all --out losses.svg\n\n" + exitCodes
}

// Run draws.
func (c *plotCmd) Run(s *session) error {
	if c.Out != "" {
		if _, err := plotFormat(c.Out); err != nil {
			return badf("--out %w", err)
		}
	}
	x := axisNamed(c.X)
	names := shortNames(c.Dirs)
	var curves []runCurve
	var only []multilevel.Metrics // of a single run
	unit := ""
	for i, dir := range c.Dirs {
		d := runDir(filepath.Clean(dir))
		metrics, err := d.readMetrics()
		if err != nil {
			return badf("%s is not the directory of a run: %w", dir, err)
		}
		if len(metrics) == 0 {
			return badf("the run in %s has taken no step yet", dir)
		}
		curve := newRunCurve(names[i], metrics, x, c.Loss == "val")
		if len(curve.points) == 0 && len(c.Dirs) > 1 {
			return badf("the run in %s has not been validated yet: draw --loss train", dir)
		}
		switch u := d.lossUnit(); {
		case unit == "":
			unit = u
		case unit != u:
			s.warn("%s has its losses per %s, the runs before per %s: they cannot be compared", dir, u, unit)
		}
		curves, only = append(curves, curve), metrics
	}
	loss := "validation loss, nats per " + unit
	if c.Loss == "train" {
		loss = "training loss, smoothed, nats per " + unit
	}
	if c.Out != "" {
		var p *plot.Plot
		var err error
		if len(curves) == 1 {
			p, err = plotLoss(only, x, names[0], unit)
		} else {
			p, err = plotRuns(curves, x, loss)
		}
		if err != nil {
			return err
		}
		if err := writePlot(c.Out, p); err != nil {
			return badf("--out %s cannot be written: %w", c.Out, plainPathError(err))
		}
		fmt.Fprintf(s.stdout, "%s\n", c.Out)
	}
	if c.Terminal || c.Out == "" {
		if len(curves) == 1 {
			training, validation := newRunCurve("training, smoothed", only, x, false), newRunCurve("validation", only, x, true)
			curves, loss = []runCurve{training, validation}, "loss, nats per "+unit
		}
		columns, color := terminalOf(s)
		fmt.Fprint(s.stdout, drawRuns(curves, x, loss, columns, color))
	}
	return nil
}

// lossUnit returns what the losses of a run are per.
func (d runDir) lossUnit() string {
	if _, err := os.Stat(d.tokenizer()); err == nil {
		return "token"
	}
	return "byte"
}

// shortNames returns the last elements of the directories, or all of them where two would be the same.
func shortNames(dirs []string) []string {
	seen := map[string]bool{}
	names := make([]string, len(dirs))
	for i, dir := range dirs {
		names[i] = filepath.Base(filepath.Clean(dir))
		if seen[names[i]] {
			return dirs
		}
		seen[names[i]] = true
	}
	return names
}

// terminalOf returns the columns to draw in, and whether colours are wanted.
func terminalOf(s *session) (columns int, color bool) {
	c := newConsole(s.stdout)
	if c.width == nil {
		return 80, false
	}
	return c.width(), os.Getenv("NO_COLOR") == ""
}

// Rows of a drawing, and what its curves look like where there are colours and where there are none.
const drawnRows = 20

var (
	drawnColors = []asciigraph.AnsiColor{asciigraph.Blue, asciigraph.Red, asciigraph.Green, asciigraph.Goldenrod, asciigraph.Magenta, asciigraph.Cyan, asciigraph.Default, asciigraph.Gray}
	drawnMarks  = []string{"*", "o", "+", "x", "#", "@", "%", "~"}
)

// drawRuns returns the curves in characters, with a legend below.
func drawRuns(curves []runCurve, x axis, loss string, columns int, color bool) string {
	end := 0.0
	for _, c := range curves {
		if n := len(c.points); n > 0 {
			end = max(end, c.points[n-1].X)
		}
	}
	label, unit := x.scale(end)
	lo, hi := curvesRange(curves)
	width := max(20, columns-12) // beside the numbers
	var series [][]float64
	var colors []asciigraph.AnsiColor
	var marks []asciigraph.CharSet
	var legend strings.Builder
	longest := 0
	for _, c := range curves {
		longest = max(longest, utf8.RuneCountInString(c.name))
	}
	for i, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		mark := drawnMarks[i%len(drawnMarks)]
		series = append(series, c.sampled(end, hi, width))
		if color {
			ink := drawnColors[i%len(drawnColors)]
			colors = append(colors, ink)
			mark = ink.String() + "■" + asciigraph.Default.String()
		} else {
			marks = append(marks, asciigraph.CreateCharSet(mark))
		}
		fmt.Fprintf(&legend, "  %s %s%s  %.4f at last\n", mark, c.name, strings.Repeat(" ", longest-utf8.RuneCountInString(c.name)), c.points[len(c.points)-1].Y)
	}
	drawing := asciigraph.PlotMany(series, asciigraph.Height(drawnRows), asciigraph.LowerBound(lo), asciigraph.UpperBound(hi), asciigraph.Precision(3),
		asciigraph.SeriesColors(colors...), asciigraph.SeriesChars(marks...), asciigraph.XAxisRange(0, end/unit),
		asciigraph.XAxisValueFormatter(func(v float64) string { return fmt.Sprintf("%.3g", v) }))
	return fmt.Sprintf("%s against %s\n\n%s\n\n%s", loss, label, drawing, legend.String())
}

// sampled returns the curve at n places from 0 to end: NaN where it is not, or above hi.
func (c runCurve) sampled(end, hi float64, n int) []float64 {
	values := make([]float64, n)
	first, last := c.points[0].X, c.points[len(c.points)-1].X
	half := end / float64(n-1) / 2 // a point lies in the column next to it
	for i := range values {
		at := end * float64(i) / float64(n-1)
		values[i] = math.NaN()
		if at >= first-half && at <= last+half {
			if v := lossAt(c.points, at); v <= hi {
				values[i] = v
			}
		}
	}
	return values
}
