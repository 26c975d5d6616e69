package token

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/pkoukk/tiktoken-go-loader/assets"
)

// EndOfText is the text of the token that separates documents.
const EndOfText = "<|endoftext|>"

// Tokenizer is a vocabulary with its merges. It does not change, and any number of goroutines may use it.
type Tokenizer struct {
	name      string
	tokens    [][]byte       // by id; of a special token its text
	special   map[int32]bool // ids that no text encodes to
	bytes     [256]int32     // ids of single bytes
	pairs     *pairTable
	merges    [][2]int32 // the pairs, in the order in which they were learned
	endOfText int32      // -1: none
	sha256    func() string
}

// maxVocab bounds a vocabulary, as the trainer does.
const maxVocab = 1 << 20

// newTokenizer checks that the parts belong together. Every byte must have a token, no two tokens of text
// may be the same, and merges must lead to tokens.
func newTokenizer(name string, tokens [][]byte, special map[int32]bool, merges [][2]int32, endOfText int32) (*Tokenizer, error) {
	if len(tokens) > maxVocab {
		return nil, fmt.Errorf("a vocabulary of %d tokens is more than %d", len(tokens), maxVocab)
	}
	t := &Tokenizer{name: name, tokens: tokens, special: special, merges: merges, endOfText: endOfText}
	ids := make(map[string]int32, len(tokens))
	for i, b := range tokens {
		if special[int32(i)] {
			continue
		}
		if len(b) == 0 {
			return nil, fmt.Errorf("token %d is empty", i)
		}
		if j, ok := ids[string(b)]; ok {
			return nil, fmt.Errorf("tokens %d and %d are the same, %q", j, i, b)
		}
		ids[string(b)] = int32(i)
	}
	for c := range 256 {
		id, ok := ids[string([]byte{byte(c)})]
		if !ok {
			return nil, fmt.Errorf("no token for the byte 0x%02x: this is not a byte-level vocabulary", c)
		}
		t.bytes[c] = id
	}
	t.pairs = newPairTable(len(merges))
	var whole []byte
	for rank, m := range merges {
		whole = append(append(whole[:0], tokens[m[0]]...), tokens[m[1]]...)
		id, ok := ids[string(whole)]
		if !ok {
			return nil, fmt.Errorf("merge %d gives %q, which is not in the vocabulary", rank, whole)
		}
		if _, ok := t.pairs.get(pairOf(m[0], m[1])); ok {
			return nil, fmt.Errorf("merge %d, of %q and %q, is there twice", rank, tokens[m[0]], tokens[m[1]])
		}
		t.pairs.put(pairOf(m[0], m[1]), merged{int32(rank), id})
	}
	t.sha256 = sync.OnceValue(func() string {
		sum := sha256.Sum256(t.JSON())
		return hex.EncodeToString(sum[:])
	})
	return t, nil
}

// byteVocab returns the tokens of single bytes, in order.
func byteVocab() [][]byte {
	tokens := make([][]byte, 256)
	for c := range tokens {
		tokens[c] = []byte{byte(c)}
	}
	return tokens
}

// Bytes returns the tokenizer of text as bytes: a token is a byte. NUL, which no text holds, ends a
// document.
var Bytes = sync.OnceValue(func() *Tokenizer {
	t, err := newTokenizer("bytes", byteVocab(), nil, nil, 0)
	if err != nil {
		panic(err) // the vocabulary above is wrong
	}
	return t
})

// GPT2 returns the tokenizer of GPT-2, with 50,257 tokens.
var GPT2 = sync.OnceValues(gpt2)

