package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
)

// manifest is checkpoint/manifest.json: the checkpoints of a run, in the order in which they were written, with
// what their files hold. It is written last, as a whole: what it does not name has not been written to the end.
type manifest struct {
	Version     int          `json:"version"`
	Checkpoints []checkpoint `json:"checkpoints"`
	// Files are the digests of what the run does not change, by name.
	Files map[string]atomicfile.Digest `json:"files,omitempty"`
	// SHA256 is that of the manifest itself, with nothing here.
	SHA256 string `json:"sha256"`
}

// checkpoint is one of them.
type checkpoint struct {
	Step      int    `json:"step"`
	Rollbacks int    `json:"rollbacks,omitempty"` // that the run had behind it
	File      string `json:"file"`
	atomicfile.Digest
	ValLoss *float64 `json:"val_loss,omitempty"` // measured after the step
}

const (
	manifestVersion = 1
	maxManifest     = 1 << 20    // bytes
	damagedSuffix   = ".damaged" // of a file that is kept, but out of the way
)

func (d runDir) manifest() string { return filepath.Join(d.checkpoints(), "manifest.json") }

// path returns where a checkpoint of the run is.
func (d runDir) path(c checkpoint) string { return filepath.Join(d.checkpoints(), c.File) }

// checkpoint returns where that of a step is, in a run without rollbacks.
func (d runDir) checkpoint(step int) string {
	return filepath.Join(d.checkpoints(), checkpointFile(step, 0))
}

// checkpointFile names the file of a checkpoint. A run that has gone back to a step and goes on from there with
// another rate has two of that step, of which the second must not replace the first before the manifest says so.
func checkpointFile(step, rollbacks int) string {
	if rollbacks > 0 {
		return fmt.Sprintf("step-%08d-rollback-%d.safetensors", step, rollbacks)
	}
	return fmt.Sprintf("step-%08d.safetensors", step)
}

// parseCheckpointFile returns what the name of a checkpoint says, and whether it is one.
func parseCheckpointFile(name string) (c checkpoint, ok bool) {
	c.File = name
	if n, _ := fmt.Sscanf(name, "step-%d-rollback-%d.safetensors", &c.Step, &c.Rollbacks); n < 2 {
		c.Rollbacks = 0
		fmt.Sscanf(name, "step-%d.safetensors", &c.Step)
	}
	return c, c.Step >= 0 && c.Rollbacks >= 0 && checkpointFile(c.Step, c.Rollbacks) == name
}

// parseManifest refuses what no run writes.
func parseManifest(text []byte) (manifest, error) {
	m, err := decodeManifest(text)
	if err != nil {
		return m, err
	}
	if whole, err := m.marshal(); err != nil || !bytes.Equal(whole, text) {
		return m, errors.New("it does not have the SHA-256 that was stored in it")
	}
	return m, nil
}

// decodeManifest is parseManifest without its own digest.
func decodeManifest(text []byte) (m manifest, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, err
	}
	if m.Version != manifestVersion {
		return m, fmt.Errorf("its layout is version %d; this program reads %d", m.Version, manifestVersion)
	}
	for i, c := range m.Checkpoints {
		if named, ok := parseCheckpointFile(c.File); !ok || named.Step != c.Step || named.Rollbacks != c.Rollbacks {
			return m, fmt.Errorf("%q is not the file of step %d", c.File, c.Step)
		}
		if c.ValLoss != nil && (math.IsNaN(*c.ValLoss) || math.IsInf(*c.ValLoss, 0)) {
			return m, fmt.Errorf("%s: a loss of %v", c.File, *c.ValLoss)
		}
		if slices.ContainsFunc(m.Checkpoints[:i], func(b checkpoint) bool { return b.File == c.File }) {
			return m, fmt.Errorf("%s is there twice", c.File)
		}
		if err := checkDigest(c.File, c.Digest); err != nil {
			return m, err
		}
	}
	for name, digest := range m.Files {
		if err := checkDigest(name, digest); err != nil {
			return m, err
		}
	}
	return m, nil
}

func checkDigest(name string, d atomicfile.Digest) error {
	if b, err := hex.DecodeString(d.SHA256); err != nil || len(b) != 32 || d.Bytes < 0 {
		return fmt.Errorf("%q: %d bytes with SHA-256 %q", name, d.Bytes, d.SHA256)
	}
	return nil
}

