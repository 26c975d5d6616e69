package token

import (
	"container/heap"
	"encoding/binary"
	"math"
)

// Encoder encodes text. It remembers the words it has met; it is for one goroutine at a time.
type Encoder struct {
	t       *Tokenizer
	table   *[1 << 16]uint8
	short   []knownWord
	ids     []int32 // the tokens of short
	long    map[string][]int32
	symbols []int32
	ranks   []merged
}

// knownWord is a word of up to shortWord bytes: its bytes, then its length in the last one.
type knownWord struct {
	lo, hi uint64
	start  uint32 // of its tokens
	n      uint32
}

const (
	shortWord  = 15
	shortBits  = 15      // the words that are remembered fill a second-level cache
	shortIDs   = 1 << 20 // of all remembered words, before they are forgotten as a whole
	longWord   = 64      // longer words hardly come again
	longWords  = 1 << 14
	scannedLen = 64 // words up to this length are merged by looking for the lowest rank each time
)

// NewEncoder returns an Encoder.
func (t *Tokenizer) NewEncoder() *Encoder { return &Encoder{t: t, table: classes()} }

// Append appends the tokens of text to dst. The text of a special token is text like any other.
func (e *Encoder) Append(dst []int32, text []byte) []int32 {
	if len(e.t.merges) == 0 {
		for _, c := range text {
			dst = append(dst, e.t.bytes[c])
		}
		return dst
	}
	if e.short == nil {
		e.short, e.long = make([]knownWord, 1<<shortBits), map[string][]int32{}
	}
	for len(text) > 0 {
		n := next(e.table, text)
		switch {
		case n == 1:
			dst = append(dst, e.t.bytes[text[0]])
		case n <= shortWord:
			dst = e.appendShort(dst, text, n)
		case n <= longWord:
			dst = e.appendLong(dst, text[:n])
		default:
			dst = e.merge(dst, text[:n])
		}
		text = text[n:]
	}
	return dst
}

// appendShort appends the tokens of the word text[:n].
func (e *Encoder) appendShort(dst []int32, text []byte, n int) []int32 {
	var lo, hi uint64
	if len(text) >= 16 {
		lo, hi = binary.LittleEndian.Uint64(text), binary.LittleEndian.Uint64(text[8:])
		if n < 8 {
			lo, hi = lo&(1<<(8*n)-1), 0
		} else {
			hi &= 1<<(8*(n-8)) - 1
		}
	} else {
		var padded [16]byte
		copy(padded[:], text[:n])
		lo, hi = binary.LittleEndian.Uint64(padded[:]), binary.LittleEndian.Uint64(padded[8:])
	}
	hi |= uint64(n) << 56
	w := &e.short[scatter(lo^hi*0xff51afd7ed558ccd)>>(64-shortBits)]
	if w.lo != lo || w.hi != hi {
		if len(e.ids) > shortIDs {
			clear(e.short)
			e.ids = e.ids[:0]
		}
		start := len(e.ids)
		e.ids = e.merge(e.ids, text[:n])
		*w = knownWord{lo, hi, uint32(start), uint32(len(e.ids) - start)}
	}
	return append(dst, e.ids[w.start:w.start+w.n]...)
}

func (e *Encoder) appendLong(dst []int32, word []byte) []int32 {
	ids, ok := e.long[string(word)]
	if !ok {
		if len(e.long) == longWords {
			clear(e.long)
		}
		ids = e.merge(nil, word)
		e.long[string(word)] = ids
	}
	return append(dst, ids...)
}

// none is the rank of a pair that does not merge.
const none = math.MaxInt32

// merge appends the tokens of a word.
func (e *Encoder) merge(dst []int32, word []byte) []int32 {
	s := e.symbols[:0]
	for _, c := range word {
		s = append(s, e.t.bytes[c])
	}
	e.symbols = s
	if len(s) > scannedLen {
		return e.mergeLong(dst, s)
	}
	// r[i] is what s[i] and s[i+1] become.
	r := e.ranks[:0]
	for i := range len(s) - 1 {
		r = append(r, e.pair(s[i], s[i+1]))
	}
	e.ranks = r
	for len(r) > 0 {
		at := 0
		for i := range r {
			if r[i].rank < r[at].rank {
				at = i
			}
		}
		if r[at].rank == none {
			break
		}
		s[at] = r[at].id
		s = append(s[:at+1], s[at+2:]...)
		r = append(r[:at], r[at+1:]...)
		if at > 0 {
			r[at-1] = e.pair(s[at-1], s[at])
		}
		if at < len(r) {
			r[at] = e.pair(s[at], s[at+1])
		}
	}
	return append(dst, s...)
}

func (e *Encoder) pair(a, b int32) merged {
	if m, ok := e.t.pairs.get(pairOf(a, b)); ok {
		return m
	}
	return merged{rank: none}
}

// mergeLong does the same with a heap of the pairs: n·log n steps for a word of n bytes instead of n².
func (e *Encoder) mergeLong(dst, s []int32) []int32 {
	// before and after are the neighbours of the symbols that are left; -1 is none, or not left.
	before, after := make([]int32, len(s)), make([]int32, len(s))
	for i := range s {
		before[i], after[i] = int32(i-1), int32(i+1)
	}
	after[len(s)-1] = -1
	var h candidates
	consider := func(i int32) {
		if i < 0 || after[i] < 0 {
			return
		}
		if m, ok := e.t.pairs.get(pairOf(s[i], s[after[i]])); ok {
			heap.Push(&h, candidate{m, i, s[i], s[after[i]]})
		}
	}
	for i := range s {
		consider(int32(i))
	}
	for len(h) > 0 {
		c := heap.Pop(&h).(candidate)
		i := c.at
		if s[i] != c.left || after[i] < 0 || s[after[i]] != c.right {
			continue // one of the two has been merged meanwhile
		}
		gone := after[i]
		s[i], s[gone] = c.id, -1
		after[i] = after[gone]
		if after[i] >= 0 {
			before[after[i]] = i
		}
		consider(before[i])
		consider(i)
	}
	for i := int32(0); i >= 0; i = after[i] {
		dst = append(dst, s[i])
	}
	return dst
}

// candidate is a pair of neighbours that can be merged.
type candidate struct {
	merged
	at          int32 // of the left one
	left, right int32
}

// candidates is a heap: the lowest rank first, and of those the leftmost.
type candidates []candidate

func (h candidates) Len() int { return len(h) }
func (h candidates) Less(i, j int) bool {
	if h[i].rank != h[j].rank {
		return h[i].rank < h[j].rank
	}
	return h[i].at < h[j].at
}
func (h candidates) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *candidates) Push(x any)   { *h = append(*h, x.(candidate)) }
func (h *candidates) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
