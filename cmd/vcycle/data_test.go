package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vcycle-go/vcycle/internal/shards"
)

// writeFiles writes files below a new directory, compressed if their names say so.
func writeFiles(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".gz") {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			io.WriteString(w, content)
			w.Close()
			content = b.String()
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// jsonLines returns n documents as JSON lines.
func jsonLines(n int, text func(i int) string) string {
	var b strings.Builder
	for i := range n {
		line, _ := json.Marshal(map[string]any{"id": i, "text": text(i)})
		b.Write(append(line, '\n'))
	}
	return b.String()
}

// readPart returns the documents of a part, as text.
func readPart(t testing.TB, s *shards.Set, part *shards.Tokens) (docs []string) {
	t.Helper()
	ids := make([]int32, part.Len())
	if err := part.Read(0, ids); err != nil {
		t.Fatal(err)
	}
	var doc []byte
	for _, id := range ids {
		if id == s.Tokenizer.EndOfText() {
			docs = append(docs, string(doc))
			doc = doc[:0]
			continue
		}
		doc = append(doc, s.Tokenizer.Token(id)...)
	}
	if len(doc) > 0 {
		t.Errorf("the last document does not end: %q", doc)
	}
	return docs
}

func openShards(t testing.TB, dir string) *shards.Set {
	t.Helper()
	s, err := shards.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := shards.Verify(context.Background(), dir, s.Manifest, io.Discard); err != nil {
		t.Error(err)
	}
	return s
}

// manyDocuments has documents of all kinds, of which some are the same.
func manyDocuments(t testing.TB) string {
	text := func(i int) string { return fmt.Sprintf("Document %d has a text of its own.", i) }
	return writeFiles(t, map[string]string{
		"a.jsonl":        jsonLines(120, text),
		"b/c.jsonl.gz":   jsonLines(60, func(i int) string { return text(i + 100) }), // 20 of them again
		"b/d.txt":        "A file.\n" + strings.Repeat(fable, 40),
		"b/e.txt.gz":     text(7),
		"z/empty.txt":    "",
		"z/last.txt":     "The last one: " + strings.Repeat("é", 2000),
		".hidden":        "never",
		"z/binary":       "\x00\x01\x02",
		"z/again/copy.x": text(7),
	})
}

func TestPrepare(t *testing.T) {
	dir := manyDocuments(t)
	learned := filepath.Join(t.TempDir(), "t.json")
	mustRun(t, exitOK, "tokenizer", "train", "--vocab", "400", "--out", learned, dir)
	for _, tokenizer := range []string{"bytes", "gpt2", learned} {
		out := filepath.Join(t.TempDir(), "shards")
		stdout, _ := mustRun(t, exitOK, "data", "prepare", "--out", out, "--tokenizer", tokenizer, "--val", "0.1", "--dedup", "--shard-tokens", "1500", "--licence", "ours", dir)
		if !strings.Contains(stdout, "22 duplicates left out, 1 binary file left out") {
			t.Errorf("%s", stdout)
		}
		s := openShards(t, out)
		m := s.Manifest
		if m.Licence != "ours" || m.Duplicates != 22 || len(m.Sources) != 7 || len(m.Train.Shards) < 2 {
			t.Errorf("%s: %+v", tokenizer, m)
		}
		train, val := readPart(t, s, s.Train), readPart(t, s, s.Val)
		if int64(len(train)) != m.Train.Documents || int64(len(val)) != m.Val.Documents {
			t.Errorf("%d and %d documents, the manifest has %d and %d", len(train), len(val), m.Train.Documents, m.Val.Documents)
		}
		// The two long files are cut, of the others every tenth or so is for validation, and each is there once.
		if n := len(val); n < 15 || n > 20 {
			t.Errorf("%d documents for validation of %d", n, n+len(train))
		}
		seen := map[string]bool{}
		var bytes int
		for _, d := range append(train, val...) {
			if seen[d] {
				t.Errorf("twice: %q", d[:min(len(d), 40)])
			}
			seen[d] = true
			bytes += len(d)
		}
		for i := range 160 {
			if !seen[fmt.Sprintf("Document %d has a text of its own.", i)] {
				t.Errorf("document %d is missing", i)
			}
		}
		if int64(bytes) != m.Train.TextBytes+m.Val.TextBytes {
			t.Errorf("%d bytes of text, the manifest has %d and %d", bytes, m.Train.TextBytes, m.Val.TextBytes)
		}
		last := "The last one: " + strings.Repeat("é", 2000)
		if whole := train[len(train)-1] + val[len(val)-1]; !strings.Contains(whole, "é") && whole != last {
			t.Errorf("the last document is %d bytes", len(whole))
		}
		if entries, _ := os.ReadDir(out); len(entries) != 2+len(m.Train.Shards)+len(m.Val.Shards) {
			t.Errorf("%d files", len(entries))
		}
		mustRun(t, exitOK, "data", "verify", out)
		if _, errs := mustRun(t, exitBadInput, "data", "prepare", "--out", out, dir); !strings.Contains(errs, "prepared data are there") {
			t.Errorf("%s", errs)
		}
	}
}

// TestPrepareHere prepares a directory into itself, twice: what has been made of the data is not data.
func TestPrepareHere(t *testing.T) {
	dir := writeFiles(t, map[string]string{"a.txt": strings.Repeat(fable, 10)})
	mustRun(t, exitOK, tiny(t, filepath.Join(dir, "run"))...)
	for _, out := range []string{"one", "two"} {
		mustRun(t, exitOK, "data", "prepare", "--out", filepath.Join(dir, out), dir)
		if s := openShards(t, filepath.Join(dir, out)); len(s.Manifest.Sources) != 1 {
			t.Errorf("%s is made of %v", out, s.Manifest.Sources)
		}
	}
}

// TestPrepareFew has documents so few that each is cut.
func TestPrepareFew(t *testing.T) {
	one := strings.Repeat(fable, 30)
	out := filepath.Join(t.TempDir(), "shards")
	dir := writeFiles(t, map[string]string{"one.txt": one, "two.txt": "<E>" + fable + "\n<E>\n" + fable + "<E>"})
	mustRun(t, exitOK, "data", "prepare", "--out", out, "--separator", "<E>", filepath.Join(dir, "*.txt"))
	s := openShards(t, out)
	train, val := readPart(t, s, s.Train), readPart(t, s, s.Val)
	if len(train) != 3 || len(val) != 3 {
		t.Fatalf("%q %q", train, val)
	}
	for i, want := range []string{strings.Trim(one, "\n"), strings.Trim(fable, "\n"), strings.Trim(fable, "\n")} {
		if train[i]+val[i] != want || val[i][0] != ' ' || len(val[i]) > len(want)/20+10 {
			t.Errorf("document %d: %q", i, val[i])
		}
	}
}

// directory returns the files of a directory and their content.
func directory(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(content)
	}
	return files
}

