package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// console writes lines for people. On a terminal the last one is live: it is written over until
// something else is to be said. Elsewhere it becomes a plain line now and then.
type console struct {
	w     io.Writer
	width func() int // columns of the terminal; nil: not a terminal
	live  int        // columns of the live line that the cursor is on; 0: there is none
	shown time.Time
}

const (
	liveInterval  = 100 * time.Millisecond
	plainInterval = 10 * time.Second
)

// newConsole writes to w, and treats it as a terminal if it is one that can return the cursor.
func newConsole(w io.Writer) *console {
	c := &console{w: w, shown: time.Now()}
	f, ok := w.(*os.File)
	if ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		c.width = func() int {
			columns, _, err := term.GetSize(int(f.Fd()))
			if err != nil || columns < 1 {
				return 80
			}
			return columns
		}
	}
	return c
}

// print writes lines that stay.
func (c *console) print(format string, args ...any) {
	c.clear()
	fmt.Fprintf(c.w, format, args...)
}

// status shows what the run is doing: at once if it is news, else when the last line has been there for
// a while, which it reports. On a terminal news is left standing. line is told how many columns there are; 0: any number.
func (c *console) status(news bool, line func(columns int) string) (shown bool) {
	interval := plainInterval
	if c.width != nil {
		interval = liveInterval
	}
	if !news && time.Since(c.shown) < interval {
		return false
	}
	c.shown = time.Now()
	switch {
	case c.width == nil:
		fmt.Fprintln(c.w, line(0))
	case news:
		c.print("%s\n", line(c.width()-1))
	default:
		// One column stays free, as some terminals wrap when the last is written. Spaces go over the rest
		// of the line before: not every terminal knows an escape sequence for that.
		columns := c.width() - 1
		text := truncate(line(columns), columns)
		n := utf8.RuneCountInString(text)
		fmt.Fprintf(c.w, "\r%s%s", text, strings.Repeat(" ", max(0, c.live-n)))
		c.live = n
	}
	return true
}

// clear removes a live line.
func (c *console) clear() {
	if c.live > 0 {
		fmt.Fprintf(c.w, "\r%s\r", strings.Repeat(" ", c.live))
		c.live = 0
	}
}

// truncate cuts text to so many columns; it holds no characters of other than one column.
func truncate(text string, columns int) string {
	if columns < 1 || utf8.RuneCountInString(text) <= columns {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if columns--; columns == 0 {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}
