package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vcycle-go/vcycle/odeint"
)

// The layers again, as the papers write them, in float64 and without regard to speed: the reference of
// every test of a value or a gradient. Matrices are row-major.

func refLinear(x, w, b []float64, in int) []float64 {
	out := len(b)
	y := make([]float64, len(x)/in*out)
	for i := range len(x) / in {
		for j := range out {
			s := b[j]
			for k := range in {
				s += x[i*in+k] * w[k*out+j]
			}
			y[i*out+j] = s
		}
	}
	return y
}

func refLayerNorm(x, gamma, beta []float64) []float64 {
	c := len(gamma)
	y := make([]float64, len(x))
	for i := 0; i < len(x); i += c {
		mean, variance := 0.0, 0.0
		for _, v := range x[i : i+c] {
			mean += v / float64(c)
		}
		for _, v := range x[i : i+c] {
			variance += (v - mean) * (v - mean) / float64(c)
		}
		for j := range c {
			y[i+j] = (x[i+j]-mean)/math.Sqrt(variance+1e-5)*gamma[j] + beta[j]
		}
	}
	return y
}

// refHeads is softmax(QKᵀ/√d)·V over the keys no later than the query, for sequences of T rows.
func refHeads(qkv []float64, tokens, heads, c int) []float64 {
	d := c / heads
	out := make([]float64, len(qkv)/3)
	for row := range len(out) / c {
		first := row / tokens * tokens
		for h := range heads {
			p, sum := make([]float64, row-first+1), 0.0
			for j := range p {
				s := 0.0
				for e := range d {
					s += qkv[row*3*c+h*d+e] * qkv[(first+j)*3*c+c+h*d+e]
				}
				p[j] = math.Exp(s / math.Sqrt(float64(d)))
				sum += p[j]
			}
			for j := range p {
				for e := range d {
					out[row*c+h*d+e] += p[j] / sum * qkv[(first+j)*3*c+2*c+h*d+e]
				}
			}
		}
	}
	return out
}

func refGELU(x []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))
	}
	return y
}

// refAxpy returns x + h·f.
func refAxpy(h float64, x, f []float64) []float64 {
	y := make([]float64, len(x))
	for i := range y {
		y[i] = x[i] + h*f[i]
	}
	return y
}

// refLosses returns the cross-entropy of every row of x·Wᵀ.
func refLosses(x, w []float64, targets []int32, c int) []float64 {
	losses := make([]float64, len(targets))
	for i, target := range targets {
		sum, at := 0.0, 0.0
		for v := range len(w) / c {
			s := 0.0
			for j := range c {
				s += x[i*c+j] * w[v*c+j]
			}
			sum += math.Exp(s)
			if v == int(target) {
				at = s
			}
		}
		losses[i] = math.Log(sum) - at
	}
	return losses
}

// refDecoder is the whole model; theta are the parameters of its groups.
type refDecoder struct {
	cfg    Config
	groups []*Group
	theta  [][]float64
}

func newRefDecoder(d *Decoder) *refDecoder {
	r := &refDecoder{cfg: d.Config(), groups: d.Groups()}
	for _, g := range r.groups {
		r.theta = append(r.theta, widen(g.Theta))
	}
	return r
}

// entry returns the parameters of entry i of a group.
func (r *refDecoder) entry(group, i int) []float64 {
	e := r.groups[group].Entries[i]
	return r.theta[group][e.Offset : e.Offset+e.Len()]
}

// named returns the parameters of an entry by its name.
func (r *refDecoder) named(group int, name string) []float64 {
	return r.entry(group, slices.IndexFunc(r.groups[group].Entries, func(e Entry) bool { return e.Name == name }))
}

func (r *refDecoder) attention(block int, x []float64) []float64 {
	p, c := func(i int) []float64 { return r.entry(block+1, i) }, r.cfg.Width
	qkv := refLinear(refLayerNorm(x, p(entryGamma1), p(entryBeta1)), p(entryQKV), p(entryQKVBias), c)
	return refLinear(refHeads(qkv, r.cfg.Context, r.cfg.Heads, c), p(entryProj), p(entryProjBias), c)
}

func (r *refDecoder) perceptron(block int, x []float64) []float64 {
	p, c := func(i int) []float64 { return r.entry(block+1, i) }, r.cfg.Width
	hidden := refLinear(refLayerNorm(x, p(entryGamma2), p(entryBeta2)), p(entryIn), p(entryInBias), c)
	return refLinear(refGELU(hidden), p(entryOut), p(entryOutBias), 4*c)
}

// f is F(x) with the parameters of a block.
func (r *refDecoder) f(block int, x []float64) []float64 {
	sa := r.attention(block, x)
	return refAxpy(1, sa, r.perceptron(block, refAxpy(1, x, sa)))
}

// stages returns the slopes of a step along f.
func stages(t odeint.Tableau, h float64, x []float64, f func(x []float64) []float64) (k [][]float64) {
	for i := range t.B {
		at := x
		for j := range i {
			at = refAxpy(h*t.A[i][j], at, k[j])
		}
		k = append(k, f(at))
	}
	return k
}

