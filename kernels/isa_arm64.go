//go:build !noasm && !purego

package kernels

import "github.com/klauspost/cpuid/v2"

// archRows returns the rows of arm64. A row claims exactly the features that its assembly uses; what it
// does not set is generic.
func archRows() []isa {
	neon := generic()
	neon.name = "neon"
	neon.ok = cpuid.CPU.Supports(cpuid.ASIMD)
	return []isa{neon}
}
