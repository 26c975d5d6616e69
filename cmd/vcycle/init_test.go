package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// settingsOf returns the settings of a file.
func settingsOf(t *testing.T, path string) settings {
	t.Helper()
	file := configFile{settings: defaultSettings()}
	if err := file.read(path); err != nil {
		t.Fatal(err)
	}
	return file.settings
}

func TestInit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.toml")
	stdout, _ := mustRun(t, exitOK, "init", path)
	if !strings.Contains(stdout, "vcycle train --config "+path) {
		t.Errorf("stdout %q", stdout)
	}
	if diff := cmp.Diff(defaultSettings(), settingsOf(t, path)); diff != "" {
		t.Errorf("not the defaults: %s", diff)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range settingKeys() {
		if !regexp.MustCompile(`(?m)^# .*\n#?` + key + ` = `).Match(text) {
			t.Errorf("%s is not there, or has no help", key)
		}
	}
	if strings.Contains(string(text), "${") {
		t.Error("a variable of the help is left")
	}
	// What is left open stands for the default.
	all := filepath.Join(dir, "all.toml")
	if err := os.WriteFile(all, regexp.MustCompile(`(?m)^#([a-z])`).ReplaceAll(text, []byte("$1")), 0o644); err != nil {
		t.Fatal(err)
	}
	resolved := func(s settings) settings {
		if err := s.resolve(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if diff := cmp.Diff(resolved(defaultSettings()), resolved(settingsOf(t, all)), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("with all that is open: %s", diff)
	}

	if _, stderr := mustRun(t, exitBadInput, "init", path); !strings.Contains(stderr, "is there already") {
		t.Errorf("stderr %q", stderr)
	}
	if again, err := os.ReadFile(path); err != nil || string(again) != string(text) {
		t.Error("the file has changed")
	}
	if _, stderr := mustRun(t, exitBadInput, "init", filepath.Join(dir, "nowhere", "x")); !strings.Contains(stderr, "cannot be written: no such file") {
		t.Errorf("stderr %q", stderr)
	}
}

// What init writes, train takes; and what a run has used, init.
func TestInitFrom(t *testing.T) {
	dir := t.TempDir()
	path, first, second := filepath.Join(dir, "a.toml"), filepath.Join(dir, "first"), filepath.Join(dir, "second")
	var sets []string
	args := tiny(t, first)[1:]
	for i := 0; i < len(args); i += 2 {
		if name := strings.TrimPrefix(args[i], "--"); name != "out" {
			sets = append(sets, "--set", strings.ReplaceAll(name, "-", "_")+"="+args[i+1])
		}
	}
	mustRun(t, exitOK, append([]string{"init", path}, sets...)...)
	mustRun(t, exitOK, "train", "--config", path, "--out", first)
	mustRun(t, exitOK, append([]string{"train", "--out", second}, sets...)...)
	sameRun(t, first, second)

	stdout, _ := mustRun(t, exitOK, "init", "-", "--from", first)
	if err := os.WriteFile(path, []byte(stdout), 0o644); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(settingsOf(t, runDir(first).config()), settingsOf(t, path)); diff != "" {
		t.Errorf("not the settings of the run: %s", diff)
	}
	// What no longer fits is left open.
	stdout, _ = mustRun(t, exitOK, "init", "-", "--from", first, "--set", "blocks=4")
	if err := os.WriteFile(path, []byte(stdout), 0o644); err != nil {
		t.Fatal(err)
	}
	if s := settingsOf(t, path); s.Blocks != 4 || s.Levels != nil || !strings.Contains(stdout, "\n#levels = []\n") {
		t.Errorf("%+v", s)
	}
}

func TestSet(t *testing.T) {
	s := defaultSettings()
	given := map[string]bool{}
	if err := s.override([]string{"width=64", "save-every=5m", "levels=2,4", "line_search=true", "prompt=a=b, c", "lr = 1e-3"}, given); err != nil {
		t.Fatal(err)
	}
	want := defaultSettings()
	want.Width, want.Levels, want.LineSearch, want.Prompt, want.LR = 64, []int{2, 4}, true, "a=b, c", 1e-3
	want.SaveEvery.Duration = 5 * 60e9
	if !reflect.DeepEqual(s, want) || len(given) != 6 || !given["save_every"] {
		t.Errorf("%s; given: %v", cmp.Diff(want, s), given)
	}
	for _, c := range []struct{ set, want string }{
		{"widht=3", `--set widht=3: unknown key "widht", did you mean "width"?`},
		{"width", "give a key and a value"},
		{"width=x", "--set width=x: expected a valid 64 bit int"},
		{"coherence=maybe", "--set coherence=maybe: "},
		{"data=", "--set data=: it must not be empty"},
		{"lr=-1", "learning rate -1"},
		{"recorded.version=1", "unknown key"},
	} {
		for _, command := range []string{"train", "plan", "init"} {
			args := []string{command, "--set", c.set}
			if command == "init" {
				args = append(args, "-")
			}
			if _, stderr := mustRun(t, exitBadInput, args...); !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("%v: %q, want %q", args, stderr, c.want)
			}
		}
	}
	for _, c := range []struct{ args, want string }{
		{"train --width 8 --set width=9", "width is given twice"},
		{"train --steps 8 --set time=3m", "--steps and --time: give one of them"},
		{"compare --out x --set lr=1", "--lr cannot be given"},
	} {
		if _, stderr := mustRun(t, exitBadInput, strings.Fields(c.args)...); !strings.Contains(stderr, c.want) {
			t.Errorf("%s: %q", c.args, stderr)
		}
	}
}
