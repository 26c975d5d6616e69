package nn

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// Sizes that leave a remainder in every chunk: rows beyond one row chunk, queries beyond one block.
const (
	testRows = rowGrain + 7
	testSeed = 7
)

// layerTest draws the tensors of one test.
type layerTest struct {
	rng *rand.Rand
}

func newLayerTest() *layerTest { return &layerTest{rng: rand.New(rand.NewPCG(testSeed, 0))} }

func (l *layerTest) random(shape ...int) tensor.Tensor {
	t := tensor.New(shape...)
	randomize(l.rng, 0, 0.5, t.Data())
	return t
}

func (l *layerTest) linear(in, out int) Linear {
	return Linear{Weight: l.random(in, out), Bias: l.random(out), GradWeight: tensor.New(in, out), GradBias: tensor.New(out)}
}

func dot(a tensor.Tensor, b []float64) float64 {
	s := 0.0
	for i, v := range a.Data() {
		s += float64(v) * b[i]
	}
	return s
}

// sameValues compares a result with the reference.
func sameValues(t *testing.T, what string, got tensor.Tensor, want []float64) {
	t.Helper()
	for i, v := range got.Data() {
		if !(math.Abs(float64(v)-want[i]) <= 1e-5*(1+math.Abs(want[i]))) {
			t.Fatalf("%s[%d] = %v, want %v", what, i, v, want[i])
		}
	}
}

// operand is an input or parameter of a layer: its values, their reference, and the gradient that the
// layer computed.
type operand struct {
	name string
	x    tensor.Tensor
	grad tensor.Tensor
	ref  []float64
}

func operands(ops ...operand) []operand {
	for i := range ops {
		ops[i].ref = widen(ops[i].x.Data())
	}
	return ops
}

func checkOperands(t *testing.T, ops []operand, loss func() float64) {
	t.Helper()
	for _, o := range ops {
		checkGradient(t, o.name, o.ref, o.grad.Data(), 12, 2e-5, loss)
	}
}

func TestLinear(t *testing.T) {
	const in, out, s = 9, columnGrain + 5, 0.25
	l, w := newLayerTest(), new(Workspace)
	layer, x, dy := l.linear(in, out), l.random(testRows, in), l.random(testRows, out)
	y, dx := tensor.New(testRows, out), tensor.New(testRows, in)
	ops := operands(operand{name: "x", x: x, grad: dx}, operand{name: "W", x: layer.Weight, grad: layer.GradWeight},
		operand{name: "b", x: layer.Bias, grad: layer.GradBias})
	forward := func() []float64 { return refLinear(ops[0].ref, ops[1].ref, ops[2].ref, in) }
	layer.Forward(w, Operand{Tensor: x}, y)
	sameValues(t, "y", y, forward())
	layer.Backward(w, s, Operand{Tensor: x}, dy, dx)
	checkOperands(t, ops, func() float64 { return s * dot(dy, forward()) })

	r := l.random(testRows, out)
	want := refAxpy(s, widen(r.Data()), forward())
	layer.Euler(w, s, Operand{Tensor: x}, r, y)
	sameValues(t, "r + s·y", y, want)
	layer.Euler(w, s, Operand{Tensor: x}, r, r)
	sameValues(t, "r + s·y in place", r, want)

	pre := tensor.New(testRows, out)
	layer.GELU(w, Operand{Tensor: x}, pre, Operand{Tensor: y})
	sameValues(t, "pre", pre, forward())
	sameValues(t, "GELU(y)", y, refGELU(forward()))
}

