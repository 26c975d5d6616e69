package token

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"go/build"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/pkoukk/tiktoken-go-loader/assets"
)

// texts have what the pattern tells apart, and its corners.
var texts = []string{
	"", " ", "  ", "\n", "\n\n  x", "a", "Hello world", "don't we'll they've I'm he'd 'tis it's 'S ''s '",
	"a  b   c \n d\t\te", "x'y", "!'t", "1234 and 12a3", "naïve café — “quoted” …", "日本語のテキスト。", "привет, мир",
	"tabs\t\tand\r\nlines\r\n\r\n", "  trailing  ", "a\u00a0b \u2003c", "e\u0301 combining", "½ ² Ⅷ ٣", "emoji 👍🏽 end", "a\x00b\x7f",
	strings.Repeat("ab", 70), strings.Repeat("=", 100), strings.Repeat(" ", 40) + "x", "\xff\xfe broken \xc3", "<|endoftext|>",
}

// refSplit is GPT-2's pattern by way of a regular expression. Go's has no look-ahead: of several spaces
// before something else the last is left over by hand.
func refSplit(text string) (words []string) {
	const s = `\s\v\x{85}\p{Z}`
	pattern := regexp.MustCompile(`^('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^` + s + `\p{L}\p{N}]+|[` + s + `]+)`)
	spaces := regexp.MustCompile(`^[` + s + `]+$`)
	for len(text) > 0 {
		w := pattern.FindString(text)
		if _, last := utf8.DecodeLastRuneInString(w); spaces.MatchString(w) && len(w) < len(text) && len(w) > last {
			w = w[:len(w)-last]
		}
		words = append(words, w)
		text = text[len(w):]
	}
	return words
}

func split(text string) (words []string) {
	for len(text) > 0 {
		n := next(classes(), []byte(text))
		words = append(words, text[:n])
		text = text[n:]
	}
	return words
}

