package kernels

import (
	"fmt"
	"math"
)

// BFloat16 is the upper half of a float32: sign, 8 bits of exponent, 7 of fraction.
type BFloat16 uint16

// Float32 returns b's value, which float32 has exactly; NaN, ±0 and subnormal numbers too.
func (b BFloat16) Float32() float32 { return math.Float32frombits(uint32(b) << 16) }

// NewBFloat16 returns x rounded to nearest, ties to even, also where the result is subnormal; what is
// beyond the largest finite BFloat16 by half its last place or more becomes Inf. A NaN stays one: quiet,
// with its sign and the upper bits of its payload.
func NewBFloat16(x float32) BFloat16 {
	bits := math.Float32bits(x)
	if bits&0x7fffffff > 0x7f800000 {
		return BFloat16(bits>>16 | 1<<6)
	}
	return BFloat16((bits + 0x7fff + bits>>16&1) >> 16) // the carry goes into the exponent where it has to
}

// ToBFloat16 computes y = x, each element rounded as by NewBFloat16. The slices must not overlap. It
// panics if the lengths differ.
func ToBFloat16(x []float32, y []BFloat16) {
	if len(x) != len(y) {
		panic(fmt.Sprintf("kernels: ToBFloat16: len(x) = %d, len(y) = %d", len(x), len(y)))
	}
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.toBF16(x[lo:hi], y[lo:hi])
	}
}

// toBF16 is the kernel of the row in use.
func toBF16(x []float32, y []BFloat16) { active.toBF16(x, y) }

// FromBFloat16 computes y = x, exactly, bit for bit also where x is NaN. The slices must not overlap. It
// panics if the lengths differ.
func FromBFloat16(x []BFloat16, y []float32) {
	if len(x) != len(y) {
		panic(fmt.Sprintf("kernels: FromBFloat16: len(x) = %d, len(y) = %d", len(x), len(y)))
	}
	run := active.fromBF16
	if past := active.fromBF16Past; past != nil && beyondCaches(len(x)+len(x)/2) {
		head := untilLine(y)
		run(x[:head], y[:head])
		x, y = x[head:], y[head:]
		run = past
	}
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		run(x[lo:hi], y[lo:hi])
	}
}
