package nn

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/vcycle-go/vcycle/kernels"
)

var tiny = Config{Vocab: 11, Context: 6, Width: 8, Heads: 2, Blocks: 2, StepSize: 1, Method: "euler"}

// The loss and the gradient of every parameter array, for every method and for step sizes other than 1,
// against the float64 reference and its central differences.
func TestDecoderGradient(t *testing.T) {
	for _, method := range Methods() {
		for _, h := range []float64{1, 0.4} {
			t.Run(fmt.Sprint(method, " h=", h), func(t *testing.T) {
				cfg := tiny
				cfg.Method, cfg.StepSize = method, h
				d, tokens, targets := randomDecoder(t, cfg, 2)
				ref := newRefDecoder(d)
				loss := func() float64 { return ref.loss(tokens, targets) }
				got := d.Step(tokens, targets, 2)
				if want := loss(); !(math.Abs(got-want) <= 1e-6*want) {
					t.Errorf("loss %v, want %v", got, want)
				}
				if again := d.Loss(tokens, targets, 2); again != got {
					t.Errorf("Loss gives %v, Step %v", again, got)
				}
				for i, g := range d.Groups() {
					for j, e := range g.Entries {
						lo, hi, samples := e.Offset, e.Offset+e.Len(), 4
						if e.Len() == 1 { // the gate's bias, a sum of what the gradients of its weights are, whose terms may cancel
							lo = g.Entries[j-1].Offset
							samples = hi - lo
						}
						checkGradient(t, g.Name+"."+e.Name, ref.theta[i][lo:hi], g.Grad[lo:hi], samples, 1e-5, loss)
					}
				}
			})
		}
	}
}

// Gradients are added to what is there.
func TestGradientsAdd(t *testing.T) {
	d, tokens, targets := randomDecoder(t, tiny, 2)
	d.Step(tokens, targets, 2)
	var once [][]float32
	for _, g := range d.Groups() {
		once = append(once, append([]float32(nil), g.Grad...))
	}
	d.Step(tokens, targets, 2)
	for i, g := range d.Groups() {
		for j, v := range g.Grad {
			if w := 2 * once[i][j]; !(math.Abs(float64(v-w)) <= 1e-6*(1+math.Abs(float64(w)))) {
				t.Fatalf("%s: gradient %d is %v after two steps, %v after one", g.Name, j, v, once[i][j])
			}
		}
	}
	d.ZeroGrad()
	if n := GradNorm(d.Groups()); n != 0 {
		t.Errorf("norm %v after ZeroGrad", n)
	}
}

// Parts of a batch one after the other, uneven ones, make the step on all of it: loss and gradients are
// divided by the tokens of the window. Only the order of the sums differs.
func TestAccumulate(t *testing.T) {
	forEachMethod(t, func(t *testing.T, cfg Config) {
		const batch = 5
		d, tokens, targets := randomDecoder(t, cfg, batch)
		n, c := len(tokens), cfg.Context
		loss := d.Step(tokens, targets, batch)
		var whole [][]float32
		for _, g := range d.Groups() {
			whole = append(whole, slices.Clone(g.Grad))
		}
		d.ZeroGrad()
		sum := d.Accumulate(0, tokens[:c], targets[:c], 1, n)
		sum = d.Accumulate(sum, tokens[c:4*c], targets[c:4*c], 3, n)
		sum = d.Accumulate(sum, tokens[4*c:], targets[4*c:], 1, n)
		if got := sum / float64(n); !(math.Abs(got-loss) <= 1e-6*loss) {
			t.Errorf("loss %v, want %v", got, loss)
		}
		for i, g := range d.Groups() {
			scale := 0.0
			for _, v := range whole[i] {
				scale = max(scale, math.Abs(float64(v)))
			}
			for j, v := range g.Grad {
				if !(math.Abs(float64(v-whole[i][j])) <= 1e-6*scale) {
					t.Fatalf("%s: gradient %d is %v, want %v", g.Name, j, v, whole[i][j])
				}
			}
		}
	})
}

