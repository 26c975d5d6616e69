package nn

import (
	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/odeint"
	"github.com/vcycle-go/vcycle/tensor"
)

// depth is the vector field over which the Transformer integrates: at step i,
//
//	F(x) = SA(LN x) + FF(LN(x + SA(LN x)))   with the parameters of blocks[i].
//
// What an evaluation leaves for its reverse is in tape[step*stages + stage] (of the split methods, a stage of
// attention and one of the perceptron together), or, where all evaluations
// share tape[0], computed again by the reverse. Gradients overwrite some of it, so that a point can be
// reversed once.
type depth struct {
	blocks []block
	stages int
	length int // T, tokens of a sequence
	shared bool
	tape   []activations
	work   Workspace
	// Scratch [B·T, C] and [B·T, 3C].
	sa, ff, dqkv tensor.Tensor
	weighted     weightedMemory
	// watch, where it is not nil, sees what an evaluation at x of attention, of the perceptron or of both has left.
	watch func(p odeint.Point, x []float32, a *activations, attention, perceptron bool)
}

var _ odeint.EulerStepper[float32] = (*depth)(nil)

func (d *depth) at(p odeint.Point) (*block, *activations) {
	if d.shared {
		return &d.blocks[p.Step], &d.tape[0]
	}
	return &d.blocks[p.Step], &d.tape[p.Step*d.stages+p.Stage]
}

// state gives a vector of the solver its shape.
func (d *depth) state(x []float32) tensor.Tensor {
	return tensor.View(x, d.sa.Dim(0), d.sa.Dim(1))
}

// attendVJP adds h·(∂SA(LN x)/∂x)ᵀ·v to dx, which may be v. It overwrites sa.
func (d *depth) attendVJP(b *block, a *activations, h float32, x, v, dx tensor.Tensor) {
	b.attention.Backward(&d.work, d.length, h, a.z1, a.heads, d.dqkv, d.sa, v, a.z1.Tensor)
	b.norm1.Backward(&d.work, x, a.norm1, a.z1.Tensor, dx)
}

// perceiveVJP adds h·(∂FF(LN u)/∂u)ᵀ·v to du, which may be v.
func (d *depth) perceiveVJP(b *block, a *activations, h float32, u, v, du tensor.Tensor) {
	b.mlp.Backward(&d.work, h, a.z2, a.hidden, a.act, v, a.z2.Tensor)
	b.norm2.Backward(&d.work, u, a.norm2, a.z2.Tensor, du)
}

// branch computes sa = SA(LN x), u = x + sa and LN u.
func (d *depth) branch(b *block, a *activations, x []float32) {
	b.norm1.Forward(&d.work, d.state(x), a.z1, a.norm1)
	b.attention.Forward(&d.work, d.length, a.z1, a.heads, d.sa)
	b.norm2.EulerForward(&d.work, 1, d.state(x), d.sa, a.u, a.z2, a.norm2)
}

// branchStep computes u = x + SA(LN x), which the projection writes itself, and LN u.
func (d *depth) branchStep(b *block, a *activations, x []float32) {
	xs := d.state(x)
	b.norm1.Forward(&d.work, xs, a.z1, a.norm1)
	b.attention.Euler(&d.work, d.length, 1, a.z1, a.heads, xs, a.u)
	b.norm2.Forward(&d.work, a.u, a.z2, a.norm2)
}

// again computes what Eval or EulerStep at x has left for the reverse, if it has not stayed.
func (d *depth) again(p odeint.Point, x []float32, branch func(*depth, *block, *activations, []float32)) {
	if !d.shared {
		return
	}
	b, a := d.at(p)
	branch(d, b, a, x)
	b.mlp.In.GELU(&d.work, a.z2, a.hidden, a.act)
}

// Eval computes f = F(x) = sa + FF(LN(x + sa)), sa = SA(LN x).
func (d *depth) Eval(p odeint.Point, x, f []float32) {
	b, a := d.at(p)
	d.branch(b, a, x)
	b.mlp.Euler(&d.work, 1, a.z2, a.hidden, a.act, d.sa, d.state(f))
	d.watched(p, x, a, true, true)
}

func (d *depth) watched(p odeint.Point, x []float32, a *activations, attention, perceptron bool) {
	if d.watch != nil {
		d.watch(p, x, a, attention, perceptron)
	}
}

// VJP adds (∂F/∂x)ᵀ·v to dx.
func (d *depth) VJP(p odeint.Point, x, v, dx []float32) {
	d.again(p, x, (*depth).branch)
	d.vjp(p, 1, x, v, dx)
}

// EulerStep computes y = (x + h·SA(LN x)) + h·FF(LN u), u = x + SA(LN x). The projections write u and y
// themselves. With h = 1 the parenthesis is u, and the step has the bits of the ordinary block; otherwise
// it comes from u, as x + h·(u − x).
func (d *depth) EulerStep(p odeint.Point, h float64, x, y []float32) {
	b, a := d.at(p)
	ys := d.state(y)
	d.branchStep(b, a, x)
	if h == 1 {
		b.mlp.Euler(&d.work, 1, a.z2, a.hidden, a.act, a.u, ys)
	} else {
		d.work.interpolate(float32(h), x, a.u.Data(), y)
		b.mlp.Euler(&d.work, float32(h), a.z2, a.hidden, a.act, ys, ys)
	}
	d.watched(p, x, a, true, true)
}

// EulerVJP takes dx from the gradient of y to that of x. With h = 1 the residual connections leave dx as
// it is, and every branch adds to it in place.
func (d *depth) EulerVJP(p odeint.Point, h float64, x, dx []float32) {
	d.again(p, x, (*depth).branchStep)
	if h != 1 {
		d.vjp(p, float32(h), x, dx, dx)
		return
	}
	b, a := d.at(p)
	g := d.state(dx)
	d.perceiveVJP(b, a, 1, a.u, g, g)
	d.attendVJP(b, a, 1, d.state(x), g, g)
}

// vjp adds h·(∂F/∂x)ᵀ·v to dx, which may be v: with du the gradient that FF sends to u, that of SA's
// result is h·v + du, and du itself goes on to x. What F at x has computed is there.
func (d *depth) vjp(p odeint.Point, h float32, x, v, dx []float32) {
	b, a := d.at(p)
	du, dsa := d.sa, d.ff
	d.work.clear(du.Data())
	d.perceiveVJP(b, a, h, a.u, d.state(v), du)
	t := &d.work.adjoint
	*t = adjointTask{h: h, du: du.Data(), v: v, dsa: dsa.Data(), dx: dx}
	parallel(4*len(v) >= leastElements, len(v), flatGrain, t)
	d.attendVJP(b, a, 1, d.state(x), dsa, d.state(dx))
}

// adjointTask computes dsa = du + h·v, then dx += du.
type adjointTask struct {
	h              float32
	du, v, dsa, dx []float32
}

func (t *adjointTask) Run(_, lo, hi int) {
	kernels.Euler(t.h, t.du[lo:hi], t.v[lo:hi], t.dsa[lo:hi])
	kernels.Axpy(1, t.du[lo:hi], t.dx[lo:hi])
}
