package multilevel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
	"github.com/vcycle-go/vcycle/internal/safetensors"
	"github.com/vcycle-go/vcycle/nn"
)

// Keys of a checkpoint's metadata.
const (
	metaVersion = "vcycle.checkpoint"
	metaOptions = "vcycle.options"
	metaState   = "vcycle.state"
)

// checkpointVersion is the layout of checkpoints that this package writes and reads.
const checkpointVersion = "3"

// state is what a checkpoint holds beside the options and the tensors.
type state struct {
	Step       int    `json:"step"`
	Stage      int    `json:"stage"` // of the plan; at a change of level the one before it, until the next step
	GroupSteps []int  `json:"group_steps"`
	Data       string `json:"data"` // the source's fingerprint
	Costs      []Cost `json:"costs"`
	// Start and Coherence tell which vectors the current level has beside its parameters.
	Start     bool         `json:"start,omitempty"`
	Coherence bool         `json:"coherence,omitempty"`
	Others    []otherState `json:"others,omitempty"` // the other networks that are in use
	Adaptive  *adaptive    `json:"adaptive,omitempty"`
	Patience  *patience    `json:"patience,omitempty"`
	Guard     guard        `json:"guard"`               // of none: from before there was one
	Decisions []Decision   `json:"decisions,omitempty"` // since the last step
}

// otherState is the network of a level that the run is not on.
type otherState struct {
	Level      int   `json:"level"`
	Moments    int   `json:"moments"` // vectors of each group
	GroupSteps []int `json:"group_steps"`
	Start      bool  `json:"start,omitempty"`
	Coherence  bool  `json:"coherence,omitempty"`
}

// Save writes the state after the last step to path, a safetensors file: parameters under GPT-2's names
// (wte.weight, h.0.attn.c_attn.weight, …), the optimizer's moments under optimizer.<name>.m and .v, options
// and counters as JSON in the metadata. Whatever happens meanwhile, path holds either what it held
// before or the whole new file: it is written beside path, synced, read back and renamed.
func (t *Trainer) Save(path string) error {
	_, err := atomicfile.WriteVerified(path, t.SaveTo)
	return err
}

// SaveTo writes what Save does to w.
func (t *Trainer) SaveTo(w io.Writer) error {
	meta, err := t.metadata()
	if err != nil {
		return err
	}
	return safetensors.Write(w, meta, t.tensors())
}

func (t *Trainer) metadata() (map[string]string, error) {
	s := state{Step: t.step, Stage: t.stage, Data: t.source.Fingerprint(), Costs: t.costs, Adaptive: t.adaptive, Patience: t.patience, Guard: t.guard, Decisions: t.decisions}
	current := t.model()
	s.GroupSteps, s.Start, s.Coherence = current.steps(), current.start != nil, current.tau != nil
	for l, m := range t.models {
		if m != nil && m != current {
			s.Others = append(s.Others, otherState{l, len(m.groups[0].Moments), m.steps(), m.start != nil, m.tau != nil})
		}
	}
	options, err := json.Marshal(t.options)
	if err != nil {
		return nil, err
	}
	counters, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return map[string]string{metaVersion: checkpointVersion, metaOptions: string(options), metaState: string(counters)}, nil
}

// steps returns the counts of the groups.
func (m *model) steps() []int {
	var n []int
	for _, g := range m.groups {
		n = append(n, g.Steps)
	}
	return n
}

// tensors returns views of all that the trainer holds, the current level first.
func (t *Trainer) tensors() []safetensors.Tensor {
	current := t.model()
	all := current.tensors("")
	for l, m := range t.models {
		if m != nil && m != current {
			all = append(all, m.tensors(fmt.Sprintf("level.%d.", l+1))...)
		}
	}
	return all
}

func (m *model) tensors(prefix string) []safetensors.Tensor {
	all := tensors(m.groups)
	for _, v := range []struct {
		name string
		x    [][]float32
	}{{"start.", m.start}, {"coherence.", m.tau}} {
		for i, x := range v.x {
			all = append(all, views(m.groups[i], i, x, v.name, "")...)
		}
	}
	for i := range all {
		all[i].Name = prefix + all[i].Name
	}
	return all
}

// momentSuffixes name the optimizer's moments in files.
var momentSuffixes = []string{".m", ".v"}

// tensors returns views of all parameters and then of all moments. Group 0 holds what is outside the
// blocks.
func tensors(groups []*nn.Group) []safetensors.Tensor {
	var all []safetensors.Tensor
	for i, g := range groups {
		all = append(all, views(g, i, g.Theta, "", "")...)
	}
	for i, g := range groups {
		for j, m := range g.Moments {
			all = append(all, views(g, i, m, "optimizer.", momentSuffixes[j])...)
		}
	}
	return all
}

// views returns the parts of x, a vector of the i-th group, under their names.
func views(g *nn.Group, i int, x []float32, prefix, suffix string) []safetensors.Tensor {
	var all []safetensors.Tensor
	for _, e := range g.Entries {
		all = append(all, safetensors.Tensor{
			Name: prefix + tensorName(i, e) + suffix, Shape: e.Shape, Data: x[e.Offset : e.Offset+e.Len()],
		})
	}
	return all
}

