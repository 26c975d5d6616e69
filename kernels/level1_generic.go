package kernels

import (
	"math"
	"unsafe"
)

func axpyGeneric[F float](alpha F, x, y []F) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += F(alpha * v)
	}
}

func scalGeneric[F float](alpha F, x []F) {
	for i := range x {
		x[i] *= alpha
	}
}

func scalIncGeneric[F float](n int, alpha F, x *F, inc int) {
	xs := unsafe.Slice(x, (n-1)*inc+1)
	for i := range n {
		xs[i*inc] *= alpha
	}
}

// The sums below keep four partial sums, as the chain of additions of a single one would bound them.

func dotGeneric[F float](x, y []F) F {
	var s [4]F
	y = y[:len(x)]
	for len(x) >= 4 {
		a, b := x[:4:4], y[:4:4]
		s[0] += F(a[0] * b[0])
		s[1] += F(a[1] * b[1])
		s[2] += F(a[2] * b[2])
		s[3] += F(a[3] * b[3])
		x, y = x[4:], y[4:]
	}
	for i, v := range x {
		s[i] += F(v * y[i])
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func sumGeneric(x []float32) float32 {
	var s [4]float32
	for len(x) >= 4 {
		a := x[:4:4]
		s[0] += a[0]
		s[1] += a[1]
		s[2] += a[2]
		s[3] += a[3]
		x = x[4:]
	}
	for i, v := range x {
		s[i] += v
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func sumSquaresGeneric[F float](x []F) F { return dotGeneric(x, x) }

func asumGeneric[F float](x []F) F {
	var s [4]F
	for len(x) >= 4 {
		a := x[:4:4]
		s[0] += abs(a[0])
		s[1] += abs(a[1])
		s[2] += abs(a[2])
		s[3] += abs(a[3])
		x = x[4:]
	}
	for i, v := range x {
		s[i] += abs(v)
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func amaxGeneric[F float](x []F) (m F) {
	for _, v := range x {
		if a := abs(v); a > m {
			m = a
		}
	}
	return m
}

func abs[F float](x F) F { return F(math.Abs(float64(x))) }

func sumSqDiffGeneric(mean float32, x []float32) float32 {
	var s [4]float32
	for len(x) >= 4 {
		a := x[:4:4]
		d0, d1, d2, d3 := a[0]-mean, a[1]-mean, a[2]-mean, a[3]-mean
		s[0] += float32(d0 * d0)
		s[1] += float32(d1 * d1)
		s[2] += float32(d2 * d2)
		s[3] += float32(d3 * d3)
		x = x[4:]
	}
	for i, v := range x {
		s[i] += float32((v - mean) * (v - mean))
	}
	return s[0] + s[1] + (s[2] + s[3])
}

// maxGeneric leaves NaN out: the exponentials that follow a maximum find it.
func maxGeneric(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m
}
