package tensor

// Arena hands out memory from slabs that it keeps: Reset takes everything back at once, and a
// computation that asks for the same sizes in the same order again gets the same memory without
// allocating. One that asks for more first gets what the smaller one had. The zero value is ready. An
// Arena is for one goroutine at a time.
type Arena struct {
	slabs []slab
}

type slab struct {
	data []float32
	used int
}

const (
	slabLen = 1 << 10 // elements of a slab that holds small requests; a larger request gets its own
	align   = 16      // elements: a cache line
)

// Floats returns n elements that hold anything, starting at a multiple of 64 bytes of a slab. They are
// the caller's until Reset. It panics if n is negative.
func (a *Arena) Floats(n int) []float32 {
	if n < 0 {
		panic("tensor: Arena: negative size")
	}
	for i := range a.slabs {
		if s := &a.slabs[i]; s.used+n <= len(s.data) {
			return s.take(n)
		}
	}
	a.slabs = append(a.slabs, slab{data: make([]float32, max(n, slabLen))})
	return a.slabs[len(a.slabs)-1].take(n)
}

func (s *slab) take(n int) []float32 {
	x := s.data[s.used : s.used+n : s.used+n]
	s.used += (n + align - 1) / align * align
	return x
}

// Tensor returns a contiguous tensor whose elements hold anything, the caller's until Reset.
func (a *Arena) Tensor(shape ...int) Tensor {
	return View(a.Floats(volume("Arena", shape)), shape...)
}

// Reset takes back all that was handed out. Who still uses it shares it with whoever asks next.
func (a *Arena) Reset() {
	for i := range a.slabs {
		a.slabs[i].used = 0
	}
}

// Len returns the number of elements of memory that the arena keeps.
func (a *Arena) Len() int {
	n := 0
	for _, s := range a.slabs {
		n += len(s.data)
	}
	return n
}
