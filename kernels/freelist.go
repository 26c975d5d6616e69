package kernels

import (
	"sync"
	"sync/atomic"
)

// freeList keeps the workspaces that no call is using. It is not a sync.Pool, because the garbage
// collector empties those, and a training step would allocate again.
type freeList[T any] struct {
	last atomic.Pointer[T] // the one that was given last, at half the cost of the lock
	mu   sync.Mutex
	free []*T
}

func (l *freeList[T]) take() *T {
	if x := l.last.Swap(nil); x != nil {
		return x
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.free)
	if n == 0 {
		return new(T)
	}
	x := l.free[n-1]
	l.free = l.free[:n-1]
	return x
}

func (l *freeList[T]) give(x *T) {
	if l.last.CompareAndSwap(nil, x) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, x)
}