// In parts of whole chunks the loss keeps its bits, and with one evaluation a block so do the gradients of
// all but matrices.
func TestAccumulateBits(t *testing.T) {
	cfg := Config{Vocab: 130, Context: rowGrain, Width: 24, Heads: 3, Blocks: 2, StepSize: 0.5, Method: "euler"}
	for _, cfg.Method = range Methods() {
		d, tokens, targets := randomDecoder(t, cfg, 3)
		n, c := len(tokens), cfg.Context
		loss := d.Step(tokens, targets, 3)
		var whole [][]float32
		for _, g := range d.Groups() {
			whole = append(whole, slices.Clone(g.Grad))
		}
		d.ZeroGrad()
		sum := d.Accumulate(0, tokens[:2*c], targets[:2*c], 2, n)
		sum = d.Accumulate(sum, tokens[2*c:], targets[2*c:], 1, n)
		if got := sum / float64(n); got != loss {
			t.Errorf("%s: loss %v, want %v", cfg.Method, got, loss)
		}
		for i, g := range d.Groups() {
			if len(cfg.method().tableau.B) == 1 && !slices.Equal(g.Grad[g.Matrices:], whole[i][g.Matrices:]) {
				t.Errorf("%s: other gradients of %s", cfg.Method, g.Name)
			}
		}
	}
}

// Logits after a prefix are those of the same rows of the whole sequence: the loss of the last position
// follows from them.
func TestLogits(t *testing.T) {
	d, tokens, targets := randomDecoder(t, tiny, 1)
	d.Loss(tokens, targets, 1)
	losses := append([]float32(nil), d.memory.losses...)
	logits := make([]float32, tiny.Vocab)
	for n := 1; n <= tiny.Context; n++ {
		d.Logits(tokens[:n], logits)
		sum := 0.0
		for _, l := range logits {
			sum += math.Exp(float64(l))
		}
		if got := math.Log(sum) - float64(logits[targets[n-1]]); !(math.Abs(got-float64(losses[n-1])) <= 1e-5) {
			t.Errorf("after %d tokens the loss of the next is %v, want %v", n, got, losses[n-1])
		}
	}
}

// Generating alone takes no more memory than a sequence of the whole context.
func TestGenerationMemory(t *testing.T) {
	cfg := tiny
	cfg.Context, cfg.Width = 40, 32
	d, tokens, targets := randomDecoder(t, cfg, 1)
	logits := make([]float32, cfg.Vocab)
	for n := 1; n <= cfg.Context; n += 3 {
		d.Logits(tokens[:n], logits)
	}
	got := d.arena.Len()
	d, _, _ = randomDecoder(t, cfg, 1)
	d.Loss(tokens, targets, 1)
	if want := d.arena.Len(); got > want {
		t.Errorf("generation took %d elements of memory, the whole context takes %d", got, want)
	}
}

