package kernels

import "math"

// This file has what softmax, log-sum-exp, cross-entropy and their gradients have in common where the row of
// the table does whole rows.

// unit is what softmax divides.
var unit float32 = 1

// Rows of up to directCols elements are done as they are, longer ones in chunks, each with a maximum of its own: so
// memory is read once, and the exponentials are scaled when all chunks are known. More than maxChunks are
// not worth the workspace.
const (
	directCols = 4096
	leastChunk = 1024
	maxChunks  = 64

	groupRows = 4 // of asm/rowgroup_x86.go
)

// inGroups calls run for rows [i, i+n), n ≤ most, as long as that does them, which it tells by returning n, and one
// for each other row. Rows that run refuses are tried again alone, so that those beside them do not matter.
func inGroups(rows, most int, possible bool, run func(i, n int) int, one func(i int)) {
	for i := 0; i < rows; {
		if !possible {
			one(i)
			i++
			continue
		}
		n := min(rows-i, most)
		done := run(i, n)
		i += done
		if done == n {
			continue
		}
		for end := min(i+groupRows, rows); i < end; i++ {
			if run(i, 1) == 0 {
				one(i)
			}
		}
	}
}

// groupsOf returns n, or what is left of it in whole groups.
func groupsOf(n int) int {
	if n > groupRows {
		n -= n % groupRows
	}
	return max(1, n)
}

// direct tells whether rows are done as they are.
func direct(cols int) bool { return active.softmaxRows != nil && cols > 0 && cols <= directCols }

// atOnce is how many of them in a call.
func atOnce(cols int) int { return groupsOf(block / max(1, cols)) }

// inRange tells whether softmaxRows takes the scale.
func inRange(scale float32) bool { return scale == 0 || scale >= 1e-30 && scale <= 1e30 }

// chunked tells whether a row of n elements is done in chunks.
func chunked(n int) bool {
	return active.softmaxRows != nil && n > directCols && n <= maxChunks*(block-leastChunk)
}

// chunks holds what is known of a row in chunks: the largest element of each, and the sum of the exponentials of
// what the others are less, times scale.
type chunks struct {
	scale        float64
	count, size  int
	tops, sums   [maxChunks]float64
	top32, sum32 [maxChunks]float32
	targets      [maxChunks]float32
	over         float32
}

var chunkLists freeList[chunks]

// exps computes exp(scale*(x − top)) and its sum for each chunk. y may be nil.
func (w *chunks) exps(scale float32, x, y []float32) {
	w.scale = float64(scale)
	w.size = max(leastChunk, (len(x)/maxChunks+leastChunk)/leastChunk*leastChunk)
	w.count = (len(x) + w.size - 1) / w.size
	run := func(c, n, size int) int {
		lo := c * w.size
		if y == nil {
			return active.expSumRows(n, size, scale, &x[lo], w.size, &w.top32[c], &w.sum32[c])
		}
		return active.softmaxRows(n, size, 0, scale, &x[lo], w.size, &y[lo], w.size, nil, 0, &w.top32[c], &w.sum32[c])
	}
	for c := 0; c < w.count; {
		n, size := min(w.count-c, max(1, block/w.size)), w.size
		if last := len(x) - c*w.size; last < w.size {
			size = last
		} else {
			n = min(n, last/w.size)
		}
		done := run(c, n, size)
		for i := c; i < c+done; i++ {
			w.tops[i], w.sums[i] = float64(w.top32[i]), float64(w.sum32[i])
		}
		c += done
		if done == n {
			continue
		}
		for end := min(c+groupRows, c+n-done); c < end; c++ {
			if run(c, 1, size) == 1 {
				w.tops[c], w.sums[c] = float64(w.top32[c]), float64(w.sum32[c])
				continue
			}
			lo := c * w.size
			part := x[lo : lo+size]
			if y == nil {
				scratch := lossScratch.take()
				w.one(c, part, scratch[:])
				lossScratch.give(scratch)
			} else {
				w.one(c, part, y[lo:lo+size])
			}
		}
	}
}

// one does chunk c, whose largest element is infinite, or which has a NaN. The exponentials go to y, a block after
// another if it is short.
func (w *chunks) one(c int, x, y []float32) {
	m := rowMax(x)
	w.tops[c], w.sums[c] = float64(m), 0
	if hasNaN(x) {
		w.tops[c], w.sums[c] = math.Inf(-1), math.NaN()
	}
	for lo := 0; lo < len(x); lo += len(y) {
		part := x[lo:min(lo+len(y), len(x))]
		switch y := y[:len(part)]; {
		case math.IsInf(float64(m), 1):
			for j, v := range part { // equal shares for those that are +Inf
				y[j] = 0
				if v == m {
					y[j] = 1
					w.sums[c]++
				}
			}
		default:
			clear(y)
		}
	}
}

// total returns the largest element of the row, and the sum for it.
func (w *chunks) total() (top, sum float64) {
	top = math.Inf(-1)
	for _, t := range w.tops[:w.count] {
		top = max(top, t)
	}
	for c, s := range w.sums[:w.count] {
		sum += s * w.beside(c, top)
	}
	return top, sum
}

// beside returns what the exponentials of chunk c are to be multiplied with where top is the largest element.
func (w *chunks) beside(c int, top float64) float64 {
	if w.tops[c] == top {
		return 1
	}
	return math.Exp(w.scale * (w.tops[c] - top))
}

// times multiplies y, which exps computed, by over/sum; top and sum are of the whole row.
func (w *chunks) times(over, top, sum float64, y []float32) {
	for c := range w.count {
		lo := c * w.size
		Scal(float32(over*w.beside(c, top)/sum), y[lo:min(lo+w.size, len(y))])
	}
}
