package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// file is a tokenizer.json as far as it is supported; a field that is not here is an error.
type file struct {
	Version       string          `json:"version"`
	Truncation    json.RawMessage `json:"truncation"`
	Padding       json.RawMessage `json:"padding"`
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  *byteLevel      `json:"pre_tokenizer"`
	PostProcessor *byteLevel      `json:"post_processor"`
	Decoder       *byteLevel      `json:"decoder"`
	Model         *model          `json:"model"`
}

type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

type byteLevel struct {
	Type           string `json:"type"`
	AddPrefixSpace *bool  `json:"add_prefix_space"`
	TrimOffsets    *bool  `json:"trim_offsets"`
	UseRegex       *bool  `json:"use_regex"`
}

type model struct {
	Type                    string            `json:"type"`
	Dropout                 *float64          `json:"dropout"`
	UnkToken                *string           `json:"unk_token"`
	ContinuingSubwordPrefix *string           `json:"continuing_subword_prefix"`
	EndOfWordSuffix         *string           `json:"end_of_word_suffix"`
	FuseUnk                 bool              `json:"fuse_unk"`
	ByteFallback            bool              `json:"byte_fallback"`
	IgnoreMerges            bool              `json:"ignore_merges"`
	Vocab                   map[string]int32  `json:"vocab"`
	Merges                  []json.RawMessage `json:"merges"`
}

// UnmarshalJSON says which part is not supported before its fields are looked at.
func (b *byteLevel) UnmarshalJSON(text []byte) error {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return err
	}
	if head.Type != "ByteLevel" {
		return fmt.Errorf("type %q is not supported, only ByteLevel is", head.Type)
	}
	type plain byteLevel
	return strict(text, (*plain)(b))
}

