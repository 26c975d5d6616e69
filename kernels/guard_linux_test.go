package kernels

import (
	"fmt"
	"os"
	"runtime/debug"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newGuarded returns slots of at least n elements each, between pages that must not be touched: reading
// or writing there panics inside faults.
func newGuarded(t *testing.T, slots, n int) *guarded {
	t.Helper()
	page := os.Getpagesize()
	pages := (4*n+page-1)/page + 1 // with the guard behind
	mem, err := unix.Mmap(-1, 0, (slots*pages+1)*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	g := new(guarded)
	for i := range slots + 1 {
		at := i * pages * page
		if err := unix.Mprotect(mem[at:at+page], unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
		if i < slots {
			g.slots = append(g.slots, unsafe.Slice((*float32)(unsafe.Pointer(&mem[at+page])), (pages-1)*page/4))
		}
	}
	return g
}

// faults runs f and returns what it panics with, such as a touched guard page.
func faults(f func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	f()
	return nil
}
