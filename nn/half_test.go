package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// halved returns x rounded to bfloat16, and the operand of it; the operand's tensor is NaN, because nobody
// is to read it.
func halved(x tensor.Tensor) ([]float64, Operand) {
	o := Operand{Tensor: tensor.New(x.Dim(0), x.Dim(1)), Half: make([]kernels.BFloat16, len(x.Data()))}
	kernels.ToBFloat16(x.Data(), o.Half)
	fill(o.Data(), float32(math.NaN()))
	return widenHalf(o.Half), o
}

func widenHalf(x []kernels.BFloat16) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v.Float32())
	}
	return y
}

// refGradients returns dx = s·dy·Wᵀ and dW = s·xᵀ·dy.
func refGradients(s float64, x, w, dy []float64, in, out int) (dx, dw []float64) {
	dx, dw = make([]float64, len(x)), make([]float64, len(w))
	for r := range len(x) / in {
		for i := range in {
			for j := range out {
				dx[r*in+i] += s * dy[r*out+j] * w[i*out+j]
				dw[i*out+j] += s * x[r*in+i] * dy[r*out+j]
			}
		}
	}
	return dx, dw
}

// Products of bfloat16 are those of the rounded operands, in the bound of float32's; what is not multiplied
// is not rounded.
func TestHalfLinear(t *testing.T) {
	const in, out, s = 9, columnGrain + 5, 0.25
	l, w := newLayerTest(), new(Workspace)
	layer, r, dy := l.linear(in, out), l.random(testRows, out), l.random(testRows, out)
	weight, half := halved(layer.Weight)
	layer.Half = half.Half
	x, operand := halved(l.random(testRows, in))
	y, dx := tensor.New(testRows, out), tensor.New(testRows, in)
	want := refLinear(x, weight, widen(layer.Bias.Data()), in)
	layer.Forward(w, operand, y)
	sameValues(t, "y", y, want)
	layer.Euler(w, s, operand, r, y)
	sameValues(t, "r + s·y", y, refAxpy(s, widen(r.Data()), want))

	act, pre := Operand{Half: make([]kernels.BFloat16, testRows*out)}, tensor.New(testRows, out)
	layer.GELU(w, operand, pre, act)
	sameValues(t, "pre", pre, want)
	gelu := tensor.New(testRows, out)
	kernels.GELU(pre.Data(), gelu.Data())
	sameRounded(t, "GELU(y)", act.Half, gelu)
	for i, v := range refGELU(want) {
		if got := float64(act.Half[i].Float32()); !(math.Abs(got-v) <= math.Abs(v)/(1<<8)+1e-6) {
			t.Fatalf("GELU(y)[%d] = %v, want %v", i, got, v)
		}
	}

	dys, _ := halved(dy)
	wantDX, wantDW := refGradients(s, x, weight, dys, in, out)
	layer.Backward(w, s, operand, dy, dx)
	sameValues(t, "dx", dx, wantDX)
	sameValues(t, "dW", layer.GradWeight, wantDW)
	db := make([]float64, out)
	for i, v := range dy.Data() {
		db[i%out] += s * float64(v)
	}
	sameValues(t, "db", layer.GradBias, db)
	layer.GELUBackward(w, s, x2(pre, testRows, in), operand, dy, dx)
	sameRounded(t, "gradient of pre", operand.Half, dx)
	for i := range wantDX {
		v := float64(pre.Data()[i])
		const eps = 1e-5
		slope := (refGELU([]float64{v + eps})[0] - refGELU([]float64{v - eps})[0]) / (2 * eps)
		if got := float64(dx.Data()[i]); !(math.Abs(got-wantDX[i]*slope) <= 1e-5*(1+math.Abs(wantDX[i]))) {
			t.Fatalf("gradient %d of pre = %v, want %v", i, got, wantDX[i]*slope)
		}
	}
}

// x2 returns the first elements of t as a matrix.
func x2(t tensor.Tensor, rows, cols int) tensor.Tensor {
	return tensor.View(t.Data()[:rows*cols], rows, cols)
}

// The head with rounded operands: logits are those of the rounded, in float32; the gradients those of the
// rounded gradient of the logits.
func TestHalfHead(t *testing.T) {
	const vocab, c, rows, s = 37, 5, 12, 0.5
	l, w := newLayerTest(), new(Workspace)
	layer := Head{Weight: l.random(vocab, c), GradWeight: tensor.New(vocab, c)}
	weight, half := halved(layer.Weight)
	layer.Half = half.Half
	x, operand := halved(l.random(rows, c))
	targets, losses := make([]int32, rows), make([]float32, rows)
	for i := range targets {
		targets[i] = int32(l.rng.IntN(vocab))
	}
	logits := Operand{Tensor: tensor.New(rows, vocab), Half: make([]kernels.BFloat16, rows*vocab)}
	dx := tensor.New(rows, c)
	layer.Backward(w, s, operand, targets, losses, logits, dx)
	sameValues(t, "losses", tensor.View(losses, rows), refLosses(x, weight, targets, c))
	d := widenHalf(logits.Half)
	for i := range d {
		if exact := float64(logits.Data()[i]); !(math.Abs(d[i]-exact) <= math.Abs(exact)/(1<<8)) {
			t.Fatalf("gradient %d of the logits is %v, rounded %v", i, exact, d[i])
		}
	}
	wantDX, wantDW := make([]float64, rows*c), make([]float64, vocab*c)
	for r := range rows {
		for v := range vocab {
			for j := range c {
				wantDX[r*c+j] += d[r*vocab+v] * weight[v*c+j]
				wantDW[v*c+j] += d[r*vocab+v] * x[r*c+j]
			}
		}
	}
	sameValues(t, "dx", dx, wantDX)
	sameValues(t, "dW", layer.GradWeight, wantDW)
}

