// Package clock times what runs on one thread.
package clock

import "time"

var started = time.Now()

// elapsed returns the time since the program started.
func elapsed() time.Duration { return time.Since(started) }
