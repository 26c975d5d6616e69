package main

import (
	"math"
	"testing"
)

func TestFormat(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{commas(0), "0"}, {commas(999), "999"}, {commas(1000), "1,000"}, {commas(123456), "123,456"},
		{commas(1234567), "1,234,567"}, {commas(-1234), "-1,234"}, {commas(-123), "-123"},
		{si(0), "0"}, {si(7), "7"}, {si(7.25), "7.25"}, {si(999), "999"}, {si(999.6), "1.00k"}, {si(1234), "1.23k"},
		{si(12345), "12.3k"}, {si(123456), "123k"}, {si(4.56e6), "4.56M"}, {si(2.5e13), "25.0T"},
		{byteSize(12), "12 B"}, {byteSize(70.2e6), "70.2 MB"}, {byteSize(1234), "1.23 kB"},
		{flops(3.21e12), "3.21 TFLOP"}, {flops(5), "5 FLOP"},
		{percent(1, 2), "50%"}, {percent(1, 100), "1.0%"}, {percent(0, 0), "–"}, {percent(1, 0), "–"},
		{clock(0), "0.0s"}, {clock(-1), "0.0s"}, {clock(9.94), "9.9s"}, {clock(42.4), "42s"}, {clock(59.7), "1m00s"},
		{clock(187), "3m07s"}, {clock(3599.8), "1h00m"}, {clock(7500), "2h05m"}, {clock(3 * 86400), "3d00h"},
		{clock(math.NaN()), "–"}, {clock(math.Inf(1)), "–"},
		{ints([]int{3, 6, 12}), "3,6,12"}, {ints(nil), ""}, {arrows([]int{3, 12}), "3 → 12"},
		{plural(1, "block"), "1 block"}, {plural(int64(0), "token"), "0 tokens"}, {plural(1200, "step"), "1,200 steps"},
		{printable([]byte("a\tb\nç→")), "a\tb\nç→"},
		{printable([]byte("\x1b[2J\x00\xff\r\u200e")), "\ufffd[2J\ufffd\ufffd\ufffd\ufffd"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestSmoother(t *testing.T) {
	var s smoother
	if s.average() != 0 {
		t.Error("an empty average is not 0")
	}
	for range 5 {
		if got := s.add(3); math.Abs(got-3) > 1e-12 {
			t.Errorf("average of equal values 3 is %v", got)
		}
	}
	for range 1000 {
		s.add(7)
	}
	if math.Abs(s.average()-7) > 1e-9 {
		t.Errorf("average after a long time at 7 is %v", s.average())
	}
}
