package main

// The constants of the exponential and of GELU: those of kernels/exp_generic.go and
// kernels/gelu_generic.go, where their meaning is explained.
const (
	expHi    = 89
	expLo    = -87.5
	expLog2e = 1.442695041
	expMagic = 3<<22 + 126
	expLn2Hi = 0.693359375
	expLn2Lo = -2.12194440e-4
	expC2    = 2 * 0.499999934321
	expC3    = 2 * 0.16666520399
	expC4    = 2 * 0.0416683907835
	expC5    = 2 * 0.00836874510894
	expC6    = 2 * 0.00138145401768

	geluA      = 1.5957691216057308
	geluB      = 0.07135481627260025
	geluLo     = -10.07
	geluHi     = 10
	geluGradLo = -9.98
)

// The constants of the elementary functions: those of kernels/elementary_generic.go.
const (
	expWideLo    = -104
	expWideMagic = 3<<22 + 253
)

const (
	logTwoThirds = 0x3f2aaaab
	logScale     = 0x1p24
	logLn2       = 0.69314718056
	logC2        = -0.5
	logC3        = 0.333332151
	logC4        = -0.249997973
	logC5        = 0.200104058
	logC6        = -0.166804865
	logC7        = 0.140058622
	logC8        = -0.121842675
	logC9        = 0.139844716
	logC10       = -0.128916666
)

const (
	tanhSmall = 0.65
	tanhHi    = 9.1
	tanhC3    = -0.333332598
	tanhC5    = 0.133308291
	tanhC7    = -0.053687904
	tanhC9    = 0.0204690006
	tanhC11   = -0.00551467994
)

const (
	erfSmall = 0.85
	erfHi    = 3.95
	erfP0    = 0.128379166
	erfP1    = -0.376125902
	erfP2    = 0.11282865
	erfP3    = -0.0268072877
	erfP4    = 0.0050577037
	erfP5    = -0.000634851865
	erfQ0    = -1.12852955
	erfQ1    = -0.63566637
	erfQ2    = -0.105330996
	erfQ3    = 0.0229347255
	erfQ4    = -0.00322903716
	erfQ5    = 0.000215707507
)

const signBit = 1 << 31

// Those of kernels/gates_generic.go.
const (
	siluLo     = -89
	siluHi     = 87.5
	siluGradLo = -87
)

const (
	geluErfHi      = 13.2
	geluErfK       = 3
	geluErfMinus2K = -2 * geluErfK
	geluErfDensity = -0.3989422804014327
	geluErfC0      = 0.729083657
	geluErfC1      = -0.50933224
	geluErfC2      = 0.230019242
	geluErfC3      = -0.0472573787
	geluErfC4      = -0.01047944
	geluErfC5      = 0.00693030423
	geluErfC6      = 0.00107765128
	geluErfC7      = -0.000912634598
	geluErfC8      = -0.000272995676
)
