package kernels

// KernelNames returns the exported functions that are kernels, for tests from outside.
func KernelNames() (names []string) {
	for _, c := range exported() {
		names = append(names, c.name)
	}
	return names
}
