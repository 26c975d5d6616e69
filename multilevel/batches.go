package multilevel

import "fmt"

// DataError is the error of a step whose data cannot be read. The state is that after the step before, and can be saved.
type DataError struct {
	Step int // counted from 1
	Err  error
}

func (e *DataError) Error() string {
	return fmt.Sprintf("step %d: reading the data: %v", e.Step, e.Err)
}

func (e *DataError) Unwrap() error { return e.Err }

// batches are those of a run's steps. The next one is prepared while a step runs.
type batches struct {
	source    Source
	steps     int // of the run
	now, next *batch
	fill      func()        // prepares next
	filled    chan struct{} // says when
	filling   bool
}

// batch is the tokens and targets of a step; of none, if step is −1.
type batch struct {
	step            int
	tokens, targets []int32
	err             error // that the source had met by then
}

func newBatches(src Source, tokens, steps int) *batches {
	newBatch := func() *batch { return &batch{step: -1, tokens: make([]int32, tokens), targets: make([]int32, tokens)} }
	b := &batches{source: src, steps: steps, now: newBatch(), next: newBatch(), filled: make(chan struct{}, 1)}
	b.fill = func() { // one value, so that starting the goroutine allocates nothing
		b.prepare()
		b.filled <- struct{}{}
	}
	return b
}

func (b *batches) prepare() {
	b.source.Batch(b.next.step, b.next.tokens, b.next.targets)
	b.next.err = sourceError(b.source)
}

// take returns the batch of a step, which is the caller's until the next take, and has that of the step
// after it prepared. The step may be any; the one after that of the last take is there already. An error is
// that of the source, which reads the data bit by bit.
func (b *batches) take(step int) (*batch, error) {
	if b.now.step == step {
		return b.now, b.now.err
	}
	if b.filling {
		<-b.filled
		b.filling = false
	}
	if b.next.step != step {
		b.next.step = step
		b.prepare()
	}
	b.now, b.next = b.next, b.now
	if step+1 < b.steps {
		b.next.step, b.filling = step+1, true
		go b.fill()
	}
	return b.now, b.now.err
}
