package multilevel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/nn"
)

// dense returns the rows as a matrix.
func dense(t *testing.T, op Operator, from, to int) [][]float64 {
	t.Helper()
	rows, err := op.Rows(from, to)
	if err != nil {
		t.Fatal(err)
	}
	a := make([][]float64, to)
	for i, r := range rows {
		a[i] = make([]float64, from)
		for _, w := range r.Weights {
			a[i][w.Block] += w.Value
		}
	}
	return a
}

func multiply(a, b [][]float64) [][]float64 {
	c := make([][]float64, len(a))
	for i := range a {
		c[i] = make([]float64, len(b[0]))
		for j := range c[i] {
			for k := range b {
				c[i][j] += a[i][k] * b[k][j]
			}
		}
	}
	return c
}

func must(op Operator, err error) Operator {
	if err != nil {
		panic(err)
	}
	return op
}

var depths = [][2]int{{1, 1}, {1, 4}, {2, 4}, {3, 12}, {4, 12}, {6, 12}, {5, 15}}

func TestConstantsArePreserved(t *testing.T) {
	for _, d := range depths {
		for _, name := range Prolongations() {
			sumsToOne(t, must(Prolongation(name)), d[0], d[1])
		}
		for _, name := range Restrictions() {
			sumsToOne(t, must(Restriction(name)), d[1], d[0])
		}
	}
}

func sumsToOne(t *testing.T, op Operator, from, to int) {
	t.Helper()
	rows, _ := op.Rows(from, to)
	for i, row := range dense(t, op, from, to) {
		if rows[i].Random {
			continue
		}
		var sum float64
		for _, w := range row {
			sum += w
		}
		if math.Abs(sum-1) > 1e-15 {
			t.Errorf("%s %d → %d: row %d adds up to %v", op.Name, from, to, i, sum)
		}
	}
}

func TestLeftInverses(t *testing.T) {
	for _, c := range []struct{ restrict, prolong string }{
		{Injection, Interleave}, {Injection, Identity}, {Injection, Grow}, {Injection, Random}, {Odd, Interleave},
		{Even, Interleave}, {Average, Interleave}, {AverageStack, Stack},
	} {
		for _, d := range depths {
			r := dense(t, must(Restriction(c.restrict)), d[1], d[0])
			p := dense(t, must(Prolongation(c.prolong)), d[0], d[1])
			for i, row := range multiply(r, p) {
				for j, v := range row {
					want := 0.0
					if i == j {
						want = 1
					}
					if math.Abs(v-want) > 1e-15 {
						t.Fatalf("%s after %s, %v: (RP)[%d,%d] = %v, want %v", c.restrict, c.prolong, d, i, j, v, want)
					}
				}
			}
		}
	}
}

// TestAdjoints: k·⟨Rx, y⟩ = ⟨x, Py⟩ for the averages, through the groups themselves.
func TestAdjoints(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ restrict, prolong string }{{Average, Interleave}, {AverageStack, Stack}} {
		for _, d := range depths {
			x, y := groups(d[1], 5, rng), groups(d[0], 5, rng)
			rx, py := groups(d[0], 5, nil), groups(d[1], 5, nil)
			if err := Restrict(must(Restriction(c.restrict)), x, rx, CarryMoments, 1); err != nil {
				t.Fatal(err)
			}
			if err := Prolong(must(Prolongation(c.prolong)), y, py, CarryMoments, 1); err != nil {
				t.Fatal(err)
			}
			k := float64(d[1] / d[0])
			a, b := k*inner(rx, y), inner(x, py)
			if math.Abs(a-b) > 1e-5 {
				t.Errorf("%s and %s, %v: k⟨Rx, y⟩ = %v, ⟨x, Py⟩ = %v", c.restrict, c.prolong, d, a, b)
			}
		}
	}
}

