package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// elementOf returns x as an element of the type.
func elementOf[E entry](x float64) E {
	var e E
	switch e := any(&e).(type) {
	case *float32:
		*e = float32(x)
	case *float64:
		*e = x
	case *BFloat16:
		*e = NewBFloat16(float32(x))
	}
	return e
}

func valueOf[E entry](x E) float64 {
	switch x := any(x).(type) {
	case float32:
		return float64(x)
	case float64:
		return x
	case BFloat16:
		return float64(x.Float32())
	}
	panic("no element")
}

// operand returns count random rows×cols matrices, stride apart, with NaN in every gap.
func operand[E entry](rng *rand.Rand, rows, cols, ld, count, stride int) []E {
	if rows == 0 || cols == 0 {
		return nil
	}
	x := make([]E, (count-1)*stride+(rows-1)*ld+cols)
	for i := range x {
		x[i] = elementOf[E](math.NaN())
	}
	for b := range count {
		for i := range rows {
			for j := range cols {
				x[b*stride+i*ld+j] = elementOf[E](rng.NormFloat64())
			}
		}
	}
	return x
}

// randomProduct returns a product of the given sizes with any of the things that a Product can have.
func randomProduct[E entry, F float](rng *rand.Rand, m, n, k int) Product[E, F] {
	coin := func() bool { return rng.IntN(2) == 0 }
	p := Product[E, F]{TransA: coin(), TransB: coin(), M: m, N: n, K: k, Threads: rng.IntN(4)}
	p.Alpha, p.Beta = []F{1, 1, 0, -0.5}[rng.IntN(4)], []F{0, 1, -0.5}[rng.IntN(3)]
	if coin() {
		p.Batch = rng.IntN(4)
	}
	batch, pad := max(1, p.Batch), rng.IntN(3)*5
	if rng.IntN(16) == 0 {
		pad = page // rows on pages of their own
	}
	packed := rng.IntN(3) == 0
	wholeK, wholeN := k, n // of what is packed, the first rows and columns of which are op(B)
	if packed && coin() {
		wholeK, wholeN = k+rng.IntN(1+2*k), n+rng.IntN(50)
	}
	aRows, aCols, bRows, bCols := m, k, wholeK, wholeN
	if p.TransA {
		aRows, aCols = aCols, aRows
	}
	if p.TransB {
		bRows, bCols = bCols, bRows
	}
	p.LDA, p.LDB, p.LDC = aCols+pad, bCols+pad, n+pad
	p.StrideA, p.StrideC = aRows*p.LDA+3, m*p.LDC+1
	if coin() && !packed {
		p.StrideB = bRows * p.LDB
	}
	p.A = operand[E](rng, aRows, aCols, p.LDA, batch, p.StrideA)
	p.B = operand[E](rng, bRows, bCols, p.LDB, batch, p.StrideB)
	p.C = operand[F](rng, m, n, p.LDC, batch, p.StrideC)
	if packed {
		p.Packed = new(Packed[E, F])
		p.Packed.Pack(p.TransB, wholeK, wholeN, p.B, p.LDB)
	}
	if coin() {
		p.Bias = operand[F](rng, 1, n, n, 1, 0)
	}
	if coin() {
		p.LDD, p.StrideD = n+2, m*(n+2)
		p.D = operand[F](rng, m, n, p.LDD, batch, p.StrideD)
	}
	p.Activation = Activation(rng.IntN(3))
	if p.Activation == GELUTanhGrad || coin() {
		p.LDPre, p.StridePre = n+1, m*(n+1)
		p.Pre = operand[F](rng, m, n, p.LDPre, batch, p.StridePre)
	}
	if _, ok := any(p.A).([]BFloat16); ok && coin() {
		p.LDRounded, p.StrideRounded = n+3, m*(n+3)+1
		p.Rounded = make([]BFloat16, (batch-1)*p.StrideRounded+(m-1)*p.LDRounded+n)
		if p.Activation == GELUTanh && p.Pre != nil && (p.Beta == 0 || p.D != nil) && coin() {
			p.C, p.LDC, p.StrideC = nil, 0, 0
		} else {
			p.RoundedOnly = coin()
		}
	}
	return p
}

