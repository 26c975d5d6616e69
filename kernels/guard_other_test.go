//go:build !linux

package kernels

import "testing"

// newGuarded returns slots of n elements without guard pages, which only the test on Linux makes.
func newGuarded(t *testing.T, slots, n int) *guarded {
	t.Helper()
	g := new(guarded)
	for range slots {
		g.slots = append(g.slots, make([]float32, n+2*canaries))
	}
	return g
}

func faults(f func()) error {
	f()
	return nil
}