// TestPrepareContinues interrupts a preparation after every block, and once more later; in the end the
// files are the same.
func TestPrepareContinues(t *testing.T) {
	dir := manyDocuments(t)
	prepare := func(out string, stopAfter int) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c := &prepareCmd{
			Files: []string{dir}, Out: out, Tokenizer: "bytes", Val: 0.1, Seed: 3, Dedup: true, ShardTokens: 5000,
			documentFlags: documentFlags{Field: "text"},
		}
		p, err := c.preparation(&session{ctx: ctx, stdout: io.Discard, stderr: io.Discard})
		if err != nil {
			return err
		}
		p.onJob = func() {
			if stopAfter--; stopAfter == 0 {
				cancel()
			}
		}
		if err := p.run(); err != nil {
			return err
		}
		_, err = p.finish()
		return err
	}
	whole := filepath.Join(t.TempDir(), "whole")
	if err := prepare(whole, -1); err != nil {
		t.Fatal(err)
	}
	want := directory(t, whole)
	for _, stop := range []int{1, 3, 6} {
		out := filepath.Join(t.TempDir(), "out")
		if err := prepare(out, stop); err != errInterrupted {
			t.Fatalf("stopped after %d blocks: %v", stop, err)
		}
		if shards.Is(out) {
			t.Error("there is a manifest")
		}
		_, errs := mustRun(t, exitBadInput, "data", "prepare", "--out", out, "--seed", "4", dir)
		if !strings.Contains(errs, "interrupted preparation of other data or with other options") {
			t.Errorf("%s", errs)
		}
		if err := prepare(out, 1); err != errInterrupted && err != nil {
			t.Fatal(err)
		}
		if !shards.Is(out) {
			if err := prepare(out, -1); err != nil {
				t.Fatal(err)
			}
		}
		got := directory(t, out)
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("stopped after %d blocks: %s differs", stop, name)
			}
		}
		if len(got) != len(want) {
			t.Errorf("stopped after %d blocks: %d files, want %d", stop, len(got), len(want))
		}
	}
}

