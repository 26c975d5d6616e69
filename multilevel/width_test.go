package multilevel

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/nn"
)

// pair returns groups of a narrow and of a wide network, of random numbers, with two moments.
func pair(t *testing.T, method string, k, context int) (narrow, wide nn.Config, small, large []*nn.Group) {
	t.Helper()
	narrow = nn.Config{Vocab: 11, Context: context, Width: 8, Heads: 2, Blocks: 2, StepSize: 1, Method: method}
	wide = narrow
	wide.Context, wide.Width, wide.Heads = 6, 8*k, 2*k
	rng := rand.New(rand.NewPCG(7, 8))
	fill := func(groups []*nn.Group) []*nn.Group {
		for _, g := range groups {
			g.Moments = [][]float32{make([]float32, len(g.Theta)), make([]float32, len(g.Theta))}
			g.Steps = 5
			for _, x := range append(g.Moments, g.Theta) {
				for i := range x {
					x[i] = float32(0.4 * rng.NormFloat64())
				}
			}
		}
		return groups
	}
	return narrow, wide, fill(narrow.NewGroups()), fill(wide.NewGroups())
}

func vectors(groups []*nn.Group) [][]float32 {
	var all [][]float32
	for _, g := range groups {
		all = append(append(all, g.Theta), g.Moments...)
	}
	return all
}

func far(a, b []float32, relative float64) bool {
	largest := 0.0
	for _, v := range b {
		largest = max(largest, math.Abs(float64(v)))
	}
	for i := range a {
		if !(math.Abs(float64(a[i]-b[i])) <= relative*largest) {
			return true
		}
	}
	return len(a) != len(b)
}

// TestWidthLeftInverse: R·P is the identity, of parameters with equal and unequal shares, and of moments.
func TestWidthLeftInverse(t *testing.T) {
	for _, method := range []string{"euler", "rk2-gated", "rk4-learned"} {
		for _, k := range []int{1, 2, 3} {
			for _, keep := range []fitting{asNew, toBlend, asCorrection} {
				narrow, wide, small, large := pair(t, method, k, 3)
				up := resize(small, large, narrow, wide, keep)
				down := resize(up, small, wide, narrow, asNew)
				for i, g := range down {
					if g.Steps != 5 || up[i].Steps != 5 {
						t.Errorf("%d steps, want 5", g.Steps)
					}
				}
				for i, x := range vectors(down) {
					if far(x, vectors(small)[i], 1e-6) {
						t.Errorf("%s, %d times the width, keep %v: vector %d has changed", method, k, keep, i)
					}
				}
			}
		}
	}
}

// TestWidthAdjoint: what restricts first moments is the transpose of what prolongs parameters with equal
// shares, ⟨P·x, y⟩ = ⟨x, Pᵀ·y⟩; on the positions that only the longer context has, P keeps what is there.
func TestWidthAdjoint(t *testing.T) {
	for _, k := range []int{2, 3} {
		for _, context := range []int{3, 6} {
			_, _, small, large := pair(t, "rk2-gated", k, context)
			dot := func(a, b []float32) (s float64) {
				for i := range a {
					s += float64(a[i]) * float64(b[i])
				}
				return s
			}
			for i, x := range small {
				y, px, pty := large[i], make([]float32, len(large[i].Theta)), make([]float32, len(x.Theta))
				resizing{x.Entries, y.Entries, true}.apply(parameterScaling(float64(k), true, false), x.Theta, px)
				resizing{y.Entries, x.Entries, true}.apply(momentScaling(0, float64(k), false), y.Theta, pty)
				a, b := dot(px, y.Theta), dot(x.Theta, pty)
				if !(math.Abs(a-b) <= 1e-5*(1+math.Abs(a))) {
					t.Errorf("%d times the width, context %d, group %d: ⟨Px, y⟩ = %v, ⟨x, Pᵀy⟩ = %v", k, context, i, a, b)
				}
			}
		}
	}
}

