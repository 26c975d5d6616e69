package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/vcycle-go/vcycle/odeint"
	"github.com/vcycle-go/vcycle/tensor"
)

// Decoder is a GPT-2 Transformer whose blocks are steps over depth:
//
//	x₀ = Token[tokens] + Position,   x_{i+1} = x_i + h·(a step along F(x; θ_i)),   logits = LN(x_N)·Tokenᵀ.
//
// It owns the memory of a training step, which it allocates at the first one of a size, or at Reserve, and
// uses again; later steps allocate nothing, apart from what Go's runtime may where a goroutine parks or wakes. It is for
// one goroutine at a time; the kernels spread over the threads, and their number changes no bit of any
// result.
type Decoder struct {
	cfg    Config
	groups []*Group // embed, then the blocks

	embedding Embedding
	norm      LayerNorm // the final one
	head      Head
	field     depth
	weights   weights
	solver    *odeint.Solver[float32]
	grid      odeint.Grid // of the blocks

	arena  tensor.Arena
	memory memory
}

// The entries of the group of what lies outside the blocks.
const (
	entryToken = iota
	entryPosition
	entryGammaF
	entryBetaF
)

// NewDecoder returns a Decoder with parameters drawn from seed (see InitBlock). It returns an error if the
// configuration is not valid.
func NewDecoder(cfg Config, seed uint64) (*Decoder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d := &Decoder{cfg: cfg}
	var err error
	if d.solver, err = cfg.newSolver(&d.field); err != nil {
		return nil, err
	}

	if err := d.Use(cfg, cfg.NewGroups()); err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	embed := 1 / math.Sqrt(float64(cfg.Width)) // the tied head's logits begin with unit variance
	normal(rng, embed, d.embedding.Token.Data())
	normal(rng, embed, d.embedding.Position.Data())
	fill(d.norm.Gamma.Data(), 1)
	for _, g := range d.Blocks() {
		d.InitBlock(g, rng)
	}
	return d, nil
}

// newSolver returns the integrator over the depth f.
func (c Config) newSolver(f *depth) (*odeint.Solver[float32], error) {
	m := c.method()
	switch {
	case m.split == lie:
		return odeint.NewSolver[float32](m.tableau, attentionField{f}, mlpField{f})
	case m.split == strang:
		return odeint.NewStrang[float32](m.tableau, attentionField{f}, mlpField{f})
	case m.weights != fixed:
		return odeint.NewSolver[float32](odeint.Euler, weighted{f})
	}
	return odeint.NewSolver[float32](m.tableau, f)
}

// Config returns the configuration, as SetBlocks or Use set it last.
func (d *Decoder) Config() Config { return d.cfg }

// Groups returns all parameters: the group "embed" (token and position embedding, final LayerNorm), then
// the blocks in order.
func (d *Decoder) Groups() []*Group { return d.groups }

// Blocks returns the groups of the blocks in order.
func (d *Decoder) Blocks() []*Group { return d.groups[1:] }

// NewBlock returns a zeroed group with the layout of a block.
func (d *Decoder) NewBlock() *Group { return newGroup("", d.cfg.blockEntries()) }

// SetBlocks makes the blocks, which the Decoder keeps and names h.0, h.1, …, the steps of size stepSize
// over depth. The memory of a training step is kept, and grows at the next one if there are more blocks
// than ever before. It returns an error, and changes nothing, if there is no block or more than Validate
// allows, if one has another layout than NewBlock's or is there twice, or if the step size is not positive
// and finite as a float32.
func (d *Decoder) SetBlocks(blocks []*Group, stepSize float64) error {
	cfg := d.cfg
	cfg.Blocks, cfg.StepSize, cfg.Relative = len(blocks), stepSize, nil
	return d.Use(cfg, append(d.groups[:1:1], blocks...))
}

// Use makes groups, in the order of Groups and with the layouts of cfg.NewGroups, the network of the
// Decoder: networks of several depths, widths and contexts can take turns in its memory. Groups without gradients
// get them with the first ZeroGrad, RenewGrad or Step: until then a network that takes the place of another can be beside
// it with less memory. Vocabulary, method, precision and whether activations are computed again stay. The rest is as for
// SetBlocks.
func (d *Decoder) Use(cfg Config, groups []*Group) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if c := d.cfg; c.Vocab != cfg.Vocab || c.Method != cfg.Method || c.half() != cfg.half() || c.Recompute != cfg.Recompute {
		return fmt.Errorf("a decoder keeps its vocabulary, method, precision and recomputation: %+v cannot become %+v", c, cfg)
	}
	if len(groups) != cfg.Blocks+1 {
		return fmt.Errorf("there are %d groups for %d blocks and what lies outside them", len(groups), cfg.Blocks)
	}
	if !groups[0].hasLayout(cfg.embedEntries()) {
		return fmt.Errorf("the first group has another layout than NewGroups gives what lies outside the blocks")
	}
	entries := cfg.blockEntries()
	for i, g := range groups[1:] {
		if !g.hasLayout(entries) {
			return fmt.Errorf("block %d (%s) has another layout than a block of width %d", i, g.Name, cfg.Width)
		}
		if j := slices.Index(groups[1:], g); j < i {
			return fmt.Errorf("blocks %d and %d (%s) are the same", j, i, g.Name)
		}
	}
	d.cfg, d.groups, d.grid = cfg, slices.Clone(groups), cfg.Grid()
	for i, g := range d.Blocks() {
		g.Name = fmt.Sprintf("h.%d", i)
	}
	d.bind()
	d.field.work.forget()
	d.field.weighted.gate.w = nil
	d.memory.rows = 0 // lay it out again
	return nil
}

