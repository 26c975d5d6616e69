// Figures draws the pictures of docs/method.md: Euler's steps on a differential equation, and, from the code
// that trains, the operators and schedules of package multilevel. `make figures` writes them; a test fails when they are stale.
package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/vcycle-go/vcycle/multilevel"
)

// figures are the files and what draws them.
var figures = map[string]func() (string, error){
	"depth.svg":     depth,
	"operators.svg": operators,
	"schedules.svg": schedules,
}

func main() {
	dir := "docs"
	if len(os.Args) == 2 {
		dir = os.Args[1]
	}
	for name, draw := range figures {
		content, err := draw()
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "figures:", err)
			os.Exit(1)
		}
	}
}

// Colours that stay apart for colour-blind readers: Okabe and Ito, https://jfly.uni-koeln.de/color/.
var colours = []string{"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"}

// picture is an SVG file.
type picture struct{ strings.Builder }

func newPicture(width, height int) *picture {
	p := &picture{}
	fmt.Fprintf(p, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n"+
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n", width, height, width, height)
	return p
}

func (p *picture) text(x, y float64, anchor, s string) {
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(s)
	fmt.Fprintf(p, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"#222\">%s</text>\n", x, y, anchor, s)
}

func (p *picture) lines(colour string, width float64, points ...[2]float64) {
	var s []string
	for _, q := range points {
		s = append(s, fmt.Sprintf("%.1f,%.1f", q[0], q[1]))
	}
	fmt.Fprintf(p, "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"%g\"/>\n", strings.Join(s, " "), colour, width)
}

func (p *picture) dot(colour string, x, y float64) {
	fmt.Fprintf(p, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", x, y, colour)
}

// box draws a rectangle: filled, or with a dashed border.
func (p *picture) box(x, y, width, height float64, colour string, opacity float64) {
	border := ""
	if opacity < 1 {
		border = fmt.Sprintf(" stroke=\"%s\" stroke-dasharray=\"3 2\"", colour)
	}
	fmt.Fprintf(p, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" fill-opacity=\"%g\"%s/>\n", x, y, width, height, colour, opacity, border)
}

func (p *picture) end() string { return p.String() + "</svg>\n" }

// depth draws one differential equation, dx/dt = cos t − x/3, and Euler's steps on it with 3, 6 and 12 blocks.
func depth() (string, error) {
	const (
		end           = 6.0
		width, height = 640.0, 300.0
		left, bottom  = 50.0, 255.0
	)
	f := func(t, x float64) float64 { return math.Cos(t) - x/3 }
	at := func(t, x float64) [2]float64 { return [2]float64{left + t/end*(width-left-140), bottom - (x+1.6)*54} }
	p := newPicture(int(width), int(height))
	p.lines("#999", 1, at(0, -1.6), at(end, -1.6))
	p.text(left+(width-left-140)/2, bottom+30, "middle", "depth t")
	for t := 0.0; t <= end; t++ {
		q := at(t, -1.6)
		p.text(q[0], q[1]+15, "middle", fmt.Sprint(t))
	}
	p.text(left-10, at(0, 1)[1]+4, "end", "x(t)")
	const fine = 6000
	var curve [][2]float64
	x, h := 1.0, end/fine
	for i := range fine + 1 {
		t := float64(i) * h
		if i%60 == 0 {
			curve = append(curve, at(t, x))
		}
		k := f(t+h/2, x+h/2*f(t, x)) // midpoint
		x += h * k
	}
	p.lines("#bbb", 5, curve...)
	p.text(width-120, 40, "start", "the equation")
	p.lines("#bbb", 5, [2]float64{width - 150, 36}, [2]float64{width - 126, 36})
	for i, blocks := range []int{3, 6, 12} {
		x, h := 1.0, end/float64(blocks)
		points := [][2]float64{at(0, x)}
		for n := range blocks {
			x += h * f(float64(n)*h, x)
			points = append(points, at(float64(n+1)*h, x))
		}
		p.lines(colours[i], 2, points...)
		for _, q := range points {
			p.dot(colours[i], q[0], q[1])
		}
		y := 62 + 22*float64(i)
		p.lines(colours[i], 2, [2]float64{width - 150, y - 4}, [2]float64{width - 126, y - 4})
		p.text(width-120, y, "start", fmt.Sprintf("%d blocks, h = %g", blocks, h))
	}
	return p.end(), nil
}

// operators draws which blocks those of a finer network are made of, for each prolongation from 3 to 6, and
// those of a coarser one, for each restriction from 6 to 3. A faint block has no output: it is the identity. Of two
// sources a block shows both.
func operators() (string, error) {
	const row = 36
	prolongations, restrictions := multilevel.Prolongations(), multilevel.Restrictions()
	p := newPicture(420, row*(len(prolongations)+len(restrictions)+2)+40)
	y := 14.0
	for _, kind := range []struct {
		names    []string
		find     func(string) (multilevel.Operator, error)
		from, to int
	}{{prolongations, multilevel.Prolongation, 3, 6}, {restrictions, multilevel.Restriction, 6, 3}} {
		source := make([]multilevel.Row, kind.from)
		for j := range source {
			source[j] = multilevel.Row{Weights: []multilevel.Weight{{Block: j, Value: 1}}, Output: 1}
		}
		p.blocks(y, fmt.Sprintf("from %d blocks", kind.from), source)
		for _, name := range kind.names {
			op, err := kind.find(name)
			if err != nil {
				return "", err
			}
			rows, err := op.Rows(kind.from, kind.to)
			if err != nil {
				return "", err
			}
			y += row
			p.blocks(y, name, rows)
		}
		y += row + 20
	}
	return p.end(), nil
}

// blocks draws what the blocks of a network are made of.
func (p *picture) blocks(y float64, name string, rows []multilevel.Row) {
	const size, gap = 28.0, 8.0
	p.text(100, y+size/2+4, "end", name)
	for i, r := range rows {
		x := 116 + float64(i)*(size+gap)
		if r.Random {
			p.box(x, y, size, size, "#777", 0.15)
			p.text(x+size/2, y+size/2+4, "middle", "new")
			continue
		}
		opacity := 1.0
		if r.Output < 0.5 {
			opacity = 0.25
		}
		top := y
		for _, w := range r.Weights {
			p.box(x, top, size, size*w.Value, colours[w.Block], opacity)
			top += size * w.Value
		}
	}
}

// schedules draws the depth over the steps of a run of 12 blocks, for each schedule.
func schedules() (string, error) {
	const (
		columns       = 3
		width, height = 200.0, 96.0
		total         = 1200
	)
	names := multilevel.Schedules()
	rows := (len(names) + columns - 1) / columns
	p := newPicture(columns*int(width)+20, rows*int(height)+10)
	for i, name := range names {
		o := multilevel.Defaults()
		o.Multilevel, o.Blocks, o.Steps, o.Vocab = name, 12, total, 256
		h, plan, err := o.Plan()
		if err != nil {
			return "", err
		}
		x0, y0 := 34+float64(i%columns)*width, 28+float64(i/columns)*height
		y := func(blocks int) float64 { return y0 + 52 - 24*math.Log2(float64(blocks)/3) }
		p.text(x0, y0-10, "start", name)
		for _, blocks := range []int{3, 6, 12} {
			p.lines("#ddd", 1, [2]float64{x0, y(blocks)}, [2]float64{x0 + width - 50, y(blocks)})
			p.text(x0-6, y(blocks)+4, "end", fmt.Sprint(blocks))
		}
		var points [][2]float64
		done := 0
		for _, s := range plan {
			for _, step := range []int{done, done + s.Steps} {
				points = append(points, [2]float64{x0 + float64(step)/total*(width-50), y(h.Levels[s.Level].Blocks)})
			}
			done += s.Steps
		}
		p.lines(colours[0], 2, points...)
	}
	return p.end(), nil
}