// What a damaged state says of an open shard is not believed, even if the file is long enough.
func TestPrepareDamaged(t *testing.T) {
	c := &prepareCmd{
		Files: []string{manyDocuments(t)}, Tokenizer: "bytes", Val: 0.1, Seed: 3, ShardTokens: 50,
		documentFlags: documentFlags{Field: "text"},
	}
	for _, open := range []int64{-1, 50, 51} {
		for _, name := range []string{"train", "val"} {
			c.Out = filepath.Join(t.TempDir(), "out")
			p, err := c.preparation(&session{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			p.state.Train.Writer.Open, p.state.Val.Writer.Open = 0, open
			if name == "train" {
				p.state.Train.Writer.Open, p.state.Val.Writer.Open = open, 0
			}
			if err := p.saveState(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(c.Out, name+"-00000.bin"), make([]byte, 100), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := c.preparation(&session{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard}); err == nil || !strings.Contains(err.Error(), "is damaged: remove ") {
				t.Errorf("%d tokens of 50 in the open shard of %s: error %v", open, name, err)
			}
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	dir := writeFiles(t, map[string]string{"bad.txt": "line\nbad \xff", "a.txt": fable, "few.jsonl": jsonLines(1, func(int) string { return "x" })})
	full := writeFiles(t, map[string]string{"x": ""})
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"bad.txt"}, "bad.txt:2: not UTF-8: byte 0xff at byte 9"},
		{[]string{"none.txt"}, "no such file"},
		{[]string{"--val", "0", "a.txt"}, "--val 0"},
		{[]string{"--val", "NaN", "a.txt"}, "--val NaN"},
		{[]string{"--shard-tokens", "0", "a.txt"}, "--shard-tokens 0"},
		{[]string{"--tokenizer", "", "a.txt"}, "must not be empty"},
		{[]string{"--tokenizer", "a.txt", "a.txt"}, "a.txt"},
		{[]string{"--field", "", "a.txt"}, "--field"},
		{[]string{"--out", full, "a.txt"}, "not empty"},
		{[]string{"few.jsonl"}, "no document is left for the train part"},
	} {
		args := []string{"data", "prepare"}
		for _, a := range c.args {
			if strings.Contains(a, ".txt") || strings.Contains(a, ".jsonl") {
				a = filepath.Join(dir, a)
			}
			args = append(args, a)
		}
		if c.args[0] != "--out" {
			args = append(args, "--out", filepath.Join(t.TempDir(), "out"))
		}
		if _, errs := mustRun(t, exitBadInput, args...); !strings.Contains(errs, c.want) {
			t.Errorf("%v: %s, want %q", c.args, errs, c.want)
		}
	}
}

func TestGet(t *testing.T) {
	content := strings.Repeat(fable, 100)
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	w, _ := z.CreateHeader(&zip.FileHeader{Name: "inner", Method: zip.Store})
	io.WriteString(w, content)
	z.Close()
	broken := false // sends half and ends
	ranges := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := []byte(content)
		if r.URL.Path == "/zip" {
			body = archive.Bytes()
		}
		if r.URL.Path == "/404" {
			http.NotFound(w, r)
			return
		}
		if r.Header.Get("Range") != "" {
			ranges++
		}
		if broken {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.Write(body[:len(body)/2])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}))
	defer server.Close()
	digest := func(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
	plain := dataSet{name: "plain", file: "plain.txt", url: server.URL, size: int64(len(content)), sha256: digest([]byte(content))}
	zipped := dataSet{name: "zipped", file: "zipped.txt", url: server.URL + "/zip", size: int64(archive.Len()), sha256: digest(archive.Bytes()), member: "inner"}
	s := &session{ctx: context.Background(), stdout: io.Discard, stderr: io.Discard}
	for _, d := range []dataSet{plain, zipped} {
		out := filepath.Join(t.TempDir(), d.file)
		broken = true
		if err := d.get(s, out); err == nil || !strings.Contains(err.Error(), "continues") {
			t.Errorf("%s, interrupted: %v", d.name, err)
		}
		if _, err := os.Stat(out); err == nil {
			t.Error("half a download has the name of a whole one")
		}
		broken, ranges = false, 0
		if err := d.get(s, out); err != nil {
			t.Fatal(err)
		}
		if ranges != 1 {
			t.Errorf("%s: %d requests for the rest", d.name, ranges)
		}
		if got, _ := os.ReadFile(out); string(got) != content {
			t.Errorf("%s: %d bytes", d.name, len(got))
		}
		if entries, _ := os.ReadDir(filepath.Dir(out)); len(entries) != 1 {
			t.Errorf("%s: %d files are left", d.name, len(entries))
		}
		if err := d.get(s, out); (err == nil) != (d.member == "") {
			t.Errorf("%s, again: %v", d.name, err)
		}
	}
	bad := plain
	bad.sha256 = digest(nil)
	out := filepath.Join(t.TempDir(), "x")
	if err := bad.get(s, out); err == nil || !strings.Contains(err.Error(), "not the data set") {
		t.Errorf("other content: %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(out)); len(entries) != 0 {
		t.Error("what is wrong is kept")
	}
	bad = plain
	bad.url += "/404"
	if err := bad.get(s, out); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("not found: %v", err)
	}
	if _, errs := mustRun(t, exitBadInput, "data", "get", "tinyshakespear"); !strings.Contains(errs, `did you mean "tinyshakespeare"`) {
		t.Errorf("%s", errs)
	}
	if stdout, _ := mustRun(t, exitOK, "data", "get"); !strings.Contains(stdout, "enwik8") {
		t.Errorf("%s", stdout)
	}
	for _, d := range dataSets {
		if len(d.sha256) != 64 || d.size < 1 || d.licence == "" {
			t.Errorf("%+v", d)
		}
	}
}

// TestPrepareTokens compares with encoding all at once.
func TestPrepareTokens(t *testing.T) {
	content := strings.Repeat(sentences(1000)+"  \n\n it's ", 1200) // more than a block
	dir := writeFiles(t, map[string]string{"a.txt": content})
	learned := filepath.Join(t.TempDir(), "t.json")
	mustRun(t, exitOK, "tokenizer", "train", "--vocab", "1000", "--out", learned, dir)
	out := filepath.Join(t.TempDir(), "out")
	mustRun(t, exitOK, "data", "prepare", "--out", out, "--tokenizer", learned, dir)
	s := openShards(t, out)
	ids := make([]int32, s.Train.Len()+s.Val.Len())
	if err := s.Train.Read(0, ids[:s.Train.Len()]); err != nil {
		t.Fatal(err)
	}
	if err := s.Val.Read(0, ids[s.Train.Len()-1:len(ids)-1]); err != nil { // over the end of the training part
		t.Fatal(err)
	}
	want := append(s.Tokenizer.Encode([]byte(content)), s.Tokenizer.EndOfText())
	for i := range want {
		if ids[i] != want[i] {
			t.Fatalf("token %d of %d is %d, want %d", i, len(want), ids[i], want[i])
		}
	}
}
