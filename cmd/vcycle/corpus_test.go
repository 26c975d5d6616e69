package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeTree writes files of the given contents below a new directory.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func load(t *testing.T, path string, context_ int) *corpus {
	t.Helper()
	c, err := loadCorpus(context.Background(), path, "", context_)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCorpusOfFile(t *testing.T) {
	text := strings.Repeat("0123456789", 40)
	path := filepath.Join(writeTree(t, map[string]string{"text.txt": text}), "text.txt")
	c := load(t, path, 16)
	if string(c.train)+string(c.val) != text || len(c.val) != 20 || c.files != 1 {
		t.Errorf("train %d and val %d bytes of %d, %d files", len(c.train), len(c.val), len(text), c.files)
	}
	if c = load(t, path, 31); len(c.val) != 32 {
		t.Errorf("with a context of 31, %d bytes validate, want 32", len(c.val))
	}
	if cap(c.train) != len(c.train) {
		t.Error("appending to train would write into val")
	}
}

func TestCorpusOfDirectory(t *testing.T) {
	files := map[string]string{
		"a.txt": "A....", "a/b.txt": "B....", "z/c.txt": "C....",
		".git/config": "hidden", ".hidden": "hidden", "image.bin": "x\x00y", "empty.txt": "",
	}
	for i := range 37 {
		files[fmt.Sprintf("m/%02d", i)] = fmt.Sprintf("%02d...", i)
	}
	c := load(t, writeTree(t, files), 4)
	// In the order of paths: a.txt, a/b.txt, m/00 … m/36, z/c.txt; the 20th and the 40th validate.
	if got, want := string(c.val), "17...C...."; got != want {
		t.Errorf("validation text %q, want %q", got, want)
	}
	if want := "A....B....00...01..."; !strings.HasPrefix(string(c.train), want) || len(c.train) != 38*5 {
		t.Errorf("training text %q, want 190 bytes that start with %q", c.train, want)
	}
	if c.files != 40 || c.binary != 1 {
		t.Errorf("%d files and %d binary, want 40 and 1", c.files, c.binary)
	}
	if !strings.Contains(c.describe(), "40 files, 190 B to train, 10 B to validate (1 binary left out)") {
		t.Error(c.describe())
	}
}

// A run below its own data does not change them.
func TestCorpusWithoutRuns(t *testing.T) {
	c := load(t, writeTree(t, map[string]string{
		"a": strings.Repeat("a", 100), "runs/1/config.toml": "steps = 3", "runs/1/checkpoint/step-00000001.safetensors": "x",
		"b/config.toml": strings.Repeat("b", 100), "b/c": "c",
	}), 8)
	if c.files != 3 || c.bytes() != 201 {
		t.Errorf("%d files of %d bytes together, want 3 of 201", c.files, c.bytes())
	}
}

func TestCorpusOfFewOrUnequalFiles(t *testing.T) {
	few := load(t, writeTree(t, map[string]string{"a": strings.Repeat("a", 300), "b": strings.Repeat("b", 100)}), 8)
	if want := strings.Repeat("b", 20); string(few.val) != want || len(few.train) != 380 {
		t.Errorf("of two files, %q validates and %d bytes train", few.val, len(few.train))
	}
	files := map[string]string{"zz": strings.Repeat("z", 1000)} // the 20th: it would outweigh the others
	for i := range 19 {
		files[fmt.Sprintf("%02d", i)] = "short"
	}
	if c := load(t, writeTree(t, files), 8); len(c.val) != 1095/20 {
		t.Errorf("where one file outweighs the others, %d bytes validate, want %d", len(c.val), 1095/20)
	}
}

func TestCorpusIdentity(t *testing.T) {
	text := strings.Repeat("some text ", 20)
	root := writeTree(t, map[string]string{"x": text, "y": text[:len(text)-1] + "!"})
	x, again, y := load(t, filepath.Join(root, "x"), 8), load(t, filepath.Join(root, "x"), 8), load(t, filepath.Join(root, "y"), 8)
	if x.sha256 != again.sha256 || len(x.sha256) != 64 {
		t.Errorf("SHA-256 %s, then %s", x.sha256, again.sha256)
	}
	if x.sha256 == y.sha256 {
		t.Error("a changed byte does not change the SHA-256")
	}
}

func TestCorpusThroughSymbolicLink(t *testing.T) {
	root := writeTree(t, map[string]string{"d/x": strings.Repeat("text", 30)})
	link := filepath.Join(root, "link")
	if err := os.Symlink(filepath.Join(root, "d"), link); err != nil {
		t.Skip(err)
	}
	if c := load(t, link, 8); c.files != 1 {
		t.Errorf("%d files through a link to their directory, want 1", c.files)
	}
}

// A file that the user names is read even if it is not text.
func TestCorpusNamedBinary(t *testing.T) {
	text := append(bytes.Repeat([]byte{0, 1, 2}, 50), 0)
	path := filepath.Join(writeTree(t, map[string]string{"x": string(text)}), "x")
	if c := load(t, path, 8); c.bytes() != int64(len(text)) || c.binary != 0 {
		t.Errorf("%d of %d bytes, %d files binary", c.bytes(), len(text), c.binary)
	}
}

// fakeGo puts a go command first into PATH that prints root for env GOROOT.
func fakeGo(t *testing.T, root string) {
	t.Helper()
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	if root == "" {
		return
	}
	script := "#!/bin/sh\necho '" + root + "'\n"
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestCorpusOfGoSource(t *testing.T) {
	root := writeTree(t, map[string]string{
		"src/fmt/print.go": strings.Repeat("package fmt\n", 20), "src/fmt/print_test.go": "TEST", "src/fmt/asm.s": "ASM",
		"src/a.go": strings.Repeat("package a\n", 20), "README": "README",
	})
	c := &corpus{path: filepath.Join(root, "src"), goSource: true}
	texts, err := c.read()
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) != 2 || !bytes.HasPrefix(texts[0], []byte("package a")) || !bytes.HasPrefix(texts[1], []byte("package fmt")) {
		t.Errorf("read %q", texts)
	}
}
