package kernels

import (
	"fmt"
	"os"
	"strings"
)

// isa is one row of the dispatch table: an instruction set and its kernels. Callers have checked the
// lengths, which are equal within a call and may be 0; the slices may start at any float32.
type isa struct {
	name string
	ok   bool // this CPU has every instruction of the row

	axpy       func(alpha float32, x, y []float32)     // y += alpha*x
	scal       func(alpha float32, x []float32)        // x *= alpha
	dot        func(x, y []float32) float32            // Σ x*y
	sum        func(x []float32) float32               // Σ x
	sumSquares func(x []float32) float32               // Σ x²
	asum       func(x []float32) float32               // Σ |x|
	amax       func(x []float32) float32               // the largest |x|, 0 if there is none; NaN is left out
	sumSqDiff  func(mean float32, x []float32) float32 // Σ (x−mean)²
	max        func(x []float32) float32               // the largest element, −Inf if there is none
	maxNaN     func(x []float32) float32               // the largest element, NaN if one is, −Inf if there is none
	find       func(v float32, x []float32) int        // the place of the first element that equals v, or len(x)
	// The largest |x| and its first place, NaN left out, −1 and 0 if there is nothing else; and the largest element and
	// its first place, NaN and 0 if an element is NaN. x is not empty. nil: there is none
	peak    func(x []float32) (m float32, at int)
	peak64  func(x []float64) (m float64, at int)
	peakNaN func(x []float32) (m float32, at int)

	// axpy, scal, dot, asum, amax and sumSquares for float64
	axpy64       func(alpha float64, x, y []float64)
	scal64       func(alpha float64, x []float64)
	dot64        func(x, y []float64) float64
	asum64       func(x []float64) float64
	amax64       func(x []float64) float64
	sumSquares64 func(x []float64) float64

	transpose  []transposeStrip                                              // by rows, many first
	gather     func(cols int, table []float32, indices []int32, y []float32) // y[i*cols+j] = table[indices[i]*cols+j]
	gatherPast func(cols int, table []float32, indices []int32, y []float32) // see past.go
	addRow     func(x, y, next []float32)                                    // y += x; next may be fetched
	// dst[i*stride+j] = src[i*ld+j] for i < rows, j < n, where rows ≥ 1; see past.go
	copyPast func(rows, n int, src *float32, ld int, dst *float32, stride int)

	// y[j] += alpha*Σ x[i*ld+j], i < 8, for j < n; nil: there is none
	addRows func(n int, alpha float32, x *float32, ld int, y *float32)

	// x[i*inc] *= alpha for i < n, a positive multiple of 4, and inc ≥ 1
	scalInc   func(n int, alpha float32, x *float32, inc int)
	scalInc64 func(n int, alpha float64, x *float64, inc int)
	// The same where elements are not a multiple of a page apart
	scalNear   func(n int, alpha float32, x *float32, inc int)
	scalNear64 func(n int, alpha float64, x *float64, inc int)

	// y = x + h*(b0*k0 + Σ_j b[j]*k[j][lo:])
	combine     func(h, b0 float32, k0, b []float32, k [][]float32, lo int, x, y []float32)
	combinePast func(h, b0 float32, k0, b []float32, k [][]float32, lo int, x, y []float32) // see past.go

	expSum      func(scale, shift float32, x, y []float32) float32 // y = exp(scale*x − shift); Σ y
	softmaxGrad func(scale, dot float32, y, dy, dx []float32)      // dx = scale*y*(dy − dot)

	// For rows ≥ 1 rows of cols elements, cols ≤ block, and the first L columns of row i, where L is cols if
	// causal is 0 and else min(cols, causal+i): top = max x, y = exp(scale*(x − top)), and Σ y; then
	// y *= over[i*step]/Σ y, and 0 beyond L, if there is an over. Tops and sums of the rows are returned if they are
	// asked for. scale is 0 or between 1e−30 and 1e30. It returns how many rows it did, and ends before four of
	// which one has a top that is infinite or NaN; rows one by one have the same bits. nil: there is none
	softmaxRows func(rows, cols, causal int, scale float32, x *float32, ldx int, y *float32, ldy int, over *float32, step int, tops, sums *float32) int
	// The same sums, where the exponentials go nowhere; nil: there is none
	expSumRows func(rows, cols int, scale float32, x *float32, ldx int, tops, sums *float32) int
	// dx = scale*y*(dy − Σ y*dy) on rows of that form, and 0 beyond L; nil: there is none
	softmaxGradRows func(rows, cols, causal int, scale float32, y *float32, ldy int, dy *float32, lddy int, dx *float32, lddx int)

	// y = exp(scale*x − logSums[i]) on rows of that form; nil: there is none
	softmaxGivenRows func(rows, cols, causal int, scale float32, x *float32, ldx int, logSums, y *float32, ldy int)
	// dx = scale*y*(dy − dots[i]) on rows of that form; nil: there is none
	softmaxGivenGradRows func(rows, cols, causal int, scale float32, y *float32, ldy int, dots, dy *float32, lddy int, dx *float32, lddx int)

	gelu     func(x, y []float32)      // y = gelu(x)
	geluGrad func(x, dy, dx []float32) // dx = dy*gelu'(x)

	exp  func(x, y []float32) // y = exp(x)
	log  func(x, y []float32) // y = log(x)
	tanh func(x, y []float32) // y = tanh(x)
	erf  func(x, y []float32) // y = erf(x)

	silu        func(x, y []float32)      // y = silu(x)
	siluGrad    func(x, dy, dx []float32) // dx = dy*silu'(x)
	geluErf     func(x, y []float32)      // y = geluErf(x)
	geluErfGrad func(x, dy, dx []float32) // dx = dy*geluErf'(x)

	// For rows ≥ 1 rows of cols ≤ block elements: mean = Σx/cols, rstd = 1/√(Σ(x−mean)²/cols + eps),
	// y = (x−mean)*rstd*gamma + beta, where stores is a rowStores; nil: there is none
	layerNorm func(rows, cols int, eps float32, x, gamma, beta, y, mean, rstd []float32, stores int)
	// The same for rstd = 1/√(Σx²/cols + eps), y = x*rstd*gamma. It returns how many rows it did, and ends before
	// four of which one has a Σx² that is less than cols*2⁻¹²⁶, infinite or NaN; nil: there is none
	rmsNorm func(rows, cols int, eps float32, x, gamma, y, rstd []float32, stores int) int
	// For rows of that form, y = x + h*f and z, mean and rstd as layerNorm gives them for y. y may be x or f, and z the other;
	// nil: there is none
	eulerLayerNorm func(rows, cols int, h, eps float32, x, f, gamma, beta, y, z, mean, rstd []float32)
	// The same for y = x + h*(b0*k0 + b1*k1)
	combineLayerNorm func(rows, cols int, h, b0, b1, eps float32, x, k0, k1, gamma, beta, y, z, mean, rstd []float32)
	// The same for z and rstd as rmsNorm gives them. Of the rows that it does not do, y is there of up to two
	combineRMSNorm func(rows, cols int, h, b0, b1, eps float32, x, k0, k1, gamma, y, z, rstd []float32) int
	// For such rows, with x̂ = (x−mean)*rstd and g = dy*gamma: dx += rstd*(g − Σg/cols − x̂*Σ(g*x̂)/cols),
	// dgamma += dy*x̂, dbeta += dy, row after row; nil: there is none
	layerNormGrad func(rows, cols int, x, gamma, mean, rstd, dy, dx, dgamma, dbeta []float32)
	// The same for x̂ = x*rstd: dx += rstd*(g − x̂*Σ(g*x̂)/cols), dgamma += dy*x̂; nil: there is none
	rmsNormGrad func(rows, cols int, x, gamma, rstd, dy, dx, dgamma []float32)

	// y = (x−mean)*rstd*gamma + beta
	normalize func(mean, rstd float32, x, gamma, beta, y []float32)
	// s = Σ dy*gamma and sx = Σ dy*gamma*x̂, where x̂ = (x−mean)*rstd
	normGradSums func(mean, rstd float32, x, gamma, dy []float32) (s, sx float32)
	// dx += rstd*(dy*gamma − a − x̂*b), dgamma += dy*x̂, dbeta += dy
	normGrad func(mean, rstd, a, b float32, x, gamma, dy, dx, dgamma, dbeta []float32)

	rmsNormalize func(rstd float32, x, gamma, y []float32)          // y = x*rstd*gamma
	rmsGradSum   func(rstd float32, x, gamma, dy []float32) float32 // Σ dy*gamma*x̂, where x̂ = x*rstd
	// dx += rstd*(dy*gamma − x̂*b), dgamma += dy*x̂
	rmsGrad func(rstd, b float32, x, gamma, dy, dx, dgamma []float32)

	toBF16       func(x []float32, y []BFloat16) // y = x, rounded as by NewBFloat16
	fromBF16     func(x []BFloat16, y []float32) // y = x
	fromBF16Past func(x []BFloat16, y []float32) // see past.go

	// g' = scale*g; m = beta1*m + oneMinusBeta1*g'; v = beta2*v + oneMinusBeta2*g'²;
	// w = decay*w − step*m/(c2*√v + eps)
	adamw func(scale, beta1, oneMinusBeta1, beta2, oneMinusBeta2, step, c2, eps, decay float32, g, w, m, v []float32)
	// The same; half = w, rounded as by NewBFloat16
	adamw16 func(scale, beta1, oneMinusBeta1, beta2, oneMinusBeta2, step, c2, eps, decay float32, g, w, m, v []float32, half []BFloat16)
	// g' = scale*g + decay*w; m = momentum*m + g'; w −= lr*m
	sgd func(scale, decay, momentum, lr float32, g, w, m []float32)

	gemv   gemvKernel[float32]
	gemv64 gemvKernel[float64]
	gemm   gemmKernel[float32, float32]
	gemm64 gemmKernel[float64, float64]
	gemm16 gemmKernel[BFloat16, float32]
	// slower16 are the other ways of this CPU to multiply bfloat16: tests hold them all.
	slower16 []gemmKernel[BFloat16, float32]
	// fma runs n rounds of independent fused multiply-adds held in registers and returns the floating
	// point operations done: the ceiling that a kernel is measured against.
	fma func(n int) float64
	// The same for any instructions on vectors, those that add, divisions and square roots, and for loads and stores of
	// whole registers; they return how many elements of float32 they did; nil: they are not measured
	vectors, additions, divisions, roots, loads, stores func(n int) float64
	// The same for multiply-adds with one division among each 24, and for VSCALEFPS and VREDUCEPS; nil: they are not measured
	divided, scales func(n int) float64
}

