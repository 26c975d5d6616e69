package kernels

func transposeGeneric(rows, cols int, x []float32, ldx int, y []float32, ldy int) {
	for i := range rows {
		for j, v := range x[i*ldx : i*ldx+cols] {
			y[j*ldy+i] = v
		}
	}
}