// readManifest returns the manifest of a run. Of one without, as older versions wrote, or whose manifest cannot
// be read, which damage then says, it names the files there are, without what they hold.
func (d runDir) readManifest() (m manifest, damage, err error) {
	entries, err := os.ReadDir(d.checkpoints())
	if err != nil {
		return m, nil, plainPathError(err)
	}
	info, err := os.Stat(d.manifest())
	if err == nil {
		if info.Size() > maxManifest {
			damage = fmt.Errorf("%s: %d bytes are more than any run writes", d.manifest(), info.Size())
		} else if text, err := os.ReadFile(d.manifest()); err != nil {
			damage = plainPathError(err)
		} else if m, err = parseManifest(text); err == nil {
			return m, nil, nil
		} else {
			damage = fmt.Errorf("%s is damaged: %w", d.manifest(), err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		damage = plainPathError(err)
	}
	m = manifest{Version: manifestVersion}
	for _, e := range entries {
		if c, ok := parseCheckpointFile(e.Name()); ok {
			m.Checkpoints = append(m.Checkpoints, c)
		}
	}
	slices.SortFunc(m.Checkpoints, func(a, b checkpoint) int {
		return cmp.Or(cmp.Compare(a.Rollbacks, b.Rollbacks), cmp.Compare(a.Step, b.Step))
	})
	return m, damage, nil
}

// check returns an error unless the file holds what the manifest says.
func (d runDir) check(c checkpoint) error {
	if c.SHA256 == "" {
		return nil // of a run without a manifest; the file has a digest of its own
	}
	return checkFile(d.path(c), c.Digest)
}

func checkFile(path string, want atomicfile.Digest) error {
	info, err := os.Stat(path)
	if err != nil {
		return plainPathError(err)
	}
	if n := info.Size(); n < want.Bytes {
		return fmt.Errorf("%s is truncated: it has %d bytes of %d", path, n, want.Bytes)
	}
	got, err := atomicfile.Sum(path)
	if err != nil {
		return plainPathError(err)
	}
	if got != want {
		return fmt.Errorf("%s is damaged: it has %d bytes with SHA-256 %.12s…, but %d bytes with %.12s… were written", path, got.Bytes, got.SHA256, want.Bytes, want.SHA256)
	}
	return nil
}

// unchanged returns an error if a file that a run does not change is not as the manifest says.
func (m manifest) unchanged(path string) error {
	if want, ok := m.Files[filepath.Base(path)]; ok {
		return checkFile(path, want)
	}
	return nil
}

// best returns the checkpoint with the lowest validation loss, the first of several.
func (m manifest) best() (checkpoint, bool) {
	i := -1
	for j, c := range m.Checkpoints {
		if c.ValLoss != nil && (i < 0 || *c.ValLoss < *m.Checkpoints[i].ValLoss) {
			i = j
		}
	}
	if i < 0 {
		return checkpoint{}, false
	}
	return m.Checkpoints[i], true
}

// last returns the newest checkpoint.
func (m manifest) last() (checkpoint, bool) {
	if n := len(m.Checkpoints); n > 0 {
		return m.Checkpoints[n-1], true
	}
	return checkpoint{}, false
}

// with returns the manifest with c as its newest, without those that need not be kept: all but the last keep,
// and what also says.
func (m manifest) with(c checkpoint, keep int, also func(m manifest, c checkpoint) bool) manifest {
	all := m
	all.Checkpoints = append(slices.DeleteFunc(slices.Clone(m.Checkpoints), func(b checkpoint) bool {
		return b.File == c.File || b.Step > c.Step // of the way that the run has gone back from
	}), c)
	kept := all
	kept.Checkpoints = nil
	for i, c := range all.Checkpoints {
		if i >= len(all.Checkpoints)-keep || also(all, c) {
			kept.Checkpoints = append(kept.Checkpoints, c)
		}
	}
	return kept
}

// marshal returns the text of the manifest, which has one form.
func (m manifest) marshal() ([]byte, error) {
	m.SHA256 = ""
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	m.SHA256 = hex.EncodeToString(sum[:])
	text, err = json.MarshalIndent(m, "", "  ")
	return append(text, '\n'), err
}

// writeManifest replaces the manifest.
func (d runDir) writeManifest(m manifest) error {
	text, err := m.marshal()
	if err != nil {
		return err
	}
	_, err = atomicfile.WriteVerified(d.manifest(), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	return err
}

// prune removes the checkpoints that the manifest does not name, and what an interrupted save left. It returns
// the first error.
func (d runDir) prune(m manifest) error {
	entries, err := os.ReadDir(d.checkpoints())
	if err != nil {
		return plainPathError(err)
	}
	for _, e := range entries {
		_, old := parseCheckpointFile(e.Name())
		old = old && !slices.ContainsFunc(m.Checkpoints, func(c checkpoint) bool { return c.File == e.Name() })
		if !old && !strings.HasSuffix(e.Name(), ".tmp") {
			continue
		}
		if e := atomicfile.Remove(filepath.Join(d.checkpoints(), e.Name())); e != nil && err == nil {
			err = plainPathError(e)
		}
	}
	return err
}

// setAside keeps the checkpoints after the one that the run goes back to, which cannot be read, out of its
// way, and returns the manifest without them.
func (d runDir) setAside(m manifest, back checkpoint) (manifest, error) {
	i := slices.IndexFunc(m.Checkpoints, func(c checkpoint) bool { return c.File == back.File })
	rest := m
	rest.Checkpoints = nil
	for _, c := range m.Checkpoints[:i+1] {
		var err error
		if c.SHA256 == "" { // its name alone is known
			c.Digest, err = atomicfile.Sum(d.path(c))
		}
		if err == nil {
			rest.Checkpoints = append(rest.Checkpoints, c)
		}
	}
	if i == len(m.Checkpoints)-1 {
		return rest, nil
	}
	if err := d.writeManifest(rest); err != nil {
		return rest, err
	}
	return rest, d.keepDamaged(m.Checkpoints, back)
}

// keepDamaged renames the checkpoints that come after back, which cannot be read: they are kept, and in nobody's way.
func (d runDir) keepDamaged(oldestFirst []checkpoint, back checkpoint) error {
	i := slices.IndexFunc(oldestFirst, func(c checkpoint) bool { return c.File == back.File })
	for _, c := range oldestFirst[i+1:] {
		err := atomicfile.Rename(d.path(c), d.path(c)+damagedSuffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return plainPathError(err)
		}
	}
	return nil
}

// steps returns the steps of the checkpoints there are, newest first.
func (d runDir) steps() ([]int, error) {
	m, _, err := d.readManifest()
	if err != nil {
		return nil, err
	}
	var steps []int
	for _, c := range slices.Backward(m.Checkpoints) {
		steps = append(steps, c.Step)
	}
	return steps, nil
}

// openRun returns the manifest of a run, and warns if it cannot be read.
func (d runDir) openRun(s *session) (manifest, error) {
	m, damage, err := d.readManifest()
	if err != nil {
		return m, badf("%s is not the directory of a run: %w", d, err)
	}
	if damage != nil {
		s.warn("%v; going by the names of the files, which have digests of their own", damage)
	}
	return m, nil
}

// newest opens the newest checkpoint that is whole, with open, and warns of newer ones that are not.
func newest[T any](d runDir, m manifest, s *session, open func(path string) (T, error)) (v T, c checkpoint, err error) {
	var first error
	for _, c := range slices.Backward(m.Checkpoints) {
		v, err := openCheckpoint(d, c, open)
		if err == nil {
			if first != nil {
				s.warn("%v; going back to the checkpoint of step %d", first, c.Step)
			}
			return v, c, nil
		}
		if first == nil {
			first = err
		}
	}
	return v, c, badInput{first}
}

// openCheckpoint opens one that is whole.
func openCheckpoint[T any](d runDir, c checkpoint, open func(path string) (T, error)) (v T, err error) {
	if err := d.check(c); err != nil {
		return v, err
	}
	return open(d.path(c))
}

// Names of checkpoints beside the number of a step.
const (
	lastCheckpoint = "last"
	bestCheckpoint = "best"
)

// checkpointFlags say which checkpoint of a run is meant.
type checkpointFlags struct {
	Checkpoint string `default:"last" placeholder:"last|best|STEP" help:"Which checkpoint of a run: the last, the best (of the lowest validation loss of those that were kept), or that of a step. Default: last."`
}

// check refuses what is none of them.
func (f checkpointFlags) check() error {
	var step int
	if f.Checkpoint == lastCheckpoint || f.Checkpoint == bestCheckpoint {
		return nil
	}
	if _, err := fmt.Sscanf(f.Checkpoint+"\n", "%d\n", &step); err != nil || step < 0 {
		return badf("--checkpoint %s: it is last, best or the number of a step", f.Checkpoint)
	}
	return nil
}

// find returns the one that the flag names, other than last.
func (f checkpointFlags) find(d runDir, m manifest) (checkpoint, error) {
	var there []string
	for _, c := range slices.Backward(m.Checkpoints) {
		there = append(there, fmt.Sprint(c.Step))
		if strings.TrimLeft(f.Checkpoint, "0") == strings.TrimLeft(fmt.Sprint(c.Step), "0") {
			return c, nil
		}
	}
	if f.Checkpoint == bestCheckpoint {
		if c, ok := m.best(); ok {
			return c, nil
		}
		return checkpoint{}, badf("--checkpoint best: no checkpoint of %s has a validation loss", d)
	}
	return checkpoint{}, badf("--checkpoint %s: %s has checkpoints of the steps %s", f.Checkpoint, d, strings.Join(there, ", "))
}
