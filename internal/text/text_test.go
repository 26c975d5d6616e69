package text

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".gz") {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write([]byte(content))
		w.Close()
		content = b.String()
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.txt", "a.jsonl", "sub/c.txt.gz", ".hidden", ".git/x", "sub/d.NDJSON.gz"} {
		write(t, filepath.Join(dir, name), "x")
	}
	describe := func(args ...string) (list []string) {
		t.Helper()
		for i, a := range args {
			args[i] = filepath.Join(dir, a)
		}
		sources, err := Find(args, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sources {
			name, _ := filepath.Rel(dir, s.Path)
			list = append(list, fmt.Sprintf("%s %t %t %t", filepath.ToSlash(name), s.Lines, s.Gzip, s.Named))
		}
		return list
	}
	all := []string{"a.jsonl true false false", "b.txt false false false", "sub/c.txt.gz false true false", "sub/d.NDJSON.gz true true false"}
	if d := cmp.Diff(all, describe("")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"b.txt false false true", "a.jsonl true false true"}, describe("b.txt", "*.jsonl", "b.txt")); d != "" {
		t.Error(d)
	}
	skipped, err := Find([]string{dir}, func(d string) bool { return filepath.Base(d) == "sub" })
	if err != nil || len(skipped) != 2 {
		t.Errorf("without a directory: %v, %v", skipped, err)
	}
	write(t, filepath.Join(dir, "x.parquet"), "PAR1")
	os.Mkdir(filepath.Join(dir, "empty"), 0o777)
	for arg, want := range map[string]string{"missing": "no such file", "*.none": "no file matches", "x.parquet": "Parquet", "empty": "no files"} {
		if _, err := Find([]string{filepath.Join(dir, arg)}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", arg, err, want)
		}
	}
}

