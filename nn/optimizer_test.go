package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func optimizerGroups() []*Group {
	rng := rand.New(rand.NewPCG(3, 4))
	groups := []*Group{
		newGroup("a", []Entry{{Name: "w", Shape: []int{spanLen/4 + 3, 5}}, {Name: "b", Shape: []int{7}}}),
		newGroup("b", []Entry{{Name: "b", Shape: []int{3}}}),
	}
	for _, g := range groups {
		g.makeGrad()
		randomize(rng, 0, 1, g.Theta, g.Grad)
	}
	return groups
}

// Two steps against the published update in float64: weight decay on the matrices only, a bias
// correction that counts steps, gradients scaled and left alone.
func TestOptimizers(t *testing.T) {
	const lr, scale, decay = 0.01, 0.5, 0.1
	adam := func(g float64, w, m, v, wd float64, step int) (float64, float64, float64) {
		m, v = 0.9*m+0.1*g, 0.95*v+0.05*g*g
		mhat, vhat := m/(1-math.Pow(0.9, float64(step))), v/(1-math.Pow(0.95, float64(step)))
		return w - lr*wd*w - lr*mhat/(math.Sqrt(vhat)+1e-8), m, v
	}
	sgd := func(g float64, w, m, v, wd float64, step int) (float64, float64, float64) {
		m = 0.9*m + g + wd*w
		return w - lr*m, m, v
	}
	for _, c := range []struct {
		opt    Optimizer
		update func(g, w, m, v, wd float64, step int) (float64, float64, float64)
	}{
		{&AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: decay}, adam},
		{&SGD{Momentum: 0.9, WeightDecay: decay}, sgd},
	} {
		groups := optimizerGroups()
		var start, grad [][]float64
		for _, g := range groups {
			start, grad = append(start, widen(g.Theta)), append(grad, widen(g.Grad))
		}
		c.opt.Step(groups, lr, scale)
		c.opt.Step(groups, lr, scale)
		if spans := keptSpans(c.opt); len(spans) == 0 || slices.ContainsFunc(spans, func(s span) bool { return s.group != nil }) {
			t.Errorf("%s keeps groups alive", c.opt.Name())
		}
		for n, g := range groups {
			if len(g.Moments) != c.opt.Moments() || g.Steps != 2 {
				t.Fatalf("%s: %d moments, %d steps", c.opt.Name(), len(g.Moments), g.Steps)
			}
			for i, w := range start[n] {
				if float64(g.Grad[i]) != grad[n][i] {
					t.Fatalf("%s changed a gradient", c.opt.Name())
				}
				var m, v, wd float64
				if i < g.Matrices {
					wd = decay
				}
				for step := 1; step <= 2; step++ {
					w, m, v = c.update(scale*grad[n][i], w, m, v, wd, step)
				}
				if !(math.Abs(float64(g.Theta[i])-w) <= 1e-6*(1+math.Abs(w))) {
					t.Fatalf("%s: %s[%d] is %v, want %v", c.opt.Name(), g.Name, i, g.Theta[i], w)
				}
			}
		}
	}
}

func keptSpans(o Optimizer) []span {
	switch o := o.(type) {
	case *AdamW:
		return o.spans
	case *SGD:
		return o.spans
	}
	return nil
}

func TestGradNorm(t *testing.T) {
	groups := optimizerGroups()
	sum := 0.0
	for _, g := range groups {
		for _, v := range g.Grad {
			sum += float64(v) * float64(v)
		}
	}
	if got, want := GradNorm(groups), math.Sqrt(sum); !(math.Abs(got-want) <= 1e-6*want) {
		t.Errorf("norm %v, want %v", got, want)
	}
	groups[0].Grad[0] = 3e38
	groups[1].Grad[0] = -3e38
	if got, want := GradNorm(groups), math.Sqrt2*float64(float32(3e38)); !(math.Abs(got-want) <= 1e-6*want) {
		t.Errorf("norm of large gradients %v, want %v", got, want)
	}
	groups[1].Grad[1] = float32(math.NaN())
	if got := GradNorm(groups); !math.IsNaN(got) {
		t.Errorf("norm with a NaN is %v", got)
	}
}

func TestSchedules(t *testing.T) {
	wsd := WSD{Peak: 2, Warmup: 4, Total: 100, DecayFraction: 0.25, Final: 0.1}
	cosine := Cosine{Peak: 2, Warmup: 4, Total: 101, Final: 0.1}
	for _, c := range []struct {
		name string
		s    Schedule
		step int
		want float64
	}{
		{"wsd", wsd, 0, 0.5}, {"wsd", wsd, 3, 2}, {"wsd", wsd, 4, 2}, {"wsd", wsd, 74, 2}, {"wsd", wsd, 99, 0.2}, {"wsd", wsd, 500, 0.2},
		{"wsd", wsd, 79, 2 * (0.1 + 0.9*20/25)}, {"cosine", cosine, 1, 1}, {"cosine", cosine, 4, 2}, {"cosine", cosine, 52, 1.1},
		{"cosine", cosine, 100, 0.2}, {"cosine", cosine, 500, 0.2},
		{"wsd without decay", WSD{Peak: 1, Total: 10}, 9, 1}, {"wsd without decay", WSD{Peak: 1, Total: 10, Final: 0.5}, 10, 1},
		{"wsd without steps", WSD{Peak: 1}, 0, 1},
		{"cosine all warm-up", Cosine{Peak: 1, Warmup: 5, Total: 5, Final: 0.5}, 4, 1},
	} {
		if got := c.s.LR(c.step); !(math.Abs(got-c.want) <= 1e-12) {
			t.Errorf("%s: rate of step %d is %v, want %v", c.name, c.step, got, c.want)
		}
	}
}
