package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func rmsNormReference(eps float64, x, gamma []float64) (y []float64, rstd float64) {
	var sq float64
	for _, v := range x {
		sq += v * v / float64(len(x))
	}
	rstd = 1 / math.Sqrt(sq+eps)
	for j, v := range x {
		y = append(y, v*rstd*gamma[j])
	}
	return y, rstd
}

// checkRMSNormRow holds one row of y, with its rstd, to the bounds that RMSNorm states.
func checkRMSNormRow(t *testing.T, name string, eps float32, x, g, y []float32, rstd float32) {
	t.Helper()
	want, r := rmsNormReference(float64(eps), widenRow(x), widenRow(g))
	steps := 2
	if rmsNormWhole(len(x), eps) {
		steps = 8
	}
	delta := gamma(min(len(x), block)+steps)/2 + 2*unitRoundoff
	if a := (approx{r, r * delta}); !a.holds(rstd) {
		t.Fatalf("%s: rstd = %g, want %g ± %g", name, rstd, r, a.bound)
	}
	for j := range x {
		a := approx{want[j], math.Abs(want[j])*(delta+2*unitRoundoff) + 0x1p-149*math.Abs(float64(g[j]))}
		if !a.holds(y[j]) {
			t.Fatalf("%s: y[%d] = %g, want %g ± %g", name, j, y[j], a.want, a.bound)
		}
	}
}

func TestRMSNorm(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(75, 76))
		for try := range 60 {
			rows, cols := rng.IntN(4), 1+rng.IntN(80)
			if try == 0 {
				rows, cols = 1, block+5
			}
			const eps = 1e-5
			x, g := randomSlice(rng, rows*cols), randomSlice(rng, cols)
			for i := range x {
				switch try % 4 {
				case 1: // squares overflow
					x[i] *= 1e25
				case 2: // and underflow, beside eps
					x[i] *= 1e-25
				}
			}
			before := slices.Clone(x)
			y, rstd := make([]float32, rows*cols), make([]float32, rows)
			if try%3 == 0 {
				y = x
			}
			RMSNorm(rows, cols, eps, x, g, y, rstd)
			for i := range rows {
				r0, r1 := i*cols, (i+1)*cols
				checkRMSNormRow(t, fmt.Sprintf("rows=%d cols=%d row %d", rows, cols, i), eps, before[r0:r1], g, y[r0:r1], rstd[i])
			}
		}
		// Without eps, only a sum that is not rounded away gives the reciprocal of tiny numbers.
		x, rstd := slices.Repeat([]float32{-3e-30}, 9), make([]float32, 1)
		ones := slices.Repeat([]float32{1}, 9)
		RMSNorm(1, 9, 0, x, ones, x, rstd)
		for j, y := range x {
			if math.Abs(float64(y)+1) > 1e-6 {
				t.Fatalf("y[%d] = %g, want -1", j, y)
			}
		}
	})
}

func TestRMSNormBackward(t *testing.T) {
	abs := math.Abs
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(77, 78))
		for try := range 30 {
			rows, cols := 1+rng.IntN(4), 1+rng.IntN(80)
			if try == 0 {
				rows, cols = 1, block+5
			}
			x, g, dy := randomSlice(rng, rows*cols), randomSlice(rng, cols), randomSlice(rng, rows*cols)
			rstd := []float32{0.5, 1.25, 3, 0.875}[:rows]
			dx := randomSlice(rng, rows*cols)
			before := slices.Clone(dx)
			dg := make([]float32, cols)
			RMSNormBackward(rows, cols, x, g, rstd, dy, dx, dg)
			wantG := make([]approx, cols)
			for i := range rows {
				r, n := float64(rstd[i]), float64(cols)
				var s, size float64
				for j := range cols {
					gx := float64(dy[i*cols+j]) * float64(g[j]) * float64(x[i*cols+j]) * r
					s, size = s+gx, size+abs(gx)
				}
				for j := range cols {
					d := float64(dy[i*cols+j])
					gj, xhat, old := d*float64(g[j]), float64(x[i*cols+j])*r, float64(before[i*cols+j])
					a := approx{old + r*(gj-xhat*s/n), gamma(min(cols, block)+8)*r*(abs(gj)+abs(xhat)*size/n) + 2*unitRoundoff*abs(old)}
					if got := dx[i*cols+j]; !a.holds(got) {
						t.Fatalf("rows=%d cols=%d: dx[%d,%d] = %g, want %g ± %g", rows, cols, i, j, got, a.want, a.bound)
					}
					wantG[j].want += d * xhat
					wantG[j].bound += gamma(rows+3) * abs(d*xhat)
				}
			}
			for j := range cols {
				if !wantG[j].holds(dg[j]) {
					t.Fatalf("rows=%d cols=%d: dgamma[%d] = %g, want %+v", rows, cols, j, dg[j], wantG[j])
				}
			}
		}
	})
}

