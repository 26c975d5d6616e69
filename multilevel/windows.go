package multilevel

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// TokenReader is a sequence of tokens that may be larger than memory.
type TokenReader interface {
	// Len returns the number of tokens.
	Len() int64
	// Read fills dst with the tokens from the one at on, which are there. It does not allocate.
	Read(at int64, dst []int32) error
}

// Tokens is a TokenReader in memory.
type Tokens []int32

// Len implements TokenReader.
func (t Tokens) Len() int64 { return int64(len(t)) }

// Read implements TokenReader.
func (t Tokens) Read(at int64, dst []int32) error {
	copy(dst, t[at:])
	return nil
}

// Windows is a source of windows of context+1 tokens, drawn without replacement: in an epoch every window
// of a grid comes once. The windows begin context tokens apart, so that no token is the target of two, and
// the grid is moved in every epoch by less than that. Sequence r of step s is window π(g mod n) of epoch
// ⌊g/n⌋, g = s·rows + r, where π is a permutation of the n windows that depends on the seed and the epoch:
// a pure function of the step, without memory that grows with the corpus.
type Windows struct {
	train           TokenReader
	context         int
	windows         uint64 // n, of an epoch
	offsets         uint64 // how many grids there are
	vocab           int
	seed            uint64
	tokens, targets []int32 // validation windows
	fingerprint     string
	err             error
}

// NewWindows returns a Windows of tokens below vocab. Validation uses windows that are evenly spaced over
// val, as those of NewBytes are. identity stands for the tokens in the fingerprint: other tokens must have
// another. An error says which of the two parts is shorter than a window, or is that of a reader.
func NewWindows(train, val TokenReader, vocab, context int, seed uint64, identity string) (*Windows, error) {
	if context < 1 {
		return nil, fmt.Errorf("context %d: it must be at least 1", context)
	}
	for _, p := range []struct {
		name string
		r    TokenReader
	}{{"training", train}, {"validation", val}} {
		if n := p.r.Len(); n < int64(context)+1 {
			return nil, fmt.Errorf("%s data of %d tokens: a context of %d needs at least %d: pass more text or a shorter context",
				p.name, n, context, context+1)
		}
	}
	n := uint64(train.Len())
	w := &Windows{train: train, context: context, vocab: vocab, seed: seed}
	w.windows = max(1, n/uint64(context)-1)
	w.offsets = min(uint64(context), n-w.windows*uint64(context))
	if err := w.validation(val); err != nil {
		return nil, err
	}
	h := sha256.New()
	var numbers []byte
	for _, v := range []uint64{n, uint64(val.Len()), uint64(vocab), uint64(context), seed} {
		numbers = binary.LittleEndian.AppendUint64(numbers, v)
	}
	h.Write(numbers)
	h.Write([]byte(identity))
	w.fingerprint = fmt.Sprintf("windows-sha256:%x", h.Sum(nil))
	return w, nil
}

func (w *Windows) validation(val TokenReader) error {
	c := int64(w.context)
	n := min(max(1, maxValidationTokens/c), (val.Len()-1)/c)
	w.tokens, w.targets = make([]int32, n*c), make([]int32, n*c)
	for i := range n {
		var start int64
		if n > 1 {
			start = i * (val.Len() - c - 1) / (n - 1)
		}
		if err := window(val, start, w.tokens[i*c:(i+1)*c], w.targets[i*c:(i+1)*c]); err != nil {
			return err
		}
	}
	return nil
}

// window reads the tokens from start on, and the targets that follow them.
func window(r TokenReader, start int64, tokens, targets []int32) error {
	if err := r.Read(start, tokens); err != nil {
		return err
	}
	last := copy(targets, tokens[1:])
	return r.Read(start+int64(len(tokens)), targets[last:])
}

// Epoch returns how many windows an epoch has.
func (w *Windows) Epoch() int64 { return int64(w.windows) }

// Batch implements Source. Where the tokens cannot be read, Err tells.
func (w *Windows) Batch(step int, tokens, targets []int32) {
	c := w.context
	if len(tokens)%c != 0 || len(tokens) != len(targets) {
		panic(fmt.Sprintf("multilevel: Windows.Batch: %d tokens and %d targets for a context of %d", len(tokens), len(targets), c))
	}
	rows := len(tokens) / c
	for r := range rows {
		start := w.start(uint64(step)*uint64(rows) + uint64(r))
		if err := window(w.train, int64(start), tokens[r*c:(r+1)*c], targets[r*c:(r+1)*c]); err != nil {
			if w.err == nil {
				w.err = err
			}
			clear(tokens)
			clear(targets)
			return
		}
	}
}

// Err returns the first error of reading in Batch, whose tokens are then all 0. Trainer asks for it.
func (w *Windows) Err() error { return w.err }

// sourceError returns what a source that reads its data bit by bit has met.
func sourceError(src Source) error {
	if s, ok := src.(interface{ Err() error }); ok {
		return s.Err()
	}
	return nil
}

// start returns where the g-th window begins.
func (w *Windows) start(g uint64) uint64 {
	epoch := g / w.windows
	key := mix(mix(w.seed) + epoch)
	offset, _ := bits.Mul64(key, w.offsets)
	return offset + permute(g%w.windows, w.windows, key)*uint64(w.context)
}

// permute returns where a pseudo-random permutation of 0 … n−1 takes i: four rounds of a Feistel network
// on the smallest even number of bits that holds n, again until the result is below n. Luby and Rackoff,
// How to construct pseudorandom permutations, SIAM J. Comput. 17, 1988; cycle walking: Black and Rogaway,
// Ciphers with arbitrary finite domains, CT-RSA 2002, §3.
func permute(i, n, key uint64) uint64 {
	half := max(1, (bits.Len64(n-1)+1)/2)
	mask := uint64(1)<<half - 1
	for {
		l, r := i>>half, i&mask
		for round := range uint64(4) {
			l, r = r, l^mix(key^mix(round<<32^r))&mask
		}
		if i = l<<half | r; i < n {
			return i
		}
	}
}

// Validation implements Source.
func (w *Windows) Validation() (tokens, targets []int32) { return w.tokens, w.targets }

// Vocab implements Source.
func (w *Windows) Vocab() int { return w.vocab }

// Fingerprint implements Source.
func (w *Windows) Fingerprint() string { return w.fingerprint }
