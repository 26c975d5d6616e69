package kernelbench

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/vcycle-go/vcycle/internal/clock"
	"github.com/vcycle-go/vcycle/kernels"
)

// tiny returns every kind of case at sizes that take microseconds.
func tiny(threads int) (all []*Case) {
	for _, dtype := range DTypes {
		for _, trans := range []string{"NN", "NT", "TN", "TT"} {
			all = append(all, Gemm(Shape{5, 6, 7, trans, 0}, dtype, threads), Gemm(Shape{5, 6, 7, trans, 4}, dtype, threads))
		}
	}
	for _, k := range slices.Concat(elementwise, copies) {
		if k.rows {
			all = append(all, k.at("L1", threads, 3, 20))
		} else {
			all = append(all, k.at("L1", threads, 0, 64))
		}
	}
	return all
}

// TestCases runs every case: none panics, and none turns its operands into what is slow or finite no more.
func TestCases(t *testing.T) {
	defer kernels.SetThreads(kernels.Threads())
	for _, threads := range []int{1, 3} {
		for _, c := range tiny(threads) {
			arena := new(Arena) // zeros between the slices
			run := c.Prepare(arena)
			if got := kernels.Threads(); got != threads {
				t.Errorf("%s: kernels use %d threads", c, got)
			}
			if d := run(50); d <= 0 {
				t.Errorf("%s takes %v", c, d)
			}
			if (c.Flops > 0) == (c.Bytes > 0) {
				t.Errorf("%s does %g operations and moves %g bytes", c, c.Flops, c.Bytes)
			}
			used := 1
			if c.Bytes > 0 {
				used = threads
			}
			for _, m := range arena.threads[:used] {
				if c.DType != "f32" || strings.Contains(c.Name, "BFloat16") {
					continue
				}
				for _, x := range unsafe.Slice((*float32)(unsafe.Pointer(&m.words[0])), m.used/4) {
					if a := math.Abs(float64(x)); !(a < 1e6) {
						t.Fatalf("%s leaves %g", c, x)
					}
				}
			}
		}
	}
}

// TestTimeIsOfACall holds the time to a call that is known to take long.
func TestTimeIsOfACall(t *testing.T) {
	defer kernels.SetThreads(kernels.Threads())
	const call = 2 * time.Millisecond
	calls := 0
	work := func() {
		calls++
		for start := clock.Thread(); clock.Thread()-start < call; {
		}
	}
	c := &Case{Name: "work", Threads: 1, Flops: 1, prepare: func(*memory) func() { return work }}
	for _, whole := range []time.Duration{1, 10 * time.Millisecond, 50 * time.Millisecond} {
		calls = 0
		if got := c.Time(new(Arena), whole); got < call.Seconds() || got*float64(calls) > 1e3 || calls < 1 {
			t.Errorf("%v: a call of %v or a little more is said to take %g s", whole, call, got)
		}
	}
}

