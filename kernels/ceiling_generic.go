package kernels

// fmaGeneric keeps twelve independent multiply-adds in flight, in registers. They tend to 2, so that none
// is subnormal.
func fmaGeneric(n int) float64 {
	const per, chains = 16, 12
	var a, b, c, d, e, f, g, h, i, j, k, l float32
	for range n {
		for r := 0; r < per; r++ {
			a, b, c = float32(a*0.5)+1, float32(b*0.5)+1, float32(c*0.5)+1
			d, e, f = float32(d*0.5)+1, float32(e*0.5)+1, float32(f*0.5)+1
			g, h, i = float32(g*0.5)+1, float32(h*0.5)+1, float32(i*0.5)+1
			j, k, l = float32(j*0.5)+1, float32(k*0.5)+1, float32(l*0.5)+1
		}
	}
	// Never, but the compiler does not know, and keeps the loop.
	if max(a, b, c, d, e, f, g, h, i, j, k, l) > 2 {
		return 0
	}
	return 2 * chains * per * float64(n)
}
