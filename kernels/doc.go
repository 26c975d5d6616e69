// Package kernels is float32 mathematics on plain row-major slices: the matrix product (in float64 too),
// the rows of a Transformer (softmax, layer and RMS normalisation, GELU, cross-entropy) with their
// gradients, the combinations of Runge-Kutta stages, the steps of AdamW and SGD, conversions from and to
// bfloat16, and, in both precisions, operations of level 1 and 2 of BLAS.
//
// Every kernel exists as Go code, which is its definition, and as generated assembly for AVX2+FMA,
// AVX-512 and NEON, but that Dgemm has none for NEON; one row of a dispatch table is chosen when the
// program starts (see ISA). Nothing is allocated but workspaces, which are kept for later calls. Sgemm and
// Dgemm spread over the goroutines of the package; the others run on the caller's, and Parallel deals rows
// out to the goroutines.
//
// Results depend on the arguments and on the row of the table, never on the number of threads: sums run
// over fixed blocks in a fixed order. Subnormal numbers are not flushed, except where a function says
// so. Slices of one call may share memory only where a function says so, and then only exactly: the
// same first element. Misuse, such as a slice that is too short, panics.
package kernels
