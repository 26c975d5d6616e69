package kernels

// generic returns the row in plain Go: the definition that every other row is tested against, and the
// row of the architectures that have no assembly.
func generic() isa {
	return isa{
		name: "generic",
		ok:   true,

		axpy:       axpyGeneric[float32],
		scal:       scalGeneric[float32],
		dot:        dotGeneric[float32],
		sum:        sumGeneric,
		sumSquares: sumSquaresGeneric[float32],
		asum:       asumGeneric[float32],
		amax:       amaxGeneric[float32],
		sumSqDiff:  sumSqDiffGeneric,
		max:        maxGeneric,
		maxNaN:     maxNaNGeneric,
		gather:     gatherGeneric,
		addRow:     addRowGeneric,
		find:       findGeneric,

		combine: combineGeneric,

		scalInc:   scalIncGeneric[float32],
		scalInc64: scalIncGeneric[float64],

		scalNear:   scalIncGeneric[float32],
		scalNear64: scalIncGeneric[float64],

		axpy64:       axpyGeneric[float64],
		scal64:       scalGeneric[float64],
		dot64:        dotGeneric[float64],
		asum64:       asumGeneric[float64],
		amax64:       amaxGeneric[float64],
		sumSquares64: sumSquaresGeneric[float64],

		expSum:      expSumGeneric,
		softmaxGrad: softmaxGradGeneric,
		gelu:        geluGeneric,
		geluGrad:    geluGradGeneric,

		exp:  expGeneric,
		log:  logGeneric,
		tanh: tanhGeneric,
		erf:  erfGeneric,

		silu:        siluGeneric,
		siluGrad:    siluGradGeneric,
		geluErf:     geluErfGeneric,
		geluErfGrad: geluErfGradGeneric,

		normalize:    normalizeGeneric,
		normGradSums: normGradSumsGeneric,
		normGrad:     normGradGeneric,

		rmsNormalize: rmsNormalizeGeneric,
		rmsGradSum:   rmsGradSumGeneric,
		rmsGrad:      rmsGradGeneric,

		toBF16:   toBF16Generic,
		fromBF16: fromBF16Generic,

		adamw:   adamwGeneric,
		adamw16: adamw16Generic,
		sgd:     sgdGeneric,

		gemv:   gemvGeneric[float32](),
		gemv64: gemvGeneric[float64](),
		gemm:   gemmGeneric[float32](),
		gemm64: gemmGeneric[float64](),
		gemm16: gemmConverting(gemmGeneric[float32](), packTConverting, packNConverting),
		fma:    fmaGeneric,
	}
}
