package nn

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vcycle-go/vcycle/odeint"
)

// Config is the shape of a Decoder and how it integrates over depth.
type Config struct {
	Vocab    int // V, number of tokens
	Context  int // T, tokens in a training sequence
	Width    int // C, of the residual stream; a multiple of Heads
	Heads    int
	Blocks   int     // N, steps over depth
	StepSize float64 // h, of a step
	Method   string  // one of Methods()
	// Precision is in what the products multiply, one of Precisions(); empty: float32.
	Precision string

	// Recompute says that the backward pass computes again what a block has computed from the points at
	// which it was evaluated, instead of keeping it: much less memory, about a quarter more operations, and
	// the same bits.
	Recompute bool
}

// Bounds that keep every number of parameters in range of an int of 64 bits; memory runs out long before.
const (
	maxSize   = 1 << 20
	maxBlocks = 1 << 12
)

const (
	mlpRatio = 4    // width of the perceptron's hidden layer over C
	normEps  = 1e-5 // added to the variance in LayerNorm
)

// method is a way to take a step over depth.
type method struct {
	name    string
	tableau odeint.Tableau
	split   bool // attention and perceptron in turn
}

var methods = []method{
	{"euler", odeint.Euler, false},
	{"split", odeint.Euler, true},
	{"midpoint", odeint.Midpoint, false},
	{"heun", odeint.Heun, false},
	{"rk4", odeint.RK4, false},
}

// Methods returns the names that Config.Method may have: euler (x ← x + h·F(x)), split (x ← x +
// h·SA(LN x), then x ← x + h·FF(LN x)), and midpoint, heun, rk4 with parameters shared across stages.
func Methods() []string {
	names := make([]string, len(methods))
	for i, m := range methods {
		names[i] = m.name
	}
	return names
}

// Precisions returns the names that Config.Precision may have. float32: everything. bf16: weights and what
// they meet, forward and backward, are rounded to bfloat16 to be multiplied, with sums in float32; weights,
// gradients, the optimizer, attention between its projections, norms, losses and the residual stream stay in
// float32. That is faster where kernels.BFloat16Products names instructions for it.
func Precisions() []string { return []string{"float32", "bf16"} }

// half tells whether products are of bfloat16.
func (c Config) half() bool { return c.Precision == "bf16" }

func (c Config) method() method {
	for _, m := range methods {
		if m.name == c.Method {
			return m
		}
	}
	return method{}
}

// Validate returns an error that names the first field that cannot be, and what it may be.
func (c Config) Validate() error {
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"vocabulary", c.Vocab, maxSize}, {"context", c.Context, maxSize}, {"width", c.Width, maxSize},
		{"heads", c.Heads, maxSize}, {"blocks", c.Blocks, maxBlocks},
	} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("%s is %d; it must be between 1 and %d", f.name, f.value, f.max)
		}
	}
	if c.Width%c.Heads != 0 {
		return fmt.Errorf("width %d is not divisible by %d heads", c.Width, c.Heads)
	}
	if h := float32(c.StepSize); !(h > 0 && h <= math.MaxFloat32) {
		return fmt.Errorf("step size is %v; it must be positive and finite as a float32", c.StepSize)
	}
	if c.Precision != "" && !slices.Contains(Precisions(), c.Precision) {
		return fmt.Errorf("unknown precision %q; it may be %s", c.Precision, strings.Join(Precisions(), ", "))
	}
	if c.method().name == "" {
		return fmt.Errorf("unknown method %q; it may be %s", c.Method, strings.Join(Methods(), ", "))
	}
	return nil
}

// Parameters returns the number of parameters: V·C + T·C + 2·C outside the blocks, 12·C² + 13·C in each.
func (c Config) Parameters() int {
	return (c.Vocab+c.Context+2)*c.Width + c.Blocks*(12*c.Width+13)*c.Width
}

// matrices returns the number of parameters that products multiply.
func (c Config) matrices() int { return c.Vocab*c.Width + c.Blocks*12*c.Width*c.Width }

// FLOPs returns the floating point operations of matrix products that one token costs in a training
// step, forward and backward, with attention counted as if no key were masked:
//
//	blocks = N·stages·(6·12·C² + 12·C·T),  total = blocks + 6·C·V
//
// Counting: Kaplan et al., Scaling Laws for Neural Language Models, 2020, §2.1, with attention as in
// Chowdhery et al., PaLM, 2022, appendix B.
func (c Config) FLOPs() (blocks, total float64) {
	w := float64(c.Width)
	stages := max(1, len(c.method().tableau.B))
	blocks = float64(c.Blocks) * float64(stages) * (72*w*w + 12*w*float64(c.Context))
	return blocks, blocks + 6*w*float64(c.Vocab)
}