// describe tells the shape of a product, for messages.
func describe[E entry, F float](p *Product[E, F]) string {
	return fmt.Sprintf("%T m=%d n=%d k=%d transA=%v transB=%v alpha=%v beta=%v batch=%d packed=%v bias=%v d=%v activation=%d pre=%v c=%v rounded=%v threads=%d",
		p.Alpha, p.M, p.N, p.K, p.TransA, p.TransB, p.Alpha, p.Beta, p.Batch, p.Packed != nil, p.Bias != nil, p.D != nil, p.Activation, p.Pre != nil, p.C != nil, p.Rounded != nil, p.Threads)
}

// checkRun runs a product and holds every element of the result to its definition in float64.
func checkRun[E entry, F float](t *testing.T, p Product[E, F], u float64, run func()) {
	t.Helper()
	oldC, oldPre := slices.Clone(p.C), slices.Clone(p.Pre)
	if p.Beta == 0 {
		for i := range p.C {
			p.C[i] = F(math.NaN())
		}
	}
	const canary = 0x7fad
	for i := range p.Rounded {
		p.Rounded[i] = canary
	}
	// What is only rounded has the bits of what is kept.
	kept := p
	if p.Rounded != nil && (p.C == nil || p.RoundedOnly) {
		kept.RoundedOnly, kept.C, kept.Pre, kept.Rounded = false, slices.Clone(p.C), slices.Clone(p.Pre), slices.Clone(p.Rounded)
		if p.C == nil {
			kept.LDC, kept.StrideC = p.N, p.M*p.N
			kept.C = make([]F, max(1, p.Batch)*kept.StrideC)
		}
		kept.Run()
	}
	run()
	ku := float64(p.K+4) * u
	factor := ku / (1 - ku)
	for item := range max(1, p.Batch) {
		for i := range p.M {
			for j := range p.N {
				var sum twice
				var bound float64
				for q := 0; q < p.K && p.Alpha != 0; q++ {
					ia, ib := i*p.LDA+q, q*p.LDB+j
					if p.TransA {
						ia = q*p.LDA + i
					}
					if p.TransB {
						ib = j*p.LDB + q
					}
					x, y := valueOf(p.A[item*p.StrideA+ia]), valueOf(p.B[item*p.StrideB+ib])
					sum.addProduct(x, y)
					bound += math.Abs(x * y)
				}
				if p.Bias != nil && p.Alpha != 0 {
					sum.addProduct(1, float64(p.Bias[j]))
					bound += math.Abs(float64(p.Bias[j]))
				}
				z := float64(p.Alpha) * (sum.hi + sum.lo)
				bound *= math.Abs(float64(p.Alpha))
				if p.Beta != 0 {
					var d float64
					if p.D != nil {
						d = float64(p.D[item*p.StrideD+i*p.LDD+j])
					} else {
						d = float64(oldC[item*p.StrideC+i*p.LDC+j])
					}
					z += float64(p.Beta) * d
					bound += math.Abs(float64(p.Beta) * d)
				}
				bound = factor*bound + 0x1p-52*bound // the second for the reference itself
				got := float64(kept.C[item*kept.StrideC+i*kept.LDC+j])
				atPre := item*p.StridePre + i*p.LDPre + j
				want := z
				switch p.Activation {
				case GELUTanh:
					if p.Pre != nil {
						pre := float64(p.Pre[atPre])
						if !(math.Abs(pre-z) <= bound) {
							t.Fatalf("%s: item %d: Pre[%d,%d] = %g, want %g ± %g", describe(&p), item, i, j, pre, z, bound)
						}
						z, bound = pre, 0
					}
					// |gelu'| < 1.13, and GELU documents γ(8 + 10·|u|).
					want, bound = gelu64Of(z), 1.13*bound+200*u*math.Abs(z)
				case GELUTanhGrad:
					g := geluGrad64Of(float64(oldPre[atPre]))
					want, bound = z*g, 1.13*bound+200*u*math.Abs(z)
				}
				if p.Rounded != nil {
					rounded := p.Rounded[item*p.StrideRounded+i*p.LDRounded+j]
					if r := NewBFloat16(float32(got)); rounded != r {
						t.Fatalf("%s: item %d: Rounded[%d,%d] = %#04x, want %#04x of %g", describe(&p), item, i, j, rounded, r, got)
					}
				}
				if !(math.Abs(got-want) <= bound) {
					t.Fatalf("%s: item %d: C[%d,%d] = %g, want %g ± %g", describe(&p), item, i, j, got, want, bound)
				}
			}
			end := item*p.StrideC + i*p.LDC + p.N
			for j := end; j < item*p.StrideC+(i+1)*p.LDC && j < len(p.C); j++ {
				if x := p.C[j]; x == x {
					t.Fatalf("%s: the gap after row %d of C was written: %g", describe(&p), i, x)
				}
			}
			end = item*p.StrideRounded + i*p.LDRounded + p.N
			for j := end; j < item*p.StrideRounded+(i+1)*p.LDRounded && j < len(p.Rounded); j++ {
				if p.Rounded[j] != canary {
					t.Fatalf("%s: the gap after row %d of Rounded was written: %#04x", describe(&p), i, p.Rounded[j])
				}
			}
		}
	}
}

