package hugepage

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// size is that of a large page, on amd64, and on arm64 where a page has 4 KB. Elsewhere the advice is for less
// than a large page, or for several.
const size = 2 << 20

// advise asks for large pages where whole ones fit, so that no memory is taken beyond the n bytes at p. Most
// systems give them to those only who ask. It is advice: what becomes of it is not an error.
func advise(p unsafe.Pointer, n uintptr) {
	skip := -uintptr(p) % size
	if n < skip+size {
		return
	}
	unix.Madvise(unsafe.Slice((*byte)(unsafe.Add(p, skip)), (n-skip)/size*size), unix.MADV_HUGEPAGE)
}
