package multilevel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
	"github.com/vcycle-go/vcycle/internal/safetensors"
)

// TestResume: a run that is interrupted after any number of steps, before the first, at the changes of
// level and after the last among them, ends with the same bits and metrics.
func TestResume(t *testing.T) {
	for name, o := range variants() {
		whole := newTiny(t, o)
		metrics := steps(t, whole, -1)
		want := stateBits(whole)
		path := filepath.Join(t.TempDir(), "checkpoint")
		for n := range o.Steps + 1 {
			if _, err := scheduleOf(name); err == nil && name != MGOPT && name != Reference && n%4 != 1 {
				continue // a save waits for the disk
			}
			first := newTiny(t, o)
			steps(t, first, n)
			if err := first.Save(path); err != nil {
				t.Fatal(err)
			}
			second, err := Resume(path, tinySource(t, o))
			if err != nil {
				t.Fatalf("%s, after %d steps: %v", name, n, err)
			}
			if n > 0 && !slices.Equal(stateBits(second), stateBits(first)) {
				t.Errorf("%s, after %d steps: the state is not what was saved", name, n)
			}
			if got := steps(t, second, -1); len(got) != len(metrics[n:]) || len(got) > 0 && !reflect.DeepEqual(got, metrics[n:]) {
				t.Errorf("%s, resumed after %d steps: metrics %+v, want %+v", name, n, got, metrics[n:])
			}
			if !slices.Equal(stateBits(second), want) {
				t.Errorf("%s, resumed after %d steps: other bits than the uninterrupted run", name, n)
			}
			if second.total().WallSeconds <= first.total().WallSeconds && n < o.Steps {
				t.Errorf("%s, resumed after %d steps: the time before is not counted", name, n)
			}
		}
	}
}

// TestResumeAfterChange: a step that fails may have changed the level before; what it left can be saved.
func TestResumeAfterChange(t *testing.T) {
	o := tiny()
	first := newTiny(t, o)
	steps(t, first, 3)
	if err := first.enter(1); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "checkpoint")
	if err := first.Save(path); err != nil {
		t.Fatal(err)
	}
	if second, err := Resume(path, tinySource(t, o)); err != nil {
		t.Error(err)
	} else if !slices.Equal(stateBits(second), stateBits(first)) {
		t.Error("other bits")
	}
}

// TestSaveChangesNothing: neither saving nor validating disturbs a run.
func TestSaveChangesNothing(t *testing.T) {
	plain, disturbed := newTiny(t, tiny()), newTiny(t, tiny())
	steps(t, plain, -1)
	for !disturbed.Done() {
		if _, err := disturbed.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := disturbed.Save(filepath.Join(t.TempDir(), "x")); err != nil {
			t.Fatal(err)
		}
		steps(t, disturbed, 1)
	}
	if !slices.Equal(stateBits(plain), stateBits(disturbed)) {
		t.Error("other bits")
	}
}

func TestLoadDecoder(t *testing.T) {
	tr := newTiny(t, tiny())
	path := filepath.Join(t.TempDir(), "checkpoint")
	for _, n := range []int{0, 4, 4} { // before the first step, on level 2, at the end
		steps(t, tr, n)
		if err := tr.Save(path); err != nil {
			t.Fatal(err)
		}
		d, o, err := LoadDecoder(path)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(d.Config(), tr.decoder.Config()) || o.Steps != 8 {
			t.Errorf("after %d steps: %+v", tr.step, d.Config())
		}
		for i, g := range d.Groups() {
			if !slices.Equal(g.Theta, tr.groups[i].Theta) {
				t.Errorf("after %d steps: %s differs", tr.step, g.Name)
			}
		}
	}
}

// TestTensorNames: GPT-2's names and shapes, so that other programs find their way.
func TestTensorNames(t *testing.T) {
	tr := newTiny(t, tiny())
	steps(t, tr, 4)
	shapes := map[string][]int{}
	total := 0
	for _, x := range tensors(tr.groups) {
		shapes[x.Name] = x.Shape
		total += len(x.Data)
	}
	for name, want := range map[string][]int{
		"wte.weight": {256, 8}, "wpe.weight": {8, 8}, "ln_f.weight": {8}, "ln_f.bias": {8},
		"h.0.ln_1.weight": {8}, "h.0.ln_1.bias": {8}, "h.0.ln_2.weight": {8}, "h.0.ln_2.bias": {8},
		"h.1.attn.c_attn.weight": {8, 24}, "h.1.attn.c_attn.bias": {24},
		"h.1.attn.c_proj.weight": {8, 8}, "h.1.attn.c_proj.bias": {8},
		"h.1.mlp.c_fc.weight": {8, 32}, "h.1.mlp.c_fc.bias": {32},
		"h.1.mlp.c_proj.weight": {32, 8}, "h.1.mlp.c_proj.bias": {8},
		"optimizer.wte.weight.m": {256, 8}, "optimizer.h.1.mlp.c_proj.weight.v": {32, 8},
	} {
		if !slices.Equal(shapes[name], want) {
			t.Errorf("%s: shape %v, want %v", name, shapes[name], want)
		}
	}
	if want := 3 * tr.decoder.Config().Parameters(); total != want {
		t.Errorf("%d values, want %d: parameters and two moments", total, want)
	}
}

