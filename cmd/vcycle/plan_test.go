package main

import (
	"math"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/multilevel"
)

func testPlan(t *testing.T) *plan {
	t.Helper()
	o := multilevel.Defaults()
	o.Steps, o.Levels, o.LevelFractions = 100, []int{3, 12}, []float64{0.7, 0.3}
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
	if line := g.line(); !strings.HasPrefix(line, "step 100/100  ETA 0.0s  level 2/2, ") {
		t.Error(line)
	}
}
