package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/internal/mapped"
	"github.com/vcycle-go/vcycle/internal/token"
)

// TestEncodeAll: text that is encoded in parts has the tokens that it has as a whole.
func TestEncodeAll(t *testing.T) {
	gpt2, err := token.GPT2()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tokenizer *token.Tokenizer
		size      int
	}{{gpt2, 1<<20 + 1<<17}, {token.Bytes(), 3 << 20}, {gpt2, 0}} {
		text := []byte(sentences(c.size))
		want := c.tokenizer.NewEncoder().Append(nil, text)
		tokens, err := encodeAll(c.tokenizer, text)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]int32, tokens.Len())
		if err := tokens.Read(0, got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s, %d bytes: %d tokens, %v; want %d", c.tokenizer.Name(), len(text), len(got), err, len(want))
		}
	}
}

// A large file is mapped: the run has the bits of one that has read it, and ends with an error where it is cut off.
func TestMappedText(t *testing.T) {
	read, out := filepath.Join(t.TempDir(), "read"), filepath.Join(t.TempDir(), "mapped")
	args := tiny(t, read)
	mustRun(t, exitOK, args...)
	defer func(n int64) { mapFrom = n }(mapFrom)
	mapFrom = 1
	args = replaceArg(args, "--out", out)
	stdout, _ := mustRun(t, exitOK, args...)
	if !strings.Contains(stdout, "1 file, 1.90 kB to train, 100 B to validate; mapped into memory") || !strings.Contains(stdout, "data 0 B") {
		t.Errorf("it does not say that it is mapped:\n%s", stdout)
	}
	sameRun(t, read, out)
	data := args[slices.Index(args, "--data")+1]
	set := defaultSettings()
	set.Data, set.Context, set.Tokenizer = data, 8, "gpt2"
	tokens, err := loadDataset(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	mapFrom = 1 << 30
	same, err := loadDataset(t.Context(), set)
	if err != nil || same.source.Fingerprint() != tokens.source.Fingerprint() || tokens.mapped != 0 {
		t.Errorf("of a mapped file other tokens come: %v", err)
	}

	if runtime.GOOS == "windows" {
		return // what is mapped cannot be truncated there
	}
	mapFrom = 1
	truncated(t, read, replaceArg(args, "--out", filepath.Join(t.TempDir(), "truncated")))
	set.Tokenizer = ""
	d, err := loadDataset(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(data, 0); err != nil {
		t.Fatal(err)
	}
	source := d.source.(*mappedText)
	if source.Batch(0, make([]int32, 16), make([]int32, 16)); !errors.Is(source.Err(), mapped.ErrFault) || !strings.Contains(source.Err().Error(), data) {
		t.Errorf("error %v", source.Err())
	}
}

// truncated runs args, whose data another program cuts off after five steps, and then resumes with all of the data.
func truncated(t *testing.T, whole string, args []string) {
	t.Helper()
	out, data := args[slices.Index(args, "--out")+1], args[slices.Index(args, "--data")+1]
	text, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	code, _, stderr := vcycleUntil(t, cutOff{untilStep{context.Background(), out, 5}, data}, args...)
	steps := len(logLines(t, out))
	if code != exitFailed || steps < 5 || steps > 7 || !strings.HasSuffix(stderr, fmt.Sprintf("the last checkpoint in %s is of step %d\n", out, steps)) {
		t.Fatalf("exit code %d after %d steps, stderr %q", code, steps, stderr)
	}
	if err := os.WriteFile(data, text, 0o666); err != nil {
		t.Fatal(err)
	}
	mustRun(t, exitOK, "train", "--resume", out)
	sameRun(t, whole, out)
}

// cutOff is a context that truncates a file once a run has logged so many steps.
type cutOff struct {
	untilStep
	data string
}

func (c cutOff) Err() error {
	if c.untilStep.Err() != nil {
		return os.Truncate(c.data, 0) // and does so again
	}
	return nil
}

// What cannot be held is refused before it is read, with the command that makes shards of it.
func TestTooLarge(t *testing.T) {
	for _, c := range []struct {
		held, size int64
		tokenizer  string
		want       string // empty: it fits
	}{
		{1 << 20, 1 << 20, "gpt2", ""},
		{0, 1 << 60, "", ""}, // mapped
		{1 << 60, 1 << 60, "", "text holds 1.15 EB of text, for which 1.15 EB of memory is needed "},
		{0, 1 << 60, "tok.json", "for which 576 PB of memory is needed "},
		{0, 1 << 60, "tok.json", "with vcycle data prepare --tokenizer tok.json --out DIR text, "},
	} {
		err := (&corpus{path: "text", tokenizer: c.tokenizer}).fits(c.held, c.size)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
