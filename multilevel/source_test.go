package multilevel

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// ramp is text in which a byte tells its position.
func ramp(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func mustBytes(t testing.TB, train, val []byte, context int, seed uint64) *Bytes {
	t.Helper()
	b, err := NewBytes(train, val, context, seed)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBatch(t *testing.T) {
	const context, rows = 7, 64
	train := ramp(40)
	src := mustBytes(t, train, train, context, 1)
	tokens, targets := make([]int32, rows*context), make([]int32, rows*context)
	first := map[int32]bool{}
	for step := range 20 {
		src.Batch(step, tokens, targets)
		for r := range rows {
			window, next := tokens[r*context:][:context], targets[r*context:][:context]
			first[window[0]] = true
			for i := range window {
				if window[i] != window[0]+int32(i) || next[i] != window[i]+1 || int(next[i]) >= len(train) {
					t.Fatalf("step %d, row %d: %v, targets %v", step, r, window, next)
				}
			}
		}
	}
	if len(first) != len(train)-context {
		t.Errorf("%d of the %d windows were drawn", len(first), len(train)-context)
	}
}

// TestBatchIsPure: a batch depends on seed and step and on nothing else.
func TestBatchIsPure(t *testing.T) {
	train := ramp(200)
	draw := func(seed uint64, steps ...int) []int32 {
		src := mustBytes(t, train, train, 5, seed)
		tokens, targets := make([]int32, 40), make([]int32, 40)
		for _, s := range steps {
			src.Batch(s, tokens, targets)
		}
		return tokens
	}
	want := draw(1, 9)
	if !slices.Equal(draw(1, 0, 3, 7, 9), want) {
		t.Error("the batch of a step depends on the steps before")
	}
	if slices.Equal(draw(1, 8), want) || slices.Equal(draw(2, 9), want) {
		t.Error("steps or seeds draw the same batch")
	}
}

// TestBatchIsUniform: χ² of the starts of 64,000 windows over 100 positions; its 99.99th percentile with
// 99 degrees of freedom is 161.
func TestBatchIsUniform(t *testing.T) {
	const context, positions, rows, steps = 4, 100, 64, 1000
	src := mustBytes(t, ramp(positions+context), ramp(10), context, 3)
	tokens, targets := make([]int32, rows*context), make([]int32, rows*context)
	var count [positions]float64
	for s := range steps {
		src.Batch(s, tokens, targets)
		for r := range rows {
			count[tokens[r*context]]++
		}
	}
	var chi2 float64
	for _, n := range count {
		const mean = rows * steps / positions
		chi2 += (n - mean) * (n - mean) / mean
	}
	if chi2 > 161 {
		t.Errorf("χ² = %.0f", chi2)
	}
}

func TestValidation(t *testing.T) {
	for _, c := range []struct{ n, context, windows int }{{5, 4, 1}, {9, 4, 2}, {10, 4, 2}, {256, 4, 63}, {251, 1, 250}, {8, 7, 1}} {
		src := mustBytes(t, ramp(300), ramp(c.n), c.context, 1)
		tokens, targets := src.Validation()
		if len(tokens) != c.windows*c.context || len(targets) != len(tokens) {
			t.Errorf("%d bytes, context %d: %d tokens, want %d windows", c.n, c.context, len(tokens), c.windows)
			continue
		}
		for i := range tokens {
			if targets[i] != tokens[i]+1 || i > 0 && tokens[i] <= tokens[i-1] {
				t.Fatalf("%d bytes, context %d: windows overlap or targets are not the next tokens: %v, %v", c.n, c.context, tokens, targets)
			}
		}
	}
}

// TestValidationBound: what a validation costs, and how much it sees, does not depend on the context.
func TestValidationBound(t *testing.T) {
	for _, c := range []struct{ context, windows int }{{1, 16384}, {16, 1024}, {256, 64}, {300, 54}, {16384, 1}, {20000, 1}} {
		tokens, _ := mustBytes(t, ramp(50000), ramp(50000), c.context, 1).Validation()
		if len(tokens) != c.windows*c.context {
			t.Errorf("context %d: %d tokens, want %d windows", c.context, len(tokens), c.windows)
		}
	}
}

func TestFingerprint(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	text := make([]byte, 100)
	for i := range text {
		text[i] = byte(rng.Uint32())
	}
	other := bytes.Clone(text)
	other[50]++
	base := mustBytes(t, text, text[:50], 8, 1).Fingerprint()
	if base != mustBytes(t, text, text[:50], 8, 1).Fingerprint() {
		t.Error("the same data, another fingerprint")
	}
	for name, src := range map[string]*Bytes{
		"train": mustBytes(t, other, text[:50], 8, 1), "val": mustBytes(t, text, other[1:51], 8, 1),
		"split":   mustBytes(t, text[:90], append(bytes.Clone(text[90:]), text[:50]...), 8, 1),
		"context": mustBytes(t, text, text[:50], 9, 1), "seed": mustBytes(t, text, text[:50], 8, 2),
	} {
		if src.Fingerprint() == base {
			t.Errorf("another %s, the same fingerprint", name)
		}
	}
}

func TestNewBytesRefuses(t *testing.T) {
	for _, c := range []struct {
		train, val, context int
		want                string
	}{
		{8, 9, 8, "training data of 8 bytes: a context of 8 needs at least 9"},
		{9, 8, 8, "validation data of 8 bytes"},
		{0, 0, 8, "training data of 0 bytes"},
		{9, 9, 0, "context 0"},
	} {
		if _, err := NewBytes(make([]byte, c.train), make([]byte, c.val), c.context, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}
