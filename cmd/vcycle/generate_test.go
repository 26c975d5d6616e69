package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/internal/token"
	"github.com/vcycle-go/vcycle/nn"
)

func TestSampler(t *testing.T) {
	logits := []float32{1, 3, 2, 3, float32(math.Inf(-1))}
	count := func(s *sampler) (n [5]float64) {
		for range 20000 {
			n[s.draw(logits)] += 1.0 / 20000
		}
		return n
	}
	if got := newSampler(0, 0, 1).draw(logits); got != 1 {
		t.Errorf("greedy draws %d, want 1, the first of the largest", got)
	}
	if n := count(newSampler(1, 2, 1)); n[1]+n[3] < 1-1e-9 || math.Abs(n[1]-0.5) > 0.02 {
		t.Errorf("the likeliest two are drawn with frequencies %v", n)
	}
	var sum float64
	for _, l := range logits {
		sum += math.Exp(float64(l) / 0.7)
	}
	n := count(newSampler(0.7, 0, 1))
	for i, l := range logits {
		if want := math.Exp(float64(l)/0.7) / sum; math.Abs(n[i]-want) > 0.02 {
			t.Errorf("token %d is drawn with frequency %.3f, want %.3f", i, n[i], want)
		}
	}
	likely := newSampler(1, 0, 1)
	likely.topP = 0.7 // the first two have 0.42 each
	if n := count(likely); n[1]+n[3] < 1-1e-9 || math.Abs(n[1]-0.5) > 0.02 {
		t.Errorf("the likeliest that have 0.7 together are drawn with frequencies %v", n)
	}
	if a, b := count(newSampler(1, 0, 5)), count(newSampler(1, 0, 5)); a != b {
		t.Error("the same seed draws differently")
	}
	if a, b := count(newSampler(1, 0, 5)), count(newSampler(1, 0, 6)); a == b {
		t.Error("another seed draws the same")
	}
}

// Beyond the context, a prompt gives what its tail gives.
func TestGenerateForgets(t *testing.T) {
	d, err := nn.NewDecoder(nn.Config{Vocab: 256, Context: 4, Width: 8, Heads: 1, Blocks: 1, StepSize: 1, Method: "euler"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	text := func(prompt string) (out []byte) {
		err := generate(d, token.Bytes(), []byte(prompt), 12, newSampler(1, 0, 1), func(b []byte) error {
			out = append(out, b...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if a, b := text("a long prompt"), text("ompt"); string(a) != string(b) {
		t.Errorf("%q and its tail %q", a, b)
	}
}

func TestPrintableWriter(t *testing.T) {
	var out strings.Builder
	w := &printableWriter{w: &out}
	for _, b := range []byte("a→\x1b\xffb\xe2\x86") {
		if n, err := w.Write([]byte{b}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	w.flush()
	if want := "a→\ufffd\ufffdb\ufffd\ufffd"; out.String() != want {
		t.Errorf("wrote %q, want %q", out.String(), want)
	}
}

// TestLargest compares with sorting, with equal values among them.
func TestLargest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		logits := make([]float32, 1+rng.IntN(30))
		for i := range logits {
			logits[i] = float32(rng.IntN(8))
		}
		want := largest(logits, 0, true, nil)
		for i := 1; i < len(want); i++ {
			if a, b := logits[want[i-1]], logits[want[i]]; a < b || a == b && want[i-1] > want[i] {
				t.Fatalf("%v: order %v", logits, want)
			}
		}
		for k := 1; k <= len(logits)+1; k++ {
			if got := largest(logits, k, false, nil); !slices.Equal(got, want[:min(k, len(want))]) {
				t.Fatalf("%v: the largest %d are %v, want %v", logits, k, got, want)
			}
		}
	}
}

// TestStopWriter writes byte by byte and in one piece.
func TestStopWriter(t *testing.T) {
	for _, c := range []struct {
		stops []string
		text  string
		want  string
	}{
		{nil, "all of it", "all of it"},
		{[]string{"END"}, "some EN more ENEND not", "some EN more EN"},
		{[]string{"xyz", "yz"}, "a yz", "a "},
		{[]string{"xyz", "y"}, "a xyz", "a x"},
		{[]string{"\n\n"}, "one\ntwo\n", "one\ntwo\n"},
	} {
		for _, size := range []int{1, 100} {
			var out strings.Builder
			w := &stopWriter{w: &out, stops: c.stops}
			var err error
			for part := range slices.Chunk([]byte(c.text), size) {
				if err = w.write(part); err != nil {
					break
				}
			}
			if err == nil {
				err = w.flush()
			}
			if got := out.String(); size == 1 && (got != c.want || (err == errStop) != (c.want != c.text)) {
				t.Errorf("%q until %q: %q, %v", c.text, c.stops, got, err)
			} else if size == 100 && !strings.HasPrefix(c.text, got) {
				t.Errorf("%q until %q at once: %q", c.text, c.stops, got)
			}
		}
	}
}