// Changing the depth and coming back gives the same results, and memory only grows for more blocks than
// there ever were.
func TestSetBlocks(t *testing.T) {
	d, tokens, targets := randomDecoder(t, tiny, 2)
	loss := func() float64 { return d.Loss(tokens, targets, 2) }
	two, kept := loss(), d.arena.Len()
	blocks := d.Blocks()
	if err := d.SetBlocks(blocks[:1], 2); err != nil {
		t.Fatal(err)
	}
	one := loss()
	if d.arena.Len() != kept || one == two {
		t.Errorf("with one block of two: loss %v, was %v; %d elements of memory, were %d", one, two, d.arena.Len(), kept)
	}
	if want := newRefDecoder(d).loss(tokens, targets); !(math.Abs(one-want) <= 1e-6*want) {
		t.Errorf("loss with h = 2 is %v, want %v", one, want)
	}
	identity := []*Group{blocks[0], d.NewBlock(), blocks[1], d.NewBlock()}
	if err := d.SetBlocks(identity, 1); err != nil {
		t.Fatal(err)
	}
	if got := loss(); got != two {
		t.Errorf("with two zero blocks inserted the loss is %v, want %v", got, two)
	}
	for i, g := range d.Blocks() {
		if want := fmt.Sprintf("h.%d", i); g.Name != want {
			t.Errorf("block %d is called %s", i, g.Name)
		}
	}
	if err := d.SetBlocks(blocks, 1); err != nil || loss() != two {
		t.Errorf("back at two blocks: loss %v, want %v; error %v", loss(), two, err)
	}
	transposed := d.NewBlock()
	slices.Reverse(transposed.Entries[entryQKV].Shape)
	for what, err := range map[string]error{
		"no block":     d.SetBlocks(nil, 1),
		"zero step":    d.SetBlocks(blocks, 0),
		"no step":      d.SetBlocks(blocks, 1e-50),
		"other layout": d.SetBlocks([]*Group{d.Groups()[0]}, 1),
		"other shape":  d.SetBlocks([]*Group{transposed}, 1),
		"twice":        d.SetBlocks([]*Group{blocks[0], blocks[1], blocks[0]}, 1),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if d.Config().Blocks != 2 || loss() != two {
		t.Error("a failed SetBlocks changed the decoder")
	}
}

// Training gives the same bits on any number of threads. The sizes make several chunks of every task.
func TestThreads(t *testing.T) {
	defer kernels.SetThreads(0)
	cfg := Config{Vocab: 130, Context: 72, Width: 24, Heads: 3, Blocks: 2, StepSize: 0.5, Method: "euler"}
	for i, method := range []string{"euler", "split", "heun", "rk2-gated", "rk4-learned", "euler", "split"} {
		cfg.Method, cfg.Precision = method, Precisions()[i/5]
		var want []uint32
		for threads := 1; threads <= 3; threads++ {
			kernels.SetThreads(threads)
			got := trainingBits(t, cfg)
			if threads == 1 {
				want = got
			}
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("%s in %s, %d threads: element %d is %v, on one %v", cfg.Method, cfg.Precision, threads, i,
						math.Float32frombits(got[i]), math.Float32frombits(want[i]))
				}
			}
		}
	}
}

// trainingBits returns losses, norms and parameters of two training steps.
func trainingBits(t *testing.T, cfg Config) (bits []uint32) {
	const batch = 2
	d, tokens, targets := randomDecoder(t, cfg, batch)
	opt := &AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1}
	for range 2 {
		d.ZeroGrad()
		loss := d.Step(tokens, targets, batch)
		norm := GradNorm(d.Groups())
		d.Update(opt, 1e-2, 1/max(1, norm))
		bits = append(bits, math.Float32bits(float32(loss)), math.Float32bits(float32(norm)))
	}
	for _, g := range d.Groups() {
		for _, v := range g.Theta {
			bits = append(bits, math.Float32bits(v))
		}
	}
	return bits
}

// After the first steps nothing is allocated: not by a step, nor by validation, the optimizers and
// generation between steps.
func TestAllocations(t *testing.T) {
	for i, method := range append(Methods(), Methods()...) {
		cfg := tiny
		cfg.Method, cfg.Precision = method, Precisions()[i/len(Methods())]
		d, tokens, targets := randomDecoder(t, cfg, 2)
		logits := make([]float32, cfg.Vocab)
		for _, opt := range []Optimizer{&AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8}, &SGD{Momentum: 0.9}} {
			if n := testing.AllocsPerRun(5, func() {
				d.ZeroGrad()
				d.Step(tokens, targets, 2)
				d.Update(opt, 1e-3, 1/max(1, GradNorm(d.Groups())))
				d.Loss(tokens, targets, 2)
				d.Logits(tokens[:3], logits)
			}); n != 0 {
				t.Errorf("%s in %s, %s: %v allocations", method, cfg.Precision, opt.Name(), n)
			}
		}
	}
}

