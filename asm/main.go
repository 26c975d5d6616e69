// Command asm writes the assembly of package kernels, the Go stubs that declare it, and for package kernelbench how
// many operations there are in it.
//
// One generator body serves AVX2 and AVX-512, with the vector width as a parameter; NEON has a printer
// of its own, because avo knows no arm64. A test regenerates everything in memory and fails when a
// committed file differs.
//
//	go generate ./...          rewrite kernels/*_amd64.{s,go} and kernels/*_arm64.{s,go}
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// output is one generated file.
type output struct {
	name string // below the package's directory
	body []byte
}

// outputs returns every generated file, in a fixed order.
func outputs() ([]output, error) {
	var all []output
	for _, family := range x86Families {
		files, err := family.outputs()
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	counts := map[string]map[string]operations{}
	for _, f := range all {
		countOperations(string(f.body), counts)
	}
	table, err := operationsFile(counts)
	if err != nil {
		return nil, err
	}
	files, err := neonOutputs()
	return append(append(all, table), files...), err
}

func main() {
	dir := flag.String("dir", "kernels", "the `directory` of package kernels")
	flag.Parse()
	if err := write(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "asm:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	files, err := outputs()
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.body, 0o644); err != nil {
			return err
		}
	}
	return nil
}
