// Package tensor gives shape to float32 storage: strided views of rank up to 4, and an arena that hands
// out the memory of a computation and takes it back at once.
package tensor

import (
	"math"
	"strconv"
)

// MaxRank is the largest rank of a Tensor.
const MaxRank = 4

// Tensor is an array of rank up to MaxRank over float32 storage that it shares with other views:
//
//	element (i₀, i₁, …) = storage[i₀·stride₀ + i₁·stride₁ + …].
//
// It is a small value: copying one or taking a view allocates nothing and copies no element. The zero
// value has rank 0 and no element.
type Tensor struct {
	data   []float32 // from the first element to the last
	rank   int
	shape  [MaxRank]int
	stride [MaxRank]int
}

// New returns a zeroed, contiguous tensor. It panics if the rank is not 1 to MaxRank, a size is negative or
// the elements are more than an int can count.
func New(shape ...int) Tensor {
	return View(make([]float32, volume("New", shape)), shape...)
}

// View returns a contiguous, row-major tensor over data, the last axis fastest. It panics unless the
// sizes are not negative and multiply to len(data).
func View(data []float32, shape ...int) Tensor {
	if n := volume("View", shape); n != len(data) {
		panic("tensor: View: " + text(shape) + " has " + strconv.Itoa(n) + " elements, data has " + strconv.Itoa(len(data)))
	}
	t := Tensor{data: data, rank: len(shape)}
	stride := 1
	for i := len(shape) - 1; i >= 0; i-- {
		t.shape[i], t.stride[i] = shape[i], stride
		stride *= shape[i]
	}
	return t
}

// Rank returns the number of axes.
func (t Tensor) Rank() int { return t.rank }

// Dim returns the size of an axis. It panics if there is no such axis.
func (t Tensor) Dim(axis int) int {
	t.checkAxis("Dim", axis)
	return t.shape[axis]
}

// Stride returns how many elements of storage lie between neighbours along an axis. It panics if there
// is no such axis.
func (t Tensor) Stride(axis int) int {
	t.checkAxis("Stride", axis)
	return t.stride[axis]
}

// Len returns the number of elements.
func (t Tensor) Len() int {
	if t.rank == 0 {
		return 0
	}
	n := 1
	for _, s := range t.shape[:t.rank] {
		n *= s
	}
	return n
}

// Contiguous tells whether the elements, in row-major order, are consecutive in storage. No elements are.
func (t Tensor) Contiguous() bool {
	if t.Len() == 0 {
		return true
	}
	want := 1
	for i := t.rank - 1; i >= 0; i-- {
		if t.shape[i] != 1 && t.stride[i] != want {
			return false
		}
		want *= t.shape[i]
	}
	return true
}

// Data returns the storage of a contiguous tensor, whose length is Len. It panics if the tensor is not
// contiguous.
func (t Tensor) Data() []float32 {
	if !t.Contiguous() {
		panic("tensor: Data: " + t.String() + " is not contiguous")
	}
	return t.data
}

// Matrix returns what a kernel wants of a matrix whose rows are contiguous: the storage from its first
// element to its last, and the row stride. It panics unless the rank is 2 and the last stride 1.
func (t Tensor) Matrix() (data []float32, ld int) {
	if t.rank != 2 || t.stride[1] != 1 && t.shape[1] > 1 {
		panic("tensor: Matrix: " + t.String() + " is not a matrix with contiguous rows")
	}
	return t.data, max(t.stride[0], t.shape[1], 1)
}

// At returns an element. It panics if the index is not one of the tensor.
func (t Tensor) At(index ...int) float32 { return t.data[t.offset(index)] }

// Set assigns an element. It panics if the index is not one of the tensor.
func (t Tensor) Set(v float32, index ...int) { t.data[t.offset(index)] = v }

func (t Tensor) offset(index []int) int {
	if len(index) != t.rank {
		panic("tensor: index " + text(index) + " of " + t.String())
	}
	at := 0
	for i, x := range index {
		if x < 0 || x >= t.shape[i] {
			panic("tensor: index " + text(index) + " of " + t.String())
		}
		at += x * t.stride[i]
	}
	return at
}

// String returns the shape, and the strides unless they follow from it: [2 3] or [3 2]/[1 3].
func (t Tensor) String() string {
	s := text(t.shape[:t.rank])
	if !t.Contiguous() {
		s += "/" + text(t.stride[:t.rank])
	}
	return s
}

func (t Tensor) checkAxis(fn string, axis int) {
	if axis < 0 || axis >= t.rank {
		panic("tensor: " + fn + ": axis " + strconv.Itoa(axis) + " of " + t.String())
	}
}

// volume returns the number of elements of a shape.
func volume(fn string, shape []int) int {
	if len(shape) == 0 || len(shape) > MaxRank {
		panic("tensor: " + fn + ": rank " + strconv.Itoa(len(shape)) + " is not 1 to " + strconv.Itoa(MaxRank))
	}
	n, empty := 1, false
	for _, s := range shape {
		switch {
		case s < 0:
			panic("tensor: " + fn + ": negative size in " + text(shape))
		case s == 0:
			empty = true
		case n > math.MaxInt/s:
			panic("tensor: " + fn + ": " + text(shape) + " has more elements than an int can count")
		default:
			n *= s
		}
	}
	if empty {
		return 0
	}
	return n
}

// text prints sizes. Unlike fmt it does not keep them, so that the variadic shapes of this package stay
// on the caller's stack.
func text(sizes []int) string {
	b := []byte{'['}
	for i, s := range sizes {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, int64(s), 10)
	}
	return string(append(b, ']'))
}
