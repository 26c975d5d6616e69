package odeint

import (
	"math"

	"github.com/vcycle-go/vcycle/kernels"
)

// normTask computes Σ (e_i/w_i)², w_i = atol + rtol·max(|x_i|, |y_i|), on all threads. The sums of chunks of
// grain elements are added in order, so that the number of threads changes no bit.
type normTask[F Float] struct {
	e, x, y    []F
	rtol, atol float64
	chunks     []float64
}

func (t *normTask[F]) sum(e, x, y []F) float64 {
	n := (len(e) + grain - 1) / grain
	if cap(t.chunks) < n {
		t.chunks = make([]float64, n)
	}
	t.e, t.x, t.y, t.chunks = e, x, y, t.chunks[:n]
	kernels.Parallel(len(e), grain, t)
	sum := 0.0
	for _, c := range t.chunks {
		sum += c
	}
	return sum
}

// Run adds up elements [lo, hi) of one chunk. Where e is 0 the tolerance may be.
func (t *normTask[F]) Run(_, lo, hi int) {
	x, y := t.x[lo:hi], t.y[lo:hi]
	rtol, atol := t.rtol, t.atol
	sum := 0.0
	for i, v := range t.e[lo:hi] {
		w := atol + float64(rtol*max(math.Abs(float64(x[i])), math.Abs(float64(y[i]))))
		if r := float64(v) / w; v != 0 {
			sum += float64(r * r)
		}
	}
	t.chunks[lo/grain] = sum
}
