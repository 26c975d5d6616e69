package tensor

import (
	"testing"
	"unsafe"
)

func TestArenaReuses(t *testing.T) {
	var a Arena
	sizes := []int{5, slabLen, slabLen / 2, 3*slabLen + 1, 0, 17}
	take := func(n int) (first []*float32) {
		a.Reset()
		for _, s := range sizes[:n] {
			x := a.Floats(s)
			if len(x) != s || cap(x) != s {
				t.Fatalf("asked for %d, got len %d, cap %d", s, len(x), cap(x))
			}
			first = append(first, unsafe.SliceData(x))
		}
		return first
	}
	small := take(3)
	kept := a.Len()
	large := take(len(sizes))
	for i, p := range small {
		if large[i] != p {
			t.Errorf("request %d moved when more followed", i)
		}
	}
	if grown := a.Len() - kept; grown != 3*slabLen+1 {
		t.Errorf("the larger round added %d elements, want %d", grown, 3*slabLen+1)
	}
	if n := testing.AllocsPerRun(5, func() { a.Reset(); a.Tensor(5, 200); a.Floats(3 * slabLen) }); n != 0 {
		t.Errorf("%v allocations in a later round", n)
	}
}

func TestArenaPartsAreDisjoint(t *testing.T) {
	var a Arena
	var parts [][]float32
	for i := range 50 {
		x := a.Floats(i * 97)
		for j := range x {
			x[j] = float32(i)
		}
		parts = append(parts, x)
	}
	for i, x := range parts {
		for _, v := range x {
			if v != float32(i) {
				t.Fatalf("part %d holds %v", i, v)
			}
		}
	}
}
