package kernels

func normalizeGeneric(mean, rstd float32, x, gamma, beta, y []float32) {
	gamma, beta, y = gamma[:len(x)], beta[:len(x)], y[:len(x)]
	for i, v := range x {
		xhat := (v - mean) * rstd
		y[i] = float32(xhat*gamma[i]) + beta[i]
	}
}

func normGradSumsGeneric(mean, rstd float32, x, gamma, dy []float32) (s, sx float32) {
	gamma, dy = gamma[:len(x)], dy[:len(x)]
	for i, v := range x {
		g := dy[i] * gamma[i]
		s += g
		sx += float32(g * ((v - mean) * rstd))
	}
	return s, sx
}

func normGradGeneric(mean, rstd, a, b float32, x, gamma, dy, dx, dgamma, dbeta []float32) {
	n := len(x)
	gamma, dy, dx, dgamma, dbeta = gamma[:n], dy[:n], dx[:n], dgamma[:n], dbeta[:n]
	for i, v := range x {
		xhat := (v - mean) * rstd
		d := dy[i]
		dx[i] += float32(rstd * (float32(d*gamma[i]) - a - float32(xhat*b)))
		dgamma[i] += float32(d * xhat)
		dbeta[i] += d
	}
}
