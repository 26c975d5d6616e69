//go:build !noasm && !purego

package kernels

import "github.com/klauspost/cpuid/v2"

// archRows returns the rows of amd64. A row claims exactly the features that its assembly uses; what it
// does not set is generic.
func archRows() []isa {
	avx512, avx2 := generic(), generic()

	avx512.name = "avx512"
	avx512.ok = cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512VL, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX2, cpuid.FMA3)

	avx512.gemm = gemmKernel{
		mr: 14, nr: 32, lanes: 16, packT: packTAVX512, packN: packNAVX512,
		tile: []gemmTile{nil,
			gemm1x32AVX512, gemm2x32AVX512, gemm3x32AVX512, gemm4x32AVX512, gemm5x32AVX512, gemm6x32AVX512, gemm7x32AVX512,
			gemm8x32AVX512, gemm9x32AVX512, gemm10x32AVX512, gemm11x32AVX512, gemm12x32AVX512, gemm13x32AVX512, gemm14x32AVX512},
	}

	avx2.name = "avx2"
	avx2.ok = cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3)

	avx2.gemm = gemmKernel{
		mr: 6, nr: 16, lanes: 8, packT: packTAVX2, packN: packNAVX2,
		tile: []gemmTile{nil, gemm1x16AVX2, gemm2x16AVX2, gemm3x16AVX2, gemm4x16AVX2, gemm5x16AVX2, gemm6x16AVX2},
	}

	return []isa{avx512, avx2}
}
