package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func layerNormReference(eps float64, x, gamma, beta []float64) (y []float64, mean, rstd float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	var variance float64
	for _, v := range x {
		variance += (v - mean) * (v - mean) / n
	}
	rstd = 1 / math.Sqrt(variance+eps)
	for j, v := range x {
		y = append(y, (v-mean)*rstd*gamma[j]+beta[j])
	}
	return y, mean, rstd
}

// checkNormRow holds one row of y, with its moments, to the bounds that LayerNorm states.
func checkNormRow(t *testing.T, name string, eps float32, x, g, b, y []float32, mean, rstd float32) {
	t.Helper()
	n := float64(len(x))
	want, m, r := layerNormReference(float64(eps), widenRow(x), widenRow(g), widenRow(b))
	var size float64
	for _, v := range x {
		size += math.Abs(float64(v))
	}
	k := min(len(x), block)
	off, steps := gamma(k+3)*size/n, 6
	if layerNormWhole(len(x), eps) {
		off, steps = gamma(k+12)*(size/n+math.Sqrt(max(0, 1/(r*r)-float64(eps)))), 48
	}
	delta := gamma(k+steps) + off*off*r*r
	if a := (approx{m, off}); !a.holds(mean) {
		t.Fatalf("%s: mean = %g, want %g ± %g", name, mean, m, off)
	}
	if a := (approx{r, r * (delta/2 + 2*unitRoundoff)}); !a.holds(rstd) {
		t.Fatalf("%s: rstd = %g, want %g ± %g", name, rstd, r, a.bound)
	}
	for j := range x {
		gj, bj := math.Abs(float64(g[j])), math.Abs(float64(b[j]))
		xhat := math.Abs((float64(x[j]) - m) * r)
		a := approx{want[j], gj*(xhat*(delta/2)+1.01*off*r) + gamma(6)*(gj*xhat+bj)}
		if !a.holds(y[j]) {
			t.Fatalf("%s: y[%d] = %g, want %g ± %g", name, j, y[j], a.want, a.bound)
		}
	}
}

func TestLayerNorm(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(71, 72))
		for try := range 60 {
			rows, cols := rng.IntN(8), 1+rng.IntN(80)
			if try == 0 {
				rows, cols = 1, block+5
			}
			const eps = 1e-5
			x, g, b := randomSlice(rng, rows*cols), randomSlice(rng, cols), randomSlice(rng, cols)
			for i := range x {
				switch {
				case try%4 == 1: // a mean that is large beside the differences
					x[i] += 100
				case try%4 == 2 && i%cols < 16: // elements at the beginning that are far from the mean
					x[i] += 3e4
				case try%4 == 3 && i%cols == 0 && i/cols != 1:
					x[i] -= 1e6
				}
			}
			before := slices.Clone(x)
			y, mean, rstd := make([]float32, rows*cols), make([]float32, rows), make([]float32, rows)
			if try%3 == 0 {
				y = x
			}
			LayerNorm(rows, cols, eps, x, g, b, y, mean, rstd)
			for i := range rows {
				r0, r1 := i*cols, (i+1)*cols
				checkNormRow(t, fmt.Sprintf("rows=%d cols=%d row %d", rows, cols, i), eps, before[r0:r1], g, b, y[r0:r1], mean[i], rstd[i])
			}
		}
	})
}

