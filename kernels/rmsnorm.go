package kernels

import "math"

// RMSNorm computes y = x*rstd*gamma for each row, where rstd = 1/√(Σx²/cols + eps). x and y are rows×cols
// without gaps, gamma has cols elements, rstd gets one for each row. y may be x. Neither squares that
// overflow nor squares that underflow spoil the result.
//
// The relative error of rstd is at most δ = γ(min(cols, 2¹⁴)+2)/2 + 2·2⁻²⁴, unless it is subnormal, and that
// of y at most δ + 2·2⁻²⁴ where it is not. On AVX2 and AVX-512, for rows of up to 2¹⁴ elements, δ = γ(cols+8)/2 + 2·2⁻²⁴.
//
// It panics if rows is negative, cols less than 1 or a slice too short.
//
// Source: Zhang and Sennrich, Root Mean Square Layer Normalization, arXiv:1910.07467.
func RMSNorm(rows, cols int, eps float32, x, gamma, y, rstd []float32) {
	checkNorm("RMSNorm", rows, cols, len(x), len(y), len(gamma), cols, rows, len(rstd))
	rmsNormRows(rows, cols, eps, x, gamma, y, rstd, storesOf(2, rows, cols, y, same(x, y)))
}

// rmsNormWhole tells whether rows go through a kernel of whole rows, unless their squares overflow or underflow.
func rmsNormWhole(cols int, eps float32) bool {
	return active.rmsNorm != nil && cols <= block && eps <= largestEps
}

func rmsNormRows(rows, cols int, eps float32, x, gamma, y, rstd []float32, stores rowStores) {
	inGroups(rows, stores.atOnce(cols), rmsNormWhole(cols, eps), func(i, n int) int {
		lo, hi := i*cols, (i+n)*cols
		return active.rmsNorm(n, cols, eps, x[lo:hi], gamma[:cols], y[lo:hi], rstd[i:i+n], int(stores))
	}, func(i int) {
		row := x[i*cols : (i+1)*cols]
		rstd[i] = float32(1 / math.Sqrt(squaresInRange(sumSquares(row), row)/float64(cols)+float64(eps)))
		for lo := 0; lo < cols; lo += block {
			hi := min(lo+block, cols)
			active.rmsNormalize(rstd[i], row[lo:hi], gamma[lo:hi], y[i*cols+lo:i*cols+hi])
		}
	})
}

// RMSNormBackward adds the gradients of RMSNorm to dx and dgamma: for each row, with x̂ = x*rstd and
// g = dy*gamma,
//
//	dx += rstd*(g − x̂*Σ(g*x̂)/cols), dgamma += dy*x̂.
//
// x, dy and dx are rows×cols without gaps, gamma and dgamma have cols elements; rstd is that which RMSNorm
// gave. No two of the slices may overlap.
//
// What a row adds to dx is off by at most γ(min(cols, 2¹⁴)+8)·rstd·(|g| + |x̂|·Σ|g*x̂|/cols). It panics if
// rows is negative, cols less than 1 or a slice too short.
func RMSNormBackward(rows, cols int, x, gamma, rstd, dy, dx, dgamma []float32) {
	checkNorm("RMSNormBackward", rows, cols, min(len(x), len(dy)), len(dx), len(gamma), len(dgamma), rows, len(rstd))
	if active.rmsNormGrad != nil && cols <= block {
		for i, step := 0, groupsOf(block/cols); i < rows; i += step {
			n := min(step, rows-i)
			lo, hi := i*cols, (i+n)*cols
			active.rmsNormGrad(n, cols, x[lo:hi], gamma[:cols], rstd[i:i+n], dy[lo:hi], dx[lo:hi], dgamma[:cols])
		}
		return
	}
	for i := range rows {
		xi, dyi, dxi := x[i*cols:(i+1)*cols], dy[i*cols:(i+1)*cols], dx[i*cols:(i+1)*cols]
		var s float64
		for lo := 0; lo < cols; lo += block {
			hi := min(lo+block, cols)
			s += float64(active.rmsGradSum(rstd[i], xi[lo:hi], gamma[lo:hi], dyi[lo:hi]))
		}
		b := float32(s / float64(cols))
		for lo := 0; lo < cols; lo += block {
			hi := min(lo+block, cols)
			active.rmsGrad(rstd[i], b, xi[lo:hi], gamma[lo:hi], dyi[lo:hi], dxi[lo:hi], dgamma[lo:hi])
		}
	}
}
