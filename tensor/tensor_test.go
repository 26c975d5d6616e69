package tensor

import (
	"fmt"
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// A model of a view: the elements in row-major order, found by walking the same operations on indices.
func elements(t Tensor) []float32 {
	var out []float32
	index := make([]int, t.Rank())
	for range t.Len() {
		out = append(out, t.At(index...))
		for i := len(index) - 1; i >= 0; i-- {
			if index[i]++; index[i] < t.Dim(i) {
				break
			}
			index[i] = 0
		}
	}
	return out
}

func counting(shape ...int) Tensor {
	t := New(shape...)
	for i := range t.Data() {
		t.Data()[i] = float32(i)
	}
	return t
}

func TestViews(t *testing.T) {
	x := counting(2, 3, 4)
	for _, c := range []struct {
		name  string
		got   Tensor
		shape string
		want  []float32
	}{
		{"index", x.Index(1, 2), "[2 4]/[12 1]", []float32{8, 9, 10, 11, 20, 21, 22, 23}},
		{"row", x.Row(1), "[3 4]", []float32{12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}},
		{"column", x.Row(0).Index(1, 3), "[3]/[4]", []float32{3, 7, 11}},
		{"slice", x.Slice(1, 1, 3).Slice(2, 2, 3), "[2 2 1]/[12 4 1]", []float32{6, 10, 18, 22}},
		{"transpose", x.Row(0).Transpose(0, 1), "[4 3]/[1 4]", []float32{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}},
		{"reshape", x.Row(1).Reshape(6, 2).Row(5), "[2]", []float32{22, 23}},
		{"empty", x.Slice(0, 2, 2), "[0 3 4]", nil},
	} {
		if got := c.got.String(); got != c.shape {
			t.Errorf("%s: shape %s, want %s", c.name, got, c.shape)
		}
		if got := elements(c.got); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A slice of a transpose is the transpose of the slice, and copying a view gives its elements.
func TestViewsCommute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 4)
		x := counting(size.Draw(t, "a"), size.Draw(t, "b"), size.Draw(t, "c"), size.Draw(t, "d"))
		axis := rapid.IntRange(0, 3)
		i, j := axis.Draw(t, "i"), axis.Draw(t, "j")
		lo := rapid.IntRange(0, x.Dim(i)-1).Draw(t, "lo")
		hi := rapid.IntRange(lo+1, x.Dim(i)).Draw(t, "hi")
		one, other := x.Slice(i, lo, hi).Transpose(i, j), x.Transpose(i, j).Slice(j, lo, hi)
		if fmt.Sprint(elements(one)) != fmt.Sprint(elements(other)) || one.String() != other.String() {
			t.Fatalf("%v and %v differ", one, other)
		}
		dense := New(one.Dim(0), one.Dim(1), one.Dim(2), one.Dim(3))
		dense.Copy(one)
		if fmt.Sprint(dense.Data()) != fmt.Sprint(elements(one)) {
			t.Fatalf("copy of %v: %v, want %v", one, dense.Data(), elements(one))
		}
	})
}

// A view without elements is contiguous, whatever its strides were.
func TestEmpty(t *testing.T) {
	for name, x := range map[string]Tensor{
		"zero value": {}, "middle": New(2, 3, 4).Slice(1, 1, 1), "last": New(2, 3).Slice(1, 2, 2),
		"transpose": New(2, 3).Transpose(0, 1).Slice(0, 3, 3), "large": New(0, math.MaxInt),
	} {
		if !x.Contiguous() || len(x.Data()) != 0 || x.Len() != 0 {
			t.Errorf("%s: %v: contiguous %t, %d elements of %d", name, x, x.Contiguous(), x.Len(), len(x.Data()))
		}
	}
}

func TestMatrix(t *testing.T) {
	x := counting(4, 6)
	data, ld := x.Slice(0, 1, 3).Slice(1, 2, 5).Matrix()
	if ld != 6 || len(data) != 9 || data[0] != 8 || data[8] != 16 {
		t.Errorf("data %v, ld %d", data, ld)
	}
}

func TestMisusePanics(t *testing.T) {
	x := New(2, 3)
	for name, f := range map[string]func(){
		"shape of data":      func() { View(make([]float32, 5), 2, 3) },
		"rank":               func() { New(1, 1, 1, 1, 1) },
		"negative":           func() { New(-1) },
		"overflow":           func() { View(nil, 1<<(strconv.IntSize/2), 1<<(strconv.IntSize/2)) },
		"overflow to 1":      func() { View(make([]float32, 1), math.MaxInt, math.MaxInt) },
		"axis":               func() { x.Dim(2) },
		"range":              func() { x.Slice(0, 1, 3) },
		"index":              func() { x.At(0, 3) },
		"reshape":            func() { x.Reshape(7) },
		"reshape of strided": func() { x.Transpose(0, 1).Reshape(6) },
		"data of strided":    func() { x.Slice(1, 0, 2).Data() },
		"matrix of columns":  func() { x.Transpose(0, 1).Matrix() },
		"copy":               func() { x.Copy(New(3, 2)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestViewsAllocateNothing(t *testing.T) {
	x := counting(4, 6, 5)
	var sum float32
	if n := testing.AllocsPerRun(10, func() {
		y := x.Reshape(6, 4, 5).Slice(1, 1, 3).Transpose(0, 2).Index(0, 2)
		sum += y.At(1, 1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func ExampleTensor_Slice() {
	// The queries, keys and values of one head, inside the rows that a projection wrote.
	const tokens, width, head = 4, 6, 3
	qkv := New(tokens, 3*width)
	keys := qkv.Slice(1, width+head, width+2*head)
	_, ld := keys.Matrix()
	fmt.Println(keys, ld)
	// Output: [4 3]/[18 1] 18
}

func ExampleArena() {
	// What the forward pass keeps stays below; two branches that come one after the other share what is above.
	var a Arena
	var kept, attention, hidden Tensor
	a.Lay(func(a *Arena) {
		kept = a.Tensor(8, 16)
		mark := a.Mark()
		attention = a.Tensor(8, 8)
		a.Release(mark)
		hidden = a.Tensor(8, 64)
	})
	fmt.Println(kept, attention, hidden, a.Len())
	// Output: [8 16] [8 8] [8 64] 640
}
