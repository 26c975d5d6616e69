package kernels

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// eachISA runs f for every row without subtests, which a fuzz target cannot have.
func eachISA(t *testing.T, f func()) {
	t.Helper()
	old := ISA()
	defer SetISA(old)
	for _, name := range ISAs() {
		if err := SetISA(name); err != nil {
			t.Fatal(err)
		}
		f()
	}
}

func FuzzSgemm(f *testing.F) { fuzzProduct(f, checkGemm) }

func fuzzProduct(f *testing.F, check func(t *testing.T, g gemmCase, rng *rand.Rand)) {
	f.Add(uint64(1), uint8(17), uint8(33), uint8(9), uint8(0))
	f.Add(uint64(2), uint8(1), uint8(1), uint8(0), uint8(7))
	f.Fuzz(func(t *testing.T, seed uint64, m, n, k, how uint8) {
		g := gemmCase{
			transA: how&1 != 0, transB: how&2 != 0, m: int(m) % 80, n: int(n) % 80, k: int(k),
			alpha: float32(how>>2&3) - 1, beta: float32(how>>4&3) - 1, pad: int(how >> 6),
		}
		eachISA(t, func() { check(t, g, rand.New(rand.NewPCG(seed, 0))) })
	})
}

// FuzzProduct runs products with anything that a Product can have, in every precision.
func FuzzProduct(f *testing.F) {
	f.Add(uint64(1), uint8(17), uint8(33), uint8(9))
	f.Add(uint64(2), uint8(1), uint8(1), uint8(0))
	f.Fuzz(func(t *testing.T, seed uint64, m, n, k uint8) {
		rows, cols, depth := 1+int(m)%70, 1+int(n)%90, int(k)
		eachISA(t, func() {
			rng := rand.New(rand.NewPCG(seed, 1))
			p, d := randomProduct[float32, float32](rng, rows, cols, depth), randomProduct[float64, float64](rng, rows, cols, depth)
			checkRun(t, p, 0x1p-24, p.Run)
			checkRun(t, d, 0x1p-53, d.Run)
			eachKernel16(func() {
				h := randomProduct[BFloat16, float32](rng, rows, cols, depth)
				checkRun(t, h, 0x1p-24, h.Run)
			})
		})
	})
}

// FuzzRows covers every field of the table at any length.
func FuzzRows(f *testing.F) {
	cases := tableCases()
	for i := range cases {
		f.Add(uint64(i), uint8(i), uint16(61), true)
	}
	f.Fuzz(func(t *testing.T, seed uint64, field uint8, n uint16, tail bool) {
		g := newGuarded(t, 6, 1000)
		eachISA(t, func() {
			checkRow(t, cases[int(field)%len(cases)], g, rand.New(rand.NewPCG(seed, 0)), int(n)%1001, tail)
		})
	})
}

func FuzzSoftmax(f *testing.F) {
	f.Add(uint64(1), uint8(3), uint8(17), uint8(2), float32(0.125), float32(4), true)
	f.Fuzz(func(t *testing.T, seed uint64, rows, cols, causal uint8, scale, spread float32, inPlace bool) {
		scale, spread = float32(math.Remainder(float64(scale), 4)), float32(math.Remainder(float64(spread), 1e6))
		if scale != scale || spread != spread {
			return
		}
		c := softmaxCase{rows: 1 + int(rows)%5, cols: int(cols), pad: int(seed % 3), causal: int(causal), scale: scale, spread: spread, inPlace: inPlace}
		eachISA(t, func() { checkSoftmax(t, c, rand.New(rand.NewPCG(seed, 0))) })
	})
}

func FuzzExp(f *testing.F) {
	f.Add(float32(1))
	f.Add(float32(-87.2))
	f.Fuzz(func(t *testing.T, x float32) {
		eachISA(t, func() {
			y, want := float64(expRow([]float32{x})[0]), math.Exp(float64(x))
			switch {
			case x < -86.98:
				want = 0 // the limit is −86.99
				y = max(0, y-0x1p-125)
			case x > 88.7228317:
				want = math.Inf(1)
			}
			if !(math.Abs(y-want) <= 2*ulp(want)) && y != want && !(y != y && want != want) {
				t.Errorf("%s: exp(%g) = %g, want %g", ISA(), x, y, want)
			}
		})
	})
}