func TestSplit(t *testing.T) {
	for _, text := range texts {
		if !utf8.ValidString(text) {
			continue
		}
		if d := cmp.Diff(refSplit(text), split(text)); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("ab'stdrevlm 1½\t\n!…é\u00a0\u2003日👍")
	for range 3000 {
		r := make([]rune, rng.IntN(12))
		for i := range r {
			r[i] = alphabet[rng.IntN(len(alphabet))]
		}
		if d := cmp.Diff(refSplit(string(r)), split(string(r))); d != "" {
			t.Fatalf("%q: %s", string(r), d)
		}
	}
}

// TestCut cuts wherever Cut does, and compares the words.
func TestCut(t *testing.T) {
	for _, text := range texts {
		n := Cut([]byte(text))
		if d := cmp.Diff(split(text), append(split(text[:n]), split(text[n:])...)); d != "" {
			t.Errorf("%q cut at %d: %s", text, n, d)
		}
	}
	if n := Cut([]byte("one two  three ")); n != len("one two  three") {
		t.Errorf("cut at %d", n)
	}
}

// TestGPT2 has encodings that OpenAI's encoder gives, and the digest of its list of tokens that OpenAI's
// tiktoken holds it to.
func TestGPT2(t *testing.T) {
	list, err := assets.Assets.ReadFile("r50k_base.tiktoken")
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(list)); sum != "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930" {
		t.Errorf("the list of tokens has the SHA-256 %s", sum)
	}
	g, err := GPT2()
	if err != nil {
		t.Fatal(err)
	}
	if g.Vocab() != 50257 || g.EndOfText() != 50256 || g.Merges() != 50000 {
		t.Errorf("vocabulary of %d, end of text %d, %d merges", g.Vocab(), g.EndOfText(), g.Merges())
	}
	for text, want := range map[string][]int32{
		"Hello world": {15496, 995},
		"The quick brown fox jumps over the lazy dog.": {464, 2068, 7586, 21831, 18045, 625, 262, 16931, 3290, 13},
		"\n\n":          {628},
		"<|endoftext|>": {27, 91, 437, 1659, 5239, 91, 29},
	} {
		if got := g.Encode([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	// Merges in the order of merges.txt.
	if a, b := g.Merge(0), g.Merge(49999); a != "Ġ t" || b != "Ġg azed" {
		t.Errorf("merges %q … %q", a, b)
	}
	roundTrip(t, g)
	sameAsJSON(t, g)
}

func roundTrip(t *testing.T, k *Tokenizer) {
	t.Helper()
	e := k.NewEncoder()
	for range 2 { // the second time from what it remembers
		for _, text := range texts {
			ids := e.Append(nil, []byte(text))
			if got, err := k.Decode(nil, ids); err != nil || string(got) != text {
				t.Errorf("%q decodes to %q, %v", text, got, err)
			}
			if n := k.TextBytes(ids); k.EndOfText() != 0 && n != int64(len(text)) {
				t.Errorf("%q: %d bytes of text", text, n)
			}
		}
	}
	all := strings.Join(texts, "\n")
	if want := naive(k, all); !slices.Equal(k.Encode([]byte(all)), want) {
		t.Errorf("%q: %v, want %v", all, k.Encode([]byte(all)), want)
	}
}

// naive encodes by the definition.
func naive(k *Tokenizer, text string) (ids []int32) {
	id := map[string]int32{}
	for i, b := range k.tokens {
		if !k.special[int32(i)] {
			id[string(b)] = int32(i)
		}
	}
	for _, word := range split(text) {
		var s []string
		for i := range len(word) {
			s = append(s, word[i:i+1])
		}
		for {
			best, at := len(k.merges), -1
			for i := 0; i+1 < len(s); i++ {
				if m, ok := k.pairs.get(pairOf(id[s[i]], id[s[i+1]])); ok && (at < 0 || int(m.rank) < best) {
					best, at = int(m.rank), i
				}
			}
			if at < 0 {
				break
			}
			s = slices.Replace(s, at, at+2, s[at]+s[at+1])
		}
		for _, x := range s {
			ids = append(ids, id[x])
		}
	}
	return ids
}

func sameAsJSON(t *testing.T, k *Tokenizer) {
	t.Helper()
	got, err := Parse(k.JSON())
	if err != nil {
		t.Fatal(err)
	}
	if !got.Equal(k) || got.EndOfText() != k.EndOfText() || !bytes.Equal(got.JSON(), k.JSON()) {
		t.Error("reading what was written gives another tokenizer")
	}
}

func TestBytes(t *testing.T) {
	b := Bytes()
	if b.Vocab() != 256 || b.EndOfText() != 0 || b.Name() != "bytes" {
		t.Errorf("%d tokens, end of text %d, name %s", b.Vocab(), b.EndOfText(), b.Name())
	}
	if got := b.Encode([]byte("a\xff")); !slices.Equal(got, []int32{'a', 255}) {
		t.Errorf("encodes to %v", got)
	}
	roundTrip(t, b)
	sameAsJSON(t, b)
}

const corpus = "low low low low low lower lower newest newest newest newest newest newest widest widest widest " +
	"aaaa aaaa aaaaa abab abab ababab don't won't <|endoftext|> <|endoftext|> <|endoftext|> <|endoftext|>"

func trained(t testing.TB, text string, vocab int) *Tokenizer {
	t.Helper()
	c := NewCounter()
	c.Count([]byte(text))
	k, err := c.Train(vocab)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// refTrain counts all pairs again for every merge.
func refTrain(text string, vocab int) (merges []string) {
	var words [][]string
	for _, w := range split(text) {
		words = append(words, strings.Split(string([]rune(w)), ""))
	}
	ids := map[string]int{EndOfText: -1}
	for c := range 256 {
		ids[string([]byte{byte(c)})] = c
	}
	refused := map[[2]string]bool{}
	for n := 256; n < vocab-1; {
		count := map[[2]string]int{}
		for _, w := range words {
			for i := 0; i+1 < len(w); i++ {
				count[[2]string{w[i], w[i+1]}]++
			}
		}
		var best [2]string
		most := 1
		for p, c := range count {
			smaller := ids[p[0]] < ids[best[0]] || ids[p[0]] == ids[best[0]] && ids[p[1]] < ids[best[1]]
			if !refused[p] && (c > most || c == most && most > 1 && smaller) {
				best, most = p, c
			}
		}
		if most == 1 {
			break
		}
		whole := best[0] + best[1]
		if _, ok := ids[whole]; ok {
			refused[best] = true
			continue
		}
		ids[whole] = n
		n++
		merges = append(merges, ByteLevel([]byte(best[0]))+" "+ByteLevel([]byte(best[1])))
		for k, w := range words {
			for i := 0; i+1 < len(w); i++ {
				if w[i] == best[0] && w[i+1] == best[1] {
					w = slices.Replace(w, i, i+2, whole)
				}
			}
			words[k] = w
		}
	}
	return merges
}

func TestTrain(t *testing.T) {
	for _, vocab := range []int{257, 258, 270, 1000} {
		k := trained(t, corpus, vocab)
		var got []string
		for i := range k.Merges() {
			got = append(got, k.Merge(i))
		}
		if d := cmp.Diff(refTrain(corpus, vocab), got); d != "" {
			t.Errorf("%d tokens: %s", vocab, d)
		}
		if k.Vocab() != 257+k.Merges() || int(k.EndOfText()) != k.Vocab()-1 || k.Vocab() > vocab {
			t.Errorf("%d tokens asked for: %d, of which %d merges, end of text %d", vocab, k.Vocab(), k.Merges(), k.EndOfText())
		}
		roundTrip(t, k)
		sameAsJSON(t, k)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		b := make([]byte, 300)
		for i := range b {
			b[i] = "aabbc '"[rng.IntN(7)]
		}
		k := trained(t, string(b), 300)
		for i, want := range refTrain(string(b), 300) {
			if i >= k.Merges() || k.Merge(i) != want {
				t.Fatalf("%q: merge %d is not %q", b, i, want)
			}
		}
	}
}

// TestTrainParts counts in parts, in any order.
func TestTrainParts(t *testing.T) {
	want := trained(t, corpus, 300).SHA256()
	total := NewCounter()
	for rest := corpus; rest != ""; {
		n := Cut([]byte(rest[:min(len(rest), 30)]))
		if len(rest) <= 30 {
			n = len(rest)
		}
		c := NewCounter()
		c.Count([]byte(rest[:n]))
		c.Add(total)
		total, rest = c, rest[n:]
	}
	got, err := total.Train(300)
	if err != nil || got.SHA256() != want {
		t.Errorf("counting in parts gives another vocabulary (%v)", err)
	}
	for _, vocab := range []int{256, 1 << 21} {
		if _, err := total.Train(vocab); err == nil {
			t.Errorf("a vocabulary of %d: no error", vocab)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, id := range []int32{-1, 256} {
		if _, err := Bytes().Decode(nil, []int32{id}); err == nil {
			t.Errorf("token %d: no error", id)
		}
	}
}

func TestParse(t *testing.T) {
	good := string(trained(t, corpus, 260).JSON())
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the file", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	pair := trained(t, corpus, 260).Merge(0)
	a, b, _ := strings.Cut(pair, " ")
	for name, c := range map[string]struct{ text, want string }{
		"good":       {good, ""},
		"pairs":      {change(`"`+pair+`"`, fmt.Sprintf(`["%s", "%s"]`, a, b)), ""},
		"old":        {change(`"type": "BPE",`, ""), ""},
		"empty":      {"", "not a tokenizer.json"},
		"more":       {good + "{}", "goes on"},
		"unknown":    {change(`"version"`, `"versions"`), `unknown field "versions"`},
		"version":    {change(`"1.0"`, `"2.0"`), "version"},
		"normalizer": {change(`"normalizer": null`, `"normalizer": {"type": "NFC"}`), "normalizer"},
		"truncation": {change(`"truncation": null`, `"truncation": {}`), "truncation"},
		"padding":    {change(`"padding": null`, `"padding": {}`), "padding"},
		"pattern":    {change(`"type": "ByteLevel"`, `"type": "Sequence"`), `"Sequence" is not supported`},
		"prefix":     {change(`"add_prefix_space": false`, `"add_prefix_space": true`), "add_prefix_space"},
		"regex":      {change(`"use_regex": true`, `"use_regex": false`), "use_regex"},
		"model":      {change(`"type": "BPE"`, `"type": "Unigram"`), "Unigram"},
		"dropout":    {change(`"dropout": null`, `"dropout": 0.1`), "dropout"},
		"prefixes":   {change(`"continuing_subword_prefix": null`, `"continuing_subword_prefix": "##"`), "continuing"},
		"suffixes":   {change(`"end_of_word_suffix": null`, `"end_of_word_suffix": "</w>"`), "end_of_word"},
		"fallback":   {change(`"byte_fallback": false`, `"byte_fallback": true`), "byte_fallback"},
		"ignore":     {change(`"ignore_merges": false`, `"ignore_merges": true`), "ignore_merges"},
		"plain":      {change(`"special": true`, `"special": false`), "only special"},
		"strip":      {change(`"lstrip": false`, `"lstrip": true`), "lstrip"},
		"gap":        {change(`"b": 98`, `"b": 9800`), "gaps"},
		"same id":    {change(`"b": 98`, `"b": 99`), "same id"},
		"no byte":    {change("      \"b\": 98,\n", ""), "gaps"},
		"not a byte": {change(`"b": 98`, `"日": 98`), "stands for no byte"},
		"merge":      {change(`"`+pair+`"`, `"`+pair+` x"`), "3 parts"},
		"merge of":   {change(`"`+pair+`"`, `"日 x"`), "not in the vocabulary"},
		"merge to":   {change(`"`+pair+`"`, `"! !"`), "not in the vocabulary"},
		"merge 3":    {change(`"`+pair+`"`, `3`), "neither"},
		"negative":   {change(`"b": 98`, `"b": -1`), "gaps"},
	} {
		_, err := Parse([]byte(c.text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(trained(f, corpus, 259).JSON())
	f.Add(Bytes().JSON())
	f.Add([]byte(`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "a"]]}, "pre_tokenizer": {"type": "ByteLevel"}, "decoder": {"type": "ByteLevel"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(k.JSON())
		if err != nil || !again.Equal(k) {
			t.Fatalf("what was read and written is not read the same: %v", err)
		}
		ids := k.Encode(text)
		if got, err := k.Decode(nil, ids); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("decodes to another text: %v", err)
		}
	})
}

func FuzzEncode(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	k := trained(f, corpus, 300)
	f.Fuzz(func(t *testing.T, text []byte) {
		ids := k.Encode(text)
		if got, err := k.Decode(nil, ids); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%q decodes to %q, %v", text, got, err)
		}
		n := Cut(text)
		if parts := append(k.Encode(text[:n]), k.Encode(text[n:])...); !slices.Equal(ids, parts) {
			t.Fatalf("%q cut at %d: %v, want %v", text, n, parts, ids)
		}
		if len(text) < 100 && utf8.Valid(text) && !slices.Equal(ids, naive(k, string(text))) {
			t.Fatalf("%q: %v, want %v", text, ids, naive(k, string(text)))
		}
	})
}

// BenchmarkEncode encodes the Go sources of net/http, by an encoder that has seen nothing, one that has seen all of
// them, and by the definition.
func BenchmarkEncode(b *testing.B) {
	g, err := GPT2()
	if err != nil {
		b.Fatal(err)
	}
	var text []byte
	paths, _ := filepath.Glob(filepath.Join(build.Default.GOROOT, "src", "net", "http", "*.go"))
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		text = append(text, source...)
	}
	if len(text) == 0 {
		b.Skip("the sources of Go are not there")
	}
	var ids []int32
	used := g.NewEncoder()
	for name, encode := range map[string]func(){
		"new":   func() { ids = g.NewEncoder().Append(ids[:0], text) },
		"used":  func() { ids = used.Append(ids[:0], text) },
		"naive": func() { naive(g, string(text)) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				encode()
			}
		})
	}
}
