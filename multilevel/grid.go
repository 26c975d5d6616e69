package multilevel

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vcycle-go/vcycle/nn"
	"github.com/vcycle-go/vcycle/odeint"
)

// How θ(t) continues the parameters θ_i of blocks that step from t_i to t_{i+1}.
const (
	PiecewiseConstant = "constant" // θ_i between t_i and t_{i+1}
	PiecewiseLinear   = "linear"   // θ_i at the middle of the step, linear between the middles, constant beyond the first and the last
)

// Interpolations returns the names that Regrid knows.
func Interpolations() []string { return []string{PiecewiseConstant, PiecewiseLinear} }

// OnGrid returns the configuration with the steps of the nodes, which begin at 0. It returns an error unless
// they are finite and increase.
func OnGrid(c nn.Config, nodes []float64) (nn.Config, error) {
	g, err := odeint.Nodes(nodes)
	if err != nil {
		return nn.Config{}, err
	}
	n := g.Steps()
	if n < 1 || nodes[0] != 0 || nodes[n] < 0 {
		return nn.Config{}, fmt.Errorf("the nodes must begin at 0 and increase")
	}
	c.Blocks, c.StepSize, c.Relative = n, nodes[n]/float64(n), nil
	var relative []float64
	for i := range n {
		relative = append(relative, g.Step(i)/c.StepSize)
	}
	if slices.ContainsFunc(relative, func(r float64) bool { return math.Abs(r-1) > negligible }) {
		c.Relative = relative
	}
	return c, c.Validate()
}

// Regrid returns a network of its own with the blocks and steps of to, and with the same θ(t) as d: a block
// from a to b has, where θ is piecewise constant, its mean
//
//	1/(b−a)·∫θ(t)dt,  t from a to b
//
// so that refined blocks are copies, and coarsened ones means weighted by their steps, and where θ is
// piecewise linear, its value at (a+b)/2. On the grid that d has, both are the network itself. What lies
// outside the blocks is copied. An error says that the grid covers another interval than that of d, or that
// the interpolation is unknown.
func Regrid(d *nn.Decoder, to nn.Config, interpolation string) (*nn.Decoder, error) {
	if !slices.Contains(Interpolations(), interpolation) {
		return nil, fmt.Errorf("interpolation %q is unknown: use %s", interpolation, strings.Join(Interpolations(), " or "))
	}
	old := d.Config()
	cfg := old
	cfg.Blocks, cfg.StepSize, cfg.Relative = to.Blocks, to.StepSize, to.Relative
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	from, grid := old.Grid(), cfg.Grid()
	end := from.Time(old.Blocks)
	if e := grid.Time(cfg.Blocks); !(math.Abs(e-end) <= negligible*end) {
		return nil, fmt.Errorf("the network integrates from 0 to %g, %s from 0 to %g: give steps that add up to %g", end, plural(cfg.Blocks, "step"), e, end)
	}
	same := cfg.Blocks == old.Blocks
	for i := 0; same && i <= old.Blocks; i++ {
		same = math.Abs(grid.Time(i)-from.Time(i)) <= negligible*end
	}
	if same {
		cfg = old // to the last bit
	}
	fine, err := nn.NewDecoder(cfg, 0)
	if err != nil {
		return nil, err
	}
	copy(fine.Groups()[0].Theta, d.Groups()[0].Theta)
	rows := means(from, grid)
	if interpolation == PiecewiseLinear {
		rows = middles(from, grid)
	}
	for i, r := range rows {
		link{alpha: 1}.theta(r, d.Blocks(), fine.Blocks()[i])
	}
	return fine, nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// negligible is, as a part of a step or an interval, what rounding of the nodes may make.
const negligible = 1e-9

// means returns the rows that take the parameters of the steps of one grid to their means over those of another.
func means(from, to odeint.Grid) []Row {
	rows := make([]Row, to.Steps())
	for i := range rows {
		lo, hi := to.Time(i), to.Time(i+1)
		var weights []Weight
		sum := 0.0
		for j := range from.Steps() {
			w := (min(hi, from.Time(j+1)) - max(lo, from.Time(j))) / (hi - lo)
			if w > negligible {
				weights = append(weights, Weight{j, w})
				sum += w
			}
		}
		for j := range weights {
			weights[j].Value /= sum
		}
		rows[i] = Row{Weights: weights, Output: 1}
	}
	return rows
}

// middles returns the rows that take the parameters at the middles of the steps of one grid to those of another.
func middles(from, to odeint.Grid) []Row {
	middle := func(g odeint.Grid, i int) float64 { return (g.Time(i) + g.Time(i+1)) / 2 }
	var times []float64
	for j := range from.Steps() {
		times = append(times, middle(from, j))
	}
	g, err := odeint.Nodes(times)
	if err != nil {
		panic("multilevel: Regrid: " + err.Error()) // the middles of a grid increase as it does
	}
	path := odeint.PiecewiseLinear(g)
	rows := make([]Row, to.Steps())
	for i := range rows {
		m := path.At(middle(to, i))
		switch {
		case m.W <= negligible:
			rows[i].Weights = []Weight{{m.I, 1}}
		case m.W >= 1-negligible:
			rows[i].Weights = []Weight{{m.J, 1}}
		default:
			rows[i].Weights = []Weight{{m.I, 1 - m.W}, {m.J, m.W}}
		}
		rows[i].Output = 1
	}
	return rows
}
