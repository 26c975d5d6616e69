package multilevel

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// counting returns n tokens that tell where they are.
func counting(n int) Tokens {
	t := make(Tokens, n)
	for i := range t {
		t[i] = int32(i)
	}
	return t
}

func windows(t *testing.T, train, val TokenReader, context int, seed uint64) *Windows {
	t.Helper()
	w, err := NewWindows(train, val, 1<<20, context, seed, "x")
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestPermute(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 7, 8, 9, 100, 1000, 4097} {
		seen := make([]bool, n)
		fixed := 0
		for i := range n {
			j := permute(i, n, 12345)
			if j >= n || seen[j] {
				t.Fatalf("n = %d: %d goes to %d, out of range or taken", n, i, j)
			}
			seen[j] = true
			if i == j {
				fixed++
			}
		}
		if n > 100 && fixed > 10 { // one on average
			t.Errorf("n = %d: %d stay where they are", n, fixed)
		}
	}
	// Positions and images are not correlated: r is within 4 standard deviations of 0.
	const n = 5000
	var r float64
	for i := range uint64(n) {
		r += (float64(i) - (n-1)/2.) * (float64(permute(i, n, 99)) - (n-1)/2.)
	}
	if r /= n * (n*n - 1) / 12.; math.Abs(r) > 4/math.Sqrt(n) {
		t.Errorf("correlation %.3f", r)
	}
}

// TestWindowsEpoch draws whole epochs: every window once in each, no target twice, and another order and
// another grid in the next.
func TestWindowsEpoch(t *testing.T) {
	for _, c := range []struct{ n, context, rows int }{{1000, 10, 4}, {995, 7, 3}, {11, 10, 2}, {12, 10, 1}, {20, 10, 1}, {21, 10, 1}, {2, 1, 1}} {
		w := windows(t, counting(c.n), counting(c.n), c.context, 7)
		tokens, targets := make([]int32, c.rows*c.context), make([]int32, c.rows*c.context)
		var starts []int32
		for step := 0; len(starts) < 3*int(w.Epoch())+c.rows; step++ {
			w.Batch(step, tokens, targets)
			for i := range tokens {
				if targets[i] != tokens[i]+1 || i%c.context > 0 && tokens[i] != tokens[i-1]+1 {
					t.Fatalf("%+v, step %d: tokens %v, targets %v", c, step, tokens, targets)
				}
				if i%c.context == 0 {
					starts = append(starts, tokens[i])
				}
			}
		}
		n := int(w.Epoch())
		if n < c.n/c.context-1 || n < 1 {
			t.Errorf("%+v: %d windows", c, n)
		}
		moved := false
		for e := range 3 {
			epoch := starts[e*n : (e+1)*n]
			seen := map[int32]bool{}
			for _, s := range epoch {
				if seen[s] || (s-epoch[0])%int32(c.context) != 0 {
					t.Fatalf("%+v, epoch %d: start %d twice or off the grid of %d", c, e, s, epoch[0])
				}
				seen[s] = true
			}
			moved = moved || epoch[0]%int32(c.context) != starts[0]%int32(c.context)
		}
		if n > 50 && !moved {
			t.Errorf("%+v: the grid stays", c)
		}
	}
}

func TestWindowsPure(t *testing.T) {
	a, b := windows(t, counting(500), counting(100), 8, 1), windows(t, counting(500), counting(100), 8, 1)
	other := windows(t, counting(500), counting(100), 8, 2)
	draw := func(w *Windows, step int) (x [32]int32) {
		var targets [32]int32
		w.Batch(step, x[:], targets[:])
		return x
	}
	draw(a, 3)
	if draw(a, 70) != draw(b, 70) {
		t.Error("a batch depends on those before it")
	}
	if draw(a, 0) == draw(other, 0) || draw(a, 0) == draw(a, 1) {
		t.Error("batches do not depend on seed and step")
	}
	if a.Fingerprint() != b.Fingerprint() || a.Fingerprint() == other.Fingerprint() {
		t.Error("fingerprints")
	}
	tokens, targets := make([]int32, 32), make([]int32, 32)
	if n := testing.AllocsPerRun(10, func() { a.Batch(5, tokens, targets) }); n != 0 {
		t.Errorf("Batch allocates %g times", n)
	}
	tokens, targets = a.Validation()
	if len(tokens) != 12*8 || tokens[0] != 0 || targets[len(targets)-1] != 99 {
		t.Errorf("validation: %d tokens, from %d to %d", len(tokens), tokens[0], targets[len(targets)-1])
	}
}

// broken fails from a token on.
type broken struct {
	Tokens
	from int64
}

func (b broken) Read(at int64, dst []int32) error {
	if at+int64(len(dst)) > b.from {
		return errors.New("shard 3 is damaged")
	}
	return b.Tokens.Read(at, dst)
}

func TestWindowsErrors(t *testing.T) {
	for _, c := range []struct {
		train, val TokenReader
		context    int
		want       string
	}{
		{counting(8), counting(100), 8, "training data of 8 tokens"},
		{counting(100), counting(8), 8, "validation data of 8 tokens"},
		{counting(100), counting(100), 0, "context 0"},
		{counting(100), broken{counting(100), 50}, 8, "shard 3"},
	} {
		if _, err := NewWindows(c.train, c.val, 100, c.context, 1, ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	// A trainer stops at data that cannot be read, and does not learn from what is there instead.
	o := Defaults()
	o.Blocks, o.Width, o.Heads, o.Context, o.Batch, o.Steps, o.Warmup, o.Vocab = 1, 8, 1, 8, 4, 200, 0, 100
	w, err := NewWindows(broken{counting(100), 90}, counting(100), 100, o.Context, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := NewTrainer(o, w)
	if err != nil {
		t.Fatal(err)
	}
	for range o.Steps {
		if _, err = tr.Step(); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "shard 3 is damaged") {
		t.Errorf("error %v", err)
	}
}
