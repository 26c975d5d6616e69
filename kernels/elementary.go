package kernels

import "fmt"

// Exp computes y = exp(x). y may be x. The error is at most 0.90 ULP, measured over every float32, subnormal
// results included. It is +Inf for x ≥ 88.722839 and 0 for x < −103.97; NaN propagates. Every row gives
// the same bits. It panics if the lengths differ.
//
// Reference: Cody and Waite, Software Manual for the Elementary Functions, 1980, §6.
func Exp(x, y []float32) {
	checkPair("Exp", x, y)
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.exp(x[lo:hi], y[lo:hi])
	}
}

// Log computes y = log(x), the natural logarithm. y may be x. The error is at most 0.95 ULP, measured over
// every float32, subnormal arguments included. It is −Inf for ±0, NaN for x < 0 and +Inf for +Inf; NaN
// propagates. Every row gives the same bits. It panics if the lengths differ.
func Log(x, y []float32) {
	checkPair("Log", x, y)
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.log(x[lo:hi], y[lo:hi])
	}
}

// Tanh computes y = tanh(x). y may be x. The error is at most 1.33 ULP, measured over every float32. It is
// ±1 for |x| > 9.011, ±0 for ±0, and x where |x| is small; NaN propagates. Every row gives the same bits.
// It panics if the lengths differ.
func Tanh(x, y []float32) {
	checkPair("Tanh", x, y)
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.tanh(x[lo:hi], y[lo:hi])
	}
}

// Erf computes y = erf(x), the error function 2/√π·∫₀ˣ exp(−t²)dt. y may be x. The error is at most 1.12
// ULP, measured over every float32. It is ±1 for |x| > 3.92 and ±0 for ±0; NaN propagates. Every row
// gives the same bits. It panics if the lengths differ.
func Erf(x, y []float32) {
	checkPair("Erf", x, y)
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		active.erf(x[lo:hi], y[lo:hi])
	}
}

func checkPair(fn string, x, y []float32) {
	if len(x) != len(y) {
		panic(fmt.Sprintf("kernels: %s: len(x) = %d, len(y) = %d", fn, len(x), len(y)))
	}
}
