package kernels

// generic returns the row in plain Go: the definition that every other row is tested against, and the
// row of the architectures that have no assembly.
func generic() isa {
	return isa{
		name: "generic",
		ok:   true,
		gemm: gemmGeneric,
		fma:  fmaGeneric,
	}
}
