package tensor

import (
	"math"
	"testing"
	"unsafe"
)

// layout asks for parts of the given sizes; those at odd places are given back after the next one.
func layout(sizes []int, parts *[][]float32) func(*Arena) {
	return func(a *Arena) {
		*parts = (*parts)[:0]
		for i, n := range sizes {
			mark := a.Mark()
			*parts = append(*parts, a.Floats(n))
			if i%2 == 1 {
				*parts = append(*parts, a.Floats(n/2))
				a.Release(mark)
			}
		}
	}
}

func TestArenaStack(t *testing.T) {
	var a Arena
	var parts [][]float32
	// 16 stay, 48 and 32 over them go, 64 take their place, 0 and 0 go.
	l := layout([]int{5, 48, 64, 0}, &parts)
	if n := Need(l); n != 16+48+32 {
		t.Errorf("the layout needs %d elements, want %d", n, 16+48+32)
	}
	if parts[0] != nil || parts[2] != nil {
		t.Error("counting has handed out memory")
	}
	a.Lay(l)
	if n := a.Len(); n != 16+48+32 {
		t.Errorf("the arena keeps %d elements, want %d", n, 16+48+32)
	}
	for i, want := range []int{5, 48, 24, 64, 0, 0} {
		if x := parts[i]; len(x) != want || cap(x) != want {
			t.Errorf("part %d has len %d, cap %d, want %d", i, len(x), cap(x), want)
		}
	}
	at := func(i int) int {
		return int(uintptr(unsafe.Pointer(unsafe.SliceData(parts[i]))) - uintptr(unsafe.Pointer(unsafe.SliceData(parts[0]))))
	}
	if at(1) != 64 || at(2) != 64+4*48 || at(3) != at(1) {
		t.Errorf("parts are at bytes %d, %d and %d, want 64, %d and 64", at(1), at(2), at(3), 64+4*48)
	}
}

// A smaller layout gets the beginning of what a larger one had, and neither allocates again.
func TestArenaReuses(t *testing.T) {
	var a Arena
	var parts [][]float32
	large, small := layout([]int{5, 1000, 300, 40}, &parts), layout([]int{5, 100}, &parts)
	a.Lay(large)
	first, kept := unsafe.SliceData(parts[0]), a.Len()
	a.Lay(small)
	if a.Len() != kept || unsafe.SliceData(parts[0]) != first {
		t.Errorf("%d elements are kept, were %d", a.Len(), kept)
	}
	if n := testing.AllocsPerRun(5, func() { a.Lay(large); a.Lay(small) }); n != 0 {
		t.Errorf("%v allocations in a later layout", n)
	}
	a.Grow(kept)
	a.Lay(large)
	if a.Len() != kept || unsafe.SliceData(parts[0]) != first {
		t.Error("room that was there has been made")
	}
	a.Grow(kept + 1)
	if a.Len() != kept+1 {
		t.Errorf("%d elements are kept after Grow(%d)", a.Len(), kept+1)
	}
}

func TestArenaPartsAreDisjoint(t *testing.T) {
	var a Arena
	var parts [][]float32
	a.Lay(func(a *Arena) {
		parts = parts[:0]
		for i := range 50 {
			parts = append(parts, a.Floats(i*97), a.Tensor(1+i%5, 7).Data())
		}
	})
	for i, x := range parts {
		for j := range x {
			x[j] = float32(i)
		}
	}
	for i, x := range parts {
		for _, v := range x {
			if v != float32(i) {
				t.Fatalf("part %d holds %v", i, v)
			}
		}
	}
}

// What no machine has is counted as that, and not as little because a sum has overflowed.
func TestArenaOverflow(t *testing.T) {
	n := Need(func(a *Arena) {
		for range 5 {
			a.Floats(math.MaxInt / 3)
		}
	})
	if n < math.MaxInt/2 {
		t.Errorf("a layout of 5/3 of all memory needs %d elements", n)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic where memory is short")
		}
	}()
	new(Arena).Floats(1)
}
