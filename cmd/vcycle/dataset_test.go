package main

import (
	"slices"
	"testing"

	"github.com/vcycle-go/vcycle/internal/token"
)

// TestEncodeAll: text that is encoded in parts has the tokens that it has as a whole.
func TestEncodeAll(t *testing.T) {
	gpt2, err := token.GPT2()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tokenizer *token.Tokenizer
		size      int
	}{{gpt2, 1<<20 + 1<<17}, {token.Bytes(), 3 << 20}, {gpt2, 0}} {
		text := []byte(sentences(c.size))
		want := c.tokenizer.NewEncoder().Append(nil, text)
		tokens := encodeAll(c.tokenizer, text)
		got := make([]int32, tokens.Len())
		if err := tokens.Read(0, got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s, %d bytes: %d tokens, %v; want %d", c.tokenizer.Name(), len(text), len(got), err, len(want))
		}
	}
}