// The heads in bfloat16 against those in float32 of the same rounded projections: weights, their gradient and
// that of the output are rounded, 2⁻⁹ each, and a gradient has met two of these, a sum of some hundred that does
// not cancel more than its largest.
func TestHalfAttention(t *testing.T) {
	const tokens, batch, heads, c = 2*queryBlock + 11, 2, 2, 22
	const rows = tokens * batch
	l := newLayerTest()
	_, half := halved(l.random(rows, 3*c))
	whole := Operand{Tensor: tensor.New(rows, 3*c)}
	kernels.FromBFloat16(half.Half, whole.Data())
	do := l.random(rows, c)
	run := func(qkv, out Operand) (o, dqkv tensor.Tensor) {
		t.Helper()
		w, dqkv := new(Workspace), l.random(rows, 3*c)
		w.attention.start(heads, tokens, Attended{QKV: qkv, Out: out})
		w.attention.run(w)
		if out.Half != nil {
			sameRounded(t, "output", out.Half, out.Tensor)
			kernels.ToBFloat16(do.Data(), out.Half)
		}
		w.attention.dqkv, w.attention.dout, w.attention.backward = dqkv.Data(), do.Data(), true
		w.attention.run(w)
		if qkv.Half != nil {
			sameRounded(t, "gradient of the projections", qkv.Half, dqkv)
		}
		return out.Tensor, dqkv
	}
	wantOut, wantGrad := run(whole, Operand{Tensor: tensor.New(rows, c)})
	out := Operand{Tensor: tensor.New(rows, c), Half: make([]kernels.BFloat16, rows*c)}
	gotOut, gotGrad := run(half, out)
	near := func(what string, got, want tensor.Tensor, bound float64) {
		t.Helper()
		largest := 0.0
		for _, v := range want.Data() {
			largest = max(largest, math.Abs(float64(v)))
		}
		for i, v := range want.Data() {
			if d := math.Abs(float64(got.Data()[i]) - float64(v)); !(d <= bound*largest) {
				t.Fatalf("%s: element %d is %v, want %v", what, i, got.Data()[i], v)
			}
		}
	}
	near("output", gotOut, wantOut, 1./(1<<9))
	near("gradient", gotGrad, wantGrad, 2./(1<<9))

	// What comes later changes no bit of what was before, wherever in the products' steps it begins.
	gotOut = tensor.View(slices.Clone(gotOut.Data()), rows, c)
	for _, from := range []int{1, 31, queryBlock, tokens - 1} {
		kernels.ToBFloat16(whole.Data(), half.Half)
		clear(half.Half[from*3*c : tokens*3*c])
		later, _ := run(half, out)
		for i, v := range gotOut.Data()[:from*c] {
			if later.Data()[i] != v {
				t.Fatalf("with other tokens from %d on, element %d is %v, was %v", from, i, later.Data()[i], v)
			}
		}
	}
}

// sameRounded holds rounded to the bits of x, rounded.
func sameRounded(t *testing.T, what string, rounded []kernels.BFloat16, x tensor.Tensor) {
	t.Helper()
	want := make([]kernels.BFloat16, x.Len())
	kernels.ToBFloat16(x.Data(), want)
	if len(rounded) != len(want) {
		t.Fatalf("%s: %d rounded, want %d", what, len(rounded), len(want))
	}
	for i, v := range want {
		if rounded[i] != v {
			t.Fatalf("%s: rounded element %d is %v, want %v of %v", what, i, rounded[i].Float32(), v.Float32(), x.Data()[i])
		}
	}
}

// A decoder in bfloat16 against the float64 reference, which rounds nothing, and its central differences.
// An operand is off by 2⁻⁹ of itself; a gradient has come through some ten products of two operands, and is
// held to the sum of their errors, 20·2⁻⁹ of the largest of its array; the loss to 2⁻⁹.
func TestHalfDecoder(t *testing.T) {
	for _, method := range Methods() {
		t.Run(method, func(t *testing.T) {
			cfg := tiny
			cfg.Method, cfg.StepSize, cfg.Precision = method, 0.5, "bf16"
			d, tokens, targets := randomDecoder(t, cfg, 2)
			ref := newRefDecoder(d)
			loss := func() float64 { return ref.loss(tokens, targets) }
			got := d.Step(tokens, targets, 2)
			if want := loss(); !(math.Abs(got-want) <= want/(1<<9)) {
				t.Errorf("loss %v, want %v", got, want)
			}
			if again := d.Loss(tokens, targets, 2); again != got {
				t.Errorf("Loss gives %v, Step %v", again, got)
			}
			for i, g := range d.Groups() {
				for _, e := range g.Entries {
					lo, hi := e.Offset, e.Offset+e.Len()
					checkGradient(t, fmt.Sprint(g.Name, ".", e.Name), ref.theta[i][lo:hi], g.Grad[lo:hi], 4, 20./(1<<9), loss)
				}
			}
		})
	}
}

