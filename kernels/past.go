package kernels

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

// The kernels whose names end in Past store whole lines past the caches. A line that is in no cache is then
// not read before it is overwritten: on Zen 4 that makes Euler 1.5 and FromBFloat16 2.5 times as fast. But
// where all that a call touches fits in the last-level cache, the next call finds the results there. The
// destination of all but copyPast begins at a line. A row without them has nil.

// lastLevel is the size of the last-level cache in bytes.
var lastLevel = func() int {
	if l3 := cpuid.CPU.Cache.L3; l3 > 0 {
		return l3
	}
	return 1 << 25
}()

// secondLevel is the size of the second-level cache in bytes.
var secondLevel = func() int {
	if l2 := cpuid.CPU.Cache.L2; l2 > 0 {
		return l2
	}
	return 1 << 19
}()

// beyondCaches tells whether a call that touches so many float32 is for the Past kernels.
func beyondCaches(floats int) bool { return floats >= lastLevel/4 }

// untilLine returns how many elements there are before the first line of 64 bytes begins in x.
func untilLine(x []float32) int {
	if len(x) == 0 {
		return 0
	}
	return min(len(x), int(-uintptr(unsafe.Pointer(&x[0]))%64/4))
}

// same tells whether x and y begin at the same element.
func same(x, y []float32) bool { return len(x) > 0 && len(y) > 0 && &x[0] == &y[0] }

// rowStores is how the normalisations store rows.
type rowStores int

const (
	storeBeside rowStores = iota // those of a group side by side
	storeInTurn                  // one after the other: beyond the caches, lines are fetched in order before they are written
	storePast                    // side by side, past the caches
)

// storesOf returns how the rows of y are stored by a call that touches so many slices like it. inPlace says that lines of y
// are read, too.
func storesOf(slices, rows, cols int, y []float32, inPlace bool) rowStores {
	switch {
	case !beyondCaches(slices * rows * cols):
		return storeBeside
	case cols%16 == 0 && untilLine(y) == 0 && !inPlace:
		return storePast
	}
	return storeInTurn
}

// atOnce is how many rows in a call. In turn it is one group, because the sums of the next one before the results
// of the last are slower from memory, unless those go past the caches.
func (s rowStores) atOnce(cols int) int {
	n := groupsOf(block / cols)
	if s == storeInTurn {
		n = min(n, groupRows)
	}
	return n
}