// A Linear works in the columns of a wider matrix, as it stands.
func TestLinearStrided(t *testing.T) {
	const in, out = 5, 4
	l, w := newLayerTest(), new(Workspace)
	layer, wide := l.linear(in, out), l.random(testRows, in+out+3)
	before := widen(wide.Data())
	x, y := wide.Slice(1, 0, in), wide.Slice(1, in+1, in+1+out)
	xs := tensor.New(testRows, in)
	xs.Copy(x)
	layer.Forward(w, Operand{Tensor: x}, y)
	got := tensor.New(testRows, out)
	got.Copy(y)
	sameValues(t, "y", got, refLinear(widen(xs.Data()), widen(layer.Weight.Data()), widen(layer.Bias.Data()), in))
	for i, v := range wide.Data() {
		if j := i % (in + out + 3); (j < in+1 || j > in+out) && float64(v) != before[i] {
			t.Fatalf("column %d was overwritten", j)
		}
	}
}

func TestLayerNorm(t *testing.T) {
	const c = 11
	l, w := newLayerTest(), new(Workspace)
	layer := LayerNorm{l.random(c), l.random(c), tensor.New(c), tensor.New(c)}
	x, dy, y := l.random(testRows, c), l.random(testRows, c), tensor.New(testRows, c)
	dx := l.random(testRows, c)
	before := widen(dx.Data())
	st := NormStats{make([]float32, testRows), make([]float32, testRows)}
	ops := operands(operand{name: "x", x: x, grad: dx}, operand{name: "γ", x: layer.Gamma, grad: layer.GradGamma},
		operand{name: "β", x: layer.Beta, grad: layer.GradBeta})
	forward := func() []float64 { return refLayerNorm(ops[0].ref, ops[1].ref, ops[2].ref) }
	layer.Forward(w, x, Operand{Tensor: y}, st)
	sameValues(t, "y", y, forward())
	layer.Backward(w, x, st, dy, dx)
	for i := range dx.Data() { // Backward adds
		dx.Data()[i] -= float32(before[i])
	}
	checkOperands(t, ops, func() float64 { return dot(dy, forward()) })

	const h = 0.75
	f, u, z := l.random(testRows, c), tensor.New(testRows, c), tensor.New(testRows, c)
	layer.EulerForward(w, h, x, f, u, Operand{Tensor: z}, st)
	sum := refAxpy(h, ops[0].ref, widen(f.Data()))
	sameValues(t, "u", u, sum)
	sameValues(t, "LN(u)", z, refLayerNorm(sum, ops[1].ref, ops[2].ref))
}

func TestAttention(t *testing.T) {
	const tokens, batch, heads, c, s = queryBlock + 9, 2, 2, 6, 0.5
	const rows = tokens * batch
	l, w := newLayerTest(), new(Workspace)
	layer := Attention{heads, l.linear(c, 3*c), l.linear(c, c)}
	x, dy, y, dx := l.random(rows, c), l.random(rows, c), tensor.New(rows, c), tensor.New(rows, c)
	h := Attended{QKV: Operand{Tensor: tensor.New(rows, 3*c)}, Out: Operand{Tensor: tensor.New(rows, c)}}
	dqkv, dout := l.random(rows, 3*c), l.random(rows, c)
	ops := operands(operand{name: "x", x: x, grad: dx},
		operand{name: "Wqkv", x: layer.QKV.Weight, grad: layer.QKV.GradWeight}, operand{name: "bqkv", x: layer.QKV.Bias, grad: layer.QKV.GradBias},
		operand{name: "Wo", x: layer.Proj.Weight, grad: layer.Proj.GradWeight}, operand{name: "bo", x: layer.Proj.Bias, grad: layer.Proj.GradBias})
	forward := func() []float64 {
		return refLinear(refHeads(refLinear(ops[0].ref, ops[1].ref, ops[2].ref, c), tokens, heads, c), ops[3].ref, ops[4].ref, c)
	}
	layer.Forward(w, tokens, Operand{Tensor: x}, h, y)
	sameValues(t, "y", y, forward())
	layer.Backward(w, tokens, s, Operand{Tensor: x}, h, dqkv, dout, dy, dx)
	checkOperands(t, ops, func() float64 { return s * dot(dy, forward()) })
}

