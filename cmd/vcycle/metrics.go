package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
	"github.com/vcycle-go/vcycle/multilevel"
)

// metricsLog is metrics.jsonl: one object a line and a line a step, appended as the steps end.
type metricsLog struct {
	f    *os.File
	all  []multilevel.Metrics // what the file holds
	line bytes.Buffer
}

// openMetrics opens or creates the log at path, cut back to the first steps steps: what a crash left
// behind the checkpoint that a run continues from, and a line that it left half-written, goes. If the log
// is damaged before that step, the whole of it is kept beside, as path with .damaged.
func openMetrics(path string, steps int) (*metricsLog, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, plainPathError(err)
	}
	all, size, damaged, err := readMetrics(f, steps)
	if err == nil && damaged {
		err = copyFile(f, path+".damaged")
	}
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &metricsLog{f: f, all: all}, nil
}

// copyFile writes all that f holds to path.
func copyFile(f *os.File, path string) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}

// readMetrics returns the whole lines up to that of step steps, and the number of bytes that they take.
// It stops, and reports damage, at a line that is not metrics or does not follow the one before.
func readMetrics(r io.Reader, steps int) (all []multilevel.Metrics, size int64, damaged bool, err error) {
	lines := bufio.NewReader(r)
	for last := 0; last < steps; {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			break
		} else if err != nil {
			return nil, 0, false, err
		}
		var m multilevel.Metrics
		if json.Unmarshal(line, &m) != nil || m.Step <= last {
			return all, size, true, nil
		}
		if m.Step > steps {
			break
		}
		last = m.Step
		all = append(all, m)
		size += int64(len(line))
	}
	return all, size, false, nil
}

// readMetrics returns the metrics of a run that need not be finished.
func (d runDir) readMetrics() ([]multilevel.Metrics, error) {
	f, err := os.Open(d.metrics())
	if err != nil {
		return nil, plainPathError(err)
	}
	defer f.Close()
	all, _, _, err := readMetrics(f, math.MaxInt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.metrics(), err)
	}
	return all, nil
}

// append writes the line of one step with a single system call.
func (l *metricsLog) append(m multilevel.Metrics) error {
	l.line.Reset()
	if err := json.NewEncoder(&l.line).Encode(m); err != nil {
		return err
	}
	if _, err := l.f.Write(l.line.Bytes()); err != nil {
		return err
	}
	l.all = append(l.all, m)
	return nil
}

// sync brings the lines to the disk, so that no checkpoint is ahead of them.
func (l *metricsLog) sync() error { return l.f.Sync() }

func (l *metricsLog) close() error { return errors.Join(l.f.Sync(), l.f.Close()) }

// missing returns how many of the first steps have no line, as when the file was edited or lost.
func (l *metricsLog) missing(steps int) int { return steps - len(l.all) }

// at returns the metrics of a step, or nil.
func (l *metricsLog) at(step int) *multilevel.Metrics {
	i, ok := slices.BinarySearchFunc(l.all, step, func(m multilevel.Metrics, step int) int { return m.Step - step })
	if !ok {
		return nil
	}
	return &l.all[i]
}

// last returns the metrics of the last step, or the zero value before the first.
func (l *metricsLog) last() multilevel.Metrics {
	if len(l.all) == 0 {
		return multilevel.Metrics{}
	}
	return l.all[len(l.all)-1]
}
