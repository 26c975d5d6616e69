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
	// Relative, if it is not nil, is the step size of every block in units of StepSize: a grid that is not
	// uniform.
	Relative []float64
	Method   string // one of Methods()
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
	split   splitting
	weights weighting
}

// splitting is whether a step goes along F, or along attention and perceptron in turn.
type splitting int

const (
	whole  splitting = iota
	lie              // attention, perceptron
	strang           // half of attention, perceptron, the other half
)

// weighting is what a step weighs its stages with.
type weighting int

const (
	fixed   weighting = iota // the tableau's B
	learned                  // parameters of the block that begin as B
	gated                    // of two stages, a function of them
)

var methods = []method{
	{"euler", odeint.Euler, whole, fixed},
	{"split", odeint.Euler, lie, fixed},
	{"strang", odeint.Midpoint, strang, fixed},
	{"midpoint", odeint.Midpoint, whole, fixed},
	{"heun", odeint.Heun, whole, fixed},
	{"ralston", odeint.Ralston, whole, fixed},
	{"rk4", odeint.RK4, whole, fixed},
	{"rk38", odeint.RK38, whole, fixed},
	{"rk2-learned", odeint.Heun, whole, learned},
	{"rk2-gated", odeint.Heun, whole, gated},
	{"rk4-learned", odeint.RK4, whole, learned},
}

// evaluations returns how often a step evaluates attention and perceptron.
func (m method) evaluations() (attention, perceptron int) {
	n := len(m.tableau.B)
	if m.split == strang {
		return 2 * n, n
	}
	return n, n
}

// extra returns the number of parameters of a block beside those of its layers.
func (m method) extra(width int) int {
	switch m.weights {
	case learned:
		return len(m.tableau.B)
	case gated:
		return 2*width + 1
	}
	return 0
}

// Methods returns the names that Config.Method may have. A block has the same parameters in all stages of
// its step, which are those of the tableau of odeint:
//
//	euler                        x ← x + h·F(x)
//	split                        x ← x + h·SA(LN x), then x ← x + h·FF(LN x): Lie and Trotter, order 1
//	strang                       h/2 along SA, h along FF, h/2 along SA, each by the midpoint rule: order 2
//	midpoint, heun, ralston      two stages, order 2
//	rk4, rk38                    four stages, order 4
//	rk2-learned                  x ← x + h·(γ₁·F₁ + γ₂·F₂), the stages of heun
//	rk2-gated                    x ← x + h·(g·F₁ + (1−g)·F₂), g = σ([F₁ F₂]·w + b) for each token
//	rk4-learned                  x ← x + h·(γ₁·F₁ + … + γ₄·F₄), the stages of rk4
//
// The last three, and heun and rk4 with h = 1, are the blocks of Li et al., ODE Transformer, ACL 2022, §3;
// γ begins as the weights of heun and rk4, w and b as 0, where the gated one is heun, too.
func Methods() []string {
	names := make([]string, len(methods))
	for i, m := range methods {
		names[i] = m.name
	}
	return names
}

// Precisions returns the names that Config.Precision may have. float32: everything. bf16: weights and what
// they meet, forward and backward, are rounded to bfloat16 to be multiplied, with sums in float32, as are the
// operands of attention; weights, gradients, the optimizer, softmax, norms, losses and the residual stream stay
// in float32. That is faster where kernels.BFloat16Products names instructions for it.
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
	if n := len(c.Relative); n != 0 && n != c.Blocks {
		return fmt.Errorf("%d step sizes are given for %d blocks; give one for each, or none", n, c.Blocks)
	}
	t := 0.0
	for i := range c.Relative {
		if h := float32(c.Step(i)); !(h > 0 && h <= math.MaxFloat32) {
			return fmt.Errorf("the step size of block %d is %v; it must be positive and finite as a float32", i, c.Step(i))
		}
		if t+c.Step(i) == t {
			return fmt.Errorf("the step size of block %d is %v, which is lost beside the time %v at which it begins", i, c.Step(i), t)
		}
		t += c.Step(i)
	}
	if c.Precision != "" && !slices.Contains(Precisions(), c.Precision) {
		return fmt.Errorf("unknown precision %q; it may be %s", c.Precision, strings.Join(Precisions(), ", "))
	}
	if c.method().name == "" {
		return fmt.Errorf("unknown method %q; it may be %s", c.Method, strings.Join(Methods(), ", "))
	}
	return nil
}

// Step returns the step size of block i.
func (c Config) Step(i int) float64 {
	if c.Relative == nil {
		return c.StepSize
	}
	return float64(c.StepSize * c.Relative[i]) // not fused with what is added to it: the same on every machine
}

// Grid returns the times between which the blocks step, from 0 on.
func (c Config) Grid() odeint.Grid {
	if c.Relative == nil {
		return odeint.Uniform(0, c.StepSize, c.Blocks)
	}
	times := make([]float64, c.Blocks+1)
	for i := range c.Blocks {
		times[i+1] = times[i] + c.Step(i)
	}
	g, err := odeint.Nodes(times)
	if err != nil {
		panic("nn: Config.Grid: " + err.Error() + ": Validate the configuration")
	}
	return g
}

// Parameters returns the number of parameters: V·C + T·C + 2·C outside the blocks, 12·C² + 13·C in each,
// and what the method adds: a weight for each stage if they are learned, 2·C + 1 if they are gated.
func (c Config) Parameters() int {
	return (c.Vocab+c.Context+2)*c.Width + c.Blocks*((12*c.Width+13)*c.Width+c.method().extra(c.Width))
}

// Evaluations returns how often a step over depth evaluates a block's attention and its perceptron.
func (c Config) Evaluations() (attention, perceptron int) { return c.method().evaluations() }

// matrices returns the number of parameters that products multiply.
func (c Config) matrices() int { return c.Vocab*c.Width + c.Blocks*12*c.Width*c.Width }

// FLOPs returns the floating point operations of matrix products that one token costs in a training
// step, forward and backward, with attention counted as if no key were masked:
//
//	blocks = N·(a·(6·4·C² + 12·C·T) + p·6·8·C² + g·6·2·C),  total = blocks + 6·C·V
//
// where a step evaluates attention a and the perceptron p times, and g is 1 if its stages are gated.
// Counting: Kaplan et al., Scaling Laws for Neural Language Models, 2020, §2.1, with attention as in
// Chowdhery et al., PaLM, 2022, appendix B.
func (c Config) FLOPs() (blocks, total float64) {
	w := float64(c.Width)
	m := c.method()
	a, p := m.evaluations()
	block := float64(a)*(24*w*w+12*w*float64(c.Context)) + float64(p)*48*w*w
	if m.weights == gated {
		block += 12 * w
	}
	blocks = float64(c.Blocks) * block
	return blocks, blocks + 6*w*float64(c.Vocab)
}
