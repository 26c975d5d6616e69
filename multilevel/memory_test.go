package multilevel

import (
	"testing"

	"github.com/vcycle-go/vcycle/nn"
)

// held returns what a trainer has, in bytes, without activations.
func held(tr *Trainer) (m nn.Memory) {
	for _, model := range tr.models {
		if model == nil {
			continue
		}
		for _, g := range model.groups {
			m.Parameters += 4 * int64(len(g.Theta))
			m.Gradients += 4 * int64(len(g.Grad))
			for _, x := range g.Moments {
				m.Moments += 4 * int64(len(x))
			}
		}
		for _, x := range append(model.start, model.tau...) {
			m.Parameters += 4 * int64(len(x))
		}
	}
	return m
}

// No run ever has more memory than Memory says, and a change of level comes close to that.
func TestMemory(t *testing.T) {
	for name, o := range variants() {
		tr := newTiny(t, o)
		want, err := o.Memory()
		if err != nil {
			t.Fatal(err)
		}
		var most int64
		for !tr.Done() {
			if next := tr.plan.at(tr.step); next > tr.stage && tr.plan[next].Arrive.Correct {
				vector := func(level int) int64 { return 4 * int64(o.Config(tr.hierarchy.Levels[level]).Parameters()) }
				got := held(tr) // and the vectors of the correction
				got.Parameters += 2*vector(tr.plan[next].Level) + vector(tr.plan[tr.stage].Level)
				got.Activations = o.Config(tr.level()).Memory(o.MicroBatch(), 0).Activations
				if most = max(most, got.Total()); got.Total() > want.Total() {
					t.Errorf("%s: in the correction after step %d there are %+v, promised were %+v", name, tr.Steps(), got, want)
				}
			}
			steps(t, tr, 1)
			got := held(tr)
			got.Activations = o.Config(tr.level()).Memory(o.microBatch(tr.level()), 0).Activations
			most = max(most, got.Total())
			if got.Total() > want.Total() {
				t.Errorf("%s: after step %d there are %+v, promised were %+v", name, tr.Steps(), got, want)
			}
		}
		if len(tr.hierarchy.Levels) == 1 && most != want.Total() || 2*most < want.Total() {
			t.Errorf("%s: at most %d bytes after a step, %d are promised", name, most, want.Total())
		}
	}
}
