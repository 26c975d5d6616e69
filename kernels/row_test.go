package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// lengths crosses every unrolled loop and its tail: 0 to 4·32+1, and around larger powers of two.
func lengths() []int {
	var n []int
	for i := range 4*32 + 2 {
		n = append(n, i)
	}
	return append(n, 159, 191, 192, 193, 255, 256, 257, 300)
}

const maxLength = 300

// fill makes the arguments of a case: normal random numbers, and what is written only holds NaN.
func (c tableCase) fill(rng *rand.Rand, a [][]float32) {
	for j, kind := range c.args {
		for i := range a[j] {
			x := float32(rng.NormFloat64())
			switch kind {
			case 'w':
				x = canary
			case 'p':
				x = x * x
			}
			a[j][i] = x
		}
	}
}

func widen(a [][]float32) [][]float64 {
	out := make([][]float64, len(a))
	for j, x := range a {
		for _, v := range x {
			out[j] = append(out[j], float64(v))
		}
	}
	return out
}

// TestRows holds every field of the table, in every row, to its float64 reference, on slices that touch
// guard pages at the head or at the tail, where they start at any float32.
func TestRows(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 6, maxLength)
		for _, c := range tableCases() {
			t.Run(c.name, func(t *testing.T) { testRow(t, c, g) })
		}
	})
}

func testRow(t *testing.T, c tableCase, g *guarded) {
	rng := rand.New(rand.NewPCG(21, 22))
	for _, n := range lengths() {
		for _, tail := range []bool{false, true} {
			checkRow(t, c, g, rng, n, tail)
		}
	}
}

func checkRow(t *testing.T, c tableCase, g *guarded, rng *rand.Rand, n int, tail bool) {
	t.Helper()
	name := fmt.Sprintf("%s, n=%d, tail=%v", c.name, n, tail)
	a := make([][]float32, len(c.args))
	for j := range a {
		a[j] = g.place(j, n, tail)
	}
	c.fill(rng, a)
	before := widen(a)
	elements, sums := c.want(n, before)
	var got []float32
	if err := faults(func() { got = c.call(a) }); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for s, want := range sums {
		if !want.holds(got[s]) && !(math.IsInf(want.want, -1) && float64(got[s]) == want.want) {
			t.Fatalf("%s: sum %d is %g, want %g ± %g", name, s, got[s], want.want, want.bound)
		}
	}
	for j := range a {
		if err := g.check(j, n, tail); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, x := range a[j] {
			if c.args[j] == 'r' && float64(x) != before[j][i] {
				t.Fatalf("%s: slice %d, which is read, changed at %d from %g to %g", name, j, i, before[j][i], x)
			}
			if c.args[j] != 'r' && !elements[j][i].holds(x) {
				t.Fatalf("%s: slice %d at %d is %g, want %g ± %g", name, j, i, x, elements[j][i].want, elements[j][i].bound)
			}
		}
	}
}

// TestRowsInPlace holds the bits to be the same when a slice is written over one that is read.
func TestRowsInPlace(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		for _, c := range tableCases() {
			for _, pair := range c.alias {
				rng := rand.New(rand.NewPCG(23, 24))
				for _, n := range []int{0, 1, 7, 31, 33, 100, 257} {
					apart, same := make([][]float32, len(c.args)), make([][]float32, len(c.args))
					for j := range apart {
						apart[j], same[j] = make([]float32, n), make([]float32, n)
					}
					c.fill(rng, apart)
					if c.args[pair[0]] == 'u' {
						copy(apart[pair[0]], apart[pair[1]])
					}
					for j := range same {
						copy(same[j], apart[j])
					}
					same[pair[0]] = same[pair[1]]
					want, got := c.call(apart), c.call(same)
					for s := range want {
						if want[s] != got[s] {
							t.Errorf("%s, n=%d: sum %d is %g in place, %g apart", c.name, n, s, got[s], want[s])
						}
					}
					for i, x := range same[pair[0]] {
						if math.Float32bits(x) != math.Float32bits(apart[pair[0]][i]) {
							t.Fatalf("%s, n=%d: element %d is %g in place, %g apart", c.name, n, i, x, apart[pair[0]][i])
						}
					}
				}
			}
		}
	})
}

