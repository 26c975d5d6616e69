//go:build !noasm && !purego

package kernels

import "github.com/klauspost/cpuid/v2"

// archRows returns the rows of amd64. A row claims exactly the features that its assembly uses; what it
// does not set is generic.
func archRows() []isa {
	avx512, avx2 := generic(), generic()

	avx512.name = "avx512"
	avx512.ok = cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512VL, cpuid.AVX512DQ, cpuid.AVX2, cpuid.FMA3)

	avx512.axpy, avx512.scal, avx512.dot, avx512.sum = axpyAVX512, scalAVX512, dotAVX512, sumAVX512
	avx512.sumSquares, avx512.sumSqDiff, avx512.max = sumSquaresAVX512, sumSqDiffAVX512, maxAVX512
	avx512.combine, avx512.addRows = combineAVX512, addRowsAVX512
	avx512.rmsNormalize, avx512.rmsGradSum, avx512.rmsGrad = rmsNormalizeAVX512, rmsGradSumAVX512, rmsGradAVX512
	avx512.scalInc, avx512.scalInc64 = scalIncAVX512, dscalIncAVX512
	avx512.scalNear, avx512.scalNear64 = scalNearAVX512, dscalNearAVX512
	avx512.asum, avx512.amax = asumAVX512, amaxAVX512
	avx512.axpy64, avx512.scal64, avx512.dot64 = daxpyAVX512, dscalAVX512, ddotAVX512
	avx512.asum64, avx512.amax64, avx512.sumSquares64 = dasumAVX512, damaxAVX512, dsumSquaresAVX512
	avx512.gemv = gemvKernel[float32]{n: gemvNAVX512, t: gemvTAVX512, nearN: gemvNearNAVX512, nearT: gemvNearTAVX512,
		farN: gemvFarNAVX512, farT: gemvFarTAVX512,
		dots:      []gemvDots[float32]{nil, dots1AVX512, dots2AVX512, dots3AVX512, dots4AVX512, dots5AVX512, dots6AVX512},
		sums:      []gemvSums[float32]{nil, nil, sums2AVX512, sums3AVX512, sums4AVX512},
		sumsFetch: []gemvSumsFetch[float32]{nil, nil, sumsFetch2AVX512, sumsFetch3AVX512, sumsFetch4AVX512},
		ger:       gerAVX512, gerRows: gerRowsAVX512, dot: dotAVX512, axpy: axpyAVX512}
	avx512.gemv64 = gemvKernel[float64]{n: dgemvNAVX512, t: dgemvTAVX512, nearN: dgemvNearNAVX512, nearT: dgemvNearTAVX512,
		farN: dgemvFarNAVX512, farT: dgemvFarTAVX512,
		dots:      []gemvDots[float64]{nil, ddots1AVX512, ddots2AVX512, ddots3AVX512, ddots4AVX512, ddots5AVX512, ddots6AVX512},
		sums:      []gemvSums[float64]{nil, nil, dsums2AVX512, dsums3AVX512, dsums4AVX512},
		sumsFetch: []gemvSumsFetch[float64]{nil, nil, dsumsFetch2AVX512, dsumsFetch3AVX512, dsumsFetch4AVX512},
		ger:       dgerAVX512, gerRows: dgerRowsAVX512, dot: ddotAVX512, axpy: daxpyAVX512}
	avx512.transpose = []transposeStrip{{16, transpose16AVX512}, {8, transpose8AVX2}, {4, transpose4AVX2}, {2, transpose2AVX2}}
	avx512.softmaxRows, avx512.expSumRows, avx512.softmaxGradRows = softmaxRowsAVX512, expSumRowsAVX512, softmaxGradRowsAVX512
	avx512.softmaxGivenRows, avx512.softmaxGivenGradRows = softmaxGivenRowsAVX512, softmaxGivenGradRowsAVX512
	avx512.layerNorm, avx512.rmsNorm = layerNormAVX512, rmsNormAVX512
	avx512.eulerLayerNorm, avx512.combineLayerNorm, avx512.combineRMSNorm = eulerLayerNormAVX512, combineLayerNormAVX512, combineRMSNormAVX512
	avx512.layerNormGrad, avx512.rmsNormGrad = layerNormGradAVX512, rmsNormGradAVX512
	avx512.gather, avx512.gatherPast, avx512.addRow = gatherAVX512, gatherPastAVX512, addRowAVX512
	avx512.copyPast, avx512.combinePast, avx512.fromBF16Past = copyPastAVX512, combinePastAVX512, fromBF16PastAVX512
	avx512.maxNaN, avx512.find = maxNaNAVX512, findAVX512
	avx512.peak, avx512.peak64, avx512.peakNaN = peakAVX512, dpeakAVX512, peakNaNAVX512
	avx512.expSum, avx512.softmaxGrad, avx512.gelu, avx512.geluGrad = expSumAVX512, softmaxGradAVX512, geluAVX512, geluGradAVX512
	avx512.exp, avx512.log, avx512.tanh, avx512.erf = expAVX512, logAVX512, tanhAVX512, erfAVX512
	avx512.silu, avx512.siluGrad, avx512.geluErf, avx512.geluErfGrad = siluAVX512, siluGradAVX512, geluErfAVX512, geluErfGradAVX512
	avx512.normalize, avx512.normGradSums, avx512.normGrad = normalizeAVX512, normGradSumsAVX512, normGradAVX512
	avx512.toBF16, avx512.fromBF16 = toBF16AVX512, fromBF16AVX512
	avx512.adamw, avx512.adamw16, avx512.sgd = adamwAVX512, adamw16AVX512, sgdAVX512
	avx512.fma, avx512.vectors, avx512.additions, avx512.divisions, avx512.roots = fmaAVX512, vectorsAVX512, additionsAVX512, divisionsAVX512, rootsAVX512
	avx512.loads, avx512.stores, avx512.divided, avx512.scales = loadsAVX512, storesAVX512, dividedAVX512, scalesAVX512

	avx512.gemm = gemmKernel[float32, float32]{
		mr: 14, nr: 32, lanes: 16, group: 1, words: 1, prefetches: true, inPlace: true, packT: packTAVX512, packN: packNAVX512, copyN: copyNGeneric[float32],
		tile: []gemmTile[float32]{nil,
			gemm1x32AVX512, gemm2x32AVX512, gemm3x32AVX512, gemm4x32AVX512, gemm5x32AVX512, gemm6x32AVX512, gemm7x32AVX512,
			gemm8x32AVX512, gemm9x32AVX512, gemm10x32AVX512, gemm11x32AVX512, gemm12x32AVX512, gemm13x32AVX512, gemm14x32AVX512},
		half: []gemmTile[float32]{nil,
			gemm1x16AVX512, gemm2x16AVX512, gemm3x16AVX512, gemm4x16AVX512,
			gemm5x16AVX512, gemm6x16AVX512, gemm7x16AVX512, gemm8x16AVX512,
			gemm9x16AVX512, gemm10x16AVX512, gemm11x16AVX512, gemm12x16AVX512,
			gemm13x16AVX512, gemm14x16AVX512},
		halfRows: []gemmTile[float32]{nil,
			gemmRows1x16AVX512, gemmRows2x16AVX512, gemmRows3x16AVX512, gemmRows4x16AVX512,
			gemmRows5x16AVX512, gemmRows6x16AVX512, gemmRows7x16AVX512, gemmRows8x16AVX512,
			gemmRows9x16AVX512, gemmRows10x16AVX512, gemmRows11x16AVX512, gemmRows12x16AVX512,
			gemmRows13x16AVX512, gemmRows14x16AVX512},
		rowTile: []gemmTile[float32]{nil,
			gemmRows1x32AVX512, gemmRows2x32AVX512, gemmRows3x32AVX512, gemmRows4x32AVX512,
			gemmRows5x32AVX512, gemmRows6x32AVX512, gemmRows7x32AVX512, gemmRows8x32AVX512,
			gemmRows9x32AVX512, gemmRows10x32AVX512, gemmRows11x32AVX512, gemmRows12x32AVX512,
			gemmRows13x32AVX512, gemmRows14x32AVX512},
		wide: []gemmTile[float32]{nil,
			gemm1x64AVX512, gemm2x64AVX512, gemm3x64AVX512, gemm4x64AVX512,
			gemm5x64AVX512, gemm6x64AVX512},
	}

	avx512.gemm16 = gemmConverting(avx512.gemm, widenTAVX512, widenNAVX512)
	converting := avx512.gemm16
	if cpuid.CPU.Supports(cpuid.AVX512BF16) {
		avx512.slower16 = append(avx512.slower16, converting)
		avx512.gemm16 = gemmKernel[BFloat16, float32]{
			name: "avx512_bf16", fma: fmaAVX512BF16,
			mr: 14, nr: 32, lanes: 16, group: 2, words: 1, prefetches: true, packT: bpairTAVX512BF16, packN: bpairNAVX512BF16, copyN: copyNGroups[[2]BFloat16],
			tile: []gemmTile[float32]{nil,
				bgemm1x32AVX512BF16, bgemm2x32AVX512BF16, bgemm3x32AVX512BF16, bgemm4x32AVX512BF16, bgemm5x32AVX512BF16,
				bgemm6x32AVX512BF16, bgemm7x32AVX512BF16, bgemm8x32AVX512BF16, bgemm9x32AVX512BF16, bgemm10x32AVX512BF16,
				bgemm11x32AVX512BF16, bgemm12x32AVX512BF16, bgemm13x32AVX512BF16, bgemm14x32AVX512BF16},
		}
	}
	pairs := avx512.gemm16
	if cpuid.CPU.VendorID == cpuid.Intel && cpuid.CPU.Supports(cpuid.AVX512BF16, cpuid.AMXBF16) {
		// VDPBF16PS has half the rate of float32 on Intel's cores with AMX.
		avx512.gemm16, avx512.slower16 = converting, append(avx512.slower16[:0], pairs)
	}
	if cpuid.CPU.Supports(cpuid.AVX512BF16, cpuid.AVX512BW, cpuid.AMXTILE, cpuid.AMXBF16) && allowAMX() {
		avx512.slower16 = append(avx512.slower16, avx512.gemm16)
		avx512.gemm16 = gemmKernel[BFloat16, float32]{
			name: "amx", fma: fmaAVX512AMX,
			mr: 32, nr: 32, lanes: 16, group: 32, words: 16,
			stripes: &stripeKernel[BFloat16, float32]{stripe: bgemmStripeAVX512AMX, packRows: bpackRowsAVX512AMX, packColumns: bpackColumnsAVX512AMX, pairs: &pairs},
		}
	}

	avx512.gemm64 = gemmKernel[float64, float64]{
		mr: 14, nr: 16, lanes: 8, group: 1, words: 1, prefetches: true, inPlace: true, packT: dpackTAVX512, packN: dpackNAVX512, copyN: copyNGeneric[float64],
		tile: []gemmTile[float64]{nil,
			dgemm1x16AVX512, dgemm2x16AVX512, dgemm3x16AVX512, dgemm4x16AVX512, dgemm5x16AVX512, dgemm6x16AVX512, dgemm7x16AVX512,
			dgemm8x16AVX512, dgemm9x16AVX512, dgemm10x16AVX512, dgemm11x16AVX512, dgemm12x16AVX512, dgemm13x16AVX512, dgemm14x16AVX512},
		half: []gemmTile[float64]{nil,
			dgemm1x8AVX512, dgemm2x8AVX512, dgemm3x8AVX512, dgemm4x8AVX512,
			dgemm5x8AVX512, dgemm6x8AVX512, dgemm7x8AVX512, dgemm8x8AVX512,
			dgemm9x8AVX512, dgemm10x8AVX512, dgemm11x8AVX512, dgemm12x8AVX512,
			dgemm13x8AVX512, dgemm14x8AVX512},
		halfRows: []gemmTile[float64]{nil,
			dgemmRows1x8AVX512, dgemmRows2x8AVX512, dgemmRows3x8AVX512, dgemmRows4x8AVX512,
			dgemmRows5x8AVX512, dgemmRows6x8AVX512, dgemmRows7x8AVX512, dgemmRows8x8AVX512,
			dgemmRows9x8AVX512, dgemmRows10x8AVX512, dgemmRows11x8AVX512, dgemmRows12x8AVX512,
			dgemmRows13x8AVX512, dgemmRows14x8AVX512},
		rowTile: []gemmTile[float64]{nil,
			dgemmRows1x16AVX512, dgemmRows2x16AVX512, dgemmRows3x16AVX512, dgemmRows4x16AVX512,
			dgemmRows5x16AVX512, dgemmRows6x16AVX512, dgemmRows7x16AVX512, dgemmRows8x16AVX512,
			dgemmRows9x16AVX512, dgemmRows10x16AVX512, dgemmRows11x16AVX512, dgemmRows12x16AVX512,
			dgemmRows13x16AVX512, dgemmRows14x16AVX512},
		wide: []gemmTile[float64]{nil,
			dgemm1x32AVX512, dgemm2x32AVX512, dgemm3x32AVX512, dgemm4x32AVX512,
			dgemm5x32AVX512, dgemm6x32AVX512},
	}

	avx2.name = "avx2"
	avx2.ok = cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3)

	avx2.axpy, avx2.scal, avx2.dot, avx2.sum = axpyAVX2, scalAVX2, dotAVX2, sumAVX2
	avx2.sumSquares, avx2.sumSqDiff, avx2.max = sumSquaresAVX2, sumSqDiffAVX2, maxAVX2
	avx2.combine, avx2.addRows = combineAVX2, addRowsAVX2
	avx2.rmsNormalize, avx2.rmsGradSum, avx2.rmsGrad = rmsNormalizeAVX2, rmsGradSumAVX2, rmsGradAVX2
	avx2.scalInc, avx2.scalInc64 = scalIncAVX2, dscalIncAVX2
	avx2.scalNear, avx2.scalNear64 = scalNearAVX2, dscalNearAVX2
	avx2.asum, avx2.amax = asumAVX2, amaxAVX2
	avx2.axpy64, avx2.scal64, avx2.dot64 = daxpyAVX2, dscalAVX2, ddotAVX2
	avx2.asum64, avx2.amax64, avx2.sumSquares64 = dasumAVX2, damaxAVX2, dsumSquaresAVX2
	avx2.gemv = gemvKernel[float32]{n: gemvNAVX2, t: gemvTAVX2, nearN: gemvNearNAVX2, nearT: gemvNearTAVX2,
		farN: gemvFarNAVX2, farT: gemvFarTAVX2,
		dots: []gemvDots[float32]{nil, dots1AVX2, dots2AVX2, dots3AVX2},
		sums: []gemvSums[float32]{nil, nil, sums2AVX2, sums3AVX2},
		ger:  gerAVX2, gerRows: gerRowsAVX2, dot: dotAVX2, axpy: axpyAVX2}
	avx2.gemv64 = gemvKernel[float64]{n: dgemvNAVX2, t: dgemvTAVX2, nearN: dgemvNearNAVX2, nearT: dgemvNearTAVX2,
		farN: dgemvFarNAVX2, farT: dgemvFarTAVX2,
		dots: []gemvDots[float64]{nil, ddots1AVX2, ddots2AVX2, ddots3AVX2},
		sums: []gemvSums[float64]{nil, nil, dsums2AVX2, dsums3AVX2},
		ger:  dgerAVX2, gerRows: dgerRowsAVX2, dot: ddotAVX2, axpy: daxpyAVX2}
	avx2.transpose = []transposeStrip{{16, transpose16AVX2}, {8, transpose8AVX2}, {4, transpose4AVX2}, {2, transpose2AVX2}}
	avx2.softmaxRows, avx2.expSumRows, avx2.softmaxGradRows = softmaxRowsAVX2, expSumRowsAVX2, softmaxGradRowsAVX2
	avx2.softmaxGivenRows, avx2.softmaxGivenGradRows = softmaxGivenRowsAVX2, softmaxGivenGradRowsAVX2
	avx2.layerNorm, avx2.rmsNorm = layerNormAVX2, rmsNormAVX2
	avx2.eulerLayerNorm, avx2.combineLayerNorm, avx2.combineRMSNorm = eulerLayerNormAVX2, combineLayerNormAVX2, combineRMSNormAVX2
	avx2.layerNormGrad, avx2.rmsNormGrad = layerNormGradAVX2, rmsNormGradAVX2
	avx2.gather, avx2.gatherPast, avx2.addRow = gatherAVX2, gatherPastAVX2, addRowAVX2
	avx2.copyPast, avx2.combinePast, avx2.fromBF16Past = copyPastAVX2, combinePastAVX2, fromBF16PastAVX2
	avx2.maxNaN, avx2.find = maxNaNAVX2, findAVX2
	avx2.peak, avx2.peak64, avx2.peakNaN = peakAVX2, dpeakAVX2, peakNaNAVX2
	avx2.expSum, avx2.softmaxGrad, avx2.gelu, avx2.geluGrad = expSumAVX2, softmaxGradAVX2, geluAVX2, geluGradAVX2
	avx2.exp, avx2.log, avx2.tanh, avx2.erf = expAVX2, logAVX2, tanhAVX2, erfAVX2
	avx2.silu, avx2.siluGrad, avx2.geluErf, avx2.geluErfGrad = siluAVX2, siluGradAVX2, geluErfAVX2, geluErfGradAVX2
	avx2.normalize, avx2.normGradSums, avx2.normGrad = normalizeAVX2, normGradSumsAVX2, normGradAVX2
	avx2.toBF16, avx2.fromBF16 = toBF16AVX2, fromBF16AVX2
	avx2.adamw, avx2.adamw16, avx2.sgd = adamwAVX2, adamw16AVX2, sgdAVX2
	avx2.fma, avx2.vectors, avx2.additions, avx2.divisions, avx2.roots = fmaAVX2, vectorsAVX2, additionsAVX2, divisionsAVX2, rootsAVX2
	avx2.loads, avx2.stores, avx2.divided = loadsAVX2, storesAVX2, dividedAVX2

	avx2.gemm = gemmKernel[float32, float32]{
		mr: 6, nr: 16, lanes: 8, group: 1, words: 1, inPlace: true, packT: packTAVX2, packN: packNAVX2, copyN: copyNGeneric[float32],
		tile: []gemmTile[float32]{nil, gemm1x16AVX2, gemm2x16AVX2, gemm3x16AVX2, gemm4x16AVX2, gemm5x16AVX2, gemm6x16AVX2},
		half: []gemmTile[float32]{nil,
			gemm1x8AVX2, gemm2x8AVX2, gemm3x8AVX2, gemm4x8AVX2,
			gemm5x8AVX2, gemm6x8AVX2},
		halfRows: []gemmTile[float32]{nil,
			gemmRows1x8AVX2, gemmRows2x8AVX2, gemmRows3x8AVX2, gemmRows4x8AVX2,
			gemmRows5x8AVX2, gemmRows6x8AVX2},
		rowTile: []gemmTile[float32]{nil,
			gemmRows1x16AVX2, gemmRows2x16AVX2, gemmRows3x16AVX2, gemmRows4x16AVX2,
			gemmRows5x16AVX2, gemmRows6x16AVX2},
		wide: []gemmTile[float32]{nil,
			gemm1x32AVX2, gemm2x32AVX2},
	}

	avx2.gemm16 = gemmConverting(avx2.gemm, widenTAVX2, widenNAVX2)

	avx2.gemm64 = gemmKernel[float64, float64]{
		mr: 6, nr: 8, lanes: 4, group: 1, words: 1, inPlace: true, packT: dpackTAVX2, packN: dpackNAVX2, copyN: copyNGeneric[float64],
		tile: []gemmTile[float64]{nil, dgemm1x8AVX2, dgemm2x8AVX2, dgemm3x8AVX2, dgemm4x8AVX2, dgemm5x8AVX2, dgemm6x8AVX2},
		half: []gemmTile[float64]{nil,
			dgemm1x4AVX2, dgemm2x4AVX2, dgemm3x4AVX2, dgemm4x4AVX2,
			dgemm5x4AVX2, dgemm6x4AVX2},
		halfRows: []gemmTile[float64]{nil,
			dgemmRows1x4AVX2, dgemmRows2x4AVX2, dgemmRows3x4AVX2, dgemmRows4x4AVX2,
			dgemmRows5x4AVX2, dgemmRows6x4AVX2},
		rowTile: []gemmTile[float64]{nil,
			dgemmRows1x8AVX2, dgemmRows2x8AVX2, dgemmRows3x8AVX2, dgemmRows4x8AVX2,
			dgemmRows5x8AVX2, dgemmRows6x8AVX2},
		wide: []gemmTile[float64]{nil,
			dgemm1x16AVX2, dgemm2x16AVX2},
	}

	return []isa{avx512, avx2}
}
