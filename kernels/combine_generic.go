package kernels

func combineGeneric(h, b0 float32, k0, b []float32, k [][]float32, lo int, x, y []float32) {
	k0, y = k0[:len(x)], y[:len(x)]
	for i, v := range x {
		s := b0 * k0[i]
		for j, f := range k {
			s += float32(b[j] * f[lo+i])
		}
		y[i] = v + float32(h*s)
	}
}
