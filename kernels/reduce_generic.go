package kernels

import "math"

var negInf = float32(math.Inf(-1))

func maxNaNGeneric(x []float32) float32 {
	m := negInf
	for _, v := range x {
		if v != v {
			return v
		}
		if v > m {
			m = v
		}
	}
	return m
}

func findGeneric(v float32, x []float32) int {
	for i, e := range x {
		if e == v {
			return i
		}
	}
	return len(x)
}
