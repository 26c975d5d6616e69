package odeint

import (
	"fmt"
	"math"
)

// Grid is the times t₀, t₁, …, t_n between which an integration steps.
type Grid struct {
	t0, h float64
	n     int
	nodes []float64
}

// Uniform returns the grid t₀ + i·h for i = 0 … n. It panics if n is negative. h may be negative:
// integration then runs back in time.
func Uniform(t0, h float64, n int) Grid {
	if n < 0 {
		panic(fmt.Sprintf("odeint: Uniform: n = %d", n))
	}
	return Grid{t0: t0, h: h, n: n}
}

// Nodes returns the grid of the given times, which it keeps. It returns an error unless there is at
// least one and they are finite and increase or decrease strictly.
func Nodes(times []float64) (Grid, error) {
	if len(times) == 0 {
		return Grid{}, fmt.Errorf("grid has no nodes")
	}
	for i, t := range times {
		if math.IsNaN(t) || math.IsInf(t, 0) {
			return Grid{}, fmt.Errorf("node %d of the grid is %v", i, t)
		}
		if i > 0 && (t == times[i-1] || (t > times[i-1]) != (times[1] > times[0])) {
			return Grid{}, fmt.Errorf("nodes of the grid are not monotone: %v follows %v at %d", t, times[i-1], i)
		}
	}
	return Grid{n: len(times) - 1, nodes: times}, nil
}

// Steps returns n, the number of steps.
func (g Grid) Steps() int { return g.n }

// Time returns t_i.
func (g Grid) Time(i int) float64 {
	if g.nodes != nil {
		return g.nodes[i]
	}
	return g.t0 + float64(float64(i)*g.h)
}

// Step returns t_{i+1} − t_i; it is h exactly on a uniform grid.
func (g Grid) Step(i int) float64 {
	if g.nodes != nil {
		return g.nodes[i+1] - g.nodes[i]
	}
	return g.h
}
