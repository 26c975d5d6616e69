package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	write := func(text string, err error) error {
		return Write(path, func(w io.Writer) error {
			if _, e := io.WriteString(w, text); e != nil {
				return e
			}
			return err
		})
	}
	check := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("the file holds %q (%v), want %q", got, err, want)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("left behind: %v (%v)", entries, err)
		}
	}
	if err := os.WriteFile(path+".tmp", []byte("left by a crash, and longer than the new one"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := write("one", nil); err != nil {
		t.Fatal(err)
	}
	check("one")
	full := errors.New("no space left on device")
	if err := write("tw", full); !errors.Is(err, full) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want %v and the path", err, full)
	}
	check("one")
	if err := write("two", nil); err != nil {
		t.Fatal(err)
	}
	check("two")
	body := func(io.Writer) error { return nil }
	if err := Write(filepath.Join(dir, "none", "file"), body); err == nil {
		t.Error("a directory that is not there: no error")
	}
	if err := Write(dir, body); err == nil {
		t.Error("a path that is a directory: no error")
	}
	check("two")
}

// What is read back other than it was written does not take the file's place.
func TestWriteVerified(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write := func(text string) (Digest, error) {
		return WriteVerified(path, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		})
	}
	want, err := write("one")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Sum(path); err != nil || got != want || want.Bytes != 3 {
		t.Errorf("it holds %+v (%v), and %+v were written", got, err, want)
	}
	Fault = func(operation, path string) error {
		if operation == "close" {
			return os.WriteFile(path, []byte("twq"), 0o666)
		}
		return nil
	}
	defer func() { Fault = nil }()
	if _, err := write("two"); err == nil || !strings.Contains(err.Error(), "read back") {
		t.Errorf("another file is read back: error %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "one" {
		t.Errorf("the file holds %q (%v)", text, err)
	}
}