// TestRowsSpecial holds every row to the definition in Go where an argument is NaN, Inf, ±0, subnormal
// or large: the same NaN, the same Inf, and otherwise nearly the same number.
func TestRowsSpecial(t *testing.T) {
	special := []float32{
		float32(math.NaN()), signalling, float32(math.Inf(1)), float32(math.Inf(-1)), 0, float32(math.Copysign(0, -1)),
		1e-45, -1e-45, 1e-39, -1e-39, 1.2e-38, -1.2e-38, 1, -1, 12, -12, 95, -95, 1e18, -1e18,
	}
	definition := generic()
	forEachISA(t, func(t *testing.T) {
		row := active
		for _, c := range tableCases() {
			rng := rand.New(rand.NewPCG(25, 26))
			const n = 67
			a, b := make([][]float32, len(c.args)), make([][]float32, len(c.args))
			for try := range 40 {
				for j := range a {
					a[j], b[j] = make([]float32, n), make([]float32, n)
				}
				c.fill(rng, a)
				for j := range a {
					// One special value at a time for sums, which it would otherwise always hide.
					for k := 0; k < n && c.args[j] != 'w'; k++ {
						if c.sums == 0 || k == 0 && j == try%len(a) {
							a[j][rng.IntN(n)] = special[rng.IntN(len(special))]
						}
					}
					for k, x := range a[j] {
						if c.args[j] == 'p' && x < 0 {
							a[j][k] = -x
						}
					}
					copy(b[j], a[j])
				}
				in := widen(a)
				got := c.call(a)
				active = definition
				want := c.call(b)
				active = row
				for s := range want {
					if !nearlySame(got[s], want[s], 1) {
						t.Errorf("%s: sum %d is %g, by definition %g", c.name, s, got[s], want[s])
					}
				}
				for j := range a {
					for i := range a[j] {
						// Elsewhere a fused operation may underflow to the other zero.
						signs := (c.name == "scal" || c.name == "gelu") && b[j][i] == b[j][i]
						if x, y := a[j][i], b[j][i]; !nearlySame(x, y, size(in, i)) || signs && math.Signbit(float64(x)) != math.Signbit(float64(y)) {
							t.Fatalf("%s: slice %d is %g at %d, by definition %g; arguments %g", c.name, j, a[j][i], i, b[j][i], column(in, i))
						}
					}
				}
			}
		}
	})
}

// signalling is the smallest NaN that is not quiet.
var signalling = math.Float32frombits(0x7f800001)

// TestMaxNaN has NaN of every kind at every place: the others' maximum is the same as without it.
func TestMaxNaN(t *testing.T) {
	nan := []float32{float32(math.NaN()), -float32(math.NaN()), signalling, math.Float32frombits(0xff800001), math.Float32frombits(0x7fbfffff)}
	forEachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 3, 4, 7, 8, 9, 31, 32, 33, 64, 100, 131} {
			x := make([]float32, n)
			for at := range n {
				for _, v := range nan {
					// The largest comes first, last, or beside the NaN, in a vector before it.
					for _, top := range []int{0, n - 1, max(0, at-1), max(0, at-32)} {
						want := float32(math.Inf(-1))
						for i := range x {
							x[i] = -float32(i%5) - 1
							if i == top {
								x[i] = 3
							}
							if i == at {
								x[i] = v
							} else {
								want = max(want, x[i])
							}
						}
						if got := active.max(x); got != want {
							t.Fatalf("n=%d: max is %g, want %g; NaN %#x at %d, the largest at %d", n, got, want, math.Float32bits(v), at, top)
						}
					}
				}
			}
		}
	})
}

func column(a [][]float64, i int) (x []float64) {
	for _, s := range a {
		x = append(x, s[i])
	}
	return x
}

// size returns Σ|x| over the finite elements x at i.
func size(a [][]float64, i int) (s float64) {
	for _, x := range column(a, i) {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			s += math.Abs(x)
		}
	}
	return s
}

func nearlySame(a, b float32, size float64) bool {
	x, y := float64(a), float64(b)
	switch {
	case math.IsNaN(x) || math.IsNaN(y):
		return math.IsNaN(x) && math.IsNaN(y)
	case math.IsInf(x, 0) || math.IsInf(y, 0):
		return x == y
	}
	return math.Abs(x-y) <= 4e-5*max(math.Abs(x), math.Abs(y))+1e-6*size
}