// bind makes the layers views of the groups.
func (d *Decoder) bind() {
	d.bindEmbed(d.groups[0])
	d.field.blocks = make([]block, d.cfg.Blocks)
	for i, g := range d.Blocks() {
		d.field.blocks[i] = newBlock(g, d.cfg)
	}
	d.roundFrom()
}

// makeGrads gives the groups gradients that have none.
func (d *Decoder) makeGrads() {
	made := false
	for _, g := range d.groups {
		made = g.makeGrad() || made
	}
	if made {
		d.bind()
	}
}

// roundFrom gives every matrix the memory that it is rounded to, if products are of bfloat16.
func (d *Decoder) roundFrom() {
	c := d.cfg
	if !c.half() {
		return
	}
	d.weights.reset(c.matrices())
	d.head.Half = d.weights.add(d.groups[0].Theta[:d.head.Weight.Len()])
	for i, g := range d.Blocks() {
		half := d.weights.add(g.Theta[:g.Matrices])
		for _, l := range d.field.blocks[i].linears() { // as the matrices follow each other in the group
			n := l.Weight.Len()
			l.Half, half = half[:n], half[n:]
		}
	}
}

// Update takes a step of o on all groups. Where products are of bfloat16, AdamW rounds the matrices in the same pass,
// and the passes of the network to come read what it has left instead of rounding at their beginning: who changes
// parameters between an Update and them says so with Changed. Other optimizers, and Use and SetBlocks, need not.
func (d *Decoder) Update(o Optimizer, lr, gradScale float64) {
	adamw, ok := o.(*AdamW)
	if d.weights.current = ok && d.cfg.half(); d.weights.current {
		adamw.stepRounding(d.groups, d.weights.groups, lr, gradScale)
		return
	}
	o.Step(d.groups, lr, gradScale)
}

// Changed says that parameters are not those that Update has left.
func (d *Decoder) Changed() { d.weights.current = false }

// InitBlock draws the weights of a block: normal with standard deviation √(2/(5·C)) (Nguyen and Salazar,
// Transformers without Tears, 2019, §2.2; about GPT-2's 0.02 at its width of 768, but narrow models learn
// much sooner), divided by √(2·Blocks) for the projections to the residual stream, so that its variance
// does not grow with depth (Radford et al., Language Models are Unsupervised Multitask Learners, 2019,
// §2.3); gains 1, biases 0; weights of stages those of the tableau, a gate 1/2. Gradient and moments are left
// alone.
func (d *Decoder) InitBlock(g *Group, rng *rand.Rand) {
	clear(g.Theta)
	b := newBlock(g, d.cfg)
	std := math.Sqrt(2 / (5 * float64(d.cfg.Width)))
	residual := std / math.Sqrt(2*float64(d.cfg.Blocks))
	normal(rng, std, b.attention.QKV.Weight.Data())
	normal(rng, residual, b.attention.Proj.Weight.Data())
	normal(rng, std, b.mlp.In.Weight.Data())
	normal(rng, residual, b.mlp.Out.Weight.Data())
	fill(b.norm1.Gamma.Data(), 1)
	fill(b.norm2.Gamma.Data(), 1)
	if m := d.cfg.method(); m.weights == learned {
		for i, w := range m.tableau.B {
			b.stages.gamma[i] = float32(w)
		}
	}
}

func normal(rng *rand.Rand, std float64, x []float32) {
	for i := range x {
		x[i] = float32(std * rng.NormFloat64())
	}
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// Reserve makes the memory of a Step on so many sequences with a network of cfg at once, so that neither
// that nor a smaller one allocates later. The pages are taken where they are used.
func (d *Decoder) Reserve(cfg Config, batch int) {
	d.arena.Grow(cfg.arena(batch))
	d.memory.rows = 0 // lay it out again
}

// Release gives up the memory of a step, which the next one allocates again. Parameters, gradients and moments stay.
func (d *Decoder) Release() {
	blocks, clock := d.field.blocks, d.field.work.clock
	d.arena, d.memory, d.field = tensor.Arena{}, memory{}, depth{blocks: blocks}
	d.SetClock(clock)
	solver, err := d.cfg.newSolver(&d.field) // the old one remembers vectors
	if err != nil {
		panic(err) // as NewDecoder would have said
	}
	d.solver = solver
}

// ZeroGrad sets all gradients to 0.
func (d *Decoder) ZeroGrad() {
	d.makeGrads()
	for _, g := range d.groups {
		d.field.work.clear(g.Grad)
	}
	d.renew(false)
}

// RenewGrad is ZeroGrad for gradients that nobody reads before the next Step or Accumulate of this network, which
// writes those of matrices instead of adding to them: until then they hold anything.
func (d *Decoder) RenewGrad() {
	d.makeGrads()
	d.field.work.clear(d.groups[0].Grad[d.head.GradWeight.Len():])
	for _, g := range d.Blocks() {
		d.field.work.clear(g.Grad[g.Matrices:])
	}
	d.renew(true)
}

// renew says whether the next gradients of the matrices are written.
func (d *Decoder) renew(fresh bool) {
	d.head.fresh = fresh
	for i := range d.field.blocks {
		for _, l := range d.field.blocks[i].linears() {
			l.fresh = fresh
		}
	}
}
