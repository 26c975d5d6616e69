// Package atomicfile replaces files as a whole.
package atomicfile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Digest is what a file holds, in short.
type Digest struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// Fault, where it is not nil, is asked before each operation on a file ("create", "write", "sync", "close",
// "read", "rename", "sync directory", "remove"), which fails with the error that it returns; a write that
// fails has written half. Tests fill the disk with it, or end the world at any instant.
var Fault func(operation, path string) error

func fault(operation, path string) error {
	if Fault == nil {
		return nil
	}
	if err := Fault(operation, path); err != nil {
		return &os.PathError{Op: operation, Path: path, Err: err}
	}
	return nil
}

// Write writes a file through body, so that at any moment path holds its old content or the whole new
// one, even if the machine loses power: temporary file in the same directory, sync, rename, sync of the
// directory. The temporary is path with .tmp; one that an interrupted write left behind is overwritten.
func Write(path string, body func(io.Writer) error) error {
	_, err := write(path, body, false)
	return err
}

// WriteVerified is Write, and reads the temporary back before it is renamed: what the system gives back has to
// be what was written. It returns the digest of that.
func WriteVerified(path string, body func(io.Writer) error) (Digest, error) {
	return write(path, body, true)
}

func write(path string, body func(io.Writer) error, verify bool) (d Digest, err error) {
	tmp := path + ".tmp"
	if err := fault("create", tmp); err != nil {
		return d, err
	}
	f, err := os.Create(tmp)
	if err != nil {
		return d, err
	}
	defer func() {
		if err != nil {
			f.Close() // a second time at worst
			Remove(tmp)
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	w := &writer{f: f}
	if verify {
		w.sum = sha256.New()
	}
	if err := body(w); err != nil {
		return d, err
	}
	if err := fault("sync", tmp); err != nil {
		return d, err
	}
	if err := f.Sync(); err != nil {
		return d, err
	}
	if err := fault("close", tmp); err != nil {
		return d, err
	}
	if err := f.Close(); err != nil {
		return d, err
	}
	if verify {
		d = Digest{w.n, hex.EncodeToString(w.sum.Sum(nil))}
		if got, err := Sum(tmp); err != nil {
			return d, fmt.Errorf("reading it back: %w", err)
		} else if got != d {
			return d, fmt.Errorf("read back, it holds %d bytes with SHA-256 %.12s…, not the %d bytes with %.12s… that were written: the disk or the memory is failing",
				got.Bytes, got.SHA256, d.Bytes, d.SHA256)
		}
	}
	if err := rename(tmp, path); err != nil {
		return d, err
	}
	return d, syncDir(filepath.Dir(path))
}

// writer writes to f, and counts and hashes what it writes.
type writer struct {
	f   *os.File
	n   int64
	sum hash.Hash // nil: none
}

func (w *writer) Write(p []byte) (int, error) {
	if err := fault("write", w.f.Name()); err != nil {
		n, _ := w.f.Write(p[:len(p)/2])
		return n, err
	}
	n, err := w.f.Write(p)
	w.n += int64(n)
	if w.sum != nil {
		w.sum.Write(p[:n])
	}
	return n, err
}

// Sum returns the digest of a file.
func Sum(path string) (Digest, error) {
	if err := fault("read", path); err != nil {
		return Digest{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return Digest{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.CopyBuffer(sum, struct{ io.Reader }{f}, make([]byte, 1<<18))
	return Digest{n, hex.EncodeToString(sum.Sum(nil))}, err
}

// Remove removes a file.
func Remove(path string) error {
	if err := fault("remove", path); err != nil {
		return err
	}
	return os.Remove(path)
}

// Rename gives a file another name in its directory, durably.
func Rename(from, to string) error {
	if err := rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// rename tries for a second on Windows, which refuses to replace a file while another program reads it.
func rename(from, to string) error {
	if err := fault("rename", to); err != nil {
		return err
	}
	err := os.Rename(from, to)
	for try := 0; err != nil && runtime.GOOS == "windows" && try < 20; try++ {
		time.Sleep(50 * time.Millisecond)
		err = os.Rename(from, to)
	}
	return err
}

// syncDir makes a rename in the directory durable. Windows cannot open directories for that, and its
// file systems log renames themselves.
func syncDir(dir string) error {
	if err := fault("sync directory", dir); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}
