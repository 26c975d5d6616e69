//go:build !noasm && !purego

package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

// needBF16 skips a test of instructions that the CPU lacks; VCYCLE_WANT_BF16 makes that a failure.
func needBF16(t *testing.T) {
	t.Helper()
	switch {
	case cpuid.CPU.Supports(cpuid.BF16):
	case os.Getenv("VCYCLE_WANT_BF16") != "":
		t.Fatal("this CPU lacks FEAT_BF16")
	default:
		t.Skip("this CPU lacks FEAT_BF16")
	}
}

// bf16Pair is what BFMMLA does with two neighbours along K: sum + (a0*b0 + a1*b1), each operation as
// BFMulH and FPAdd_BF16 of the Arm Architecture Reference Manual, with FPCR.EBF = 0: rounded to odd,
// subnormal numbers taken for 0 before and after.
func bf16Pair(sum float32, a0, b0, a1, b1 BFloat16) float32 {
	return addOdd(sum, addOdd(mulBF16(a0, b0), mulBF16(a1, b1)))
}

func mulBF16(a, b BFloat16) float32 {
	// The product has 16 bits: exact, unless it overflows.
	return flush(flush(a.Float32()) * flush(b.Float32()))
}

// flush returns 0 with the sign of x for a subnormal x.
func flush(x float32) float32 {
	if bits := math.Float32bits(x); bits&0x7f800000 == 0 {
		return math.Float32frombits(bits &^ 0x7fffff)
	}
	return x
}

// addOdd returns x + y, cut off, with the last bit set if that changed it. Overflow gives Inf.
func addOdd(x, y float32) float32 {
	a, b := float64(x), float64(y)
	s := a + b
	if math.IsNaN(s) || math.IsInf(s, 0) || math.Abs(s) >= 0x1p128 {
		return float32(s)
	}
	z := s - a
	e := (a - (s - z)) + (b - z) // s + e = x + y
	f := float32(s)
	bits := math.Float32bits(f)
	if math.Abs(float64(f)) > math.Abs(s) || float64(f) == s && e != 0 && (e < 0) != (s < 0) {
		bits-- // towards 0
	}
	if float64(f) != s || e != 0 {
		bits |= 1
	}
	return flush(math.Float32frombits(bits))
}

func TestAddOdd(t *testing.T) {
	const ulp = 0x1p-23
	for _, c := range []struct{ x, y, want float32 }{
		{1, 1, 2}, {1, ulp, 1 + ulp}, {1, ulp / 4, 1 + ulp}, {1 + ulp, ulp / 4, 1 + ulp}, {1 + ulp, ulp * 3 / 4, 1 + ulp},
		{1 + 2*ulp, -0x1p-60, 1 + ulp}, {2, -0x1p-60, 2 - ulp}, {-1, -0x1p-120, -1 - ulp}, {1, 0x1p-120, 1 + ulp}, {1 + ulp, -0x1p-120, 1 + ulp},
		{0x1p-126, -0x1.8p-126, 0}, {math.MaxFloat32, 0x1p100, math.MaxFloat32}, {math.MaxFloat32, math.MaxFloat32, float32(math.Inf(1))},
	} {
		if got := addOdd(c.x, c.y); got != c.want {
			t.Errorf("%x + %x = %x, want %x", c.x, c.y, got, c.want)
		}
	}
}

// quadAt returns where element (i, p) of a panel with so many rows or columns is.
func quadAt(rows, i, p int) int { return p/4*4*rows + 4*i + p%4 }

// bgemmPanels returns panels for a product, zero past k, and the matrices that they hold, row by row.
func bgemmPanels(rng *rand.Rand, rows, cols, k int, element func() BFloat16) (a, b []BFloat16) {
	quads := (k + 3) / 4
	a, b = make([]BFloat16, 4*quads*rows), make([]BFloat16, 4*quads*cols)
	for p := range k {
		for i := range rows {
			a[quadAt(rows, i, p)] = element()
		}
		for j := range cols {
			b[quadAt(cols, j, p)] = element()
		}
	}
	return a, b
}

var bgemmTilesNEON = []gemmTile[float32]{nil,
	bgemm1x12NEONBF16, bgemm2x12NEONBF16, bgemm3x12NEONBF16, bgemm4x12NEONBF16, bgemm5x12NEONBF16, bgemm6x12NEONBF16, bgemm7x12NEONBF16, bgemm8x12NEONBF16}