func gelu64Of(x float64) float64 {
	y := []float64{x}
	gelu64(y, y)
	return y[0]
}

func geluGrad64Of(x float64) float64 {
	y := []float64{1}
	geluGrad64([]float64{x}, y, y)
	return y[0]
}

func testProducts[E entry, F float](t *testing.T, u float64) {
	defer SetThreads(0)
	SetThreads(3)
	defer func(b gemmBlock) { setBlock[E, F](b) }(setBlock[E, F](gemmBlock{mc: 12, kc: 36, nc: 70, flat: 36}))
	forEachKernel[E](t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(41, 42))
		for range 300 {
			p := randomProduct[E, F](rng, 1+rng.IntN(50), 1+rng.IntN(80), rng.IntN(80))
			forget[E, F]()
			checkRun(t, p, u, p.Run)
		}
		for range 20 { // some blocks of K, whatever a step is
			p := randomProduct[E, F](rng, 1+rng.IntN(70), 1+rng.IntN(80), 130+rng.IntN(200))
			forget[E, F]()
			checkRun(t, p, u, p.Run)
		}
		for range 6 { // cut both ways
			p := randomProduct[E, F](rng, 100+rng.IntN(20), 140+rng.IntN(20), 90)
			p.Batch, p.Threads = 0, 0
			checkRun(t, p, u, p.Run)
		}
	})
}

// forget drops the workspaces, so that a product has buffers of its own size only.
func forget[E entry, F float]() {
	prec, _ := kernelOf[E, F]()
	drain(&prec.cut)
	drain(&prec.whole)
}

// drain empties a list, and returns what was in it.
func drain[T any](l *freeList[T]) []*T {
	all := l.free
	if x := l.last.Swap(nil); x != nil {
		all = append(all, x)
	}
	l.free = nil
	return all
}

// setBlock sets the blocking of a precision and returns the one before.
func setBlock[E entry, F float](b gemmBlock) gemmBlock {
	prec, _ := kernelOf[E, F]()
	old := prec.block
	prec.block = b
	return old
}

func TestProductFloat32(t *testing.T)  { testProducts[float32, float32](t, 0x1p-24) }
func TestProductFloat64(t *testing.T)  { testProducts[float64, float64](t, 0x1p-53) }
func TestProductBFloat16(t *testing.T) { testProducts[BFloat16, float32](t, 0x1p-24) }

// TestRunAll runs products of different shapes together, more and fewer than there are goroutines.
func TestRunAll(t *testing.T) {
	defer SetThreads(0)
	SetThreads(3)
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(43, 44))
		for _, count := range []int{0, 1, 2, 9} {
			products := []Product[float32, float32]{{Batch: 3, N: 5, StrideA: 7, StrideC: 9}} // of nothing
			if count == 0 {
				products = nil
			}
			for range count {
				products = append(products, randomProduct[float32, float32](rng, 1+rng.IntN(40), 1+rng.IntN(40), rng.IntN(40)))
			}
			want := make([][]float32, len(products))
			for i, p := range products {
				p.C = slices.Clone(p.C)
				p.Pre = slices.Clone(p.Pre)
				p.Run()
				want[i] = p.C
			}
			RunAll(products)
			for i, p := range products {
				if !sameBits(p.C, want[i]) {
					t.Errorf("%d products: product %d, %s, differs from the one run alone", count, i, describe(&p))
				}
			}
		}
	})
}

