package kernels

func gatherGeneric(cols int, table []float32, indices []int32, y []float32) {
	for i, index := range indices {
		copy(y[i*cols:(i+1)*cols], table[int(index)*cols:])
	}
}

func addRowGeneric(x, y, _ []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += v
	}
}