// words returns x as the words of a panel.
func words(x []BFloat16) *float32 { return (*float32)(unsafe.Pointer(&x[0])) }

// TestBgemmTiles compares every bit with the manual's arithmetic, and bounds the error against a float64
// sum of the products, which are exact: two additions for each pair of elements of K, off by less than 2u,
// come to γ(k+2), and alpha and beta to 2u more.
func TestBgemmTiles(t *testing.T) {
	needBF16(t)
	const cols = 12
	g := newGuarded(t, 3, 4096)
	specials := []float32{0, float32(math.Copysign(0, -1)), 1, 0x1p-126, 0x1p-130, -0x1p-133, 0x1.fep127, -0x1.fep127, 0x1p-70, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}
	for rows := 1; rows <= 8; rows++ {
		for k := 1; k <= 70; k++ {
			rng := rand.New(rand.NewPCG(uint64(rows), uint64(k)))
			for try := range 6 {
				special := try >= 4
				tail := try%2 == 1
				element := func() BFloat16 { return NewBFloat16(float32(rng.NormFloat64())) }
				if special {
					element = func() BFloat16 {
						if rng.IntN(8) == 0 {
							return NewBFloat16(specials[rng.IntN(len(specials))])
						}
						return NewBFloat16(float32(math.Ldexp(rng.NormFloat64(), rng.IntN(120)-60)))
					}
				}
				av, bv := bgemmPanels(rng, rows, cols, k, element)
				alpha, beta := []float32{1, -0.75, 3}[rng.IntN(3)], []float32{0, 1, -0.5}[rng.IntN(3)]
				ldc := cols + 3*rng.IntN(2)
				a := halves(g.place(0, (len(av)+1)/2, tail), len(av), tail)
				b := halves(g.place(1, (len(bv)+1)/2, tail), len(bv), tail)
				copy(a, av)
				copy(b, bv)
				size := (rows-1)*ldc + cols
				c := g.place(2, size, tail)
				before := make([]float32, size)
				for i := range before {
					before[i] = float32(rng.NormFloat64())
					if beta == 0 || i%ldc >= cols {
						before[i] = canary
					}
				}
				copy(c, before)
				name := fmt.Sprintf("rows=%d k=%d alpha=%g beta=%g ldc=%d try=%d", rows, k, alpha, beta, ldc, try)
				if err := faults(func() {
					bgemmTilesNEON[rows]((k+3)/4, alpha, words(a), 2*rows, words(b), 2*cols, nil, beta, &c[0], ldc, &c[0], ldc, nil)
				}); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for slot, n := range []int{(len(a) + 1) / 2, (len(b) + 1) / 2, size} {
					if err := g.check(slot, n, tail); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
				}
				for at, got := range c {
					i, j := at/ldc, at%ldc
					if j >= cols {
						if math.Float32bits(got) != math.Float32bits(canary) {
							t.Fatalf("%s: the gap after row %d was written", name, i)
						}
						continue
					}
					var sum float32
					var exact, bound float64
					for p := 0; p < k; p += 4 {
						for q := p; q < p+4; q += 2 {
							x, y := quadAt(rows, i, q), quadAt(cols, j, q)
							sum = bf16Pair(sum, a[x], b[y], a[x+1], b[y+1])
							for h := range 2 {
								product := float64(a[x+h].Float32()) * float64(b[y+h].Float32())
								exact += product
								bound += math.Abs(product)
							}
						}
					}
					want := float32(alpha * sum) // rounded before beta's part comes to it
					exact, bound = float64(alpha)*exact, math.Abs(float64(alpha))*bound
					if beta != 0 {
						want += float32(beta * before[at]) // a product without rounding
						exact += float64(beta * before[at])
						bound += math.Abs(float64(beta * before[at]))
					}
					if math.Float32bits(got) != math.Float32bits(want) && !(math.IsNaN(float64(got)) && math.IsNaN(float64(want))) {
						t.Fatalf("%s: C[%d,%d] = %x, by definition %x", name, i, j, got, want)
					}
					if !special && !(math.Abs(float64(got)-exact) <= gamma(k+4)*bound) {
						t.Fatalf("%s: C[%d,%d] = %g, want %g ± %g", name, i, j, got, exact, gamma(k+4)*bound)
					}
				}
			}
		}
	}
}

