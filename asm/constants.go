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
