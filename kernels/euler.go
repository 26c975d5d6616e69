package kernels

import "fmt"

// Euler computes y = x + h*f, a step of the explicit Euler method. The error is at most 2·2⁻²⁴·(|x| +
// |h*f|); with h = 1 the result is x + f rounded once. y may be x or f. It panics if the lengths differ.
func Euler(h float32, x, f, y []float32) {
	if len(x) != len(f) || len(x) != len(y) {
		panic(fmt.Sprintf("kernels: Euler: len(x) = %d, len(f) = %d, len(y) = %d", len(x), len(f), len(y)))
	}
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.euler(h, x[lo:hi], f[lo:hi], y[lo:hi])
	}
}

// EulerLayerNorm computes y = x + h*f and z = LayerNorm(y), row by row, so that each row is read from
// memory once: the residual connection and the normalisation that follows it. x, f, y and z are
// rows×cols without gaps; the rest is as for LayerNorm. All results have the bits of Euler followed by
// LayerNorm. y may be x or f, and so may z if y is not the same; z must not be y.
//
// It panics if rows is negative, cols less than 1 or a slice too short.
func EulerLayerNorm(rows, cols int, h, eps float32, x, f, gamma, beta, y, z, mean, rstd []float32) {
	checkNorm("EulerLayerNorm", rows, cols, min(len(x), len(f)), min(len(y), len(z)), len(gamma), len(beta), len(mean), len(rstd))
	for i := range rows {
		r0, r1 := i*cols, (i+1)*cols
		var s float64
		for lo := r0; lo < r1; lo += block {
			hi := min(lo+block, r1)
			s += float64(active.eulerSum(h, x[lo:hi], f[lo:hi], y[lo:hi]))
		}
		row := y[r0:r1]
		mean[i], rstd[i] = moments(s, row, eps)
		normalizeRow(mean[i], rstd[i], row, gamma, beta, z[r0:r1])
	}
}
