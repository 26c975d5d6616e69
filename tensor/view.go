package tensor

import "strconv"

// Reshape returns the same elements, in row-major order, in another shape. It panics if the tensor is
// not contiguous or the number of elements differs.
func (t Tensor) Reshape(shape ...int) Tensor {
	if n := volume("Reshape", shape); n != t.Len() || !t.Contiguous() {
		panic("tensor: Reshape: " + t.String() + " to " + text(shape))
	}
	return View(t.data, shape...)
}

// Slice returns the part [lo, hi) of an axis. It panics unless 0 ≤ lo ≤ hi ≤ Dim(axis).
func (t Tensor) Slice(axis, lo, hi int) Tensor {
	t.checkAxis("Slice", axis)
	if lo < 0 || hi < lo || hi > t.shape[axis] {
		panic("tensor: Slice: [" + strconv.Itoa(lo) + ", " + strconv.Itoa(hi) + ") of axis " + strconv.Itoa(axis) + " of " + t.String())
	}
	t.shape[axis] = hi - lo
	return t.from(lo * t.stride[axis])
}

// Index returns what is at position i of an axis, a tensor without that axis; the rank must be at least
// 2. It panics if there is no such axis or position.
func (t Tensor) Index(axis, i int) Tensor {
	t.checkAxis("Index", axis)
	if t.rank < 2 || i < 0 || i >= t.shape[axis] {
		panic("tensor: Index: " + strconv.Itoa(i) + " of axis " + strconv.Itoa(axis) + " of " + t.String())
	}
	at := i * t.stride[axis]
	copy(t.shape[axis:], t.shape[axis+1:])
	copy(t.stride[axis:], t.stride[axis+1:])
	t.rank--
	t.shape[t.rank], t.stride[t.rank] = 0, 0
	return t.from(at)
}

// Row returns row i of a matrix, or the i-th part along the first axis.
func (t Tensor) Row(i int) Tensor { return t.Index(0, i) }

// Transpose returns the tensor with two axes exchanged. It panics if there is no such axis.
func (t Tensor) Transpose(a, b int) Tensor {
	t.checkAxis("Transpose", a)
	t.checkAxis("Transpose", b)
	t.shape[a], t.shape[b] = t.shape[b], t.shape[a]
	t.stride[a], t.stride[b] = t.stride[b], t.stride[a]
	return t
}

// Copy copies the elements of src. It panics if the shapes differ; the two must not overlap unless they
// are the same view.
func (t Tensor) Copy(src Tensor) {
	if t.rank != src.rank || t.shape != src.shape {
		panic("tensor: Copy: " + src.String() + " to " + t.String())
	}
	if t.Contiguous() && src.Contiguous() {
		copy(t.data, src.data)
		return
	}
	if t.rank == 1 {
		for i := range t.shape[0] {
			t.data[i*t.stride[0]] = src.data[i*src.stride[0]]
		}
		return
	}
	for i := range t.shape[0] {
		t.Index(0, i).Copy(src.Index(0, i))
	}
}

// from cuts the storage so that it starts at element at and ends with the last element of the view.
func (t Tensor) from(at int) Tensor {
	end := at + 1
	for i, s := range t.shape[:t.rank] {
		if s == 0 {
			t.data = nil
			return t
		}
		end += (s - 1) * t.stride[i]
	}
	t.data = t.data[at:end:end]
	return t
}
