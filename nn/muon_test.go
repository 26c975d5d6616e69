package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vcycle-go/vcycle/kernels"
)

// muonReference is one step on a matrix in float64, by the plain definition.
func muonReference(w, g, m []float64, rows, cols int, mu, lr, decay float64) {
	x := make([]float64, len(g))
	var sum float64
	for i := range g {
		m[i] = mu*m[i] + g[i]
		x[i] = g[i] + mu*m[i]
		sum += x[i] * x[i]
	}
	for i := range x {
		x[i] /= math.Sqrt(sum) + 1e-7
	}
	mul := func(a, b []float64, n, k, m int) []float64 {
		c := make([]float64, n*m)
		for i := range n {
			for j := range m {
				for l := range k {
					c[i*m+j] += a[i*k+l] * b[l*m+j]
				}
			}
		}
		return c
	}
	for range 5 {
		t := make([]float64, len(x))
		for i := range rows {
			for j := range cols {
				t[j*rows+i] = x[i*cols+j]
			}
		}
		a := mul(x, t, rows, cols, rows)
		ax := mul(a, x, rows, rows, cols)
		aax := mul(a, ax, rows, rows, cols)
		for i := range x {
			x[i] = 3.4445*x[i] - 4.7750*ax[i] + 2.0315*aax[i]
		}
	}
	for i := range w {
		w[i] = (1-lr*decay)*w[i] - 0.2*math.Sqrt(float64(max(rows, cols)))*lr*x[i]
	}
}

func muonGroups(rng *rand.Rand) []*Group {
	d, err := NewDecoder(Config{Vocab: 11, Context: 5, Width: 8, Heads: 2, Blocks: 2, StepSize: 1, Method: "euler"}, 1)
	if err != nil {
		panic(err)
	}
	d.ZeroGrad()
	for _, g := range d.Groups() {
		for i := range g.Grad {
			g.Grad[i] = float32(rng.NormFloat64())
		}
	}
	return d.Groups()
}

func TestMuon(t *testing.T) {
	const mu, lr, decay, scale = 0.9, 0.01, 0.1, 0.5
	adam := AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: decay}
	groups, same := muonGroups(rand.New(rand.NewPCG(1, 2))), muonGroups(rand.New(rand.NewPCG(1, 2)))
	before := make([][]float32, len(groups))
	for i, g := range groups {
		before[i] = slices.Clone(g.Theta)
	}
	muon, plain := &Muon{Momentum: mu, AdamW: adam}, adam
	for range 2 {
		muon.Step(groups, lr, scale)
		plain.Step(same, lr, scale)
	}
	for n, g := range groups {
		if g.Steps != 2 || len(g.Moments) != muon.Moments() {
			t.Fatalf("%d steps, %d moments", g.Steps, len(g.Moments))
		}
		for _, e := range g.Entries {
			theta := g.Theta[e.Offset : e.Offset+e.Len()]
			if !orthogonalised(e) {
				if !slices.Equal(theta, same[n].Theta[e.Offset:e.Offset+e.Len()]) {
					t.Errorf("%s.%s does not move as with AdamW", g.Name, e.Name)
				}
				continue
			}
			rows, cols, parts := e.Shape[0], e.Shape[1], 1
			if e.Name == "attn.c_attn.weight" {
				parts = 3
			}
			for p := range parts {
				var w, grad []float64
				var at []int
				for i := range rows {
					for j := range cols / parts {
						at = append(at, i*cols+p*cols/parts+j)
					}
				}
				for _, i := range at {
					w, grad = append(w, float64(before[n][e.Offset+i])), append(grad, scale*float64(g.Grad[e.Offset+i]))
				}
				m := make([]float64, len(w))
				for range 2 {
					muonReference(w, grad, m, rows, cols/parts, mu, lr, decay)
				}
				for k, i := range at {
					if math.Abs(float64(theta[i])-w[k]) > 1e-5 {
						t.Fatalf("%s.%s[%d] is %v, want %v", g.Name, e.Name, i, theta[i], w[k])
					}
				}
			}
		}
	}
}

// TestOrthogonalise: the singular values come to about 1, whatever they were and whichever side is longer.
func TestOrthogonalise(t *testing.T) {
	for _, shape := range [][2]int{{8, 8}, {6, 20}, {20, 6}, {1, 5}} {
		rows, cols := shape[0], shape[1]
		o := &Muon{x: make([]float32, rows*cols), y: make([]float32, rows*cols)}
		rng := rand.New(rand.NewPCG(3, 4))
		for i := range o.x {
			o.x[i] = float32(100 * rng.NormFloat64())
		}
		o.orthogonalise(rows, cols)
		var trace, square float64 // of the Gram matrix: Σσ² and Σσ⁴
		n, k := min(rows, cols), max(rows, cols)
		at := func(i, j int) float64 { // the longer side in j
			if rows <= cols {
				return float64(o.x[i*cols+j])
			}
			return float64(o.x[j*cols+i])
		}
		for i := range n {
			for j := range n {
				var s float64
				for l := range k {
					s += at(i, l) * at(j, l)
				}
				square += s * s
				if i == j {
					trace += s
				}
			}
		}
		// σ² is in [0.45, 1.45], so its mean and its spread are bounded.
		mean := trace / float64(n)
		if mean < 0.45 || mean > 1.45 || square/float64(n)-mean*mean > 0.25 {
			t.Errorf("%d×%d: mean of σ² %v, of σ⁴ %v", rows, cols, mean, square/float64(n))
		}
	}
	zero := &Muon{x: make([]float32, 4), y: make([]float32, 4)}
	zero.orthogonalise(2, 2)
	if !slices.Equal(zero.x, make([]float32, 4)) {
		t.Errorf("zeros become %v", zero.x)
	}
}

func TestMuonBitsAndMemory(t *testing.T) {
	defer kernels.SetThreads(0)
	var want [][]float32
	for _, threads := range []int{1, 3} {
		kernels.SetThreads(threads)
		groups := muonGroups(rand.New(rand.NewPCG(5, 6)))
		o := &Muon{Momentum: 0.95, AdamW: AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8}}
		o.Step(groups, 1e-2, 1)
		for i, g := range groups {
			if threads == 1 {
				want = append(want, slices.Clone(g.Theta))
			} else if !slices.Equal(g.Theta, want[i]) {
				t.Errorf("%s: other bits with %d threads", g.Name, threads)
			}
		}
		if n := testing.AllocsPerRun(5, func() { o.Step(groups, 1e-2, 1) }); n != 0 {
			t.Errorf("%d threads: %v allocations a step", threads, n)
		}
	}
}

// The operations of a step by hand: of width C, five iterations of 4·C³ + 2·C³ for each of four C×C matrices and
// of 16·C³ + 2·C³ for C×4C and 4C×C.
func TestMuonFLOPs(t *testing.T) {
	cfg := tiny
	cfg.Method = "rk2-gated"
	c := float64(cfg.Width)
	if got, want := (&Muon{}).FLOPs(cfg), float64(cfg.Blocks)*5*(4*6+2*18)*c*c*c; got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
