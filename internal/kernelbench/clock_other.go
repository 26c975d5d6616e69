//go:build !linux

package kernelbench

import "time"

// threadTime returns the time, for want of how long this thread has run.
func threadTime() time.Duration { return elapsed() }
