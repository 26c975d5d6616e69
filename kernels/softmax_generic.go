package kernels

// expSumGeneric takes scale*x − shift in float64, where the product is exact, and rounds it to float32.
func expSumGeneric(scale, shift float32, x, y []float32) float32 {
	var s [4]float32
	y = y[:len(x)]
	for i, v := range x {
		e := expElement(float32(float64(scale)*float64(v) - float64(shift)))
		y[i] = e
		s[i&3] += e
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func softmaxGradGeneric(scale, dot float32, y, dy, dx []float32) {
	dy, dx = dy[:len(y)], dx[:len(y)]
	for i, v := range y {
		dx[i] = float32(scale*v) * (dy[i] - dot)
	}
}
