package kernels

import (
	"fmt"
	"math"
)

// CrossEntropy computes losses[i] = log(Σ_j exp(logits[i,j])) − logits[i,targets[i]], the negative
// logarithm of the target's probability, for each row. logits is rows×cols with row stride ld.
//
// The largest logit of the row is subtracted before the exponential and added again in float64. The
// error is at most γ(min(cols, 2¹⁴) + 24 + 4·log(cols)), beside the rounding of the result. A row that
// contains a NaN, or whose largest logit is infinite, has the loss NaN.
//
// It panics if rows is negative, cols less than 1, ld less than cols, a slice too short or a target not
// in [0, cols).
func CrossEntropy(rows, cols int, logits []float32, ld int, targets []int32, losses []float32) {
	checkTargets("CrossEntropy", rows, cols, logits, ld, targets, losses)
	w := chunkLists.take()
	inGroups(rows, min(maxChunks, atOnce(cols)), direct(cols), func(i, n int) int {
		done := w.logs(n, cols, logits[i*ld:], ld)
		for r := range done {
			target := logits[(i+r)*ld+int(targets[i+r])]
			losses[i+r] = float32(float64(w.sum32[r]) + (float64(w.top32[r]) - float64(target)))
		}
		return done
	}, func(i int) {
		row := logits[i*ld : i*ld+cols]
		target := row[targets[i]]
		if chunked(cols) {
			w.exps(1, row, nil)
			losses[i] = w.loss(target)
			return
		}
		m := rowMax(row)
		losses[i] = float32(math.Log(sumOfExps(m, row)) + (float64(m) - float64(target)))
	})
	chunkLists.give(w)
}

// loss returns that of a row that exps has done.
func (w *chunks) loss(target float32) float32 {
	top, sum := w.total()
	if math.IsInf(top, 0) {
		return float32(math.NaN())
	}
	return float32(math.Log(sum) + (top - float64(target)))
}

// CrossEntropyBackward computes losses with the bits of CrossEntropy, and their gradients times scale:
// dlogits[i,j] = scale*(exp(logits[i,j])/Σ_l exp(logits[i,l]) − [j = targets[i]]). logits and dlogits
// are rows×cols with row strides ld and ldd; dlogits may be logits.
//
// The error of dlogits[i,j] is at most |scale|·p·γ(min(cols, 2¹⁴) + 24 + 4|t|) for t = logits[i,j] − max
// and the probability p = exp(t)/Σ, and 2⁻²⁴·|scale| more at the target. It panics as CrossEntropy does.
func CrossEntropyBackward(rows, cols int, scale float32, logits []float32, ld int, targets []int32, losses, dlogits []float32, ldd int) {
	checkTargets("CrossEntropyBackward", rows, cols, logits, ld, targets, losses)
	checkRows("CrossEntropyBackward", "dlogits", rows, cols, dlogits, ldd)
	w := chunkLists.take()
	w.over = scale
	inGroups(rows, min(maxChunks, atOnce(cols)), direct(cols), func(i, n int) int {
		for r := range n {
			w.targets[r] = logits[(i+r)*ld+int(targets[i+r])]
		}
		done := active.softmaxRows(n, cols, 0, 1, &logits[i*ld], ld, &dlogits[i*ldd], ldd, &w.over, 0, &w.top32[0], &w.sum32[0])
		active.log(w.sum32[:done], w.sum32[:done])
		for r := range done {
			losses[i+r] = float32(float64(w.sum32[r]) + (float64(w.top32[r]) - float64(w.targets[r])))
			dlogits[(i+r)*ldd+int(targets[i+r])] -= scale
		}
		return done
	}, func(i int) {
		row, d := logits[i*ld:i*ld+cols], dlogits[i*ldd:i*ldd+cols]
		target := row[targets[i]]
		if chunked(cols) {
			w.exps(1, row, d)
			losses[i] = w.loss(target)
			top, sum := w.total()
			if math.IsInf(top, 0) {
				sum = math.NaN()
			}
			w.times(float64(scale), top, sum, d)
		} else {
			m := rowMax(row)
			var sum float64
			for lo := 0; lo < cols; lo += lossBlock {
				hi := min(lo+lossBlock, cols)
				sum += float64(active.expSum(1, m, row[lo:hi], d[lo:hi]))
			}
			losses[i] = float32(math.Log(sum) + (float64(m) - float64(target)))
			Scal(float32(float64(scale)/sum), d)
		}
		d[targets[i]] -= scale
	})
	chunkLists.give(w)
}

func checkTargets(fn string, rows, cols int, logits []float32, ld int, targets []int32, losses []float32) {
	checkRows(fn, "logits", rows, cols, logits, ld)
	if cols < 1 || len(targets) < rows || len(losses) < rows {
		panic(fmt.Sprintf("kernels: %s: rows = %d, cols = %d, len(targets) = %d, len(losses) = %d", fn, rows, cols, len(targets), len(losses)))
	}
	for i, t := range targets[:rows] {
		if t < 0 || int(t) >= cols {
			panic(fmt.Sprintf("kernels: %s: targets[%d] = %d, cols = %d", fn, i, t, cols))
		}
	}
}

// lossBlock is how many exponentials are summed in float32 before float64 takes over: CrossEntropy, which
// needs none of them for longer, then keeps them in the first-level cache.
const lossBlock = 2048

var lossScratch freeList[[lossBlock]float32]
