package gonumblas_test

import (
	"fmt"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// BenchmarkBLAS compares the routines of float64 with gonum's, of order n.
func BenchmarkBLAS(b *testing.B) {
	for _, n := range []int{2, 4, 8, 16, 32, 64, 128, 256, 1024} {
		a, c, x, y := make([]float64, n*n), make([]float64, n*n), make([]float64, n*n), make([]float64, n)
		for i := range a {
			a[i], x[i] = 1e-9*float64(i%13), float64(i%17)
			if i%(n+1) == 0 {
				a[i] = 1
			}
		}
		up, lo, no, tr, nu := blas.Upper, blas.Lower, blas.NoTrans, blas.Trans, blas.NonUnit
		for _, r := range []struct {
			name string
			call func(i blas.Float64)
		}{
			{"Daxpy", func(i blas.Float64) { i.Daxpy(n, 1e-9, x, 1, y, 1) }},
			{"DaxpyStrided", func(i blas.Float64) { i.Daxpy(n, 1e-9, a, n, y, 1) }},
			{"Ddot", func(i blas.Float64) { i.Ddot(n, x, 1, y, 1) }},
			{"DdotStrided", func(i blas.Float64) { i.Ddot(n, a, n, y, 1) }},
			{"Dscal", func(i blas.Float64) { i.Dscal(n, -1, x, 1) }},
			{"DscalStrided", func(i blas.Float64) { i.Dscal(n, -1, x, n) }},
			{"DscalStrided7", func(i blas.Float64) { i.Dscal(n/7, -1, x, 7) }},
			{"Dasum", func(i blas.Float64) { i.Dasum(n, x, 1) }},
			{"Dnrm2", func(i blas.Float64) { i.Dnrm2(n, x, 1) }},
			{"Idamax", func(i blas.Float64) { i.Idamax(n, x, 1) }},
			{"Dswap", func(i blas.Float64) { i.Dswap(n, x, 1, y, 1) }},
			{"DgemvN", func(i blas.Float64) { i.Dgemv(no, n, n, 1, a, n, x, 1, 0, y, 1) }},
			{"DgemvT", func(i blas.Float64) { i.Dgemv(tr, n, n, 1, a, n, x, 1, 0, y, 1) }},
			{"Dger", func(i blas.Float64) { i.Dger(n, n, 1e-9, x, 1, y, 1, c, n) }},
			{"Dsymv", func(i blas.Float64) { i.Dsymv(up, n, 1, a, n, x, 1, 0, y, 1) }},
			{"Dsyr", func(i blas.Float64) { i.Dsyr(lo, n, 1e-9, x, 1, c, n) }},
			{"Dsyr2", func(i blas.Float64) { i.Dsyr2(up, n, 1e-9, x, 1, y, 1, c, n) }},
			{"DtrmvUN", func(i blas.Float64) { i.Dtrmv(up, no, nu, n, a, n, x, 1) }},
			{"DtrsvUN", func(i blas.Float64) { i.Dtrsv(up, no, nu, n, a, n, x, 1) }},
			{"DtrsvLT", func(i blas.Float64) { i.Dtrsv(lo, tr, nu, n, a, n, x, 1) }},
			{"Dgemm", func(i blas.Float64) { i.Dgemm(no, no, n, n, n, 1, a, n, x, n, 0, c, n) }},
			{"DgemmNT", func(i blas.Float64) { i.Dgemm(no, tr, n, n, n, 1, a, n, x, n, 0, c, n) }},
			{"Dsyrk", func(i blas.Float64) { i.Dsyrk(up, no, n, n, 1, a, n, 0, c, n) }},
			{"DtrmmLUN", func(i blas.Float64) { i.Dtrmm(blas.Left, up, no, nu, n, n, 1, a, n, x, n) }},
			{"DtrmmRUT", func(i blas.Float64) { i.Dtrmm(blas.Right, up, tr, nu, n, n, 1, a, n, x, n) }},
			{"DtrsmLLN", func(i blas.Float64) { i.Dtrsm(blas.Left, lo, no, nu, n, n, 1, a, n, x, n) }},
			{"DtrsmRLT", func(i blas.Float64) { i.Dtrsm(blas.Right, lo, tr, nu, n, n, 1, a, n, x, n) }},
		} {
			for _, use := range []struct {
				name string
				impl blas.Float64
			}{{"vcycle", impl}, {"gonum", gonum.Implementation{}}} {
				b.Run(fmt.Sprintf("%s/n=%d/blas=%s", r.name, n, use.name), func(b *testing.B) {
					for b.Loop() {
						r.call(use.impl)
					}
				})
			}
		}
	}
}
