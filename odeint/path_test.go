package odeint

import (
	"math"
	"testing"
)

func TestPath(t *testing.T) {
	uneven, _ := Nodes([]float64{0, 1, 1.5, 4})
	back, _ := Nodes([]float64{4, 1.5, 1, 0})
	for _, c := range []struct {
		name string
		p    Path
		n    int
		at   map[float64]Mix
	}{
		{"constant", PiecewiseConstant(uneven), 3, map[float64]Mix{-1: {0, 0, 0}, 0: {0, 0, 0}, 0.9: {0, 0, 0}, 1: {1, 1, 0}, 1.4: {1, 1, 0}, 2: {2, 2, 0}, 4: {2, 2, 0}, 5: {2, 2, 0}}},
		{"linear", PiecewiseLinear(uneven), 4, map[float64]Mix{-1: {0, 0, 0}, 0: {0, 0, 0}, 0.25: {0, 1, 0.25}, 1: {1, 1, 0}, 1.25: {1, 2, 0.5}, 2.125: {2, 3, 0.25}, 4: {3, 3, 0}, 5: {3, 3, 0}}},
		{"constant, back", PiecewiseConstant(back), 3, map[float64]Mix{5: {0, 0, 0}, 4: {0, 0, 0}, 2: {0, 0, 0}, 1.5: {1, 1, 0}, 0.5: {2, 2, 0}, 0: {2, 2, 0}, -1: {2, 2, 0}}},
		{"linear, back", PiecewiseLinear(back), 4, map[float64]Mix{5: {0, 0, 0}, 2.125: {0, 1, 0.75}, 1.5: {1, 1, 0}, 1.25: {1, 2, 0.5}, 0: {3, 3, 0}}},
		{"one value", PiecewiseLinear(Uniform(2, 1, 0)), 1, map[float64]Mix{0: {0, 0, 0}, 2: {0, 0, 0}, 3: {0, 0, 0}}},
	} {
		if c.p.Len() != c.n {
			t.Errorf("%s: %d values, want %d", c.name, c.p.Len(), c.n)
		}
		for at, want := range c.at {
			if got := c.p.At(at); got != want {
				t.Errorf("%s: θ(%v) is %+v, want %+v", c.name, at, got, want)
			}
		}
	}
	// On a uniform grid every node is itself, whatever its time is rounded to.
	g := Uniform(0.1, 0.1, 1000)
	for i := range 1000 {
		if a, b := PiecewiseConstant(g).At(g.Time(i)), PiecewiseLinear(g).At(g.Time(i)); a != (Mix{i, i, 0}) || b != (Mix{i, i, 0}) {
			t.Fatalf("node %d: %+v, %+v", i, a, b)
		}
	}
	// A straight line is itself at every time.
	for _, g := range []Grid{uneven, back} {
		p := PiecewiseLinear(g)
		for at := 0.0; at <= 4; at += 0.01 {
			m := p.At(at)
			if got := (1-m.W)*g.Time(m.I) + m.W*g.Time(m.J); !(math.Abs(got-at) <= 1e-15*8) {
				t.Errorf("t = %v is interpolated as %v", at, got)
			}
		}
	}
}
