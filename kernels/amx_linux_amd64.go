//go:build !noasm && !purego

package kernels

import (
	"os"

	"golang.org/x/sys/unix"
)

// allowAMX asks the kernel for the registers of AMX, which a process has only on demand: they make the
// signal frames of all its threads larger. It refuses if it does not know them, or if a thread has too small a
// stack for signals; Go's have 32 KB, and the frame takes 11. The environment variable VCYCLE_AMX=0 says
// not to ask.
func allowAMX() bool {
	const (
		requestPermission = 0x1023 // ARCH_REQ_XCOMP_PERM (Linux, Documentation/arch/x86/xstate.rst)
		tileData          = 18     // the component of XSAVE
	)
	if os.Getenv("VCYCLE_AMX") == "0" {
		return false
	}
	_, _, errno := unix.RawSyscall(unix.SYS_ARCH_PRCTL, requestPermission, tileData, 0)
	return errno == 0
}
