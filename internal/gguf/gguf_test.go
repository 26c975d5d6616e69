package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/internal/safetensors"
)

func TestWrite(t *testing.T) {
	meta := []Pair{
		{"s", "text"}, {"u", uint32(7)}, {"i", int32(-1)}, {"f", float32(0.5)}, {"b", true},
		{"strings", []string{"a", "Ġb"}}, {"ints", []int32{1, -3}},
	}
	tensors := []Tensor{
		{Name: "m", Shape: []int{3, 2}, DType: safetensors.F32, Data: func() []float32 { return []float32{1, 2, 3, 4, 5, 6} }, Transpose: true},
		{Name: "v", Shape: []int{3}, DType: safetensors.F16, Data: func() []float32 { return []float32{1, -2, 0.5} }},
	}
	var out bytes.Buffer
	if err := Write(&out, meta, tensors); err != nil {
		t.Fatal(err)
	}
	// By the specification, by hand.
	le := binary.LittleEndian
	str := func(s string) []byte { return append(le.AppendUint64(nil, uint64(len(s))), s...) }
	u32 := func(v uint32) []byte { return le.AppendUint32(nil, v) }
	u64 := func(v uint64) []byte { return le.AppendUint64(nil, v) }
	minusOne, minusThree := int32(-1), int32(-3)
	want := slices.Concat([]byte("GGUF"), u32(3), u64(2), u64(7),
		str("s"), u32(8), str("text"), str("u"), u32(4), u32(7), str("i"), u32(5), u32(uint32(minusOne)),
		str("f"), u32(6), u32(math.Float32bits(0.5)), str("b"), u32(7), []byte{1},
		str("strings"), u32(9), u32(8), u64(2), str("a"), str("Ġb"),
		str("ints"), u32(9), u32(5), u64(2), u32(1), u32(uint32(minusThree)),
		str("m"), u32(2), u64(2), u64(3), u32(0), u64(0),
		str("v"), u32(1), u64(3), u32(1), u64(32))
	want = append(want, make([]byte, (32-len(want)%32)%32)...)
	for _, v := range []float32{1, 4, 2, 5, 3, 6} {
		want = append(want, u32(math.Float32bits(v))...)
	}
	want = append(want, make([]byte, 8)...)
	want = append(want, 0, 0x3c, 0, 0xc0, 0, 0x38)
	want = append(want, make([]byte, 26)...)
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("wrote\n%x, want\n%x", out.Bytes(), want)
	}
}

type full struct{ n int }

func (w *full) Write(p []byte) (int, error) {
	if w.n -= len(p); w.n < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestWriteErrors(t *testing.T) {
	ok := []Tensor{{Name: "m", Shape: []int{2}, DType: safetensors.F32, Data: func() []float32 { return []float32{1, 2} }}}
	for _, n := range []int{0, 30, 95} {
		if err := Write(&full{n}, nil, ok); err == nil || err.Error() != "disk full" {
			t.Errorf("room for %d bytes: %v", n, err)
		}
	}
	for want, c := range map[string]struct {
		meta    []Pair
		tensors []Tensor
	}{
		"k: a value of type int": {[]Pair{{"k", 1}}, nil},
		`type "F8"`:              {nil, []Tensor{{Name: "m", Shape: []int{1}, DType: "F8", Data: func() []float32 { return nil }}}},
		"2 values for shape [3]": {nil, []Tensor{{Name: "m", Shape: []int{3}, DType: safetensors.F32, Data: ok[0].Data}}},
		"too large for F16":      {nil, []Tensor{{Name: "m", Shape: []int{1}, DType: safetensors.F16, Data: func() []float32 { return []float32{1e6} }}}},
	} {
		if err := Write(&bytes.Buffer{}, c.meta, c.tensors); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// FuzzWrite reads by the specification what Write has written.
func FuzzWrite(f *testing.F) {
	f.Add("tokens", "Ġa", uint8(2), uint8(3), true, "BF16")
	f.Add("", "", uint8(0), uint8(0), false, "F32")
	f.Fuzz(func(t *testing.T, key, text string, rows, cols uint8, transpose bool, dtype string) {
		n := int(rows) * int(cols)
		data := make([]float32, n)
		for i := range data {
			data[i] = float32(i % 256) // exact in every type
		}
		shape := []int{int(rows), int(cols)}
		tensors := []Tensor{
			{Name: text, Shape: shape, DType: dtype, Data: func() []float32 { return data }, Transpose: transpose},
			{Name: key, Shape: []int{n}, DType: safetensors.F32, Data: func() []float32 { return data }},
		}
		var out bytes.Buffer
		if Write(&out, []Pair{{key, text}, {text, []string{key, text}}}, tensors) != nil {
			if tensorTypes[dtype] != 0 || dtype == safetensors.F32 {
				t.Fatal("refused")
			}
			return
		}
		b := out.Bytes()
		take := func(n uint64) []byte { v := b[:n]; b = b[n:]; return v }
		u32 := func() uint32 { return binary.LittleEndian.Uint32(take(4)) }
		u64 := func() uint64 { return binary.LittleEndian.Uint64(take(8)) }
		str := func() string { return string(take(u64())) }
		if string(take(4)) != "GGUF" || u32() != 3 || u64() != 2 || u64() != 2 || str() != key || u32() != 8 || str() != text ||
			str() != text || u32() != 9 || u32() != 8 || u64() != 2 || str() != key || str() != text {
			t.Fatal("the metadata differ")
		}
		if str() != text || u32() != 2 || u64() != uint64(cols) || u64() != uint64(rows) || u32() != tensorTypes[dtype] || u64() != 0 {
			t.Fatal("the first tensor differs")
		}
		if str() != key || u32() != 1 || u64() != uint64(n) || u32() != 0 {
			t.Fatal("the second tensor differs")
		}
		second := u64()
		take(uint64(-(out.Len() - len(b)) & 31))
		if second%32 != 0 || uint64(len(b)) != second+uint64(4*n+31)&^31 {
			t.Fatalf("the second tensor, of %d values, is at %d of %d", n, second, len(b))
		}
		for i, v := range data {
			if got := math.Float32frombits(binary.LittleEndian.Uint32(b[second+uint64(4*i):])); got != v {
				t.Fatalf("value %d is %g, not %g", i, got, v)
			}
		}
	})
}
