package kernels

import (
	"fmt"
)

// SoftmaxPart is a softmax of rows that come in parts, for whoever joins them: over the first L columns of each row,
//
//	tops[i] = max_j x[i,j],   y[i,j] = exp(scale*(x[i,j] − tops[i])),   sums[i] = Σ_j y[i,j]
//
// and y is 0 beyond; L is cols if causal is 0, and else min(cols, causal+i). x and y are rows×cols with row
// strides ldx and ldy; y may be x. scale must not be negative. Two parts with tops a and b make one of top t = max(a, b)
// whose sum is exp(scale*(a−t)) times that of the first and exp(scale*(b−t)) times that of the second.
//
// The relative error of y is at most γ(24 + 4|t|) for t = scale*(x[i,j] − tops[i]), and that of a sum at most
// γ(min(L, 2¹⁴)) more; y is 0 where t < −87.35, on some instruction sets where t < −86.98. Where a row contains a
// NaN, or its largest scale*x is infinite, its sum is NaN; −Inf is a masked position.
//
// It panics if a size, causal or scale is negative, a stride less than cols or a slice too short.
//
// Reference: Milakov and Gimelshein, Online normalizer calculation for softmax, 2018, §3.
func SoftmaxPart(rows, cols int, scale float32, causal int, x []float32, ldx int, y []float32, ldy int, tops, sums []float32) {
	const fn = "SoftmaxPart"
	checkCausal(fn, causal)
	checkRows(fn, "x", rows, cols, x, ldx)
	checkRows(fn, "y", rows, cols, y, ldy)
	checkPerRow(fn, "tops", rows, tops)
	checkPerRow(fn, "sums", rows, sums)
	if scale < 0 {
		panic(fmt.Sprintf("kernels: %s: scale = %v", fn, scale))
	}
	inGroups(rows, atOnce(cols), inRange(scale) && direct(cols), func(i, n int) int {
		return active.softmaxRows(n, cols, causalFrom(causal, i), scale, &x[i*ldx], ldx, &y[i*ldy], ldy, nil, 0, &tops[i], &sums[i])
	}, func(i int) {
		l := causalColumns(cols, causal, i)
		tops[i], sums[i] = softmaxPart(scale, x[i*ldx:i*ldx+l], y[i*ldy:i*ldy+l])
	})
	clearBeyond(rows, cols, causal, y, ldy)
}

// clearBeyond sets what each row has beyond its columns to 0.
func clearBeyond(rows, cols, causal int, y []float32, ldy int) {
	for i := 0; causal > 0 && i < rows && causal+i < cols; i++ {
		clear(y[i*ldy+causal+i : i*ldy+cols])
	}
}

func softmaxPart(scale float32, x, y []float32) (top, sum float32) {
	top = rowMax(x)
	shift := scale * top
	if !(shift < 1<<17 && shift > -1<<17) { // as in softmaxRow
		for j, v := range x {
			y[j] = v - top
		}
		x, shift = y, 0
	}
	return top, float32(expSum(scale, shift, x, y))
}

// SoftmaxGiven computes y[i,j] = exp(scale*x[i,j] − logSums[i]) over the first L columns of each row, and 0 beyond:
// part of a softmax, where logSums has the logarithm of Σ exp(scale*x) over whole rows. y may be x. The rest is as for
// Softmax, but for the error, which is at most γ(24 + 4|t|) for t = scale*x[i,j] − logSums[i], and +Inf for t ≥
// 88.73. It panics if Softmax would, or if logSums is short.
func SoftmaxGiven(rows, cols int, scale float32, causal int, x []float32, ldx int, logSums, y []float32, ldy int) {
	const fn = "SoftmaxGiven"
	checkCausal(fn, causal)
	checkRows(fn, "x", rows, cols, x, ldx)
	checkRows(fn, "y", rows, cols, y, ldy)
	checkPerRow(fn, "logSums", rows, logSums)
	switch given := active.softmaxGivenRows; {
	case given != nil && 0 < cols && cols <= block:
		for i, step := 0, atOnce(cols); i < rows; i += step {
			given(min(step, rows-i), cols, causalFrom(causal, i), scale, &x[i*ldx], ldx, &logSums[i], &y[i*ldy], ldy)
		}
	case given != nil:
		for i := range rows {
			l := causalColumns(cols, causal, i)
			for lo := 0; lo < l; lo += block {
				given(1, min(block, l-lo), 0, scale, &x[i*ldx+lo], ldx, &logSums[i], &y[i*ldy+lo], ldy)
			}
		}
	default:
		for i := range rows {
			l := causalColumns(cols, causal, i)
			expSum(scale, logSums[i], x[i*ldx:i*ldx+l], y[i*ldy:i*ldy+l])
		}
	}
	clearBeyond(rows, cols, causal, y, ldy)
}

// SoftmaxGivenBackward computes dx = scale*y*(dy − dots[i]) on the first L columns of each row and 0 beyond: part
// of SoftmaxBackward, where dots has Σ y*dy over whole rows. The error is at most γ(3)·|dx|, and panics are those of
// SoftmaxBackward, or if dots is short. dx may be dy.
func SoftmaxGivenBackward(rows, cols int, scale float32, causal int, y []float32, ldy int, dots, dy []float32, lddy int, dx []float32, lddx int) {
	const fn = "SoftmaxGivenBackward"
	checkCausal(fn, causal)
	checkRows(fn, "y", rows, cols, y, ldy)
	checkRows(fn, "dy", rows, cols, dy, lddy)
	checkRows(fn, "dx", rows, cols, dx, lddx)
	checkPerRow(fn, "dots", rows, dots)
	if active.softmaxGivenGradRows != nil && 0 < cols && cols <= block {
		for i, step := 0, atOnce(cols); i < rows; i += step {
			active.softmaxGivenGradRows(min(step, rows-i), cols, causalFrom(causal, i), scale, &y[i*ldy], ldy, &dots[i], &dy[i*lddy], lddy, &dx[i*lddx], lddx)
		}
	} else {
		for i := range rows {
			l := causalColumns(cols, causal, i)
			softmaxGrad(scale, dots[i], y[i*ldy:i*ldy+l], dy[i*lddy:i*lddy+l], dx[i*lddx:i*lddx+l])
		}
	}
	clearBeyond(rows, cols, causal, dx, lddx)
}

// checkPerRow panics unless x has an element for each row.
func checkPerRow(fn, name string, rows int, x []float32) {
	if len(x) < rows {
		panic(fmt.Sprintf("kernels: %s: rows = %d, len(%s) = %d", fn, rows, name, len(x)))
	}
}