// TestTransposes: ⟨Pᵀx, y⟩ = ⟨x, Py⟩ for every operator, up and down.
func TestTransposes(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	vector := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = rng.NormFloat64()
		}
		return v
	}
	apply := func(rows []Row, x []float64) []float64 {
		y := make([]float64, len(rows))
		for i, r := range rows {
			for _, w := range r.Weights {
				y[i] += w.Value * x[w.Block]
			}
		}
		return y
	}
	dot := func(x, y []float64) (s float64) {
		for i := range x {
			s += x[i] * y[i]
		}
		return s
	}
	for _, d := range depths {
		check := func(op Operator, from, to int) {
			rows, err := op.Rows(from, to)
			if err != nil {
				t.Fatal(err)
			}
			x, y := vector(to), vector(from)
			if a, b := dot(apply(transpose(rows, from), x), y), dot(x, apply(rows, y)); math.Abs(a-b) > 1e-12 {
				t.Errorf("%s %d → %d: ⟨Pᵀx, y⟩ = %v, ⟨x, Py⟩ = %v", op.Name, from, to, a, b)
			}
		}
		for _, name := range Prolongations() {
			check(must(Prolongation(name)), d[0], d[1])
		}
		for _, name := range Restrictions() {
			check(must(Restriction(name)), d[1], d[0])
		}
	}
}

// TestWriteBack: what an extraction took goes back where it was, and nothing else changes.
func TestWriteBack(t *testing.T) {
	for _, name := range []string{Odd, Even} {
		r := must(Restriction(name))
		fine, coarse := groups(6, 4, rand.New(rand.NewPCG(1, 1))), groups(3, 4, nil)
		want := make([][]float32, len(fine))
		for i, g := range fine {
			want[i] = slices.Clone(g.Theta)
		}
		if err := Restrict(r, fine, coarse, CarryMoments, 1); err != nil {
			t.Fatal(err)
		}
		offset := 0
		if name == Even {
			offset = 1
		}
		for j, g := range coarse {
			if !slices.Equal(g.Theta, want[2*j+offset]) {
				t.Errorf("%s: coarse block %d is not fine block %d", name, j, 2*j+offset)
			}
			g.Theta[0], g.Moments[1][0] = float32(j), float32(-j)
			want[2*j+offset][0] = float32(j)
		}
		if err := Prolong(WriteBack(r), coarse, fine, CarryMoments, 1); err != nil {
			t.Fatal(err)
		}
		for i, g := range fine {
			if !slices.Equal(g.Theta, want[i]) {
				t.Errorf("%s: block %d is %v, want %v", name, i, g.Theta, want[i])
			}
			if i%2 == offset && g.Moments[1][0] != float32(-i/2) {
				t.Errorf("%s: the moments of block %d are not written back", name, i)
			}
		}
	}
}

// TestInterpolation: θ ← (1−α)θ + α·Pθ_H, and the moments alike.
func TestInterpolation(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	coarse, fine, before := groups(2, 4, rng), groups(4, 4, rng), groups(4, 4, nil)
	for i, g := range fine {
		copy(before[i].Theta, g.Theta)
		copy(before[i].Moments[1], g.Moments[1])
	}
	l := link{op: must(Prolongation(Interleave)), moments: CarryMoments, alpha: 0.25}
	if err := l.transfer(coarse, fine); err != nil {
		t.Fatal(err)
	}
	for i, g := range fine {
		for j := range g.Theta {
			theta := 0.75*float64(before[i].Theta[j]) + 0.25*float64(coarse[i/2].Theta[j])
			v := 0.75*float64(before[i].Moments[1][j]) + 0.25*float64(coarse[i/2].Moments[1][j])
			if math.Abs(float64(g.Theta[j])-theta) > 1e-6 || math.Abs(float64(g.Moments[1][j])-v) > 1e-6 {
				t.Errorf("block %d: θ, v = %v, %v; want %v, %v", i, g.Theta[j], g.Moments[1][j], theta, v)
			}
		}
	}
}

// TestKeepMoments: the state of the level stays; one that has none starts without.
func TestKeepMoments(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	coarse, fine := groups(1, 4, rng), groups(2, 4, rng)
	want := slices.Clone(fine[1].Moments[0])
	fine[0].Moments = nil
	if err := Prolong(must(Prolongation(Stack)), coarse, fine, KeepMoments, 1); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(fine[1].Moments[0], want) || fine[1].Steps != 11 {
		t.Errorf("%v after %d steps, want %v after 11", fine[1].Moments[0], fine[1].Steps, want)
	}
	if len(fine[0].Moments) != 2 || fine[0].Steps != 0 || fine[0].Moments[0][0] != 0 {
		t.Errorf("a block without moments: %v after %d steps", fine[0].Moments, fine[0].Steps)
	}
}

