package main

import (
	"bytes"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// compareCurve is the validation loss of one run.
type compareCurve struct {
	name    string
	points  plotter.XYs
	changes []float64 // where the level changes
}

// plotCompare draws the curves, 1200×700 pixels, with a mark on each where its level changes.
func plotCompare(curves []compareCurve, label string) ([]byte, error) {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = label, "validation loss, nats per token"
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font.Size = 12
		a.Tick.Label.Font.Size = 11
		a.Padding = 0
		a.Tick.Marker = ticks{}
	}
	p.Legend.Top = true
	p.Legend.TextStyle.Font.Size = 12
	var all []float64
	for i, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		line, err := plotter.NewLine(c.points)
		if err != nil {
			return nil, err
		}
		ink := plotutil.Color(i)
		line.LineStyle = draw.LineStyle{Color: ink, Width: vg.Points(1.75)}
		if i == 0 {
			line.LineStyle.Color = color.Black
		}
		p.Add(line)
		p.Legend.Add(c.name, line)
		var marks plotter.XYs
		for _, x := range c.changes {
			marks = append(marks, plotter.XY{X: x, Y: lossAt(c.points, x)})
		}
		if len(marks) > 0 {
			points, err := plotter.NewScatter(marks)
			if err != nil {
				return nil, err
			}
			points.GlyphStyle = draw.GlyphStyle{Color: ink, Radius: vg.Points(4), Shape: draw.TriangleGlyph{}}
			p.Add(points)
		}
		for _, q := range c.points {
			all = append(all, q.Y)
		}
	}
	if len(all) > 0 {
		slices.Sort(all)
		lo, hi := all[0], all[(len(all)-1)*9/10] // the first drop would squeeze the rest
		margin := max(0.08*(hi-lo), 1e-3)
		p.Y.Min, p.Y.Max = lo-margin, hi+margin
	}
	p.X.Min = 0
	const dpi = 120
	canvas := vgimg.NewWith(vgimg.UseWH(1200*vg.Inch/dpi, 700*vg.Inch/dpi), vgimg.UseDPI(dpi))
	p.Draw(draw.Crop(draw.New(canvas), 8, -14, 8, -6))
	var b bytes.Buffer
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(&b)
	return b.Bytes(), err
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
