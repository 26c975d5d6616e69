package main

import (
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/vcycle-go/vcycle/multilevel"
)

// runCurve is a loss of one run against an axis, not yet in its unit.
type runCurve struct {
	name    string
	points  plotter.XYs
	changes []float64 // where the level changes
}

// newRunCurve returns the validation losses of a run, or its smoothed training losses.
func newRunCurve(name string, metrics []multilevel.Metrics, x axis, validation bool) runCurve {
	c := runCurve{name: name}
	stride := 1 + len(metrics)/maxPoints
	var s smoother
	for i, m := range metrics {
		at, smoothed := x.value(m), s.add(m.TrainLoss)
		switch {
		case validation && m.ValLoss != nil:
			c.points = append(c.points, plotter.XY{X: at, Y: *m.ValLoss})
		case !validation && (i%stride == 0 || i == len(metrics)-1):
			c.points = append(c.points, plotter.XY{X: at, Y: smoothed})
		}
		if i > 0 && m.Level != metrics[i-1].Level {
			c.changes = append(c.changes, at)
		}
	}
	return c
}

// plotRuns draws the curves, with a mark on each where its level changes. The first is black.
func plotRuns(curves []runCurve, x axis, loss string) (*plot.Plot, error) {
	end := 0.0
	for _, c := range curves {
		if n := len(c.points); n > 0 {
			end = max(end, c.points[n-1].X)
		}
	}
	label, unit := x.scale(end)
	p := newPlot("", label, loss)
	p.Add(newGrid())
	for i, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		ink := plotutil.Color(i)
		if i == 0 {
			ink = color.Black
		}
		if err := c.addTo(p, unit, ink); err != nil {
			return nil, err
		}
	}
	p.X.Min, p.X.Max = 0, max(end/unit, 1e-3)
	p.Y.Min, p.Y.Max = curvesRange(curves)
	return p, nil
}

func (c runCurve) addTo(p *plot.Plot, unit float64, ink color.Color) error {
	points := slices.Clone(c.points)
	for i := range points {
		points[i].X /= unit
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	line.LineStyle = draw.LineStyle{Color: ink, Width: vg.Points(1.75)}
	p.Add(line)
	p.Legend.Add(c.name, line)
	var marks plotter.XYs
	for _, at := range c.changes {
		marks = append(marks, plotter.XY{X: at / unit, Y: lossAt(c.points, at)})
	}
	if len(marks) == 0 {
		return nil
	}
	scatter, err := plotter.NewScatter(marks)
	if err != nil {
		return err
	}
	scatter.GlyphStyle = draw.GlyphStyle{Color: ink, Radius: vg.Points(4), Shape: draw.TriangleGlyph{}}
	p.Add(scatter)
	return nil
}

// curvesRange returns the losses to show: all but the highest tenth, as the first drop would squeeze the rest.
func curvesRange(curves []runCurve) (lo, hi float64) {
	var all []float64
	for _, c := range curves {
		for _, q := range c.points {
			all = append(all, q.Y)
		}
	}
	if len(all) == 0 {
		return 0, 1
	}
	slices.Sort(all)
	lo, hi = all[0], all[(len(all)-1)*9/10]
	margin := max(0.08*(hi-lo), 1e-3)
	return lo - margin, hi + margin
}

// lossAt returns the loss at x, between the points around it.
func lossAt(points plotter.XYs, x float64) float64 {
	for i, q := range points {
		if q.X >= x {
			if i == 0 {
				return q.Y
			}
			before := points[i-1]
			w := (x - before.X) / math.Max(q.X-before.X, 1e-12)
			return before.Y + float64(w*(q.Y-before.Y))
		}
	}
	return points[len(points)-1].Y
}
