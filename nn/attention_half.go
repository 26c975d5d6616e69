package nn

import (
	"math"
	"unsafe"

	"github.com/vcycle-go/vcycle/kernels"
)

// headPacks are the matrices of a head that all blocks of queries multiply with, in the order in which products
// of bfloat16 read them. A block takes the keys up to the last of its queries.
type headPacks struct {
	kt, vt kernels.Packed[kernels.BFloat16, float32] // Kᵀ and, backwards, Vᵀ: [d, T]
	rows   kernels.Packed[kernels.BFloat16, float32] // V, and backwards K: [T, d]
}

func (p *headPacks) reserve(tokens, d int) {
	p.kt.Reserve(d, tokens)
	p.vt.Reserve(d, tokens)
	p.rows.Reserve(tokens, d)
}

// headPacked returns the elements of a head's packed matrices.
func headPacked(tokens, d int) int {
	return 2*kernels.PackedSize[kernels.BFloat16, float32](d, tokens) + kernels.PackedSize[kernels.BFloat16, float32](tokens, d)
}

// headScratchHalf returns the elements of two blocks of scores, and, rounded, of one.
func headScratchHalf(tokens int) int {
	block := min(queryBlock, tokens) * tokens
	return 2*block + (block+1)/2
}

// headHalf does the head whose first query is at row and col as head does, with products of bfloat16: scores,
// softmax and all sums are in float32, and the weights and their gradient are rounded for the products.
func (t *attentionTask) headHalf(row, col int, scratch []float32, packs *headPacks) {
	c := t.heads * t.d
	ld, n, d := 3*c, t.tokens, t.d
	scale := float32(1 / math.Sqrt(float64(d)))
	q := t.qkvHalf[row*ld+col:]
	k, v := q[c:], q[2*c:]
	block := min(queryBlock, n) * n
	p, dp := scratch[:block], scratch[block:2*block]
	rounded := halfView(scratch[2*block:], block)
	o := t.half[row*c+col:] // backwards its gradient
	packs.kt.Pack(true, d, n, k, ld)
	if t.backward {
		packs.rows.Pack(false, n, d, k, ld)
		packs.vt.Pack(true, d, n, v, ld)
	} else {
		packs.rows.Pack(false, n, d, v, ld)
	}
	beta := float32(0)
	for lo := (n - 1) / queryBlock * queryBlock; lo >= 0; lo -= queryBlock {
		keys := min(lo+queryBlock, n)
		rows := keys - lo
		p, dp, rounded := p[:rows*keys], dp[:rows*keys], rounded[:rows*keys]
		perQueryHalf(rows, keys, d, q[lo*ld:], ld, &packs.kt, p, keys)
		kernels.Softmax(rows, keys, scale, lo+1, p, keys, p, keys)
		kernels.ToBFloat16(p, rounded)
		if !t.backward {
			perQueryHalf(rows, d, keys, rounded, keys, &packs.rows, t.out[(row+lo)*c+col:], c)
			roundRows(rows, d, t.out[(row+lo)*c+col:], o[lo*c:], c)
			continue
		}
		dq := t.dqkv[row*ld+col:]
		dk, dv := dq[c:], dq[2*c:]
		kernels.Bgemm(true, false, keys, d, rows, 1, rounded, keys, o[lo*c:], c, beta, dv, ld)
		perQueryHalf(rows, keys, d, o[lo*c:], c, &packs.vt, dp, keys)
		kernels.SoftmaxBackward(rows, keys, scale, lo+1, p, keys, dp, keys, dp, keys)
		kernels.ToBFloat16(dp, rounded)
		perQueryHalf(rows, d, keys, rounded, keys, &packs.rows, dq[lo*ld:], ld)
		kernels.Bgemm(true, false, keys, d, rows, 1, rounded, keys, q[lo*ld:], ld, beta, dk, ld)
		beta = 1
	}
	if t.backward {
		dq := t.dqkv[row*ld+col:]
		for part := 0; part < ld; part += c {
			roundRows(n, d, dq[part:], q[part:], ld)
		}
	}
}

// roundRows rounds rows of d elements.
func roundRows(rows, d int, x []float32, y []kernels.BFloat16, ld int) {
	for at := 0; at < rows*ld; at += ld {
		kernels.ToBFloat16(x[at:at+d], y[at:at+d])
	}
}

// perQueryHalf is perQuery with operands of bfloat16, of which B is packed.
func perQueryHalf(m, n, k int, a []kernels.BFloat16, lda int, b *kernels.Packed[kernels.BFloat16, float32], c []float32, ldc int) {
	p := kernels.Product[kernels.BFloat16, float32]{M: m, N: n, K: k, Alpha: 1, A: a, LDA: lda, Packed: b, C: c, LDC: ldc, RowInvariant: true}
	p.Run()
}

// halfView returns n elements in the memory of x.
func halfView(x []float32, n int) []kernels.BFloat16 {
	return unsafe.Slice((*kernels.BFloat16)(unsafe.Pointer(&x[0])), n)
}
