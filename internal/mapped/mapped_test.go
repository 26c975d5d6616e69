package mapped

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	want := bytes.Repeat([]byte("0123456789"), 1000)
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
	data, err := Open(path)
	if err != nil || !bytes.Equal(data, want) {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	if err := Close(data); err != nil {
		t.Error(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{empty, filepath.Dir(path), path + "-not"} {
		if _, err := Open(path); err == nil || !bytes.Contains([]byte(err.Error()), []byte(path)) {
			t.Errorf("error %v does not name %s", err, path)
		}
	}
}

// What is cut off a file while it is mapped is an error, and only that.
func TestGuard(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is mapped cannot be truncated there")
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	data, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(data)
	var sum byte
	read := func() {
		for _, b := range data {
			sum += b
		}
	}
	if err := Guard(read); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	if err := Guard(read); !errors.Is(err, ErrFault) {
		t.Errorf("of a file that was truncated: %v", err)
	}
	for _, other := range []func(){func() { panic("other") }, func() { _ = data[len(data):][sum] }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("another panic is taken for a fault")
				}
			}()
			Guard(other)
		}()
	}
}