// documents reads a file in blocks of so many bytes, from every block on anew, and returns its documents.
func documents(t testing.TB, path string, f Format, size int) (docs []string, err error) {
	t.Helper()
	sources, err := Find([]string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	open := false
	for offset := int64(0); ; {
		r, err := sources[0].Open(f, offset, nil)
		if err != nil {
			return nil, err
		}
		r.size = size
		b, err := r.Next()
		r.Close()
		if err == io.EOF {
			if open {
				t.Error("the last block was not marked")
			}
			return docs, nil
		}
		if err != nil {
			return nil, err
		}
		if !b.Whole() {
			if b.First == open {
				t.Errorf("block at %d: first %t, inside a document %t", b.Offset, b.First, open)
			}
			if b.First {
				docs = append(docs, "")
			}
			open = !b.Last
		}
		err = b.Documents(func(text []byte) error {
			if b.Whole() {
				docs = append(docs, string(text))
			} else {
				docs[len(docs)-1] += string(text)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if b.Offset != offset && b.Offset != 3 {
			t.Errorf("a block at %d instead of %d", b.Offset, offset)
		}
		offset = b.End
	}
}

func TestDocuments(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("words and more words. ", 50)
	for i, c := range []struct {
		name, content string
		f             Format
		want          []string
	}{
		{"a.txt", long, Format{}, []string{long}},
		{"a.txt", "", Format{}, nil},
		{"a.txt", "\ufeffé", Format{}, []string{"é"}},
		{"a.txt", "\ufeffone two three", Format{}, []string{"one two three"}},
		{"a.txt", "one two three", Format{}, []string{"one two three"}}, // in blocks of which the second is at 3
		{"a.txt", strings.Repeat("é", 100), Format{}, []string{strings.Repeat("é", 100)}},
		{"a.txt", "one\n<E>\ntwo <E><E>  \n<E>three", Format{Separator: "<E>"}, []string{"one", "two ", "three"}},
		{"a.jsonl", "{\"text\": \"one\\n\"}\n\n{\"x\": 1, \"text\": \"\\u00e9\"}\r\n{\"text\": \"\"}\n{\"text\": \"last\"}", Format{Field: "text"}, []string{"one\n", "é", "last"}},
	} {
		for _, suffix := range []string{"", ".gz"} {
			path := write(t, filepath.Join(dir, fmt.Sprint(i), c.name+suffix), c.content)
			for _, size := range []int{1, 7, 64, 1 << 20} {
				got, err := documents(t, path, c.f, size)
				if d := cmp.Diff(c.want, got); d != "" || err != nil {
					t.Errorf("%q, blocks of %d: %s%v", c.content[:min(len(c.content), 40)], size, d, err)
				}
			}
			sources, _ := Find([]string{path}, nil)
			stats, _, err := Scan(context.Background(), sources, c.f, func(int64) {})
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := os.ReadFile(path)
			st := stats[0]
			if st.SHA256 != fmt.Sprintf("%x", sha256.Sum256(raw)) || st.Bytes != int64(len(c.content)) || st.Documents < int64(len(c.want)) || st.Documents > int64(len(c.want))+1 {
				t.Errorf("%q: %+v", c.content[:min(len(c.content), 40)], st)
			}
		}
	}
}

func TestDocumentsRefused(t *testing.T) {
	dir := t.TempDir()
	for i, c := range []struct{ name, content, want string }{
		{"a.txt", "one\ntwo \xff", "a.txt:2: not UTF-8: byte 0xff at byte 8"},
		{"a.txt", "cut off \xc3", "not UTF-8: byte 0xc3"},
		{"a.txt", "\x00", "a NUL at byte 0"},
		{"a.jsonl", "{\"text\": \"a\"}\n{\"text\": 3}", "a.jsonl:2: the field \"text\" is not text"},
		{"a.jsonl", "{\"text\": null}", "is not text"},
		{"a.jsonl", "[1]", "not a line of JSON"},
		{"a.jsonl", "{\"body\": \"a\"}", "no field \"text\""},
		{"a.jsonl", "{\"text\": \"\\u0000\"}", "NUL"},
		{"a.jsonl", "{\"text\": \"\xff\"}", "not UTF-8"},
	} {
		path := write(t, filepath.Join(dir, fmt.Sprint(i), c.name), c.content)
		if _, err := documents(t, path, Format{Field: "text"}, 1<<20); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.content, err, c.want)
		}
	}
	path := write(t, filepath.Join(dir, "x.txt.gz"), strings.Repeat("random enough 1928374", 100))
	raw, _ := os.ReadFile(path)
	for n, want := range map[int]string{0: "not compressed", 5: "", len(raw) / 2: "cut off", len(raw) - 1: "cut off"} {
		os.WriteFile(path, raw[:n], 0o666)
		if _, err := documents(t, path, Format{}, 1<<20); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("cut to %d of %d bytes: error %v", n, len(raw), err)
		}
	}
	write(t, filepath.Join(dir, "d", "bin"), "\x00\x01")
	write(t, filepath.Join(dir, "d", "txt"), "text")
	sources, _ := Find([]string{filepath.Join(dir, "d")}, nil)
	stats, binary, err := Scan(context.Background(), sources, Format{}, func(int64) {})
	if len(stats) != 1 || binary != 1 || err != nil {
		t.Errorf("%d files, %d binary, %v", len(stats), binary, err)
	}
}

// FuzzLines reads anything as JSON lines, in blocks of any size.
func FuzzLines(f *testing.F) {
	f.Add([]byte("{\"text\": \"a\"}\n{\"text\": \"b\"}"), uint16(5))
	f.Add([]byte("\ufeff{\"text\": \"\\ud800\"}\n\n"), uint16(1))
	f.Add([]byte("{\"text\": [1]}"), uint16(100))
	path := filepath.Join(f.TempDir(), "x.jsonl")
	f.Fuzz(func(t *testing.T, content []byte, size uint16) {
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		small, err := documents(t, path, Format{Field: "text"}, int(size)+1)
		large, other := documents(t, path, Format{Field: "text"}, 1<<20)
		if (err == nil) != (other == nil) || err == nil && !cmp.Equal(small, large) {
			t.Fatalf("%q in blocks of %d: %q, %v; at once %q, %v", content, size, small, err, large, other)
		}
	})
}

// FuzzText reads anything as text, or as what gzip has made of text, in blocks of any size.
func FuzzText(f *testing.F) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write([]byte("one two\n--\nthree"))
	w.Close()
	f.Add([]byte("one two\n--\nthr\u00e9e"), uint16(4), false, "--")
	f.Add(packed.Bytes(), uint16(3), true, "")
	f.Add(append(packed.Bytes(), packed.Bytes()...), uint16(9), true, "\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte, size uint16, gz bool, separator string) {
		path := filepath.Join(dir, "x.txt")
		if gz {
			path += ".gz"
		}
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		small, err := documents(t, path, Format{Separator: separator}, int(size)+1)
		large, other := documents(t, path, Format{Separator: separator}, 1<<20)
		if (err == nil) != (other == nil) || err == nil && !cmp.Equal(small, large) {
			t.Fatalf("%q in blocks of %d: %q, %v; at once %q, %v", content, size, small, err, large, other)
		}
	})
}
