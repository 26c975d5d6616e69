package token

import (
	"fmt"
	"unicode/utf8"
)

// Vocabularies in files write a byte as a character that can be printed: the printable ones of Latin-1 as
// themselves, the others, in order, as those from U+0100 on.
var (
	byteToRune [256]rune
	runeToByte = map[rune]byte{}
)

func init() {
	shifted := rune(256)
	for c := range 256 {
		r := rune(c)
		if r < '!' || r > '~' && r < '¡' || r == '\u00ad' {
			r = shifted
			shifted++
		}
		byteToRune[c] = r
		runeToByte[r] = byte(c)
	}
}

// ByteLevel returns bytes as files write them.
func ByteLevel(b []byte) string {
	s := make([]byte, 0, len(b)+len(b)/4)
	for _, c := range b {
		s = utf8.AppendRune(s, byteToRune[c])
	}
	return string(s)
}

// fromByteLevel returns the bytes that files write as s.
func fromByteLevel(s string) ([]byte, error) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		c, ok := runeToByte[r]
		if !ok {
			return nil, fmt.Errorf("the character %q of the token %q stands for no byte", r, s)
		}
		b = append(b, c)
	}
	return b, nil
}
