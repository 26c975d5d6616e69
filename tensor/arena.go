package tensor

import (
	"math"

	"github.com/vcycle-go/vcycle/internal/hugepage"
)

// Arena is a stack of memory in one piece. A computation describes with a layout what it keeps, and what
// it keeps only for a part of its way, after which the memory is used again:
//
//	a.Lay(func(a *Arena) {
//		kept = a.Floats(n)
//		mark := a.Mark()
//		first = a.Floats(n)
//		a.Release(mark)
//		second = a.Floats(n) // shares memory with first
//	})
//
// The zero value is ready. An Arena is for one goroutine at a time.
type Arena struct {
	data       []float32
	used, peak int
	counting   bool // it has no memory, and counts
}

// align is the number of elements of a cache line, of which every request takes whole ones.
const align = 16

// Need returns the number of elements of memory that a layout takes. It calls layout with an Arena that
// hands out slices and tensors without elements.
func Need(layout func(*Arena)) int {
	a := Arena{counting: true}
	layout(&a)
	return a.peak
}

// Lay calls layout twice: to count, and to hand out memory, of which it allocates more only if there is
// less than ever before. What was handed out earlier shares it with what is now.
func (a *Arena) Lay(layout func(*Arena)) {
	a.used, a.peak, a.counting = 0, 0, true
	layout(a)
	a.Grow(a.peak)
	a.used, a.counting = 0, false
	layout(a)
}

// Grow makes the memory n elements, unless it has them. What was handed out before stays with who has it.
// Memory that no layout has used yet is address space, as a rule: a system gives pages to who writes there, and
// is asked for large ones.
func (a *Arena) Grow(n int) {
	if n > len(a.data) {
		a.data = nil // before there is more
		a.data = hugepage.Float32s(n)
	}
}

// Mark returns the height of the stack, for Release.
func (a *Arena) Mark() int { return a.used }

// Release takes back all that was handed out since Mark returned this.
func (a *Arena) Release(mark int) { a.used = mark }

// Floats returns n elements that hold anything, starting at a multiple of 64 bytes from the beginning. It
// panics if n is negative, and outside of a layout if memory is short.
func (a *Arena) Floats(n int) []float32 {
	if n < 0 {
		panic("tensor: Arena: negative size")
	}
	lo := a.used
	if n > math.MaxInt-align-lo {
		if !a.counting {
			panic("tensor: Arena: out of memory")
		}
		n = math.MaxInt - align - lo // stays there: more than any machine has
	}
	a.used = lo + (n+align-1)/align*align
	a.peak = max(a.peak, a.used)
	if a.counting {
		return nil
	}
	if a.used > len(a.data) {
		panic("tensor: Arena: out of memory")
	}
	return a.data[lo : lo+n : lo+n]
}

// Tensor returns a contiguous tensor whose elements are as those of Floats.
func (a *Arena) Tensor(shape ...int) Tensor {
	x := a.Floats(volume("Arena", shape))
	if a.counting {
		return Tensor{}
	}
	return View(x, shape...)
}

// Len returns the number of elements of memory that the arena keeps.
func (a *Arena) Len() int { return len(a.data) }
