package kernels

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/vcycle-go/vcycle/internal/clock"
)

// Ceiling measures how many GFLOP/s the row in use reaches with fused multiply-adds on registers, on so
// many goroutines at once: the bound of every kernel. It takes about 30 ms, or up to 0.3 s where several goroutines are far
// from as many times one, and returns the best of several windows of time, because other programs can only slow one down;
// on one thread, on Linux, of the time that it ran. It panics if threads < 1.
func Ceiling(threads int) float64 {
	if threads < 1 {
		panic(fmt.Sprintf("kernels: Ceiling: threads = %d", threads))
	}
	return ceiling(active.fma, threads)
}

// CeilingBFloat16 is Ceiling of what multiplies bfloat16 and sums in float32 (see BFloat16Products): pairs or tiles of them
// where the CPU does that itself, and otherwise float32. It panics if threads < 1.
func CeilingBFloat16(threads int) float64 {
	if threads < 1 {
		panic(fmt.Sprintf("kernels: CeilingBFloat16: threads = %d", threads))
	}
	run := active.gemm16.fma
	if run == nil {
		run = active.fma
	}
	return ceiling(run, threads)
}

// Rates are how many float32, in 10⁹ a second, go through instructions of a kind on registers; 0 where that is not
// measured. Vector is for those that do anything but load, store and copy, mixed, and bounds all kinds together; Add is
// for those that add, take the larger or shift, mixed; Load and Store are for whole registers, from and to the first cache.
//
// DivideTurns is how many multiply-adds a core does less for a division among them, and ScaleTurns how many of those of Add it could do
// instead of VSCALEFPS or VREDUCEPS, 1 or more.
type Rates struct{ Vector, Add, Divide, Root, Load, Store, DivideTurns, ScaleTurns float64 }

// CeilingRates measures the rates of the row in use as Ceiling does, each for as long. It panics if threads < 1.
func CeilingRates(threads int) Rates {
	if threads < 1 {
		panic(fmt.Sprintf("kernels: CeilingRates: threads = %d", threads))
	}
	if active.vectors == nil {
		return Rates{}
	}
	of := func(run func(n int) float64) float64 { return ceiling(run, threads) }
	// The clock may change between two measurements, which makes one ratio of three larger or smaller.
	ratio := func(a, b func(n int) float64) float64 {
		r := [...]float64{of(a) / of(b), of(a) / of(b), of(a) / of(b)}
		slices.Sort(r[:])
		return r[1]
	}
	r := Rates{
		Vector: of(active.vectors), Add: of(active.additions), Divide: of(active.divisions), Root: of(active.roots),
		Load: of(active.loads), Store: of(active.stores), DivideTurns: 1, ScaleTurns: 1,
	}
	if active.divided != nil {
		const among = 24
		r.DivideTurns = max(1, among*ratio(active.fma, active.divided)/2-(among-1))
	}
	if active.scales != nil {
		r.ScaleTurns = max(1, ratio(active.additions, active.scales))
	}
	return r
}

// ceiling returns how many of what run counts there are in a nanosecond.
func ceiling(run func(n int) float64, threads int) float64 {
	const (
		windows = 8
		window  = 4 * time.Millisecond
	)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// A call is to be short: about 20 µs.
	n := 1
	for start := clock.Thread(); ; start = clock.Thread() {
		run(n)
		if clock.Thread()-start >= 10*time.Microsecond {
			break
		}
		n *= 2
	}
	alone := func(windows int) (best float64) { // operations a second
		for range windows {
			start, ops := clock.Thread(), 0.0
			for range window / (20 * time.Microsecond) {
				ops += run(n)
			}
			best = max(best, ops/(clock.Thread()-start).Seconds())
		}
		return best
	}
	if threads == 1 {
		return alone(windows) / 1e9
	}
	// A call counts for the window in which it ends. Where other programs take the processor it may be none, and the host
	// of a virtual machine may let two of its processors share a core for longer than all windows take.
	few := 0.75 * float64(threads) * alone(1) * window.Seconds()
	var best float64
	for try := 0; best < few && try < 10; try++ {
		work := make([][windows]float64, threads)
		var wg sync.WaitGroup
		start := time.Now()
		for i := range work {
			wg.Go(func() {
				for {
					ops := run(n)
					w := time.Since(start) / window
					if w >= windows {
						return
					}
					work[i][w] += ops
				}
			})
		}
		wg.Wait()
		for w := range windows {
			var ops float64
			for i := range work {
				ops += work[i][w]
			}
			best = max(best, ops)
		}
	}
	return best / window.Seconds() / 1e9
}
