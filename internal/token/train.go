package token

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
)

// Counter counts the words of text for Train. It is for one goroutine at a time; several count parts of a
// text, and Add brings them together.
type Counter struct {
	table *[1 << 16]uint8
	words map[string]*int64
}

// NewCounter returns a Counter without words.
func NewCounter() *Counter { return &Counter{table: classes(), words: map[string]*int64{}} }

// Count counts the words of text, which must be cut where Cut says.
func (c *Counter) Count(text []byte) {
	for len(text) > 0 {
		n := next(c.table, text)
		c.add(text[:n], 1)
		text = text[n:]
	}
}

func (c *Counter) add(word []byte, times int64) {
	if n, ok := c.words[string(word)]; ok {
		*n += times
		return
	}
	c.words[string(word)] = &times
}

// Add adds the counts of another Counter.
func (c *Counter) Add(o *Counter) {
	for w, n := range o.words {
		c.add([]byte(w), *n)
	}
}

// Words returns the number of different words.
func (c *Counter) Words() int { return len(c.words) }

// MinVocab is the smallest vocabulary: the bytes and the end of a text.
const MinVocab = 257

// Train learns a vocabulary of at most vocab tokens from the counted words: the bytes, then the most
// frequent pair of neighbours again and again (of those that are as frequent, that of the smallest ids),
// and EndOfText as the last. A pair that occurs once is not learned, so that little text gives fewer
// tokens. The result depends on the counts alone. It returns an error if vocab is not possible.
//
// The counts of pairs are kept up to date as words change (Sennrich et al., 2016, §3.2), and a heap gives
// the largest, so that a merge costs as much as the words that it changes.
func (c *Counter) Train(vocab int) (*Tokenizer, error) {
	if vocab < MinVocab || vocab > maxVocab {
		return nil, fmt.Errorf("a vocabulary of %d tokens: it must have at least %d (the bytes and the end of a text) and at most %d", vocab, MinVocab, maxVocab)
	}
	t := newTrainer(c)
	tokens := byteVocab()
	var merges [][2]int32
	seen := map[string]bool{EndOfText: true}
	for len(tokens) < vocab-1 {
		p, ok := t.best()
		if !ok {
			break
		}
		a, b := int32(p>>32), int32(uint32(p))
		whole := append(slices.Clone(tokens[a]), tokens[b]...)
		if seen[string(whole)] { // another way to a token that there is would leave a gap in the ids
			t.drop(p)
			continue
		}
		seen[string(whole)] = true
		t.merge(p, a, b, int32(len(tokens)))
		merges = append(merges, [2]int32{a, b})
		tokens = append(tokens, whole)
	}
	end := int32(len(tokens))
	return newTokenizer("bpe", append(tokens, []byte(EndOfText)), map[int32]bool{end: true}, merges, end)
}

// trainer is the state of Train.
type trainer struct {
	words [][]int32 // symbols
	times []int64   // of each word
	pairs map[uint64]*pairCount
	heap  pairHeap
	delta map[uint64]int64 // changes of a merge
}

// pairCount is how often a pair occurs, and in which words it may.
type pairCount struct {
	count int64
	words []int32
}

func newTrainer(c *Counter) *trainer {
	t := &trainer{pairs: map[uint64]*pairCount{}, delta: map[uint64]int64{}}
	type word struct {
		text  string
		times int64
	}
	list := make([]word, 0, len(c.words))
	for w, n := range c.words {
		if len(w) > 1 {
			list = append(list, word{w, *n})
		}
	}
	slices.SortFunc(list, func(a, b word) int { return cmp.Compare(a.text, b.text) })
	for i, w := range list {
		s := make([]int32, len(w.text))
		for j := range s {
			s[j] = int32(w.text[j])
		}
		t.words, t.times = append(t.words, s), append(t.times, w.times)
		for j := range len(s) - 1 {
			t.change(pairOf(s[j], s[j+1]), w.times, int32(i))
		}
	}
	t.apply()
	return t
}

// change notes that a pair occurs so many times more (or less) in a word.
func (t *trainer) change(p uint64, by int64, word int32) {
	t.delta[p] += by
	if by < 0 {
		return
	}
	c := t.pairs[p]
	if c == nil {
		c = &pairCount{}
		t.pairs[p] = c
	}
	if n := len(c.words); n == 0 || c.words[n-1] != word {
		c.words = append(c.words, word)
	}
}

// apply changes the counts. The heap is told where a count has grown; where it has fallen, best finds out.
func (t *trainer) apply() {
	for p, by := range t.delta {
		c := t.pairs[p]
		if c == nil {
			continue
		}
		c.count += by
		if by > 0 {
			heap.Push(&t.heap, heapEntry{c.count, p})
		}
	}
	clear(t.delta)
}

// best takes the most frequent pair from the heap.
func (t *trainer) best() (uint64, bool) {
	for len(t.heap) > 0 {
		e := heap.Pop(&t.heap).(heapEntry)
		c := t.pairs[e.pair]
		switch {
		case c == nil || c.count > e.count: // gone, or there with its larger count
		case c.count < e.count:
			if c.count > 1 {
				heap.Push(&t.heap, heapEntry{c.count, e.pair})
			}
		case c.count > 1:
			return e.pair, true
		}
	}
	return 0, false
}

// drop forgets a pair.
func (t *trainer) drop(p uint64) { delete(t.pairs, p) }

// merge replaces the pair p of a and b by id in all words.
func (t *trainer) merge(p uint64, a, b, id int32) {
	where := t.pairs[p].words
	for _, w := range where {
		s, n := t.words[w], t.times[w]
		out := s[:0]
		for i := 0; i < len(s); i++ {
			if s[i] != a || i+1 == len(s) || s[i+1] != b {
				out = append(out, s[i])
				continue
			}
			if k := len(out); k > 0 {
				t.change(pairOf(out[k-1], a), -n, w)
				t.change(pairOf(out[k-1], id), n, w)
			}
			if i+2 < len(s) {
				t.change(pairOf(b, s[i+2]), -n, w)
				t.change(pairOf(id, s[i+2]), n, w)
			}
			out = append(out, id)
			i++
		}
		t.words[w] = out
	}
	delete(t.delta, p) // all of it is gone
	t.drop(p)
	t.apply()
}

type heapEntry struct {
	count int64
	pair  uint64
}

// pairHeap has the most frequent pair first, and of those the one of the smallest ids.
type pairHeap []heapEntry

func (h pairHeap) Len() int { return len(h) }
func (h pairHeap) Less(i, j int) bool {
	if h[i].count != h[j].count {
		return h[i].count > h[j].count
	}
	return h[i].pair < h[j].pair
}
func (h pairHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *pairHeap) Push(x any)   { *h = append(*h, x.(heapEntry)) }
func (h *pairHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
