package kernels

import (
	"math"
	"strings"
	"testing"
)

// sink takes results, so that the compiler keeps what makes them.
var sink float32

// TestAllocates holds the exported functions to allocating nothing.
func TestAllocates(t *testing.T) {
	const rows, cols = 3, 50
	x, y, z, w := make([]float32, rows*cols), make([]float32, rows*cols), make([]float32, rows*cols), make([]float32, rows*cols)
	dx, dy, dz := make([]float64, rows*cols), make([]float64, rows*cols), make([]float64, rows*cols)
	g, b, mean, rstd, losses := make([]float32, cols), make([]float32, cols), make([]float32, rows), make([]float32, rows), make([]float32, rows)
	targets, h := make([]int32, rows), make([]BFloat16, rows*cols)
	stages := [][]float32{x, y}
	forEachISA(t, func(t *testing.T) {
		for name, call := range map[string]func(){
			"Axpy": func() { Axpy(2, x, y) }, "Scal": func() { Scal(2, x) }, "Dot": func() { Dot(x, y) },
			"ToBFloat16": func() { ToBFloat16(x, h) }, "FromBFloat16": func() { FromBFloat16(h, x) },
			"ScalInc": func() { ScalInc(10, 2, x, 3) }, "DscalInc": func() { DscalInc(10, 2, dx, 3) },
			"Asum": func() { Asum(x) }, "Iamax": func() { Iamax(x) },
			"Daxpy": func() { Daxpy(2, dx, dy) }, "Dscal": func() { Dscal(2, dx) }, "Ddot": func() { Ddot(dx, dy) },
			"Dasum": func() { Dasum(dx) }, "Dnrm2": func() { Dnrm2(dx) }, "Idamax": func() { Idamax(dx) },
			"Sgemv": func() { Sgemv(false, rows, cols, 1, x, cols, y, 2, 0, z, 1) },
			"Dgemv": func() { Dgemv(true, rows, cols, 1, dx, cols, dy, 1, 0, dz, -2) },
			"Sger":  func() { Sger(rows, cols, 1, x, 1, y, -2, z, cols) },
			"Dger":  func() { Dger(rows, cols, 1, dx, 1, dy, 1, dz, cols) },
			"Sum":   func() { Sum(x) }, "Nrm2": func() { Nrm2(x) },
			"ColumnSums":           func() { ColumnSums(rows, cols, 1, x, cols, g) },
			"Softmax":              func() { Softmax(rows, cols, 1, 1, x, cols, y, cols) },
			"SoftmaxBackward":      func() { SoftmaxBackward(rows, cols, 1, 1, x, cols, y, cols, z, cols) },
			"SoftmaxPart":          func() { SoftmaxPart(rows, cols, 1, 1, x, cols, y, cols, mean, rstd) },
			"SoftmaxGiven":         func() { SoftmaxGiven(rows, cols, 1, 1, x, cols, mean, y, cols) },
			"SoftmaxGivenBackward": func() { SoftmaxGivenBackward(rows, cols, 1, 1, x, cols, mean, y, cols, z, cols) },
			"LayerNorm":            func() { LayerNorm(rows, cols, 1e-5, x, g, b, y, mean, rstd) },
			"LayerNormBackward":    func() { LayerNormBackward(rows, cols, x, g, mean, rstd, y, z, g, b) },
			"Exp":                  func() { Exp(x, y) },
			"Log":                  func() { Log(x, y) },
			"Tanh":                 func() { Tanh(x, y) },
			"Erf":                  func() { Erf(x, y) },
			"SiLU":                 func() { SiLU(x, y) },
			"SiLUBackward":         func() { SiLUBackward(x, y, z) },
			"GELUErf":              func() { GELUErf(x, y) },
			"GELUErfBackward":      func() { GELUErfBackward(x, y, z) },
			"LogSumExp":            func() { LogSumExp(rows, cols, x, cols, losses) },
			"LogSumExpBackward":    func() { LogSumExpBackward(rows, cols, x, cols, losses, y, cols) },
			"GELU":                 func() { GELU(x, y) },
			"GELUBackward":         func() { GELUBackward(x, y, z) },
			"CrossEntropy":         func() { CrossEntropy(rows, cols, x, cols, targets, losses) },
			"CrossEntropyBackward": func() { CrossEntropyBackward(rows, cols, 1, x, cols, targets, losses, y, cols) },
			"Euler":                func() { Euler(1, x, y, z) },
			"EulerLayerNorm":       func() { EulerLayerNorm(rows, cols, 1, 1e-5, x, y, g, b, z, w, mean, rstd) },
			"Gather":               func() { Gather(cols, x, targets, y) }, "ScatterAdd": func() { ScatterAdd(cols, x, targets, y) },
			"Copy": func() { Copy(rows, 40, x, cols, y, cols) }, "Transpose": func() { Transpose(rows, cols, x, cols, y, rows) },
			"Max": func() { sink = Max(x) }, "ArgMax": func() { sink = float32(ArgMax(x)) },
			"Combine":          func() { Combine(1, x, mean[:2], stages, 0, z) },
			"CombineLayerNorm": func() { CombineLayerNorm(rows, cols, 1, 1e-5, x, g[:2], stages, 0, g, b, z, w, mean, rstd) },
			"CombineRMSNorm":   func() { CombineRMSNorm(rows, cols, 1, 1e-5, x, g[:2], stages, 0, g, z, w, rstd) },
			"RMSNorm":          func() { RMSNorm(rows, cols, 1e-5, x, g, y, rstd) },
			"RMSNormBackward":  func() { RMSNormBackward(rows, cols, x, g, rstd, y, z, b) },
			"AdamW":            func() { AdamW(AdamWStep{LR: 1e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Step: 1}, x, y, z, w) },
			"AdamWBFloat16":    func() { AdamWBFloat16(AdamWStep{Step: 1}, x, y, z, w, h) },
			"SGD":              func() { SGD(SGDStep{LR: 1e-3}, x, y, z) },
		} {
			call()
			if n := testing.AllocsPerRun(20, call); n != 0 {
				t.Errorf("%s allocates %v times a call", name, n)
			}
		}
	})
}

