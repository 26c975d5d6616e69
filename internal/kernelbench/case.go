// Package kernelbench lists what is timed of package kernels: the cases of `vcycle bench`, which are
// those of the Go benchmarks under the same names.
package kernelbench

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/vcycle-go/vcycle/internal/clock"
	"github.com/vcycle-go/vcycle/kernels"
)

// Case is one kernel at one size on a number of threads. A product spreads over them; another kernel
// runs on each of them, on slices of its own.
type Case struct {
	Name    string // the exported function
	M, N, K int    // of a product; otherwise slices are M rows of N, or N elements if M is 0, and K are stages
	Trans   string // of a product: NN, TN, NT or TT, for op(A) and op(B); N or T for one matrix
	Batch   int    // of products, how many in a call, if more than one
	DType   string // f32, f64 or bf16
	Level   string // L1, L2 or memory: what holds the slices of a thread; empty for a product
	Threads int

	// What one call does on all threads: of a product, its multiplications and additions; of another
	// kernel, the bytes that its definition reads and writes, those of them that it reads, and those that pass between the
	// level and the core: with vectors beside the rows, and with rows that are read again and have left the first cache.
	Flops, Bytes, Reads, Moved float64

	work func(isa string) operations // for each element, of all threads together

	// prepare makes operands and returns the call on one thread.
	prepare func(m *memory) (call func())
}

// String returns the name of the case in the form of Go's benchmarks, without the instruction set.
func (c *Case) String() string {
	s := c.Name
	if c.Batch > 0 {
		// The function is the same for all types.
		s += fmt.Sprintf("/dtype=%s/batch=%d", c.DType, c.Batch)
	}
	if c.M > 0 {
		s += fmt.Sprintf("/m=%d", c.M)
	}
	s += fmt.Sprintf("/n=%d", c.N)
	if c.K > 0 {
		s += fmt.Sprintf("/k=%d", c.K)
	}
	if c.Trans != "" {
		s += "/trans=" + c.Trans
	}
	return s + fmt.Sprintf("/threads=%d", c.Threads)
}

// Prepare makes the operands of the case in the arena, over those of any case before it, bounds kernels
// to the threads of the case, and returns a function that makes so many calls and returns their time: on one
// thread, the time that it ran, where the system tells; on more, the time that passed.
func (c *Case) Prepare(a *Arena) func(calls int) time.Duration {
	kernels.SetThreads(c.Threads)
	goroutines := c.Threads
	if c.Flops > 0 {
		goroutines = 1
	}
	each := make([]func(), goroutines)
	for i := range each {
		each[i] = c.prepare(a.of(i))
	}
	if c.Threads == 1 {
		return func(calls int) time.Duration {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			start := clock.Thread()
			for range calls {
				each[0]()
			}
			return clock.Thread() - start
		}
	}
	return func(calls int) time.Duration {
		var wg sync.WaitGroup
		start := time.Now()
		for _, call := range each[1:] {
			wg.Go(func() {
				for range calls {
					call()
				}
			})
		}
		for range calls {
			each[0]()
		}
		wg.Wait()
		return time.Since(start)
	}
}

// Time returns the seconds of a call: the least over batches of equally many calls, which take about so
// long together, because other programs can only slow a batch down.
func (c *Case) Time(a *Arena, whole time.Duration) float64 {
	const batches = 8
	run := c.Prepare(a)
	calls, t := 1, run(1)
	if t < whole {
		t = run(1) // the first is slow
	}
	for t < whole/batches {
		calls *= max(2, min(100, int(whole/batches/max(t, 1))))
		t = run(calls)
	}
	best := t
	for left := whole - t; left > 0; left -= max(t, 1) {
		t = run(calls)
		best = min(best, t)
	}
	return best.Seconds() / float64(calls)
}
