package shards

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
)

// Names of the files of a directory.
const (
	ManifestFile  = "manifest.json"
	TokenizerFile = "tokenizer.json"
)

const (
	format      = "vcycle-shards"
	version     = 1
	maxManifest = 1 << 28
	maxVocab    = 1 << 20
)

// Manifest describes a directory of shards.
type Manifest struct {
	Format     string    `json:"format"`
	Version    int       `json:"version"`
	Program    string    `json:"program"` // that wrote it
	Licence    string    `json:"licence"` // a note of the user's
	Tokenizer  Tokenizer `json:"tokenizer"`
	TokenBytes int       `json:"token_bytes"` // 1, 2 or 4
	Seed       int64     `json:"seed"`        // of the split
	Validation float64   `json:"validation"`  // share that was asked for
	Duplicates int64     `json:"duplicates"`  // documents left out
	Train      Part      `json:"train"`
	Val        Part      `json:"val"`
	Sources    []Source  `json:"sources"`
}

// Tokenizer is what the tokens are in; it is in TokenizerFile.
type Tokenizer struct {
	Name      string `json:"name"`
	SHA256    string `json:"sha256"`
	Vocab     int    `json:"vocab"`
	EndOfText int32  `json:"end_of_text"`
}

// Part is the training or the validation part.
type Part struct {
	Documents int64   `json:"documents"` // or pieces of one
	TextBytes int64   `json:"text_bytes"`
	Tokens    int64   `json:"tokens"`
	Shards    []Shard `json:"shards"`
}

// Shard is a file.
type Shard struct {
	File   string `json:"file"`
	Tokens int64  `json:"tokens"`
	SHA256 string `json:"sha256"`
}

// Source is a file that the tokens were made from.
type Source struct {
	Path      string `json:"path"`
	Bytes     int64  `json:"bytes"`
	SHA256    string `json:"sha256"`
	Documents int64  `json:"documents"`
}

// TokenBytes returns how many bytes a token of a vocabulary takes.
func TokenBytes(vocab int) int {
	switch {
	case vocab <= 1<<8:
		return 1
	case vocab <= 1<<16:
		return 2
	}
	return 4
}

// Write completes the directory.
func (m *Manifest) Write(dir string) error {
	m.Format, m.Version = format, version
	if err := m.check(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, ManifestFile), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// Is tells whether dir is a complete directory of shards, by its manifest.
func Is(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, ManifestFile))
	return err == nil && info.Mode().IsRegular()
}

// ReadManifest reads and checks the manifest of a directory.
func ReadManifest(dir string) (*Manifest, error) {
	path := filepath.Join(dir, ManifestFile)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxManifest {
		return nil, fmt.Errorf("%s: %d bytes are too many for a manifest", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func parse(text []byte) (*Manifest, error) {
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("not a manifest of shards: %w", err)
	}
	if head.Format != format {
		return nil, fmt.Errorf("not a manifest of shards: its format is %q, not %q", head.Format, format)
	}
	if head.Version != version {
		return nil, fmt.Errorf("version %d is not known, only %d is", head.Version, version)
	}
	m := new(Manifest)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, err
	}
	return m, m.check()
}

// check refuses what cannot be.
func (m *Manifest) check() error {
	t := m.Tokenizer
	switch {
	case t.Vocab < 1 || t.Vocab > maxVocab:
		return fmt.Errorf("a vocabulary of %d tokens: it must have 1 to %d", t.Vocab, maxVocab)
	case m.TokenBytes != TokenBytes(t.Vocab):
		return fmt.Errorf("tokens of %d bytes in a vocabulary of %d: they should have %d", m.TokenBytes, t.Vocab, TokenBytes(t.Vocab))
	case t.EndOfText < 0 || int(t.EndOfText) >= t.Vocab:
		return fmt.Errorf("the end of a text is token %d of %d", t.EndOfText, t.Vocab)
	case !isDigest(t.SHA256):
		return errors.New("the tokenizer has no SHA-256")
	}
	seen := map[string]bool{ManifestFile: true, TokenizerFile: true}
	for _, p := range []struct {
		name string
		Part
	}{{"train", m.Train}, {"val", m.Val}} {
		var sum int64
		for _, s := range p.Shards {
			switch {
			case s.File == "" || s.File != filepath.Base(s.File) || strings.ContainsAny(s.File, `/\:`) || s.File[0] == '.':
				return fmt.Errorf("%s: %q is no name of a file in the directory", p.name, s.File)
			case seen[s.File]:
				return fmt.Errorf("%s: %s is there twice", p.name, s.File)
			case s.Tokens < 1 || s.Tokens > math.MaxInt64/4-sum:
				return fmt.Errorf("%s: %s has %d tokens", p.name, s.File, s.Tokens)
			case !isDigest(s.SHA256):
				return fmt.Errorf("%s: %s has no SHA-256", p.name, s.File)
			}
			seen[s.File] = true
			sum += s.Tokens
		}
		if sum != p.Tokens {
			return fmt.Errorf("%s: the shards have %d tokens, not %d", p.name, sum, p.Tokens)
		}
	}
	return nil
}

func isDigest(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}
