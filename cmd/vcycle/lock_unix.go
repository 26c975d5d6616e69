//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly || illumos

package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile locks f until it is closed, without waiting.
func lockFile(f *os.File) error {
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == unix.EINTR:
		case err == unix.EWOULDBLOCK:
			return errLocked
		case errors.Is(err, errors.ErrUnsupported) || err == unix.ENOLCK:
			return errNoLock
		default:
			return err
		}
	}
}
