package main

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"

	"github.com/vcycle-go/vcycle/internal/gpt2"
	"github.com/vcycle-go/vcycle/internal/shards"
	"github.com/vcycle-go/vcycle/internal/token"
	"github.com/vcycle-go/vcycle/multilevel"
	"github.com/vcycle-go/vcycle/nn"
)

// model is a network with its tokenizer.
type model struct {
	decoder   *nn.Decoder
	tokenizer *token.Tokenizer
	named     string // how a flag names the tokenizer
	from      string // the file or directory it is from
}

// openModel returns the model of a directory: a checkpoint of a run, or what Hugging Face's transformers have
// saved. A tokenizer that is named takes the place of the model's own.
func openModel(s *session, dir, tokenizer string, which checkpointFlags) (*model, error) {
	if err := which.check(); err != nil {
		return nil, err
	}
	if gpt2.Is(dir) {
		if which.Checkpoint != lastCheckpoint {
			return nil, badf("--checkpoint %s: %s is no run, and has one model", which.Checkpoint, dir)
		}
		return openHF(dir, tokenizer)
	}
	run := runDir(dir)
	saved, err := run.openRun(s)
	if err != nil {
		return nil, err
	}
	d, c, err := run.openDecoder(s, saved, which)
	if err != nil {
		return nil, err
	}
	m := &model{decoder: d, named: tokenizer, from: run.path(c)}
	if tokenizer != "" {
		m.tokenizer, err = openTokenizer(tokenizer)
	} else if err = saved.unchanged(run.tokenizer()); err != nil {
		return nil, badInput{err}
	} else if m.tokenizer, err = run.loadTokenizer(d.Config().Vocab); err == nil && m.tokenizer != token.Bytes() {
		m.named = run.tokenizer()
	}
	if err != nil {
		return nil, err
	}
	return m, m.check()
}

// openDecoder returns the network of a checkpoint of the run. In place of the last, if that is not whole, the
// one before is taken; one that is asked for must be.
func (d runDir) openDecoder(s *session, m manifest, which checkpointFlags) (*nn.Decoder, checkpoint, error) {
	if len(m.Checkpoints) == 0 {
		return nil, checkpoint{}, badf("%s holds no checkpoint: the run ended before the first was written; start it again with --resume %s", d, d)
	}
	if which.Checkpoint == lastCheckpoint {
		return newest(d, m, s, loadDecoder)
	}
	c, err := which.find(d, m)
	if err != nil {
		return nil, c, err
	}
	decoder, err := openCheckpoint(d, c, loadDecoder)
	if err != nil {
		return nil, c, badInput{err}
	}
	return decoder, c, nil
}

func openHF(dir, tokenizer string) (*model, error) {
	d, t, err := gpt2.ReadHF(dir)
	if err != nil {
		return nil, badInput{plainPathError(err)}
	}
	if tokenizer != "" {
		if t, err = openTokenizer(tokenizer); err != nil {
			return nil, err
		}
	}
	if t == nil {
		return nil, badf("%s has no tokenizer.json: name a tokenizer with --tokenizer (gpt2 is that of OpenAI's models)", dir)
	}
	m := &model{decoder: d, tokenizer: t, named: tokenizer, from: dir}
	if tokenizer == "" && t != token.Bytes() {
		m.named = runDir(dir).tokenizer()
	}
	return m, m.check()
}

func (m *model) check() error {
	if t, v := m.tokenizer.Vocab(), m.decoder.Config().Vocab; t > v {
		return badf("the tokenizer has %d tokens, but the network in %s has %d: it is not the one that the network was trained with", t, m.from, v)
	}
	return nil
}