func TestOperatorsPlaceBlocks(t *testing.T) {
	for _, c := range []struct {
		name         string
		coarse, fine int
		want         []float64 // coarse block j has the value j
	}{
		{Interleave, 3, 6, []float64{0, 0, 1, 1, 2, 2}},
		{Stack, 3, 6, []float64{0, 1, 2, 0, 1, 2}},
		{Identity, 2, 6, []float64{0, 0, 0, 1, 1, 1}},
		{Middle, 3, 6, []float64{0, 1, 2, 0, 1, 2}},
		{Middle, 6, 9, []float64{0, 1, 2, 3, 4, 2, 3, 4, 5}},
		{Middle, 4, 6, []float64{0, 1, 2, 1, 2, 3}},
		{Middle, 1, 4, []float64{0, 0, 0, 0}},
		{Linear, 2, 4, []float64{0, 0.25, 0.75, 1}},
		{Linear, 3, 9, []float64{0, 0, 1. / 3, 2. / 3, 1, 4. / 3, 5. / 3, 2, 2}},
	} {
		for i, row := range dense(t, must(Prolongation(c.name)), c.coarse, c.fine) {
			var got float64
			for j, w := range row {
				got += w * float64(j)
			}
			if math.Abs(got-c.want[i]) > 1e-15 {
				t.Errorf("%s %d → %d: block %d comes from %v, want %v", c.name, c.coarse, c.fine, i, got, c.want[i])
			}
		}
	}
	rows, _ := must(Prolongation(Identity)).Rows(2, 6)
	for i, r := range rows {
		if (r.Output == 0) != (i%3 != 0) {
			t.Errorf("identity 2 → 6: block %d has an output of %g", i, r.Output)
		}
	}
}

// groups returns n groups of size parameters, the last two of which are an output, with Adam's moments;
// random, or zero if rng is nil.
func groups(n, size int, rng *rand.Rand) []*nn.Group {
	gs := make([]*nn.Group, n)
	for i := range gs {
		g := &nn.Group{
			Name: fmt.Sprintf("h.%d", i), Theta: make([]float32, size), Grad: make([]float32, size),
			Moments: [][]float32{make([]float32, size), make([]float32, size)},
			Entries: []nn.Entry{
				{Name: "in", Shape: []int{size - 2}},
				{Name: "out", Offset: size - 2, Shape: []int{1, 2}, Output: true},
			},
		}
		if rng != nil {
			g.Steps = 10 + i
			for j := range size {
				g.Theta[j] = float32(rng.NormFloat64())
				g.Moments[0][j] = float32(rng.NormFloat64())
				g.Moments[1][j] = rng.Float32()
			}
		}
		gs[i] = g
	}
	return gs
}

func inner(a, b []*nn.Group) (s float64) {
	for i := range a {
		for j, v := range a[i].Theta {
			s += float64(v) * float64(b[i].Theta[j])
		}
	}
	return s
}

func TestMoments(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	coarse := groups(2, 6, rng)
	for _, c := range []struct {
		policy       string
		ratio, m, v  float32
		block, steps int
	}{
		{CarryMoments, 0.5, 1, 1, 3, 11},
		{RescaleMoments, 0.5, 0.5, 0.25, 3, 11},
		{RescaleMoments, 1, 1, 1, 3, 11},
		{ResetMoments, 0.5, 0, 0, 3, 0},
	} {
		fine := groups(4, 6, rng) // what it held must not matter
		if err := Prolong(must(Prolongation(Interleave)), coarse, fine, c.policy, float64(c.ratio)); err != nil {
			t.Fatal(err)
		}
		g, from := fine[c.block], coarse[1]
		if !slices.Equal(g.Theta, from.Theta) || g.Steps != c.steps {
			t.Errorf("%s: parameters are not a copy, or steps = %d, want %d", c.policy, g.Steps, c.steps)
		}
		for j := range g.Theta {
			if m, v := g.Moments[0][j], g.Moments[1][j]; m != c.m*from.Moments[0][j] || v != c.v*from.Moments[1][j] {
				t.Errorf("%s, ratio %g: m, v = %v, %v; of the source %v, %v", c.policy, c.ratio, m, v, from.Moments[0][j], from.Moments[1][j])
			}
		}
	}
}

