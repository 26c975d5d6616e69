package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

func (d runDir) checkpoint(step int) string {
	return filepath.Join(d.checkpoints(), fmt.Sprintf("step-%08d.safetensors", step))
}

// keptCheckpoints is how many checkpoints stay: the newest, and the one before in case the newest is
// damaged.
const keptCheckpoints = 2

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

// steps returns the steps of the checkpoints there are, newest first.
func (d runDir) steps() ([]int, error) {
	entries, err := os.ReadDir(d.checkpoints())
	if err != nil {
		return nil, plainPathError(err)
	}
	var steps []int
	for _, e := range entries {
		var step int
		if n, _ := fmt.Sscanf(e.Name(), "step-%d.safetensors", &step); n == 1 && filepath.Base(d.checkpoint(step)) == e.Name() {
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	slices.Reverse(steps)
	return steps, nil
}

// prune removes the checkpoints of later steps than step, which are damaged, those before the newest
// that are kept, and what an interrupted save left. It returns the first error.
func (d runDir) prune(step int) error {
	entries, err := os.ReadDir(d.checkpoints())
	if err != nil {
		return plainPathError(err)
	}
	var old []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tmp") {
			old = append(old, filepath.Join(d.checkpoints(), e.Name()))
		}
	}
	steps, err := d.steps()
	if err != nil {
		return err
	}
	kept := 0
	for _, s := range steps {
		if s > step || kept == keptCheckpoints {
			old = append(old, d.checkpoint(s))
		} else {
			kept++
		}
	}
	for _, path := range old {
		if e := os.Remove(path); e != nil && err == nil {
			err = plainPathError(e)
		}
	}
	return err
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

// newest opens the newest checkpoint that is whole, with open, and warns of newer ones that are not.
func newest[T any](d runDir, s *session, open func(path string) (T, error)) (v T, step int, err error) {
	steps, err := d.steps()
	if err != nil {
		return v, 0, badf("%s is not the directory of a run: %w", d, err)
	}
	if len(steps) == 0 {
		return v, 0, badf("%s holds no checkpoint: the run ended before the first was written; start it again with --config %s", d, d.config())
	}
	var first error
	for _, step := range steps {
		v, err := open(d.checkpoint(step))
		if err == nil {
			if first != nil {
				s.warn("%v; going back to the checkpoint of step %d", first, step)
			}
			return v, step, nil
		}
		if first == nil {
			first = err
		}
	}
	return v, 0, badInput{first}
}

// writeFile replaces the file path as a whole.
func writeFile(path string, content []byte) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}
