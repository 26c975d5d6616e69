package shards

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/internal/mapped"
	"github.com/vcycle-go/vcycle/internal/token"
)

// build writes a directory whose parts have the given tokens, in pieces of odd sizes, and returns its manifest.
func build(t testing.TB, dir string, width int, train, val []int32) *Manifest {
	t.Helper()
	vocab := map[int]int{1: 256, 2: 300, 4: 1 << 17}[width]
	k := tokenizer(t, vocab)
	if err := os.WriteFile(filepath.Join(dir, TokenizerFile), k.JSON(), 0o666); err != nil {
		t.Fatal(err)
	}
	m := &Manifest{TokenBytes: width, Tokenizer: Tokenizer{k.Name(), k.SHA256(), k.Vocab(), k.EndOfText()}}
	for _, p := range []struct {
		name string
		ids  []int32
		part *Part
	}{{"train", train, &m.Train}, {"val", val, &m.Val}} {
		w, err := NewWriter(dir, p.name, width, 50, State{})
		if err != nil {
			t.Fatal(err)
		}
		for part := range slices.Chunk(p.ids, 17) {
			if err := w.Append(part); err != nil {
				t.Fatal(err)
			}
		}
		if p.part.Shards, err = w.Finish(); err != nil {
			t.Fatal(err)
		}
		p.part.Tokens = int64(len(p.ids))
	}
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	return m
}

// tokenizer returns one with so many tokens; large ones have words made up.
func tokenizer(t testing.TB, vocab int) *token.Tokenizer {
	t.Helper()
	if vocab == 256 {
		return token.Bytes()
	}
	k := token.Bytes()
	var f map[string]any
	if err := json.Unmarshal(k.JSON(), &f); err != nil {
		t.Fatal(err)
	}
	words := f["model"].(map[string]any)["vocab"].(map[string]any)
	for i := 256; i < vocab-1; i++ {
		words[fmt.Sprintf("word%d", i)] = i
	}
	f["added_tokens"] = []any{map[string]any{"id": vocab - 1, "content": "<|endoftext|>", "special": true}}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if k, err = token.Parse(text); err != nil {
		t.Fatal(err)
	}
	return k
}

func random(n, vocab int) []int32 {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(vocab)))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = rng.Int32N(int32(vocab))
	}
	return ids
}

func TestRoundTrip(t *testing.T) {
	for width, vocab := range map[int]int{1: 256, 2: 300, 4: 1 << 17} {
		dir := t.TempDir()
		train, val := random(173, vocab), random(50, vocab)
		m := build(t, dir, width, train, val)
		if len(m.Train.Shards) != 4 || len(m.Val.Shards) != 1 || !Is(dir) {
			t.Errorf("%d and %d shards", len(m.Train.Shards), len(m.Val.Shards))
		}
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := Verify(context.Background(), dir, s.Manifest, io.Discard); err != nil {
			t.Error(err)
		}
		dst := make([]int32, len(train))
		for at := range len(train) {
			for _, n := range []int{0, 1, 50, 101, len(train) - at} {
				if at+n > len(train) {
					continue
				}
				if err := s.Train.Read(int64(at), dst[:n]); err != nil || !slices.Equal(dst[:n], train[at:at+n]) {
					t.Fatalf("width %d: %d tokens at %d: %v", width, n, at, err)
				}
			}
		}
		if err := s.Val.Read(0, dst[:50]); err != nil || !slices.Equal(dst[:50], val) {
			t.Errorf("validation: %v", err)
		}
		if n := testing.AllocsPerRun(10, func() { s.Train.Read(40, dst[:100]) }); n != 0 {
			t.Errorf("Read allocates %g times", n)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A shard that is truncated under a reader is an error that names it.
func TestTruncated(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is mapped cannot be truncated there")
	}
	dir := t.TempDir()
	m := build(t, dir, 2, random(50, 300), random(50, 300))
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	name := m.Train.Shards[0].File
	if err := os.Truncate(filepath.Join(dir, name), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Train.Read(0, make([]int32, 50)); !errors.Is(err, mapped.ErrFault) || !strings.Contains(err.Error(), name) {
		t.Errorf("error %v", err)
	}
}

// TestContinue stops within and between shards, leaves more in the file than is accounted for, and
// continues.
func TestContinue(t *testing.T) {
	ids := random(130, 300)
	want := build(t, t.TempDir(), 2, ids, ids).Train.Shards
	for _, stop := range []int{0, 1, 49, 50, 51, 100, 129} {
		dir := t.TempDir()
		w, err := NewWriter(dir, "train", 2, 50, State{})
		if err != nil {
			t.Fatal(err)
		}
		w.Append(ids[:stop])
		state, err := w.Sync()
		if err != nil {
			t.Fatal(err)
		}
		w.Append(ids[stop:min(len(ids), stop+20)])
		w.Sync()
		w.Close()
		if w, err = NewWriter(dir, "train", 2, 50, state); err != nil {
			t.Fatal(err)
		}
		w.Append(ids[stop:])
		if got, err := w.Finish(); err != nil || !slices.Equal(got, want) {
			t.Fatalf("stopped after %d tokens: %v, %v", stop, got, err)
		}
	}
	dir := t.TempDir()
	if _, err := NewWriter(dir, "train", 2, 50, State{Open: 3}); err == nil || !strings.Contains(err.Error(), "begin again") {
		t.Errorf("continuing a file that is not there: %v", err)
	}
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	m := build(t, dir, 2, random(120, 300), random(50, 300))
	shard := filepath.Join(dir, m.Train.Shards[1].File)
	good, err := os.ReadFile(shard)
	if err != nil {
		t.Fatal(err)
	}
	bad := slices.Clone(good)
	bad[21] = 0xff // token 10 becomes more than 300
	os.WriteFile(shard, bad, 0o666)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]int32, 120)
	if err := s.Train.Read(0, dst); err == nil || !strings.Contains(err.Error(), "train-00001.bin is damaged") || !strings.Contains(err.Error(), "position 10") {
		t.Errorf("a token that is none: %v", err)
	}
	if err := s.Train.Read(0, dst[:60]); err != nil {
		t.Errorf("before it: %v", err)
	}
	if err := Verify(context.Background(), dir, m, io.Discard); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Verify: %v", err)
	}
	s.Close()
	os.WriteFile(shard, good[:99], 0o666)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "99 bytes") {
		t.Errorf("cut off: %v", err)
	}
	os.WriteFile(shard, good, 0o666)
	os.WriteFile(filepath.Join(dir, TokenizerFile), token.Bytes().JSON(), 0o666)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "not the tokenizer") {
		t.Errorf("another tokenizer: %v", err)
	}
	os.Remove(filepath.Join(dir, ManifestFile))
	if _, err := Open(dir); err == nil || Is(dir) {
		t.Errorf("without a manifest: %v", err)
	}
}