// TestLayerNormFar has rows that begin far from their mean, in standard deviations. As differences from there they would
// have an rstd that is off by hundreds of 2⁻²⁴, which the bound of so long a row does not see.
func TestLayerNormFar(t *testing.T) {
	const rows, cols = 3, 4096
	forEachISA(t, func(t *testing.T) {
		x := randomSlice(rand.New(rand.NewPCG(69, 70)), rows*cols)
		for i := range x {
			if i%cols < 16 {
				x[i] += 3e4
			}
		}
		before, gb := slices.Clone(x), make([]float32, cols)
		mean, rstd := make([]float32, rows), make([]float32, rows)
		LayerNorm(rows, cols, 1e-5, x, gb, gb, x, mean, rstd)
		for i := range rows {
			_, m, r := layerNormReference(1e-5, widenRow(before[i*cols:(i+1)*cols]), widenRow(gb), widenRow(gb))
			if off := math.Abs(float64(rstd[i])/r - 1); !(off <= 32*unitRoundoff) {
				t.Errorf("row %d: rstd = %g, want %g: off by %.3g of 2⁻²⁴", i, rstd[i], r, off/unitRoundoff)
			}
			if off := math.Abs(float64(mean[i])-m) * r; !(off <= 4*unitRoundoff) {
				t.Errorf("row %d: mean = %g, want %g", i, mean[i], m)
			}
		}
	})
}

// TestLayerNormConstant has rows without variance, where only eps keeps the result finite.
func TestLayerNormConstant(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		x := slices.Repeat([]float32{3}, 21)
		g, b := slices.Repeat([]float32{2}, 21), slices.Repeat([]float32{-1}, 21)
		mean, rstd := make([]float32, 1), make([]float32, 1)
		LayerNorm(1, 21, 1e-5, x, g, b, x, mean, rstd)
		for j, y := range x {
			if y != -1 {
				t.Fatalf("y[%d] = %g, want -1", j, y)
			}
		}
		if mean[0] != 3 || math.Abs(float64(rstd[0])-math.Sqrt(1e5)) > 1e-3 {
			t.Errorf("mean = %g, rstd = %g", mean[0], rstd[0])
		}
	})
}

func TestLayerNormBackward(t *testing.T) {
	abs := math.Abs
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(73, 74))
		for try := range 30 {
			rows, cols := 1+rng.IntN(4), 1+rng.IntN(80)
			if try == 0 {
				rows, cols = 1, block+5
			}
			x, g, dy := randomSlice(rng, rows*cols), randomSlice(rng, cols), randomSlice(rng, rows*cols)
			mean, rstd := randomSlice(rng, rows), []float32{0.5, 1.25, 3, 0.875}[:rows]
			dx := randomSlice(rng, rows*cols)
			before := slices.Clone(dx)
			dg, db := make([]float32, cols), make([]float32, cols)
			LayerNormBackward(rows, cols, x, g, mean, rstd, dy, dx, dg, db)
			wantG, wantB := make([]approx, cols), make([]approx, cols)
			for i := range rows {
				m, r := float64(mean[i]), float64(rstd[i])
				var s, sx, size, sizeX float64
				for j := range cols {
					gj := float64(dy[i*cols+j]) * float64(g[j])
					gx := gj * (float64(x[i*cols+j]) - m) * r
					s, sx, size, sizeX = s+gj, sx+gx, size+abs(gj), sizeX+abs(gx)
				}
				n := float64(cols)
				for j := range cols {
					d := float64(dy[i*cols+j])
					gj, xhat, old := d*float64(g[j]), (float64(x[i*cols+j])-m)*r, float64(before[i*cols+j])
					a := approx{old + r*(gj-s/n-xhat*sx/n),
						gamma(min(cols, block)+8)*r*(abs(gj)+size/n+abs(xhat)*sizeX/n) + 2*unitRoundoff*abs(old)}
					if got := dx[i*cols+j]; !a.holds(got) {
						t.Fatalf("rows=%d cols=%d: dx[%d,%d] = %g, want %g ± %g", rows, cols, i, j, got, a.want, a.bound)
					}
					wantG[j].want += d * xhat
					wantG[j].bound += gamma(rows+4) * abs(d*xhat)
					wantB[j].want += d
					wantB[j].bound += gamma(rows+1) * abs(d)
				}
			}
			for j := range cols {
				if !wantG[j].holds(dg[j]) || !wantB[j].holds(db[j]) {
					t.Fatalf("rows=%d cols=%d: dgamma[%d] = %g, dbeta = %g, want %+v, %+v", rows, cols, j, dg[j], db[j], wantG[j], wantB[j])
				}
			}
		}
	})
}
