package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// Thread returns how long this thread has run. What programs that it shares its core with take is not in it. The
// goroutine is to be locked to the thread.
func Thread() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return elapsed()
	}
	return time.Duration(t.Nano())
}