// checkpoint returns a file with the trainer's state, changed.
func checkpoint(t *testing.T, tr *Trainer, change func(meta map[string]string, x []safetensors.Tensor) []safetensors.Tensor) []byte {
	t.Helper()
	meta, err := tr.metadata()
	if err != nil {
		t.Fatal(err)
	}
	x := change(meta, tr.tensors())
	var b bytes.Buffer
	if err := safetensors.Write(&b, meta, x); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestResumeRefuses(t *testing.T) {
	tr := newTiny(t, tiny())
	steps(t, tr, 4)
	replace := func(key, old, new string) []byte {
		return checkpoint(t, tr, func(meta map[string]string, x []safetensors.Tensor) []safetensors.Tensor {
			if !strings.Contains(meta[key], old) {
				t.Fatalf("%s has no %s: %s", key, old, meta[key])
			}
			meta[key] = strings.Replace(meta[key], old, new, 1)
			return x
		})
	}
	edit := func(change func(x []safetensors.Tensor) []safetensors.Tensor) []byte {
		return checkpoint(t, tr, func(_ map[string]string, x []safetensors.Tensor) []safetensors.Tensor { return change(x) })
	}
	good := edit(func(x []safetensors.Tensor) []safetensors.Tensor { return x })
	flip := func(at int) []byte { c := bytes.Clone(good); c[at] ^= 4; return c }
	foreign := checkpoint(t, tr, func(meta map[string]string, x []safetensors.Tensor) []safetensors.Tensor {
		maps.DeleteFunc(meta, func(string, string) bool { return true })
		return x
	})
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "too few"},
		{"text", []byte("step,loss\n1,5.5\n2,5.4\n"), "does not fit"},
		{"half of the header", good[:100], "does not fit"},
		{"the header alone", good[:8+binary.LittleEndian.Uint64(good)], "of data"},
		{"half", good[:len(good)/2], "of data"},
		{"a byte short", good[:len(good)-1], "of data"},
		{"a byte long", append(bytes.Clone(good), 0), "of data"},
		{"bit of the data", flip(len(good) - 1000), "data are damaged"},
		{"bit of the options", flip(bytes.Index(good, []byte("0.002"))), "header is damaged"},
		{"foreign", foreign, "not a checkpoint"},
		{"another layout", replace(metaVersion, checkpointVersion, "1"), "version 1"},
		{"unknown option", replace(metaOptions, `"lr"`, `"rate"`), "rate"},
		{"bad option", replace(metaOptions, `"heads":2`, `"heads":3`), "divisible"},
		{"huge", replace(metaOptions, `"width":8`, `"width":1048576`), "more than a file"},
		{"no options", replace(metaOptions, `{`, ``), metaOptions},
		{"later step", replace(metaState, `"step":4`, `"step":9`), "step 9 of 8"},
		{"stage", replace(metaState, `"stage":1`, `"stage":3`), "stage 4 of 3"},
		{"stage to come", replace(metaState, `"stage":1`, `"stage":2`), "stage 3 after 4 steps: it should be 2"},
		{"stage before", replace(metaState, `"stage":1`, `"stage":0`), "stage 1 after 4 steps: it should be 2"},
		{"negative group steps", replace(metaState, `"group_steps":[4`, `"group_steps":[-5`), "has taken -5 of 4 steps"},
		{"later group steps", replace(metaState, `"group_steps":[4`, `"group_steps":[5`), "has taken 5 of 4 steps"},
		{"more groups", replace(metaState, `"group_steps":[`, `"group_steps":[4,`), "step counts of 4 groups"},
		{"another level", replace(metaState, `"blocks":2`, `"blocks":3`), "costs of level 2"},
		{"costs", replace(metaState, `"costs":[`, `"costs":[{},`), "costs of 4 levels"},
		{"other data", replace(metaState, `sha256:`, `sha256:0`), "other data"},
		{"missing", edit(func(x []safetensors.Tensor) []safetensors.Tensor { return x[1:] }), `"wte.weight" is missing`},
		{"missing moment", edit(func(x []safetensors.Tensor) []safetensors.Tensor { return x[:len(x)-1] }), ".v\" is missing"},
		{"extra", edit(func(x []safetensors.Tensor) []safetensors.Tensor {
			return append(x, safetensors.Tensor{Name: "h.9.x", Shape: []int{1}, Data: []float32{0}})
		}), `"h.9.x" belongs to nothing`},
		{"shape", edit(func(x []safetensors.Tensor) []safetensors.Tensor { x[0].Shape = []int{8, 256}; return x }), "shape [8 256], not [256 8]"},
	} {
		path := filepath.Join(t.TempDir(), "checkpoint")
		if err := os.WriteFile(path, c.file, 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := Resume(path, tinySource(t, tiny()))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q and the path in one line", c.name, err, c.want)
		}
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if _, err := Resume(path, tinySource(t, tiny())); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}

