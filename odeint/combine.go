package odeint

import "github.com/vcycle-go/vcycle/kernels"

// combineTask computes y = x + Σ c_j·k_j on all threads, or y = Σ c_j·k_j without x. The sum over j is
// made first and in order, so that what a step adds is not rounded to the precision of x.
type combineTask[F Float] struct {
	y, x []F
	c    []F
	k    [][]F
}

// newCombineTask returns a task of up to stages terms, beside x.
func newCombineTask[F Float](stages int) combineTask[F] {
	return combineTask[F]{c: make([]F, 0, stages), k: make([][]F, 0, stages)}
}

// grain is the number of elements that a goroutine combines at a time.
const grain = 4096

// zeros is where a sum without x begins.
var zeros [grain]float32

// sum computes y = x + h·Σ a_j·k_j; x may be nil for 0.
func (t *combineTask[F]) sum(y, x []F, h float64, a []float64, k [][]F) {
	t.start(y, x)
	for j := range a {
		t.term(h*a[j], k[j])
	}
	t.run()
}

// adjoint computes v = h·(b_l·dy + Σ_{l<j<s} a_jl·dX_j).
func (t *combineTask[F]) adjoint(v, dy []F, h float64, tab *Tableau, s, l int, dX [][]F) {
	t.start(v, nil)
	t.term(h*tab.B[l], dy)
	for j := l + 1; j < s; j++ {
		t.term(h*tab.A[j][l], dX[j])
	}
	t.run()
}

// add computes y += c·x.
func (t *combineTask[F]) add(y []F, c float64, x []F) {
	t.start(y, y)
	t.term(c, x)
	t.run()
}

func (t *combineTask[F]) start(y, x []F) { t.y, t.x, t.c, t.k = y, x, t.c[:0], t.k[:0] }

// term adds c·k, unless c is 0: a tableau's zeros do not make NaN of an infinite slope.
func (t *combineTask[F]) term(c float64, k []F) {
	if c != 0 {
		t.c, t.k = append(t.c, F(c)), append(t.k, k)
	}
}

func (t *combineTask[F]) run() { kernels.Parallel(len(t.y), grain, t) }

// Run combines elements [lo, hi).
func (t *combineTask[F]) Run(_, lo, hi int) {
	switch t := any(t).(type) {
	case *combineTask[float32]:
		x := zeros[:hi-lo]
		if t.x != nil {
			x = t.x[lo:hi]
		}
		kernels.Combine(1, x, t.c, t.k, lo, t.y[lo:hi])
	case *combineTask[float64]:
		combine(t, lo, hi)
	}
}

// combine is kernels.Combine in float64, four terms at a time on blocks that stay in the first-level cache.
func combine(t *combineTask[float64], lo, hi int) {
	var block [256]float64
	for ; lo < hi; lo += len(block) {
		end := min(lo+len(block), hi)
		sum := block[:end-lo]
		clear(sum)
		c, k := t.c, t.k
		for ; len(c) >= 4; c, k = c[4:], k[4:] {
			c0, c1, c2, c3 := c[0], c[1], c[2], c[3]
			k0, k1, k2, k3 := k[0][lo:end], k[1][lo:end], k[2][lo:end], k[3][lo:end]
			for i, s := range sum {
				s += float64(c0 * k0[i])
				s += float64(c1 * k1[i])
				s += float64(c2 * k2[i])
				sum[i] = s + float64(c3*k3[i])
			}
		}
		for j, c := range c {
			k := k[j][lo:end]
			for i, s := range sum {
				sum[i] = s + float64(c*k[i])
			}
		}
		y := t.y[lo:end]
		if t.x == nil {
			copy(y, sum)
			continue
		}
		x := t.x[lo:end]
		for i, s := range sum {
			y[i] = x[i] + s
		}
	}
}
