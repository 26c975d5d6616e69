package main

import (
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/vcycle-go/vcycle/multilevel"
)

// plotLoss draws the losses of a run, in nats per unit, against x, levels shaded.
func plotLoss(metrics []multilevel.Metrics, x axis, title, unit string) (*plot.Plot, error) {
	curves := lossCurves(metrics, x)
	p := newPlot(title, curves.label, "loss, nats per "+unit)
	lo, hi := curves.lossRange()
	for i, l := range curves.levels {
		if err := addLevel(p, l, lo, hi, levelColors[i%len(levelColors)]); err != nil {
			return nil, err
		}
	}
	p.Add(newGrid())
	p.Legend.XOffs, p.Legend.YOffs = -10, -26
	if err := curves.addTo(p); err != nil {
		return nil, err
	}
	p.X.Min, p.X.Max = 0, curves.end // what was added has widened the ranges to all data
	p.Y.Min, p.Y.Max = lo, hi
	return p, nil
}

// lossData holds what is drawn, against an axis with its label.
type lossData struct {
	raw, smooth, val plotter.XYs
	levels           []levelSpan
	end              float64
	label            string
}

// levelSpan is what a run spent on a level.
type levelSpan struct {
	blocks     int
	start, end float64
}

// maxPoints bounds the points of a curve: more than two a pixel cannot be seen.
const maxPoints = 2400

func lossCurves(metrics []multilevel.Metrics, x axis) lossData {
	var d lossData
	label, per := x.scale(x.end(metrics))
	d.label = label
	d.end = max(x.end(metrics)/per, 1e-3)
	stride := 1 + len(metrics)/maxPoints
	var s smoother
	for i, m := range metrics {
		at, average := x.value(m)/per, s.add(m.TrainLoss)
		if i%stride == 0 || i == len(metrics)-1 {
			d.raw = append(d.raw, plotter.XY{X: at, Y: m.TrainLoss})
			d.smooth = append(d.smooth, plotter.XY{X: at, Y: average})
		}
		if m.ValLoss != nil {
			d.val = append(d.val, plotter.XY{X: at, Y: *m.ValLoss})
		}
		if n := len(d.levels); n == 0 || metrics[i-1].Level != m.Level {
			start := 0.0
			if i > 0 {
				start = x.value(metrics[i-1]) / per
			}
			d.levels = append(d.levels, levelSpan{m.Blocks, start, at})
		} else {
			d.levels[n-1].end = at
		}
	}
	return d
}

// lossRange returns the losses to show: all, but for the first drop where it would squeeze the rest.
func (d lossData) lossRange() (lo, hi float64) {
	var all []float64
	for _, points := range []plotter.XYs{d.raw[len(d.raw)/50:], d.val} {
		for _, p := range points {
			all = append(all, p.Y)
		}
	}
	if len(all) == 0 {
		return 0, 1
	}
	slices.Sort(all)
	lo, hi = all[0], all[(len(all)-1)*97/100]
	margin := max(0.08*(hi-lo), 0.01*math.Abs(hi), 1e-3)
	return max(0, lo-margin), hi + 1.5*margin
}

func addLevel(p *plot.Plot, l levelSpan, lo, hi float64, shade color.Color) error {
	rectangle, err := plotter.NewPolygon(plotter.XYs{
		{X: l.start, Y: lo}, {X: l.end, Y: lo}, {X: l.end, Y: hi}, {X: l.start, Y: hi},
	})
	if err != nil {
		return err
	}
	rectangle.Color = shade
	rectangle.LineStyle.Width = 0
	label, err := plotter.NewLabels(plotter.XYLabels{
		XYs:    plotter.XYs{{X: (l.start + l.end) / 2, Y: hi}},
		Labels: []string{blocks(l.blocks)},
	})
	if err != nil {
		return err
	}
	style := &label.TextStyle[0]
	style.Font = font.From(plot.DefaultFont, 12)
	style.Color = inkColor
	style.XAlign, style.YAlign = text.XCenter, text.YTop
	label.Offset.Y = -5
	p.Add(rectangle, label)
	return nil
}

func (d lossData) addTo(p *plot.Plot) error {
	if len(d.raw) == 0 {
		return nil
	}
	raw, err := plotter.NewLine(d.raw)
	if err != nil {
		return err
	}
	smooth, err := plotter.NewLine(d.smooth)
	if err != nil {
		return err
	}
	raw.LineStyle = draw.LineStyle{Color: rawColor, Width: vg.Points(0.75)}
	smooth.LineStyle = draw.LineStyle{Color: trainColor, Width: vg.Points(1.75)}
	p.Add(raw, smooth)
	p.Legend.Add("training, each step", raw)
	p.Legend.Add("training, smoothed", smooth)
	if len(d.val) == 0 {
		return nil
	}
	line, points, err := plotter.NewLinePoints(d.val)
	if err != nil {
		return err
	}
	line.LineStyle = draw.LineStyle{Color: valColor, Width: vg.Points(1.75)}
	points.GlyphStyle = draw.GlyphStyle{Color: valColor, Radius: vg.Points(2.5), Shape: draw.CircleGlyph{}}
	p.Add(line, points)
	p.Legend.Add("validation", line, points)
	return nil
}
