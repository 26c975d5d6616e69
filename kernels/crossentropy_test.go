package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCrossEntropy(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(101, 102))
		for try := range 60 {
			rows, cols, pad := 1+rng.IntN(4), 1+rng.IntN(70), rng.IntN(2)*5
			if try < 2 {
				rows, cols = 1, block+5
			}
			ld, ldd := cols+pad, cols+2*pad
			logits, d := matrix[float32](rng, rows, cols, ld), matrix[float32](rng, rows, cols, ldd)
			Scal([]float32{1, 10, 1e3}[try%3], logits)
			targets := make([]int32, rows)
			for i := range targets {
				targets[i] = int32(rng.IntN(cols))
			}
			before := slices.Clone(logits)
			losses, again := make([]float32, rows), make([]float32, rows)
			CrossEntropy(rows, cols, logits, ld, targets, losses)
			if try%2 == 0 {
				d, ldd = logits, ld
			}
			const scale = 0.375
			CrossEntropyBackward(rows, cols, scale, logits, ld, targets, again, d, ldd)
			name := fmt.Sprintf("rows=%d cols=%d try %d", rows, cols, try)
			for i := range rows {
				checkCrossEntropyRow(t, fmt.Sprintf("%s row %d", name, i), scale, before[i*ld:i*ld+cols], int(targets[i]), losses[i], again[i], d[i*ldd:i*ldd+cols])
				checkGap(t, name, d, i, rows, cols, ldd)
			}
		}
	})
}

func checkCrossEntropyRow(t *testing.T, name string, scale float64, logits []float32, target int, loss, again float32, d []float32) {
	t.Helper()
	x := widenRow(logits)
	p, arg := softmaxReference(1, x)
	k := min(len(x), block)
	top := slices.Max(x)
	var sum float64
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	want := math.Log(sum) + top - x[target]
	a := approx{want, gamma(k+24+int(4*math.Log(float64(k)))) + unitRoundoff*math.Abs(want)}
	if !a.holds(loss) || !a.holds(again) {
		t.Fatalf("%s: loss = %g, from the backward kernel %g, want %g ± %g", name, loss, again, a.want, a.bound)
	}
	for j := range d {
		a := approx{scale * p[j], scale * p[j] * gamma(k+24+int(-4*arg[j]))}
		if arg[j] < -86 {
			a.bound = 0x1p-124
		}
		if j == target {
			a.want -= scale
			a.bound += unitRoundoff * scale
		}
		if !a.holds(d[j]) {
			t.Fatalf("%s: dlogits[%d] = %g, want %g ± %g", name, j, d[j], a.want, a.bound)
		}
	}
}

// TestCrossEntropyNotFinite has a NaN or an infinite logit spoil its own row only.
func TestCrossEntropyNotFinite(t *testing.T) {
	inf := float32(math.Inf(1))
	forEachISA(t, func(t *testing.T) {
		const cols = 19
		for _, bad := range []float32{float32(math.NaN()), inf, -inf} {
			logits, losses, targets := make([]float32, 3*cols), make([]float32, 3), []int32{0, 18, 3}
			logits[cols+7] = bad
			CrossEntropy(3, cols, logits, cols, targets, losses)
			want := float32(math.Log(cols))
			if !(math.Abs(float64(losses[0]-want)) <= 1e-5 && math.Abs(float64(losses[2]-want)) <= 1e-5) {
				t.Errorf("%g in row 1: losses %g, want %g in the other rows", bad, losses, want)
			}
			if ok := losses[1] == losses[1]; ok != (bad == -inf) {
				t.Errorf("%g in row 1: losses %g", bad, losses)
			}
		}
	})
}
