package kernels

import (
	"fmt"
	"math"
)

// Softmax computes y[i,j] = exp(scale*x[i,j]) / Σ_l exp(scale*x[i,l]) over the first L columns of each
// row, and 0 beyond; L is cols if causal is 0, and else min(cols, causal+i). x and y are rows×cols with
// row strides ldx and ldy; y may be x.
//
// The largest x of a row is subtracted before the exponential, so that nothing overflows. The relative error
// of y is at most γ(min(L, 2¹⁴) + 24 + 4|t|) for t = scale*x[i,j] − max; y is 0 where t < −87.35, on some
// instruction sets where t < −86.98. A row that contains a NaN, or whose largest scale*x is infinite,
// becomes NaN; −Inf is a masked position.
//
// It panics if a size or causal is negative, a stride less than cols or a slice too short.
func Softmax(rows, cols int, scale float32, causal int, x []float32, ldx int, y []float32, ldy int) {
	checkCausal("Softmax", causal)
	checkRows("Softmax", "x", rows, cols, x, ldx)
	checkRows("Softmax", "y", rows, cols, y, ldy)
	one := func(i int) {
		l := causalColumns(cols, causal, i)
		softmaxRow(scale, x[i*ldx:i*ldx+l], y[i*ldy:i*ldy+l])
		clear(y[i*ldy+l : i*ldy+cols])
	}
	inGroups(rows, atOnce(cols), inRange(scale) && direct(cols), func(i, n int) int {
		return active.softmaxRows(n, cols, causalFrom(causal, i), scale, &x[i*ldx], ldx, &y[i*ldy], ldy, &unit, 0, nil, nil)
	}, one)
}

func softmaxRow(scale float32, x, y []float32) {
	if len(x) == 0 {
		return
	}
	if inRange(scale) && chunked(len(x)) {
		w := chunkLists.take()
		w.exps(scale, x, y)
		top, sum := w.total()
		if math.IsInf(top, 0) {
			sum = math.NaN()
		}
		w.times(1, top, sum, y)
		chunkLists.give(w)
		return
	}
	if scale < 0 {
		for j, v := range x {
			y[j] = -v
		}
		scale, x = -scale, y
	}
	shift := scale * rowMax(x)
	// The fused scale*x − shift is off by as much as shift was rounded, here 2⁻⁸ at the most. That cancels
	// in the quotient, but it moves where the exponential becomes 0.
	if !(shift < 1<<17 && shift > -1<<17) {
		m := rowMax(x)
		for j, v := range x {
			y[j] = v - m
		}
		x, shift = y, 0
	}
	Scal(float32(1/expSum(scale, shift, x, y)), y)
}

// expSum computes y = exp(scale*x − shift) and returns Σ y.
func expSum(scale, shift float32, x, y []float32) (s float64) {
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		s += float64(active.expSum(scale, shift, x[lo:hi], y[lo:hi]))
	}
	return s
}

// SoftmaxBackward computes dx = scale*y*(dy − Σ_l y[i,l]*dy[i,l]) on the first L columns of each row and
// 0 beyond, with scale, causal and y as Softmax had and gave them. All are rows×cols with row strides
// ldy, lddy and lddx; dx may be dy.
//
// The error of dx[i,j] is at most γ(min(L, 2¹⁴)+6)·|scale*y[i,j]|·(|dy[i,j]| + Σ_l|y[i,l]*dy[i,l]|).
//
// It panics if a size or causal is negative, a stride less than cols or a slice too short.
func SoftmaxBackward(rows, cols int, scale float32, causal int, y []float32, ldy int, dy []float32, lddy int, dx []float32, lddx int) {
	checkCausal("SoftmaxBackward", causal)
	checkRows("SoftmaxBackward", "y", rows, cols, y, ldy)
	checkRows("SoftmaxBackward", "dy", rows, cols, dy, lddy)
	checkRows("SoftmaxBackward", "dx", rows, cols, dx, lddx)
	if active.softmaxGradRows != nil && 0 < cols && cols <= block {
		for i, step := 0, atOnce(cols); i < rows; i += step {
			active.softmaxGradRows(min(step, rows-i), cols, causalFrom(causal, i), scale, &y[i*ldy], ldy, &dy[i*lddy], lddy, &dx[i*lddx], lddx)
		}
		return
	}
	for i := range rows {
		l := causalColumns(cols, causal, i)
		yi, dyi, dxi := y[i*ldy:i*ldy+l], dy[i*lddy:i*lddy+l], dx[i*lddx:i*lddx+l]
		d := float32(dot(yi, dyi))
		softmaxGrad(scale, d, yi, dyi, dxi)
		clear(dx[i*lddx+l : i*lddx+cols])
	}
}

// softmaxGrad computes dx = scale*y*(dy − dot).
func softmaxGrad(scale, dot float32, y, dy, dx []float32) {
	for lo := 0; lo < len(y); lo += block {
		hi := min(lo+block, len(y))
		active.softmaxGrad(scale, dot, y[lo:hi], dy[lo:hi], dx[lo:hi])
	}
}

// causalColumns returns how many columns row i has.
func causalColumns(cols, causal, i int) int {
	if causal == 0 {
		return cols
	}
	return min(cols, causal+i)
}

// causalFrom returns causal for the rows from i on.
func causalFrom(causal, i int) int {
	if causal == 0 {
		return 0
	}
	return causal + i
}

func checkCausal(fn string, causal int) {
	if causal < 0 {
		panic(fmt.Sprintf("kernels: %s: causal = %d", fn, causal))
	}
}

// checkRows panics unless x holds rows×cols elements with row stride ld.
func checkRows(fn, name string, rows, cols int, x []float32, ld int) {
	if rows < 0 || cols < 0 {
		panic(fmt.Sprintf("kernels: %s: rows = %d, cols = %d", fn, rows, cols))
	}
	if ld < cols {
		panic(fmt.Sprintf("kernels: %s: %s has %d columns but its row stride is %d", fn, name, cols, ld))
	}
	if rows > 0 && (len(x) < cols || ld > 0 && (len(x)-cols)/ld < rows-1) { // not (rows-1)*ld + cols, which may overflow
		panic(fmt.Sprintf("kernels: %s: %s is %d×%d with row stride %d, which takes more than its %d elements", fn, name, rows, cols, ld, len(x)))
	}
}