// TestNames holds the names to be distinct, and those of exported functions.
func TestNames(t *testing.T) {
	var all []*Case
	for _, s := range Shapes() {
		all = append(all, Gemm(s, "f32", 1), Gemm(s, "f64", 2), Gemm(s, "bf16", 2))
	}
	for _, level := range Levels {
		all = append(all, Elementwise(level, 2)...)
	}
	seen := map[string]bool{}
	for _, c := range all {
		if seen[c.String()] {
			t.Errorf("two cases are %s", c)
		}
		seen[c.String()] = true
		if strings.ToUpper(c.Name[:1]) != c.Name[:1] {
			t.Errorf("%s is not exported", c.Name)
		}
	}
	if got, want := Gemm(Shape{1, 2, 3, "NT", 5}, "f32", 4).String(), "Product/dtype=f32/batch=5/m=1/n=2/k=3/trans=NT/threads=4"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := Gemm(Shape{1, 2, 3, "NT", 1}, "f32", 4).String(), "Sgemm/m=1/n=2/k=3/trans=NT/threads=4"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestWorkset holds slices to fit where they are said to be.
func TestWorkset(t *testing.T) {
	for _, threads := range []int{1, 2, 64} {
		l1, l2, memory := Workset("L1", threads), Workset("L2", threads), Workset("memory", threads)
		if l1 < 1<<12 || l2 <= l1 || memory*threads < 1<<26-64 {
			t.Errorf("%d threads: %d, %d and %d bytes", threads, l1, l2, memory)
		}
		for _, level := range Levels {
			for _, k := range slices.Concat(elementwise, copies) {
				held, _, _ := k.bytes()
				for _, c := range cases([]kernel{k}, level, threads) {
					if size := max(1, c.M) * c.N * held; size > Workset(level, threads) || !k.rows && 2*size <= Workset(level, threads) {
						t.Errorf("%s: %d bytes in %d", c, size, Workset(level, threads))
					}
				}
			}
		}
	}
}

// TestBytes counts by hand.
func TestBytes(t *testing.T) {
	for name, want := range map[string][2]float64{ // for an element: read and written, read
		"Axpy": {12, 8}, "Dot": {8, 8}, "Scal": {8, 4}, "AdamW": {28, 16}, "LayerNormBackward": {16, 12}, "copy": {8, 4}, "read": {4, 4},
		"ToBFloat16": {6, 4}, "FromBFloat16": {6, 2}, "Dger": {16, 8}, "Dgemv": {8, 8},
	} {
		found := false
		for _, k := range slices.Concat(elementwise, copies) {
			if k.name == name {
				found = true
				if c := k.at("L1", 2, 3, 5); c.Bytes != want[0]*2*3*5 || c.Reads != want[1]*2*3*5 {
					t.Errorf("%s moves %g bytes and reads %g of them, want %g and %g", name, c.Bytes, c.Reads, want[0]*2*3*5, want[1]*2*3*5)
				}
			}
		}
		if !found {
			t.Errorf("there is no %s", name)
		}
	}
}

// TestMoved counts by hand what passes besides.
func TestMoved(t *testing.T) {
	const short, long = 100, 1 << 20
	for name, want := range map[string][2]int{ // for an element of a short and of a long row, of three
		"LayerNorm": {3*8 + 8, 3*12 + 8}, "Softmax": {3 * 8, 3 * 16}, "ColumnSums": {3*4 + 8, 3*4 + 8}, "Copy": {3 * 8, 3 * 8},
		"LayerNormBackward": {3*16 + 20, 3*24 + 20},
	} {
		for _, k := range elementwise {
			if k.name != name {
				continue
			}
			for i, cols := range []int{short, long} {
				if c := k.at("L2", 2, 3, cols); c.Moved != float64(2*cols*want[i]) {
					t.Errorf("%s: %g bytes pass, want %d", c, c.Moved, 2*cols*want[i])
				}
			}
			if c := k.at("memory", 2, 3, long); c.Moved != float64(2*long*want[0]) {
				t.Errorf("%s from memory: %g bytes pass, want %d", c, c.Moved, 2*long*want[0])
			}
		}
	}
}

// TestTake holds slices to be apart, aligned and random.
func TestTake(t *testing.T) {
	m := new(memory)
	const n = 3 << 12
	m.reserve(3*8*n, 3)
	a, b, c := take[float32](m, n), take[float64](m, n), take[float32](m, n)
	for i := range n {
		a[i], c[i] = 1, 2
	}
	var sum, squares float64
	for i, x := range b {
		if x == 0 || a[i] != 1 || c[i] != 2 {
			t.Fatalf("at %d: %g, %g, %g", i, a[i], x, c[i])
		}
		sum, squares = sum+x, squares+x*x
	}
	if math.Abs(sum/n) > 0.05 || math.Abs(squares/n-1) > 0.1 {
		t.Errorf("mean %g, mean of squares %g", sum/n, squares/n)
	}
	for i, p := range []unsafe.Pointer{unsafe.Pointer(&a[0]), unsafe.Pointer(&b[0]), unsafe.Pointer(&c[0])} {
		if uintptr(p)%64 != 0 {
			t.Errorf("slice %d starts at %p, in the middle of a cache line", i, p)
		}
	}
}
