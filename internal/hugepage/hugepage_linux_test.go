package hugepage

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestAdvised looks up in the kernel's list of mappings that the first whole large page inside of a slice is advised,
// whatever sizes and places slices have.
func TestAdvised(t *testing.T) {
	// Kernels without large pages refuse the advice, and qemu-user passes it on to none.
	all, err := unix.Mmap(-1, 0, 2*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(all)
	if err := unix.Madvise(all, unix.MADV_HUGEPAGE); err != nil {
		t.Skip(err)
	}
	if !advised(t, uintptr(unsafe.Pointer(unsafe.SliceData(all)))) {
		t.Skip("the list of mappings does not show advice")
	}
	for _, n := range []int{0, 1, 1 << 10, 5<<20/4 + 3, 9 << 20 / 4} {
		x := Float32s(n)
		if len(x) != n {
			t.Fatalf("%d floats, want %d", len(x), n)
		}
		for i, v := range x {
			if v != 0 {
				t.Fatalf("float %d of %d is %g", i, n, v)
			}
		}
		lo := (uintptr(unsafe.Pointer(unsafe.SliceData(x))) + size - 1) &^ (size - 1)
		if n*4 >= 2*size && !advised(t, lo) {
			t.Errorf("of %d floats the first large page is not advised", n)
		}
	}
}

var (
	mapping = regexp.MustCompile(`(?m)^([0-9a-f]+)-([0-9a-f]+) `)
	flag    = regexp.MustCompile(`(?m)^VmFlags:.* hg\b`)
)

// advised tells whether large pages were asked for where p is.
func advised(t *testing.T, p uintptr) bool {
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	all := mapping.FindAllSubmatchIndex(text, -1)
	for i, m := range all {
		lo, _ := strconv.ParseUint(string(text[m[2]:m[3]]), 16, 64)
		hi, _ := strconv.ParseUint(string(text[m[4]:m[5]]), 16, 64)
		if uint64(p) < lo || uint64(p) >= hi {
			continue
		}
		end := len(text)
		if i+1 < len(all) {
			end = all[i+1][0]
		}
		return flag.Match(text[m[0]:end])
	}
	t.Fatalf("no mapping has %#x", p)
	return false
}