func TestMLP(t *testing.T) {
	const c, s = 6, 0.5
	l, w := newLayerTest(), new(Workspace)
	layer := MLP{l.linear(c, 4*c), l.linear(4*c, c)}
	x, dy, y, dx := l.random(testRows, c), l.random(testRows, c), tensor.New(testRows, c), tensor.New(testRows, c)
	hidden, act := tensor.New(testRows, 4*c), tensor.New(testRows, 4*c)
	ops := operands(operand{name: "x", x: x, grad: dx},
		operand{name: "W1", x: layer.In.Weight, grad: layer.In.GradWeight}, operand{name: "b1", x: layer.In.Bias, grad: layer.In.GradBias},
		operand{name: "W2", x: layer.Out.Weight, grad: layer.Out.GradWeight}, operand{name: "b2", x: layer.Out.Bias, grad: layer.Out.GradBias})
	forward := func() []float64 {
		return refLinear(refGELU(refLinear(ops[0].ref, ops[1].ref, ops[2].ref, c)), ops[3].ref, ops[4].ref, 4*c)
	}
	layer.Forward(w, Operand{Tensor: x}, hidden, Operand{Tensor: act}, y)
	sameValues(t, "y", y, forward())
	layer.Backward(w, s, Operand{Tensor: x}, hidden, Operand{Tensor: act}, dy, dx)
	checkOperands(t, ops, func() float64 { return s * dot(dy, forward()) })
}

func TestEmbedding(t *testing.T) {
	const vocab, length, c = 5, testRows / 2, columnGrain + 3
	l, w := newLayerTest(), new(Workspace)
	layer := Embedding{l.random(vocab, c), l.random(length+1, c), tensor.New(vocab, c), tensor.New(length+1, c)}
	ids := make([]int32, 2*length)
	for i := range ids {
		ids[i] = int32(l.rng.IntN(vocab))
	}
	x, dx := tensor.New(len(ids), c), l.random(len(ids), c)
	ops := operands(operand{name: "token", x: layer.Token, grad: layer.GradToken}, operand{name: "position", x: layer.Position, grad: layer.GradPosition})
	forward := func() []float64 {
		y := make([]float64, len(ids)*c)
		for i, id := range ids {
			for j := range c {
				y[i*c+j] = ops[0].ref[int(id)*c+j] + ops[1].ref[i%length*c+j]
			}
		}
		return y
	}
	layer.Forward(w, ids, length, x)
	sameValues(t, "x", x, forward())
	layer.Backward(w, ids, length, dx)
	checkOperands(t, ops, func() float64 { return dot(dx, forward()) })

	defer func() {
		if recover() == nil {
			t.Error("a token beyond the vocabulary does not panic")
		}
	}()
	layer.Forward(w, []int32{vocab}, 1, tensor.New(1, c))
}

// The head takes its rows in chunks: more rows than one of them, with a factor other than 1/rows. Only
// three elements of each gradient are compared, one of x's beyond the first chunk: a difference costs a
// million logits.
func TestHead(t *testing.T) {
	const vocab, c, s = 1<<12 + 1, 3, 0.5
	l, w := newLayerTest(), new(Workspace)
	rows := headRows(1<<20, vocab) * 3 / 2
	layer := Head{Weight: l.random(vocab, c), GradWeight: tensor.New(vocab, c)}
	x, dx := l.random(rows, c), tensor.New(rows, c)
	targets, losses := make([]int32, rows), make([]float32, rows)
	for i := range targets {
		targets[i] = int32(l.rng.IntN(vocab))
	}
	ops := operands(operand{name: "x", x: x, grad: dx}, operand{name: "W", x: layer.Weight, grad: layer.GradWeight})
	forward := func() (sum float64) {
		for _, v := range refLosses(ops[0].ref, ops[1].ref, targets, c) {
			sum += v
		}
		return s * sum
	}
	logits := Operand{Tensor: tensor.New(headRows(rows, vocab), vocab)}
	layer.Loss(w, Operand{Tensor: x}, targets, losses, logits)
	sameValues(t, "losses", tensor.View(losses, rows), refLosses(ops[0].ref, ops[1].ref, targets, c))
	clear(losses)
	layer.Backward(w, s, Operand{Tensor: x}, targets, losses, logits, dx)
	sameValues(t, "losses", tensor.View(losses, rows), refLosses(ops[0].ref, ops[1].ref, targets, c))
	for _, o := range ops {
		checkGradient(t, o.name, o.ref, o.grad.Data(), 3, 2e-5, forward)
	}
}

