//go:build unix

package main

import (
	"errors"
	"syscall"
	"testing"
)

// skipIfForeign skips a test whose child could not start because this process runs in an emulator that
// the kernel does not know of.
func skipIfForeign(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, syscall.ENOEXEC) {
		t.Skip("the kernel cannot start this binary: ", err)
	}
}