// TestWidthPreservesFunction: the wide network computes what the narrow one does; with equal shares its gradient is
// the prolonged one, as first moments are, and the transpose takes it back, ∇(f∘P) = Pᵀ∇f. With unequal
// shares copies have gradients of their own.
func TestWidthPreservesFunction(t *testing.T) {
	tokens, targets := []int32{1, 5, 2, 9, 10, 0}, []int32{5, 2, 9, 10, 0, 3}
	for _, method := range []string{"euler", "split", "strang", "rk2-gated", "rk4-learned"} {
		for _, keep := range []bool{true, false} {
			narrow, wide, small, large := pair(t, method, 2, 6)
			network := func(c nn.Config, groups []*nn.Group) (*nn.Decoder, float64) {
				d, err := nn.NewDecoder(c, 1)
				if err != nil {
					t.Fatal(err)
				}
				for i, g := range d.Groups() {
					copy(g.Theta, groups[i].Theta)
				}
				return d, d.Step(tokens, targets, 1)
			}
			d, want := network(narrow, small)
			how := asNew
			if keep {
				how = toBlend
			}
			fine, got := network(wide, resize(small, large, narrow, wide, how))
			if !(math.Abs(got-want) <= 1e-5*want) {
				t.Errorf("%s: loss %v, of the narrow network %v", method, got, want)
			}
			equal := true
			for i, g := range fine.Groups() {
				s := d.Groups()[i]
				up, down := make([]float32, len(g.Grad)), make([]float32, len(s.Grad))
				resizing{s.Entries, g.Entries, true}.apply(momentScaling(0, 2, true), s.Grad, up)
				equal = equal && !far(g.Grad, up, 1e-4)
				resizing{g.Entries, s.Entries, true}.apply(momentScaling(0, 2, false), g.Grad, down)
				if keep && far(down, s.Grad, 1e-4) {
					t.Errorf("%s, group %d: Pᵀ of the wide gradient is not the narrow one", method, i)
				}
			}
			if equal != keep {
				t.Errorf("%s, equal shares %v: the gradients of copies are equal: %v", method, keep, equal)
			}
		}
	}
}

// TestContexts: a shorter context has the first positions, whose function does not change; a longer one has copies,
// or what it had.
func TestContexts(t *testing.T) {
	narrow, wide, small, large := pair(t, "euler", 1, 3)
	position := func(groups []*nn.Group, i int) []float32 {
		e := groups[0].Entries[1]
		return groups[0].Theta[e.Offset+8*i : e.Offset+8*(i+1)]
	}
	for _, how := range []fitting{asNew, toBlend, asCorrection} {
		up := resize(small, large, narrow, wide, how)
		for i := range 6 {
			want := position(small, i%3)
			if i >= 3 && how != asNew {
				want = [][]float32{position(large, i), make([]float32, 8)}[how-toBlend]
			}
			if !slices.Equal(position(up, i), want) {
				t.Errorf("fitting %v: position %d", how, i)
			}
		}
	}
	down := resize(large, small, wide, narrow, asNew)
	for i := range 3 {
		if !slices.Equal(position(down, i), position(large, i)) {
			t.Errorf("position %d of the shorter context", i)
		}
	}
}

// axes are options of a run whose levels differ in depth, width and context.
func axes() Options {
	o := tiny()
	o.LevelWidths, o.LevelContexts = []int{4, 4, 8}, []int{4, 8, 8}
	return o
}

// TestAxes: a step has the tokens of the same sequences on every level, the loss across a change of width and
// depth is the same, and costs are those of the level.
func TestAxes(t *testing.T) {
	o := axes()
	tr := newTiny(t, o)
	for tr.Steps() < 6 {
		steps(t, tr, 1)
	}
	if c := tr.decoder.Config(); c.Width != 4 || c.Heads != 1 || c.Context != 8 || c.Blocks != 2 {
		t.Errorf("level 2 is %+v", c)
	}
	before, err := tr.Validate()
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.enter(2); err != nil {
		t.Fatal(err)
	}
	after, err := tr.Validate()
	if err != nil || !(math.Abs(after-before) <= 1e-5*before) {
		t.Errorf("loss %v, before %v; error %v", after, before, err)
	}
	steps(t, tr, -1)
	for l, want := range []nn.Config{{Width: 4, Heads: 1, Context: 4}, {Width: 4, Heads: 1, Context: 8}, {Width: 8, Heads: 2, Context: 8}} {
		c := tr.Costs()[l]
		want.Vocab, want.Blocks, want.Method = 256, 1<<l, "euler"
		blocks, total := want.FLOPs()
		if n := float64(c.Tokens); c.Tokens != int64(16*c.Steps) || c.Steps == 0 || c.FLOPsBlocks != n*blocks || c.FLOPsTotal != n*total {
			t.Errorf("level %d: %+v", l, c)
		}
		if m := o.Alone(tr.hierarchy.Levels[l]); m.stepTokens() != 16 || m.Width != want.Width || m.Context != want.Context || m.Validate() != nil {
			t.Errorf("level %d alone: %+v", l, m)
		}
	}
	// The copies of a channel do not stay copies.
	e := tr.groups[0].Entries[0]
	row := tr.groups[0].Theta[e.Offset : e.Offset+8]
	if slices.Equal(row[:4], row[4:]) {
		t.Error("the channels of the wide network are still copies")
	}

	wide := tiny()
	wide.Levels, wide.LevelFractions, wide.LevelWidths = []int{4, 4}, nil, []int{4, 8}
	steps(t, newTiny(t, wide), -1)
	for _, name := range []string{Zou, VCycle, WCycle, FCycle, MGOPT, Stacking, GStack, Staged, MIDAS, Late} {
		o := scheduled(name)
		o = o.Resolve()
		o.LevelWidths, o.LevelContexts = slices.Repeat([]int{8}, len(o.Levels)), slices.Repeat([]int{8}, len(o.Levels))
		o.LevelWidths[0], o.LevelContexts[0] = 4, 2
		steps(t, newTiny(t, o), -1)
	}
}

