package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// commas returns n in decimal with a comma between thousands.
func commas(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := len(s) % 3
	if n < 0 {
		start = 1 + (len(s)-1)%3
	}
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i >= start && (i-start)%3 == 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// si returns v with three significant digits and a decimal prefix: 12.3k, 4.56M.
func si(v float64) string {
	prefixes := []string{"", "k", "M", "G", "T", "P", "E"}
	i := 0
	for math.Abs(v) >= 999.5 && i < len(prefixes)-1 {
		v /= 1000
		i++
	}
	digits := 2
	if a := math.Abs(v); a >= 99.95 || v == math.Trunc(v) && i == 0 {
		digits = 0
	} else if a >= 9.995 {
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + prefixes[i]
}

// byteSize returns v bytes with a decimal prefix: 12.3 MB.
func byteSize(v float64) string {
	s := si(v)
	if c := s[len(s)-1]; c > '9' {
		return s[:len(s)-1] + " " + string(c) + "B"
	}
	return s + " B"
}

// flops returns v floating point operations with a decimal prefix: 12.3 TFLOP.
func flops(v float64) string {
	return strings.TrimSuffix(byteSize(v), "B") + "FLOP"
}

// percent returns v/of as a whole percentage, or with a decimal below ten.
func percent(v, of float64) string {
	p := 100 * v / of
	if of == 0 || math.IsNaN(p) {
		return "–"
	}
	if p < 9.95 {
		return fmt.Sprintf("%.1f%%", p)
	}
	return fmt.Sprintf("%.0f%%", p)
}

// clock returns d in the largest two units that matter: 9.8s, 42s, 3m07s, 2h05m, 3d04h.
func clock(seconds float64) string {
	if math.IsNaN(seconds) || seconds > 1e8 {
		return "–"
	}
	d := time.Duration(max(seconds, 0) * float64(time.Second))
	switch {
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute-500*time.Millisecond:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour-500*time.Millisecond:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 48*time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// ints returns n joined by commas.
func ints(n []int) string {
	s := make([]string, len(n))
	for i, v := range n {
		s[i] = strconv.Itoa(v)
	}
	return strings.Join(s, ",")
}

// printable returns text as valid UTF-8 without control characters other than newline and tab, so that
// what an untrained model generates cannot change the state of a terminal.
func printable(text []byte) string {
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || !unicode.IsPrint(r)) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}

// plural returns n of what noun names one of: "1 step", "1,200 steps".
func plural[N int | int64](n N, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return commas(int64(n)) + " " + noun
}

func blocks(n int) string { return plural(n, "block") }

// arrows returns depths as 3 → 6 → 12.
func arrows(depths []int) string { return strings.ReplaceAll(ints(depths), ",", " → ") }