func manifestText(t testing.TB) string {
	dir := t.TempDir()
	build(t, dir, 2, random(120, 300), random(50, 300))
	text, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestManifestRefused(t *testing.T) {
	good := manifestText(t)
	for _, c := range []struct{ old, new, want string }{
		{"vcycle-shards", "other", "its format"},
		{`"version": 1`, `"version": 2`, "version 2"},
		{`"licence"`, `"license"`, "unknown field"},
		{`"vocab": 300`, `"vocab": 0`, "vocabulary of 0"},
		{`"vocab": 300`, `"vocab": 100000`, "tokens of 2 bytes"},
		{`"end_of_text": 299`, `"end_of_text": 300`, "token 300 of 300"},
		{"train-00000.bin", "../train-00000.bin", "no name of a file"},
		{"train-00000.bin", "train-00001.bin", "twice"},
		{"train-00000.bin", "manifest.json", "twice"},
		{`"tokens": 50`, `"tokens": 49`, "not 120"},
		{`"tokens": 50`, `"tokens": -1`, "-1 tokens"},
		{`"tokens": 50`, `"tokens": 9223372036854775807`, "tokens"},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("%q is not in the manifest", c.old)
		}
		if _, err := parse([]byte(strings.Replace(good, c.old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.new, err, c.want)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(manifestText(f)))
	f.Add([]byte(`{"format": "vcycle-shards", "version": 1, "train": {"shards": [{"file": "a", "tokens": 1}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parse(text)
		if err != nil {
			return
		}
		if m.Train.Tokens < 0 || m.Val.Tokens < 0 || m.Tokenizer.Vocab > maxVocab {
			t.Fatalf("%+v", m)
		}
		if err := m.Write(t.TempDir()); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzShard reads any bytes as a shard.
func FuzzShard(f *testing.F) {
	f.Add([]byte{1, 0, 43, 1, 44, 1}, 2)
	f.Add([]byte{1, 2, 3, 255, 255, 255, 255, 0}, 4)
	f.Fuzz(func(t *testing.T, b []byte, width int) {
		if width != 1 && width != 2 && width != 4 {
			return
		}
		n := len(b) / width
		k := &Tokens{files: [][]byte{b[:n*width]}, names: []string{"x"}, starts: []int64{0, int64(n)}, width: width, vocab: 300}
		dst := make([]int32, n)
		if k.Read(0, dst) == nil {
			for _, id := range dst {
				if id < 0 || id >= 300 {
					t.Fatalf("token %d", id)
				}
			}
		}
	})
}
