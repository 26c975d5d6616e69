package kernels

// generic returns the row in plain Go: the definition that every other row is tested against, and the
// row of the architectures that have no assembly.
func generic() isa {
	return isa{
		name: "generic",
		ok:   true,

		axpy:       axpyGeneric,
		scal:       scalGeneric,
		dot:        dotGeneric,
		sum:        sumGeneric,
		sumSquares: sumSquaresGeneric,
		sumSqDiff:  sumSqDiffGeneric,
		max:        maxGeneric,

		combine:           combineGeneric,
		combineSum:        combineSumGeneric,
		combineSumSquares: combineSumSquaresGeneric,

		expSum:      expSumGeneric,
		softmaxGrad: softmaxGradGeneric,
		gelu:        geluGeneric,
		geluGrad:    geluGradGeneric,

		normalize:    normalizeGeneric,
		normGradSums: normGradSumsGeneric,
		normGrad:     normGradGeneric,

		rmsNormalize: rmsNormalizeGeneric,
		rmsGradSum:   rmsGradSumGeneric,
		rmsGrad:      rmsGradGeneric,

		toBF16:   toBF16Generic,
		fromBF16: fromBF16Generic,

		adamw: adamwGeneric,
		sgd:   sgdGeneric,

		gemm:   gemmGeneric[float32](),
		gemm64: gemmGeneric[float64](),
		fma:    fmaGeneric,
	}
}
