package nn

import "github.com/vcycle-go/vcycle/odeint"

// attentionField and mlpField are the two parts of the field of the split methods, SA(LN x) and FF(LN x),
// along which a step goes in turn. They share the blocks and the tape of depth.
type (
	attentionField struct{ *depth }
	mlpField       struct{ *depth }
)

var _, _ odeint.EulerStepper[float32] = attentionField{}, mlpField{}

// reverseAt is at, with what Eval at x has left there.
func (s attentionField) reverseAt(p odeint.Point, x []float32) (*block, *activations) {
	b, a := s.at(p)
	if s.shared {
		b.norm1.Forward(&s.work, s.state(x), a.z1, a.norm1)
		b.attention.attend(&s.work, s.length, a.z1, a.heads)
	}
	return b, a
}

// reverseAt is at, with what Eval at x has left there.
func (s mlpField) reverseAt(p odeint.Point, x []float32) (*block, *activations) {
	b, a := s.at(p)
	if s.shared {
		b.norm2.Forward(&s.work, s.state(x), a.z2, a.norm2)
		b.mlp.In.GELU(&s.work, a.z2, a.hidden, a.act)
	}
	return b, a
}

// Eval computes f = SA(LN x).
func (s attentionField) Eval(p odeint.Point, x, f []float32) {
	b, a := s.at(p)
	b.norm1.Forward(&s.work, s.state(x), a.z1, a.norm1)
	b.attention.Forward(&s.work, s.length, a.z1, a.heads, s.state(f))
	s.watched(p, x, a, true, false)
}

// VJP adds (∂SA(LN x)/∂x)ᵀ·v to dx.
func (s attentionField) VJP(p odeint.Point, x, v, dx []float32) {
	b, a := s.reverseAt(p, x)
	s.attendVJP(b, a, 1, s.state(x), s.state(v), s.state(dx))
}

// EulerStep computes y = x + h·SA(LN x).
func (s attentionField) EulerStep(p odeint.Point, h float64, x, y []float32) {
	b, a := s.at(p)
	b.norm1.Forward(&s.work, s.state(x), a.z1, a.norm1)
	b.attention.Euler(&s.work, s.length, float32(h), a.z1, a.heads, s.state(x), s.state(y))
	s.watched(p, x, a, true, false)
}

// EulerVJP adds h·(∂SA(LN x)/∂x)ᵀ·dx to dx.
func (s attentionField) EulerVJP(p odeint.Point, h float64, x, dx []float32) {
	b, a := s.reverseAt(p, x)
	s.attendVJP(b, a, float32(h), s.state(x), s.state(dx), s.state(dx))
}

// Eval computes f = FF(LN x).
func (s mlpField) Eval(p odeint.Point, x, f []float32) {
	b, a := s.at(p)
	b.norm2.Forward(&s.work, s.state(x), a.z2, a.norm2)
	b.mlp.Forward(&s.work, a.z2, a.hidden, a.act, s.state(f))
	s.watched(p, x, a, false, true)
}

// VJP adds (∂FF(LN x)/∂x)ᵀ·v to dx.
func (s mlpField) VJP(p odeint.Point, x, v, dx []float32) {
	b, a := s.reverseAt(p, x)
	s.perceiveVJP(b, a, 1, s.state(x), s.state(v), s.state(dx))
}

// EulerStep computes y = x + h·FF(LN x).
func (s mlpField) EulerStep(p odeint.Point, h float64, x, y []float32) {
	b, a := s.at(p)
	b.norm2.Forward(&s.work, s.state(x), a.z2, a.norm2)
	b.mlp.Euler(&s.work, float32(h), a.z2, a.hidden, a.act, s.state(x), s.state(y))
	s.watched(p, x, a, false, true)
}

// EulerVJP adds h·(∂FF(LN x)/∂x)ᵀ·dx to dx.
func (s mlpField) EulerVJP(p odeint.Point, h float64, x, dx []float32) {
	b, a := s.reverseAt(p, x)
	s.perceiveVJP(b, a, float32(h), s.state(x), s.state(dx), s.state(dx))
}
