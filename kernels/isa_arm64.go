//go:build !noasm && !purego

package kernels

import "github.com/klauspost/cpuid/v2"

// archRows returns the rows of arm64. What a row does not set is generic.
//
// Go's port to arm64 requires Advanced SIMD, so that is not asked for; cpuid reports it, and BF16, on
// Linux, macOS and FreeBSD only.
func archRows() []isa {
	neon := generic()

	neon.name = "neon"
	neon.ok = true

	neon.axpy, neon.scal, neon.dot = axpyNEON, scalNEON, dotNEON
	neon.sum, neon.sumSquares, neon.sumSqDiff, neon.max = sumNEON, sumSquaresNEON, sumSqDiffNEON, maxNEON
	neon.combine = combineNEON
	neon.rmsNormalize, neon.rmsGradSum, neon.rmsGrad = rmsNormalizeNEON, rmsGradSumNEON, rmsGradNEON
	neon.asum, neon.amax = asumNEON, amaxNEON
	neon.axpy64, neon.scal64, neon.dot64 = daxpyNEON, dscalNEON, ddotNEON
	neon.asum64, neon.amax64, neon.sumSquares64 = dasumNEON, damaxNEON, dsumSquaresNEON
	neon.gemv = gemvKernel[float32]{n: gemvNNEON, t: gemvTNEON, ger: gerNEON, gerRows: gerRowsNEON, dot: dotNEON, axpy: axpyNEON}
	neon.gemv64 = gemvKernel[float64]{n: dgemvNNEON, t: dgemvTNEON, ger: dgerNEON, gerRows: dgerRowsNEON, dot: ddotNEON, axpy: daxpyNEON}
	neon.addRow = addRowNEON
	neon.transpose = []transposeStrip{{16, transpose16NEON}, {4, transpose4NEON}}
	neon.maxNaN, neon.find = maxNaNNEON, findNEON
	neon.expSum, neon.softmaxGrad = expSumNEON, softmaxGradNEON
	neon.gelu, neon.geluGrad = geluNEON, geluGradNEON
	neon.exp, neon.log, neon.tanh, neon.erf = expNEON, logNEON, tanhNEON, erfNEON
	neon.silu, neon.siluGrad, neon.geluErf, neon.geluErfGrad = siluNEON, siluGradNEON, geluErfNEON, geluErfGradNEON
	neon.normalize, neon.normGradSums, neon.normGrad = normalizeNEON, normGradSumsNEON, normGradNEON
	neon.toBF16, neon.fromBF16 = toBF16NEON, fromBF16NEON
	neon.adamw, neon.adamw16, neon.sgd = adamwNEON, adamw16NEON, sgdNEON
	neon.fma = fmaNEON

	neon.gemm = gemmKernel[float32, float32]{
		mr: 8, nr: 12, lanes: 4, group: 1, words: 1, inPlace: true, packT: packTNEON, packN: packNNEON, copyN: copyNGeneric[float32],
		tile: []gemmTile[float32]{nil,
			gemm1x12NEON, gemm2x12NEON, gemm3x12NEON, gemm4x12NEON, gemm5x12NEON, gemm6x12NEON, gemm7x12NEON, gemm8x12NEON},
	}

	neon.gemm16 = gemmConverting(neon.gemm, widenTNEON, widenNNEON)
	if cpuid.CPU.Supports(cpuid.BF16) {
		neon.slower16 = append(neon.slower16, neon.gemm16)
		neon.gemm16 = gemmKernel[BFloat16, float32]{
			name: "bf16", fma: fmaNEONBF16,
			mr: 8, nr: 12, lanes: 4, group: 4, words: 2, packT: bpackTNEON, packN: bpackNNEON, copyN: copyNGroups[[4]BFloat16],
			tile: []gemmTile[float32]{nil,
				bgemm1x12NEONBF16, bgemm2x12NEONBF16, bgemm3x12NEONBF16, bgemm4x12NEONBF16,
				bgemm5x12NEONBF16, bgemm6x12NEONBF16, bgemm7x12NEONBF16, bgemm8x12NEONBF16},
		}
	}

	neon.gemm64 = gemmKernel[float64, float64]{
		mr: 8, nr: 6, lanes: 2, group: 1, words: 1, inPlace: true, packT: dpackTNEON, packN: dpackNNEON, copyN: copyNGeneric[float64],
		tile: []gemmTile[float64]{nil,
			dgemm1x6NEON, dgemm2x6NEON, dgemm3x6NEON, dgemm4x6NEON, dgemm5x6NEON, dgemm6x6NEON, dgemm7x6NEON, dgemm8x6NEON},
	}

	return []isa{neon}
}
