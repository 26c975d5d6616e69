package nn

import (
	"fmt"
	"math"

	"github.com/vcycle-go/vcycle/internal/hugepage"
	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// Generator computes the logits of a sequence token by token. It keeps the keys and values of the tokens
// before, which causal attention does not change, so that a token costs a pass over one row instead of one
// over the whole sequence. With every method of the decoder, the logits are those of Decoder.Logits up to
// rounding: each evaluation of the attention in a step has keys and values of its own.
//
// It reads the decoder's parameters, and takes 2·Context·Width floats for the keys and values of each.
// It is for one goroutine at a time, and not beside one that trains the decoder.
type Generator struct {
	d     *Decoder
	n     int // tokens kept
	cache [][]float32
	work  Workspace
	attn  cachedAttentionTask
	gate  gateTask

	rows                      int // that the memory below has room for
	x, point, z, u, sa, ff    []float32
	qkv, heads, hidden, act   []float32
	slopes                    [][]float32
	mean, rstd, weights, last []float32
}

// prefill is how many tokens of a prompt go through the network at once.
const prefill = 256

// NewGenerator returns a Generator of the decoder without tokens. It must not be used after SetBlocks or Use.
func (d *Decoder) NewGenerator() *Generator {
	g := &Generator{d: d, last: make([]float32, d.cfg.Width)}
	slots, _ := d.cfg.Evaluations()
	g.cache = make([][]float32, d.cfg.Blocks*slots)
	for i := range g.cache {
		g.cache[i] = hugepage.Float32s(2 * d.cfg.Context * d.cfg.Width)
	}
	g.slopes = make([][]float32, len(d.cfg.method().tableau.B))
	return g
}

// Len returns the number of tokens kept.
func (g *Generator) Len() int { return g.n }

// Reset forgets all tokens after the first n. It panics if there are fewer.
func (g *Generator) Reset(n int) {
	if n < 0 || n > g.n {
		panic(fmt.Sprintf("nn: Generator.Reset: %d of %d tokens", n, g.n))
	}
	g.n = n
}

// Append adds tokens to the sequence and computes the logits of the token that follows the last. It panics
// if there is none, if they would be more than Context with those before, if one is not in the vocabulary
// or if len(logits) is not Vocab.
func (g *Generator) Append(tokens []int32, logits []float32) {
	cfg := g.d.cfg
	if len(tokens) < 1 || g.n+len(tokens) > cfg.Context || len(logits) != cfg.Vocab {
		panic(fmt.Sprintf("nn: Generator.Append: %d tokens after %d and %d logits; want at least 1, at most %d together, and %d",
			len(tokens), g.n, len(logits), cfg.Context, cfg.Vocab))
	}
	checkIDs("Generator.Append", "token", tokens, cfg.Vocab)
	for len(tokens) > 0 {
		n := min(prefill, len(tokens))
		g.advance(tokens[:n])
		tokens = tokens[n:]
	}
	g.d.head.Logits(g.last, logits)
}

// layout makes room for rows tokens.
func (g *Generator) layout(rows int) {
	if rows <= g.rows {
		return
	}
	g.rows = rows
	c := g.d.cfg.Width
	for _, v := range []struct {
		x    *[]float32
		cols int
	}{
		{&g.x, c}, {&g.point, c}, {&g.z, c}, {&g.u, c}, {&g.sa, c}, {&g.ff, c}, {&g.qkv, 3 * c}, {&g.heads, c},
		{&g.hidden, mlpRatio * c}, {&g.act, mlpRatio * c}, {&g.mean, 1}, {&g.rstd, 1},
	} {
		*v.x = make([]float32, rows*v.cols)
	}
	for i := range g.slopes {
		g.slopes[i] = make([]float32, rows*c)
	}
}

// advance takes the tokens through the network and leaves the last one's normalised state in g.last.
func (g *Generator) advance(tokens []int32) {
	cfg, d := g.d.cfg, g.d
	rows, c := len(tokens), cfg.Width
	g.layout(rows)
	x := g.x[:rows*c]
	token, position := d.embedding.Token.Data(), d.embedding.Position.Data()
	for i, id := range tokens {
		at := (g.n + i) * c
		kernels.Euler(1, token[int(id)*c:int(id+1)*c], position[at:at+c], x[i*c:(i+1)*c])
	}
	slots, _ := cfg.Evaluations()
	for i := range d.field.blocks {
		b, slot, h := &d.field.blocks[i], i*slots, float32(cfg.Step(i))
		switch cfg.method().split {
		case whole:
			g.step(b, (*Generator).eval, slot, h, x)
		case lie:
			g.step(b, (*Generator).attend, slot, h, x)
			g.step(b, (*Generator).perceive, slot, h, x)
		case strang:
			g.step(b, (*Generator).attend, slot, h/2, x)
			g.step(b, (*Generator).perceive, slot, h, x)
			g.step(b, (*Generator).attend, slot+slots/2, h/2, x)
		}
	}
	g.n += rows
	kernels.LayerNorm(1, c, normEps, x[(rows-1)*c:], d.norm.Gamma.Data(), d.norm.Beta.Data(), g.last, g.mean[:1], g.rstd[:1])
}

// step takes x a step of size h along a field, with the keys and values of the cache from slot on.
func (g *Generator) step(b *block, field func(g *Generator, b *block, slot int, x, f []float32), slot int, h float32, x []float32) {
	tableau := g.d.cfg.method().tableau
	for s := range tableau.B {
		at := x
		if s > 0 {
			at = g.point[:len(x)]
			g.combine(h, x, tableau.A[s][:s], at)
		}
		field(g, b, slot+s, at, g.slopes[s][:len(x)])
	}
	switch w := b.stages; {
	case w.gate != nil:
		g.gate = gateTask{h: h, c: g.d.cfg.Width, f1: g.slopes[0], f2: g.slopes[1], w: w.gate, b: w.bias[0], x: x, y: x}
		parallel(4*len(x) >= leastElements, len(x)/g.d.cfg.Width, rowGrain, &g.gate)
	case w.gamma != nil:
		for s, gamma := range w.gamma {
			kernels.Axpy(h*gamma, g.slopes[s][:len(x)], x)
		}
	default:
		g.combine(h, x, tableau.B, x)
	}
}

// combine computes y = x + h·Σ w_j·k_j; y may be x.
func (g *Generator) combine(h float32, x []float32, w []float64, y []float32) {
	copy(y, x)
	for j, v := range w {
		if v != 0 {
			kernels.Axpy(h*float32(v), g.slopes[j][:len(y)], y)
		}
	}
}

// eval computes f = SA(LN x) + FF(LN(x + SA(LN x))), with the keys and values of cache slot.
func (g *Generator) eval(b *block, slot int, x, f []float32) {
	n := len(x)
	g.attend(b, slot, x, g.sa[:n])
	kernels.Euler(1, x, g.sa[:n], g.u[:n])
	g.perceive(b, slot, g.u[:n], g.ff[:n])
	kernels.Euler(1, g.sa[:n], g.ff[:n], f)
}

// attend computes y = SA(LN x), and keeps keys and values.
func (g *Generator) attend(b *block, slot int, x, y []float32) {
	c := g.d.cfg.Width
	rows := len(x) / c
	z := Operand{Tensor: tensor.View(g.z[:rows*c], rows, c)} // in float32, whatever it was trained in
	b.norm1.Forward(&g.work, tensor.View(x, rows, c), z, NormStats{g.mean[:rows], g.rstd[:rows]})
	qkv := g.qkv[:rows*3*c]
	b.attention.QKV.Forward(&g.work, z, tensor.View(qkv, rows, 3*c))
	cache, context := g.cache[slot], g.d.cfg.Context
	for i := range rows {
		for part := range 2 * b.attention.Heads { // a head's keys or values
			d := c / b.attention.Heads
			copy(cache[(part*context+g.n+i)*d:], qkv[i*3*c+c+part*d:][:d])
		}
	}
	heads := g.heads[:rows*c]
	keys := g.n + rows
	g.weights = grow(g.weights, b.attention.Heads*rows*keys)
	g.attn = cachedAttentionTask{heads: b.attention.Heads, rows: rows, before: g.n, context: context, c: c, q: qkv, cache: cache, out: heads, weights: g.weights}
	parallel(2*rows*keys*c >= leastProduct, b.attention.Heads, 1, &g.attn)
	b.attention.Proj.Forward(&g.work, Operand{Tensor: tensor.View(heads, rows, c)}, tensor.View(y, rows, c))
}

// perceive computes y = FF(LN x).
func (g *Generator) perceive(b *block, _ int, x, y []float32) {
	c := g.d.cfg.Width
	rows := len(x) / c
	z := Operand{Tensor: tensor.View(g.z[:rows*c], rows, c)} // in float32, whatever it was trained in
	b.norm2.Forward(&g.work, tensor.View(x, rows, c), z, NormStats{g.mean[:rows], g.rstd[:rows]})
	hidden, act := tensor.View(g.hidden[:rows*mlpRatio*c], rows, mlpRatio*c), Operand{Tensor: tensor.View(g.act[:rows*mlpRatio*c], rows, mlpRatio*c)}
	b.mlp.Forward(&g.work, z, hidden, act, tensor.View(y, rows, c))
}

// cachedAttentionTask computes, for each head, O = softmax(Q·Kᵀ/√d)·V for the last rows of a sequence, whose
// keys and values are all in the cache [2, heads, Context, d]: each head reads its own in order.
type cachedAttentionTask struct {
	heads, rows, before, context, c int
	q, cache, out, weights          []float32
}

func (t *cachedAttentionTask) Run(_, lo, hi int) {
	d, keys := t.c/t.heads, t.before+t.rows
	scale := float32(1 / math.Sqrt(float64(d)))
	for head := lo; head < hi; head++ {
		q, out := t.q[head*d:], t.out[head*d:]
		k, v := t.cache[head*t.context*d:], t.cache[(t.heads+head)*t.context*d:]
		p := t.weights[head*t.rows*keys : (head+1)*t.rows*keys]
		kernels.Sgemm(false, true, t.rows, keys, d, 1, q, 3*t.c, k, d, 0, p, keys)
		kernels.Softmax(t.rows, keys, scale, t.before+1, p, keys, p, keys)
		kernels.Sgemm(false, false, t.rows, d, keys, 1, p, keys, v, d, 0, out, t.c)
	}
}