// weigh returns x + h·Σ w_i·k_i.
func weigh(h float64, x []float64, w []float64, k [][]float64) []float64 {
	for i, k := range k {
		x = refAxpy(h*w[i], x, k)
	}
	return x
}

// step is that of a block with the method of the decoder.
func (r *refDecoder) step(b int, h float64, x []float64) []float64 {
	f := func(x []float64) []float64 { return r.f(b, x) }
	attention := func(x []float64) []float64 { return r.attention(b, x) }
	perceptron := func(x []float64) []float64 { return r.perceptron(b, x) }
	along := func(t odeint.Tableau, h float64, x []float64, f func(x []float64) []float64) []float64 {
		return weigh(h, x, t.B, stages(t, h, x, f))
	}
	switch r.cfg.Method {
	case "split":
		return along(odeint.Euler, h, along(odeint.Euler, h, x, attention), perceptron)
	case "strang":
		x = along(odeint.Midpoint, h/2, x, attention)
		x = along(odeint.Midpoint, h, x, perceptron)
		return along(odeint.Midpoint, h/2, x, attention)
	case "rk2-learned":
		return weigh(h, x, r.named(b+1, "stages.weight"), stages(odeint.Heun, h, x, f))
	case "rk4-learned":
		return weigh(h, x, r.named(b+1, "stages.weight"), stages(odeint.RK4, h, x, f))
	case "rk2-gated":
		k, c := stages(odeint.Heun, h, x, f), r.cfg.Width
		y := slices.Clone(x)
		for at := 0; at < len(x); at += c {
			z := r.named(b+1, "stages.gate.bias")[0]
			for j := range c {
				z += k[0][at+j]*r.named(b+1, "stages.gate.weight")[j] + k[1][at+j]*r.named(b+1, "stages.gate.weight")[c+j]
			}
			g := 1 / (1 + math.Exp(-z))
			for j := at; j < at+c; j++ {
				y[j] += h * (g*k[0][j] + (1-g)*k[1][j])
			}
		}
		return y
	}
	return along(map[string]odeint.Tableau{
		"euler": odeint.Euler, "midpoint": odeint.Midpoint, "heun": odeint.Heun, "ralston": odeint.Ralston, "rk4": odeint.RK4, "rk38": odeint.RK38,
	}[r.cfg.Method], h, x, f)
}

func (r *refDecoder) loss(tokens, targets []int32) float64 {
	c := r.cfg.Width
	x := make([]float64, len(tokens)*c)
	token, position := r.entry(0, entryToken), r.entry(0, entryPosition)
	for i, id := range tokens {
		for j := range c {
			x[i*c+j] = token[int(id)*c+j] + position[i%r.cfg.Context*c+j]
		}
	}
	for b := range r.cfg.Blocks {
		x = r.step(b, r.cfg.Step(b), x)
	}
	sum := 0.0
	for _, l := range refLosses(refLayerNorm(x, r.entry(0, entryGammaF), r.entry(0, entryBetaF)), token, targets, c) {
		sum += l
	}
	return sum / float64(len(tokens))
}

func widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// randomize draws elements with standard deviation std around mean.
func randomize(rng *rand.Rand, mean, std float64, xs ...[]float32) {
	for _, x := range xs {
		for i := range x {
			x[i] = float32(mean + std*rng.NormFloat64())
		}
	}
}

// randomDecoder returns a decoder none of whose parameters is special, and a batch for it.
func randomDecoder(t testing.TB, cfg Config, batch int) (d *Decoder, tokens, targets []int32) {
	d, err := NewDecoder(cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, g := range d.Groups() {
		randomize(rng, 0, 0.3, g.Theta)
	}
	tokens, targets = make([]int32, batch*cfg.Context), make([]int32, batch*cfg.Context)
	for i := range tokens {
		tokens[i], targets[i] = int32(rng.IntN(cfg.Vocab)), int32(rng.IntN(cfg.Vocab))
	}
	return d, tokens, targets
}

// checkGradient compares got, the gradient at x that a layer computed, with central differences of
// loss, which reads x, at no more than samples elements. The error of a gradient is relative to its
// largest element.
func checkGradient(t *testing.T, what string, x []float64, got []float32, samples int, tolerance float64, loss func() float64) {
	t.Helper()
	if len(got) != len(x) {
		t.Fatalf("%s: %d gradients of %d elements", what, len(got), len(x))
	}
	largest := 0.0
	for _, g := range got {
		largest = max(largest, math.Abs(float64(g)))
	}
	stride := max(1, len(x)/samples)
	for i := stride / 2; i < len(x); i += stride {
		const eps = 1e-4
		old := x[i]
		x[i] = old + eps
		up := loss()
		x[i] = old - eps
		down := loss()
		x[i] = old
		if want := (up - down) / (2 * eps); !(math.Abs(float64(got[i])-want) <= tolerance*largest+1e-9) {
			t.Errorf("%s: gradient of element %d is %v, want %v (largest %v)", what, i, got[i], want, largest)
		}
	}
}