// FuzzElementary holds every row to the bound and to the bits of the definition.
func FuzzElementary(f *testing.F) {
	tests := elementaryTests()
	for i := range tests {
		f.Add(uint8(i), float32(-87.2))
		f.Add(uint8(i), float32(1e-45))
	}
	f.Fuzz(func(t *testing.T, function uint8, v float32) {
		e := tests[int(function)%len(tests)]
		x, definition := []float32{v}, []float32{0}
		e.row(generic())(x, definition)
		if _, _, err := e.worst(x, definition); err != nil {
			t.Error(err)
		}
		eachISA(t, func() {
			y := []float32{0}
			e.call(x, y)
			if err := e.sameBits(x, y, definition); err != nil {
				t.Errorf("%s: %v", ISA(), err)
			}
		})
	})
}

func FuzzGELU(f *testing.F) {
	f.Add(float32(1), float32(1))
	f.Add(float32(-10.06), float32(-3))
	f.Fuzz(func(t *testing.T, x, dy float32) {
		if x != x || math.Abs(float64(x)) > 1e30 || !(math.Abs(float64(dy)) < 1e30) {
			return
		}
		want, d, u := geluReference(max(-50, min(50, float64(x))))
		if x > 50 {
			want = float64(x)
		}
		eachISA(t, func() {
			y, dx := []float32{0}, []float32{dy}
			GELU([]float32{x}, y)
			GELUBackward([]float32{x}, dx, dx)
			a := approx{want, math.Abs(want) * gamma(8+10*int(math.Abs(u)+1))}
			if x < -10.05 {
				a.bound = 1e-37
			}
			if !a.holds(y[0]) {
				t.Errorf("%s: GELU(%g) = %g, want %g ± %g", ISA(), x, y[0], a.want, a.bound)
			}
			size := math.Abs(float64(dy))
			if a := (approx{float64(dy) * d, (5*unitRoundoff + 1e-35) * size}); !a.holds(dx[0]) {
				t.Errorf("%s: dx for x = %g, dy = %g is %g, want %g ± %g", ISA(), x, dy, dx[0], a.want, a.bound)
			}
		})
	})
}

func FuzzBFloat16(f *testing.F) {
	f.Add(uint32(0x3f808000), uint8(17))
	f.Add(uint32(0xff800001), uint8(0))
	f.Fuzz(func(t *testing.T, bits uint32, n uint8) {
		x := make([]float32, int(n)+1)
		for i := range x {
			x[i] = math.Float32frombits(bits + uint32(i))
		}
		eachISA(t, func() {
			h, back := make([]BFloat16, len(x)), make([]float32, len(x))
			ToBFloat16(x, h)
			FromBFloat16(h, back)
			for i, v := range x {
				if want := bf16Reference(v); h[i] != want || math.Float32bits(back[i]) != uint32(want)<<16 {
					t.Fatalf("%s: %#08x of %d becomes %#04x and then %#08x, want %#04x", ISA(), math.Float32bits(v), len(x), h[i], math.Float32bits(back[i]), want)
				}
			}
		})
	})
}

func FuzzNrm2(f *testing.F) {
	f.Add(float32(1), float32(1e-30), uint16(5))
	f.Fuzz(func(t *testing.T, a, b float32, n uint16) {
		x := make([]float32, int(n)%3000+2)
		var want float64
		for i := range x {
			x[i] = a
			if i&1 != 0 {
				x[i] = b
			}
			want += float64(x[i]) * float64(x[i])
		}
		want = math.Sqrt(want)
		eachISA(t, func() {
			got := float64(Nrm2(x))
			if want > math.MaxFloat32 && math.IsInf(got, 1) || want != want && got != got {
				return
			}
			if !(math.Abs(got-want) <= want*gamma(len(x)+3)+0x1p-149) {
				t.Errorf("%s: Nrm2 of %d elements %g, %g = %g, want %g", ISA(), len(x), a, b, got, want)
			}
		})
	})
}

