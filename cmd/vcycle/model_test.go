package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/internal/gpt2"
	"github.com/vcycle-go/vcycle/internal/token"
)

// prepared returns a directory of shards in a learned vocabulary, and the text they are made of.
func prepared(t *testing.T) (shardsDir, tokenizer, textFile string) {
	t.Helper()
	dir := writeFiles(t, map[string]string{"text.txt": sentences(6000)})
	textFile = filepath.Join(dir, "text.txt")
	tokenizer = filepath.Join(t.TempDir(), "t.json")
	mustRun(t, exitOK, "tokenizer", "train", "--vocab", "290", "--out", tokenizer, textFile)
	shardsDir = filepath.Join(t.TempDir(), "shards")
	mustRun(t, exitOK, "data", "prepare", "--out", shardsDir, "--tokenizer", tokenizer, "--shard-tokens", "500", textFile)
	return shardsDir, tokenizer, textFile
}

// TestTrainShards trains on shards, is interrupted, resumes to the same bits, and what it has learned is
// measured, generated from, exported and imported.
func TestTrainShards(t *testing.T) {
	data, tokenizer, textFile := prepared(t)
	whole := filepath.Join(t.TempDir(), "whole")
	args := func(out string) []string { return append(tiny(t, out), "--data", data) }
	stdout, _ := mustRun(t, exitOK, args(whole)...)
	for _, want := range []string{"shards " + data, "vocabulary 290", "nats per token", "bits per byte"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output lacks %q:\n%s", want, stdout)
		}
	}
	if got, err := token.Load(runDir(whole).tokenizer()); err != nil || got.Vocab() != 290 {
		t.Errorf("the tokenizer of the run: %v", err)
	}
	broken := filepath.Join(t.TempDir(), "broken")
	interrupt(t, 5, broken, args(broken))
	mustRun(t, exitOK, "train", "--resume", broken)
	sameRun(t, whole, broken)

	again := filepath.Join(t.TempDir(), "again")
	mustRun(t, exitOK, "train", "--config", runDir(whole).config(), "--out", again)
	sameRun(t, whole, again)

	t.Run("text", func(t *testing.T) { // the same tokenizer on text in memory
		out := filepath.Join(t.TempDir(), "run")
		stdout, _ := mustRun(t, exitOK, append(tiny(t, out), "--data", textFile, "--tokenizer", tokenizer)...)
		if !strings.Contains(stdout, "tokens\n") || !strings.Contains(stdout, "vocabulary 290") {
			t.Errorf("%s", stdout)
		}
		os.Remove(tokenizer)
		defer mustRun(t, exitOK, "tokenizer", "train", "--vocab", "290", "--out", tokenizer, textFile)
		os.Remove(runDir(out).summary())
		mustRun(t, exitOK, "train", "--resume", out) // has its own copy
	})
	t.Run("generate", func(t *testing.T) {
		a, _ := mustRun(t, exitOK, "generate", whole, "--prompt", "the answer", "--tokens", "20")
		b, errs := mustRun(t, exitOK, "sample", whole, "--prompt", "the answer", "--bytes", "20", "--stats")
		if a != b || !strings.HasPrefix(a, "the answer") || len(a) < 30 || !strings.Contains(errs, "tokens/s") {
			t.Errorf("%q %q %s", a, b, errs)
		}
		stop := a[14:16]
		c, _ := mustRun(t, exitOK, "generate", whole, "--prompt", "the answer", "--tokens", "20", "--stop", stop)
		if len(c) > len(a) || strings.Contains(c[len("the answer"):], stop) && !strings.Contains("the answer", stop) {
			t.Errorf("until %q: %q", stop, c)
		}
		stdin = strings.NewReader("the answer")
		defer func() { stdin = os.Stdin }()
		if d, _ := mustRun(t, exitOK, "generate", whole, "--prompt", "-", "--tokens", "20"); d != a {
			t.Errorf("from standard input: %q", d)
		}
	})
	t.Run("eval", func(t *testing.T) {
		out, _ := mustRun(t, exitOK, "eval", whole, "--data", data)
		text, _ := mustRun(t, exitOK, "eval", whole, "--data", textFile, "--tokens", "100", "--batch", "3")
		for _, o := range []string{out, text} {
			if !strings.Contains(o, "nats per token") || !strings.Contains(o, "perplexity") {
				t.Errorf("%s", o)
			}
		}
		if !strings.Contains(text, "96 tokens in 12 sequences of 8") {
			t.Errorf("%s", text)
		}
	})
	t.Run("export", func(t *testing.T) {
		hf := filepath.Join(t.TempDir(), "hf")
		mustRun(t, exitOK, "export", "hf", whole, "--out", hf)
		if _, errs := mustRun(t, exitBadInput, "export", "hf", whole, "--out", hf); !strings.Contains(errs, "not empty") {
			t.Errorf("%s", errs)
		}
		imported := filepath.Join(t.TempDir(), "imported")
		mustRun(t, exitOK, "import", "hf", hf, "--out", imported)
		if !isRun(imported) {
			t.Error("what has been imported is not known as a run: it would be read as text")
		}
		if stdout, _ := mustRun(t, exitOK, "runs", imported); !strings.Contains(strings.Join(strings.Fields(stdout), " "), " imported – – – – – – – – ") {
			t.Errorf("what has been imported is listed with figures of a run:\n%s", stdout)
		}
		larger := filepath.Join(t.TempDir(), "larger") // than the vocabulary of the tokenizer
		mustRun(t, exitOK, "import", "hf", hf, "--tokenizer", "bytes", "--out", larger)
		mustRun(t, exitOK, "generate", larger, "--tokens", "1")
		second := filepath.Join(t.TempDir(), "hf")
		mustRun(t, exitOK, "export", "hf", imported, "--out", second)
		for name, content := range directory(t, hf) {
			if other, _ := os.ReadFile(filepath.Join(second, name)); string(other) != content {
				t.Errorf("%s differs after a round trip", name)
			}
		}
		for _, dir := range []string{hf, imported} {
			a, _ := mustRun(t, exitOK, "generate", whole, "--prompt", "the answer", "--temperature", "0")
			b, _ := mustRun(t, exitOK, "generate", dir, "--prompt", "the answer", "--temperature", "0")
			if a != b {
				t.Errorf("%s generates %q, not %q", dir, b, a)
			}
			out := filepath.Join(t.TempDir(), "tuned")
			tune := []string{"train", "--init", dir, "--data", data, "--out", out, "--steps", "3", "--batch", "2", "--val-every", "1", "--lr", "1e-9"}
			mustRun(t, exitOK, tune...)
			lines, first := logLines(t, out), logLines(t, whole)
			if got, want := lines[0]["val_loss"].(float64), first[len(first)-1]["val_loss"].(float64); math.Abs(got-want) > 1e-4 {
				t.Errorf("fine-tuning begins at a loss of %g, not %g", got, want)
			}
			shorter := append(tune, "--context", "4", "--out", filepath.Join(t.TempDir(), "x"))
			mustRun(t, exitOK, shorter...)
			for _, c := range []struct{ flag, value, want string }{
				{"--width", "4", "width = 8, not 4"}, {"--context", "16", "context of 8, not 16"}, {"--levels", "1,2", "leave --levels"},
				{"--tokenizer", "gpt2", "50257 tokens"},
			} {
				if _, errs := mustRun(t, exitBadInput, append(tune, c.flag, c.value, "--out", filepath.Join(t.TempDir(), "x"))...); !strings.Contains(errs, c.want) {
					t.Errorf("%s %s: %s", c.flag, c.value, errs)
				}
			}
		}
		file := filepath.Join(t.TempDir(), "m.gguf")
		mustRun(t, exitOK, "export", "gguf", whole, "--out", file, "--dtype", "f16")
		if b, _ := os.ReadFile(file); !bytes.HasPrefix(b, []byte("GGUF")) {
			t.Error("not a GGUF file")
		}
		if _, errs := mustRun(t, exitBadInput, "export", "gguf", whole, "--out", file); !strings.Contains(errs, "--force") {
			t.Errorf("%s", errs)
		}
		weights := filepath.Join(second, "model.safetensors")
		b, err := os.ReadFile(weights)
		if err != nil {
			t.Fatal(err)
		}
		binary.LittleEndian.PutUint32(b[len(b)-4:], math.Float32bits(1e6))
		if err := os.WriteFile(weights, b, 0o666); err != nil {
			t.Fatal(err)
		}
		large := filepath.Join(t.TempDir(), "large")
		if _, errs := mustRun(t, exitBadInput, "export", "hf", second, "--out", large, "--dtype", "f16"); !strings.Contains(errs, "--dtype f16: ") || !strings.Contains(errs, "too large") {
			t.Errorf("%s", errs)
		}
		if _, err := os.Stat(large); err == nil {
			t.Error("an empty directory is left")
		}
	})
	t.Run("refused", func(t *testing.T) {
		heun := filepath.Join(t.TempDir(), "heun")
		mustRun(t, exitOK, append(tiny(t, heun), "--method", "heun")...)
		for _, format := range []string{"hf", "gguf"} {
			out := filepath.Join(t.TempDir(), "out")
			if _, errs := mustRun(t, exitBadInput, "export", format, heun, "--out", out); !strings.Contains(errs, "several stages") {
				t.Errorf("%s", errs)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("something was written")
			}
		}
		for _, args := range [][]string{{"plan"}, {"train", "--out", filepath.Join(t.TempDir(), "x")}} {
			if _, errs := mustRun(t, exitBadInput, append(args, "--init", heun, "--data", data, "--batch", "2")...); !strings.Contains(errs, "another tokenizer than the data") {
				t.Errorf("%v: %s", args, errs)
			}
		}
		for want, args := range map[string][]string{
			"another tokenizer than the model": {"eval", heun, "--data", data},
			"leave it out":                     {"train", "--data", data, "--tokenizer", "bytes", "--out", filepath.Join(t.TempDir(), "x")},
			"the network in":                   {"generate", whole, "--tokenizer", "gpt2"},
			"fill no":                          nil,
			"needs at least 9":                 {"eval", whole, "--data", textFile, "--tokens", "5"},
			"--top-p 0":                        {"generate", whole, "--top-p", "0"},
			"no tokenizer.json":                {"import", "hf", withoutTokenizer(t, whole)},
			"model_type":                       {"generate", writeFiles(t, map[string]string{gpt2.ConfigFile: "{}"})},
		} {
			if args == nil {
				continue
			}
			if _, errs := mustRun(t, exitBadInput, args...); !strings.Contains(errs, want) {
				t.Errorf("%v: %s, want %q", args, errs, want)
			}
		}
	})
	t.Run("damaged", func(t *testing.T) { // a token that is none ends the run, which keeps its checkpoints
		entries, err := filepath.Glob(filepath.Join(data, "train-*.bin"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range entries {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := range b {
				b[i] = 0xff
			}
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if code, _, errs := vcycle(t, args(filepath.Join(t.TempDir(), "x"))...); code == exitOK || !strings.Contains(errs, "is damaged: token 65535") {
			t.Errorf("%d %s", code, errs)
		}
		if _, errs := mustRun(t, exitBadInput, "data", "verify", data); !strings.Contains(errs, "is damaged") {
			t.Errorf("%s", errs)
		}
	})
}

// withoutTokenizer exports a run and removes the tokenizer.
func withoutTokenizer(t *testing.T, run string) string {
	dir := filepath.Join(t.TempDir(), "hf")
	mustRun(t, exitOK, "export", "hf", run, "--out", dir)
	if err := os.Remove(filepath.Join(dir, "tokenizer.json")); err != nil {
		t.Fatal(err)
	}
	return dir
}
