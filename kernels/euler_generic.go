package kernels

func eulerGeneric(h float32, x, f, y []float32) {
	f, y = f[:len(x)], y[:len(x)]
	for i, v := range x {
		y[i] = v + float32(h*f[i])
	}
}

func eulerSumGeneric(h float32, x, f, y []float32) float32 {
	eulerGeneric(h, x, f, y)
	return sumGeneric(y)
}