// TestBgemmPack holds the packings to their definition, the source and the panel between guard pages.
func TestBgemmPack(t *testing.T) {
	const lanes = 4
	g := newGuarded(t, 2, 4096)
	rng := rand.New(rand.NewPCG(1, 2))
	for k := 1; k <= 40; k++ {
		for rows := 1; rows <= 12; rows++ {
			for try := range 4 {
				tail, pad := try%2 == 1, try/2*3
				quads, padded := (k+3)/4, (rows+lanes-1)/lanes*lanes
				slack := 4 * (padded - rows)

				// Contiguous along K: four rows a call, the last ones first.
				ld := k + pad
				check := func(name string, size int, pack func(src, dst *BFloat16), at func(i, p int) int) {
					src := halves(g.place(0, (size+1)/2, tail), size, tail)
					for i := range src {
						src[i] = BFloat16(rng.Uint32())
					}
					n := 4*rows*quads + slack
					dst := halves(g.place(1, (n+1)/2, tail), n, tail)
					if err := faults(func() { pack(&src[0], &dst[0]) }); err != nil {
						t.Fatalf("%s: rows=%d k=%d ld=%d tail=%v: %v", name, rows, k, ld, tail, err)
					}
					for slot, n := range []int{(size + 1) / 2, (n + 1) / 2} {
						if err := g.check(slot, n, tail); err != nil {
							t.Fatalf("%s: rows=%d k=%d: %v", name, rows, k, err)
						}
					}
					for p := range 4 * quads {
						for i := range rows {
							var want BFloat16
							if p < k {
								want = src[at(i, p)]
							}
							if got := dst[quadAt(rows, i, p)]; got != want {
								t.Fatalf("%s: rows=%d k=%d ld=%d: (%d, %d) is %#x, want %#x", name, rows, k, ld, i, p, got, want)
							}
						}
					}
				}
				check("bpackT", (rows-1)*ld+k, func(src, dst *BFloat16) {
					from := unsafe.Slice(src, (rows-1)*ld+k)
					to := unsafe.Slice(dst, 4*rows*quads)
					for i := (rows - 1) / lanes * lanes; i >= 0; i -= lanes {
						bpackTNEON(min(lanes, rows-i), k, &from[i*ld], ld, words(to[4*i:]), 2*rows)
					}
				}, func(i, p int) int { return i*ld + p })

				// Contiguous across the panel.
				ld = rows + pad
				check("bpackN", (k-1)*ld+padded, func(src, dst *BFloat16) {
					bpackNNEON(rows, k, src, ld, (*float32)(unsafe.Pointer(dst)), 2*rows)
				}, func(i, p int) int { return p*ld + i })
			}
		}
	}
}

// TestBgemmWiden is TestBgemmPack for the packings that convert to float32, NaN and subnormal numbers too.
func TestBgemmWiden(t *testing.T) {
	const lanes = 4
	g := newGuarded(t, 2, 4096)
	rng := rand.New(rand.NewPCG(3, 4))
	for k := 1; k <= 40; k++ {
		for rows := 1; rows <= 12; rows++ {
			for try := range 4 {
				tail, pad := try%2 == 1, try/2*3
				padded := (rows + lanes - 1) / lanes * lanes
				for _, trans := range []bool{false, true} {
					ld, size := k+pad, (rows-1)*(k+pad)+k
					if trans {
						ld, size = rows+pad, (k-1)*(rows+pad)+padded
					}
					name := fmt.Sprintf("rows=%d k=%d ld=%d tail=%v trans=%v", rows, k, ld, tail, trans)
					src := halves(g.place(0, (size+1)/2, tail), size, tail)
					for i := range src {
						src[i] = BFloat16(rng.Uint32())
					}
					n := (k-1)*rows + padded
					dst := g.place(1, n, tail)
					err := faults(func() {
						if trans {
							widenNNEON(rows, k, &src[0], ld, &dst[0], rows)
							return
						}
						for i := (rows - 1) / lanes * lanes; i >= 0; i -= lanes {
							widenTNEON(min(lanes, rows-i), k, &src[i*ld], ld, &dst[i], rows)
						}
					})
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					for slot, n := range []int{(size + 1) / 2, n} {
						if err := g.check(slot, n, tail); err != nil {
							t.Fatalf("%s: %v", name, err)
						}
					}
					for p := range k {
						for i := range rows {
							at := i*ld + p
							if trans {
								at = p*ld + i
							}
							if got := math.Float32bits(dst[p*rows+i]); got != uint32(src[at])<<16 {
								t.Fatalf("%s: (%d, %d) is %#x, want %#x with zeros behind", name, i, p, got, src[at])
							}
						}
					}
				}
			}
		}
	}
}
