package nn

import (
	"math"
	"strings"

	"github.com/vcycle-go/vcycle/kernels"
)

// Muon moves each matrix of a block along its orthogonalised momentum, and everything else (embeddings,
// gains, biases) as AdamW does: with g the gradient of a matrix of r rows and c columns,
//
//	m = Momentum*m + g,  u = g + Momentum*m,  W = (1 − lr·WeightDecay)*W − 0.2·√max(r, c)·lr · O(u)
//
// where O(u) is U·Vᵀ for the singular value decomposition u = U·S·Vᵀ, by five Newton–Schulz iterations, which
// leave singular values between about 0.7 and 1.2. The factor gives a step the size of one of AdamW, so
// that both take the same learning rates. Query, key and value are three matrices.
//
// Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024; the factor and the
// weight decay: Liu et al., Muon is Scalable for LLM Training, 2025, arXiv:2502.16982, §2.2.
type Muon struct {
	Momentum float64
	AdamW    AdamW // its weight decay is that of the matrices, too

	spans   []span
	x, y    []float32 // r×c: the iterate, and the next
	a, b    []float32 // min(r, c)²: X·Xᵀ or Xᵀ·X, and the polynomial in it
	partial []float32
}

// Coefficients of the iteration X ← a·X + b·(X·Xᵀ)·X + c·(X·Xᵀ)²·X, which maximise the slope at 0 (Jordan et al.).
const (
	newtonSchulzA     = 3.4445
	newtonSchulzB     = -4.7750
	newtonSchulzC     = 2.0315
	newtonSchulzSteps = 5
)

// Name returns muon.
func (o *Muon) Name() string { return "muon" }

// Moments returns 2: the momentum, and the mean of the square for what AdamW moves.
func (o *Muon) Moments() int { return 2 }

// Step takes one step. It allocates nothing after the first.
func (o *Muon) Step(groups []*Group, lr, gradScale float64) {
	prepare(groups, o.Moments())
	o.spans = o.spans[:0]
	for _, g := range groups {
		for _, e := range g.Entries {
			if !orthogonalised(e) {
				o.spans = appendRange(o.spans, g, e.Offset, e.Offset+e.Len())
			}
		}
	}
	o.AdamW.run(o.spans, lr, gradScale)
	clear(o.spans) // keep no group alive
	for _, g := range groups {
		for _, e := range g.Entries {
			if !orthogonalised(e) {
				continue
			}
			rows, cols, parts := matrices(e)
			for p := range parts {
				o.matrix(g, e.Offset+p*cols, rows, cols, parts*cols, lr, gradScale)
			}
		}
	}
}

// FLOPs returns the floating point operations of the matrix products of a step on a network: for each matrix
// of r rows and c columns, with n = min(r, c) and m = max(r, c), five iterations of n²·m for X·Xᵀ, n³ for its
// square and n²·m for the product with X, a multiplication and an addition each.
func (o *Muon) FLOPs(cfg Config) float64 {
	sum := 0.0
	for _, e := range cfg.blockEntries() {
		if !orthogonalised(e) {
			continue
		}
		rows, cols, parts := matrices(e)
		n, m := float64(min(rows, cols)), float64(max(rows, cols))
		sum += float64(parts) * newtonSchulzSteps * 2 * (2*n*n*m + n*n*n)
	}
	return float64(cfg.Blocks) * sum
}

// matrices returns the shape of the matrices that lie side by side in an entry, and how many there are.
func matrices(e Entry) (rows, cols, parts int) {
	parts = 1
	if strings.HasSuffix(e.Name, "c_attn.weight") {
		parts = 3
	}
	return e.Shape[0], e.Shape[1] / parts, parts
}

// orthogonalised tells whether an entry is a matrix of a block.
func orthogonalised(e Entry) bool {
	return len(e.Shape) == 2 && e.Name != "wte.weight" && e.Name != "wpe.weight"
}

// appendRange appends the spans of a part of a group.
func appendRange(spans []span, g *Group, lo, end int) []span {
	for hi := lo; lo < end; lo = hi {
		hi = min(lo+spanLen, end)
		spans = append(spans, span{g, lo, hi, lo < g.Matrices})
	}
	return spans
}

// matrix moves the rows×cols matrix at an offset of the group, whose rows are ld apart.
func (o *Muon) matrix(g *Group, at, rows, cols, ld int, lr, gradScale float64) {
	o.x, o.y = grow(o.x, rows*cols), grow(o.y, rows*cols)
	mu, scale := float32(o.Momentum), float32(gradScale)
	for i := range rows {
		m, grad := g.Moments[0][at+i*ld:at+i*ld+cols], g.Grad[at+i*ld:at+i*ld+cols]
		u := o.x[i*cols : (i+1)*cols]
		kernels.Scal(mu, m)
		kernels.Axpy(scale, grad, m)
		copy(u, m)
		kernels.Scal(mu, u)
		kernels.Axpy(scale, grad, u)
	}
	o.orthogonalise(rows, cols)
	decay := float32(1 - float64(lr*o.AdamW.WeightDecay))
	step := float32(-0.2 * math.Sqrt(float64(max(rows, cols))) * lr)
	for i := range rows {
		w := g.Theta[at+i*ld : at+i*ld+cols]
		kernels.Scal(decay, w)
		kernels.Axpy(step, o.x[i*cols:(i+1)*cols], w)
	}
}

// orthogonalise replaces o.x, rows×cols, by O(x). A matrix of zeros stays.
func (o *Muon) orthogonalise(rows, cols int) {
	o.partial = grow(o.partial, rows)
	for i := range rows {
		o.partial[i] = kernels.Nrm2(o.x[i*cols : (i+1)*cols])
	}
	kernels.Scal(float32(1/(norm(o.partial)+1e-7)), o.x)
	n := min(rows, cols)
	o.a, o.b = grow(o.a, n*n), grow(o.b, n*n)
	for range newtonSchulzSteps {
		if rows <= cols {
			kernels.Sgemm(false, true, n, n, cols, 1, o.x, cols, o.x, cols, 0, o.a, n)
		} else {
			kernels.Sgemm(true, false, n, n, rows, 1, o.x, cols, o.x, cols, 0, o.a, n)
		}
		copy(o.b, o.a)
		kernels.Sgemm(false, false, n, n, n, newtonSchulzC, o.a, n, o.a, n, newtonSchulzB, o.b, n)
		copy(o.y, o.x)
		if rows <= cols {
			kernels.Sgemm(false, false, rows, cols, n, 1, o.b, n, o.x, cols, newtonSchulzA, o.y, cols)
		} else {
			kernels.Sgemm(false, false, rows, cols, n, 1, o.x, cols, o.b, n, newtonSchulzA, o.y, cols)
		}
		o.x, o.y = o.y, o.x
	}
}
