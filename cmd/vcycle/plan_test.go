package main

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vcycle-go/vcycle/multilevel"
)

func testPlan(t *testing.T) *plan {
	t.Helper()
	o := multilevel.Defaults()
	o.Multilevel, o.Steps, o.Levels, o.LevelFractions = multilevel.Nested, 100, []int{3, 12}, []float64{0.7, 0.3}
	p, err := newPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	p.levels[0].seconds, p.levels[1].seconds = 1, 4
	return p
}

func TestPlan(t *testing.T) {
	p := testPlan(t)
	blocks, total, singleBlocks, singleTotal := p.flops()
	if got, want := blocks/singleBlocks, 0.7*3/12+0.3; math.Abs(got-want) > 1e-12 {
		t.Errorf("the blocks take %v of a single-level run, want %v", got, want)
	}
	if !(total > blocks) || !(total/singleTotal > blocks/singleBlocks) {
		t.Errorf("with the head: %v of %v", total, singleTotal)
	}
	if got, want := p.seconds(), 70*1+30*4.0; got != want {
		t.Errorf("estimated %v seconds, want %v", got, want)
	}
	for _, want := range []string{"3m10s", "2m00s", "48%", "70", "30"} {
		if !strings.Contains(p.table(), want) {
			t.Errorf("the table lacks %q:\n%s", want, p.table())
		}
	}
}

func TestRemaining(t *testing.T) {
	g := &progress{plan: testPlan(t), valEvery: 30}
	step := func(n, level int, wall float64) bool {
		return g.observe(multilevel.Metrics{Step: n, Level: level, Blocks: 3, WallSeconds: wall})
	}
	near := func(want float64) {
		t.Helper()
		if got := g.remaining(); math.Abs(got-want) > 1e-9 {
			t.Errorf("after step %d: %v seconds are left, want %v", g.last.Step, got, want)
		}
	}
	if !step(1, 0, 2) {
		t.Error("the first step does not enter its level")
	}
	near(69*2 + 30*8) // this level takes twice what was planned, so the next will
	if step(2, 0, 4) {
		t.Error("the second step enters a level")
	}
	g.validated(3, 5)
	near(68*2 + 30*8 + 4*5) // validations after 30, 60, 90 and at the end
	if !step(71, 1, 10) {
		t.Error("a new level is not entered")
	}
	near(29*6 + 2*5)
	step(100, 1, 16)
	near(0)
	if line := g.line(0); !strings.HasPrefix(line, "step 100/100  ETA 0.0s  level 2/2, ") {
		t.Error(line)
	}
}

// The short form of the status line fits a terminal of 80 columns but for long numbers.
func TestShortLine(t *testing.T) {
	g := &progress{plan: testPlan(t)}
	g.plan.ceiling = 500
	g.observe(multilevel.Metrics{Step: 42, Blocks: 3, WallSeconds: 2, TrainLoss: 2.5, LR: 0.002, GradNorm: 0.5})
	line := g.line(79)
	if n := utf8.RuneCountInString(line); n > 79 {
		t.Errorf("%d columns: %s", n, line)
	}
	for _, want := range []string{"42/100 ETA ", " L1/2 3b ", " loss 2.50~2.50 ", " lr 0.002 ", " |g|0.50 ", "t/s ", "GF/s ", "%"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q lacks %q", line, want)
		}
	}
	if g.line(200) != g.line(0) {
		t.Error("a wide terminal does not show the long form")
	}
}

func TestCheckMemory(t *testing.T) {
	o := multilevel.Defaults()
	p, err := newPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	need := p.memory().Total()
	for _, c := range []struct {
		data, machine int64
		ok            bool
	}{{0, need, true}, {1, need, false}, {0, need - 1, false}, {need, 0, true}} {
		if err := p.checkMemory(c.data, c.machine); (err == nil) != c.ok {
			t.Errorf("%d bytes of data on a machine of %d, a run of %d: %v", c.data, c.machine, need, err)
		}
	}
	o.Width, o.Heads, o.Context, o.Batch, o.Method = 1<<20, 1, 1<<12, 1<<12, "rk4"
	o.Blocks, o.Levels = 1<<12, []int{1 << 12}
	if p, err = newPlan(o); err != nil {
		t.Fatal(err)
	}
	if err := p.checkMemory(0, 1<<40); err == nil {
		t.Errorf("a run of %+v fits in a terabyte", p.memory())
	}
}
