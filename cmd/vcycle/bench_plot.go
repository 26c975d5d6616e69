package main

import (
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// plotSweep draws tokens/s against the size that a sweep goes over, both logarithmic, beside what they would
// be at the share of the ceiling that the best size has: where the curves part, operations cost more.
func plotSweep(sweep string, results []*stepResult) (*plot.Plot, error) {
	best := 0.0
	for _, r := range results {
		best = max(best, r.share())
	}
	var measured, even plotter.XYs
	var marks []plot.Tick
	for _, r := range results {
		v := sweepValue(sweep, r)
		x := math.Log2(float64(v))
		measured = append(measured, plotter.XY{X: x, Y: math.Log10(r.tokens())})
		even = append(even, plotter.XY{X: x, Y: math.Log10(r.tokens() * best / r.share())})
		marks = append(marks, plot.Tick{Value: x, Label: strconv.Itoa(v)})
	}
	c, o := results[0].plan.finest().config, results[0].plan.options
	title := fmt.Sprintf("Tokens/s over %s; %s", sweep, map[string]string{
		"context": fmt.Sprintf("%s, width %d, batch %d", blocks(c.Blocks), c.Width, o.Batch),
		"width":   fmt.Sprintf("%s, context %d, batch %d", blocks(c.Blocks), c.Context, o.Batch),
		"blocks":  fmt.Sprintf("width %d, context %d, batch %d", c.Width, c.Context, o.Batch),
		"batch":   fmt.Sprintf("%s, width %d, context %d", blocks(c.Blocks), c.Width, c.Context),
	}[sweep])
	p := newPlot(title, sweep, "tokens/s")
	p.X.Tick.Marker = plot.ConstantTicks(marks)
	lo, hi := math.Inf(1), math.Inf(-1)
	for i := range measured {
		lo, hi = min(lo, measured[i].Y), max(hi, even[i].Y)
	}
	lo, hi = lo-0.05, hi+0.15
	p.Y.Tick.Marker = plot.ConstantTicks(decades(lo, hi))
	p.Add(newGrid())
	for _, curve := range []struct {
		name   string
		points plotter.XYs
		color  color.Color
		glyph  bool
	}{
		{fmt.Sprintf("at %s of the ceiling, the best share here", percent(best, 1)), even, rawColor, false},
		{"measured", measured, trainColor, true},
	} {
		line, points, err := plotter.NewLinePoints(curve.points)
		if err != nil {
			return nil, err
		}
		line.LineStyle = draw.LineStyle{Color: curve.color, Width: vg.Points(1.75)}
		points.GlyphStyle = draw.GlyphStyle{Color: curve.color, Radius: vg.Points(2.5), Shape: draw.CircleGlyph{}}
		p.Add(line)
		if curve.glyph {
			p.Add(points)
		}
		p.Legend.Add(curve.name, line)
	}
	p.X.Min, p.X.Max = measured[0].X-0.2, measured[len(measured)-1].X+0.2
	p.Y.Min, p.Y.Max = lo, hi
	p.Legend.XOffs, p.Legend.YOffs = -10, -8
	return p, nil
}

// decades marks 1, 2 and 5 times the powers of ten between 10^lo and 10^hi.
func decades(lo, hi float64) (t []plot.Tick) {
	for e := math.Floor(lo); e <= hi; e++ {
		for _, k := range []float64{1, 2, 5} {
			if v := e + math.Log10(k); v >= lo && v <= hi {
				t = append(t, plot.Tick{Value: v, Label: si(k * math.Pow(10, e))})
			}
		}
	}
	return t
}