// rows is the dispatch table, fastest first; the last row is generic and always ok.
var rows = append(archRows(), generic())

// active is the row that the exported functions call.
var active, envErr = choose(os.Getenv("VCYCLE_ISA"))

// choose returns the row called name, or the fastest that the CPU has when name is empty. With a name
// that cannot be had, it returns the generic row beside the error.
func choose(name string) (isa, error) {
	if name == "" {
		for _, r := range rows {
			if r.ok {
				return r, nil
			}
		}
	}
	for _, r := range rows {
		if r.name == name && r.ok {
			return r, nil
		}
		if r.name == name {
			return generic(), fmt.Errorf("kernels: VCYCLE_ISA=%s: this CPU lacks it; it has %s", name, strings.Join(ISAs(), ", "))
		}
	}
	return generic(), fmt.Errorf("kernels: VCYCLE_ISA=%s: no such row in this build; this machine has %s", name, strings.Join(ISAs(), ", "))
}

// ISA returns the name of the dispatch row in use: avx512, avx2, neon or generic.
func ISA() string { return active.name }

// BFloat16Products returns how products of bfloat16 are computed on the row in use: by amx, avx512_bf16 or, on
// arm64, bf16, instructions of the CPU that multiply them, or as float32. The bits of a result depend on it.
//
// Of the avx512 row's, the first are taken that the CPU has, and for AMX the operating system, Linux: it is
// asked for the registers when the program starts, and not if the environment variable VCYCLE_AMX is 0. Intel's CPUs with
// AMX multiply as float32 without it, because avx512_bf16 is half as fast there.
func BFloat16Products() string { return active.gemm16.name }

// ISAs returns the rows that this CPU and build have, fastest first.
func ISAs() []string {
	var names []string
	for _, r := range rows {
		if r.ok {
			names = append(names, r.name)
		}
	}
	return names
}

// SetISA makes the exported functions use the named row, or the fastest one if name is empty. It
// returns an error, and changes nothing, if the CPU or the build lacks the row. It must not run beside
// other calls of this package.
func SetISA(name string) error {
	r, err := choose(name)
	if err != nil {
		return err
	}
	active = r
	return nil
}

// EnvError reports that the environment variable VCYCLE_ISA names a row that is unknown or that this
// CPU lacks; the generic row is then in use. Programs should check it once at their start.
func EnvError() error { return envErr }
