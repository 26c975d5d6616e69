package main

import (
	"bytes"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/vcycle-go/vcycle/multilevel"
)

var (
	trainColor = color.NRGBA{R: 0x1f, G: 0x6f, B: 0xb4, A: 0xff}
	rawColor   = color.NRGBA{R: 0x1f, G: 0x6f, B: 0xb4, A: 0x48}
	valColor   = color.NRGBA{R: 0xd6, G: 0x3a, B: 0x2a, A: 0xff}
	inkColor   = color.NRGBA{R: 0x40, G: 0x40, B: 0x40, A: 0xff}
	// Levels alternate between two shades, from light to darker with the depth where there are two.
	levelColors = []color.Color{color.NRGBA{R: 0xf4, G: 0xf6, B: 0xf9, A: 0xff}, color.NRGBA{R: 0xe0, G: 0xe7, B: 0xf0, A: 0xff}}
)

// plotLoss draws the losses, in nats per unit, against wall-clock time, 1200×700 pixels, levels shaded, as a PNG.
func plotLoss(metrics []multilevel.Metrics, title, unit string) ([]byte, error) {
	curves := lossCurves(metrics)
	p := newPlot(title, "wall-clock, "+curves.unit, "loss, nats per "+unit)
	lo, hi := curves.lossRange()
	for i, l := range curves.levels {
		if err := addLevel(p, l, lo, hi, levelColors[i%len(levelColors)]); err != nil {
			return nil, err
		}
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	grid.Horizontal.Color = color.NRGBA{A: 0x20}
	p.Add(grid)

	p.Legend.XOffs, p.Legend.YOffs = -10, -26
	if err := curves.addTo(p); err != nil {
		return nil, err
	}
	p.X.Min, p.X.Max = 0, curves.end // what was added has widened the ranges to all data
	p.Y.Min, p.Y.Max = lo, hi
	return pngOf(p)
}

// newPlot returns an empty plot in the style of all.
func newPlot(title, x, y string) *plot.Plot {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Font.Size = 14
	p.Title.Padding = 8
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font.Size = 12
		a.Tick.Label.Font.Size = 11
		a.LineStyle.Color, a.Tick.LineStyle.Color = inkColor, inkColor
		a.Padding = 0
		a.Tick.Marker = ticks{}
	}
	p.Legend.Top = true
	p.Legend.Padding = 3
	p.Legend.TextStyle.Font.Size = 12
	return p
}

// pngOf returns the plot as a PNG of 1200×700 pixels.
func pngOf(p *plot.Plot) ([]byte, error) {
	const dpi = 120
	c := vgimg.NewWith(vgimg.UseWH(1200*vg.Inch/dpi, 700*vg.Inch/dpi), vgimg.UseDPI(dpi))
	p.Draw(draw.Crop(draw.New(c), 8, -14, 8, -6))
	var b bytes.Buffer
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(&b)
	return b.Bytes(), err
}

// ticks marks the multiples of 1, 2 or 5 times a power of ten, about eight of them.
type ticks struct{}

// Ticks implements plot.Ticker.
func (ticks) Ticks(lo, hi float64) (t []plot.Tick) {
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/8)))
	for _, k := range []float64{1, 2, 5, 10} {
		if (hi-lo)/(k*step) <= 8 {
			step *= k
			break
		}
	}
	for i := math.Ceil(lo / step); i*step <= hi; i++ {
		t = append(t, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'g', 4, 64)})
	}
	return t
}

// lossData holds what is drawn, times in unit.
type lossData struct {
	raw, smooth, val plotter.XYs
	levels           []levelSpan
	end              float64
	unit             string
}

// levelSpan is the time that a run spent on a level.
type levelSpan struct {
	blocks     int
	start, end float64
}

// maxPoints bounds the points of a curve: more than two a pixel cannot be seen.
const maxPoints = 2400

func lossCurves(metrics []multilevel.Metrics) lossData {
	var d lossData
	seconds := 1.0
	if n := len(metrics); n > 0 {
		seconds = max(metrics[n-1].WallSeconds, 1e-3)
	}
	per := 1.0
	d.unit = "seconds"
	switch {
	case seconds > 3*3600:
		d.unit, per = "hours", 3600
	case seconds > 3*60:
		d.unit, per = "minutes", 60
	}
	d.end = seconds / per
	stride := 1 + len(metrics)/maxPoints
	var s smoother
	for i, m := range metrics {
		x, average := m.WallSeconds/per, s.add(m.TrainLoss)
		if i%stride == 0 || i == len(metrics)-1 {
			d.raw = append(d.raw, plotter.XY{X: x, Y: m.TrainLoss})
			d.smooth = append(d.smooth, plotter.XY{X: x, Y: average})
		}
		if m.ValLoss != nil {
			d.val = append(d.val, plotter.XY{X: x, Y: *m.ValLoss})
		}
		if n := len(d.levels); n == 0 || metrics[i-1].Level != m.Level {
			start := 0.0
			if i > 0 {
				start = metrics[i-1].WallSeconds / per
			}
			d.levels = append(d.levels, levelSpan{m.Blocks, start, x})
		} else {
			d.levels[n-1].end = x
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