// TestAxesCorrection: a cycle over widths and contexts adds P·(y − y₀) and nothing else, and the coarse objective
// has, where its steps begin, the gradient Pᵀ∇f of the fine one.
func TestAxesCorrection(t *testing.T) {
	o := tiny()
	o.Multilevel, o.Levels, o.LevelFractions, o.Steps, o.Cycles = MGOPT, []int{2, 4}, nil, 6, 1
	o.LevelWidths, o.LevelContexts = []int{4, 8}, []int{4, 8}
	tr := newTiny(t, o)
	tr.plan[2].Arrive.LineSearch = false
	for tr.plan.at(tr.step) == 0 {
		steps(t, tr, 1)
	}
	tr.gradient(coherenceBatches)
	fine := tr.model()
	var want [][]float32 // Pᵀ∇f: the blocks of interleave's transpose are sums of neighbours
	cfg := o.Resolve().Config(Level{Blocks: 2, StepSize: 1, Width: 4, Heads: 1, Context: 4})
	small := cfg.NewGroups()
	for i, g := range small {
		w := make([]float32, len(g.Theta))
		for _, j := range [][]int{{0}, {1, 2}, {3, 4}}[i] {
			for n, v := range pullBack(fine.groups[j], g, 2, fine.groups[j].Grad) {
				w[n] += v
			}
		}
		want = append(want, w)
	}
	before := slices.Clone(fine.groups[0].Theta)
	if err := tr.enter(1); err != nil {
		t.Fatal(err)
	}
	tr.gradient(coherenceBatches)
	for i, g := range tr.groups {
		got := slices.Clone(g.Grad)
		for j := range got {
			got[j] -= tr.model().tau[i][j]
		}
		if far(got, want[i], 1e-4) {
			t.Errorf("group %d: the gradient of the coarse objective is not Pᵀ of the fine one", i)
		}
	}
	const d = 0.25
	tr.groups[0].Theta[0] += d // channel 0 of the first token, which the wide network has twice
	for tr.stage < 2 {
		tr.step++
		if err := tr.enter(tr.plan.at(tr.step)); err != nil {
			t.Fatal(err)
		}
	}
	for i, v := range tr.groups[0].Theta {
		want := before[i]
		if i == 0 || i == 4 {
			want += d
		}
		if !(math.Abs(float64(v-want)) <= 1e-6) {
			t.Fatalf("parameter %d is %v after the correction, want %v", i, v, want)
		}
	}
}

func TestAxesRefuse(t *testing.T) {
	for want, change := range map[string]func(o *Options){
		"give one for each, or none":      func(o *Options) { o.LevelWidths = []int{4, 8} },
		"that of the finished network, 8": func(o *Options) { o.LevelWidths = []int{4, 4, 4} },
		"not a multiple of 4":             func(o *Options) { o.LevelWidths = []int{2, 4, 8} },
		"heads keep their size":           func(o *Options) { o.LevelWidths = []int{0, 4, 8} },
		"8 cannot be refined to 4":        func(o *Options) { o.LevelWidths = []int{4, 8, 4}; o.Width = 4; o.Heads = 1 },
		"3 cannot be refined to 8":        func(o *Options) { o.LevelContexts = []int{3, 8, 8} },
		"differ in depth only":            func(o *Options) { o.Multilevel, o.Levels, o.LevelFractions = Reference, []int{1, 2, 4}, nil },
		"depths must increase":            func(o *Options) { o.Levels, o.LevelContexts = []int{1, 1, 4}, nil },
		"heads 0":                         func(o *Options) { o.Heads = 0 },
		"context 0":                       func(o *Options) { o.Context = 0 },
		"multilevel adaptive":             func(o *Options) { o.Multilevel, o.LevelFractions = Adaptive, nil },
	} {
		o := axes()
		change(&o)
		if _, _, err := o.Plan(); err == nil {
			t.Errorf("%q: there is a plan", want)
		}
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", want, err)
		}
	}
}