// TestEveryBit: no bit of the header or of the first tensors can be wrong unnoticed.
func TestEveryBit(t *testing.T) {
	tr := newTiny(t, tiny())
	steps(t, tr, 1)
	good := checkpoint(t, tr, func(_ map[string]string, x []safetensors.Tensor) []safetensors.Tensor { return x })
	path := filepath.Join(t.TempDir(), "checkpoint")
	for i := 0; i < len(good); i += 997 { // coprime to every size in the file
		c := bytes.Clone(good)
		c[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, c, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, _, err := LoadDecoder(path); err == nil {
			t.Errorf("bit %d of byte %d flipped: no error", i%8, i)
		}
	}
}

// TestSaveFull: a save that fails, at whatever operation on the file, leaves what was there, and nothing else.
func TestSaveFull(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "checkpoint")
	tr := newTiny(t, tiny())
	steps(t, tr, 1)
	if err := tr.Save(path); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	steps(t, tr, 1)
	full := errors.New("no space left on device")
	defer func() { atomicfile.Fault = nil }()
	for fail := 0; ; fail++ {
		n, last := 0, ""
		atomicfile.Fault = func(operation, _ string) error {
			if n++; n == fail+1 {
				last = operation
				return full
			}
			return nil
		}
		err := tr.Save(path)
		if last == "sync directory" || last == "" { // it has been renamed by then
			if fail < 50 {
				t.Errorf("only %d operations", fail)
			}
			break
		}
		if !errors.Is(err, full) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s fails: error %v", last, err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, good) {
			t.Errorf("%s fails: the checkpoint before is gone: %v", last, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%s fails: %v, %v", last, entries, err)
		}
	}
}

func TestSaveRefuses(t *testing.T) {
	dir := t.TempDir()
	tr := newTiny(t, tiny())
	if err := tr.Save(filepath.Join(dir, "none", "checkpoint")); err == nil {
		t.Error("a directory that is not there: no error")
	}
	if err := tr.Save(dir); err == nil {
		t.Error("a path that is a directory: no error")
	}
}

var fuzzText = []byte(strings.Repeat("the quick brown fox jumps over the lazy dog; ", 20))

// anyData has whatever fingerprint a checkpoint asks for.
type anyData struct {
	*Bytes
	fingerprint string
}

func (d anyData) Fingerprint() string { return d.fingerprint }

// FuzzResume: a checkpoint whose options and state say anything is refused with an error, or is one that can be
// trained on and saved again.
func FuzzResume(f *testing.F) {
	for _, name := range []string{Nested, MGOPT, Adaptive} {
		o := scheduled(name)
		tr := newTiny(f, o)
		for range 5 {
			if _, err := tr.Step(); err != nil {
				f.Fatal(err)
			}
		}
		meta, err := tr.metadata()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(meta[metaOptions], meta[metaState])
	}
	tr := newTiny(f, tiny())
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, options, text string) {
		var o Options
		if strictJSON(options, &o) != nil || o.Batch > 64 { // a batch takes memory that no file has to hold
			return
		}
		var s state
		if strictJSON(text, &s) != nil {
			return
		}
		src, err := NewBytes(fuzzText, fuzzText, max(1, min(o.Context, 64)), 1)
		if err != nil {
			t.Fatal(err)
		}
		data := anyData{src, s.Data}
		tensors := tr.tensors()
		if n, err := o.parametersAt(s); err == nil && n < 1<<16 { // those that it should have
			if fresh, err := NewTrainer(o, data); err == nil && (s.Adaptive != nil) == (fresh.adaptive != nil) {
				if s.Adaptive != nil {
					fresh.adaptive = s.Adaptive
					fresh.decided()
				}
				if fresh.shape(s) == nil {
					tensors = fresh.tensors()
				}
			}
		}
		path := filepath.Join(dir, "checkpoint")
		var b bytes.Buffer
		if err := safetensors.Write(&b, map[string]string{metaVersion: checkpointVersion, metaOptions: options, metaState: text}, tensors); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		LoadDecoder(path)
		resumed, err := Resume(path, data)
		if err != nil {
			return
		}
		if !resumed.Done() {
			resumed.Step()
		}
		if err := resumed.SaveTo(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}
