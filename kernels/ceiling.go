package kernels

import (
	"fmt"
	"sync"
	"time"
)

// Ceiling measures how many GFLOP/s the row in use reaches with fused multiply-adds on registers, on so
// many goroutines at once: the bound of every kernel. It takes about 30 ms and returns the best of
// several windows of time, because other programs can only slow one down. It panics if threads < 1.
func Ceiling(threads int) float64 {
	if threads < 1 {
		panic(fmt.Sprintf("kernels: Ceiling: threads = %d", threads))
	}
	const (
		windows = 8
		window  = 4 * time.Millisecond
	)
	// A call counts for the window in which it ends, so it is to be short: about 20 µs.
	n := 1
	for start := time.Now(); ; start = time.Now() {
		active.fma(n)
		if time.Since(start) >= 10*time.Microsecond {
			break
		}
		n *= 2
	}
	work := make([][windows]float64, threads)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range work {
		wg.Go(func() {
			for {
				ops := active.fma(n)
				w := time.Since(start) / window
				if w >= windows {
					return
				}
				work[i][w] += ops
			}
		})
	}
	wg.Wait()
	var best float64
	for w := range windows {
		var ops float64
		for i := range work {
			ops += work[i][w]
		}
		best = max(best, ops)
	}
	return best / window.Seconds() / 1e9
}
