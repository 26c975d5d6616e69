package kernels

import (
	"fmt"
	"math"
)

// LogSumExp computes y[i] = log(Σ_j exp(x[i,j])) for each row. x is rows×cols with row stride ldx.
//
// The largest element of the row is subtracted before the exponential and added again in float64. The
// error is at most γ(min(cols, 2¹¹) + 24), γ as for Sgemm, beside the rounding of the result. A row that
// contains a NaN has the result NaN, any other with +Inf +Inf, and one of −Inf, or without elements, −Inf.
//
// It panics if rows or cols is negative, ldx less than cols or a slice too short.
//
// Reference: Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax functions, IMA
// Journal of Numerical Analysis 41(4), 2021.
func LogSumExp(rows, cols int, x []float32, ldx int, y []float32) {
	checkLogSumExp("LogSumExp", rows, cols, x, ldx, "y", y)
	s := lossScratch.take()
	for i := range rows {
		row := x[i*ldx : i*ldx+cols]
		m := rowMax(row)
		if math.IsInf(float64(m), 0) {
			y[i] = m
			if hasNaN(row) {
				y[i] = float32(math.NaN())
			}
			continue
		}
		var sum float64
		for lo := 0; lo < cols; lo += lossBlock {
			hi := min(lo+lossBlock, cols)
			sum += float64(active.expSum(1, m, row[lo:hi], s[:hi-lo]))
		}
		y[i] = float32(math.Log(sum) + float64(m))
	}
	lossScratch.give(s)
}

// LogSumExpBackward computes dx[i,j] = dy[i]*exp(x[i,j]) / Σ_l exp(x[i,l]), the gradient of LogSumExp. x
// and dx are rows×cols with row strides ldx and lddx; dx may be x.
//
// The error of dx[i,j] is at most |dy[i]|·p·γ(min(cols, 2¹⁴) + 24 + |t|) for t = x[i,j] − max and
// p = exp(t)/Σ; dx is 0 where t < −86.99. A row that contains a NaN becomes NaN; in any other with +Inf the
// elements that are +Inf have equal shares of dy[i] and the rest 0, and a row of −Inf becomes 0.
//
// It panics if rows or cols is negative, a stride less than cols or a slice too short.
func LogSumExpBackward(rows, cols int, x []float32, ldx int, dy, dx []float32, lddx int) {
	checkLogSumExp("LogSumExpBackward", rows, cols, x, ldx, "dy", dy)
	checkRows("LogSumExpBackward", "dx", rows, cols, dx, lddx)
	for i := range rows {
		row, d := x[i*ldx:i*ldx+cols], dx[i*lddx:i*lddx+cols]
		m := rowMax(row)
		if math.IsInf(float64(m), 0) {
			logSumExpShares(row, m, dy[i], d)
			continue
		}
		sum := expSum(1, m, row, d)
		Scal(float32(float64(dy[i])/sum), d)
	}
}

// logSumExpShares computes the gradient of a row whose largest element, or all, are infinite.
func logSumExpShares(x []float32, m, dy float32, dx []float32) {
	count := 0
	for _, v := range x {
		if v == m && m > 0 {
			count++
		}
	}
	share, rest := dy/float32(max(1, count)), float32(0)
	if hasNaN(x) {
		share, rest = float32(math.NaN()), float32(math.NaN())
	}
	for j, v := range x {
		if v == m && m > 0 {
			dx[j] = share
		} else {
			dx[j] = rest
		}
	}
}

func hasNaN(x []float32) bool {
	for _, v := range x {
		if v != v {
			return true
		}
	}
	return false
}

func checkLogSumExp(fn string, rows, cols int, x []float32, ldx int, name string, y []float32) {
	checkRows(fn, "x", rows, cols, x, ldx)
	if len(y) < rows {
		panic(fmt.Sprintf("kernels: %s: rows = %d, len(%s) = %d", fn, rows, name, len(y)))
	}
}