func FuzzLayerNorm(f *testing.F) {
	f.Add(uint64(1), uint16(17), float32(0), float32(1))
	f.Fuzz(func(t *testing.T, seed uint64, cols uint16, mean, spread float32) {
		n := 1 + int(cols)%600
		if !(math.Abs(float64(mean)) < 1e3) || !(math.Abs(float64(spread)) < 1e3) {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		x, g, b := randomSlice(rng, n), randomSlice(rng, n), randomSlice(rng, n)
		for i := range x {
			x[i] = mean + spread*x[i]
		}
		eachISA(t, func() {
			y, m, r := make([]float32, n), make([]float32, 1), make([]float32, 1)
			LayerNorm(1, n, 1e-2, x, g, b, y, m, r)
			checkNormRow(t, ISA(), 1e-2, x, g, b, y, m[0], r[0])
		})
	})
}

func FuzzRMSNorm(f *testing.F) {
	f.Add(uint64(1), uint16(17), float32(1))
	f.Add(uint64(2), uint16(300), float32(1e-30))
	f.Fuzz(func(t *testing.T, seed uint64, cols uint16, spread float32) {
		n := 1 + int(cols)%600
		if !(math.Abs(float64(spread)) < 1e35) {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		x, g := randomSlice(rng, n), randomSlice(rng, n)
		Scal(spread, x)
		eachISA(t, func() {
			y, r := make([]float32, n), make([]float32, 1)
			RMSNorm(1, n, 1e-2, x, g, y, r)
			checkRMSNormRow(t, ISA(), 1e-2, x, g, y, r[0])
		})
	})
}

func FuzzCombine(f *testing.F) {
	f.Add(uint64(1), uint16(61), uint8(3), float32(0.5), true)
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, stages uint8, h float32, inPlace bool) {
		if !(math.Abs(float64(h)) < 1e30) {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		s := int(stages) % 20
		x, b, k := randomStages(rng, int(n)%1000, s)
		eachISA(t, func() {
			x := slices.Clone(x)
			y := make([]float32, len(x))
			if inPlace {
				y = x
			}
			before := slices.Clone(x)
			Combine(h, x, b, k, 0, y)
			for i := range y {
				var sum, size float64
				for j := range k {
					sum += float64(b[j]) * float64(k[j][i])
					size += math.Abs(float64(b[j]) * float64(k[j][i]))
				}
				if a := combineApprox(s, float64(before[i]), float64(h)*sum, math.Abs(float64(h))*size); !a.holds(y[i]) {
					t.Fatalf("%s: n=%d, %d stages, h=%g: y[%d] = %g, want %g ± %g", ISA(), len(x), s, h, i, y[i], a.want, a.bound)
				}
			}
		})
	})
}

func FuzzGather(f *testing.F) {
	f.Add(uint64(1), uint8(17), uint8(5), uint8(40))
	f.Add(uint64(2), uint8(200), uint8(0), uint8(255))
	f.Fuzz(func(t *testing.T, seed uint64, cols, rows, count uint8) {
		eachISA(t, func() { checkGather(t, rand.New(rand.NewPCG(seed, 0)), int(cols)+1, int(rows)+1, int(count)) })
	})
}

func FuzzTranspose(f *testing.F) {
	f.Add(uint8(17), uint8(33), uint8(1), false)
	f.Add(uint8(3), uint8(100), uint8(6), true)
	f.Fuzz(func(t *testing.T, rows, cols, pad uint8, tail bool) {
		g := newGuarded(t, 2, 150*160)
		eachISA(t, func() { checkMoved(t, g, int(rows)%150, int(cols)%150, int(pad)%8, int(pad)/8%8, tail, true) })
	})
}

func FuzzMax(f *testing.F) {
	f.Add(uint64(1), uint16(61), uint8(3), uint8(0))
	f.Add(uint64(2), uint16(5000), uint8(2), uint8(1))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, kinds, nans uint8) {
		rng := rand.New(rand.NewPCG(seed, 0))
		x := make([]float32, int(n)%10000)
		for i := range x { // few values, so that there are equals
			x[i] = float32(rng.IntN(int(kinds)+1)) - 2
		}
		for range min(int(nans)%4, len(x)) {
			x[rng.IntN(len(x))] = float32(math.NaN())
		}
		eachISA(t, func() { checkMax(t, ISA(), x) })
	})
}

func FuzzCrossEntropy(f *testing.F) {
	f.Add(uint64(1), uint16(17), uint16(3), float32(1))
	f.Fuzz(func(t *testing.T, seed uint64, cols, target uint16, spread float32) {
		n := 1 + int(cols)%5000
		if !(math.Abs(float64(spread)) < 1e4) {
			return
		}
		x := randomSlice(rand.New(rand.NewPCG(seed, 0)), n)
		Scal(spread, x)
		targets := []int32{int32(int(target) % n)}
		eachISA(t, func() {
			loss, again, d := make([]float32, 1), make([]float32, 1), make([]float32, n)
			CrossEntropy(1, n, x, n, targets, loss)
			CrossEntropyBackward(1, n, 1, x, n, targets, again, d, n)
			checkCrossEntropyRow(t, ISA(), 1, x, int(targets[0]), loss[0], again[0], d)
		})
	})
}
