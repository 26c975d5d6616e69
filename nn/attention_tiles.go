package nn

import (
	"math"

	"github.com/vcycle-go/vcycle/kernels"
)

// Long contexts are done in tiles of tileQueries×tileKeys scores (FlashAttention-2: Dao, 2023, §3.1): forward with
// the softmax of what has been seen, backward from the logarithms of the sums that were kept, keys outside and
// queries inside. In whole rows a block of queries goes over two blocks of scores, and adds to the gradients
// of all keys and values; a tile does with fewer of them what stays in the second-level cache. A gradient of a key is read
// and written every 96 queries, that of a query every 576 keys; with 48 queries the backward pass takes 1 to 8% more, 384 keys are
// as fast, and 1,056 take 10% more (Zen 4, heads of 64, 4,096 tokens).
const (
	tileQueries = 2 * queryBlock
	tileKeys    = 576
)

// inTiles tells whether a head of so many tokens and elements is done in tiles: where its two blocks of scores and two
// gradients are 768 KB or more, of which nothing but the numbers decides, so that the bits do not depend on the caches. On a
// Zen 4 with 1 MB the backward pass takes 0 to 4% more in tiles below, 5 to 8% less above, as with 1,024 tokens and
// heads of 64, and 20 and 25% less with 4,096 and 8,192; the forward pass between 1% more and 6% less.
func inTiles(tokens, d int, half bool) bool { return tokens*(queryBlock+d) >= 96<<10 && !half }

// tilesForward returns the elements of the scratch of headTiles.
func tilesForward(tokens, d int) int {
	return d*transposedStride(tokens) + tileQueries*(tileKeys+d+5)
}

// headTiles does the forward pass of one head of one sequence: q and o start at its first query and output, and
// logSums at that of its first query. After each tile of keys, for the queries of a block,
//
//	m = max score/√d,   l = Σ exp(score/√d − m),   o = Σ exp(score/√d − m)·v
//
// are those of the keys so far.
func (t *attentionTask) headTiles(q, o, logSums, scratch []float32) {
	c := t.heads * t.d
	ld, n, d := 3*c, t.tokens, t.d
	scale := float32(1 / math.Sqrt(float64(d)))
	k, v := q[c:], q[2*c:]
	s := scratchpad(scratch)
	ldt := transposedStride(n)
	kt, p, part := s.take(d*ldt), s.take(tileQueries*tileKeys), s.take(tileQueries*d)
	m, l, tops, sums, factors := s.take(tileQueries), s.take(tileQueries), s.take(tileQueries), s.take(tileQueries), s.take(tileQueries)
	kernels.Transpose(n, d, k, ld, kt, ldt)
	for lo := 0; lo < n; lo += tileQueries {
		hi := min(lo+tileQueries, n)
		rows := hi - lo
		m, l, factors := m[:rows], l[:rows], factors[:rows]
		for first := 0; first < hi; first += tileKeys {
			keys := min(first+tileKeys, hi) - first
			causal := 0 // before all queries
			if first+keys > lo {
				causal = lo + 1 - first
			}
			perQuery(rows, keys, d, q[lo*ld:], ld, kt[first:], ldt, p, keys)
			if first == 0 {
				kernels.SoftmaxPart(rows, keys, scale, causal, p, keys, p, keys, m, l)
				perQuery(rows, d, keys, p, keys, v, ld, o[lo*c:], c)
				continue
			}
			kernels.SoftmaxPart(rows, keys, scale, causal, p, keys, p, keys, tops, sums)
			perQuery(rows, d, keys, p, keys, v[first*ld:], ld, part, d)
			for i := range rows {
				factors[i] = -scale * max(m[i]-tops[i], tops[i]-m[i])
			}
			kernels.Exp(factors, factors)
			for i, f := range factors {
				oi := o[(lo+i)*c : (lo+i)*c+d]
				if tops[i] > m[i] {
					m[i], l[i] = tops[i], float32(f*l[i])+sums[i]
					kernels.Scal(f, oi)
					f = 1
				} else {
					l[i] += float32(f * sums[i])
				}
				kernels.Axpy(f, part[i*d:(i+1)*d], oi)
			}
		}
		for i, sum := range l {
			kernels.Scal(1/sum, o[(lo+i)*c:(lo+i)*c+d])
		}
		kernels.Log(l, l)
		kernels.Euler(scale, l, m, logSums[lo:hi])
	}
}

