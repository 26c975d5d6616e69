package kernels

import (
	"fmt"
	"math"
)

// LogSumExp computes y[i] = log(Σ_j exp(x[i,j])) for each row. x is rows×cols with row stride ldx.
//
// The largest element of the row is subtracted before the exponential and added again in float64. The
// error is at most γ(min(cols, 2¹⁴) + 24 + 4·log(cols)), γ as for Sgemm, beside the rounding of the result.
// A row that contains a NaN has the result NaN, any other with +Inf +Inf, and one of −Inf, or without
// elements, −Inf.
//
// It panics if rows or cols is negative, ldx less than cols or a slice too short.
//
// Reference: Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax functions, IMA
// Journal of Numerical Analysis 41(4), 2021.
func LogSumExp(rows, cols int, x []float32, ldx int, y []float32) {
	checkLogSumExp("LogSumExp", rows, cols, x, ldx, "y", y)
	w := chunkLists.take()
	inGroups(rows, min(maxChunks, atOnce(cols)), direct(cols), func(i, n int) int {
		done := w.logs(n, cols, x[i*ldx:], ldx)
		for r := range done {
			y[i+r] = float32(float64(w.top32[r]) + float64(w.sum32[r]))
		}
		return done
	}, func(i int) { y[i] = w.logSumExp(x[i*ldx : i*ldx+cols]) })
	chunkLists.give(w)
}

// logs computes the largest elements of n rows and the logarithms of their sums, and returns for how many.
func (w *chunks) logs(n, cols int, x []float32, ldx int) int {
	done := active.expSumRows(n, cols, 1, &x[0], ldx, &w.top32[0], &w.sum32[0])
	active.log(w.sum32[:done], w.sum32[:done])
	return done
}

func (w *chunks) logSumExp(row []float32) float32 {
	if chunked(len(row)) {
		w.exps(1, row, nil)
		top, sum := w.total()
		if math.IsInf(top, 0) && sum == sum {
			return float32(top)
		}
		return float32(top + math.Log(sum))
	}
	m := rowMax(row)
	if math.IsInf(float64(m), 0) {
		if hasNaN(row) {
			return float32(math.NaN())
		}
		return m
	}
	return float32(math.Log(sumOfExps(m, row)) + float64(m))
}

// sumOfExps returns Σ exp(x − m).
func sumOfExps(m float32, x []float32) (sum float64) {
	s := lossScratch.take()
	for lo := 0; lo < len(x); lo += lossBlock {
		hi := min(lo+lossBlock, len(x))
		sum += float64(active.expSum(1, m, x[lo:hi], s[:hi-lo]))
	}
	lossScratch.give(s)
	return sum
}

// LogSumExpBackward computes dx[i,j] = dy[i]*exp(x[i,j]) / Σ_l exp(x[i,l]), the gradient of LogSumExp. x
// and dx are rows×cols with row strides ldx and lddx; dx may be x.
//
// The error of dx[i,j] is at most |dy[i]|·p·γ(min(cols, 2¹⁴) + 24 + 4|t|) for t = x[i,j] − max and
// p = exp(t)/Σ; dx is 0 where t < −87.35, as in Softmax. A row that contains a NaN becomes NaN; in any other with +Inf the
// elements that are +Inf have equal shares of dy[i] and the rest 0, and a row of −Inf becomes 0.
//
// It panics if rows or cols is negative, a stride less than cols or a slice too short.
func LogSumExpBackward(rows, cols int, x []float32, ldx int, dy, dx []float32, lddx int) {
	checkLogSumExp("LogSumExpBackward", rows, cols, x, ldx, "dy", dy)
	checkRows("LogSumExpBackward", "dx", rows, cols, dx, lddx)
	w := chunkLists.take()
	inGroups(rows, atOnce(cols), direct(cols), func(i, n int) int {
		return active.softmaxRows(n, cols, 0, 1, &x[i*ldx], ldx, &dx[i*lddx], lddx, &dy[i], 1, nil, nil)
	}, func(i int) {
		row, d := x[i*ldx:i*ldx+cols], dx[i*lddx:i*lddx+cols]
		if chunked(cols) {
			w.exps(1, row, d)
			if top, sum := w.total(); sum != 0 { // 0: the row is of −Inf
				w.times(float64(dy[i]), top, sum, d)
			}
			return
		}
		m := rowMax(row)
		if math.IsInf(float64(m), 0) {
			logSumExpShares(row, m, dy[i], d)
			return
		}
		sum := expSum(1, m, row, d)
		Scal(float32(float64(dy[i])/sum), d)
	})
	chunkLists.give(w)
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
