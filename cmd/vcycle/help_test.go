package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// eachCommand calls use with every command that can be given, and the words that lead to it.
func eachCommand(n *kong.Node, path []string, use func(n *kong.Node, path []string)) {
	for _, child := range n.Children {
		words := append(slices.Clone(path), child.Name)
		if len(child.Children) > 0 {
			eachCommand(child, words, use)
			continue
		}
		use(child, words)
	}
}

// Every command is explained with examples that the parser takes, in its own help or that of its group.
func TestExamples(t *testing.T) {
	parser := newParser(&commands{}, nil, nil)
	eachCommand(parser.Model.Node, nil, func(n *kong.Node, path []string) {
		text, _ := mustRun(t, exitOK, append([]string{"help"}, path...)...)
		if flag, _ := mustRun(t, exitOK, append(slices.Clone(path), "--help")...); flag != text {
			t.Errorf("%v: help and --help differ", path)
		}
		if len(path) > 1 {
			group, _ := mustRun(t, exitOK, "help", path[0])
			text += group
		}
		name := strings.Join(path, " ")
		name = strings.TrimSuffix(name, " kernels") // the default
		if !strings.Contains(text, "Examples:") || !strings.Contains(text, "vcycle "+name) || !strings.Contains(text, "Exit codes: 0 success") {
			t.Errorf("%v has no example, or no exit codes:\n%s", path, text)
		}
		_, examples, _ := strings.Cut(n.Detail, "Examples:")
		examples, _, _ = strings.Cut(examples, "Exit codes:")
		for _, line := range strings.Split(examples, "\n") {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "vcycle ") || strings.ContainsAny(line, "\"'|>&\\") {
				continue
			}
			line, _, _ = strings.Cut(line, " #")
			if _, err := newParser(&commands{}, nil, nil).Parse(strings.Fields(line)[1:]); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	})
}

func TestHelpTopics(t *testing.T) {
	for _, topic := range topics {
		text, _ := mustRun(t, exitOK, "help", topic.name)
		for _, line := range strings.Split(text, "\n") {
			if n := len([]rune(line)); n > 120 {
				t.Errorf("%s: a line of %d columns", topic.name, n)
			}
		}
	}
	text, _ := mustRun(t, exitOK, "help", "exit-codes")
	for _, code := range []string{"0 ", "1 ", "2 ", "130 "} {
		if !strings.Contains("\n"+text, "\n"+code) {
			t.Errorf("no exit code %s", code)
		}
	}
	overview, _ := mustRun(t, exitOK, "help")
	if whole, _ := mustRun(t, exitOK, "--help"); overview != whole {
		t.Error("help and --help differ")
	}
	for words, want := range map[string]string{
		"trian": `did you mean "train"`, "exit-code": `did you mean "exit-codes"`, "data gte": `did you mean "get"`, "frobnicate": "neither a command nor a topic",
	} {
		if _, stderr := mustRun(t, exitBadInput, append([]string{"help"}, strings.Fields(words)...)...); !strings.Contains(stderr, want) {
			t.Errorf("%s: %q", words, stderr)
		}
	}
}

// What bash completes.
func TestCompletionBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	dir := t.TempDir()
	script, _ := mustRun(t, exitOK, "completion", "bash")
	path := filepath.Join(dir, "vcycle.bash")
	if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string // the last word is being completed
		want string
	}{
		{"vcycle tra", "train"},
		{"vcycle co", "compare completion"},
		{"vcycle data ", "get prepare verify"},
		{"vcycle data prepare --tok", "--tokenizer"},
		{"vcycle train --lr", "--lr --lr-schedule"},
		{"vcycle train --log-format ", "text json"},
		{"vcycle train --log-format j", "json"},
		{"vcycle plot --x f", "flops-blocks flops-all"},
		{"vcycle completion ", "bash fish zsh"},
		{"vcycle train --data n", "notes.txt"},
		{"vcycle eval n", "notes.txt"},
		{"vcycle train --frob", ""},
	} {
		words := strings.Split(c.line, " ")
		program := `cd "$1"; source vcycle.bash; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vcycle; echo "${COMPREPLY[@]}"`
		out, err := exec.Command(bash, append([]string{"--norc", "-c", program, "bash", dir}, words...)...).CombinedOutput()
		if got := strings.Fields(string(out)); err != nil || !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(strings.Fields(c.want)))) {
			t.Errorf("%q: %v, want %q, %v", c.line, got, c.want, err)
		}
	}
}

// The scripts have every command and every flag; the shells read them, where they are.
func TestCompletion(t *testing.T) {
	parser := newParser(&commands{}, nil, nil)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script, _ := mustRun(t, exitOK, "completion", shell)
		eachCommand(parser.Model.Node, nil, func(n *kong.Node, path []string) {
			for _, want := range append([]string{path[len(path)-1]}, "seed", "help") {
				if !strings.Contains(script, want) {
					t.Errorf("%s: no %s", shell, want)
				}
			}
		})
		path := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		if program, err := exec.LookPath(shell); err == nil {
			if out, err := exec.Command(program, "-n", path).CombinedOutput(); err != nil {
				t.Errorf("%s -n: %v: %s", shell, err, out)
			}
		}
	}
	if _, stderr := mustRun(t, exitBadInput, "completion", "csh"); !strings.Contains(stderr, "bash") {
		t.Errorf("stderr %q", stderr)
	}
}

// TestManual: the page has every command and flag, and nothing that the formatter, if there is one, warns about.
func TestManual(t *testing.T) {
	page, _ := mustRun(t, exitOK, "help", "--man")
	for _, n := range leavesOf(newParser(&commands{}, io.Discard, io.Discard)) {
		if !strings.Contains(page, `.SS "`+fullName(n)) {
			t.Errorf("there is no %s", fullName(n))
		}
		for _, f := range n.Flags {
			if name := roffEscapes.Replace(f.Name); !f.Hidden && f.Name != "help" && !strings.Contains(page, name) {
				t.Errorf("%s: there is no --%s", fullName(n), f.Name)
			}
		}
	}
	for _, line := range strings.Split(page, "\n") {
		if macro, _, _ := strings.Cut(line, " "); strings.HasPrefix(line, "'") ||
			strings.HasPrefix(line, ".") && !slices.Contains([]string{".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".I", ".nf", ".fi"}, macro) {
			t.Errorf("a line of text is a request: %q", line)
		}
	}
	mustRun(t, exitBadInput, "help", "--man", "train")
	groff, err := exec.LookPath("groff")
	if err != nil {
		return
	}
	c := exec.Command(groff, "-man", "-Tutf8", "-k", "-ww", "-z")
	c.Stdin = strings.NewReader(page)
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
}