// TestMomentsOfMeans: v keeps constants and stays positive under interpolation.
func TestMomentsOfMeans(t *testing.T) {
	coarse := groups(3, 4, rand.New(rand.NewPCG(5, 6)))
	for _, g := range coarse {
		copy(g.Moments[1], coarse[0].Moments[1])
	}
	fine := groups(12, 4, nil)
	if err := Prolong(must(Prolongation(Linear)), coarse, fine, CarryMoments, 1); err != nil {
		t.Fatal(err)
	}
	for i, g := range fine {
		if !slices.Equal(g.Moments[1], coarse[0].Moments[1]) {
			t.Errorf("block %d: v = %v, want %v", i, g.Moments[1], coarse[0].Moments[1])
		}
	}
}

func TestSilence(t *testing.T) {
	coarse := groups(1, 5, rand.New(rand.NewPCG(7, 8)))
	fine := groups(2, 5, nil)
	if err := Prolong(must(Prolongation(Identity)), coarse, fine, CarryMoments, 1); err != nil {
		t.Fatal(err)
	}
	for i, want := range [][3][]float32{
		{coarse[0].Theta, coarse[0].Moments[0], coarse[0].Moments[1]},
		{
			append(slices.Clone(coarse[0].Theta[:3]), 0, 0),
			append(slices.Clone(coarse[0].Moments[0][:3]), 0, 0),
			coarse[0].Moments[1],
		},
	} {
		got := [3][]float32{fine[i].Theta, fine[i].Moments[0], fine[i].Moments[1]}
		for j, name := range []string{"θ", "m", "v"} {
			if !slices.Equal(got[j], want[j]) {
				t.Errorf("block %d: %s = %v, want %v", i, name, got[j], want[j])
			}
		}
	}
}

func TestWithoutMoments(t *testing.T) {
	coarse, fine := groups(1, 4, nil), groups(2, 4, nil)
	coarse[0].Moments, fine[0].Moments = nil, nil
	fine[1].Steps = 5 // and moments, which must not outlive the parameters that they belong to
	coarse[0].Theta[0] = 3
	if err := Prolong(must(Prolongation(Stack)), coarse, fine, CarryMoments, 1); err != nil {
		t.Fatal(err)
	}
	for _, g := range fine {
		if g.Theta[0] != 3 || len(g.Moments) != 0 || g.Steps != 0 {
			t.Errorf("%+v", g)
		}
	}
}

func TestTransferRefuses(t *testing.T) {
	odd := groups(4, 4, nil)
	odd[3] = groups(1, 5, nil)[0]
	fewer := groups(2, 4, nil)
	fewer[1].Moments = nil
	op := must(Prolongation(Interleave))
	for _, c := range []struct {
		name         string
		coarse, fine []*nn.Group
		policy, want string
	}{
		{"depths", groups(3, 4, nil), groups(4, 4, nil), CarryMoments, "must divide"},
		{"direction", groups(4, 4, nil), groups(2, 4, nil), CarryMoments, "fewer"},
		{"none", nil, groups(4, 4, nil), CarryMoments, "must divide"},
		{"layout", groups(2, 4, nil), odd, CarryMoments, "one layout"},
		{"moments", fewer, groups(4, 4, nil), CarryMoments, "one optimizer"},
		{"policy", groups(2, 4, nil), groups(4, 4, nil), "copy", "carry, rescale, reset"},
	} {
		if err := Prolong(op, c.coarse, c.fine, c.policy, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	if err := Restrict(must(Restriction(Injection)), groups(2, 4, nil), groups(4, 4, nil), CarryMoments, 1); err == nil {
		t.Error("Restrict to more blocks: no error")
	}
	for _, err := range []error{second(Prolongation("x")), second(Restriction("x"))} {
		if err == nil || !strings.Contains(err.Error(), "use i") {
			t.Errorf("unknown operator: error %v", err)
		}
	}
}

func second(_ Operator, err error) error { return err }
