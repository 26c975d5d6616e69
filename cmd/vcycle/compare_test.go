package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vcycle-go/vcycle/multilevel"
)

// compareArgs returns the arguments of a tiny comparison, with more.
func compareArgs(t *testing.T, out string, more ...string) []string {
	t.Helper()
	args := tiny(t, out, more...)
	args[0] = "compare"
	for i := 0; i < len(args); i++ {
		if args[i] == "--levels" || args[i] == "--multilevel" {
			args = append(args[:i], args[i+2:]...)
			i--
		}
	}
	return args
}

// A comparison that is interrupted goes on, keeps what is finished, and says what came of it.
func TestCompare(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "compare")
	args := compareArgs(t, out, "--schedules", "late", "--variant", "copies=late prolong=stack levels=1,2 level_contexts=4,8", "--jobs", "2",
		"--seeds", "1,2", "--rates", "0.002,0.004", "--blocks", "2", "--shallow", "1")
	sixth := filepath.Join(out, "late-wsd-lr0.004-seed1") // of two jobs, one has finished some by then
	code, stdout, stderr := vcycleUntil(t, untilStep{t.Context(), sixth, 3}, args...)
	if code != exitInterrupted || !strings.Contains(stdout, "the same command continues in "+out) {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	finished, err := filepath.Glob(filepath.Join(out, "*", "summary.json"))
	if err != nil || len(finished) == 0 {
		t.Fatalf("%v, %v", finished, err)
	}
	kept, err := os.ReadFile(finished[0])
	if err != nil {
		t.Fatal(err)
	}
	stdout, _ = mustRun(t, exitOK, args...)
	for _, want := range []string{"| single | ", "| late | ", "| copies | ", "| shallow-1 | ", "The verdict of the control: "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the report lacks %q:\n%s", want, stdout)
		}
	}
	again, err := os.ReadFile(finished[0])
	if err != nil || string(again) != string(kept) {
		t.Error("a finished run was run again")
	}
	var rows []compareRow
	text, err := os.ReadFile(filepath.Join(out, "compare.json"))
	if err != nil || json.Unmarshal(text, &rows) != nil || len(rows) != 4 || len(rows[3].Losses) != 2 || !(rows[0].Mean > 0) || rows[0].Reached < 1 {
		t.Errorf("compare.json: %v\n%s", err, text)
	}
	for _, name := range []string{"compare.md", "wsd-wall.png", "wsd-flops-blocks.png", "wsd-flops-all.png", "wsd-steps.png"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := append(slices.Clone(args), "--jobs", "1", "--threads", "2", "--save-every", "3m") // which change no result
	if stdout, _ := mustRun(t, exitOK, other...); strings.Contains(stdout, ", seed ") {
		t.Errorf("a finished comparison runs again:\n%s", stdout)
	}
	_, stderr = mustRun(t, exitBadInput, append(args, "--width", "16")...)
	if !strings.Contains(stderr, "other settings") {
		t.Errorf("stderr %q", stderr)
	}
	if err := os.WriteFile(args[slices.Index(args, "--data")+1], []byte(sentences(1999)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, stderr = mustRun(t, exitBadInput, args...); !strings.Contains(stderr, "other data") {
		t.Errorf("stderr %q", stderr)
	}
}

// TestCompareResidualScales: each is tried with each rate, and every schedule has the best pair of its own.
func TestCompareResidualScales(t *testing.T) {
	out := filepath.Join(t.TempDir(), "compare")
	args := compareArgs(t, out, "--schedules", "late", "--shallow", "1", "--blocks", "2", "--seeds", "1", "--rates", "0.004,0.008", "--residual-scales", "1,0.125")
	mustRun(t, exitOK, args...)
	var rows []compareRow
	text, err := os.ReadFile(filepath.Join(out, "compare.json"))
	if err != nil || json.Unmarshal(text, &rows) != nil || len(rows) != 3 {
		t.Fatalf("compare.json: %v\n%s", err, text)
	}
	for _, r := range rows {
		lowest, best := math.Inf(1), tuning{}
		for _, rate := range []float64{0.004, 0.008} {
			for _, scale := range []float64{1, 0.125} {
				dir := cell{r.Name, multilevel.WSD, tuning{rate, scale}, 1}.dir(out)
				set, sum, err := readRun(dir)
				if err != nil || set.StepSize != scale || set.LR != rate {
					t.Fatalf("%s: step size %v, rate %v, %v", dir, set.StepSize, set.LR, err)
				}
				if sum.FinalValLoss < lowest {
					lowest, best = sum.FinalValLoss, tuning{rate, scale}
				}
			}
		}
		if r.tuning != best || r.Mean != lowest {
			t.Errorf("%s: %v, %v, want %v, %v", r.Name, r.tuning, r.Mean, best, lowest)
		}
	}
	report, err := os.ReadFile(filepath.Join(out, "compare.md"))
	if want := fmt.Sprintf("| single | %g, h = %g | ", rows[0].Rate, rows[0].Scale); err != nil || !strings.Contains(string(report), want) {
		t.Errorf("the report lacks %q: %v\n%s", want, err, report)
	}
}

// What a comparison sets itself cannot be given.
func TestCompareRefuses(t *testing.T) {
	for _, d := range decided {
		args := []string{"compare", "--out", filepath.Join(t.TempDir(), "out"), "--" + d.flag}
		switch d.flag {
		case "coherence", "line-search":
		case "time":
			args = append(args, "1m")
		default:
			args = append(args, "1")
		}
		if _, stderr := mustRun(t, exitBadInput, args...); !strings.Contains(stderr, "--"+d.flag+" cannot be given") {
			t.Errorf("%v: %q", args, stderr)
		}
	}
	for _, c := range []struct{ flag, value, want string }{
		{"lr-schedules", "wsd,linear", "--lr-schedules linear is unknown"},
		{"rates", "0.001,-1", "--rates: learning rate -1"},
		{"rates", "NaN", "--rates: learning rate NaN"},
		{"residual-scales", "1,-1", "--residual-scales: step size -1"},
		{"residual-scales", "0", "--residual-scales: a step size of 0"},
		{"residual-scales", "1,1", "--residual-scales: one of them is given twice"},
		{"seeds", "1,-2", "--seeds -2"},
		{"seeds", "1,2,1", "--seeds: one of them is given twice"},
		{"shallow", "0", "--shallow 0: it must be at least 1 and less than --blocks, 12"},
		{"shallow", "3,12", "--shallow 12: it must be"},
		{"schedules", "nested,single", "--schedules single: it is the baseline"},
		{"schedules", "nested,nonsense", "nonsense"},
		{"jobs", "0", "--jobs 0"},
		{"variant", "x", `--variant "x": it is not NAME=SCHEDULE`},
		{"variant", "x=", `--variant "x=": it is not NAME=SCHEDULE`},
		{"variant", "../x=late", "it is not NAME=SCHEDULE"},
		{"variant", "x=nonsense", "--variant x: "},
		{"variant", "x=late levels=a,12", `levels=a,12: expected a valid 64 bit int but got "a"`},
		{"variant", "x=late lr=1", `"lr=1" is not KEY=VALUE with one of the keys levels, `},
		{"variant", "x=late levels=5,12", "--variant x: "},
		{"variant", "late=late", "--variant late: that name is taken"},
		{"variant", "single=late", "--variant single: that name is taken"},
	} {
		out := filepath.Join(t.TempDir(), "out")
		if _, stderr := mustRun(t, exitBadInput, "compare", "--out", out, "--"+c.flag+"="+c.value); !strings.Contains(stderr, c.want) {
			t.Errorf("%v: %q", c, stderr)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%v: the directory has been made", c)
		}
	}
}

// A comparison removes nothing that is not its own.
func TestCompareKeeps(t *testing.T) {
	out := t.TempDir()
	write := func(path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	foreign := filepath.Join(out, "single-wsd-lr0.001-seed1", "notes.txt")
	write(foreign)
	if _, stderr := mustRun(t, exitBadInput, "compare", "--out", out); !strings.Contains(stderr, "not empty") {
		t.Errorf("stderr %q", stderr)
	}
	d := runDir(filepath.Dir(foreign))
	write(d.config())
	write(filepath.Join(d.checkpoints(), "step.tmp"))
	if err := d.discard(); err == nil || !strings.Contains(err.Error(), foreign) {
		t.Errorf("discard: %v", err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(foreign); err != nil {
		t.Fatal(err)
	}
	if err := d.discard(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(string(d)); !os.IsNotExist(err) {
		t.Errorf("what a run left is still there: %v", err)
	}
	if err := os.WriteFile(string(d), nil, 0o666); err != nil { // no directory, so its checkpoints cannot be listed
		t.Fatal(err)
	}
	c := &compareCmd{Out: out, settings: defaultSettings()}
	c.Blocks = 12
	with := compared(c.settings, 12, 1)
	if err := c.run(&session{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard}, with, cell{compareBaseline, multilevel.WSD, tuning{Rate: 0.001}, 1}); !errors.As(err, new(badInput)) {
		t.Errorf("a file in place of a run: %v", err)
	}
	if _, err := os.Stat(string(d)); err != nil {
		t.Error(err)
	}
}

// compared is a comparison with steps of these blocks and seconds.
func compared(s settings, levels ...float64) *comparison {
	with := &comparison{Settings: s}
	for i := 0; i < len(levels); i += 2 {
		with.Levels = append(with.Levels, networkStep{network{int(levels[i]), s.Width, s.Context}, levels[i+1], 4 * levels[i+1]})
	}
	return with
}

// All cells take the time of the baseline, whatever budget the settings have besides.
func TestCompareSettings(t *testing.T) {
	c := &compareCmd{settings: defaultSettings()}
	c.Blocks, c.Steps, c.Warmup = 12, 100, 5
	c.Time.Duration, c.StepSeconds, c.Tokens = time.Hour, []float64{7}, 1e9
	c.Schedules, c.Variants = []string{"nested", "adaptive"}, []string{"from6=late levels=6,12 level_fractions=0.5,0.5 prolong=stack rewarm=3",
		fmt.Sprintf("narrow=late levels=12,12 level_fractions=0.5,0.5 level_widths=%d,%d", c.Width/2, c.Width),
		fmt.Sprintf("short=late levels=6,12 level_fractions=0.5,0.5 level_contexts=%d,%d", c.Context/4, c.Context)}
	var err error
	if c.ways, err = c.parseWays(); err != nil {
		t.Fatal(err)
	}
	with := compared(c.settings, 3, 0.25, 6, 0.5, 12, 1)
	with.Levels = append(with.Levels, networkStep{network{12, c.Width / 2, c.Context}, 0.25, 1}, networkStep{network{6, c.Width, c.Context / 4}, 0.4, 1})
	for name, want := range map[string]int{compareBaseline: 100, compareShallow + "3": 400, "nested": 210, "from6": 133, "narrow": 160, "short": 142} {
		s, err := c.settingsOf(with, cell{name, multilevel.WSD, tuning{Rate: 0.001}, 1})
		if err != nil || s.Steps != want || s.Time.Duration != 0 || s.StepSeconds != nil || s.Tokens != 0 {
			t.Errorf("%s: %d steps, want %d; time %v, step seconds %v, tokens %d; %v", name, s.Steps, want, s.Time, s.StepSeconds, s.Tokens, err)
		}
	}
	s, err := c.settingsOf(with, cell{"from6", multilevel.WSD, tuning{Rate: 0.001}, 1})
	if err != nil || s.Multilevel != multilevel.Late || !slices.Equal(s.Levels, []int{6, 12}) || !slices.Equal(s.LevelFractions, []float64{0.5, 0.5}) || s.Prolong != "stack" || s.Rewarm != 3 {
		t.Errorf("from6: %+v; %v", s, err)
	}
	s, err = c.settingsOf(with, cell{multilevel.Adaptive, multilevel.WSD, tuning{Rate: 0.001}, 1})
	if err != nil || s.Time.Duration != 100*time.Second || !slices.Equal(s.StepSeconds, []float64{0.25, 0.5, 1}) || s.Tokens != 0 {
		t.Errorf("adaptive: time %v, step seconds %v, tokens %d; %v", s.Time, s.StepSeconds, s.Tokens, err)
	}
}

// A rate that diverges is left out, and tried no second time; so is a schedule that diverges at all of them, without which the
// others are compared. Where single-level training does the comparison fails.
func TestCompareDiverged(t *testing.T) {
	out := filepath.Join(t.TempDir(), "compare")
	data := tiny(t, out)[2]
	args := func(rates, seeds string) []string {
		return []string{"compare", "--data", data, "--out", out, "--schedules", "nested", "--seeds", seeds, "--rates", rates, "--blocks", "2", "--shallow", "1",
			"--width", "8", "--heads", "2", "--context", "8", "--batch", "2", "--steps", "6", "--val-every", "4", "--sample-bytes", "0", "--threads", "1"}
	}
	if _, stderr := mustRun(t, exitFailed, args("1e30", "1,2")...); !strings.Contains(stderr, "diverged at all --rates") {
		t.Errorf("stderr %q", stderr)
	}
	stdout, _ := mustRun(t, exitOK, args("1e30,0.002", "1,2")...)
	if strings.Contains(stdout, "rate 1e+30") {
		t.Errorf("a rate that diverged is tried again:\n%s", stdout)
	}
	if n := strings.Count(stdout, "| 0.002 (diverged: 1e+30) |"); n != 3 {
		t.Errorf("%d of 3 rows say what diverged:\n%s", n, stdout)
	}
	// With another seed only, as the mark says.
	if err := writeFile(cell{"nested", "wsd", tuning{Rate: 0.002}, 2}.dir(out).diverged(), nil); err != nil {
		t.Fatal(err)
	}
	stdout, _ = mustRun(t, exitOK, args("0.002", "1,2")...)
	if !strings.Contains(stdout, "| nested | 0.002 | diverged (1 of 2 seeds); the others ") || strings.Contains(stdout, "the best schedule") {
		t.Errorf("a seed that diverged:\n%s", stdout)
	}
	for _, mark := range []string{"nested", compareShallow + "1"} {
		if err := writeFile(cell{mark, "wsd", tuning{Rate: 0.002}, 1}.dir(out).diverged(), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, seeds := range []string{"1", "1,2"} {
		stdout, _ = mustRun(t, exitOK, args("1e30,0.002", seeds)...)
		for _, want := range []string{"| single | 0.002 (diverged: 1e+30) |", "| nested | (diverged: 1e+30 0.002) | diverged at all rates |", "No shallower network"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("seeds %s, %q is missing:\n%s", seeds, want, stdout)
			}
		}
	}
}

// The verdict in words, for each outcome.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		seeds                 int
		single, late, shallow float64
		spread                float64 // of shallow
		want                  []string
	}{
		{2, 2, 1.8, 1.7, 0.01, []string{"late, the best schedule, ends 0.2000", "beyond the range", "training 3 blocks alone ends lowest", "not worth training"}},
		{2, 2, 1.8, 1.9, 0.01, []string{"ends above the best schedule, beyond the range over seeds, and below 12 from the start"}},
		{2, 2, 1.8, 1.995, 0.01, []string{"ends above the best schedule, beyond the range over seeds, and within the range over seeds of 12 from the start"}},
		{2, 2, 2.1, 2.2, 0.01, []string{"No schedule comes up", "depth pays at this budget", "at 2.2000, beyond the range over seeds"}},
		{2, 2, 1.995, 2.2, 0.01, []string{"differ by 0.0050, within the range", "depth pays"}},
		{2, 2, 1.8, 1.795, 0.01, []string{"3 blocks alone, at 1.7950, and late, at 1.8000, are within the range over seeds: whether depth pays at this budget is open"}},
		{2, 2, 2.1, 1.9, 0.2, []string{"3 blocks alone, at 1.9000, and single, at 2.0000, are within the range over seeds"}},
		{1, 2, 1.8, 1.7, 0, []string{"for the same time, of one seed, no range", "at 1.7000, of one seed, no range. Depth was not worth"}},
		{1, 2, 2.1, 2.2, 0, []string{"0.1000 above it, of one seed, no range", "at 2.2000, of one seed, no range"}},
	} {
		row := func(name string, mean, spread float64) compareRow {
			r := compareRow{Name: name, Mean: mean, Spread: spread, Losses: make([]float64, c.seeds)}
			if c.seeds == 1 {
				r.Spread = 0
			}
			return r
		}
		got := verdict([]compareRow{row("single", c.single, 0.01), row("late", c.late, 0.01), row("shallow-3", c.shallow, c.spread)}, 12)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%+v: %q lacks %q", c, got, want)
			}
		}
		if c.seeds == 1 && strings.Contains(got, "the range over seeds") {
			t.Errorf("%+v: %q: one seed has no range", c, got)
		}
	}
}

// An envelope of two budgets: the lowest single-level losses, what schedules save to theirs, and what is refused.
func TestEnvelope(t *testing.T) {
	dir := t.TempDir()
	comparisonOf := func(name string, steps int, rows ...compareRow) string {
		t.Helper()
		set := defaultSettings()
		set.Blocks, set.Steps = 12, steps
		with := compared(set, 3, 0.25, 12, 1)
		with.Parameters = 1000
		out := filepath.Join(dir, name)
		if err := os.Mkdir(out, 0o777); err != nil {
			t.Fatal(err)
		}
		for file, v := range map[string]any{"comparison.json": with, "compare.json": rows} {
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(out, file), text, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	row := func(name string, mean float64) compareRow {
		return compareRow{Name: name, LRSchedule: "wsd", Losses: []float64{mean, mean}, Mean: mean, Spread: 0.01}
	}
	short := comparisonOf("short", 100, row("single", 2.5), row("adaptive", 2.25), row("shallow-3", 2.3))
	long := comparisonOf("long", 400, row("single", 2), row("adaptive", 1.9), row("shallow-3", 2.1))
	out := filepath.Join(dir, "out")
	stdout, _ := mustRun(t, exitOK, "envelope", "--out", out, long, short)
	for _, want := range []string{
		"| 1m40s | 205 | 2.5000 (0.0100) | **2.3000** (0.0100) | 2.2500 (0.0100) |",
		// Half-way between 2.5 and 2 is at 200 s of the full depth, and a sixth of the way from 2.3 to 2 at 126 s of the best.
		"| adaptive | 1m40s | 50% | 21% | 0.0500 below |",
		"| adaptive | 6m40s | not reached in that time | not reached in that time | 0.1000 below |",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the table lacks %q:\n%s", want, stdout)
		}
	}
	for _, name := range []string{"envelope.md", "envelope-wsd.png"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(short, "comparison.json"), []byte(`{"levels":[{"blocks":3}]}`), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{long}, "two budgets or more"},
		{[]string{long, short}, "do not fit together"},
		{[]string{long, dir}, "no finished comparison is there"},
	} {
		if _, stderr := mustRun(t, exitBadInput, append([]string{"envelope", "--out", out}, c.args...)...); !strings.Contains(stderr, c.want) {
			t.Errorf("%v: %q", c.args, stderr)
		}
	}
}
