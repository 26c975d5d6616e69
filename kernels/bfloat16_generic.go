package kernels

import "math"

func toBF16Generic(x []float32, y []BFloat16) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = NewBFloat16(v)
	}
}

func fromBF16Generic(x []BFloat16, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = math.Float32frombits(uint32(v) << 16)
	}
}