// A wrong target panics in the caller, even where another thread would compute the loss: every row of so
// large a vocabulary is a chunk.
func TestWrongTargetPanics(t *testing.T) {
	defer kernels.SetThreads(0)
	kernels.SetThreads(2)
	cfg := tiny
	cfg.Vocab = flatGrain
	d, tokens, targets := randomDecoder(t, cfg, 2)
	for _, wrong := range []int32{-1, int32(cfg.Vocab)} {
		for i := range targets {
			targets[i] = wrong
		}
		for name, f := range map[string]func([]int32, []int32, int) float64{"Step": d.Step, "Loss": d.Loss} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s takes the target %d", name, wrong)
					}
				}()
				f(tokens, targets, 2)
			}()
		}
	}
	if n := GradNorm(d.Groups()); n != 0 {
		t.Errorf("wrong targets left gradients of norm %v", n)
	}
}

// Attention keeps scratch for no more workers than there are heads to do.
func TestAttentionScratch(t *testing.T) {
	defer kernels.SetThreads(0)
	kernels.SetThreads(8)
	var a attentionTask
	start := func(heads, rows int) {
		a.start(heads, 5, Attended{QKV: Operand{Tensor: tensor.New(rows, 6)}, Out: Operand{Tensor: tensor.New(rows, 2)}})
	}
	start(1, 15)
	if len(a.scratch) != 3 {
		t.Errorf("scratch for %d workers, want 3", len(a.scratch))
	}
	start(2, 5)
	start(2, 25)
	if len(a.scratch) != 8 || len(a.scratch[7]) != headScratch(5, 1, false) {
		t.Errorf("scratch for %d workers, want 8", len(a.scratch))
	}
}

// Rows of the head in several chunks give what they give one by one.
func TestHeadChunks(t *testing.T) {
	const vocab, c, s = 1<<12 + 1, 2, 0.5
	rows := headRows(1<<20, vocab) + 3
	l, w := newLayerTest(), new(Workspace)
	layer := Head{Weight: l.random(vocab, c), GradWeight: tensor.New(vocab, c)}
	x, dx := l.random(rows, c), tensor.New(rows, c)
	targets, losses := make([]int32, rows), make([]float32, rows)
	for i := range targets {
		targets[i] = int32(l.rng.IntN(vocab))
	}
	logits := Operand{Tensor: tensor.New(headRows(rows, vocab), vocab)}
	layer.Backward(w, s, Operand{Tensor: x}, targets, losses, logits, dx)
	one := Head{Weight: layer.Weight, GradWeight: tensor.New(vocab, c)}
	sum := make([]float64, vocab*c)
	for i := range rows {
		row, loss := tensor.New(1, c), make([]float32, 1)
		clear(one.GradWeight.Data())
		one.Backward(w, s, Operand{Tensor: x.Slice(0, i, i+1)}, targets[i:i+1], loss, logits, row)
		sameValues(t, "dx", row, widen(dx.Row(i).Data()))
		sameValues(t, "loss", tensor.View(loss, 1), []float64{float64(losses[i])})
		for j, v := range one.GradWeight.Data() {
			sum[j] += float64(v)
		}
	}
	sameValues(t, "dW", layer.GradWeight, sum)
}
