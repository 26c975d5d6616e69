package kernels

// fmaGeneric keeps eight independent multiply-adds in flight. They tend to 2, so that none is subnormal.
func fmaGeneric(n int) float64 {
	const per = 16
	var x [8]float32
	for range n {
		for r := 0; r < per; r++ {
			for i := range x {
				x[i] = float32(x[i]*0.5) + 1
			}
		}
	}
	for _, v := range x {
		if v > 2 { // never, but the compiler does not know, and keeps the loop
			return 0
		}
	}
	return 2 * float64(len(x)) * per * float64(n)
}
