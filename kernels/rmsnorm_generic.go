package kernels

func rmsNormalizeGeneric(rstd float32, x, gamma, y []float32) {
	gamma, y = gamma[:len(x)], y[:len(x)]
	for i, v := range x {
		y[i] = v * rstd * gamma[i]
	}
}

// rmsGradSumGeneric keeps four partial sums, as sumGeneric does.
func rmsGradSumGeneric(rstd float32, x, gamma, dy []float32) float32 {
	var s [4]float32
	gamma, dy = gamma[:len(x)], dy[:len(x)]
	for i, v := range x {
		s[i%4] += float32(dy[i] * gamma[i] * (v * rstd))
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func rmsGradGeneric(rstd, b float32, x, gamma, dy, dx, dgamma []float32) {
	n := len(x)
	gamma, dy, dx, dgamma = gamma[:n], dy[:n], dx[:n], dgamma[:n]
	for i, v := range x {
		xhat := v * rstd
		d := dy[i]
		dx[i] += float32(rstd * (float32(d*gamma[i]) - float32(xhat*b)))
		dgamma[i] += float32(d * xhat)
	}
}
