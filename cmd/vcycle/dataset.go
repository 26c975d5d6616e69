package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/vcycle-go/vcycle/internal/mapped"
	"github.com/vcycle-go/vcycle/internal/shards"
	"github.com/vcycle-go/vcycle/internal/token"
	"github.com/vcycle-go/vcycle/multilevel"
)

// dataset is what a run trains on: text as bytes or tokens in memory, or shards that are mapped into it.
type dataset struct {
	source    multilevel.Source
	tokenizer *token.Tokenizer
	path      string
	goSource  bool
	size      int64  // bytes of what was read
	memory    int64  // bytes that it takes
	loading   int64  // bytes that reading them took at the most
	mapped    int64  // bytes of files that are mapped into memory
	sha256    string // of what was read
	about     string // one line for people
}

// vocab returns the vocabulary that a network for these data needs.
func (d *dataset) vocab() int { return d.tokenizer.Vocab() }

// loadDataset reads the data that the settings name.
func loadDataset(ctx context.Context, set settings) (*dataset, error) {
	if set.Data != "" && shards.Is(set.Data) {
		return loadShards(set)
	}
	t, named := token.Bytes(), ""
	if set.Tokenizer != "" {
		var err error
		if t, err = openTokenizer(set.Tokenizer); err != nil {
			return nil, err
		}
		if t != token.Bytes() {
			named = set.Tokenizer
		}
	}
	c, err := loadCorpus(ctx, set.Data, named, set.Context)
	if err != nil {
		return nil, err
	}
	d := &dataset{tokenizer: t, path: c.path, goSource: c.goSource, size: c.bytes(), memory: c.bytes(), sha256: c.sha256, about: c.describe()}
	seed := uint64(set.Seed)
	if !c.mapped {
		d.loading = c.bytes()
		if c.files > 1 {
			d.loading *= 2 // they are read whole, and then put together
		}
	}
	if t == token.Bytes() {
		d.source, err = c.source(set.Context, seed)
		if c.mapped {
			d.memory, d.mapped = 0, c.bytes()
		}
	} else {
		var train, val *shards.Tokens
		train, err = encodeAll(t, c.train)
		if err == nil {
			val, err = encodeAll(t, c.val)
		}
		if err != nil {
			return nil, badf("--data %s: %w", c.path, err)
		}
		d.memory = (train.Len() + val.Len()) * int64(shards.TokenBytes(t.Vocab()))
		if !c.mapped {
			d.loading = max(d.loading, c.bytes()+d.memory)
		}
		d.sha256 = fmt.Sprintf("%x", sha256.Sum256([]byte(c.sha256+t.SHA256())))
		d.about += fmt.Sprintf("; %s and %s tokens", commas(train.Len()), commas(val.Len()))
		d.source, err = multilevel.NewWindows(train, val, t.Vocab(), set.Context, seed, d.sha256)
	}
	if err != nil {
		return nil, badf("--data %s: %w", c.path, err)
	}
	return d, nil
}

// mappedText is a source of bytes of a file that is mapped into memory.
type mappedText struct {
	*multilevel.Bytes
	path string
	err  error
}

// Batch implements multilevel.Source. Where the file cannot be read, Err tells.
func (m *mappedText) Batch(step int, tokens, targets []int32) {
	if err := mapped.Guard(func() { m.Bytes.Batch(step, tokens, targets) }); err != nil {
		m.err = cmp.Or(m.err, fmt.Errorf("%s: %w", m.path, err))
		clear(tokens)
		clear(targets)
	}
}

// Err returns the first error of Batch. multilevel.Trainer asks for it.
func (m *mappedText) Err() error { return m.err }

// source returns the text as a source of bytes.
func (c *corpus) source(context int, seed uint64) (multilevel.Source, error) {
	if !c.mapped {
		return multilevel.NewBytes(c.train, c.val, context, seed)
	}
	m := &mappedText{path: c.path}
	var err error
	if e := mapped.Guard(func() { m.Bytes, err = multilevel.NewBytes(c.train, c.val, context, seed) }); e != nil {
		return nil, e
	}
	return m, err
}

