//go:build !linux

package clock

import "time"

// Thread returns the time, for want of how long this thread has run.
func Thread() time.Duration { return elapsed() }