// A decoder that changes its depth rounds the weights of the blocks that it has: the loss is that of a new
// one with the same parameters.
func TestHalfSetBlocks(t *testing.T) {
	cfg := tiny
	cfg.Precision = "bf16"
	d, tokens, targets := randomDecoder(t, cfg, 2)
	d.Loss(tokens, targets, 2)
	var blocks []*Group
	for _, g := range d.Blocks() {
		twin := d.NewBlock()
		randomize(rand.New(rand.NewPCG(5, 6)), 0, 0.3, twin.Theta)
		blocks = append(blocks, g, twin)
	}
	for _, blocks := range [][]*Group{blocks, blocks[1:2], blocks[:3]} {
		if err := d.SetBlocks(blocks, 0.5); err != nil {
			t.Fatal(err)
		}
		fresh, err := NewDecoder(d.Config(), 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range fresh.Groups() {
			copy(g.Theta, d.Groups()[i].Theta)
		}
		if got, want := d.Loss(tokens, targets, 2), fresh.Loss(tokens, targets, 2); got != want {
			t.Errorf("%d blocks: loss %v, want %v", len(blocks), got, want)
		}
	}
}

// A network trained in bfloat16 generates from its parameters in float32.
func TestHalfGenerates(t *testing.T) {
	cfg := tiny
	plain, tokens, _ := randomDecoder(t, cfg, 1)
	cfg.Precision = "bf16"
	half, _, _ := randomDecoder(t, cfg, 1)
	want, got := make([]float32, cfg.Vocab), make([]float32, cfg.Vocab)
	plain.NewGenerator().Append(tokens, want)
	half.NewGenerator().Append(tokens, got)
	for i, v := range want {
		if got[i] != v {
			t.Fatalf("logit %d is %v, want %v", i, got[i], v)
		}
	}
}

// Update leaves the bits of the optimizer's step, and with AdamW the rounded matrices, which the passes after it
// read; after Changed, and with other optimizers, they round what is there.
func TestUpdate(t *testing.T) {
	const batch = 2
	cfg := tiny
	cfg.Precision = "bf16"
	for _, newOptimizer := range []func() Optimizer{
		func() Optimizer { return &AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1} },
		func() Optimizer { return &SGD{Momentum: 0.9} },
		func() Optimizer { return &Muon{Momentum: 0.9, AdamW: AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8}} },
	} {
		d, tokens, targets := randomDecoder(t, cfg, batch)
		other, _, _ := randomDecoder(t, cfg, batch)
		opt, like := newOptimizer(), newOptimizer()
		for step := range 3 {
			d.ZeroGrad()
			other.ZeroGrad()
			if loss, want := d.Step(tokens, targets, batch), other.Step(tokens, targets, batch); loss != want {
				t.Fatalf("%s: loss %v at step %d, want %v", opt.Name(), loss, step, want)
			}
			d.Update(opt, 1e-2, 0.5)
			like.Step(other.Groups(), 1e-2, 0.5)
			for i, g := range d.Groups() {
				if !slices.Equal(g.Theta, other.Groups()[i].Theta) {
					t.Fatalf("%s: %s has other bits than with Step", opt.Name(), g.Name)
				}
			}
		}
		if opt.Name() == "adamw" {
			want := make([]kernels.BFloat16, len(d.head.Half))
			kernels.ToBFloat16(d.head.Weight.Data(), want)
			if !slices.Equal(d.head.Half, want) {
				t.Error("the token embedding is not rounded")
			}
			for i := range d.field.blocks {
				for j, l := range d.field.blocks[i].linears() {
					want := make([]kernels.BFloat16, l.Weight.Len())
					kernels.ToBFloat16(l.Weight.Data(), want)
					if !slices.Equal(l.Half, want) {
						t.Errorf("matrix %d of block %d is not rounded", j, i)
					}
				}
			}
			stale := d.Loss(tokens, targets, batch)
			d.Blocks()[0].Theta[0] += 1
			if d.Loss(tokens, targets, batch) != stale {
				t.Error("weights are rounded again after Update")
			}
			d.Changed()
		} else {
			d.Blocks()[0].Theta[0] += 1
		}
		other.Blocks()[0].Theta[0] += 1
		if loss, want := d.Loss(tokens, targets, batch), other.Loss(tokens, targets, batch); loss != want {
			t.Errorf("%s: loss %v with another weight, want %v", opt.Name(), loss, want)
		}
	}
}
