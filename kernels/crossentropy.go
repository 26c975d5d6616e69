package kernels

import (
	"fmt"
	"math"
)

// CrossEntropy computes losses[i] = log(Σ_j exp(logits[i,j])) − logits[i,targets[i]], the negative
// logarithm of the target's probability, for each row. logits is rows×cols with row stride ld.
//
// The largest logit of the row is subtracted before the exponential and added again in float64. The
// error is at most γ(min(cols, 2¹⁴) + 24), beside the rounding of the result. A row that contains a NaN, or
// whose largest logit is infinite, has the loss NaN.
//
// It panics if rows is negative, cols less than 1, ld less than cols, a slice too short or a target not
// in [0, cols).
func CrossEntropy(rows, cols int, logits []float32, ld int, targets []int32, losses []float32) {
	checkTargets("CrossEntropy", rows, cols, logits, ld, targets, losses)
	s := lossScratch.take()
	for i := range rows {
		row := logits[i*ld : i*ld+cols]
		m := rowMax(row)
		var sum float64
		for lo := 0; lo < cols; lo += lossBlock {
			hi := min(lo+lossBlock, cols)
			sum += float64(active.expSum(1, m, row[lo:hi], s[:hi-lo]))
		}
		losses[i] = float32(math.Log(sum) + (float64(m) - float64(row[targets[i]])))
	}
	lossScratch.give(s)
}

// CrossEntropyBackward computes losses with the bits of CrossEntropy, and their gradients times scale:
// dlogits[i,j] = scale*(exp(logits[i,j])/Σ_l exp(logits[i,l]) − [j = targets[i]]). logits and dlogits
// are rows×cols with row strides ld and ldd; dlogits may be logits.
//
// The error of dlogits[i,j] is at most |scale|·p·γ(min(cols, 2¹⁴) + 24 + |t|) for t = logits[i,j] − max
// and the probability p = exp(t)/Σ, and 2⁻²⁴·|scale| more at the target. It panics as CrossEntropy does.
func CrossEntropyBackward(rows, cols int, scale float32, logits []float32, ld int, targets []int32, losses, dlogits []float32, ldd int) {
	checkTargets("CrossEntropyBackward", rows, cols, logits, ld, targets, losses)
	checkRows("CrossEntropyBackward", "dlogits", rows, cols, dlogits, ldd)
	for i := range rows {
		row, d := logits[i*ld:i*ld+cols], dlogits[i*ldd:i*ldd+cols]
		m, target := rowMax(row), row[targets[i]]
		var sum float64
		for lo := 0; lo < cols; lo += lossBlock {
			hi := min(lo+lossBlock, cols)
			sum += float64(active.expSum(1, m, row[lo:hi], d[lo:hi]))
		}
		losses[i] = float32(math.Log(sum) + (float64(m) - float64(target)))
		Scal(float32(float64(scale)/sum), d)
		d[targets[i]] -= scale
	}
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
