//go:build amd64 && !linux && !noasm && !purego

package kernels

// allowAMX is false: on no other system has it been seen to work.
func allowAMX() bool { return false }