// Nor do steps on two threads allocate, which AllocsPerRun cannot see: it sets GOMAXPROCS to 1. The runtime
// itself allocates at times: a goroutine that parks takes a sudog, now and then a new one, and to wake one
// may start an OS thread. So some stretch of steps must allocate nothing at all, which none would if a
// step did. The sizes make several chunks of every task.
func TestAllocationsOnThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	defer kernels.SetThreads(0)
	kernels.SetThreads(2)
	cfg := Config{Vocab: 130, Context: 72, Width: 24, Heads: 3, Blocks: 2, StepSize: 0.5, Method: "euler"}
	const batch, steps, stretches = 2, 4, 40
	for i, method := range []string{"euler", "split", "heun", "euler"} {
		cfg.Method, cfg.Precision = method, Precisions()[i/3]
		d, tokens, targets := randomDecoder(t, cfg, batch)
		opt := &AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8}
		least := uint64(math.MaxUint64)
		for try := 0; try < stretches && least > 0; try++ {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range steps {
				d.ZeroGrad()
				d.Step(tokens, targets, batch)
				d.Update(opt, 1e-3, 1/max(1, GradNorm(d.Groups())))
			}
			runtime.ReadMemStats(&after)
			least = min(least, after.Mallocs-before.Mallocs)
		}
		if least > 0 {
			t.Errorf("%s: at least %d allocations in each of %d stretches of %d steps", cfg.Method, least, stretches, steps)
		}
	}
}

// After RenewGrad, gradients are those after ZeroGrad, whatever was there before, also of a batch in parts.
func TestRenewGrad(t *testing.T) {
	forEachMethod(t, func(t *testing.T, cfg Config) {
		d, tokens, targets := randomDecoder(t, cfg, 2)
		half := len(tokens) / 2
		step := func() (grads [][]float32) {
			sum := d.Accumulate(0, tokens[:half], targets[:half], 1, len(tokens))
			d.Accumulate(sum, tokens[half:], targets[half:], 1, len(tokens))
			for _, g := range d.Groups() {
				grads = append(grads, slices.Clone(g.Grad))
			}
			return grads
		}
		want := step()
		for _, g := range d.Groups() {
			fill(g.Grad, float32(math.NaN()))
		}
		d.RenewGrad()
		for i, got := range step() {
			if !slices.Equal(got, want[i]) {
				t.Errorf("other gradients of group %d than after ZeroGrad", i)
			}
		}
		d.RenewGrad()
		d.ZeroGrad()
		step()
		for i, got := range step() { // added to
			if slices.Equal(got, want[i]) {
				t.Errorf("the gradients of group %d do not grow after ZeroGrad", i)
			}
		}
	})
}

// What Config.Memory promises is what a decoder and an optimizer allocate, to the byte, also with more
// threads than heads to do, with as many steps on fewer blocks before, and with heads in tiles.
func TestMemory(t *testing.T) {
	defer kernels.SetThreads(0)
	kernels.SetThreads(8)
	forEachMethod(t, func(t *testing.T, cfg Config) {
		cfg.Vocab, cfg.Context, cfg.Width = 100, 72, 32
		checkMemory(t, cfg)
	})
	long := tiny
	long.Context, long.Width, long.Heads, long.Blocks = 1024, 48, 1, 1
	if !inTiles(long.Context, long.Width/long.Heads, false) {
		t.Error("the long context is not done in tiles")
	}
	checkMemory(t, long)
}