// tilesBackward returns the elements of the scratch of headTilesBackward.
func tilesBackward(tokens, d int) int {
	return tileKeys*d + 2*d*transposedStride(tileKeys) + 2*tileQueries*tileKeys + tokens
}

// headTilesBackward does the backward pass of the same head: o, do and dq start at the output of its first query, its
// gradient, and that of the query. With P = exp(scores/√d − logSums) and D = Σ do∘o of each query, which is
// Σ P∘dP over its keys, dscores = P∘(dP − D)/√d. The keys of a tile, which products read as rows, are gathered, and with
// its values transposed.
func (t *attentionTask) headTilesBackward(q, o, do, logSums, dq, scratch []float32) {
	c := t.heads * t.d
	ld, n, d := 3*c, t.tokens, t.d
	scale := float32(1 / math.Sqrt(float64(d)))
	k, v := q[c:], q[2*c:]
	s := scratchpad(scratch)
	ldt := transposedStride(tileKeys)
	rowsOfK, kt, vt, dots := s.take(tileKeys*d), s.take(d*ldt), s.take(d*ldt), s.take(n)
	p, dp := s.take(tileQueries*tileKeys), s.take(tileQueries*tileKeys)
	for i := range n {
		dots[i] = kernels.Dot(o[i*c:i*c+d], do[i*c:i*c+d])
	}
	for first := 0; first < n; first += tileKeys {
		last := min(first+tileKeys, n)
		kernels.Copy(last-first, d, k[first*ld:], ld, rowsOfK, d)
		kernels.Transpose(last-first, d, k[first*ld:], ld, kt, ldt)
		kernels.Transpose(last-first, d, v[first*ld:], ld, vt, ldt)
		dk, dv := dq[first*ld+c:], dq[first*ld+2*c:]
		tile := func(lo, hi, causal int, betaQ, betaK float32) {
			rows, keys := hi-lo, min(last, hi)-first
			qb, dob := q[lo*ld:], do[lo*c:]
			perQuery(rows, keys, d, qb, ld, kt, ldt, p, keys)
			kernels.SoftmaxGiven(rows, keys, scale, causal, p, keys, logSums[lo:hi], p, keys)
			kernels.Sgemm(true, false, keys, d, rows, 1, p, keys, dob, c, betaK, dv, ld)
			perQuery(rows, keys, d, dob, c, vt, ldt, dp, keys)
			kernels.SoftmaxGivenBackward(rows, keys, scale, causal, p, keys, dots[lo:hi], dp, keys, dp, keys)
			perQueryInto(rows, d, keys, dp, keys, rowsOfK, d, betaQ, dq[lo*ld:], ld)
			kernels.Sgemm(true, false, keys, d, rows, 1, dp, keys, qb, ld, betaK, dk, ld)
		}
		betaQ, betaK := float32(1), float32(0)
		if first == 0 {
			betaQ = 0 // all queries see keys of the first tile
		}
		// On the diagonal in smaller blocks, of which less is masked, and the last first: it reaches all keys, and sets
		// their gradients.
		for lo := first + (last-first-1)/queryBlock*queryBlock; lo >= first; lo -= queryBlock {
			tile(lo, min(lo+queryBlock, last), lo+1-first, betaQ, betaK)
			betaK = 1
		}
		for lo := last; lo < n; lo += tileQueries {
			tile(lo, min(lo+tileQueries, n), 0, betaQ, betaK)
		}
	}
}
