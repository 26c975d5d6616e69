package shards

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	"github.com/vcycle-go/vcycle/internal/mapped"
	"github.com/vcycle-go/vcycle/internal/token"
)

// Set is an open directory of shards.
type Set struct {
	Dir        string
	Manifest   *Manifest
	Tokenizer  *token.Tokenizer
	Train, Val *Tokens
}

// Open maps the shards of a directory. Sizes are checked, tokens when they are read; Verify checks every
// byte. Errors name the file.
func Open(dir string) (*Set, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	s := &Set{Dir: dir, Manifest: m}
	if s.Tokenizer, err = token.Load(filepath.Join(dir, TokenizerFile)); err != nil {
		return nil, err
	}
	if s.Tokenizer.SHA256() != m.Tokenizer.SHA256 || s.Tokenizer.Vocab() != m.Tokenizer.Vocab {
		return nil, fmt.Errorf("%s is not the tokenizer that the manifest records", filepath.Join(dir, TokenizerFile))
	}
	if s.Train, err = openTokens(dir, m, m.Train); err != nil {
		return nil, err
	}
	if s.Val, err = openTokens(dir, m, m.Val); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close unmaps the shards.
func (s *Set) Close() error {
	var err error
	for _, t := range []*Tokens{s.Train, s.Val} {
		if t != nil {
			err = errors.Join(err, t.close())
		}
	}
	return err
}

// Verify compares the SHA-256 of every shard with the manifest. read is told about bytes as they are done.
func Verify(ctx context.Context, dir string, m *Manifest, read io.Writer) error {
	for _, p := range []Part{m.Train, m.Val} {
		for _, s := range p.Shards {
			if err := verify(ctx, filepath.Join(dir, s.File), s, m.TokenBytes, read); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func verify(ctx context.Context, path string, s Shard, width int, read io.Writer) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(sum, read), interruptible{ctx, file})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if n != s.Tokens*int64(width) || hex.EncodeToString(sum.Sum(nil)) != s.SHA256 {
		return fmt.Errorf("%s is damaged: its SHA-256 is not the one in the manifest; prepare the data again", path)
	}
	return nil
}

type interruptible struct {
	ctx context.Context
	io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// Tokens is a part, read as one sequence. Any number of goroutines may read.
type Tokens struct {
	files  [][]byte
	names  []string
	starts []int64 // first token of each file, and the end
	width  int
	vocab  int32
}

func openTokens(dir string, m *Manifest, p Part) (*Tokens, error) {
	t := &Tokens{width: m.TokenBytes, vocab: int32(m.Tokenizer.Vocab), starts: []int64{0}}
	for _, s := range p.Shards {
		data, err := open(filepath.Join(dir, s.File), s.Tokens*int64(t.width))
		if err != nil {
			t.close()
			return nil, err
		}
		t.files, t.names = append(t.files, data), append(t.names, s.File)
		t.starts = append(t.starts, t.Len()+s.Tokens)
	}
	return t, nil
}

// InMemory returns the tokens of parts that Append has made, in TokenBytes(vocab) bytes each, as one sequence.
func InMemory(parts [][]byte, vocab int) *Tokens {
	t := &Tokens{width: TokenBytes(vocab), vocab: int32(vocab), starts: []int64{0}}
	for _, p := range parts {
		t.files, t.names = append(t.files, p), append(t.names, "what has been tokenized")
		t.starts = append(t.starts, t.Len()+int64(len(p)/t.width))
	}
	return t
}

func open(path string, size int64) ([]byte, error) {
	data, err := mapped.Open(path)
	if err != nil {
		return nil, err
	}
	if n := int64(len(data)); n != size {
		mapped.Close(data)
		return nil, fmt.Errorf("%s has %d bytes, but the manifest says %d: prepare the data again", path, n, size)
	}
	return data, nil
}

func (t *Tokens) close() (err error) {
	for i := range t.files {
		err = errors.Join(err, mapped.Close(t.files[i]))
	}
	t.files = nil
	return err
}

// Len returns the number of tokens.
func (t *Tokens) Len() int64 { return t.starts[len(t.starts)-1] }

// Read fills dst with the tokens from the one at on. It returns an error that names the file if it can no longer be
// read or a token is not in the vocabulary, and panics unless 0 ≤ at and at+len(dst) ≤ Len. It allocates nothing.
func (t *Tokens) Read(at int64, dst []int32) error {
	if at < 0 || at+int64(len(dst)) > t.Len() {
		panic(fmt.Sprintf("shards: Read: %d tokens from %d of %d", len(dst), at, t.Len()))
	}
	i := sort.Search(len(t.files), func(i int) bool { return t.starts[i+1] > at })
	for len(dst) > 0 {
		n := min(int64(len(dst)), t.starts[i+1]-at)
		from := (at - t.starts[i]) * int64(t.width)
		var k int
		if err := mapped.Guard(func() { k = t.decode(t.files[i][from:from+n*int64(t.width)], dst[:n]) }); err != nil {
			return fmt.Errorf("%s: %w", t.names[i], err)
		}
		if k < int(n) {
			return fmt.Errorf("%s is damaged: token %d at position %d, in a vocabulary of %d", t.names[i], uint32(dst[k]), at-t.starts[i]+int64(k), t.vocab)
		}
		dst, at, i = dst[n:], at+n, i+1
	}
	return nil
}

// decode returns how many tokens are in the vocabulary before one is not, or all.
func (t *Tokens) decode(b []byte, dst []int32) int {
	switch t.width {
	case 1:
		for i := range dst {
			dst[i] = int32(b[i])
		}
	case 2:
		for i := range dst {
			dst[i] = int32(binary.LittleEndian.Uint16(b[2*i:]))
		}
	default:
		for i := range dst {
			dst[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
		}
	}
	for i, id := range dst {
		if uint32(id) >= uint32(t.vocab) {
			return i
		}
	}
	return len(dst)
}