func checkMemory(t *testing.T, cfg Config) {
	t.Helper()
	d, tokens, targets := randomDecoder(t, cfg, 2)
	d.Step(tokens, targets, 2)
	opt := &AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8}
	opt.Step(d.Groups(), 1e-3, 1)
	d.Loss(tokens[:cfg.Context], targets[:cfg.Context], 1) // takes nothing beside
	var got Memory
	for _, g := range d.Groups() {
		got.Parameters += int64(4 * len(g.Theta))
		got.Gradients += int64(4 * len(g.Grad))
		for _, m := range g.Moments {
			got.Moments += int64(4 * len(m))
		}
	}
	floats := d.arena.Len() + len(d.field.work.normBackward.partial)
	for _, s := range d.field.work.attention.scratch {
		floats += len(s)
	}
	for _, p := range d.field.work.attention.packs {
		floats += p.kt.Size() + p.vt.Size() + p.rows.Size()
	}
	got.Activations = int64(4*floats + 2*len(d.weights.memory))
	if want := cfg.Memory(2, opt.Moments()); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if cfg.Parameters()*4 != int(got.Parameters) {
		t.Errorf("%d parameters, want %d", cfg.Parameters(), got.Parameters/4)
	}
}

// forEachMethod runs test with every method and precision, keeping activations and computing them again.
func forEachMethod(t *testing.T, test func(t *testing.T, cfg Config)) {
	cfg := tiny
	for _, cfg.Method = range Methods() {
		for _, cfg.Precision = range Precisions() {
			for _, cfg.Recompute = range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s recompute=%v", cfg.Method, cfg.Precision, cfg.Recompute), func(t *testing.T) { test(t, cfg) })
			}
		}
	}
}

// Activations that are computed again have the bits of those that are kept, and take less memory: of a
// block no more than the points at which it is evaluated, and F there where its weight is learned.
func TestRecompute(t *testing.T) {
	for _, method := range Methods() {
		for _, h := range []float64{1, 0.4} {
			cfg := Config{Vocab: 130, Context: 72, Width: 24, Heads: 3, Blocks: 3, StepSize: h, Method: method}
			for _, cfg.Precision = range Precisions() {
				cfg.Recompute = false
				want := trainingBits(t, cfg)
				cfg.Recompute = true
				if got := trainingBits(t, cfg); !slices.Equal(got, want) {
					t.Errorf("%s, h = %v, %s: other bits", method, h, cfg.Precision)
				}
			}
		}
		cfg := Config{Vocab: 2, Context: 64, Width: 64, Heads: 1, Blocks: 7, StepSize: 1, Method: method, Recompute: true}
		seven := cfg.Memory(1, 0).Activations
		cfg.Blocks = 8
		points := map[string]int64{
			"euler": 1, "split": 2, "strang": 6, "midpoint": 2, "heun": 2, "ralston": 2, "rk4": 4, "rk38": 4,
			"rk2-learned": 4, "rk2-gated": 4, "rk4-learned": 8, // and the F_i
		}[method]
		if got := cfg.Memory(1, 0).Activations - seven; got != points*4*64*64 {
			t.Errorf("%s: another block takes %d bytes of activations, want %d states of 64×64", method, got, points)
		}
	}
}

// With the memory reserved, a decoder takes no more, whatever its depth up to that.
func TestReserve(t *testing.T) {
	d, tokens, targets := randomDecoder(t, tiny, 2)
	d.Step(tokens[:tiny.Context], targets[:tiny.Context], 1)
	cfg := tiny
	cfg.Blocks = 5
	d.Reserve(cfg, 2)
	kept := d.arena.Len()
	blocks := d.Blocks()
	for range 3 {
		blocks = append(blocks, d.NewBlock())
	}
	for n := range len(blocks) {
		if err := d.SetBlocks(blocks[:n+1], 1); err != nil {
			t.Fatal(err)
		}
		d.Step(tokens, targets, 2)
	}
	if d.arena.Len() != kept {
		t.Errorf("%d elements of memory, %d were reserved", d.arena.Len(), kept)
	}
	if want := cfg.arena(2); kept != want {
		t.Errorf("%d elements are reserved, want %d", kept, want)
	}
}

