package nn

import (
	"math"
	"slices"
	"testing"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// Heads in tiles against those in whole rows, which are held to the definition: outputs and gradients are sums of up
// to T terms in another order, with probabilities from kept logarithms, whose error is some 2⁻²⁴ of 20, and what they are multiplied with cancels. The scores of the
// first head rise and fall by 18 from tile to tile, so that maxima change and tiles fade.
func TestHeadsInTiles(t *testing.T) {
	const tokens, heads, d = 2*tileKeys + tileQueries + queryBlock + 5, 2, 5
	const c = heads * d
	defer kernels.SetThreads(0)
	l := newLayerTest()
	qkv, dout := l.random(tokens, 3*c), l.random(tokens, c)
	for i := range tokens {
		qkv.Row(i).Data()[0] = 10
		qkv.Row(i).Data()[c] = []float32{2, -2, 2.2}[i/tileKeys]
	}
	run := func(threads int) (out, dqkv tensor.Tensor) {
		kernels.SetThreads(threads)
		w := new(Workspace)
		out, dqkv = tensor.New(tokens, c), l.random(tokens, 3*c)
		w.attention.start(heads, tokens, Attended{Operand{Tensor: qkv}, Operand{Tensor: out}, make([]float32, heads*tokens)})
		w.attention.run(w)
		w.attention.dqkv, w.attention.dout, w.attention.backward = dqkv.Data(), dout.Data(), true
		w.attention.run(w)
		return out, dqkv
	}
	gotOut, gotGrad := run(1)
	wantOut, wantGrad := tensor.New(tokens, c), tensor.New(tokens, 3*c)
	plain, scratch := attentionTask{heads: heads, tokens: tokens, d: d}, make([]float32, plainScratch(tokens, d))
	for col := 0; col < c; col += d {
		plain.head(qkv.Data()[col:], wantOut.Data()[col:], nil, scratch)
		plain.head(qkv.Data()[col:], dout.Data()[col:], wantGrad.Data()[col:], scratch)
	}
	near := func(what string, got, want tensor.Tensor) {
		t.Helper()
		for col := 0; col < want.Dim(1); col += d {
			largest, worst := 0.0, 0.0
			for i := range tokens {
				for j := col; j < col+d; j++ {
					x := float64(want.Row(i).Data()[j])
					largest, worst = max(largest, math.Abs(x)), max(worst, math.Abs(float64(got.Row(i).Data()[j])-x))
				}
			}
			if !(worst <= 1e-5*largest) {
				t.Errorf("%s, columns from %d on: off by %.2g of the largest, %v", what, col, worst/largest, largest)
			}
		}
	}
	near("output", gotOut, wantOut)
	near("gradient", gotGrad, wantGrad)
	if out, grad := run(2); !slices.Equal(out.Data(), gotOut.Data()) || !slices.Equal(grad.Data(), gotGrad.Data()) {
		t.Error("two threads give other bits than one")
	}
}
