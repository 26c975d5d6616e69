package kernels

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Task is work over [0, n) that Parallel deals out in chunks. Run does the part [lo, hi); worker is
// below Threads() and below the number of chunks; within one Parallel, no two Runs at a time have the same.
type Task interface {
	Run(worker, lo, hi int)
}

// Parallel calls t.Run for the chunks [0, grain), [grain, 2·grain), … of [0, n), on up to Threads()
// goroutines, and returns when all are done. The chunks do not depend on the number of threads, so a
// task that writes disjoint results per chunk gives the same bits on any number of them.
//
// Only one Parallel uses the goroutines at a time. A call from inside a Task, or while another
// goroutine is in Parallel, runs its chunks in order in the caller as worker 0. Nothing is allocated if
// t is a pointer. It panics if n < 0 or grain < 1.
func Parallel(n, grain int, t Task) {
	if n < 0 || grain < 1 {
		panic(fmt.Sprintf("kernels: Parallel: n = %d, grain = %d", n, grain))
	}
	parallel(n, grain, Threads(), t)
}

// parallel is Parallel on at most so many goroutines; threads ≤ Threads().
func parallel(n, grain, threads int, t Task) {
	chunks := (n + grain - 1) / grain
	if chunks <= 1 || threads == 1 || !team.mu.TryLock() {
		for lo := 0; lo < n; lo += grain {
			t.Run(0, lo, min(lo+grain, n))
		}
		return
	}
	defer team.mu.Unlock()
	team.run(n, grain, min(threads, chunks), t)
}

// SetThreads bounds the goroutines that Parallel, and what calls it, use; 0, the default, stands for
// GOMAXPROCS as it is at the first call that asks. It must not run beside other calls of this package. It
// panics if n < 0 or n > 65536.
func SetThreads(n int) {
	if n < 0 || n > 1<<16 {
		panic(fmt.Sprintf("kernels: SetThreads: n = %d", n))
	}
	team.threads.Store(int32(n))
}

// Threads returns the bound in force.
func Threads() int {
	if n := team.threads.Load(); n > 0 {
		return int(n)
	}
	// The runtime may change GOMAXPROCS at any time, but scratch memory is sized by this number.
	team.threads.CompareAndSwap(0, int32(runtime.GOMAXPROCS(0)))
	return int(team.threads.Load())
}

// A worker is a goroutine of the team. It spins for a moment after its work, because the next kernel of
// a training step follows within microseconds, and then parks.
type worker struct {
	id    int
	state atomic.Uint32 // one of the states below
	wake  chan struct{}
}

const (
	spinning uint32 = iota
	parked
	called // to the task that runs, until the worker comes or its caller, with nothing left to do, calls it off
	working
)

// patience bounds the rounds of polls before a goroutine parks, some 600 µs on the machines measured. It
// must be longer than waking a parked goroutine takes, which on a virtual machine is 100 µs and more: else
// a goroutine that wakes too late for one kernel has parked again before the next.
const (
	patience = 1024
	polls    = 256
)

// spin polls until done, and tells whether that came before patience ended. Between rounds it lets other
// goroutines run.
func spin(done func() bool) bool {
	for range patience {
		for range polls {
			if done() {
				return true
			}
		}
		runtime.Gosched()
	}
	return false
}

type poolState struct {
	mu      sync.Mutex   // held by the goroutine whose task runs
	threads atomic.Int32 // 0: not asked for yet
	workers []*worker    // started on first use, ids from 1

	task     Task
	n, grain int
	next     atomic.Int64 // the first element that nobody has taken
	pending  atomic.Int32 // workers still running
	done     chan struct{}
	waiting  atomic.Bool
}

var team = &poolState{done: make(chan struct{}, 1)}

// busy tells whether a task is running, perhaps the caller's own.
func (p *poolState) busy() bool {
	if p.mu.TryLock() {
		p.mu.Unlock()
		return false
	}
	return true
}

func (p *poolState) run(n, grain, goroutines int, t Task) {
	helpers := goroutines - 1
	for len(p.workers) < helpers {
		w := &worker{id: len(p.workers) + 1, wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		go p.work(w)
	}
	p.task, p.n, p.grain = t, n, grain
	p.next.Store(0)
	p.pending.Store(int32(helpers))
	for _, w := range p.workers[:helpers] {
		if w.state.Swap(called) == parked {
			w.wake <- struct{}{}
		}
	}
	defer func() { // deferred, so that a panic in the caller's share leaves no helper behind
		// Who wakes too late is not waited for. A token that is on its way ends the sleep all the same.
		for _, w := range p.workers[:helpers] {
			if w.state.CompareAndSwap(called, spinning) {
				p.pending.Add(-1)
			}
		}
		p.wait()
		p.task = nil // a task may be a part of much memory, which would be kept alive
	}()
	p.take(0)
}

// take runs chunks until none is left.
func (p *poolState) take(worker int) {
	for {
		lo := int(p.next.Add(int64(p.grain))) - p.grain
		if lo >= p.n {
			return
		}
		p.task.Run(worker, lo, min(lo+p.grain, p.n))
	}
}

// wait returns when the helpers are done.
func (p *poolState) wait() {
	if spin(func() bool { return p.pending.Load() == 0 }) {
		return
	}
	// A token may come from a helper of an earlier task, late with its look at waiting: only pending says
	// that this one is done.
	for p.pending.Load() != 0 {
		p.waiting.Store(true)
		if p.pending.Load() == 0 && p.waiting.CompareAndSwap(true, false) {
			return
		}
		<-p.done
	}
}

func (p *poolState) work(w *worker) {
	for {
		spin(func() bool { return w.state.Load() == called })
		if w.state.CompareAndSwap(spinning, parked) {
			<-w.wake
		}
		if !w.state.CompareAndSwap(called, working) {
			continue
		}
		p.take(w.id)
		w.state.Store(spinning)
		if p.pending.Add(-1) == 0 && p.waiting.CompareAndSwap(true, false) {
			p.done <- struct{}{}
		}
	}
}