// loadShards maps a directory of shards.
func loadShards(set settings) (*dataset, error) {
	s, err := shards.Open(set.Data)
	if err != nil {
		return nil, badf("--data: %w", plainPathError(err))
	}
	if set.Tokenizer != "" {
		t, err := openTokenizer(set.Tokenizer)
		if err != nil {
			return nil, err
		}
		if !t.Equal(s.Tokenizer) {
			return nil, badf("--tokenizer %s is not the one that the data in %s were prepared with: leave it out", set.Tokenizer, set.Data)
		}
	}
	m := s.Manifest
	d := &dataset{
		tokenizer: s.Tokenizer, path: set.Data, size: (m.Train.Tokens + m.Val.Tokens) * int64(m.TokenBytes),
		mapped: (m.Train.Tokens + m.Val.Tokens) * int64(m.TokenBytes),
		sha256: shardsDigest(m), about: "shards " + set.Data + ": " + describeManifest(m),
	}
	d.source, err = multilevel.NewWindows(s.Train, s.Val, m.Tokenizer.Vocab, set.Context, uint64(set.Seed), d.sha256)
	if err != nil {
		return nil, badf("--data %s: %w", set.Data, err)
	}
	return d, nil
}

// shardsDigest stands for all tokens of a directory: it is that of the digests of the shards.
func shardsDigest(m *shards.Manifest) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", m.Tokenizer.SHA256)
	for _, p := range []shards.Part{m.Train, m.Val} {
		for _, s := range p.Shards {
			fmt.Fprintf(h, "%d %s\n", s.Tokens, s.SHA256)
		}
		fmt.Fprintln(h)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// encodeAll returns the tokens of text, which may be mapped, as narrow as shards hold them. All processors encode,
// in parts: the result is the same for any number.
func encodeAll(t *token.Tokenizer, text []byte) (*shards.Tokens, error) {
	const size = 1 << 20
	var parts [][]byte
	err := mapped.Guard(func() {
		for len(text) > size {
			n := size
			if c := token.Cut(text[:size]); c > 0 {
				n = c
			} else {
				n = len(text) // nowhere to cut it
			}
			parts, text = append(parts, text[:n]), text[n:]
		}
	})
	if err != nil {
		return nil, err
	}
	parts = append(parts, text)
	errs := make([]error, len(parts))
	encoded := make([][]byte, len(parts))
	width := shards.TokenBytes(t.Vocab())
	todo := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(parts)) {
		wg.Go(func() {
			e := t.NewEncoder()
			var ids []int32
			for i := range todo {
				if errs[i] = mapped.Guard(func() { ids = e.Append(ids[:0], parts[i]) }); errs[i] != nil {
					continue
				}
				encoded[i] = shards.Append(make([]byte, 0, len(ids)*width), ids, width)
			}
		})
	}
	for i := range parts {
		todo <- i
	}
	close(todo)
	wg.Wait()
	return shards.InMemory(encoded, t.Vocab()), cmp.Or(errs...)
}

// describeLoss returns a loss in nats per token for people, with what it is per byte of the text that the
// targets stand for: that can be compared between tokenizers.
func (d *dataset) describeLoss(loss float64) string {
	_, targets := d.source.Validation()
	return describeLoss(d.tokenizer, loss, int64(len(targets)), d.tokenizer.TextBytes(targets))
}

func describeLoss(t *token.Tokenizer, loss float64, tokens, bytes int64) string {
	return fmt.Sprintf("%.4f nats per %s, %.4f bits per byte", loss, lossUnit(t), bitsPerByte(loss, tokens, bytes))
}

// lossUnit returns what losses are per.
func lossUnit(t *token.Tokenizer) string {
	if t == token.Bytes() {
		return "byte"
	}
	return "token"
}

// bitsPerByte returns the bits that a model of so many nats per token takes for a byte of text.
func bitsPerByte(loss float64, tokens, bytes int64) float64 {
	return loss * float64(tokens) / (math.Ln2 * float64(bytes))
}

// tokenizerFile is where a run keeps its tokenizer; a run of bytes has none.
func (d runDir) tokenizer() string { return filepath.Join(string(d), shards.TokenizerFile) }

// saveTokenizer writes the tokenizer of a run.
func (d runDir) saveTokenizer(t *token.Tokenizer) error {
	if t == token.Bytes() {
		return nil
	}
	return writeFile(d.tokenizer(), t.JSON())
}

// loadTokenizer returns the tokenizer of a run whose network has so many tokens.
func (d runDir) loadTokenizer(vocab int) (*token.Tokenizer, error) {
	t, err := token.Load(d.tokenizer())
	if errors.Is(err, fs.ErrNotExist) {
		if vocab != token.Bytes().Vocab() {
			return nil, badf("%s has a vocabulary of %d tokens, and there is no %s that says what they are", d, vocab, shards.TokenizerFile)
		}
		return token.Bytes(), nil
	}
	if err != nil {
		return nil, badInput{err}
	}
	if t.Vocab() > vocab {
		return nil, badf("%s has %d tokens, but the network of the run has %d", d.tokenizer(), t.Vocab(), vocab)
	}
	return t, nil
}
