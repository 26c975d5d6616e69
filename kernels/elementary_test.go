package kernels

import (
	"flag"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

var allFloats = flag.Bool("ulp", false, "hold the elementary functions to their bounds at each of the 2³² float32")

// elementaryTest is a function of one variable with its reference and the documented bound of its error.
type elementaryTest struct {
	name   string
	call   func(x, y []float32)
	row    func(r isa) func(x, y []float32) // its field of the table
	want   func(x float64) float64
	bound  float64                       // of the error, in units
	unit   func(x, want float64) float64 // nil for ULP
	breaks []float64                     // where the definition or the result changes its form
}

func elementaryTests() []elementaryTest {
	var reductions, powers []float64
	for n := -151; n <= 128; n++ {
		reductions = append(reductions, float64(n)*math.Ln2, (float64(n)+0.5)*math.Ln2)
		powers = append(powers, math.Ldexp(1, n), math.Ldexp(4./3, n))
	}
	// ULP, but below lowest, where the result is 0, what it would be at most.
	above := func(lowest, tiny float64) func(x, want float64) float64 {
		return func(x, want float64) float64 {
			if x < lowest {
				return tiny
			}
			return ulp(want)
		}
	}
	unitOfDerivative := func(x, want float64) float64 { return unitRoundoff }
	return []elementaryTest{
		{"Exp", Exp, func(r isa) func(x, y []float32) { return r.exp }, math.Exp, 0.90, nil,
			append(reductions, expWideLo, expHi, -103.972077, -87.336545)},
		{"Log", Log, func(r isa) func(x, y []float32) { return r.log }, math.Log, 0.95, nil, append(powers, math.MaxFloat32)},
		{"Tanh", Tanh, func(r isa) func(x, y []float32) { return r.tanh }, math.Tanh, 1.33, nil,
			append(halved(reductions), tanhSmall, tanhHi, 9.011)},
		{"Erf", Erf, func(r isa) func(x, y []float32) { return r.erf }, math.Erf, 1.12, nil, []float64{erfSmall, erfHi, 3.92}},
		{"SiLU", SiLU, func(r isa) func(x, y []float32) { return r.silu }, siluReference, 2.5, above(-88.7228317, 2.7e-37),
			append(reductions, siluLo, siluHi, -88.72284)},
		{"SiLUBackward", derivativeOf(func(r isa) func(x, dy, dx []float32) { return SiLUBackward })(isa{}),
			derivativeOf(func(r isa) func(x, dy, dx []float32) { return r.siluGrad }), siluDerivative, 4, unitOfDerivative,
			append(reductions, siluGradLo, siluHi)},
		{"GELUErf", GELUErf, func(r isa) func(x, y []float32) { return r.geluErf }, geluErfReference, 6.5, above(-13.19, 7e-39),
			[]float64{geluErfHi, 13.19, 0.7517916}},
		{"GELUErfBackward", derivativeOf(func(r isa) func(x, dy, dx []float32) { return GELUErfBackward })(isa{}),
			derivativeOf(func(r isa) func(x, dy, dx []float32) { return r.geluErfGrad }), geluErfDerivative, 4, unitOfDerivative,
			[]float64{geluErfHi, 13.19, 0.7517916}},
	}
}

// derivativeOf makes the derivative of a backward kernel, which is dx for dy = 1.
func derivativeOf(backward func(r isa) func(x, dy, dx []float32)) func(r isa) func(x, y []float32) {
	return func(r isa) func(x, y []float32) {
		return func(x, y []float32) {
			for i := range y {
				y[i] = 1
			}
			backward(r)(x, y, y)
		}
	}
}

// The references clamp the argument so that infinity meets neither 0 nor infinity.

func siluReference(x float64) float64 {
	x = max(-1e4, x)
	return x / (1 + math.Exp(-x))
}

func siluDerivative(x float64) float64 {
	x = max(-700, min(700, x))
	s := 1 / (1 + math.Exp(-x))
	return s + x*s/(1+math.Exp(x))
}

func geluErfReference(x float64) float64 {
	x = max(-1e4, x)
	return x / 2 * math.Erfc(-x/math.Sqrt2)
}

func geluErfDerivative(x float64) float64 {
	x = max(-1e4, min(1e4, x))
	return math.Erfc(-x/math.Sqrt2)/2 + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
}

func halved(x []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v / 2
	}
	return y
}

