package main

import "testing"

// TestVDPBF16PS compares encodings with llvm-mc's.
func TestVDPBF16PS(t *testing.T) {
	for _, c := range []struct {
		b, a, sum int
		want      [6]byte
	}{
		{1, 2, 3, [6]byte{0x62, 0xf2, 0x6e, 0x48, 0x52, 0xd9}},
		{9, 18, 31, [6]byte{0x62, 0x42, 0x6e, 0x40, 0x52, 0xf9}},
		{28, 30, 8, [6]byte{0x62, 0x12, 0x0e, 0x40, 0x52, 0xc4}},
		{29, 30, 27, [6]byte{0x62, 0x02, 0x0e, 0x40, 0x52, 0xdd}},
	} {
		if got := vdpbf16ps(c.b, c.a, c.sum); got != c.want {
			t.Errorf("VDPBF16PS Z%d, Z%d, Z%d is % x, want % x", c.b, c.a, c.sum, got, c.want)
		}
	}
}
