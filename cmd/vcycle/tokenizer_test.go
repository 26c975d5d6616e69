package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/internal/token"
)

// vcycleWith runs a command line on standard input and returns what it wrote and the exit code.
func vcycleWith(t testing.TB, input string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	defer func() { stdin = os.Stdin }()
	stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	code = run(context.Background(), args, &out, &errs)
	return out.String(), errs.String(), code
}

const fable = "The fox and the grapes. The fox saw the grapes; the grapes hung high, and the fox went away.\n"

func TestTokenizerCommands(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"a.txt": strings.Repeat(fable, 3), "b.jsonl": "{\"body\": \"the grapes\"}\n", "bin": "\x00"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "tokenizer.json")
	train := []string{"tokenizer", "train", "--vocab", "270", "--field", "body", "--out", file, dir}
	if out, errs, code := vcycleWith(t, "", train...); code != 0 || !strings.Contains(out, "270 tokens") {
		t.Fatalf("%d %s%s", code, out, errs)
	}
	if _, errs, code := vcycleWith(t, "", train...); code != exitBadInput || !strings.Contains(errs, "--force") {
		t.Errorf("writing over a file: %d %s", code, errs)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, errs, code := vcycleWith(t, "", append(train, "--force")...); code != 0 {
		t.Errorf("with --force: %d %s", code, errs)
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Error("the same files give another vocabulary")
	}
	ids, errs, code := vcycleWith(t, fable, "tokenizer", "encode", file)
	if code != 0 || len(strings.Fields(ids)) >= len(fable) {
		t.Errorf("encode: %d %s %s", code, ids, errs)
	}
	if text, errs, code := vcycleWith(t, ids, "tokenizer", "decode", file); code != 0 || text != fable {
		t.Errorf("decode: %d %q %s", code, text, errs)
	}
	if out, errs, code := vcycleWith(t, "", "tokenizer", "info", file); code != 0 || !strings.Contains(out, "269 \"<|endoftext|>\"") {
		t.Errorf("info: %d %s%s", code, out, errs)
	}
	if out, _, code := vcycleWith(t, "", "tokenizer", "info", "bytes"); code != 0 || !strings.Contains(out, token.Bytes().SHA256()) {
		t.Errorf("info: %d %s", code, out)
	}
	for _, c := range []struct {
		input string
		args  []string
		want  string
	}{
		{"", []string{"train", "--vocab", "256", dir}, "vcycle tokenizer train: --vocab 256: it must be at least 257"},
		{"", []string{"train", "--out", filepath.Join(dir, "x.json"), dir}, `b.jsonl:1: the object has no field "text"`},
		{"", []string{"train", "--out", filepath.Join(dir, "x.json"), filepath.Join(dir, "bin")}, "a NUL at byte 0"},
		{"", []string{"train", "--out", filepath.Join(dir, "no", "x.json"), filepath.Join(dir, "a.txt")}, "--out cannot be written"},
		{"", []string{"encode", filepath.Join(dir, "a.txt")}, "not a tokenizer.json"},
		{"", []string{"encode", "gtp2"}, "give bytes, gpt2 or the path"},
		{"1 x", []string{"decode", "bytes"}, `number 2, "x", is not a token`},
		{"1 256", []string{"decode", "bytes"}, "token 256 at position 1"},
	} {
		if _, errs, code := vcycleWith(t, c.input, append([]string{"tokenizer"}, c.args...)...); code != exitBadInput || !strings.Contains(errs, c.want) {
			t.Errorf("%v: %d %s, want %q", c.args, code, errs, c.want)
		}
	}
}
