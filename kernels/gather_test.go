package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func randomIndices(rng *rand.Rand, count, rows int) []int32 {
	indices := make([]int32, count)
	for i := range indices {
		indices[i] = int32(rng.IntN(rows))
	}
	return indices
}

func checkGather(t *testing.T, rng *rand.Rand, cols, rows, count int) {
	t.Helper()
	table := make([]float32, rows*cols)
	for i := range table {
		table[i] = math.Float32frombits(rng.Uint32())
	}
	indices, y := randomIndices(rng, count, rows), make([]float32, count*cols)
	Gather(cols, table, indices, y)
	for i, index := range indices {
		for j := range cols {
			if got, want := y[i*cols+j], table[int(index)*cols+j]; math.Float32bits(got) != math.Float32bits(want) {
				t.Fatalf("%s: cols=%d, %d rows: y[%d,%d] has the bits %#08x, want %#08x", ISA(), cols, rows, i, j, math.Float32bits(got), math.Float32bits(want))
			}
		}
	}
	// The sum is that of the definition to the bit, so it is made in the order of the indices.
	for i := range table {
		table[i] = float32(rng.NormFloat64())
	}
	x := randomSlice(rng, count*cols)
	want := slices.Clone(table)
	for i, index := range indices {
		for j := range cols {
			want[int(index)*cols+j] += x[i*cols+j]
		}
	}
	ScatterAdd(cols, x, indices, table)
	if !slices.Equal(table, want) {
		t.Fatalf("%s: cols=%d, %d rows, %d indices: the sums differ from those in order", ISA(), cols, rows, count)
	}
}

// TestGatherGuard has the first and the last row of a table touch guard pages, and the rows that are
// gathered, at any place in a line, those beside them.
func TestGatherGuard(t *testing.T) {
	defer func(size int) { lastLevel = size }(lastLevel)
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 2, 64*130)
		for cols := 1; cols <= 130; cols++ {
			for _, lastLevel = range []int{1 << 40, 0} {
				for _, tail := range []bool{false, true} {
					const rows = 3
					table, y := g.place(0, rows*cols, tail), g.place(1, 8*cols, tail)
					for i := range table {
						table[i] = float32(i)
					}
					indices := []int32{2, 0, 0, 1, 2, 2, 1, 0}
					if err := faults(func() { Gather(cols, table, indices, y) }); err != nil {
						t.Fatalf("cols=%d, tail=%v: %v", cols, tail, err)
					}
					for k, v := range y {
						if want := float32(int(indices[k/cols])*cols + k%cols); v != want {
							t.Fatalf("cols=%d, tail=%v, lastLevel=%d: y[%d] = %g, want %g", cols, tail, lastLevel, k, v, want)
						}
					}
					if err := g.check(1, len(y), tail); err != nil {
						t.Fatalf("cols=%d, tail=%v: %v", cols, tail, err)
					}
				}
			}
		}
	})
}

func TestGather(t *testing.T) {
	defer SetThreads(0)
	forEachISA(t, func(t *testing.T) {
		for _, threads := range []int{1, 2, 5} {
			SetThreads(threads)
			rng := rand.New(rand.NewPCG(95, 96))
			for _, cols := range []int{1, 3, 15, 16, 17, 64, 100, 257, block + 3} {
				for _, count := range []int{0, 1, 2, 50, 400} {
					if cols*count < 1<<20 {
						checkGather(t, rng, cols, 7, count)
					}
				}
			}
			checkGather(t, rng, 100, 3000, 2000) // in parts
			checkGather(t, rng, 257, 1100, 300)
		}
	})
}

// TestGatherMisuse has an index beyond the table and a negative one panic with their place, before anything
// is written.
func TestGatherMisuse(t *testing.T) {
	table, rows := make([]float32, 5*4), make([]float32, 3*4)
	for i := range table {
		table[i] = 1
	}
	for _, bad := range []int32{5, -1, math.MaxInt32, math.MinInt32} {
		indices := []int32{0, 4, bad}
		for name, call := range map[string]func(){
			"Gather":     func() { Gather(4, table, indices, rows) },
			"ScatterAdd": func() { ScatterAdd(4, slices.Repeat([]float32{1}, 12), indices, table) },
		} {
			func() {
				defer func() {
					if got, want := recover(), fmt.Sprintf("kernels: %s: indices[2] is %d, and table has 5 rows", name, bad); got != want {
						t.Errorf("panics with %q, want %q", got, want)
					}
				}()
				call()
			}()
		}
	}
	if slices.Max(rows) != 0 || slices.Max(table) != 1 {
		t.Error("something was written before the panic")
	}
}
