package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// lockFile marks the directory of a run that a process trains. The system holds the lock on it, and lets it go
// however the process ends; the file stays, and says nothing by being there.
func (d runDir) lockFile() string { return filepath.Join(string(d), "run.lock") }

var (
	errLocked = errors.New("locked")                                                  // by another process
	errNoLock = fmt.Errorf("the file system has no locks: %w", errors.ErrUnsupported) // not even for one
)

// lock keeps other processes from writing to the run until unlock. The error names the process that
// does.
func (d runDir) lock(s *session) (unlock func(), err error) {
	f, err := os.OpenFile(d.lockFile(), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, plainPathError(err)
	}
	err = lockFile(f)
	for range 5 { // who only looks whether the run is in use lets go at once
		if !errors.Is(err, errLocked) {
			break
		}
		time.Sleep(20 * time.Millisecond)
		err = lockFile(f)
	}
	switch {
	case errors.Is(err, errLocked):
		defer f.Close()
		return nil, badf("%s is in use by another vcycle%s: one process at a time can train a run; wait for it, or stop it first", d, holder(f))
	case errors.Is(err, errors.ErrUnsupported):
		s.warn("%s: %v: nothing keeps a second process from training the same run", d, err)
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("%s: %w", d.lockFile(), err)
	}
	// For people: the lock is the system's.
	if err := f.Truncate(0); err == nil {
		fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return func() {
		f.Truncate(0)
		f.Close() // ends the lock
	}, nil
}

// inUse tells whether a process trains the run, and which, if the file says so. Where the file system has no
// locks, nobody seems to.
func (d runDir) inUse() (pid int, ok bool) {
	f, err := os.OpenFile(d.lockFile(), os.O_RDWR, 0) // NFS locks no file that is open for reading only
	if err != nil {
		if f, err = os.Open(d.lockFile()); err != nil {
			return 0, false
		}
	}
	defer f.Close() // ends the lock
	if !errors.Is(lockFile(f), errLocked) {
		return 0, false
	}
	return pidIn(f), true
}

// holder returns ", process 123" of the process that the file names, if it does.
func holder(f *os.File) string {
	if pid := pidIn(f); pid > 0 {
		return fmt.Sprintf(", process %d", pid)
	}
	return ""
}

// pidIn returns the number that a lock file holds, or 0.
func pidIn(f *os.File) int {
	text, _ := io.ReadAll(io.LimitReader(f, 32))
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
