package kernels

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"weak"
)

type counting struct {
	hits  []atomic.Int32
	inner *counting
	most  atomic.Int32
}

func (c *counting) Run(worker, lo, hi int) {
	if w := int32(worker); w > c.most.Load() {
		c.most.Store(w)
	}
	for i := lo; i < hi; i++ {
		c.hits[i].Add(1)
	}
	if c.inner != nil {
		Parallel(len(c.inner.hits), 3, c.inner)
	}
}

func TestParallelCoversOnce(t *testing.T) {
	defer SetThreads(0)
	for _, threads := range []int{1, 2, 5} {
		SetThreads(threads)
		for n := range 40 {
			for grain := 1; grain < 9; grain++ {
				c := &counting{hits: make([]atomic.Int32, n)}
				Parallel(n, grain, c)
				for i := range c.hits {
					if h := c.hits[i].Load(); h != 1 {
						t.Fatalf("%d threads, n = %d, grain = %d: element %d was done %d times", threads, n, grain, i, h)
					}
				}
				if int(c.most.Load()) >= threads {
					t.Fatalf("%d threads, but a worker is called %d", threads, c.most.Load())
				}
			}
		}
	}
}

// marking is a task that marks its elements with plain writes, which the caller reads once Parallel is
// done: the race detector sees whether a helper is late.
type marking struct {
	marks []int
	round int
}

func (m *marking) Run(_, lo, hi int) {
	for i := lo; i < hi; i++ {
		m.marks[i] = m.round
	}
}

// TestParallelWaits runs many short tasks one after the other, on more goroutines than most machines have
// cores, so that helpers park, wake and come late.
func TestParallelWaits(t *testing.T) {
	defer SetThreads(0)
	SetThreads(4)
	m := &marking{marks: make([]int, 7)}
	for m.round = 1; m.round <= 3000; m.round++ {
		Parallel(len(m.marks), 1, m)
		for i, got := range m.marks {
			if got != m.round {
				t.Fatalf("round %d: element %d was last done in round %d", m.round, i, got)
			}
		}
	}
}

// TestParallelNested has tasks that call Parallel, from several goroutines at once.
func TestParallelNested(t *testing.T) {
	defer SetThreads(0)
	SetThreads(4)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				inner := &counting{hits: make([]atomic.Int32, 20)}
				outer := &counting{hits: make([]atomic.Int32, 10), inner: inner}
				Parallel(10, 2, outer)
				for i := range inner.hits {
					if h := inner.hits[i].Load(); h != 5 {
						t.Errorf("inner element %d was done %d times, want 5", i, h)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestParallelMisuse(t *testing.T) {
	for _, call := range []func(){
		func() { Parallel(-1, 1, &counting{}) },
		func() { Parallel(1, 0, &counting{}) },
		func() { SetThreads(-1) },
		func() { SetThreads(1 << 32) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			call()
		}()
	}
}

func BenchmarkParallelEmpty(b *testing.B) {
	c := &counting{hits: make([]atomic.Int32, 2)}
	for b.Loop() {
		Parallel(2, 1, c)
	}
}

// What has been computed is not kept alive: the task may be a part of a network with all of its memory.
func TestParallelForgets(t *testing.T) {
	defer SetThreads(0)
	SetThreads(2)
	x := &counting{hits: make([]atomic.Int32, 4)}
	Parallel(4, 1, x)
	kept := weak.Make(x)
	x = nil
	runtime.GC()
	if kept.Value() != nil {
		t.Error("the task is kept")
	}
}