func sameBits(x, y []float32) bool {
	return slices.EqualFunc(x, y, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
}

// TestProductBits holds the bits of a product to be the same for any number of threads, for any bound of
// the call, and with B packed before.
func TestProductBits(t *testing.T) { testBits[BFloat16](t, true) }

// TestSgemmBits is without packed operands, which take other sums in products of a few rows.
func TestSgemmBits(t *testing.T) { testBits[float32](t, false) }

func testBits[E entry](t *testing.T, packs bool) {
	defer SetThreads(0)
	forEachKernel[E](t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(45, 46))
		for _, m := range []int{1, 9, 31, 71} {
			for trans := range 4 {
				n, k := 133, 530
				p := Product[E, float32]{TransA: trans&1 != 0, TransB: trans&2 != 0, M: m, N: n, K: k, Alpha: 1, LDA: k, LDB: n, LDC: n}
				if p.TransA {
					p.LDA = m
				}
				if p.TransB {
					p.LDB = k
				}
				p.A, p.B = operand[E](rng, 1, m*k, m*k, 1, 0), operand[E](rng, 1, n*k, n*k, 1, 0)
				var want []float32
				for _, c := range []struct {
					threads, bound int
					packed         bool
				}{{1, 0, false}, {2, 0, false}, {5, 0, false}, {5, 2, false}, {2, 0, packs}} {
					SetThreads(c.threads)
					p.C, p.Threads, p.Packed = make([]float32, m*n), c.bound, nil
					if _, ok := any(p.A).([]BFloat16); ok {
						p.Rounded, p.LDRounded = make([]BFloat16, m*n), n
					}
					if c.packed {
						p.Packed = new(Packed[E, float32])
						p.Packed.Pack(p.TransB, k, n, p.B, p.LDB)
					}
					p.Run()
					if want == nil {
						want = p.C
					}
					if !sameBits(p.C, want) {
						t.Fatalf("%s: %d threads: other bits than on one thread", describe(&p), c.threads)
					}
					for i, r := range p.Rounded {
						if r != NewBFloat16(want[i]) {
							t.Fatalf("%s: %d threads: Rounded[%d] = %#04x, want %g rounded", describe(&p), c.threads, i, r, want[i])
						}
					}
				}
			}
		}
	})
}

// TestRounded has products of several blocks of rows and of columns, with C kept and not, and with Pre past the caches.
func TestRounded(t *testing.T) {
	defer func(n int) { secondLevel = n }(secondLevel)
	defer SetThreads(0)
	forEachKernel[BFloat16](t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(161, 162))
		// The first two are worth two goroutines, which share the columns or the rows.
		sizes := [][3]int{{75, 150, 31}, {150, 75, 31}, {9, 15, 1100}}
		if active.gemm16.stripes != nil {
			// Several blocks of rows, and groups of columns that are rounded at once.
			sizes = [][3]int{{592, 330, 64}, {331, 600, 31}, {300, 70, 1300}}
		}
		for _, size := range sizes {
			m, n, k := size[0], size[1], size[2]
			p := Product[BFloat16, float32]{M: m, N: n, K: k, Alpha: 1, LDA: k, LDB: n, LDC: n + 6, LDD: n, LDPre: n + 3, LDRounded: n + 1}
			p.A, p.B = operand[BFloat16](rng, m, k, k, 1, 0), operand[BFloat16](rng, k, n, n, 1, 0)
			d, pre := operand[float32](rng, m, n, n, 1, 0), operand[float32](rng, m, n, p.LDPre, 1, 0)
			for activation := range Activation(3) {
				for try := range 16 {
					p.Activation, p.Bias, p.D, p.Beta = activation, nil, d, 0
					if try&1 != 0 {
						p.Bias = d[:n]
					}
					if try&2 != 0 {
						p.Beta = -0.5
					}
					secondLevel = 1 << 28 >> (try & 4 * 4)
					SetThreads(1 + try>>3)
					want := p
					want.C, want.Pre = make([]float32, m*p.LDC), slices.Clone(pre)
					want.Run()
					for only := range 3 {
						if only == 2 && activation != GELUTanh {
							continue
						}
						got := p
						got.C, got.Pre, got.Rounded, got.RoundedOnly = make([]float32, m*p.LDC), slices.Clone(pre), make([]BFloat16, m*p.LDRounded), only > 0
						if only == 2 {
							got.C = nil
						}
						got.Run()
						if only == 0 && !sameBits(got.C, want.C) || !sameBits(got.Pre, want.Pre) {
							t.Fatalf("%s: C or Pre has other bits than without Rounded", describe(&got))
						}
						for i := range m {
							for j := range n {
								if r := NewBFloat16(want.C[i*p.LDC+j]); got.Rounded[i*p.LDRounded+j] != r {
									t.Fatalf("%s: Rounded[%d,%d] = %#04x, want %#04x", describe(&got), i, j, got.Rounded[i*p.LDRounded+j], r)
								}
							}
							if got.Rounded[i*p.LDRounded+n] != 0 {
								t.Fatalf("%s: the gap after row %d of Rounded was written", describe(&got), i)
							}
						}
					}
				}
			}
		}
	})
}

