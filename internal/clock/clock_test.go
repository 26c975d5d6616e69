package clock

import (
	"runtime"
	"testing"
)

// TestThread has the clock go on while its thread works.
func TestThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start, x := Thread(), uint64(1)
	for start == Thread() {
		x = x*x + 1
	}
	if Thread() < start {
		t.Errorf("from %v to %v", start, Thread())
	}
	runtime.KeepAlive(x)
}
