package multilevel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/nn"
)

// uneven is a network on a grid that is not uniform, of which no parameter is special.
func uneven(t testing.TB, method string, blocks int, h float64, relative []float64) *nn.Decoder {
	d, err := nn.NewDecoder(nn.Config{Vocab: 11, Context: 6, Width: 8, Heads: 2, Blocks: blocks, StepSize: h, Relative: relative, Method: method}, 1)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for _, g := range d.Groups() {
		for i := range g.Theta {
			g.Theta[i] += float32(0.2 * rng.NormFloat64())
		}
	}
	return d
}

// nodes returns the times of a grid whose steps are split in k.
func nodes(c nn.Config, k int) []float64 {
	g := c.Grid()
	times := []float64{0}
	for i := range c.Blocks {
		for j := range k {
			w := float64(j+1) / float64(k)
			times = append(times, g.Time(i)*(1-w)+g.Time(i+1)*w)
		}
	}
	return times
}

func regrid(t testing.TB, d *nn.Decoder, nodes []float64, interpolation string) *nn.Decoder {
	t.Helper()
	to, err := OnGrid(d.Config(), nodes)
	if err != nil {
		t.Fatal(err)
	}
	fine, err := Regrid(d, to, interpolation)
	if err != nil {
		t.Fatal(err)
	}
	return fine
}

