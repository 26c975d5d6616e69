package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	need := p.footprint(0).Peak
	for _, c := range []struct {
		data, machine int64
		runs          int
		ok            bool
	}{{0, need, 1, true}, {1, need, 1, false}, {0, need - 1, 1, false}, {need, 0, 1, true}, {0, 3 * need, 3, true}, {0, 3*need - 1, 3, false}} {
		if err := p.checkMemory(c.data, c.machine, c.runs); (err == nil) != c.ok {
			t.Errorf("%d bytes of data on a machine of %d, %d runs of %d: %v", c.data, c.machine, c.runs, need, err)
		}
	}
	// Reading the data takes more than the run, if they are large.
	p.loading = 2 * need
	if f := p.footprint(need); f.Peak != 2*need+f.Program {
		t.Errorf("with %d bytes of data the peak is %d", need, f.Peak)
	}
	o.Width, o.Heads, o.Context, o.Batch, o.Method = 1<<20, 1, 1<<12, 1<<12, "rk4"
	o.Blocks, o.Levels = 1<<12, []int{1 << 12}
	if p, err = newPlan(o); err != nil {
		t.Fatal(err)
	}
	if err := p.checkMemory(0, 1<<40, 1); err == nil {
		t.Errorf("a run of %+v fits in a terabyte", p.memory)
	}
}

// The time of a run includes its validations, which cost the less, the fewer blocks there are.
func TestTotal(t *testing.T) {
	p := testPlan(t)
	p.validation = 5
	coarse := p.levels[0].flopsTotal / p.levels[1].flopsTotal
	n, weight := p.validations(40) // after 40 and 80, and at the end
	if want := coarse + 2; n != 3 || math.Abs(weight-want) > 1e-12 {
		t.Errorf("%d validations of weight %v, want 3 of %v", n, weight, want)
	}
	if got, want := p.total(0), p.seconds()+5; got != want {
		t.Errorf("with a validation at the end the run takes %v s, want %v", got, want)
	}
}

// The pace of a run that goes on is that of its log; a level without steps is as fast by its operations.
func TestPace(t *testing.T) {
	p, src := testPlan(t), noData{3 * 8}
	if p.pace(nil, src) || p.pace([]multilevel.Metrics{{Step: 1, WallSeconds: 9}}, src) {
		t.Error("there is a pace without steps")
	}
	wall := 0.0
	var log []multilevel.Metrics
	for i, s := range []float64{9, 2, 2, 3} {
		wall += s
		log = append(log, multilevel.Metrics{Step: i + 1, WallSeconds: wall})
	}
	if !p.pace(log, src) || p.levels[0].seconds != 2 || math.Abs(p.levels[1].seconds/2-p.levels[1].flopsTotal/p.levels[0].flopsTotal) > 1e-12 {
		t.Errorf("the levels take %v and %v s", p.levels[0].seconds, p.levels[1].seconds)
	}
	if want := p.finest().seconds * 8 / p.stepTokens(); p.validation != want {
		t.Errorf("a validation of 24 tokens takes %v s, want a third of a step of as many, %v", p.validation, want)
	}
}

// planArgs are the arguments of plan that go with those of a run of train.
func planArgs(t *testing.T, more ...string) []string {
	args := tiny(t, "", more...)
	args[0] = "plan"
	i := slices.Index(args, "--out")
	return append(slices.Delete(args, i, i+2), "--measure", "1ms")
}

func TestPlanJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	stdout, stderr := mustRun(t, exitOK, planArgs(t, "--json", "--accumulate", "2", "--recompute")...)
	var r planReport
	d := json.NewDecoder(strings.NewReader(stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil || stderr != "" {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	var all map[string]any
	if err := json.Unmarshal([]byte(stdout), &all); err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.Fields("version isa threads ceiling_gflops parameters steps tokens levels memory flops_blocks flops_total flops_by_parameters validations validation_seconds step_seconds seconds") {
		if v, ok := all[key]; !ok || v == 0.0 || v == "" {
			t.Errorf("%s is %v", key, v)
		}
	}
	if r.Steps != 10 || r.Tokens != 160 || r.Validations != 3 || len(r.Levels) != 2 || r.Levels[1].Parameters != r.Parameters || r.Levels[0].Steps+r.Levels[1].Steps != 10 {
		t.Errorf("%+v", r)
	}
	m := r.Memory
	if m.Peak != m.Parameters+m.Gradients+m.Moments+m.Activations+m.Data+m.Program || m.Data != 2000 {
		t.Errorf("the parts of the memory are not the whole: %+v", m)
	}
	if steps := 7*r.Levels[0].StepSeconds + 3*r.Levels[1].StepSeconds; math.Abs(steps/r.StepSeconds-1) > 1e-3 || r.Seconds <= r.StepSeconds {
		t.Errorf("steps take %v s together, %v s is planned, %v s for all", steps, r.StepSeconds, r.Seconds)
	}
	if ratio := r.FLOPsByParameters / r.FLOPsTotal; ratio < 1 || ratio > 1.3 { // a width of 8 has many biases
		t.Errorf("the operations are %v and %v", r.FLOPsByParameters, r.FLOPsTotal)
	}
	if entries, err := os.ReadDir("."); err != nil || len(entries) > 0 {
		t.Errorf("planning leaves %v, %v", entries, err)
	}
}

// planNow are the parts of the line on memory that depend on what the process has at the time.
var planNow = regexp.MustCompile(`^memory +[0-9.]+ MB|program .*`)

// What plan prints, train prints too, and the configuration of a run gives its plan.
func TestPlanText(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	args := tiny(t, out)
	trained, _ := mustRun(t, exitOK, args...)
	planned, _ := mustRun(t, exitOK, "plan", "--config", runDir(out).config(), "--measure", "1ms")
	for _, start := range []string{"data ", "model ", "training ", "memory ", "FLOPs "} {
		line := func(text string) string {
			for l := range strings.Lines(text) {
				if strings.HasPrefix(l, start) {
					return planNow.ReplaceAllString(l, "")
				}
			}
			return ""
		}
		if got, want := line(planned), line(trained); got == "" || got != want {
			t.Errorf("plan prints %q, train %q", got, want)
		}
	}
	if !strings.Contains(planned, "time      about ") || !strings.Contains(planned, "3 validations") || strings.Contains(planned, "step 1/") {
		t.Errorf("the plan is\n%s", planned)
	}
}

func TestPlanBadInput(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--accumulate 3", "accumulate 3: a batch of 2 sequences has between 1 and 2 parts"},
		{"--accumulate=-1", "accumulate -1"},
		{"--measure 0s", "--measure 0s: it must be positive"},
		{"--config=", "--config: it must not be empty"},
		{"--width 7", "width 7 is not divisible by 2 heads"},
		{"--out x", "unknown flag --out"},
		{"--width 1048576 --heads 1 --batch 4096 --context 4096 --blocks 4096 --levels 4096", "the run takes"},
	} {
		args := planArgs(t)
		if strings.HasPrefix(c.args, "--width 1048576") {
			path := filepath.Join(t.TempDir(), "large.txt")
			if err := os.WriteFile(path, []byte(sentences(10000)), 0o644); err != nil {
				t.Fatal(err)
			}
			args = []string{"plan", "--data", path}
		}
		code, stdout, stderr := vcycle(t, append(args, strings.Fields(c.args)...)...)
		if code != exitBadInput || stdout != "" || !strings.HasPrefix(stderr, "vcycle plan: ") || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q; want %q", c.args, code, stdout, stderr, c.want)
		}
	}
}
