package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockFile locks f until it is closed, without waiting. A lock of Windows keeps others from reading what it
// covers: this is a byte far behind the end, so that they can read who holds it.
func lockFile(f *os.File) error {
	at := windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	switch err {
	case windows.ERROR_LOCK_VIOLATION, windows.ERROR_IO_PENDING:
		return errLocked
	case windows.ERROR_NOT_SUPPORTED, windows.ERROR_INVALID_FUNCTION:
		return errNoLock
	}
	return err
}
