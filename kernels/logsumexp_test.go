package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// checkLogSumExpRow holds a row, and its gradient for dy, to their bounds.
func checkLogSumExpRow(t *testing.T, name string, x []float32, y, dy float32, dx []float32) {
	t.Helper()
	p, arg := softmaxReference(1, widenRow(x))
	top, sum := float64(slices.Max(x)), 0.0
	for _, v := range arg {
		sum += math.Exp(v)
	}
	want := math.Log(sum) + top
	if a := (approx{want, gamma(min(len(x), block)+24+int(4*math.Log(float64(len(x))))) + unitRoundoff*math.Abs(want)}); !a.holds(y) {
		t.Fatalf("%s: %g, want %g ± %g", name, y, a.want, a.bound)
	}
	size := math.Abs(float64(dy))
	for j := range dx {
		a := approx{float64(dy) * p[j], size * p[j] * gamma(min(len(x), block)+24+int(min(1e6, -4*arg[j])))}
		if arg[j] < -86 {
			a.bound = size * 0x1p-124
		}
		if !a.holds(dx[j]) {
			t.Fatalf("%s: dx[%d] = %g, want %g ± %g", name, j, dx[j], a.want, a.bound)
		}
	}
}

func TestLogSumExp(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(111, 112))
		for try := range 150 {
			rows, cols, pad := 1+rng.IntN(4), 1+rng.IntN(140), rng.IntN(2)*5
			if try < 3 {
				rows, cols = 1, []int{lossBlock, lossBlock + 1, block + 5}[try]
			}
			ldx, ldd := cols+pad, cols+2*pad
			x, dx := matrix[float32](rng, rows, cols, ldx), matrix[float32](rng, rows, cols, ldd)
			Scal([]float32{1, 10, 1e3, 1e30}[try%4], x)
			before := slices.Clone(x)
			y, dy := make([]float32, rows), randomSlice(rng, rows)
			LogSumExp(rows, cols, x, ldx, y)
			if try%2 == 0 {
				dx, ldd = x, ldx
			}
			LogSumExpBackward(rows, cols, x, ldx, dy, dx, ldd)
			for i := range rows {
				name := fmt.Sprintf("rows=%d cols=%d try %d row %d", rows, cols, try, i)
				checkLogSumExpRow(t, name, before[i*ldx:i*ldx+cols], y[i], dy[i], dx[i*ldd:i*ldd+cols])
				checkGap(t, name, dx, i, rows, cols, ldd)
			}
		}
	})
}

// TestLogSumExpNotFinite says what becomes of NaN and Inf, in a row between two others.
func TestLogSumExpNotFinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	forEachISA(t, func(t *testing.T) {
		const cols = 19
		row := func(rest float32, special map[int]float32) []float32 {
			x := slices.Repeat([]float32{rest}, cols)
			for j, v := range special {
				x[j] = v
			}
			return x
		}
		uniform := float32(math.Log(cols))
		for _, c := range []struct {
			name string
			x    []float32
			y    float32
			dx   []float32
		}{
			{"all −Inf", row(-inf, nil), -inf, row(0, nil)},
			{"one −Inf", row(0, map[int]float32{3: -inf}), float32(math.Log(cols - 1)), row(3./(cols-1), map[int]float32{3: 0})},
			{"all but one −Inf", row(-inf, map[int]float32{18: -5}), -5, row(0, map[int]float32{18: 3})},
			{"one +Inf", row(7, map[int]float32{11: inf}), inf, row(0, map[int]float32{11: 3})},
			{"two +Inf, −Inf", row(7, map[int]float32{0: inf, 18: inf, 2: -inf}), inf, row(0, map[int]float32{0: 1.5, 18: 1.5})},
			{"all +Inf", row(inf, nil), inf, row(3./cols, nil)},
			{"NaN", row(7, map[int]float32{11: nan}), nan, row(nan, nil)},
			{"NaN and +Inf", row(7, map[int]float32{11: nan, 12: inf}), nan, row(nan, nil)},
			{"NaN and −Inf", row(-inf, map[int]float32{11: nan}), nan, row(nan, nil)},
			{"all NaN", row(nan, nil), nan, row(nan, nil)},
			{"largest", row(math.MaxFloat32, nil), math.MaxFloat32, row(3./cols, nil)},
			{"smallest", row(-math.MaxFloat32, nil), -math.MaxFloat32, row(3./cols, nil)},
		} {
			x := slices.Concat(row(0, nil), c.x, row(0, nil))
			y, dx := make([]float32, 3), make([]float32, 3*cols)
			LogSumExp(3, cols, x, cols, y)
			LogSumExpBackward(3, cols, x, cols, []float32{3, 3, 3}, dx, cols)
			for i, want := range []float32{uniform, c.y, uniform} {
				if !nearlySame(y[i], want, 0) {
					t.Errorf("%s: row %d is %g, want %g", c.name, i, y[i], want)
				}
			}
			for j, want := range slices.Concat(row(3./cols, nil), c.dx, row(3./cols, nil)) {
				if !nearlySame(dx[j], want, 0) {
					t.Errorf("%s: dx[%d] is %g, want %g", c.name, j, dx[j], want)
				}
			}
		}
		y := []float32{7, 7}
		LogSumExp(2, 0, nil, 0, y)
		LogSumExpBackward(2, 0, nil, 0, y, nil, 0)
		if y[0] != -inf || y[1] != -inf {
			t.Errorf("rows without elements: %g, want −Inf", y)
		}
	})
}

// TestLogSumExpGuard has the slices touch guard pages at their heads and at their tails.
func TestLogSumExpGuard(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 4, 3*70)
		rng := rand.New(rand.NewPCG(113, 114))
		for cols := range 67 {
			for _, tail := range []bool{false, true} {
				const rows = 3
				x, y, dy, dx := g.place(0, rows*cols, tail), g.place(1, rows, tail), g.place(2, rows, tail), g.place(3, rows*cols, tail)
				copy(x, randomSlice(rng, len(x)))
				copy(dy, randomSlice(rng, rows))
				err := faults(func() {
					LogSumExp(rows, cols, x, cols, y)
					LogSumExpBackward(rows, cols, x, cols, dy, dx, cols)
				})
				if err != nil {
					t.Fatalf("cols=%d tail=%v: %v", cols, tail, err)
				}
				for slot, n := range []int{rows * cols, rows, rows, rows * cols} {
					if err := g.check(slot, n, tail); err != nil {
						t.Fatalf("cols=%d tail=%v: %v", cols, tail, err)
					}
				}
			}
		}
	})
}

func FuzzLogSumExp(f *testing.F) {
	f.Add(uint64(1), uint16(17), float32(1), float32(-2))
	f.Fuzz(func(t *testing.T, seed uint64, cols uint16, spread, dy float32) {
		if !(math.Abs(float64(spread)) < 1e30) || !(math.Abs(float64(dy)) < 1e30) {
			return
		}
		n := 1 + int(cols)%5000
		x := randomSlice(rand.New(rand.NewPCG(seed, 0)), n)
		Scal(spread, x)
		eachISA(t, func() {
			y, dx := make([]float32, 1), make([]float32, n)
			LogSumExp(1, n, x, n, y)
			LogSumExpBackward(1, n, x, n, []float32{dy}, dx, n)
			checkLogSumExpRow(t, ISA(), x, y[0], dy, dx)
		})
	})
}
