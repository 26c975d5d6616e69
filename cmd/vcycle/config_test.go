package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vcycle-go/vcycle/multilevel"
)

// Every option of the library has a flag and a key of its name, apart from the vocabulary, which
// follows from the data.
func TestSettingsCoverOptions(t *testing.T) {
	keys := map[string]bool{"vocab": true}
	for _, k := range settingKeys() {
		if k == "" {
			t.Error("a setting has no key")
		}
		keys[k] = true
	}
	o := reflect.TypeFor[multilevel.Options]()
	for i := range o.NumField() {
		if k := o.Field(i).Tag.Get("toml"); !keys[k] {
			t.Errorf("option %s (%s) has no setting", o.Field(i).Name, k)
		}
	}
}

func TestSettingsHaveGroupAndHelp(t *testing.T) {
	groups := map[string]bool{}
	for _, g := range settingGroups {
		groups[g.Key] = true
	}
	s := reflect.TypeFor[settings]()
	for i := range s.NumField() {
		f := s.Field(i)
		if !groups[f.Tag.Get("group")] || f.Tag.Get("help") == "" {
			t.Errorf("setting %s: group %q, help %q", f.Name, f.Tag.Get("group"), f.Tag.Get("help"))
		}
	}
}

func TestDefaultSettingsAreThoseOfTheLibrary(t *testing.T) {
	s := defaultSettings()
	if err := s.resolve(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(multilevel.Defaults().Resolve(), s.options()); diff != "" {
		t.Error(diff)
	}
}

func readConfig(t *testing.T, text string) (configFile, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.toml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	f := configFile{settings: defaultSettings()}
	err := f.read(path)
	return f, path, err
}

func TestConfigRoundTrip(t *testing.T) {
	s := defaultSettings()
	s.Data, s.Prompt = `C:\data "x"`, "a\n\tb'''\x01ç"
	s.Multilevel, s.Levels, s.LevelFractions = "nested", []int{2, 4, 12}, []float64{0.1, 1.0 / 3, 0.6}
	s.LevelWidths, s.LevelContexts = []int{32, 64, 128}, []int{64, 128, 256}
	s.LevelRates = []float64{2, 1.0 / 3, 1}
	s.StepSeconds, s.StepSizes = []float64{0.1, 1.0 / 3, 2}, slices.Repeat([]float64{0.5, 0.25}, 6)
	s.LR, s.Eps, s.Clip, s.StepSize = 1.0/3, 1e-8, 1e30, 0.1+0.2
	s.Seed, s.SaveEvery = 1<<62+1, duration{90*time.Minute + time.Millisecond}
	if err := s.resolve(); err != nil {
		t.Fatal(err)
	}
	want := configFile{s, &recorded{"v1.2.3", "avx2", "float32", 123, "abc"}}
	text, err := want.write()
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := readConfig(t, string(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(configFile{})); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if len(line) > 120 {
			t.Errorf("long line: %s", line)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"lr = 0.1\nlearning_rate = 0.2\n", `:2:1: unknown key "learning_rate"`},
		{"\nval-every = 3\n", `:2:1: unknown key "val-every", did you mean "val_every"?`},
		{"stepz = 3\n", `did you mean "steps"?`},
		{"[model]\nwidth = 3\n", `unknown key "model`},
		{"steps = \"many\"\n", `:1:9: steps: `},
		{"levels = [3, 6.5]\n", `:1:14: levels`},
		{"steps = 3\nsteps = 4\n", `:2:1: `},
		{"lr = \n", ":1:"},
		{"save_every = \"soon\"\n", `invalid duration`},
		{"save_every = 120\n", "missing unit in duration"},
		{"seed = -1\n", "seed"},
	} {
		f, path, err := readConfig(t, c.text)
		if err == nil {
			err = f.resolve()
		} else if !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%q: error %q does not name the file", c.text, err)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want one with %q", c.text, err, c.want)
		}
	}
}

func TestOverlay(t *testing.T) {
	file := defaultSettings()
	file.Blocks, file.Levels, file.LevelFractions, file.LR = 12, []int{3, 12}, []float64{0.7, 0.3}, 0.5
	flags := defaultSettings()
	flags.Levels, flags.LR, flags.Steps, flags.Blocks = []int{8}, 0.1, 77, 8

	s := file
	s.overlay(flags, map[string]bool{"levels": true, "steps": true})
	if s.Blocks != 0 || s.LevelFractions != nil || s.Steps != 77 || s.LR != 0.5 || ints(s.Levels) != "8" {
		t.Errorf("levels given: %+v", s)
	}
	s = file
	s.overlay(flags, map[string]bool{"blocks": true, "lr": true})
	if s.Blocks != 8 || s.Levels != nil || s.LevelFractions != nil || s.LR != 0.1 || s.Steps != file.Steps {
		t.Errorf("blocks given: %+v", s)
	}
	s = file
	s.Warmup = 20
	s.overlay(flags, map[string]bool{"steps": true})
	if s.Warmup != -1 {
		t.Errorf("steps given: warm-up of %d", s.Warmup)
	}
	for _, budget := range []string{"steps", "tokens", "time"} {
		s, flags := file, flags
		s.Tokens, flags.Tokens, flags.Time.Duration = 1000, 33, time.Minute
		s.overlay(flags, map[string]bool{budget: true})
		if want := map[string]int64{"tokens": 33}[budget]; s.Tokens != want {
			t.Errorf("%s given: %d tokens, want %d", budget, s.Tokens, want)
		}
	}
	s = file
	s.overlay(flags, map[string]bool{})
	if diff := cmp.Diff(file, s); diff != "" {
		t.Errorf("nothing given: %s", diff)
	}
}

func TestWarmupFollowsSteps(t *testing.T) {
	for _, c := range []struct{ warmup, steps, want int }{{-1, 30, 3}, {-1, 10000, 20}, {7, 30, 7}, {0, 30, 0}} {
		s := defaultSettings()
		s.Warmup, s.Steps = c.warmup, c.steps
		if err := s.resolve(); err != nil {
			t.Fatal(err)
		}
		if s.Warmup != c.want {
			t.Errorf("warmup %d of %d steps resolves to %d, want %d", c.warmup, c.steps, s.Warmup, c.want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"lr", "lr", 0}, {"heads", "head", 1}} {
		if got := edits(c.a, c.b); got != c.want {
			t.Errorf("edits(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
