package multilevel

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Source is training and validation text as tokens. What it returns is a pure function of its
// construction and of the step, so that a resumed run needs no state of a random generator.
type Source interface {
	// Batch fills tokens and targets, of a multiple of the context each, with the sequences of a step
	// (counted from 0); targets are the tokens shifted by one. It must not allocate or keep the slices. A
	// goroutine of a Trainer's own calls it, one step at a time, beside the other methods.
	Batch(step int, tokens, targets []int32)
	// Validation returns whole sequences that no Batch draws from, the same at each call. The caller
	// does not change them.
	Validation() (tokens, targets []int32)
	// Vocab returns a bound that every token is below.
	Vocab() int
	// Fingerprint identifies the data and the order in which Batch draws from them. Resume refuses a
	// source with another fingerprint.
	Fingerprint() string
}

// maxValidationTokens bounds the cost of a validation, to about that of three training steps of 2,048
// tokens.
const maxValidationTokens = 1 << 14

// Bytes is text read as bytes, a vocabulary of 256: sequence r of step s starts at a position of the
// training text that is uniform in hash(seed, s, r).
type Bytes struct {
	train           []byte
	context         int
	seed            uint64
	tokens, targets []int32 // validation windows
	fingerprint     string
}

// NewBytes returns a source of windows of context+1 bytes. Validation uses windows that are evenly spaced
// over val, at most 16,384 tokens in all but at least one window; no byte is the target of two. It keeps
// train, which must not change afterwards. An error says which of the two texts is shorter than a window.
func NewBytes(train, val []byte, context int, seed uint64) (*Bytes, error) {
	if context < 1 {
		return nil, fmt.Errorf("context %d: it must be at least 1", context)
	}
	if len(train) < context+1 {
		return nil, fmt.Errorf("training data of %d bytes: a context of %d needs at least %d: pass more text or a shorter context",
			len(train), context, context+1)
	}
	if len(val) < context+1 {
		return nil, fmt.Errorf("validation data of %d bytes: a context of %d needs at least %d: pass more text or a shorter context",
			len(val), context, context+1)
	}
	b := &Bytes{train: train, context: context, seed: seed}
	b.windows(val)
	b.fingerprint = fingerprint(train, val, context, seed)
	return b, nil
}

func (b *Bytes) windows(val []byte) {
	n := min(max(1, maxValidationTokens/b.context), (len(val)-1)/b.context)
	b.tokens = make([]int32, n*b.context)
	b.targets = make([]int32, n*b.context)
	for i := range n {
		start := 0
		if n > 1 {
			start = i * (len(val) - b.context - 1) / (n - 1)
		}
		b.window(val[start:], b.tokens[i*b.context:], b.targets[i*b.context:])
	}
}

func (b *Bytes) window(text []byte, tokens, targets []int32) {
	for i := range b.context {
		tokens[i] = int32(text[i])
		targets[i] = int32(text[i+1])
	}
}

// Batch implements Source.
func (b *Bytes) Batch(step int, tokens, targets []int32) {
	if len(tokens)%b.context != 0 || len(tokens) != len(targets) {
		panic(fmt.Sprintf("multilevel: Bytes.Batch: %d tokens and %d targets for a context of %d", len(tokens), len(targets), b.context))
	}
	starts := uint64(len(b.train) - b.context)
	stream := mix(mix(b.seed) + uint64(step))
	for r := range len(tokens) / b.context {
		start, _ := bits.Mul64(mix(stream+uint64(r)), starts)
		b.window(b.train[start:], tokens[r*b.context:], targets[r*b.context:])
	}
}

// Validation implements Source.
func (b *Bytes) Validation() (tokens, targets []int32) { return b.tokens, b.targets }

// Vocab implements Source.
func (b *Bytes) Vocab() int { return 256 }

// Fingerprint implements Source.
func (b *Bytes) Fingerprint() string { return b.fingerprint }

// mix is the finaliser of SplitMix64 after one increment, a bijection whose every output bit depends on
// every input bit. Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func fingerprint(train, val []byte, context int, seed uint64) string {
	h := sha256.New()
	var sizes [32]byte
	for i, n := range []uint64{uint64(len(train)), uint64(len(val)), uint64(context), seed} {
		binary.LittleEndian.PutUint64(sizes[8*i:], n)
	}
	h.Write(sizes[:])
	h.Write(train)
	h.Write(val)
	return fmt.Sprintf("bytes-sha256:%x", h.Sum(nil))
}