// UnmarshalJSON does the same for the model. Old files have no type.
func (m *model) UnmarshalJSON(text []byte) error {
	var head struct {
		Type   *string         `json:"type"`
		Merges json.RawMessage `json:"merges"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return err
	}
	if head.Type != nil && *head.Type != "BPE" || head.Merges == nil {
		name := "without merges"
		if head.Type != nil {
			name = *head.Type
		}
		return fmt.Errorf("a model %s is not supported, only BPE is", name)
	}
	type plain model
	return strict(text, (*plain)(m))
}

func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("the file goes on after its JSON object")
	}
	return nil
}

// endNames are the texts that special tokens at the end of a document have, the usual ones first.
var endNames = []string{EndOfText, "<|end_of_text|>", "</s>", "<eos>", "[EOS]"}

// Parse reads the text of a tokenizer.json with a byte-level BPE model. What would give other tokens than
// this package does (a normalizer, another pattern, added tokens that are searched for in text, …) is an
// error that says so. Special tokens are kept, but text never encodes to them.
func Parse(text []byte) (*Tokenizer, error) {
	var f file
	if err := strict(text, &f); err != nil {
		return nil, fmt.Errorf("not a tokenizer.json that is supported: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	tokens, special, err := f.vocabulary()
	if err != nil {
		return nil, err
	}
	end := int32(-1)
	for i := len(endNames) - 1; i >= 0; i-- {
		for id := range special {
			if string(tokens[id]) == endNames[i] {
				end = id
			}
		}
	}
	merges, err := f.Model.mergePairs()
	if err != nil {
		return nil, err
	}
	t, err := newTokenizer("bpe", tokens, special, merges, end)
	if err != nil {
		return nil, err
	}
	if t.Equal(Bytes()) {
		return Bytes(), nil
	}
	return t, nil
}

// check refuses what is not supported.
func (f *file) check() error {
	null := func(m json.RawMessage) bool { return len(m) == 0 || string(m) == "null" }
	on := func(b *bool) bool { return b != nil && *b }
	filled := func(s *string) bool { return s != nil && *s != "" }
	m := f.Model
	switch {
	case f.Version != "1.0" && f.Version != "":
		return fmt.Errorf("version %q is not supported, only 1.0 is", f.Version)
	case !null(f.Truncation):
		return errors.New("truncation is not supported: it must be null")
	case !null(f.Padding):
		return errors.New("padding is not supported: it must be null")
	case !null(f.Normalizer):
		return errors.New("a normalizer is not supported: it must be null")
	case f.PreTokenizer == nil:
		return errors.New("pre_tokenizer: ByteLevel is needed")
	case on(f.PreTokenizer.AddPrefixSpace):
		return errors.New("pre_tokenizer: add_prefix_space is not supported")
	case f.PreTokenizer.UseRegex != nil && !*f.PreTokenizer.UseRegex:
		return errors.New("pre_tokenizer: use_regex = false is not supported")
	case f.Decoder == nil:
		return errors.New("decoder: ByteLevel is needed")
	case m == nil:
		return errors.New("there is no model")
	case m.Dropout != nil && *m.Dropout != 0:
		return errors.New("model: dropout is not supported")
	case filled(m.ContinuingSubwordPrefix):
		return errors.New("model: continuing_subword_prefix is not supported")
	case filled(m.EndOfWordSuffix):
		return errors.New("model: end_of_word_suffix is not supported")
	case m.ByteFallback:
		return errors.New("model: byte_fallback is not supported")
	case m.IgnoreMerges:
		return errors.New("model: ignore_merges is not supported")
	}
	return nil
}

// vocabulary returns the tokens by id, and which of them are special.
func (f *file) vocabulary() ([][]byte, map[int32]bool, error) {
	n := len(f.Model.Vocab)
	special := map[int32]bool{}
	for _, a := range f.AddedTokens {
		id, ok := f.Model.Vocab[a.Content]
		switch {
		case a.LStrip || a.RStrip || a.SingleWord:
			return nil, nil, fmt.Errorf("added token %q: lstrip, rstrip and single_word are not supported", a.Content)
		case !a.Special:
			return nil, nil, fmt.Errorf("added token %q: only special ones are supported", a.Content)
		case a.Content == "":
			return nil, nil, fmt.Errorf("added token %d is empty", a.ID)
		case ok && id != a.ID:
			return nil, nil, fmt.Errorf("added token %q has the ids %d and %d", a.Content, a.ID, id)
		case special[a.ID]:
			return nil, nil, fmt.Errorf("added token %d is there twice", a.ID)
		case !ok:
			n++
		}
		special[a.ID] = true
	}
	if n > maxVocab {
		return nil, nil, fmt.Errorf("a vocabulary of %d tokens is more than %d", n, maxVocab)
	}
	tokens := make([][]byte, n)
	put := func(id int32, b []byte) error {
		if id < 0 || int(id) >= n {
			return fmt.Errorf("the token %q has the id %d, but there are %d tokens: ids must have no gaps", b, id, n)
		}
		if tokens[id] != nil {
			return fmt.Errorf("the tokens %q and %q have the same id, %d", tokens[id], b, id)
		}
		tokens[id] = b
		return nil
	}
	for _, a := range f.AddedTokens {
		if err := put(a.ID, []byte(a.Content)); err != nil {
			return nil, nil, err
		}
	}
	for s, id := range f.Model.Vocab {
		if special[id] && int(id) < n && string(tokens[id]) == s {
			continue
		}
		b, err := fromByteLevel(s)
		if err != nil {
			return nil, nil, err
		}
		if err := put(id, b); err != nil {
			return nil, nil, err
		}
	}
	return tokens, special, nil
}

// mergePairs returns the merges, which files have as "a b" or ["a", "b"].
func (m *model) mergePairs() ([][2]int32, error) {
	if len(m.Merges) > maxVocab {
		return nil, fmt.Errorf("%d merges are more than %d", len(m.Merges), maxVocab)
	}
	merges := make([][2]int32, len(m.Merges))
	for i, raw := range m.Merges {
		var parts []string
		var joined string
		if err := json.Unmarshal(raw, &joined); err == nil {
			parts = strings.Split(joined, " ")
		} else if err := json.Unmarshal(raw, &parts); err != nil {
			return nil, fmt.Errorf("merge %d is neither text nor a pair", i)
		}
		if len(parts) != 2 {
			return nil, fmt.Errorf("merge %d has %d parts, not 2", i, len(parts))
		}
		for j, s := range parts {
			id, ok := m.Vocab[s]
			if !ok {
				return nil, fmt.Errorf("merge %d: %q is not in the vocabulary", i, s)
			}
			merges[i][j] = id
		}
	}
	return merges, nil
}

// JSON returns the text of a tokenizer.json that gives the same tokens; it is the same for tokenizers
// that give the same tokens.
func (t *Tokenizer) JSON() []byte {
	var b bytes.Buffer
	b.WriteString("{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [")
	first := true
	for id := range t.tokens {
		if !t.special[int32(id)] {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		fmt.Fprintf(&b, "\n    {\"id\": %d, \"content\": %s, \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": true}",
			id, quote(string(t.tokens[id])))
	}
	const level = `{"type": "ByteLevel", "add_prefix_space": %t, "trim_offsets": %t, "use_regex": true}`
	b.WriteString("\n  ],\n  \"normalizer\": null,\n")
	fmt.Fprintf(&b, "  \"pre_tokenizer\": "+level+",\n", false, true)
	fmt.Fprintf(&b, "  \"post_processor\": "+level+",\n", true, false)
	fmt.Fprintf(&b, "  \"decoder\": "+level+",\n", true, true)
	b.WriteString("  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n    \"continuing_subword_prefix\": null,\n" +
		"    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n    \"byte_fallback\": false,\n    \"ignore_merges\": false,\n    \"vocab\": {")
	for id := range t.tokens {
		if id > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n      ")
		b.Write(quote(t.Written(int32(id))))
		b.WriteString(": ")
		b.WriteString(strconv.Itoa(id))
	}
	b.WriteString("\n    },\n    \"merges\": [")
	for i := range t.merges {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n      ")
		b.Write(quote(t.Merge(i)))
	}
	b.WriteString("\n    ]\n  }\n}\n")
	return b.Bytes()
}

// Written returns a token as files write it.
func (t *Tokenizer) Written(id int32) string {
	if t.special[id] {
		return string(t.tokens[id])
	}
	return ByteLevel(t.tokens[id])
}

// Merge returns the i-th merge as files write it: two tokens with a space between.
func (t *Tokenizer) Merge(i int) string {
	return t.Written(t.merges[i][0]) + " " + t.Written(t.merges[i][1])
}

// quote returns s as JSON, without the escapes for HTML.
func quote(s string) []byte {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r >= 0x2028 }) {
		return append(append(append(make([]byte, 0, len(s)+2), '"'), s...), '"')
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always has a JSON form
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
