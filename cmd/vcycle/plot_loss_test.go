package main

import (
	"bytes"
	"image/png"
	"math"
	"testing"

	"gonum.org/v1/plot/plotter"

	"github.com/vcycle-go/vcycle/multilevel"
)

// lossCurve returns the metrics of a run of n steps, half on each of two levels.
func lossCurve(n int) []multilevel.Metrics {
	all := make([]multilevel.Metrics, n)
	for i := range all {
		m := &all[i]
		m.Step, m.WallSeconds, m.TrainLoss = i+1, float64(i+1), 1+4/float64(i+1)
		m.Blocks = 3
		if i >= n/2 {
			m.Level, m.Blocks = 1, 12
		}
		if m.Step%10 == 0 {
			v := m.TrainLoss + 0.1
			m.ValLoss = &v
		}
	}
	return all
}

func TestLossCurves(t *testing.T) {
	d := lossCurves(lossCurve(20), wallAxis)
	if len(d.raw) != 20 || len(d.smooth) != 20 || len(d.val) != 2 || d.label != "wall-clock, seconds" || d.end != 20 {
		t.Errorf("%d raw, %d smooth, %d validation points to %v %s", len(d.raw), len(d.smooth), len(d.val), d.end, d.label)
	}
	if want := []levelSpan{{3, 0, 10}, {12, 10, 20}}; len(d.levels) != 2 || d.levels[0] != want[0] || d.levels[1] != want[1] {
		t.Errorf("levels %v, want %v", d.levels, want)
	}
	if d = lossCurves(lossCurve(20000), wallAxis); d.label != "wall-clock, hours" || len(d.raw) > maxPoints+1 || d.raw[len(d.raw)-1] != (plotter.XY{X: 20000.0 / 3600, Y: 1 + 4/20000.0}) {
		t.Errorf("%d points in %s, the last is %v", len(d.raw), d.label, d.raw[len(d.raw)-1])
	}
}

func TestLossRange(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		lo, hi := lossCurves(lossCurve(n), wallAxis).lossRange()
		if !(lo < hi) || lo < 0 {
			t.Errorf("%d steps: range [%v, %v]", n, lo, hi)
		}
	}
	d := lossData{raw: plotter.XYs{{Y: 2}, {Y: 2}}}
	if lo, hi := d.lossRange(); !(lo < 2 && hi > 2) {
		t.Errorf("a constant loss of 2 has the range [%v, %v]", lo, hi)
	}
}

func TestTicks(t *testing.T) {
	for _, r := range [][2]float64{{0, 1}, {1.23, 5.5}, {0, 187}, {1.4, 1.41}, {0, 1e-3}} {
		all := ticks{}.Ticks(r[0], r[1])
		if len(all) < 3 || len(all) > 10 {
			t.Errorf("%d ticks on %v", len(all), r)
		}
		for _, k := range all {
			if k.Value < r[0] || k.Value > r[1] || k.Label == "" {
				t.Errorf("tick %v on %v", k, r)
			}
		}
	}
}

func TestPlotLoss(t *testing.T) {
	p, err := plotLoss(lossCurve(30), wallAxis, "title", "byte")
	if err != nil {
		t.Fatal(err)
	}
	text, err := render(p, ".png")
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() != 1200 || b.Dy() != 700 {
		t.Errorf("the picture has %d×%d pixels, want 1200×700", b.Dx(), b.Dy())
	}
	var train, val int
	for y := range 700 {
		for x := range 1200 {
			r, g, b, _ := img.At(x, y).RGBA()
			near := func(r0, g0, b0 uint8) bool {
				d := math.Abs(float64(r>>8)-float64(r0)) + math.Abs(float64(g>>8)-float64(g0)) + math.Abs(float64(b>>8)-float64(b0))
				return d < 12
			}
			if near(trainColor.R, trainColor.G, trainColor.B) {
				train++
			}
			if near(valColor.R, valColor.G, valColor.B) {
				val++
			}
		}
	}
	if train < 500 || val < 200 {
		t.Errorf("%d pixels of the training and %d of the validation curve", train, val)
	}
}
