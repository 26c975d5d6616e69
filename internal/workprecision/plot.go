package main

import (
	"bytes"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// style is how the points of a solver are drawn; those of others have no line.
type style struct {
	solver string
	color  color.Color
	shape  vgdraw.GlyphDrawer
	line   bool
}

var styles = []style{
	{"fehlberg21", color.NRGBA{R: 0x8c, G: 0x8c, B: 0x8c, A: 0xff}, nil, true},
	{"bosh3", color.NRGBA{R: 0xe0, G: 0x8a, B: 0x1e, A: 0xff}, nil, true},
	{"dopri5", color.NRGBA{R: 0x1f, G: 0x6f, B: 0xb4, A: 0xff}, nil, true},
	{"tsit5", color.NRGBA{R: 0x2a, G: 0x96, B: 0x5a, A: 0xff}, nil, true},
	{"dopri8", color.NRGBA{R: 0xd6, G: 0x3a, B: 0x2a, A: 0xff}, nil, true},
	{"scipy RK23", color.NRGBA{R: 0xe0, G: 0x8a, B: 0x1e, A: 0xff}, vgdraw.CrossGlyph{}, false},
	{"scipy RK45", color.NRGBA{R: 0x1f, G: 0x6f, B: 0xb4, A: 0xff}, vgdraw.CrossGlyph{}, false},
	{"scipy DOP853", color.NRGBA{R: 0xd6, G: 0x3a, B: 0x2a, A: 0xff}, vgdraw.CrossGlyph{}, false},
	{"DOPRI5", color.NRGBA{R: 0x1f, G: 0x6f, B: 0xb4, A: 0xff}, vgdraw.RingGlyph{}, false},
	{"DOP853", color.NRGBA{R: 0xd6, G: 0x3a, B: 0x2a, A: 0xff}, vgdraw.RingGlyph{}, false},
}

// The ranges of the axes; points outside are not drawn.
const (
	leastEvaluations, mostEvaluations = 300, 300_000
	leastError, mostError             = 1e-12, 10
)

// powers marks the powers of ten.
type powers struct{}

// Ticks implements plot.Ticker.
func (powers) Ticks(lo, hi float64) (t []plot.Tick) {
	for n := math.Ceil(math.Log10(lo) - 1e-9); n <= math.Log10(hi)+1e-9; n++ {
		t = append(t, plot.Tick{Value: math.Pow(10, n), Label: strconv.FormatFloat(math.Pow(10, n), 'e', 0, 64)})
	}
	return t
}

// draw draws a panel for each problem, 1500×750 pixels in all, as a PNG.
func draw(points, others []point) ([]byte, error) {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	const dpi = 120
	canvas := vgimg.NewWith(vgimg.UseWH(1500*vg.Inch/dpi, 750*vg.Inch/dpi), vgimg.UseDPI(dpi))
	tiles := vgdraw.Tiles{Rows: 1, Cols: 2, PadX: 16, PadLeft: 6, PadRight: 10, PadTop: 6, PadBottom: 6}
	var panels []*plot.Plot
	for _, problem := range []struct{ name, title string }{
		{"arenstorf", "Arenstorf orbit, one period: error of the position"}, {"pleiades", "Pleiades, t = 3: error of the positions"},
	} {
		p, err := panel(problem.name, append(points, others...))
		if err != nil {
			return nil, err
		}
		p.Title.Text = problem.title
		panels = append(panels, p)
	}
	for i, p := range panels {
		p.Draw(tiles.At(vgdraw.New(canvas), i, 0))
	}
	var b bytes.Buffer
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(&b)
	return b.Bytes(), err
}

func panel(problem string, points []point) (*plot.Plot, error) {
	p := plot.New()
	p.Title.TextStyle.Font.Size = 13
	p.X.Label.Text = "evaluations of F" // the label of a logarithmic y axis would take a third of the height
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font.Size, a.Tick.Label.Font.Size = 11, 10
		a.Scale = plot.LogScale{}
		a.Tick.Marker = powers{}
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.NRGBA{A: 0x18}, color.NRGBA{A: 0x18}
	p.Add(grid)
	p.Legend.Top = true
	p.Legend.XOffs, p.Legend.YOffs = -6, -6
	p.Legend.TextStyle.Font.Size = 10
	for _, s := range styles {
		var xys plotter.XYs
		for _, pt := range points {
			inside := pt.evaluations >= leastEvaluations && pt.evaluations <= mostEvaluations && pt.err >= leastError && pt.err <= mostError
			if inside && pt.solver == s.solver && pt.problem == problem {
				xys = append(xys, plotter.XY{X: float64(pt.evaluations), Y: pt.err})
			}
		}
		if xys == nil {
			continue
		}
		if s.line {
			line, dots, err := plotter.NewLinePoints(xys)
			if err != nil {
				return nil, err
			}
			line.Color, line.Width = s.color, 1.5
			dots.Color, dots.Shape, dots.Radius = s.color, vgdraw.CircleGlyph{}, 2
			p.Add(line, dots)
			p.Legend.Add(s.solver, line)
			continue
		}
		dots, err := plotter.NewScatter(xys)
		if err != nil {
			return nil, err
		}
		dots.Color, dots.Shape, dots.Radius = s.color, s.shape, 4
		p.Add(dots)
		p.Legend.Add(s.solver, dots)
	}
	p.X.Min, p.X.Max = leastEvaluations, mostEvaluations
	p.Y.Min, p.Y.Max = leastError, mostError
	return p, nil
}
