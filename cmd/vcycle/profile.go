package main

import (
	"io"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"runtime/trace"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
)

// profiles are flags of commands whose time and memory can be looked into.
type profiles struct {
	CPUProfile string `name:"cpuprofile" group:"profile" placeholder:"FILE" help:"Write a CPU profile, for go tool pprof."`
	MemProfile string `name:"memprofile" group:"profile" placeholder:"FILE" help:"Write a profile of what has been allocated, for go tool pprof."`
	Trace      string `name:"trace" group:"profile" placeholder:"FILE" help:"Write an execution trace, for go tool trace."`
}

// start begins what is asked for. end, once the command is through or interrupted, writes the files, each
// as a whole, and returns the first error.
func (p profiles) start() (end func() error, err error) {
	files := map[string]string{}
	for _, f := range [][2]string{{"cpuprofile", p.CPUProfile}, {"memprofile", p.MemProfile}, {"trace", p.Trace}} {
		if f[1] == "" {
			continue
		}
		path := filepath.Clean(f[1])
		if other := files[path]; other != "" {
			return nil, badf("--%s and --%s are the same file %s: give each its own", other, f[0], path)
		}
		files[path] = f[0]
	}
	var ends []func() error
	end = func() (first error) {
		for _, f := range ends {
			if err := f(); first == nil {
				first = err
			}
		}
		return first
	}
	for _, f := range []struct {
		flag, path string
		start      func(io.Writer) error
		stop       func()
	}{
		{"cpuprofile", p.CPUProfile, pprof.StartCPUProfile, pprof.StopCPUProfile},
		{"trace", p.Trace, trace.Start, trace.Stop},
		{"memprofile", p.MemProfile, func(io.Writer) error { return nil }, func() {}},
	} {
		if f.path == "" {
			continue
		}
		begun, stop, done := make(chan error, 1), make(chan struct{}), make(chan error, 1)
		go func() {
			started := false
			err := atomicfile.Write(f.path, func(w io.Writer) error {
				if err := f.start(w); err != nil {
					return err
				}
				started = true
				begun <- nil
				<-stop
				f.stop()
				if f.flag == "memprofile" {
					runtime.GC() // so that what is in use is up to date
					return pprof.Lookup("allocs").WriteTo(w, 0)
				}
				return nil
			})
			if !started {
				begun <- err
			}
			done <- err
		}()
		if err := <-begun; err != nil {
			end() // the error to tell is this one
			return nil, badf("--%s %s cannot be written: %w", f.flag, filepath.Clean(f.path), plainPathError(err))
		}
		ends = append(ends, func() error {
			close(stop)
			return <-done
		})
	}
	return end, nil
}
