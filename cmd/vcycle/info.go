package main

import (
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/klauspost/cpuid/v2"

	"github.com/vcycle-go/vcycle/kernels"
)

// infoCmd shows what this machine gives to vcycle.
type infoCmd struct {
	Threads int `placeholder:"N" help:"Threads to measure beside one; 0: all. Default: 0."`
}

// Help is the detailed help.
func (infoCmd) Help() string {
	return "Examples:\n\n  vcycle info\n  VCYCLE_ISA=avx2 vcycle info --threads 1\n\n" + exitCodes
}

// Run prints one fact a line.
func (c *infoCmd) Run(s *session) error {
	if err := setThreads(c.Threads); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "version   %s\n", version())
	fmt.Fprintf(s.stdout, "go        %s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(s.stdout, "cpu       %s\n", cpuName())
	fmt.Fprintf(s.stdout, "kernels   %s, of %s (VCYCLE_ISA chooses another)\n", kernels.ISA(), strings.Join(kernels.ISAs(), ", "))
	fmt.Fprintf(s.stdout, "bfloat16  multiplied by %s\n", kernels.BFloat16Products())
	fmt.Fprintf(s.stdout, "threads   %d\n", kernels.Threads())
	fmt.Fprintf(s.stdout, "ceiling   %.1f GFLOP/s on 1 thread (float32 fused multiply-adds, measured)\n", kernels.Ceiling(1))
	if n := kernels.Threads(); n > 1 {
		fmt.Fprintf(s.stdout, "          %.1f GFLOP/s on %s\n", kernels.Ceiling(n), plural(n, "thread"))
	}
	return nil
}

// ceilings are those that this process has measured, by the number of threads.
var ceilings sync.Map

// ceiling returns kernels.Ceiling, which it measures once.
func ceiling(threads int) float64 {
	c, found := ceilings.Load(threads)
	if !found {
		c, _ = ceilings.LoadOrStore(threads, kernels.Ceiling(threads))
	}
	return c.(float64)
}

func cpuName() string { return cpuModel() + ", " + plural(runtime.NumCPU(), "logical CPU") }

func cpuModel() string {
	if name := strings.TrimSpace(cpuid.CPU.BrandName); name != "" {
		return name
	}
	return "unknown " + runtime.GOARCH
}

// setThreads bounds the threads of the kernels; 0 stands for all that Go uses.
func setThreads(n int) error {
	if n < 0 || n > 1<<12 {
		return badf("--threads %d: it must be between 0 (all) and %d", n, 1<<12)
	}
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	kernels.SetThreads(n)
	return nil
}
