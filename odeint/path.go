package odeint

import "sort"

// Path is a parameter θ(t) that is given by values θ₀, θ₁, … on a grid: with them a model of one depth can be
// evaluated, and trained, on any other grid.
type Path struct {
	grid   Grid
	linear bool
}

// Mix is θ(t) = (1−W)·θ_I + W·θ_J; the gradient with respect to θ(t) goes to θ_I and θ_J in the same parts.
type Mix struct {
	I, J int
	W    float64
}

// PiecewiseConstant returns the path that is θ_i on step i of the grid, with one value a step. At a node it
// is that of the step which begins there. It panics if the grid has no step.
func PiecewiseConstant(g Grid) Path {
	if g.Steps() == 0 {
		panic("odeint: PiecewiseConstant: the grid has no step")
	}
	return Path{grid: g}
}

// PiecewiseLinear returns the path that is θ_i at node i of the grid, with one value more than steps, and
// linear between the nodes.
func PiecewiseLinear(g Grid) Path { return Path{grid: g, linear: true} }

// Len returns the number of values.
func (p Path) Len() int {
	if p.linear {
		return p.grid.Steps() + 1
	}
	return p.grid.Steps()
}

// At returns of which values θ(t) consists. Before the grid it is the first value, after it the last. The
// weight is exact at the nodes.
func (p Path) At(t float64) Mix {
	g, n := p.grid, p.grid.Steps()
	if n == 0 {
		return Mix{}
	}
	back := g.Time(n) < g.Time(0)
	// The last step that begins at or before t, in the direction of the grid.
	i := max(0, sort.Search(n, func(i int) bool { return g.Time(i) != t && (g.Time(i) > t) != back })-1)
	if !p.linear {
		return Mix{I: i, J: i}
	}
	w := (t - g.Time(i)) / (g.Time(i+1) - g.Time(i))
	switch {
	case w <= 0:
		return Mix{I: i, J: i}
	case w >= 1:
		return Mix{I: i + 1, J: i + 1}
	}
	return Mix{I: i, J: i + 1, W: w}
}
