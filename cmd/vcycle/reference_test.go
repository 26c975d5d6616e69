package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "write docs/reference.md")

// TestReference: docs/reference.md is what the grammar of the command line and the types of the files say.
func TestReference(t *testing.T) {
	const path = "../../docs/reference.md"
	want := reference(t)
	if *update {
		if err := os.WriteFile(path, want, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
		t.Errorf("%s is not what the commands say: run go generate ./cmd/vcycle", path)
	}
}

// reference returns the page.
func reference(t *testing.T) []byte {
	var b bytes.Buffer
	b.WriteString("# Reference\n\nEvery command, flag and field, written by `go generate ./cmd/vcycle`; a test fails when it is stale. " +
		"`vcycle COMMAND --help` says the same.\n\n")
	k := newParser(&commands{}, io.Discard, io.Discard)
	leaves := leavesOf(k)
	train := leaves[slices.IndexFunc(leaves, func(n *kong.Node) bool { return fullName(n) == "vcycle train" })]
	for _, n := range leaves {
		name := fullName(n)
		fmt.Fprintf(&b, "- [%s](#%s): %s\n", name, strings.ReplaceAll(name, " ", "-"), n.Help)
	}
	for _, n := range leaves {
		if g := n.Parent; introduces(n) {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n", fullName(g), g.Help)
			detail(&b, g)
		}
		command(&b, n, train)
	}
	for _, topic := range topics {
		fmt.Fprintf(&b, "\n## vcycle help %s\n\n```\n%s```\n", topic.name, topic.text)
	}
	b.WriteString("\n## config.toml\n\nThe settings among the flags of `vcycle train`, those that `vcycle init` writes: " +
		"a key is the name of the flag with `_` for `-`. An unknown key is an error. The table `[recorded]`, which a run adds, has\n\n")
	fields(t, &b, ".", "recorded", "toml")
	b.WriteString("\n## metrics.jsonl\n\nAn object a line, and a line a step:\n\n")
	fields(t, &b, "../../multilevel", "Metrics", "json")
	b.WriteString("\nEach of `decisions`:\n\n")
	fields(t, &b, "../../multilevel", "Decision", "json")
	b.WriteString("\n## summary.json\n\nThere when a run is finished:\n\n")
	fields(t, &b, "../../multilevel", "Summary", "json")
	b.WriteString("\nEach of `levels`, and `single_level`:\n\n")
	fields(t, &b, "../../multilevel", "Cost", "json")
	b.WriteString("\n## manifest.json of shards\n\n")
	fields(t, &b, "../../internal/shards", "Manifest", "json")
	b.WriteString("\n`train` and `val`:\n\n")
	fields(t, &b, "../../internal/shards", "Part", "json")
	b.WriteString("\n## Checkpoints\n\nA safetensors file with GPT-2's names (`wte.weight`, `h.0.attn.c_attn.weight`, …); the optimizer's moments are " +
		"`optimizer.NAME.m` and `.v`, networks of other levels `level.L.NAME`. The metadata hold options and counters as JSON, and digests of " +
		"header and data.\n")
	return b.Bytes()
}

// command writes the section of a command. Of the flags that it has from train only the names are told.
func command(b *bytes.Buffer, n, train *kong.Node) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n", fullName(n), n.Help)
	if len(n.Aliases) > 0 {
		fmt.Fprintf(b, "\nAlso `%s`.\n", strings.Join(n.Aliases, "`, `"))
	}
	detail(b, n)
	if len(n.Positional) > 0 {
		b.WriteString("\n| argument | |\n|---|---|\n")
		for _, p := range n.Positional {
			fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(p.Summary(), "|", "\\|"), tableCell(p.Help))
		}
	}
	titles, flags, shared := flagsOf(n, train)
	for _, title := range titles {
		fmt.Fprintf(b, "\n| %s | |\n|---|---|\n", title)
		for _, f := range flags[title] {
			fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(usageOf(f), "|", "\\|"), tableCell(f.Help))
		}
	}
	if len(shared) > 0 {
		fmt.Fprintf(b, "\nWith the same meaning as for `vcycle train`: `%s`.\n", strings.Join(shared, "`, `"))
	}
}

// detail writes the detailed help of a command; what is indented is code.
func detail(b *bytes.Buffer, n *kong.Node) {
	code := false
	for _, paragraph := range strings.Split(strings.ReplaceAll(n.Detail, exitCodes, ""), "\n\n") {
		if strings.TrimSpace(paragraph) == "" {
			continue
		}
		if indented := strings.HasPrefix(paragraph, "  "); indented != code {
			code = indented
			fmt.Fprint(b, map[bool]string{true: "\n```\n", false: "```\n"}[code])
		} else if code {
			b.WriteString("\n")
		}
		if !code {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "%s\n", strings.TrimRight(paragraph, "\n"))
	}
	if code {
		b.WriteString("```\n")
	}
}

// tableCell escapes text for a table.
func tableCell(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ").Replace(text)
}

// fields writes a table of the fields of a struct of a directory's package: the name that a tag gives and the comment.
func fields(t *testing.T, b *bytes.Buffer, dir, name, key string) {
	t.Helper()
	var files []*ast.File
	set := token.NewFileSet()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, dir+"/"+e.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	for _, f := range files {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				spec, ok := s.(*ast.TypeSpec)
				if !ok || spec.Name.Name != name {
					continue
				}
				b.WriteString("| field | |\n|---|---|\n")
				for _, field := range spec.Type.(*ast.StructType).Fields.List {
					if field.Tag == nil {
						continue
					}
					tag, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get(key), ",")
					text := strings.TrimSpace(field.Doc.Text() + field.Comment.Text())
					fmt.Fprintf(b, "| `%s` | %s |\n", tag, tableCell(text))
				}
				return
			}
		}
	}
	t.Fatalf("no type %s in %s", name, dir)
}
