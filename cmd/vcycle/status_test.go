package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestConsoleOnTerminal(t *testing.T) {
	var out strings.Builder
	c := newConsole(&out)
	c.width = func() int { return 12 }
	live := func(text string) {
		c.shown = c.shown.Add(-liveInterval)
		c.status(false, func(int) string { return text })
	}
	live("a line that is too long")
	c.status(false, func(int) string { t.Error("a line was asked for too soon"); return "" })
	live("short")
	c.status(true, func(columns int) string {
		if columns != 11 {
			t.Errorf("a line of %d columns is asked for, want 11", columns)
		}
		return "news stays, whole"
	})
	live("again")
	c.print("done\n")
	want := "\ra line tha…" + "\rshort      " + "\r     \rnews stays, whole\n" + "\ragain" + "\r     \rdone\n"
	if out.String() != want {
		t.Errorf("wrote %q\nwant  %q", out.String(), want)
	}
}

func TestConsoleElsewhere(t *testing.T) {
	var out strings.Builder
	c := newConsole(&out)
	c.status(false, func(int) string { return "too soon" })
	c.status(true, func(int) string { return "news" })
	c.shown = c.shown.Add(-plainInterval)
	c.status(false, func(int) string { return "after a while" })
	c.print("end\n")
	if want := "news\nafter a while\nend\n"; out.String() != want {
		t.Errorf("wrote %q, want %q", out.String(), want)
	}
}

func TestTruncate(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns int
		want    string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 3, "äö…"}, {"abc", 1, "…"}, {"", 5, ""}, {"abc", 0, "abc"}} {
		if got := truncate(c.text, c.columns); got != c.want || c.columns > 0 && utf8.RuneCountInString(got) > c.columns {
			t.Errorf("truncate(%q, %d) = %q, want %q", c.text, c.columns, got, c.want)
		}
	}
}
