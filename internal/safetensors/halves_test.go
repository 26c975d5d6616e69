package safetensors

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestHalves converts every binary16 and bfloat16 number there and back, and what lies between two.
func TestHalves(t *testing.T) {
	for _, k := range []struct {
		name string
		to   func(float32) uint16
		from func(uint16) float32
		inf  uint16
	}{
		{F16, toHalf, fromHalf, 0x7c00},
		{BF16, toBFloat16, func(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }, 0x7f80},
	} {
		for h := range uint16(k.inf) {
			v, next := k.from(h), k.from(h+1)
			if got := k.to(v); got != h {
				t.Fatalf("%s: %g, of bits %04x, becomes %04x", k.name, v, h, got)
			}
			if got := k.to(-v); got != h|0x8000 {
				t.Fatalf("%s: %g becomes %04x", k.name, -v, got)
			}
			if h+1 == k.inf {
				break
			}
			middle := float32((float64(v) + float64(next)) / 2)
			if got, want := k.to(middle), h+h&1; got != want {
				t.Fatalf("%s: %g, between %04x and the next, becomes %04x", k.name, middle, h, got)
			}
			if got := k.to(math.Nextafter32(middle, next)); got != h+1 {
				t.Fatalf("%s: above %g becomes %04x, want %04x", k.name, middle, got, h+1)
			}
			if got := k.to(math.Nextafter32(middle, v)); got != h {
				t.Fatalf("%s: below %g becomes %04x, want %04x", k.name, middle, got, h)
			}
		}
		if v := k.from(k.to(float32(math.NaN()))); v == v {
			t.Errorf("%s: NaN becomes %g", k.name, v)
		}
		if v := k.from(k.to(float32(math.Inf(-1)))); !math.IsInf(float64(v), -1) {
			t.Errorf("%s: -Inf becomes %g", k.name, v)
		}
	}
	if toHalf(65519) != 0x7bff || toHalf(65520) != 0x7c00 {
		t.Error("the bound of binary16")
	}
}

func TestWriteAs(t *testing.T) {
	values := make([]float32, chunk+5)
	for i := range values {
		values[i] = float32(i%512) / 4
	}
	tensors := []Tensor{{"a", []int{chunk + 5}, values}, {"b", []int{1}, []float32{-0.5}}}
	for _, dtype := range []string{F32, F16, BF16} {
		var b bytes.Buffer
		if err := WriteAs(&b, dtype, nil, tensors); err != nil {
			t.Fatal(err)
		}
		f, err := open(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Verify(); err != nil {
			t.Error(err)
		}
		for _, want := range tensors {
			got := make([]float32, len(want.Data))
			if err := f.Convert(want.Name, want.Shape, got); err != nil {
				t.Fatal(err)
			}
			if dtype == BF16 { // 8 bits of precision
				for i := range got {
					if math.Abs(float64(got[i]-want.Data[i])) > math.Abs(float64(want.Data[i]))/256 {
						t.Fatalf("%s[%d] = %g, want %g", want.Name, i, got[i], want.Data[i])
					}
				}
			} else if !slices.Equal(got, want.Data) {
				t.Errorf("%s: %s differs", dtype, want.Name)
			}
			if err := f.Convert(want.Name, []int{1, 1, 1}, got); err == nil {
				t.Error("another shape: no error")
			}
		}
		if err := f.Convert("none", nil, nil); err == nil {
			t.Error("no such tensor: no error")
		}
	}
	large := []Tensor{{"a", []int{1}, []float32{70000}}}
	if err := WriteAs(&bytes.Buffer{}, F16, nil, large); err == nil || !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "70000 is too large for F16") {
		t.Errorf("too large: %v", err)
	}
	if err := WriteAs(&bytes.Buffer{}, "F8", nil, large); err == nil {
		t.Error("an unknown type: no error")
	}
}