// TestMisuse has every check of the exported functions panic with the name of the function.
func TestMisuse(t *testing.T) {
	x, short, double := make([]float32, 12), make([]float32, 11), make([]float64, 12)
	three, two := make([]float32, 3), make([]float32, 2)
	targets := []int32{0, 3, 1}
	for _, c := range []struct {
		function, name string
		call           func()
	}{
		{"Axpy", "lengths", func() { Axpy(1, x, short) }},
		{"Dot", "lengths", func() { Dot(x, short) }},
		{"ScalInc", "n", func() { ScalInc(-1, 1, x, 1) }},
		{"ScalInc", "inc", func() { ScalInc(2, 1, x, 0) }},
		{"DscalInc", "short x", func() { DscalInc(5, 1, double, 3) }},
		{"Daxpy", "lengths", func() { Daxpy(1, double, double[1:]) }},
		{"Ddot", "lengths", func() { Ddot(double, double[1:]) }},
		{"Sgemv", "m", func() { Sgemv(false, -1, 4, 1, x, 4, x, 1, 0, x, 1) }},
		{"Sgemv", "n", func() { Sgemv(false, 3, -1, 1, x, 4, x, 1, 0, x, 1) }},
		{"Sgemv", "stride", func() { Sgemv(false, 3, 4, 1, x, 3, x, 1, 0, x, 1) }},
		{"Sgemv", "short A", func() { Sgemv(false, 3, 4, 1, short, 4, x, 1, 0, x, 1) }},
		{"Sgemv", "short x", func() { Sgemv(false, 3, 4, 1, x, 4, three, 1, 0, x, 1) }},
		{"Sgemv", "short x backwards", func() { Sgemv(true, 3, 4, 1, x, 4, x[:6], -3, 0, x, 1) }},
		{"Sgemv", "short y", func() { Sgemv(false, 3, 4, 1, x, 4, x, 1, 0, two, 1) }},
		{"Sgemv", "incX", func() { Sgemv(false, 3, 4, 1, x, 4, x, 0, 0, x, 1) }},
		{"Sgemv", "incY", func() { Sgemv(false, 3, 4, 1, x, 4, x, 1, 0, x, 0) }},
		{"Dgemv", "short y", func() { Dgemv(true, 3, 4, 1, double, 4, double, 1, 0, double[:3], 1) }},
		{"Sger", "m", func() { Sger(-1, 4, 1, x, 1, x, 1, x, 4) }},
		{"Sger", "stride", func() { Sger(3, 4, 1, x, 1, x, 1, x, 3) }},
		{"Sger", "short x", func() { Sger(3, 4, 1, two, 1, x, 1, x, 4) }},
		{"Sger", "short y", func() { Sger(3, 4, 1, x, 1, x, -4, x, 4) }},
		{"Sger", "short A", func() { Sger(3, 4, 1, x, 1, x, 1, short, 4) }},
		{"Dger", "incY", func() { Dger(3, 4, 1, double, 1, double, 0, double, 4) }},
		{"Euler", "short f", func() { Euler(1, x, short, x) }},
		{"Euler", "short y", func() { Euler(1, x, x, short) }},
		{"ToBFloat16", "lengths", func() { ToBFloat16(x, make([]BFloat16, 11)) }},
		{"FromBFloat16", "lengths", func() { FromBFloat16(make([]BFloat16, 11), x) }},
		{"Exp", "lengths", func() { Exp(x, short) }},
		{"Log", "lengths", func() { Log(x, short) }},
		{"Tanh", "lengths", func() { Tanh(x, short) }},
		{"Erf", "lengths", func() { Erf(x, short) }},
		{"Gather", "cols", func() { Gather(0, x, targets, x) }},
		{"Gather", "ragged table", func() { Gather(4, short, targets, x) }},
		{"Gather", "short y", func() { Gather(4, x, targets, x[:8]) }},
		{"Gather", "index", func() { Gather(4, x, targets, x) }},
		{"ScatterAdd", "cols", func() { ScatterAdd(-4, x, targets, x) }},
		{"ScatterAdd", "ragged table", func() { ScatterAdd(4, x, targets, short) }},
		{"ScatterAdd", "short x", func() { ScatterAdd(4, x[:8], targets, x) }},
		{"ScatterAdd", "index", func() { ScatterAdd(4, x, targets, x) }},
		{"Copy", "rows", func() { Copy(-1, 4, x, 4, x, 4) }},
		{"Copy", "stride", func() { Copy(3, 4, x, 4, x, 3) }},
		{"Copy", "short x", func() { Copy(3, 4, short, 4, x, 4) }},
		{"Copy", "short y", func() { Copy(3, 4, x, 4, short, 4) }},
		{"Transpose", "cols", func() { Transpose(3, -1, x, 4, x, 4) }},
		{"Transpose", "stride of x", func() { Transpose(3, 4, x, 3, x, 3) }},
		{"Transpose", "stride of y", func() { Transpose(3, 4, x, 4, x, 2) }},
		{"Transpose", "short x", func() { Transpose(3, 4, short, 4, x, 3) }},
		{"Transpose", "short y", func() { Transpose(3, 4, x, 4, short, 3) }},
		{"SiLU", "lengths", func() { SiLU(x, short) }},
		{"SiLUBackward", "short dy", func() { SiLUBackward(x, short, x) }},
		{"SiLUBackward", "short dx", func() { SiLUBackward(x, x, short) }},
		{"GELUErf", "lengths", func() { GELUErf(x, short) }},
		{"GELUErfBackward", "short dy", func() { GELUErfBackward(x, short, x) }},
		{"GELUErfBackward", "short dx", func() { GELUErfBackward(x, x, short) }},
		{"LogSumExp", "rows", func() { LogSumExp(-1, 4, x, 4, x) }},
		{"LogSumExp", "stride", func() { LogSumExp(3, 4, x, 3, x) }},
		{"LogSumExp", "short x", func() { LogSumExp(3, 4, short, 4, x) }},
		{"LogSumExp", "short y", func() { LogSumExp(3, 4, x, 4, two) }},
		{"LogSumExpBackward", "cols", func() { LogSumExpBackward(3, -1, x, 4, x, x, 4) }},
		{"LogSumExpBackward", "short x", func() { LogSumExpBackward(3, 4, short, 4, x, x, 4) }},
		{"LogSumExpBackward", "short dy", func() { LogSumExpBackward(3, 4, x, 4, two, x, 4) }},
		{"LogSumExpBackward", "short dx", func() { LogSumExpBackward(3, 4, x, 4, x, short, 4) }},
		{"LogSumExpBackward", "stride of dx", func() { LogSumExpBackward(3, 4, x, 4, x, x, 3) }},
		{"GELU", "lengths", func() { GELU(x, short) }},
		{"GELUBackward", "short dy", func() { GELUBackward(x, short, x) }},
		{"GELUBackward", "short dx", func() { GELUBackward(x, x, short) }},
		{"ColumnSums", "rows", func() { ColumnSums(-1, 4, 1, x, 4, x) }},
		{"ColumnSums", "stride", func() { ColumnSums(3, 4, 1, x, 3, x) }},
		{"ColumnSums", "short x", func() { ColumnSums(3, 4, 1, short, 4, x) }},
		{"ColumnSums", "short sums", func() { ColumnSums(3, 4, 1, x, 4, three) }},
		{"Softmax", "rows", func() { Softmax(-1, 4, 1, 0, x, 4, x, 4) }},
		{"Softmax", "cols", func() { Softmax(1, -1, 1, 0, x, 4, x, 4) }},
		{"Softmax", "causal", func() { Softmax(3, 4, 1, -1, x, 4, x, 4) }},
		{"Softmax", "stride", func() { Softmax(3, 4, 1, 0, x, 3, x, 4) }},
		{"Softmax", "short x", func() { Softmax(3, 4, 1, 0, short, 4, x, 4) }},
		{"Softmax", "short y", func() { Softmax(3, 4, 1, 0, x, 4, short, 4) }},
		{"SoftmaxPart", "scale", func() { SoftmaxPart(3, 4, -1, 0, x, 4, x, 4, x, x) }},
		{"SoftmaxPart", "causal", func() { SoftmaxPart(3, 4, 1, -1, x, 4, x, 4, x, x) }},
		{"SoftmaxPart", "short tops", func() { SoftmaxPart(3, 4, 1, 0, x, 4, x, 4, short[:2], x) }},
		{"SoftmaxPart", "short sums", func() { SoftmaxPart(3, 4, 1, 0, x, 4, x, 4, x, short[:2]) }},
		{"SoftmaxGiven", "causal", func() { SoftmaxGiven(3, 4, 1, -1, x, 4, x, x, 4) }},
		{"SoftmaxGiven", "short logSums", func() { SoftmaxGiven(3, 4, 1, 0, x, 4, short[:2], x, 4) }},
		{"SoftmaxGivenBackward", "causal", func() { SoftmaxGivenBackward(3, 4, 1, -1, x, 4, x, x, 4, x, 4) }},
		{"SoftmaxGivenBackward", "short dots", func() { SoftmaxGivenBackward(3, 4, 1, 0, x, 4, short[:2], x, 4, x, 4) }},
		{"SoftmaxBackward", "causal", func() { SoftmaxBackward(3, 4, 1, -1, x, 4, x, 4, x, 4) }},
		{"SoftmaxBackward", "short y", func() { SoftmaxBackward(3, 4, 1, 0, short, 4, x, 4, x, 4) }},
		{"SoftmaxBackward", "short dy", func() { SoftmaxBackward(3, 4, 1, 0, x, 4, short, 4, x, 4) }},
		{"SoftmaxBackward", "short dx", func() { SoftmaxBackward(3, 4, 1, 0, x, 4, x, 4, short, 4) }},
		{"LayerNorm", "rows", func() { LayerNorm(-1, 4, 1, x, x, x, x, x, x) }},
		{"LayerNorm", "cols", func() { LayerNorm(3, 0, 1, x, x, x, x, x, x) }},
		{"LayerNorm", "short x", func() { LayerNorm(3, 4, 1, short, x, x, x, x, x) }},
		{"LayerNorm", "short y", func() { LayerNorm(3, 4, 1, x, x, x, short, x, x) }},
		{"LayerNorm", "short gamma", func() { LayerNorm(3, 4, 1, x, three, x, x, x, x) }},
		{"LayerNorm", "short beta", func() { LayerNorm(3, 4, 1, x, x, three, x, x, x) }},
		{"LayerNorm", "short mean", func() { LayerNorm(3, 4, 1, x, x, x, x, two, x) }},
		{"LayerNorm", "short rstd", func() { LayerNorm(3, 4, 1, x, x, x, x, x, two) }},
		{"LayerNormBackward", "short x", func() { LayerNormBackward(3, 4, short, x, x, x, x, x, x, x) }},
		{"LayerNormBackward", "short dy", func() { LayerNormBackward(3, 4, x, x, x, x, short, x, x, x) }},
		{"LayerNormBackward", "short dx", func() { LayerNormBackward(3, 4, x, x, x, x, x, short, x, x) }},
		{"LayerNormBackward", "short dgamma", func() { LayerNormBackward(3, 4, x, x, x, x, x, x, three, x) }},
		{"LayerNormBackward", "short dbeta", func() { LayerNormBackward(3, 4, x, x, x, x, x, x, x, three) }},
		{"EulerLayerNorm", "short f", func() { EulerLayerNorm(3, 4, 1, 1, x, short, x, x, x, x, x, x) }},
		{"EulerLayerNorm", "short z", func() { EulerLayerNorm(3, 4, 1, 1, x, x, x, x, x, short, x, x) }},
		{"Combine", "weights", func() { Combine(1, x, two, [][]float32{x}, 0, x) }},
		{"Combine", "short stage", func() { Combine(1, x, two, [][]float32{x, short}, 0, x) }},
		{"Combine", "negative lo", func() { Combine(1, x, two, [][]float32{x, x}, -1, x) }},
		{"Combine", "lo", func() { Combine(1, short, two, [][]float32{x, x}, 2, short) }},
		{"Combine", "short y", func() { Combine(1, x, nil, nil, 0, short) }},
		{"CombineLayerNorm", "weights", func() { CombineLayerNorm(3, 4, 1, 1, x, two, nil, 0, x, x, x, x, x, x) }},
		{"CombineLayerNorm", "short stage", func() { CombineLayerNorm(3, 4, 1, 1, x, two, [][]float32{x, short}, 0, x, x, x, x, x, x) }},
		{"CombineLayerNorm", "short y", func() { CombineLayerNorm(3, 4, 1, 1, x, nil, nil, 0, x, x, short, x, x, x) }},
		{"CombineRMSNorm", "weights", func() { CombineRMSNorm(3, 4, 1, 1, x, two, nil, 0, x, x, x, x) }},
		{"CombineRMSNorm", "short stage", func() { CombineRMSNorm(3, 4, 1, 1, x, two, [][]float32{short, x}, 0, x, x, x, x) }},
		{"CombineRMSNorm", "short z", func() { CombineRMSNorm(3, 4, 1, 1, x, nil, nil, 0, x, x, short, x) }},
		{"CombineRMSNorm", "short rstd", func() { CombineRMSNorm(3, 4, 1, 1, x, nil, nil, 0, x, x, x, two) }},
		{"RMSNorm", "rows", func() { RMSNorm(-1, 4, 1, x, x, x, x) }},
		{"RMSNorm", "short x", func() { RMSNorm(3, 4, 1, short, x, x, x) }},
		{"RMSNorm", "short gamma", func() { RMSNorm(3, 4, 1, x, three, x, x) }},
		{"RMSNorm", "short y", func() { RMSNorm(3, 4, 1, x, x, short, x) }},
		{"RMSNorm", "short rstd", func() { RMSNorm(3, 4, 1, x, x, x, two) }},
		{"RMSNormBackward", "short dy", func() { RMSNormBackward(3, 4, x, x, x, short, x, x) }},
		{"RMSNormBackward", "short dx", func() { RMSNormBackward(3, 4, x, x, x, x, short, x) }},
		{"RMSNormBackward", "short dgamma", func() { RMSNormBackward(3, 4, x, x, x, x, x, three) }},
		{"CrossEntropy", "cols", func() { CrossEntropy(3, 0, x, 4, targets, x) }},
		{"CrossEntropy", "short logits", func() { CrossEntropy(3, 4, short, 4, targets, x) }},
		{"CrossEntropy", "short targets", func() { CrossEntropy(3, 4, x, 4, targets[:2], x) }},
		{"CrossEntropy", "short losses", func() { CrossEntropy(3, 4, x, 4, targets, two) }},
		{"CrossEntropy", "target", func() { CrossEntropy(3, 3, x, 4, targets, x) }},
		{"CrossEntropy", "negative target", func() { CrossEntropy(1, 3, x, 4, []int32{-1}, x) }},
		{"CrossEntropyBackward", "target", func() { CrossEntropyBackward(3, 3, 1, x, 4, targets, x, x, 4) }},
		{"CrossEntropyBackward", "short dlogits", func() { CrossEntropyBackward(3, 4, 1, x, 4, targets, x, short, 4) }},
		{"AdamW", "lengths", func() { AdamW(AdamWStep{Step: 1}, x, x, x, short) }},
		{"AdamW", "step", func() { AdamW(AdamWStep{}, x, x, x, x) }},
		{"AdamWBFloat16", "lengths", func() { AdamWBFloat16(AdamWStep{Step: 1}, x, x, x, x, make([]BFloat16, 11)) }},
		{"AdamWBFloat16", "step", func() { AdamWBFloat16(AdamWStep{}, x, x, x, x, make([]BFloat16, 12)) }},
		{"SGD", "lengths", func() { SGD(SGDStep{}, x, x, short) }},
		{"Ceiling", "threads", func() { Ceiling(0) }},
		{"CeilingBFloat16", "threads", func() { CeilingBFloat16(0) }},
		{"CeilingRates", "threads", func() { CeilingRates(0) }},
	} {
		t.Run(c.function+"/"+c.name, func(t *testing.T) {
			defer func() {
				message, _ := recover().(string)
				if !strings.HasPrefix(message, "kernels: "+c.function+": ") {
					t.Errorf("panics with %q", message)
				}
			}()
			c.call()
		})
	}
}

