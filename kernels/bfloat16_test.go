package kernels

import (
	"math"
	"slices"
	"testing"
	"unsafe"
)

// bf16Reference rounds x to nearest even by comparing distances, in float64.
func bf16Reference(x float32) BFloat16 {
	bits := math.Float32bits(x)
	lower := BFloat16(bits >> 16)
	switch {
	case x != x:
		return lower | 1<<6
	case math.IsInf(float64(x), 0) || bits&0xffff == 0:
		return lower
	}
	value := func(b BFloat16) float64 { // Inf stands for the power of two that it replaces
		v := float64(math.Float32frombits(uint32(b) << 16))
		if math.IsInf(v, 0) {
			return math.Copysign(0x1p128, v)
		}
		return v
	}
	down, up := math.Abs(float64(x)-value(lower)), math.Abs(value(lower+1)-float64(x))
	if up < down || up == down && lower&1 != 0 {
		return lower + 1
	}
	return lower
}

// bf16Inputs has every upper half of a float32 with the lower halves at which rounding may change.
func bf16Inputs() []float32 {
	var x []float32
	for upper := range uint32(1 << 16) {
		for _, lower := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, upper * 40503 & 0xffff} {
			x = append(x, math.Float32frombits(upper<<16|lower))
		}
	}
	return x
}

func TestToBFloat16(t *testing.T) {
	x := bf16Inputs()
	want := make([]BFloat16, len(x))
	for i, v := range x {
		want[i] = bf16Reference(v)
		if got := NewBFloat16(v); got != want[i] {
			t.Fatalf("NewBFloat16(%g, %#08x) = %#04x, want %#04x", v, math.Float32bits(v), got, want[i])
		}
	}
	forEachISA(t, func(t *testing.T) {
		got := make([]BFloat16, len(x))
		ToBFloat16(x, got)
		for i, h := range got {
			if h != want[i] {
				t.Fatalf("%g, %#08x, becomes %#04x, want %#04x", x[i], math.Float32bits(x[i]), h, want[i])
			}
		}
	})
}

func TestFromBFloat16(t *testing.T) {
	h := make([]BFloat16, 1<<16)
	for i := range h {
		h[i] = BFloat16(i)
		if v := h[i].Float32(); math.Float32bits(v) != uint32(i)<<16 {
			t.Fatalf("BFloat16(%#04x).Float32() has the bits %#08x", i, math.Float32bits(v))
		}
	}
	forEachISA(t, func(t *testing.T) {
		x := make([]float32, len(h))
		FromBFloat16(h, x)
		for i, v := range x {
			if math.Float32bits(v) != uint32(i)<<16 {
				t.Fatalf("%#04x becomes %#08x", i, math.Float32bits(v))
			}
		}
	})
}

// TestBFloat16Guard has every length between guard pages, at the head and at the tail, where the
// elements of 16 bits start at any place.
func TestBFloat16Guard(t *testing.T) {
	const canaryHalf = 0x7fad
	x := bf16Inputs()
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 2, maxLength)
		for k, n := range lengths() {
			for _, tail := range []bool{false, true} {
				f := g.place(0, n, tail)
				halves := unsafe.Slice((*BFloat16)(unsafe.Pointer(&g.slots[1][0])), 2*len(g.slots[1]))
				for i := range halves {
					halves[i] = canaryHalf
				}
				h, rest := halves[:n:n], halves[n:]
				if tail {
					h, rest = halves[len(halves)-n:], halves[:len(halves)-n]
				}
				copy(f, x[k*1000:])
				if err := faults(func() { ToBFloat16(f, h) }); err != nil {
					t.Fatalf("to, n=%d, tail=%v: %v", n, tail, err)
				}
				for i, v := range f {
					if h[i] != bf16Reference(v) {
						t.Fatalf("to, n=%d, tail=%v: element %d is %#04x, want %#04x", n, tail, i, h[i], bf16Reference(v))
					}
				}
				if slices.ContainsFunc(rest, func(b BFloat16) bool { return b != canaryHalf }) {
					t.Fatalf("to, n=%d, tail=%v: wrote outside the slice", n, tail)
				}
				clear(f)
				if err := faults(func() { FromBFloat16(h, f) }); err != nil {
					t.Fatalf("from, n=%d, tail=%v: %v", n, tail, err)
				}
				for i, v := range f {
					if math.Float32bits(v) != uint32(h[i])<<16 {
						t.Fatalf("from, n=%d, tail=%v: element %d is %#08x, want %#04x0000", n, tail, i, math.Float32bits(v), h[i])
					}
				}
				if err := g.check(0, n, tail); err != nil {
					t.Fatalf("from: %v", err)
				}
			}
		}
	})
}
