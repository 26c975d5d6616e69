// Package kernels is float32 mathematics on plain row-major slices: the matrix product (in float64 and on
// bfloat16 too; Product adds batches, operands packed once, and what ends a layer), the rows of a
// Transformer (softmax, log-sum-exp, layer and RMS normalisation, GELU, SiLU, cross-entropy) with their
// gradients, exp, log, tanh and erf, the combinations of Runge-Kutta stages, the steps of AdamW and SGD,
// conversions from and to bfloat16, maxima, copies and transposes of matrices, rows of a table gathered and
// added, sums of columns, and, in both precisions, operations of level 1 and 2 of BLAS.
//
// Every kernel exists as Go code, which is its definition, and as generated assembly for AVX2+FMA,
// AVX-512 and NEON; one row of a dispatch table is chosen when the program starts (see ISA). Nothing is
// allocated but workspaces, which are kept for later calls. Products, also those with a vector, Gather and
// ScatterAdd spread over the goroutines of the package, which start with the first call that needs them;
// the others run on the caller's, and Parallel deals rows out to the goroutines.
//
// Results depend on the arguments and on the row of the table, never on the number of threads: sums run
// over fixed blocks in a fixed order. Subnormal numbers are not flushed, except where a function says
// so. Slices of one call may share memory only where a function says so, and then only exactly: the
// same first element. Misuse, such as a slice that is too short, panics.
//
// # Accuracy
//
// The elementary functions have the same bits on every row. Their largest errors were measured at every
// float32, against the float64 functions of package math, by `make ulp`; the strided sweep of `make test`
// holds every row to them, rounded up.
//
//	Exp               0.892 ULP
//	Log               0.941 ULP
//	Tanh              1.324 ULP
//	Erf               1.118 ULP
//	SiLU              2.394 ULP down to −88.72, −0 below
//	SiLUBackward      3.186·2⁻²⁴·|dy|
//	GELUErf           6.387 ULP down to −13.19, −0 below
//	GELUErfBackward   3.564·2⁻²⁴·|dy|
//
// SiLU and GELUErf end in products with an exponential, whose 0.9 ULP are up to twice as many of a result with
// a larger mantissa; within 2 ULP they would need it, and in GELUErf the polynomial too, in two words.
//
// The other functions keep to bounds that hold for any row, with u = 2⁻²⁴ and γ(k) = k·u/(1−k·u) in
// float32 and u = 2⁻⁵³ in float64. Sums are added up in float32 over blocks of at most 2¹⁴ elements, and
// the blocks in float64: B is min(n, 2¹⁴). Tests hold every row to them.
//
//	Dot                   γ(B+2)·Σ|x||y|
//	Sum                   γ(B+2)·Σ|x|
//	Asum                  γ(B+2)·Σ|x|
//	Nrm2                  γ(B+3)·√Σx², and no overflow or underflow on the way
//	Ddot, Dasum           γ(B+⌈n/2¹⁴⌉+1)·Σ|x||y|, ·Σ|x|
//	Dnrm2                 γ(B+⌈n/2¹⁴⌉+2)·√Σx²
//	Sgemm, Dgemm, Bgemm   γ(k+2)·(|alpha|·Σ|a||b| + |beta·c|)
//	Product               γ(k+4)·(|alpha|·(Σ|a||b| + |bias|) + |beta·d|), before the activation
//	ColumnSums            γ(rows+2)·(|sum| + |alpha|·Σ|x|)
//	Softmax               γ(B+24+4|t|)·y for t = scale*(x − max); 0 where t < −87.35
//	SoftmaxBackward       γ(B+6)·|scale*y|·(|dy| + Σ|y*dy|)
//	LogSumExp             γ(B+24+4·log n), and the rounding of the result
//	LogSumExpBackward     γ(B+24+4|t|)·|dy|·softmax(x)
//	CrossEntropy          γ(B+24+4·log n), and the rounding of the result
//	CrossEntropyBackward  γ(B+24+4|t|)·|scale|·softmax(x), and u·|scale| more at the target
//	GELU                  γ(8+10|u|)·|y| for u = √(2/π)*(x + 0.044715*x³); −0 below −10.07
//	GELUBackward          5u·|dy|
//	LayerNorm, RMSNorm    at the functions, by cancellation in the mean and the variance
//
// Here u·|scale| and 5u·|dy| are with u = 2⁻²⁴, and t is at most 0.
package kernels