// TestThinBits is TestSgemmBits for few rows against enough columns to be cut, in float64 too.
func TestThinBits(t *testing.T) {
	testThinBits[float32](t)
	testThinBits[float64](t)
}

func testThinBits[F float](t *testing.T) {
	defer SetThreads(0)
	forEachISA(t, func(t *testing.T) {
		for _, m := range []int{1, 2, 3} {
			var want []F
			for _, threads := range []int{1, 2, 3, 5} {
				SetThreads(threads)
				p := benchProduct[F, F](false, true, m, 1061, 1030, 1)
				p.Run()
				if want == nil {
					want = p.C
				}
				if !slices.Equal(p.C, want) {
					t.Fatalf("%s: %d threads: other bits than on one thread", describe(&p), threads)
				}
			}
		}
	})
}

// TestSums has small products of few rows go the way of those with a large B, with all that can be around them, to the
// same bits for any number of goroutines, whether the next rows of B are fetched or not.
func TestSums(t *testing.T) {
	defer func(old struct{ row, matrix int }, cache int) { sumsFrom, secondLevel = old, cache }(sumsFrom, secondLevel)
	defer SetThreads(0)
	sumsFrom.row, sumsFrom.matrix = 1, 1
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(151, 152))
		testSums[float32](t, 0x1p-24, rng)
		testSums[float64](t, 0x1p-53, rng)
	})
}

func testSums[F float](t *testing.T, u float64, rng *rand.Rand) {
	prec, kernel := kernelOf[F, F]()
	taken, cut := 0, 0
	for m := 2; m <= sumsRows; m++ {
		for i := range 12 {
			secondLevel = farCache >> (i % 2)
			p := randomProduct[F, F](rng, m, 1+rng.IntN(90), 1+rng.IntN(90))
			if bySums(prec, kernel, &p, p.M, p.N) {
				taken++
			}
			checkRun(t, p, u, p.Run)
		}
		p := benchProduct[F, F](false, false, m, 1061, 350, 1)
		if gm, _ := grid(kernel, 1, m, 1061, 350, 2); gm > 1 && bySums(prec, kernel, &p, m, 1061) {
			cut++
		}
		caches := []int{farCache / 2, farCache}
		if len(prec.gemv().sumsFetch) == 0 {
			caches = caches[:1] // what is further away makes no difference
		}
		var want []F
		for _, secondLevel = range caches {
			for _, threads := range []int{1, 2, 3, 4, 5} {
				SetThreads(threads)
				p.Run()
				if want == nil {
					want = append(want, p.C...)
				}
				if !slices.Equal(p.C, want) {
					t.Fatalf("%s: %d threads, a second cache of %d bytes: other bits than on one thread and with half of it", describe(&p), threads, secondLevel)
				}
			}
		}
	}
	if kernel.prefetches && len(prec.gemv().sums) > 0 && (taken < 20 || cut < 5) {
		t.Errorf("%d products are computed by sums, and the rows of %d are cut", taken, cut)
	}
}

// TestRowInvariant holds every row of a product to the bits that it has alone, and among some others.
func TestRowInvariant(t *testing.T) {
	testRowInvariant[float32](t)
	testRowInvariant[BFloat16](t)
}

