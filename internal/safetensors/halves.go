package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Types of elements that Write and Convert know.
const (
	F32  = "F32"
	F16  = "F16"
	BF16 = "BF16"
)

// ErrTooLarge is the error of a finite value that has no finite counterpart in a type.
var ErrTooLarge = errors.New("too large")

// toHalf returns the nearest IEEE 754 binary16 number, of two the even one; what is too large becomes an
// infinity.
func toHalf(v float32) uint16 {
	b := math.Float32bits(v)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00 // NaN
	case b >= 0x477ff000: // 65520, half way to the number after the largest
		return sign | 0x7c00
	case b < 0x38800000: // below the smallest normal number, 2⁻¹⁴: a multiple of 2⁻²⁴
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(b))*(1<<24)))
	}
	b += 0xfff + b>>13&1
	return sign | uint16((b-0x38000000)>>13)
}

// fromHalf returns the value of a binary16 number.
func fromHalf(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	e, m := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch e {
	case 0:
		v := float32(m) / (1 << 24)
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	}
	return math.Float32frombits(sign | (e+112)<<23 | m<<13)
}

// toBFloat16 returns the upper half of v, rounded to the nearest, of two to the even one.
func toBFloat16(v float32) uint16 {
	b := math.Float32bits(v)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40 // NaN
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// Append appends the values as elements of a type, little-endian. It returns ErrTooLarge if a finite value
// has no finite counterpart.
func Append(b []byte, dtype string, values []float32) ([]byte, error) {
	for _, v := range values {
		switch dtype {
		case F32:
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
			continue
		case F16:
			h := toHalf(v)
			if h&0x7fff == 0x7c00 && !math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("%g is %w for %s: use another type", v, ErrTooLarge, dtype)
			}
			b = binary.LittleEndian.AppendUint16(b, h)
		case BF16:
			h := toBFloat16(v)
			if h&0x7fff == 0x7f80 && !math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("%g is %w for %s: use another type", v, ErrTooLarge, dtype)
			}
			b = binary.LittleEndian.AppendUint16(b, h)
		default:
			return nil, fmt.Errorf("values cannot be written as %q", dtype)
		}
	}
	return b, nil
}

// Entry returns the tensor of a name.
func (f *File) Entry(name string) (Entry, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Entry{}, false
	}
	return f.Entries[i], true
}

// Convert fills dst, as Read does, with the values of a tensor of type F32, F16 or BF16.
func (f *File) Convert(name string, shape []int, dst []float32) error {
	e, ok := f.Entry(name)
	if ok && e.DType == F32 || !ok {
		return f.Read(name, shape, dst)
	}
	if e.DType != F16 && e.DType != BF16 {
		return fmt.Errorf("tensor %q has type %s, not F32, F16 or BF16", name, e.DType)
	}
	if err := e.check(shape, len(dst)); err != nil {
		return err
	}
	buf := make([]byte, 2*min(chunk, len(dst)))
	r := io.NewSectionReader(f.r, f.start+e.begin, e.end-e.begin)
	for len(dst) > 0 {
		part := dst[:min(chunk, len(dst))]
		if _, err := io.ReadFull(r, buf[:2*len(part)]); err != nil {
			return fmt.Errorf("reading tensor %q: %w", name, err)
		}
		for i := range part {
			h := binary.LittleEndian.Uint16(buf[2*i:])
			if e.DType == F16 {
				part[i] = fromHalf(h)
			} else {
				part[i] = math.Float32frombits(uint32(h) << 16)
			}
		}
		dst = dst[len(part):]
	}
	return nil
}
