package main

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

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

// axis is what losses are drawn against.
type axis struct {
	name  string
	value func(m multilevel.Metrics) float64
	// scale returns the label of an axis that ends at end, and the unit that it counts in.
	scale func(end float64) (label string, unit float64)
}

// axes are all that there are, by the names that plot --x takes.
var axes = []axis{
	{"wall", func(m multilevel.Metrics) float64 { return m.WallSeconds }, scaleTime},
	{"steps", func(m multilevel.Metrics) float64 { return float64(m.Step) }, scaleBy("steps", "")},
	{"tokens", func(m multilevel.Metrics) float64 { return float64(m.Tokens) }, scaleBy("tokens", "")},
	{"flops-blocks", func(m multilevel.Metrics) float64 { return m.FLOPsBlocks }, scaleBy("operations of the blocks", "FLOP")},
	{"flops-all", func(m multilevel.Metrics) float64 { return m.FLOPsTotal }, scaleBy("operations of blocks and head", "FLOP")},
}

// wallAxis is the axis of loss.png.
var wallAxis = axes[0]

// axisNamed returns the axis of that name, which there is.
func axisNamed(name string) axis {
	return axes[slices.IndexFunc(axes, func(a axis) bool { return a.name == name })]
}

// end returns where a run ends.
func (a axis) end(metrics []multilevel.Metrics) float64 {
	if len(metrics) == 0 {
		return 0
	}
	return a.value(metrics[len(metrics)-1])
}

func scaleTime(seconds float64) (label string, unit float64) {
	switch {
	case seconds > 3*3600:
		return "wall-clock, hours", 3600
	case seconds > 3*60:
		return "wall-clock, minutes", 60
	}
	return "wall-clock, seconds", 1
}

// scaleBy scales by the powers of a thousand.
func scaleBy(name, unit string) func(end float64) (string, float64) {
	return func(end float64) (string, float64) {
		for i, word := range []string{"", "thousand ", "million ", "billion "} {
			size := math.Pow(1000, float64(i))
			if unit == "" && (end < 20000*size || i == 3) {
				return word + name, size
			}
		}
		for i, prefix := range []string{"", "k", "M", "G", "T", "P", "E"} {
			size := math.Pow(1000, float64(i))
			if end < 2000*size || i == 6 {
				return name + ", " + prefix + unit, size
			}
		}
		panic("unreachable")
	}
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

// newGrid returns faint horizontal lines.
func newGrid() *plotter.Grid {
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	grid.Horizontal.Color = color.NRGBA{A: 0x20}
	return grid
}

// plotFormats are the formats of pictures, by the extension of the file.
var plotFormats = []string{".png", ".svg"}

// plotFormat returns the format that the name of a picture asks for.
func plotFormat(path string) (string, error) {
	format := strings.ToLower(filepath.Ext(path))
	if !slices.Contains(plotFormats, format) {
		return "", badf("%s: the name of a picture ends in %s", path, strings.Join(plotFormats, " or "))
	}
	return format, nil
}

// render returns the plot in a format: 1200×700 pixels as a PNG, 10×5.83 inches as an SVG.
func render(p *plot.Plot, format string) ([]byte, error) {
	const dpi, width, height = 120, 1200 * vg.Inch / 120, 700 * vg.Inch / 120
	var canvas interface {
		vg.CanvasSizer
		io.WriterTo
	}
	switch format {
	case ".png":
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi))}
	case ".svg":
		canvas = vgsvg.New(width, height)
	default:
		return nil, fmt.Errorf("pictures of the format %q cannot be drawn", format)
	}
	p.Draw(draw.Crop(draw.New(canvas), 8, -14, 8, -6))
	var b bytes.Buffer
	_, err := canvas.WriteTo(&b)
	return b.Bytes(), err
}

// writePlot replaces the picture path as a whole.
func writePlot(path string, p *plot.Plot) error {
	format, err := plotFormat(path)
	if err != nil {
		return err
	}
	picture, err := render(p, format)
	if err != nil {
		return err
	}
	return writeFile(path, picture)
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