func testRowInvariant[E entry](t *testing.T) {
	forEachKernel[E](t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(47, 48))
		for trans := range 4 {
			p := benchProduct[E, float32](trans&1 != 0, trans&2 != 0, 45, 60, 130, 1)
			p.RowInvariant = true
			p.Run()
			want := p.C
			for _, rows := range []int{1, 2, 3, 7, 20, 33} {
				i := rng.IntN(p.M - rows)
				part := p
				part.M, part.C = rows, make([]float32, rows*p.N)
				if part.A = p.A[i*p.LDA:]; p.TransA {
					part.A = p.A[i:]
				}
				part.Run()
				if !sameBits(part.C, want[i*p.N:(i+rows)*p.N]) {
					t.Errorf("trans %d: %d rows from row %d on differ from those of the whole", trans, rows, i)
				}
			}
		}
	})
}

// TestProductThreads sees that no more goroutines are at a product than its bound.
func TestProductThreads(t *testing.T) {
	defer SetThreads(0)
	SetThreads(4)
	const n = 256
	a, c := make([]float32, n*n), make([]float32, n*n)
	for bound := range 5 {
		forget[float32, float32]()
		p := Product[float32, float32]{M: n, N: n, K: n, Alpha: 1, A: a, LDA: n, B: a, LDB: n, C: c, LDC: n, Threads: bound}
		p.Run()
		want := bound
		if bound == 0 {
			want = 4
		}
		var got int
		for _, w := range append(drain(&single.cut), drain(&single.whole)...) {
			got = max(got, len(w.buffers))
		}
		if got != want {
			t.Errorf("bound %d: buffers for %d goroutines, want %d", bound, got, want)
		}
	}
}

func TestProductMisuse(t *testing.T) {
	x, y := make([]float32, 16), make([]BFloat16, 16)
	valid := func() Product[float32, float32] {
		return Product[float32, float32]{M: 2, N: 2, K: 2, Alpha: 1, A: x, LDA: 2, B: x, LDB: 2, C: x, LDC: 2}
	}
	packed := new(Packed[float32, float32])
	packed.Pack(false, 2, 3, x, 3)
	for _, c := range []struct {
		name, want string
		change     func(p *Product[float32, float32])
	}{
		{"batch", "batch of -1", func(p *Product[float32, float32]) { p.Batch = -1 }},
		{"stride", "strides 0, 0, -2", func(p *Product[float32, float32]) { p.StrideC = -2 }},
		{"threads", "-1 threads", func(p *Product[float32, float32]) { p.Threads = -1 }},
		{"batch too long", "5 of them 4 apart", func(p *Product[float32, float32]) { p.Batch, p.StrideA, p.StrideC = 5, 4, 1 }},
		{"overflow of a stride", "apart, which takes more", func(p *Product[float32, float32]) { p.Batch, p.StrideC = math.MaxInt, math.MaxInt }},
		{"batch in one place", "writes C with stride 0", func(p *Product[float32, float32]) { p.Batch = 2 }},
		{"short D", "D is 2×2", func(p *Product[float32, float32]) { p.Beta, p.D, p.LDD = 1, x[:3], 2 }},
		{"short bias", "a bias of 1 elements", func(p *Product[float32, float32]) { p.Bias = x[:1] }},
		{"no Pre", "Pre is 2×2", func(p *Product[float32, float32]) { p.Activation, p.LDPre = GELUTanhGrad, 2 }},
		{"rounded of float32", "Rounded is for operands of BFloat16", func(p *Product[float32, float32]) { p.Rounded, p.LDRounded = y, 2 }},
		{"activation", "activation 9", func(p *Product[float32, float32]) { p.Activation = 9 }},
		{"packed shape", "B is 2×4 but the packed one is only 2×3", func(p *Product[float32, float32]) { p.N, p.LDC, p.Packed = 4, 4, packed }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := valid()
			c.change(&p)
			msg := panicOf(func() { p.Run() })
			if !strings.HasPrefix(msg, "kernels: Sgemm: ") || !strings.Contains(msg, c.want) {
				t.Errorf("panics with %q, want …%s…", msg, c.want)
			}
			if all := panicOf(func() { RunAll([]Product[float32, float32]{valid(), p}) }); all != msg {
				t.Errorf("RunAll panics with %q, Run with %q", all, msg)
			}
		})
	}
	for _, c := range []struct {
		want   string
		change func(p *Product[BFloat16, float32])
	}{
		{"Rounded is 2×2", func(p *Product[BFloat16, float32]) { p.Rounded = y[:3] }},
		{"Rounded is 2×2", func(p *Product[BFloat16, float32]) { p.LDRounded = 1 }},
		{"Rounded with stride 0", func(p *Product[BFloat16, float32]) { p.Batch, p.StrideC = 2, 4 }},
		{"C is 2×2", func(p *Product[BFloat16, float32]) { p.C = nil }},
		{"C is 2×2", func(p *Product[BFloat16, float32]) { p.C, p.Activation = nil, GELUTanh }},
		{"C is 2×2", func(p *Product[BFloat16, float32]) {
			p.C, p.Activation, p.Pre, p.LDPre, p.Rounded = nil, GELUTanh, x, 2, nil
		}},
		{"neither C nor D", func(p *Product[BFloat16, float32]) {
			p.C, p.Activation, p.Pre, p.LDPre, p.Beta = nil, GELUTanh, x, 2, 1
		}},
	} {
		p := Product[BFloat16, float32]{M: 2, N: 2, K: 2, Alpha: 1, A: y, LDA: 2, B: y, LDB: 2, C: x, LDC: 2, Rounded: y[8:], LDRounded: 2}
		c.change(&p)
		if msg := panicOf(func() { p.Run() }); !strings.HasPrefix(msg, "kernels: Bgemm: ") || !strings.Contains(msg, c.want) {
			t.Errorf("panics with %q, want …%s…", msg, c.want)
		}
	}
	if msg := panicOf(func() { Bgemm(false, false, 3, 4, 4, 1, y, 4, y, 4, 0, x[:11], 4) }); !strings.HasPrefix(msg, "kernels: Bgemm: C is 3×4") {
		t.Errorf("Bgemm panics with %q", msg)
	}
	if msg := panicOf(func() { new(Packed[float32, float32]).Pack(true, 5, 4, x, 5) }); !strings.HasPrefix(msg, "kernels: Packed.Pack: B is 4×5") {
		t.Errorf("Pack panics with %q", msg)
	}
	if msg := panicOf(func() { new(Packed[BFloat16, float32]).Reserve(-1, 4) }); !strings.HasPrefix(msg, "kernels: Packed.Reserve: k = -1") {
		t.Errorf("Reserve panics with %q", msg)
	}
	if msg := panicOf(func() { new(Product[float32, float64]).Run() }); !strings.HasPrefix(msg, "kernels: Product: ") {
		t.Errorf("a product of float32 in float64 panics with %q", msg)
	}
}

