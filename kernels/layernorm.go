package kernels

import (
	"fmt"
	"math"
)

// LayerNorm computes y = (x − mean)*rstd*gamma + beta for each row, where mean is the row's mean and
// rstd = 1/√(Σ(x−mean)²/cols + eps). x and y are rows×cols without gaps, gamma and beta have cols
// elements, mean and rstd get one for each row. y may be x.
//
// The error of mean is at most ε = γ(k+3)·Σ|x|/cols for k = min(cols, 2¹⁴), and the relative error of
// rstd is at most δ/2 + 2·2⁻²⁴ with δ = γ(k+6) + (ε·rstd)², because the variance is a sum of squared
// differences. On AVX2 and AVX-512, where rows of up to 2¹⁴ elements are summed as differences from a number that is no
// further from the mean than the standard deviation σ, ε = γ(k+12)·(Σ|x|/cols + σ) and δ = γ(k+48) + (ε·rstd)²: the
// square of what that number is off is taken from the squares. With x̂ = (x − mean)*rstd, that of y is at most |gamma|·(|x̂|·δ/2 + 1.01·ε·rstd) +
// γ(6)·(|gamma*x̂| + |beta|).
//
// It panics if rows is negative, cols less than 1 or a slice too short.
//
// Source: Ba, Kiros and Hinton, Layer Normalization, arXiv:1607.06450.
func LayerNorm(rows, cols int, eps float32, x, gamma, beta, y, mean, rstd []float32) {
	checkNorm("LayerNorm", rows, cols, len(x), len(y), len(gamma), len(beta), len(mean), len(rstd))
	layerNormRows(rows, cols, eps, x, gamma, beta, y, mean, rstd, storesOf(2, rows, cols, y, same(x, y)))
}

// largestEps is the largest eps that kernels of whole rows take, which multiply it by cols.
const largestEps = 1e30

// layerNormWhole tells whether rows go through a kernel of whole rows.
func layerNormWhole(cols int, eps float32) bool {
	return active.layerNorm != nil && cols <= block && eps <= largestEps
}

func layerNormRows(rows, cols int, eps float32, x, gamma, beta, y, mean, rstd []float32, stores rowStores) {
	if layerNormWhole(cols, eps) {
		for i, step := 0, stores.atOnce(cols); i < rows; i += step {
			n := min(step, rows-i)
			lo, hi := i*cols, (i+n)*cols
			active.layerNorm(n, cols, eps, x[lo:hi], gamma[:cols], beta[:cols], y[lo:hi], mean[i:i+n], rstd[i:i+n], int(stores))
		}
		return
	}
	for i := range rows {
		row := x[i*cols : (i+1)*cols]
		mean[i], rstd[i] = moments(sum(row), row, eps)
		normalizeRow(mean[i], rstd[i], row, gamma, beta, y[i*cols:(i+1)*cols])
	}
}

// moments returns the mean of a row whose sum is s, and 1/√(variance + eps).
func moments(s float64, row []float32, eps float32) (mean, rstd float32) {
	n := float64(len(row))
	mean = float32(s / n)
	var sq float64
	for lo := 0; lo < len(row); lo += block {
		sq += float64(active.sumSqDiff(mean, row[lo:min(lo+block, len(row))]))
	}
	return mean, float32(1 / math.Sqrt(sq/n+float64(eps)))
}

func normalizeRow(mean, rstd float32, x, gamma, beta, y []float32) {
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.normalize(mean, rstd, x[lo:hi], gamma[lo:hi], beta[lo:hi], y[lo:hi])
	}
}

// LayerNormBackward adds the gradients of LayerNorm to dx, dgamma and dbeta: for each row, with
// x̂ = (x − mean)*rstd and g = dy*gamma,
//
//	dx += rstd*(g − Σg/cols − x̂*Σ(g*x̂)/cols), dgamma += dy*x̂, dbeta += dy.
//
// x, dy and dx are rows×cols without gaps, gamma, dgamma and dbeta have cols elements; mean and rstd
// are those that LayerNorm gave. No two of the slices may overlap.
//
// What a row adds to dx is off by at most γ(min(cols, 2¹⁴)+8)·rstd·(|g| + Σ|g|/cols +
// |x̂|·Σ|g*x̂|/cols). It panics if rows is negative, cols less than 1 or a slice too short.
func LayerNormBackward(rows, cols int, x, gamma, mean, rstd, dy, dx, dgamma, dbeta []float32) {
	checkNorm("LayerNormBackward", rows, cols, min(len(x), len(dy)), len(dx), len(gamma), min(len(dgamma), len(dbeta)), len(mean), len(rstd))
	if active.layerNormGrad != nil && cols <= block {
		for i, step := 0, groupsOf(block/cols); i < rows; i += step {
			n := min(step, rows-i)
			lo, hi := i*cols, (i+n)*cols
			active.layerNormGrad(n, cols, x[lo:hi], gamma[:cols], mean[i:i+n], rstd[i:i+n], dy[lo:hi], dx[lo:hi], dgamma[:cols], dbeta[:cols])
		}
		return
	}
	for i := range rows {
		xi, dyi, dxi := x[i*cols:(i+1)*cols], dy[i*cols:(i+1)*cols], dx[i*cols:(i+1)*cols]
		var s, sx float64
		for lo := 0; lo < cols; lo += block {
			hi := min(lo+block, cols)
			a, b := active.normGradSums(mean[i], rstd[i], xi[lo:hi], gamma[lo:hi], dyi[lo:hi])
			s, sx = s+float64(a), sx+float64(b)
		}
		a, b := float32(s/float64(cols)), float32(sx/float64(cols))
		for lo := 0; lo < cols; lo += block {
			hi := min(lo+block, cols)
			active.normGrad(mean[i], rstd[i], a, b, xi[lo:hi], gamma[lo:hi], dyi[lo:hi], dxi[lo:hi], dgamma[lo:hi], dbeta[lo:hi])
		}
	}
}

// checkNorm panics unless in and out hold rows×cols elements, gamma and beta cols, mean and rstd rows.
func checkNorm(fn string, rows, cols, in, out, gamma, beta, mean, rstd int) {
	if rows < 0 || cols < 1 {
		panic(fmt.Sprintf("kernels: %s: rows = %d, cols = %d", fn, rows, cols))
	}
	if in < rows*cols || out < rows*cols || gamma < cols || beta < cols || mean < rows || rstd < rows {
		panic(fmt.Sprintf("kernels: %s: %d×%d, but the shortest input has %d elements, the shortest output %d, gamma %d, beta or a gradient %d, mean %d, rstd %d", fn, rows, cols, in, out, gamma, beta, mean, rstd))
	}
}