// TestCeiling holds the measurement to a number, and the loop to count its operations.
func TestCeiling(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		if a, b := active.fma(1), active.fma(3); a <= 0 || b != 3*a || active.fma(0) != 0 {
			t.Errorf("fma does %g operations in a round and %g in three", a, b)
		}
		eachKernel16(func() {
			if run := active.gemm16.fma; run != nil {
				if a, b := run(1), run(3); a <= 0 || b != 3*a || run(0) != 0 {
					t.Errorf("%s: fma does %g operations in a round and %g in three", active.gemm16.name, a, b)
				}
			}
			if c := CeilingBFloat16(1); !(c > 0) || math.IsInf(c, 0) {
				t.Errorf("%s: CeilingBFloat16(1) = %g", active.gemm16.name, c)
			}
		})
		if active.vectors == nil {
			return
		}
		for i, run := range []func(n int) float64{active.vectors, active.additions, active.divisions, active.roots, active.loads, active.stores, active.divided, active.scales} {
			if run == nil {
				continue
			}
			if a, b := run(1), run(3); a <= 0 || b != 3*a || run(0) != 0 {
				t.Errorf("loop %d does %g elements in a round and %g in three", i, a, b)
			}
		}
		// Which of them is the higher depends on the processor, and under an emulator on what else runs.
		r := CeilingRates(1)
		for _, rate := range []float64{r.Vector, r.Add, r.Divide, r.Root, r.Load, r.Store, r.DivideTurns, r.ScaleTurns} {
			if !(rate > 0) || math.IsInf(rate, 0) {
				t.Errorf("CeilingRates is %+v", r)
				break
			}
		}
	})
	if c := Ceiling(2); !(c > 0) || math.IsInf(c, 0) {
		t.Errorf("Ceiling(2) = %g", c)
	}
}