// panicOf returns what f panics with, or "<nil>".
func panicOf(f func()) (msg string) {
	defer func() { msg = fmt.Sprint(recover()) }()
	f()
	return
}

// TestPackedRow sees that what was packed for another row is refused.
func TestPackedRow(t *testing.T) {
	if len(ISAs()) < 2 {
		t.Skip("one row only")
	}
	defer SetISA("")
	if err := SetISA(ISAs()[0]); err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 4)
	var packed Packed[float32, float32]
	packed.Pack(false, 2, 2, x, 2)
	if err := SetISA("generic"); err != nil {
		t.Fatal(err)
	}
	p := Product[float32, float32]{M: 2, N: 2, K: 2, Alpha: 1, A: x, LDA: 2, Packed: &packed, C: x, LDC: 2}
	if msg := panicOf(p.Run); !strings.Contains(msg, `"generic"`) {
		t.Errorf("panics with %q", msg)
	}
}

// TestProductAllocates holds Run, Pack and RunAll to allocate nothing once their workspaces are there.
func TestProductAllocates(t *testing.T) {
	const n = 64
	x, c := make([]float32, n*n), make([]float32, n*n)
	var packed Packed[float32, float32]
	p := Product[float32, float32]{M: n, N: n, K: n, Alpha: 1, A: x, LDA: n, Packed: &packed, C: c, LDC: n, Bias: x, Activation: GELUTanh, Pre: make([]float32, n*n), LDPre: n}
	list := []Product[float32, float32]{p, p, p}
	if n := testing.AllocsPerRun(20, func() {
		packed.Pack(true, n, n, x, n)
		p.Run()
		RunAll(list)
	}); n > 0 {
		t.Errorf("%g allocations", n)
	}
}
