package kernels

import "math"

func adamwGeneric(scale, beta1, oneMinusBeta1, beta2, oneMinusBeta2, step, c2, eps, decay float32, g, w, m, v []float32) {
	w, m, v = w[:len(g)], m[:len(g)], v[:len(g)]
	for i, x := range g {
		x *= scale
		mi := float32(beta1*m[i]) + float32(oneMinusBeta1*x)
		vi := float32(beta2*v[i]) + float32(float32(oneMinusBeta2*x)*x)
		m[i], v[i] = mi, vi
		root := float32(math.Sqrt(float64(vi)))
		w[i] = float32(decay*w[i]) - float32(step*mi)/(float32(c2*root)+eps)
	}
}

func adamw16Generic(scale, beta1, oneMinusBeta1, beta2, oneMinusBeta2, step, c2, eps, decay float32, g, w, m, v []float32, half []BFloat16) {
	adamwGeneric(scale, beta1, oneMinusBeta1, beta2, oneMinusBeta2, step, c2, eps, decay, g, w, m, v)
	toBF16Generic(w, half)
}

func sgdGeneric(scale, decay, momentum, lr float32, g, w, m []float32) {
	w, m = w[:len(g)], m[:len(g)]
	for i, x := range g {
		x = float32(scale*x) + float32(decay*w[i])
		x += float32(momentum * m[i])
		m[i] = x
		w[i] -= float32(lr * x)
	}
}