// TestRegridConverges: with θ piecewise constant, halving every step of a grid goes to the solution of the
// differential equation with the order of the method: the slope of log error against log h.
func TestRegridConverges(t *testing.T) {
	tokens := []int32{1, 5, 2, 9, 10, 0}
	logits := func(d *nn.Decoder) []float32 {
		y := make([]float32, d.Config().Vocab)
		d.Logits(tokens, y)
		return y
	}
	for _, c := range []struct {
		method string
		order  float64
		from   int // splits of a step
	}{{"euler", 1, 8}, {"split", 1, 8}, {"heun", 2, 2}, {"ralston", 2, 2}, {"strang", 2, 2}} {
		d := uneven(t, c.method, 3, 0.5, []float64{1, 0.5, 1.5})
		cfg := d.Config()
		cfg.Method = "rk4"
		if c.method == "split" || c.method == "strang" {
			cfg.Method = "strang"
		}
		exact, err := nn.NewDecoder(cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range exact.Groups() {
			copy(g.Theta, d.Groups()[i].Theta)
		}
		want := logits(regrid(t, exact, nodes(cfg, 64), PiecewiseConstant))
		var errors []float64
		for k := c.from; k <= 4*c.from; k *= 2 {
			e := 0.0
			for i, v := range logits(regrid(t, d, nodes(cfg, k), PiecewiseConstant)) {
				e += math.Pow(float64(v-want[i]), 2)
			}
			errors = append(errors, math.Sqrt(e))
		}
		for i := 1; i < len(errors); i++ {
			if slope := math.Log2(errors[i-1] / errors[i]); !(math.Abs(slope-c.order) <= 0.25) {
				t.Errorf("%s: errors %g, a slope of %.2f, want %g", c.method, errors, slope, c.order)
			}
		}
	}
}

// TestRegridWeights: the shares of blocks by hand.
func TestRegridWeights(t *testing.T) {
	d := uneven(t, "euler", 3, 2, []float64{1, 0.5, 1.5}) // nodes 0, 2, 3, 6
	for _, c := range []struct {
		interpolation string
		nodes         []float64
		want          string
	}{
		{PiecewiseConstant, []float64{0, 2, 3, 6}, "[{0 1}] [{1 1}] [{2 1}]"},
		{PiecewiseConstant, []float64{0, 6}, "[{0 0.333} {1 0.167} {2 0.5}]"},
		{PiecewiseConstant, []float64{0, 1, 2, 4, 6}, "[{0 1}] [{0 1}] [{1 0.5} {2 0.5}] [{2 1}]"},
		{PiecewiseLinear, []float64{0, 2, 3, 6}, "[{0 1}] [{1 1}] [{2 1}]"},
		{PiecewiseLinear, []float64{0, 1, 2.5, 6}, "[{0 1}] [{0 0.5} {1 0.5}] [{1 0.125} {2 0.875}]"}, // middles 0.5, 1.75, 4.25 of 1, 2.5, 4.5
		{PiecewiseLinear, []float64{0, 4, 5, 6}, "[{0 0.333} {1 0.667}] [{2 1}] [{2 1}]"},
	} {
		fine := regrid(t, d, c.nodes, c.interpolation)
		for i, g := range fine.Blocks() {
			var weights []struct {
				block int
				w     float64
			}
			for _, part := range strings.Split(strings.Trim(strings.Split(c.want, "] [")[i], "[{}]"), "} {") {
				var w struct {
					block int
					w     float64
				}
				fmt.Sscan(part, &w.block, &w.w)
				weights = append(weights, w)
			}
			for j, v := range g.Theta {
				want := 0.0
				for _, w := range weights {
					want += w.w * float64(d.Blocks()[w.block].Theta[j])
				}
				if !(math.Abs(float64(v)-want) <= 5e-3) {
					t.Fatalf("%s on %v: block %d is not %s", c.interpolation, c.nodes, i, c.want)
				}
			}
		}
		if !slices.Equal(fine.Groups()[0].Theta, d.Groups()[0].Theta) {
			t.Errorf("%s on %v: other embeddings", c.interpolation, c.nodes)
		}
		if end := fine.Config().Grid().Time(len(c.nodes) - 1); !(math.Abs(end-6) <= 1e-12) {
			t.Errorf("%s on %v: the grid ends at %v", c.interpolation, c.nodes, end)
		}
	}
}

// TestRegridSame: the grid that a network has gives the network, to the last bit.
func TestRegridSame(t *testing.T) {
	for _, relative := range [][]float64{nil, {1, 0.5, 1.5}} {
		d := uneven(t, "heun", 3, 0.1, relative)
		for _, interpolation := range Interpolations() {
			same := regrid(t, d, []float64{0, d.Config().Step(0), d.Config().Grid().Time(2) + 1e-16, d.Config().Grid().Time(3)}, interpolation)
			if !reflect.DeepEqual(same.Config(), d.Config()) {
				t.Errorf("%+v, want %+v", same.Config(), d.Config())
			}
			for i, g := range same.Groups() {
				if !slices.Equal(g.Theta, d.Groups()[i].Theta) {
					t.Errorf("%s: other parameters of %s", interpolation, g.Name)
				}
			}
		}
	}
}

func TestRegridRefuses(t *testing.T) {
	d := uneven(t, "euler", 3, 2, nil)
	for _, c := range []struct {
		nodes         []float64
		interpolation string
		want          string
	}{
		{[]float64{0, 6}, "cubic", "use constant or linear"},
		{nil, PiecewiseLinear, "no nodes"},
		{[]float64{0}, PiecewiseLinear, "begin at 0"},
		{[]float64{0, 3}, PiecewiseLinear, "from 0 to 6"},
		{[]float64{1, 6}, PiecewiseLinear, "begin at 0"},
		{[]float64{0, -6}, PiecewiseLinear, "begin at 0"},
		{[]float64{0, 3, 3, 6}, PiecewiseLinear, "monotone"},
		{[]float64{0, math.NaN(), 6}, PiecewiseLinear, "NaN"},
	} {
		to, err := OnGrid(d.Config(), c.nodes)
		if err == nil {
			_, err = Regrid(d, to, c.interpolation)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, %s: error %v, want %q", c.nodes, c.interpolation, err, c.want)
		}
	}
}

// TestUnevenLevels: coarser levels have the means of the steps, which with divided steps end at the same nodes.
func TestUnevenLevels(t *testing.T) {
	o := tiny()
	o.StepSizes, o.Prolong, o.StepSizePolicy, o.Moments = []float64{1, 3, 0.5, 1.5}, Interleave, DivideStepSize, RescaleMoments
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	h := o.hierarchy(t)
	for l, want := range [][]float64{{1.5}, {2, 1}, {1, 3, 0.5, 1.5}} {
		if got := h.Levels[l].Relative; !slices.Equal(got, want) {
			t.Errorf("level %d: %v, want %v", l, got, want)
		}
		g := o.Config(h.Levels[l]).Grid()
		if end := g.Time(g.Steps()); end != 6 {
			t.Errorf("level %d ends at %v", l, end)
		}
	}
	tr := newTiny(t, o)
	steps(t, tr, 3) // on the coarsest level, which ends
	m := slices.Clone(tr.groups[1].Moments[0])
	if err := tr.enter(1); err != nil {
		t.Fatal(err)
	}
	// h was 4·1.5, and is 2·2 and 2·1.
	for i, ratio := range []float64{4. / 6, 2. / 6} {
		for j, v := range tr.groups[1+i].Moments[0] {
			if want := ratio * float64(m[j]); !(math.Abs(float64(v)-want) <= 1e-6*math.Abs(want)) {
				t.Fatalf("block %d: moment %d is %v, want %v", i, j, v, want)
			}
		}
		for j, v := range tr.groups[1+i].Moments[1] {
			if !(v >= 0) || j == 0 && v == 0 {
				t.Fatalf("block %d: second moment %d is %v", i, j, v)
			}
		}
	}
	steps(t, tr, -1)

	for change, want := range map[string]func(o *Options){
		"give one for each": func(o *Options) { o.StepSizes = []float64{1, 1} },
		"step sizes -1":     func(o *Options) { o.StepSizes = []float64{1, 1, 1, -1} },
		"do not divide the 4": func(o *Options) {
			o.Multilevel, o.Levels, o.LevelFractions, o.Prolong, o.StepSizePolicy = MIDAS, []int{3, 4}, nil, Middle, KeepStepSize
		},
	} {
		bad := o
		want(&bad)
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), change) {
			t.Errorf("%q: error %v", change, err)
		}
	}
}
