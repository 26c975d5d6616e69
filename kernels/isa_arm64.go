//go:build !noasm && !purego

package kernels

// archRows returns the rows of arm64. What a row does not set is generic.
//
// Go's port to arm64 requires Advanced SIMD, so there is nothing to detect; cpuid reports it on Linux,
// macOS and FreeBSD only.
func archRows() []isa {
	neon := generic()

	neon.name = "neon"
	neon.ok = true

	neon.axpy, neon.scal, neon.dot = axpyNEON, scalNEON, dotNEON
	neon.sum, neon.sumSquares, neon.sumSqDiff, neon.max = sumNEON, sumSquaresNEON, sumSqDiffNEON, maxNEON
	neon.combine, neon.combineSum, neon.combineSumSquares = combineNEON, combineSumNEON, combineSumSquaresNEON
	neon.rmsNormalize, neon.rmsGradSum, neon.rmsGrad = rmsNormalizeNEON, rmsGradSumNEON, rmsGradNEON
	neon.gemv.dot, neon.gemv.axpy = dotNEON, axpyNEON
	neon.maxNaN, neon.find = maxNaNNEON, findNEON
	neon.expSum, neon.softmaxGrad = expSumNEON, softmaxGradNEON
	neon.gelu, neon.geluGrad = geluNEON, geluGradNEON
	neon.normalize, neon.normGradSums, neon.normGrad = normalizeNEON, normGradSumsNEON, normGradNEON
	neon.toBF16, neon.fromBF16 = toBF16NEON, fromBF16NEON
	neon.adamw, neon.sgd = adamwNEON, sgdNEON
	neon.fma = fmaNEON

	neon.gemm = gemmKernel[float32]{
		mr: 8, nr: 12, lanes: 4, packT: packTNEON, packN: packNNEON,
		tile: []gemmTile[float32]{nil,
			gemm1x12NEON, gemm2x12NEON, gemm3x12NEON, gemm4x12NEON, gemm5x12NEON, gemm6x12NEON, gemm7x12NEON, gemm8x12NEON},
	}

	neon.gemm64 = gemmKernel[float64]{
		mr: 8, nr: 6, lanes: 2, packT: dpackTNEON, packN: dpackNNEON,
		tile: []gemmTile[float64]{nil,
			dgemm1x6NEON, dgemm2x6NEON, dgemm3x6NEON, dgemm4x6NEON, dgemm5x6NEON, dgemm6x6NEON, dgemm7x6NEON, dgemm8x6NEON},
	}

	return []isa{neon}
}