// gpt2 reads OpenAI's list of tokens in the order in which they were learned: a line for each, of its bytes
// in base64 and its number. A token was learned as the merge of the two tokens that it is cut into by those
// before it.
func gpt2() (*Tokenizer, error) {
	const size = 50256
	list, err := assets.Assets.ReadFile("r50k_base.tiktoken")
	if err != nil {
		return nil, fmt.Errorf("GPT-2's vocabulary: %w", err)
	}
	tokens := make([][]byte, 0, size+1)
	learned := newPairTable(size)
	e := &Encoder{t: &Tokenizer{pairs: learned}}
	var merges [][2]int32
	for line := range bytes.Lines(list) {
		id := int32(len(tokens))
		encoded, number, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		b, err := base64.StdEncoding.AppendDecode(nil, encoded)
		if err != nil || string(number) != strconv.Itoa(int(id)) || len(b) == 0 {
			return nil, fmt.Errorf("GPT-2's vocabulary: line %d is %q", id+1, line)
		}
		tokens = append(tokens, b)
		if len(b) == 1 {
			e.t.bytes[b[0]] = id
			continue
		}
		parts := e.merge(nil, b)
		if len(parts) != 2 {
			return nil, fmt.Errorf("GPT-2's vocabulary: token %d, %q, is made of %d tokens before it", id, b, len(parts))
		}
		learned.put(pairOf(parts[0], parts[1]), merged{id, id})
		merges = append(merges, [2]int32{parts[0], parts[1]})
	}
	if len(tokens) != size {
		return nil, fmt.Errorf("GPT-2's vocabulary has %d tokens, not %d", len(tokens), size)
	}
	return newTokenizer("gpt2", append(tokens, []byte(EndOfText)), map[int32]bool{size: true}, merges, size)
}

// Open returns the tokenizer that a user names: bytes, gpt2 or the path of a tokenizer.json.
func Open(name string) (*Tokenizer, error) {
	switch name {
	case "bytes":
		return Bytes(), nil
	case "gpt2":
		return GPT2()
	}
	return Load(name)
}

// maxFile bounds a tokenizer.json.
const maxFile = 1 << 28

// Load reads a tokenizer.json. An error names the file and what in it is wrong or not supported.
func Load(path string) (*Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return nil, fmt.Errorf("tokenizer %s: %w (give bytes, gpt2 or the path of a tokenizer.json)", path, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("tokenizer %s: it must be a regular file of at most %d bytes: give bytes, gpt2 or the path of a tokenizer.json", path, maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("tokenizer %s: %w", path, err)
	}
	return t, nil
}

// Name returns bytes, gpt2, or bpe for any other vocabulary.
func (t *Tokenizer) Name() string { return t.name }

// Vocab returns the number of tokens.
func (t *Tokenizer) Vocab() int { return len(t.tokens) }

// Merges returns the number of merges.
func (t *Tokenizer) Merges() int { return len(t.merges) }

// EndOfText returns the token that separates documents, or -1 if there is none.
func (t *Tokenizer) EndOfText() int32 { return t.endOfText }

// Special tells whether no text encodes to the token.
func (t *Tokenizer) Special(id int32) bool { return t.special[id] }

// Token returns the bytes that a token stands for, of a special token its text. The caller does not
// change them. It panics unless 0 ≤ id < Vocab.
func (t *Tokenizer) Token(id int32) []byte { return t.tokens[id] }

// SHA256 returns the digest of JSON in hexadecimal: tokenizers with the same digest give the same tokens.
func (t *Tokenizer) SHA256() string { return t.sha256() }

// Decode appends the bytes of the tokens to dst. It returns an error if a token is not in the vocabulary.
func (t *Tokenizer) Decode(dst []byte, ids []int32) ([]byte, error) {
	for i, id := range ids {
		if id < 0 || int(id) >= len(t.tokens) {
			return dst, fmt.Errorf("token %d at position %d: the vocabulary has %d", id, i, len(t.tokens))
		}
		dst = append(dst, t.tokens[id]...)
	}
	return dst, nil
}

// TextBytes returns how many bytes of text the tokens stand for; what separates documents is no text. All
// must be in the vocabulary.
func (t *Tokenizer) TextBytes(ids []int32) int64 {
	var n int64
	for _, id := range ids {
		if id != t.endOfText && !t.special[id] {
			n += int64(len(t.tokens[id]))
		}
	}
	return n
}

// Encode returns the tokens of text.
func (t *Tokenizer) Encode(text []byte) []int32 { return t.NewEncoder().Append(nil, text) }

// Equal tells whether both give the same tokens.
func (t *Tokenizer) Equal(o *Tokenizer) bool {
	return t == o || t.Vocab() == o.Vocab() && t.SHA256() == o.SHA256()
}