// apply sets the shape of the network to that of the model, where a flag has not set it, and the levels to
// all blocks from the start.
func (m *model) apply(s *settings, given map[string]bool) error {
	if err := m.regrid(s, given); err != nil {
		return err
	}
	c := m.decoder.Config()
	s.Blocks, s.StepSize, s.StepSizes = c.Blocks, c.StepSize, c.Relative
	for _, f := range []struct {
		key string
		to  any
		is  any
	}{
		{"width", &s.Width, c.Width}, {"heads", &s.Heads, c.Heads}, {"method", &s.Method, c.Method},
	} {
		to := reflect.ValueOf(f.to).Elem()
		if given[f.key] && !reflect.DeepEqual(to.Interface(), f.is) {
			return badf("--init: the network in %s has %s = %v, not %v: leave the flag out", m.from, f.key, f.is, to.Interface())
		}
		to.Set(reflect.ValueOf(f.is))
	}
	if !given["context"] {
		s.Context = c.Context
	}
	if s.Context > c.Context {
		return badf("--init: the network in %s has positions for a context of %d, not %d", m.from, c.Context, s.Context)
	}
	if given["levels"] && (len(s.Levels) != 1 || s.Levels[0] != c.Blocks) || given["multilevel"] && s.Multilevel != multilevel.SingleLevel {
		return badf("--init begins with the network in %s as it is, all of its %s: leave --levels and --multilevel out", m.from, blocks(c.Blocks))
	}
	s.Multilevel, s.Levels, s.LevelFractions = multilevel.SingleLevel, nil, nil
	if s.Tokenizer == "" && !shards.Is(s.Data) {
		s.Tokenizer = m.named
	}
	return nil
}

// regrid takes the network to the grid that the settings ask for, if they do. What of step size and blocks is not
// given follows from the interval, which stays.
func (m *model) regrid(s *settings, given map[string]bool) error {
	c := m.decoder.Config()
	end := c.Grid().Time(c.Blocks)
	step := given["step_size"] || s.StepSize != defaultSettings().StepSize
	sum := float64(c.Blocks)
	switch {
	case len(s.StepSizes) > 0:
		c.Blocks, c.Relative, sum = len(s.StepSizes), s.StepSizes, 0
		for _, r := range s.StepSizes {
			sum += r
		}
	case s.Blocks > 0:
		c.Blocks, c.Relative, sum = s.Blocks, nil, float64(s.Blocks)
	case step:
		c.Blocks, c.Relative = int(math.Round(min(max(0, end/s.StepSize), math.MaxInt32))), nil
	default:
		return nil
	}
	if c.StepSize = end / sum; step {
		c.StepSize = s.StepSize
	}
	d, err := multilevel.Regrid(m.decoder, c, s.Theta)
	if err != nil {
		return badf("--init: %w", err)
	}
	m.decoder = d
	return nil
}

// fill copies the parameters to a network of the same shape, whose context may be shorter.
func (m *model) fill(d *nn.Decoder) error {
	from, to := m.decoder.Groups(), d.Groups()
	if len(from) != len(to) {
		return badf("--init: the network in %s has %s, not %d", m.from, blocks(len(from)-1), len(to)-1)
	}
	for i, g := range to {
		for j, e := range g.Entries {
			source := from[i].Entries[j]
			same := reflect.DeepEqual(e.Shape, source.Shape) ||
				e.Name == "wpe.weight" && e.Shape[1] == source.Shape[1] && e.Shape[0] <= source.Shape[0]
			if !same {
				return badf("--init: %s in %s has shape %v, not %v", e.Name, m.from, source.Shape, e.Shape)
			}
			copy(g.Theta[e.Offset:e.Offset+e.Len()], from[i].Theta[source.Offset:])
		}
	}
	return nil
}

// describe returns one line for people.
func (m *model) describe() string {
	c := m.decoder.Config()
	return fmt.Sprintf("%s: %s (%s, h = %s), width %d, %s, context %d, vocabulary %s: %s parameters", filepath.ToSlash(m.from),
		blocks(c.Blocks), c.Method, stepSizes(c), c.Width, plural(c.Heads, "head"), c.Context, commas(int64(c.Vocab)), commas(int64(c.Parameters())))
}