// TestNormRows holds the normalisations of whole rows to those in parts, between guard pages, also around
// rows whose squares are beyond float32, NaN or 0, and to having the same bits alone.
func TestNormRows(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		row := active
		defer func() { active = row }()
		g := newGuarded(t, 3, 5*maxLength)
		rng := rand.New(rand.NewPCG(79, 80))
		for _, cols := range append(lengths()[1:], 299) {
			for _, tail := range []bool{false, true} {
				const rows, eps = 5, 1e-3
				x, y, gamma, beta := g.place(0, rows*cols, tail), g.place(1, rows*cols, tail), g.place(2, cols, tail), randomSlice(rng, cols)
				copy(x, randomSlice(rng, rows*cols))
				copy(gamma, randomSlice(rng, cols))
				switch {
				case cols%3 == 1:
					x[3*cols] = 1e30
				case cols%3 == 2:
					clear(x[2*cols : 3*cols])
					x[3*cols+cols/2] = float32(math.NaN())
				}
				var got, want [4][]float32
				for _, fused := range []bool{false, true} {
					active = row
					if !fused {
						active.layerNorm, active.rmsNorm = nil, nil
					}
					mean, rstd, r := make([]float32, rows), make([]float32, rows), make([]float32, rows)
					if err := faults(func() { LayerNorm(rows, cols, eps, x, gamma, beta, y, mean, rstd) }); err != nil {
						t.Fatalf("LayerNorm, cols=%d, tail=%v: %v", cols, tail, err)
					}
					normed := slices.Clone(y)
					if err := faults(func() { RMSNorm(rows, cols, eps, x, gamma, y, r) }); err != nil {
						t.Fatalf("RMSNorm, cols=%d, tail=%v: %v", cols, tail, err)
					}
					if err := g.check(1, rows*cols, tail); err != nil {
						t.Fatalf("cols=%d, tail=%v: %v", cols, tail, err)
					}
					want, got = got, [4][]float32{append(normed, y...), mean, rstd, r}
				}
				for k := range got {
					for i, v := range got[k] {
						if !nearlySame(v, want[k][i], 10) {
							t.Fatalf("cols=%d, result %d, element %d: %g for whole rows, %g in parts", cols, k, i, v, want[k][i])
						}
					}
				}
				alone := [4][]float32{make([]float32, 2*rows*cols), make([]float32, rows), make([]float32, rows), make([]float32, rows)}
				for i := range rows {
					lo, hi := i*cols, (i+1)*cols
					LayerNorm(1, cols, eps, x[lo:hi], gamma, beta, alone[0][lo:hi], alone[1][i:], alone[2][i:])
					RMSNorm(1, cols, eps, x[lo:hi], gamma, alone[0][rows*cols+lo:rows*cols+hi], alone[3][i:])
				}
				for k := range got {
					for i, v := range got[k] {
						if math.Float32bits(v) != math.Float32bits(alone[k][i]) && (v == v || alone[k][i] == alone[k][i]) {
							t.Fatalf("cols=%d, result %d, element %d: %g among rows, %g alone", cols, k, i, v, alone[k][i])
						}
					}
				}
			}
		}
	})
}

// TestNormGradRows holds the gradients of rows to have the same bits one row after the other.
func TestNormGradRows(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(81, 82))
		for _, cols := range []int{1, 7, 16, 37, 100, 256} {
			const rows = 11
			x, dy, dx, gamma := randomSlice(rng, rows*cols), randomSlice(rng, rows*cols), randomSlice(rng, rows*cols), randomSlice(rng, cols)
			mean, rstd := randomSlice(rng, rows), randomSlice(rng, rows)
			run := func(step int) [][]float32 {
				ln, rms := slices.Clone(dx), slices.Clone(dx)
				dgamma, dbeta, dgammaRMS := make([]float32, cols), make([]float32, cols), make([]float32, cols)
				for i := 0; i < rows; i += step {
					n := min(step, rows-i)
					lo, hi := i*cols, (i+n)*cols
					LayerNormBackward(n, cols, x[lo:hi], gamma, mean[i:], rstd[i:], dy[lo:hi], ln[lo:hi], dgamma, dbeta)
					RMSNormBackward(n, cols, x[lo:hi], gamma, rstd[i:], dy[lo:hi], rms[lo:hi], dgammaRMS)
				}
				return [][]float32{ln, rms, dgamma, dbeta, dgammaRMS}
			}
			all := run(rows)
			for _, step := range []int{1, 2, 3, 4, 7} {
				for k, got := range run(step) {
					if !slices.Equal(got, all[k]) {
						t.Fatalf("%d columns: result %d has other bits, %d rows at a time", cols, k, step)
					}
				}
			}
		}
	})
}
