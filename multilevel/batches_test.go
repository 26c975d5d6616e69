package multilevel

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// slowSource takes its time, and notes what it has been asked for.
type slowSource struct {
	*Bytes
	asked []int
}

func (s *slowSource) Batch(step int, tokens, targets []int32) {
	time.Sleep(time.Millisecond)
	s.asked = append(s.asked, step) // the race detector sees a second call at a time
	s.Bytes.Batch(step, tokens, targets)
}

// Whatever order the steps are taken in, a batch is that of its step; it does not change while it is in
// use, and in order every one is prepared once.
func TestBatches(t *testing.T) {
	o := tiny()
	src := &slowSource{Bytes: tinySource(t, o)}
	const tokens = 16
	b := newBatches(src, tokens, 9)
	want, wantTargets := make([]int32, tokens), make([]int32, tokens)
	take := func(step int) {
		t.Helper()
		got, err := b.take(step)
		src.Bytes.Batch(step, want, wantTargets)
		time.Sleep(3 * time.Millisecond) // the next one is there
		if err != nil || got.step != step || !slices.Equal(got.tokens, want) || !slices.Equal(got.targets, wantTargets) {
			t.Errorf("the batch of step %d is another, error %v", step, err)
		}
	}
	for step := range 9 {
		take(step)
	}
	if b.filling || !slices.Equal(src.asked, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("the source was asked for %v, and is being asked: %v", src.asked, b.filling)
	}
	for _, step := range []int{3, 3, 5, 4, 8, 0} {
		take(step)
	}
	b = newBatches(src.Bytes, tokens, 9)
	if n := testing.AllocsPerRun(3, func() { b.take(3); b.take(4) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// brokenSource meets an error at step 3, and forgets it never.
type brokenSource struct {
	*Bytes
	err error
}

func (s *brokenSource) Batch(step int, tokens, targets []int32) {
	if step == 3 {
		s.err = errors.New("the disk is on fire")
	}
	s.Bytes.Batch(step, tokens, targets)
}

func (s *brokenSource) Err() error { return s.err }

// An error of the source ends the step whose batch it has spoiled, and no step before.
func TestBatchError(t *testing.T) {
	o := tiny()
	tr, err := NewTrainer(o, &brokenSource{Bytes: tinySource(t, o)})
	if err != nil {
		t.Fatal(err)
	}
	steps(t, tr, 3)
	for range 2 {
		_, err := tr.Step()
		if e := (*DataError)(nil); !errors.As(err, &e) || e.Step != 4 || err.Error() != "step 4: reading the data: the disk is on fire" {
			t.Errorf("error %v", err)
		}
	}
	if tr.Steps() != 3 {
		t.Errorf("%d steps are done, want 3", tr.Steps())
	}
}
