package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
	"github.com/vcycle-go/vcycle/multilevel"
	"github.com/vcycle-go/vcycle/nn"
)

// runDir is the directory that holds everything of a run.
type runDir string

func (d runDir) config() string      { return filepath.Join(string(d), "config.toml") }
func (d runDir) metrics() string     { return filepath.Join(string(d), "metrics.jsonl") }
func (d runDir) summary() string     { return filepath.Join(string(d), "summary.json") }
func (d runDir) plot() string        { return filepath.Join(string(d), "loss.png") }
func (d runDir) checkpoints() string { return filepath.Join(string(d), "checkpoint") }

// newRunDir returns where a new run is to be written: out, which must not exist or be empty, or a name
// from the time under runs. It creates nothing.
func newRunDir(out string, now time.Time) (runDir, error) {
	if out != "" {
		entries, err := os.ReadDir(out)
		switch {
		case errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0:
			return runDir(out), nil
		case err != nil:
			return "", badf("--out %s cannot be written: %w", out, errors.Unwrap(err))
		}
		return "", badf("--out %s: the directory is not empty: choose another, or continue its run with --resume %s", out, out)
	}
	name := filepath.Join("runs", now.Format("20060102-150405"))
	for i, try := 2, name; ; i++ {
		if _, err := os.Lstat(try); errors.Is(err, fs.ErrNotExist) {
			return runDir(try), nil
		} else if err != nil {
			return "", badf("%w", plainPathError(err))
		}
		try = fmt.Sprintf("%s-%d", name, i)
	}
}

// createRunDir makes the directories of a new run where newRunDir says. Of two runs that want the same
// name from the time, the later gets another one.
func createRunDir(out string, now time.Time) (runDir, error) {
	for {
		d, err := newRunDir(out, now)
		if err != nil {
			return "", err
		}
		if err = d.create(); err == nil {
			return d, nil
		}
		if out != "" || !errors.Is(err, fs.ErrExist) {
			return "", badf("--out %s cannot be written: %w", d, plainPathError(err))
		}
	}
}

// create makes the directories of a new run, which no other run can have made.
func (d runDir) create() error {
	if err := os.MkdirAll(string(d), 0o777); err != nil {
		return err
	}
	return os.Mkdir(d.checkpoints(), 0o777)
}

// writable returns an error if no checkpoint can be written.
func (d runDir) writable() error {
	f, err := os.CreateTemp(d.checkpoints(), "probe-*.tmp")
	if err != nil {
		return plainPathError(err)
	}
	f.Close()
	return os.Remove(f.Name())
}

// loadDecoder returns the network of a checkpoint.
func loadDecoder(path string) (*nn.Decoder, error) {
	d, _, err := multilevel.LoadDecoder(path)
	return d, err
}

// writeFile replaces the file path as a whole.
func writeFile(path string, content []byte) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}