func tensorName(group int, e nn.Entry) string {
	if group == 0 {
		return e.Name
	}
	return fmt.Sprintf("h.%d.%s", group-1, e.Name)
}

// Resume returns the trainer whose state Save wrote to path; src must be the source that it had. The
// steps that follow give the same bits as if the run had not been interrupted, on the same instruction
// set. A file that is truncated, damaged, or not a checkpoint, and a source with other data, are errors
// that name the file and what is wrong.
func Resume(path string, src Source) (*Trainer, error) {
	var t *Trainer
	err := readCheckpoint(path, func(f *safetensors.File, o Options, s state) error {
		if got := src.Fingerprint(); got != s.Data {
			return fmt.Errorf("the run was trained on other data, or with another context or seed: its fingerprint is %s, not %s", s.Data, got)
		}
		var err error
		if t, err = NewTrainer(o, src); err != nil {
			return err
		}
		return t.restore(f, s)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// LoadDecoder returns the network of a checkpoint, at the level that it was on, and the options of its
// run. The optimizer's state is not read. Errors are those of Resume.
func LoadDecoder(path string) (*nn.Decoder, Options, error) {
	var d *nn.Decoder
	var options Options
	err := readCheckpoint(path, func(f *safetensors.File, o Options, s state) error {
		cfg, err := o.configAt(s)
		if err != nil {
			return err
		}
		if d, err = nn.NewDecoder(cfg, o.Seed); err != nil {
			return err
		}
		options = o
		return load(f, tensors(d.Groups()))
	})
	if err != nil {
		return nil, Options{}, err
	}
	return d, options, nil
}

// readCheckpoint opens and verifies the file at path and calls use with what it says.
func readCheckpoint(path string, use func(f *safetensors.File, o Options, s state) error) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err // names the path
	}
	defer file.Close()
	defer func() {
		if err != nil {
			err = fmt.Errorf("checkpoint %s: %w", path, err)
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is not a regular file")
	}
	f, err := safetensors.Open(file, info.Size())
	if err != nil {
		return err
	}
	if v := f.Metadata[metaVersion]; v != checkpointVersion {
		if v == "" {
			return fmt.Errorf("a safetensors file, but not a checkpoint of vcycle: its metadata lack %s", metaVersion)
		}
		return fmt.Errorf("its layout is version %s; this program reads %s", v, checkpointVersion)
	}
	if err := f.Verify(); err != nil {
		return err
	}
	var o Options
	if err := strictJSON(f.Metadata[metaOptions], &o); err != nil {
		return fmt.Errorf("%s: %w", metaOptions, err)
	}
	if err := o.Validate(); err != nil {
		return fmt.Errorf("%s: %w", metaOptions, err)
	}
	var s state
	if err := strictJSON(f.Metadata[metaState], &s); err != nil {
		return fmt.Errorf("%s: %w", metaState, err)
	}
	n, err := o.parametersAt(s)
	if err != nil {
		return err
	}
	if n > info.Size()/4 { // before memory is taken for them
		return fmt.Errorf("%s: networks of %d parameters are more than a file of %d bytes can hold", metaOptions, n, info.Size())
	}
	return use(f, o, s)
}

func strictJSON(text string, v any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// planAt returns the levels and the plan as they were decided in a state.
func (o Options) planAt(s state) (*Hierarchy, Plan, error) {
	h, plan, err := o.Plan()
	if err != nil {
		return nil, nil, err
	}
	o = o.Resolve()
	if (o.Multilevel == Adaptive) != (s.Adaptive != nil) {
		return nil, nil, fmt.Errorf("%s: the state of the adaptive schedule does not belong to multilevel %s", metaState, o.Multilevel)
	}
	if s.Adaptive != nil {
		if err := s.Adaptive.check(o, h, s.Step); err != nil {
			return nil, nil, err
		}
		plan = s.Adaptive.plan(o, h)
	}
	if p := s.Patience; p != nil {
		if err := p.check(o, plan, s.Step); err != nil {
			return nil, nil, err
		}
		if p.End > 0 {
			plan = plan.cut(h, p.End)
		}
	}
	return h, plan, nil
}

// configAt returns the network of a state.
func (o Options) configAt(s state) (nn.Config, error) {
	h, plan, err := o.planAt(s)
	if err != nil {
		return nn.Config{}, err
	}
	if err := plan.check(s); err != nil {
		return nn.Config{}, err
	}
	return o.Config(h.Levels[plan[s.Stage].Level]), nil
}

// parametersAt returns how many parameters the networks of a state have together.
func (o Options) parametersAt(s state) (int64, error) {
	cfg, err := o.configAt(s)
	if err != nil {
		return 0, err
	}
	n := int64(cfg.Parameters())
	h, plan, err := o.planAt(s)
	if err != nil {
		return 0, err
	}
	used := map[int]bool{plan[s.Stage].Level: true}
	for _, other := range s.Others {
		if other.Level < 0 || other.Level >= len(h.Levels) || used[other.Level] {
			return 0, fmt.Errorf("%s: a second network of level %d, of %d", metaState, other.Level+1, len(h.Levels))
		}
		used[other.Level] = true
		if m := other.Moments; m < 0 || m > len(momentSuffixes) {
			return 0, fmt.Errorf("%s: level %d has %d moments", metaState, other.Level+1, m)
		}
		n += int64(o.Config(h.Levels[other.Level]).Parameters())
	}
	return n, nil
}

// check refuses a state that is not one of the plan.
func (p Plan) check(s state) error {
	if s.Step < 0 || s.Step > p.Steps() || s.Stage < 0 || s.Stage >= len(p) {
		return fmt.Errorf("%s: step %d of %d in stage %d of %d", metaState, s.Step, p.Steps(), s.Stage+1, len(p))
	}
	// A change of level belongs to the step after it, which may have failed.
	if lo, hi := p.at(max(s.Step-1, 0)), p.at(s.Step); s.Stage < lo || s.Stage > hi {
		return fmt.Errorf("%s: stage %d after %d steps: it should be %d", metaState, s.Stage+1, s.Step, lo+1)
	}
	return nil
}

// restore brings t, which is new, to the state.
func (t *Trainer) restore(f *safetensors.File, s state) error {
	if err := s.Guard.check(s.Step); err != nil {
		return err
	}
	t.decisions, t.guard = s.Decisions, s.Guard
	if s.Adaptive != nil {
		t.adaptive = s.Adaptive
		t.decided()
	}
	if t.patience = s.Patience; t.patience != nil && t.patience.End > 0 {
		t.plan = t.plan.cut(t.hierarchy, t.patience.End)
		t.follow(t.patience.End)
	}
	if len(s.Costs) != len(t.costs) {
		return fmt.Errorf("%s: costs of %d levels, but the run has %d", metaState, len(s.Costs), len(t.costs))
	}
	for i, c := range s.Costs {
		if c.Level.Blocks != t.costs[i].Level.Blocks {
			return fmt.Errorf("%s: costs of level %d are those of %+v, but the run has %+v", metaState, i+1, c.Level, t.costs[i].Level)
		}
	}
	t.costs = s.Costs
	if err := t.shape(s); err != nil {
		return err
	}
	want := t.tensors()
	if err := load(f, want); err != nil {
		return err
	}
	if len(f.Entries) != len(want) {
		i := slices.IndexFunc(f.Entries, func(e safetensors.Entry) bool {
			return !slices.ContainsFunc(want, func(w safetensors.Tensor) bool { return w.Name == e.Name })
		})
		return fmt.Errorf("tensor %q belongs to nothing in a network of %d blocks", f.Entries[i].Name, t.level().Blocks)
	}
	return t.resumeTrial()
}

// shape gives t, which is new, the networks of the state, without what they hold.
func (t *Trainer) shape(s state) error {
	t.stage, t.step = s.Stage, s.Step
	for l := range t.costs {
		t.costs[l].Level = t.hierarchy.Levels[l]
	}
	level := t.plan[s.Stage].Level
	moments := 0
	if s.Step > 0 {
		moments = t.optimizer.Moments()
	}
	t.models = make([]*model, len(t.models))
	for _, other := range append(s.Others, otherState{level, moments, s.GroupSteps, s.Start, s.Coherence}) {
		m := t.newModel(t.hierarchy.Levels[other.Level])
		most := s.Step
		if a := t.adaptive; a != nil && other.Level != level {
			most += a.Tried
		}
		if err := m.shape(other, most); err != nil {
			return err
		}
		t.models[other.Level] = m
	}
	if a := t.adaptive; a != nil && a.Tried > 0 {
		if l, _ := t.options.candidate(a.Try); t.models[l] == nil || l == level {
			return fmt.Errorf("%s: the network of a trial is missing", metaState)
		}
	}
	if err := t.use(t.models[level], t.level()); err != nil {
		return err
	}
	t.findGrowing()
	return nil
}

// shape gives the model the vectors that the state says it has.
func (m *model) shape(s otherState, step int) error {
	if len(s.GroupSteps) != len(m.groups) {
		return fmt.Errorf("%s: step counts of %d groups, but the network has %d", metaState, len(s.GroupSteps), len(m.groups))
	}
	for i, g := range m.groups {
		if n := s.GroupSteps[i]; n < 0 || n > step {
			return fmt.Errorf("%s: group %d has taken %d of %d steps", metaState, i, n, step)
		}
		g.Steps = s.GroupSteps[i]
		resizeMoments(g, s.Moments)
		if s.Start {
			m.start = append(m.start, make([]float32, len(g.Theta)))
		}
		if s.Coherence {
			m.tau = append(m.tau, make([]float32, len(g.Theta)))
		}
	}
	return nil
}

// load reads the tensors into their own memory.
func load(f *safetensors.File, into []safetensors.Tensor) error {
	for _, t := range into {
		if err := f.Read(t.Name, t.Shape, t.Data); err != nil {
			return err
		}
	}
	return nil
}
