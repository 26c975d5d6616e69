package kernelbench

import (
	"math/rand/v2"
	"unsafe"

	"github.com/vcycle-go/vcycle/kernels"
)

// Arena is memory for the operands of a case on every thread. Cases share it, one after another.
type Arena struct {
	threads []*memory
}

// of returns the memory of a thread, all of it free.
func (a *Arena) of(thread int) *memory {
	for len(a.threads) <= thread {
		a.threads = append(a.threads, new(memory))
	}
	m := a.threads[thread]
	m.used = 0
	return m
}

// memory is what the slices of one thread are cut from.
type memory struct {
	words []uint64
	used  int // bytes
}

// skew is added after each slice, in bytes, so that slices of a power of two do not all start at the same
// place of a page, where a load waits for a store to the other page as if it were the same.
const skew = 5 * 64

// reserve makes sure that so many slices of so many bytes together can be taken.
func (m *memory) reserve(bytes, slices int) {
	if need := (bytes+(slices+1)*(skew+64))/8 + 1; len(m.words) < need {
		m.words = nil // may be collected before the new ones are made
		m.words = make([]uint64, need)
	}
	// The first slice starts a cache line, and all others do too.
	m.used = int(-uintptr(unsafe.Pointer(unsafe.SliceData(m.words))) & 63)
}

// element is what slices hold.
type element interface {
	float32 | float64 | kernels.BFloat16
}

// take returns n elements, random numbers of a normal distribution.
func take[T element](m *memory, n int) []T {
	var zero T
	x := unsafe.Slice((*T)(unsafe.Pointer(&m.words[m.used/8])), n)
	m.used += (n*int(unsafe.Sizeof(zero))+63)&^63 + skew
	for i := range min(n, len(normal)) {
		switch x := any(x).(type) {
		case []float32:
			x[i] = float32(normal[i])
		case []float64:
			x[i] = normal[i]
		case []kernels.BFloat16:
			x[i] = kernels.NewBFloat16(float32(normal[i]))
		}
	}
	for done := len(normal); done < n; done *= 2 {
		copy(x[done:], x[:done])
	}
	return x
}

var normal = func() (x [1 << 13]float64) {
	rng := rand.New(rand.NewPCG(31, 32))
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	return x
}()