// A parameter that is not finite makes the loss NaN, and NonFinite names it; a logit that overflows makes
// the loss of its target infinite.
func TestNonFinite(t *testing.T) {
	d, tokens, targets := randomDecoder(t, tiny, 2)
	d.Step(tokens, targets, 2)
	if err := NonFinite(d.Groups()); err != nil {
		t.Error(err)
	}
	d.Blocks()[1].Theta[3] = float32(math.Inf(1))
	if loss := d.Step(tokens, targets, 2); !math.IsNaN(loss) {
		t.Errorf("loss %v", loss)
	}
	if err := NonFinite(d.Groups()); err == nil || err.Error() != "parameter h.1.attn.c_attn.weight[3] is +Inf" {
		t.Errorf("error %v", err)
	}
	d.Blocks()[1].Theta[3] = 0
	if err := NonFinite(d.Groups()); err == nil || err.Error()[:8] != "gradient" {
		t.Errorf("error %v", err)
	}

	d, tokens, targets = randomDecoder(t, tiny, 2)
	clear(d.norm.Gamma.Data())
	fill(d.norm.Beta.Data(), 1)
	fill(d.embedding.Token.Row(int(targets[0])).Data(), -3e38)
	for i := range tokens {
		tokens[i] = (targets[0] + 1) % int32(tiny.Vocab)
	}
	if loss := d.Step(tokens, targets, 2); !math.IsInf(loss, 1) {
		t.Errorf("loss %v with a target's logit of -Inf", loss)
	}
}

// On a grid that is not uniform, every block steps with its own size: loss, gradient and generation.
func TestUnevenSteps(t *testing.T) {
	for _, method := range []string{"euler", "split", "strang", "rk2-gated", "rk4"} {
		cfg := tiny
		cfg.Method, cfg.StepSize, cfg.Relative = method, 0.5, []float64{2, 0.25}
		d, tokens, targets := randomDecoder(t, cfg, 2)
		ref := newRefDecoder(d)
		loss := func() float64 { return ref.loss(tokens, targets) }
		if got, want := d.Step(tokens, targets, 2), loss(); !(math.Abs(got-want) <= 1e-6*want) {
			t.Errorf("%s: loss %v, want %v", method, got, want)
		}
		for i, g := range d.Groups() {
			checkGradient(t, method+" "+g.Name, ref.theta[i], g.Grad, 9, 1e-5, loss)
		}
		want, got := make([]float32, cfg.Vocab), make([]float32, cfg.Vocab)
		d.Logits(tokens[:4], want)
		d.NewGenerator().Append(tokens[:4], got)
		for i := range want {
			if !(math.Abs(float64(got[i]-want[i])) <= 2e-5) {
				t.Errorf("%s: logit %d is %v, want %v", method, i, got[i], want[i])
			}
		}
	}
}

// After Release a step has the bits that it has without, and the memory that it had is given up.
func TestRelease(t *testing.T) {
	const batch = 3
	for i, method := range append(Methods(), "euler") {
		cfg := tiny
		cfg.Context, cfg.Width = 40, 16
		if cfg.Method = method; i == len(Methods()) {
			cfg.Precision = "bf16"
		}
		d, tokens, targets := randomDecoder(t, cfg, batch)
		d.ZeroGrad()
		want := d.Step(tokens, targets, batch)
		gradient := slices.Clone(d.Groups()[1].Grad)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		size := d.arena.Len() * 4
		d.Release()
		runtime.GC()
		runtime.ReadMemStats(&after)
		if freed := int(before.HeapAlloc) - int(after.HeapAlloc); freed < size*9/10 {
			t.Errorf("%s in %s: %d bytes are given up of %d", method, cfg.Precision, freed, size)
		}
		d.ZeroGrad()
		if got := d.Step(tokens, targets, batch); got != want || !slices.Equal(d.Groups()[1].Grad, gradient) {
			t.Errorf("%s in %s: loss %v after Release, want %v", method, cfg.Precision, got, want)
		}
	}
}
