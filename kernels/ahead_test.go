package kernels

import (
	"math/rand/v2"
	"testing"
)

// lines returns the lines that a tile fetches in so many rounds, and how often.
func (h ahead) lines(rounds int) map[uintptr]int {
	seen := map[uintptr]int{}
	for range rounds {
		seen[h.at/cacheLine]++
		h.left--
		if h.left == 0 {
			h.at += uintptr(h.skip)
			h.left = h.steps
		} else {
			h.at += uintptr(h.step)
		}
	}
	return seen
}

// TestAheadRows holds the rounds to every line of every row.
func TestAheadRows(t *testing.T) {
	for _, c := range []struct{ at, rows, width, ld, rounds int }{
		{1 << 20, 5, 128, 4096, 10}, {1 << 20, 5, 128, 4096, 249}, {1<<20 + 20, 3, 200, 1000, 60}, {1<<20 + 60, 1, 8, 64, 7}, {1 << 20, 32, 256, 2052, 160},
	} {
		var h ahead
		h.rows(uintptr(c.at), c.rows, c.width, c.ld, c.rounds)
		seen := h.lines(c.rounds)
		for i := range c.rows {
			for b := c.at + i*c.ld; b < c.at+i*c.ld+c.width; b++ {
				if seen[uintptr(b/cacheLine)] == 0 {
					t.Fatalf("%+v: byte %d of row %d is not fetched", c, b-c.at-i*c.ld, i)
				}
			}
		}
	}
}

// TestAheadColumns has parts that follow each other fetch each line once.
func TestAheadColumns(t *testing.T) {
	const at, rows, lines, ld, parts = 1 << 20, 7, 5, 4096, 3
	seen := map[uintptr]int{}
	for part := range parts {
		var h ahead
		line, end := rows*lines*part/parts, rows*lines*(part+1)/parts
		h.columns(at, rows, ld, line)
		for l, n := range h.lines(end - line) {
			seen[l] += n
		}
	}
	for i := range rows {
		for l := range lines {
			if n := seen[uintptr((at+i*ld)/cacheLine+l)]; n != 1 {
				t.Errorf("line %d of row %d is fetched %d times", l, i, n)
			}
		}
	}
	if len(seen) != rows*lines {
		t.Errorf("%d lines are fetched of %d", len(seen), rows*lines)
	}
}

// TestPieces multiplies while panels of B are packed in several pieces, in turns and beside each other.
func TestPieces(t *testing.T) {
	defer func(b gemmBlock) { single.block = b }(single.block)
	single.block = gemmBlock{mc: 60, kc: 200, nc: 140, flat: 90}
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for trans := range 4 {
			for _, m := range []int{50, 130} {
				checkGemm(t, gemmCase{transA: trans&1 != 0, transB: trans&2 != 0, m: m, n: 150, k: 333, alpha: 1, beta: 1, pad: page / 4}, rng)
			}
		}
	})
}
