package token

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// The classes of characters that GPT-2's pattern tells apart.
const (
	other uint8 = iota
	letter
	number
	space
)

func classify(r rune) uint8 {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// classes are those of the basic multilingual plane, in which nearly every character of a text is: a
// look-up in Unicode's tables takes ten times as long.
var classes = sync.OnceValue(func() *[1 << 16]uint8 {
	t := new([1 << 16]uint8)
	for r := range t {
		t[r] = classify(rune(r))
	}
	return t
})

// classAt returns the class and the size of the character that text begins with. What is not UTF-8 is a
// character of one byte.
func classAt(table *[1 << 16]uint8, text []byte) (class uint8, size int) {
	if c := text[0]; c < utf8.RuneSelf {
		return table[c], 1
	}
	r, size := utf8.DecodeRune(text)
	if size == 1 {
		return other, 1
	}
	if int(r) < len(table) {
		return table[r], size
	}
	return classify(r), size
}

// next returns the length of the word that text, which is not empty, begins with: the first match of
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func next(table *[1 << 16]uint8, text []byte) int {
	if text[0] == '\'' {
		if n := contraction(text); n > 0 {
			return n
		}
	}
	class, n := classAt(table, text)
	if text[0] == ' ' && len(text) > 1 {
		if c, size := classAt(table, text[1:]); c != space {
			class, n = c, 1+size
		}
	}
	last := 0 // start of the last character
	for n < len(text) {
		c, size := classAt(table, text[n:])
		if c != class {
			if class == space && last > 0 {
				return last // leaves the last one to the word that follows
			}
			return n
		}
		last = n
		n += size
	}
	return n
}

func contraction(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(text) > 2 {
		switch string(text[1:3]) {
		case "re", "ve", "ll":
			return 3
		}
	}
	return 0
}

// Cut returns the largest n ≤ len(text) at which text can be cut so that the encodings of the two parts,
// one after the other, are the encoding of the whole, whatever follows text; 0 if it finds none. Words
// begin, but do not end, with a space: the place between a character that is no space and one that is.
func Cut(text []byte) int {
	for i := len(text) - 1; i > 0; i-- {
		if asciiSpace(text[i]) && text[i-1] < utf8.RuneSelf && !asciiSpace(text[i-1]) {
			return i
		}
	}
	return 0
}

func asciiSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
