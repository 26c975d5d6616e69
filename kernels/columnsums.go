package kernels

import "fmt"

// ColumnSums computes sums[j] += alpha*Σ_i x[i,j], as the gradient of a bias is the sum of those of the
// rows that it was added to. x is rows×cols with row stride ldx, sums has cols elements.
//
// The error is at most γ(k)·(|sums[j]| + |alpha|·Σ_i|x[i,j]|), γ as for Sgemm: k is ⌊rows/8⌋ + rows mod 8 + 3 on AVX2
// and AVX-512, where eight rows are added in pairs, and pairs of them, before they go to sums, and rows + 1
// where row goes after row. The bits of a column do not depend on the others, so that goroutines can share
// them out.
//
// It panics if a size is negative, ldx less than cols or a slice too short. sums must not overlap x.
func ColumnSums(rows, cols int, alpha float32, x []float32, ldx int, sums []float32) {
	checkRows("ColumnSums", "x", rows, cols, x, ldx)
	if len(sums) < cols {
		panic(fmt.Sprintf("kernels: ColumnSums: cols = %d, len(sums) = %d", cols, len(sums)))
	}
	const together, most = 8, 2048
	i := 0
	for active.addRows != nil && rows-i >= together && cols > 0 {
		for lo := 0; lo < cols; lo += most {
			active.addRows(min(most, cols-lo), alpha, &x[i*ldx+lo], ldx, &sums[lo])
		}
		i += together
	}
	for ; i < rows; i++ {
		Axpy(alpha, x[i*ldx:i*ldx+cols], sums[:cols])
	}
}