// arguments returns a sweep over all float32 in steps of their bits, and the neighbours of every break.
func (e elementaryTest) arguments() []float32 {
	const stride, neighbours = 4099, 64
	var x []float32
	for b := uint64(0); b < 1<<32; b += stride {
		x = append(x, math.Float32frombits(uint32(b)))
	}
	for _, at := range append(e.breaks, 0, 0x1p-126, 1, math.MaxFloat32, math.Inf(1)) {
		b := math.Float32bits(float32(math.Abs(at)))
		for d := -neighbours; d <= neighbours; d++ {
			x = append(x, math.Float32frombits(b+uint32(d)), -math.Float32frombits(b+uint32(d)))
		}
	}
	return x
}

// off returns the error of y = f(x) in units. Infinity counts as 2¹²⁸, as if the exponent had no limit; NaN
// for a number, or a number for NaN, is off by infinity.
func (e elementaryTest) off(x, y float32) float64 {
	want := e.want(float64(x))
	switch {
	case y != y && want != want || float64(y) == want:
		return 0
	case y != y || want != want:
		return math.Inf(1)
	}
	const limit = 0x1p128
	err := math.Abs(max(-limit, min(limit, float64(y))) - max(-limit, min(limit, want)))
	if e.unit != nil {
		return err / e.unit(float64(x), want)
	}
	return err / ulp(max(-limit, min(limit, want)))
}

// worst returns the largest error of y and where it is, and an error if that is more than the bound.
func (e elementaryTest) worst(x, y []float32) (largest float64, at float32, err error) {
	for i, v := range x {
		if off := e.off(v, y[i]); off > largest {
			largest, at = off, v
		}
	}
	if largest > e.bound {
		err = fmt.Errorf("%s(%g) is off by %.4f units, more than %g", e.name, at, largest, e.bound)
	}
	return largest, at, err
}

// sameBits returns an error unless y is what the definition in Go gives, but for the bits of NaN.
func (e elementaryTest) sameBits(x, y, definition []float32) error {
	for i, v := range y {
		if w := definition[i]; math.Float32bits(v) != math.Float32bits(w) && (v == v || w == w) {
			return fmt.Errorf("%s(%g) = %g (%#08x), by definition %g (%#08x)", e.name, x[i], v, math.Float32bits(v), w, math.Float32bits(w))
		}
	}
	return nil
}

// TestElementary holds the functions to their bounds, and every row to the bits of the definition.
func TestElementary(t *testing.T) {
	for _, e := range elementaryTests() {
		x := e.arguments()
		definition := make([]float32, len(x))
		e.row(generic())(x, definition)
		largest, at, err := e.worst(x, definition)
		if err != nil {
			t.Error(err)
		}
		t.Logf("%s: %d arguments, largest error %.4f units at %g", e.name, len(x), largest, at)
		forEachISA(t, func(t *testing.T) {
			y := make([]float32, len(x))
			e.call(x, y)
			if err := e.sameBits(x, y, definition); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestElementaryEverywhere does so at each of the 2³² float32, with the flag -ulp, and prints the largest
// errors: the figures of the package documentation.
func TestElementaryEverywhere(t *testing.T) {
	if !*allFloats {
		t.Skip("minutes long: make ulp")
	}
	for _, e := range elementaryTests() {
		t.Run(e.name, func(t *testing.T) {
			var next atomic.Uint64
			var wg sync.WaitGroup
			var mu sync.Mutex
			var largest float64
			var at float32
			for range runtime.GOMAXPROCS(0) {
				wg.Go(func() {
					x, y, definition := make([]float32, block), make([]float32, block), make([]float32, block)
					for {
						lo := next.Add(block) - block
						if lo >= 1<<32 || t.Failed() {
							return
						}
						for i := range x {
							x[i] = math.Float32frombits(uint32(lo) + uint32(i))
						}
						e.row(generic())(x, definition)
						for _, r := range rows[:len(rows)-1] {
							if !r.ok {
								continue
							}
							e.row(r)(x, y)
							if err := e.sameBits(x, y, definition); err != nil {
								t.Errorf("%s: %v", r.name, err)
							}
						}
						worst, where, err := e.worst(x, definition)
						if err != nil {
							t.Error(err)
						}
						mu.Lock()
						if worst > largest {
							largest, at = worst, where
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			t.Logf("largest error %.4f units, at %g", largest, at)
		})
	}
}
