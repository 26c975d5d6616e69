package kernels

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Ceiling measures how many GFLOP/s the row in use reaches with fused multiply-adds on registers, on so
// many goroutines at once: the bound of every kernel. It takes about 30 ms and returns the best of
// several rounds, because other programs can only slow a round down. It panics if threads < 1.
func Ceiling(threads int) float64 {
	if threads < 1 {
		panic(fmt.Sprintf("kernels: Ceiling: threads = %d", threads))
	}
	const (
		rounds = 8
		round  = 4 * time.Millisecond
	)
	// Calls of about 50 µs, as assembly is not preempted.
	n := 1
	for start := time.Now(); ; start = time.Now() {
		active.fma(n)
		if time.Since(start) >= 25*time.Microsecond {
			break
		}
		n *= 2
	}
	var best float64
	for range rounds {
		best = max(best, ceilingRound(threads, n, round))
	}
	return best
}

// ceilingRound has all goroutines start together, run for d, and divides their work by the time from the
// first start to the last end.
func ceilingRound(threads, n int, d time.Duration) float64 {
	var ready atomic.Int32
	var wg sync.WaitGroup
	type span struct {
		start, end time.Time
		flops      float64
	}
	spans := make([]span, threads)
	for i := range spans {
		wg.Go(func() {
			for ready.Add(1); ready.Load() < int32(threads); {
				runtime.Gosched()
			}
			s := span{start: time.Now()}
			for s.end = s.start; s.end.Sub(s.start) < d; s.end = time.Now() {
				s.flops += active.fma(n)
			}
			spans[i] = s
		})
	}
	wg.Wait()
	all := spans[0]
	for _, s := range spans[1:] {
		all.flops += s.flops
		if s.start.Before(all.start) {
			all.start = s.start
		}
		if s.end.After(all.end) {
			all.end = s.end
		}
	}
	return all.flops / all.end.Sub(all.start).Seconds() / 1e9
}
