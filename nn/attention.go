package nn

import (
	"math"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// Attention is causal multi-head self-attention: with x·Wqkv + b = [Q K V], for each head
//
//	O = softmax(Q·Kᵀ/√d, keys no later than the query)·V,   y = O·Wo + bo,   d = C/Heads
//
// (Vaswani et al., Attention Is All You Need, 2017, §3.2, with GPT-2's layout).
type Attention struct {
	Heads     int
	QKV, Proj Linear // [C, 3C], [C, C]
}

// queryBlock is the number of queries whose scores are computed at once, against the keys up to the
// last of them: the scores of a block stay in the second-level cache, and most masked ones are skipped.
// 48 cuts into equal tiles on every instruction set; beside it 32 is 3–8% faster at 256 tokens and 4–11%
// slower at 1,024, where keys are packed more often, and 64 is slower at both (Zen 4, AVX-512).
const queryBlock = 48

// Attended is what Attention keeps of a forward pass over B sequences of T tokens. With a Half QKV and Out are
// rounded to it, and the heads multiply in bfloat16.
type Attended struct {
	QKV     Operand   // [B·T, 3C], the projections
	Out     Operand   // [B·T, C], the outputs of the heads
	LogSums []float32 // [B, Heads, T], log Σ exp(q·k/√d) over the keys of a query; nil: heads are not done in tiles
}

// newAttended returns memory for sequences of length in rows rows.
func newAttended(a *tensor.Arena, rows, length int, cfg Config) Attended {
	x := Attended{QKV: newOperand(a, cfg.half(), rows, 3*cfg.Width), Out: newOperand(a, cfg.half(), rows, cfg.Width)}
	if inTiles(length, cfg.Width/cfg.Heads, cfg.half()) {
		x.LogSums = a.Floats(rows * cfg.Heads)
	}
	return x
}

// Forward computes y [B·T, C] from x [B·T, C], B sequences of T = tokens rows, with a Half rounded, and leaves
// in heads what they compute.
func (a *Attention) Forward(w *Workspace, tokens int, x Operand, heads Attended, y tensor.Tensor) {
	a.attend(w, tokens, x, heads)
	a.Proj.Forward(w, heads.Out, y)
}

// Euler computes y = r + h·(the attention of x), and leaves what Forward leaves; r may be y.
func (a *Attention) Euler(w *Workspace, tokens int, h float32, x Operand, heads Attended, r, y tensor.Tensor) {
	a.attend(w, tokens, x, heads)
	a.Proj.Euler(w, h, heads.Out, r, y)
}

// attend is Forward but for the last projection.
func (a *Attention) attend(w *Workspace, tokens int, x Operand, heads Attended) {
	a.QKV.forward(w, x, ending{alpha: 1, y: heads.QKV.Tensor, half: heads.QKV.Half})
	w.attention.start(a.Heads, tokens, heads)
	w.attention.backward = false
	w.attention.run(w)
}

// Backward computes dx = s·(∂y/∂x)ᵀ·dy and adds s·(∂y/∂θ)ᵀ·dy to the gradients, with x and heads as
// Forward left them. It overwrites dqkv [B·T, 3C] and dout [B·T, C] with the gradients of the projections and the
// heads' outputs, and with them, rounded, the Halves of heads; dx may be x's tensor, and dqkv, with a Half, that of
// the projections.
func (a *Attention) Backward(w *Workspace, tokens int, s float32, x Operand, heads Attended, dqkv, dout, dy, dx tensor.Tensor) {
	a.Proj.backward(w, heads.Out, Operand{Tensor: dy}, ending{alpha: s, y: dout, half: heads.Out.Half})
	w.attention.start(a.Heads, tokens, heads)
	w.attention.dqkv, w.attention.dout, w.attention.backward = dqkv.Data(), dout.Data(), true
	w.attention.run(w)
	a.QKV.backward(w, x, Operand{dqkv, heads.QKV.Half}, ending{alpha: 1, y: dx})
}

// attentionTask does the heads of the sequences, one at a time. It works in the rows of the projections,
// without gathering a head. The scores are computed again in the backward pass instead of being kept:
// they would be the largest activation by far (FlashAttention-2: Dao, 2023, §3.1).
type attentionTask struct {
	units            int // sequences times heads
	heads, tokens, d int
	qkv, dqkv        []float32          // [B·T, 3C]
	out, dout        []float32          // [B·T, C]
	qkvHalf, half    []kernels.BFloat16 // qkv and out rounded, or nil; backwards half is dout, and qkvHalf becomes dqkv
	logSums          []float32
	backward         bool
	scratch          [][]float32 // by worker
	packs            []headPacks // by worker, in bfloat16
}

func (t *attentionTask) start(heads, tokens int, x Attended) {
	t.heads, t.tokens, t.d = heads, tokens, x.Out.Dim(1)/heads
	t.units = x.Out.Dim(0) / tokens * heads
	t.qkv, t.out, t.qkvHalf, t.half, t.logSums = x.QKV.Data(), x.Out.Data(), x.QKV.Half, x.Out.Half, x.LogSums
	workers := min(kernels.Threads(), t.units)
	for len(t.scratch) < workers {
		t.scratch = append(t.scratch, nil)
		t.packs = append(t.packs, headPacks{})
	}
	for i := range workers {
		if t.qkvHalf != nil {
			t.scratch[i] = grow(t.scratch[i], headScratchHalf(tokens))
			t.packs[i].reserve(tokens, t.d)
		} else {
			t.scratch[i] = grow(t.scratch[i], headScratch(tokens, t.d, t.logSums != nil))
		}
	}
}

// headScratch returns the elements of scratch that a head takes.
func headScratch(tokens, d int, tiles bool) int {
	if tiles {
		return max(tilesForward(tokens, d), tilesBackward(tokens, d))
	}
	return plainScratch(tokens, d)
}

// plainScratch returns the elements of the scratch of head: two blocks of scores and all keys and values, transposed,
// and their gradients, if they are.
func plainScratch(tokens, d int) int {
	matrices := 2
	if hangsOver(d) {
		matrices = 4
	}
	return 2*min(queryBlock, tokens)*tokens + matrices*d*transposedStride(tokens)
}

// hangsOver tells whether a head's columns do not fill the tiles of products, of 8, 16 or 32 columns. What hangs over is
// computed beside the matrix and added to it: then head sums up the gradients of keys and values transposed, with keys
// as columns, where its backward pass takes 8 to 31% less time with heads of 4 to 72 on AVX-512, and 0 to 17% less on
// AVX2 (Zen 4). With 16, 32, 48 and 80 columns it would take between 3% less and 6% more.
func hangsOver(d int) bool { return d%16 != 0 }

// attentionScratch returns the elements of scratch that attention takes in a Workspace.
func attentionScratch(c, heads, batch, tokens int, half bool) int {
	size := headScratch(tokens, c/heads, inTiles(tokens, c/heads, half))
	if half {
		size = headScratchHalf(tokens) + headPacked(tokens, c/heads)
	}
	return min(kernels.Threads(), batch*heads) * size
}

// transposedStride is the row stride of transposed keys and values: whole cache lines, and one more, since
// rows a multiple of a page apart would not stay in the first cache beside each other.
func transposedStride(tokens int) int { return (tokens+15)/16*16 + 16 }

// run does all heads.
func (t *attentionTask) run(w *Workspace) {
	defer w.clock.leave(w.clock.enter(PartAttention))
	parallel(t.units*t.tokens*t.tokens*t.d >= leastProduct, t.units, 1, t)
}

func (t *attentionTask) Run(worker, lo, hi int) {
	c := t.heads * t.d
	for u := lo; u < hi; u++ {
		row, col := u/t.heads*t.tokens, u%t.heads*t.d
		if t.qkvHalf != nil {
			t.headHalf(row, col, t.scratch[worker], &t.packs[worker])
			continue
		}
		q, o := t.qkv[row*3*c+col:], t.out[row*c+col:]
		tiles := t.logSums != nil
		switch {
		case tiles && t.backward:
			t.headTilesBackward(q, o, t.dout[row*c+col:], t.logSums[u*t.tokens:], t.dqkv[row*3*c+col:], t.scratch[worker])
		case tiles:
			t.headTiles(q, o, t.logSums[u*t.tokens:], t.scratch[worker])
		case t.backward:
			t.head(q, t.dout[row*c+col:], t.dqkv[row*3*c+col:], t.scratch[worker])
		default:
			t.head(q, o, nil, t.scratch[worker])
		}
	}
}

// head does one head of one sequence: q, o and dq start at its first query, the output or, where there is a dq,
// its gradient, and the gradient of the query; keys and values are C and 2C elements after the queries. Blocks of queries
// go from the last to the first, so that the first to be done reaches all keys and sets their gradients, to which the
// others add. Keys, and backwards values, are transposed once for all blocks: the products then read them where they
// are, and otherwise each would transpose them into panels of its own.
func (t *attentionTask) head(q, o, dq, scratch []float32) {
	c := t.heads * t.d
	ld, n, d := 3*c, t.tokens, t.d
	scale := float32(1 / math.Sqrt(float64(d)))
	k, v := q[c:], q[2*c:]
	ldt := transposedStride(n)
	s := scratchpad(scratch)
	block := min(queryBlock, n) * n
	kt, vt, p, dp := s.take(d*ldt), s.take(d*ldt), s.take(block), s.take(block)
	var dkt, dvt []float32
	if hangsOver(d) {
		dkt, dvt = s.take(d*ldt), s.take(d*ldt)
	}
	kernels.Transpose(n, d, k, ld, kt, ldt)
	if dq != nil {
		kernels.Transpose(n, d, v, ld, vt, ldt)
	}
	beta := float32(0)
	for lo := (n - 1) / queryBlock * queryBlock; lo >= 0; lo -= queryBlock {
		keys := min(lo+queryBlock, n)
		rows := keys - lo
		qb, ob := q[lo*ld:], o[lo*c:]
		perQuery(rows, keys, d, qb, ld, kt, ldt, p, keys)
		kernels.Softmax(rows, keys, scale, lo+1, p, keys, p, keys)
		if dq == nil {
			perQuery(rows, d, keys, p, keys, v, ld, ob, c)
			continue
		}
		dk, dv := dq[c:], dq[2*c:]
		addKeys(keys, d, rows, p, ob, c, beta, dv, ld, dvt, ldt)
		perQuery(rows, keys, d, ob, c, vt, ldt, dp, keys)
		kernels.SoftmaxBackward(rows, keys, scale, lo+1, p, keys, dp, keys, dp, keys)
		perQuery(rows, d, keys, dp, keys, k, ld, dq[lo*ld:], ld)
		addKeys(keys, d, rows, dp, qb, ld, beta, dk, ld, dkt, ldt)
		beta = 1
	}
	if dq != nil && dkt != nil {
		kernels.Transpose(d, n, dkt, ldt, dq[c:], ld)
		kernels.Transpose(d, n, dvt, ldt, dq[2*c:], ld)
	}
}

// scratchpad is scratch that is left.
type scratchpad []float32

func (s *scratchpad) take(n int) []float32 {
	x := (*s)[:n]
	*s = (*s)[n:]
	return x
}

// addKeys computes C = Pᵀ*X + beta*C for a block of rows queries, with a row of C for each key, or, if there is a ct, its
// transpose there.
func addKeys(keys, d, rows int, p, x []float32, ldx int, beta float32, c []float32, ldc int, ct []float32, ldct int) {
	if ct != nil {
		kernels.Sgemm(true, false, d, keys, rows, 1, x, ldx, p, keys, beta, ct, ldct)
		return
	}
	kernels.Sgemm(true, false, keys, d, rows, 1, p, keys, x, ldx, beta, c, ldc)
}

// perQuery computes C = A*B, with a row of A for each query, whose bits do not depend on how many there
// are: the last block has fewer.
func perQuery(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	perQueryInto(m, n, k, a, lda, b, ldb, 0, c, ldc)
}

// perQueryInto computes C = A*B + beta*C in the same way.
func perQueryInto(m, n, k int, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	p := kernels.Product[float32, float32]{
		M: m, N: n, K: k, Alpha: 1, A: a, LDA: lda, B: b, LDB: ldb, Beta: beta, C: c, LDC: ldc, RowInvariant: true,
	}
	p.Run()
}
