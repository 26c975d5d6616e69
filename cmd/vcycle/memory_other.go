//go:build !linux

package main

// machineMemory returns 0: it cannot be told here.
func machineMemory() int64 { return 0 }

// peakMemory returns 0: it cannot be told here.
func peakMemory() int64 { return 0 }

// presentMemory returns 0: it cannot be told here.
func presentMemory() int64 { return 0 }
