package odeint

// Float is the precision of states and slopes. Times and step sizes are float64 in both.
type Float interface{ float32 | float64 }

// Point says where in an integration a field is evaluated: stage Stage of step Step, at time T. A field
// that keeps something for its VJP keeps it under Step and Stage.
type Point struct {
	Step, Stage int
	T           float64
}

// VectorField is the right-hand side of dx/dt = F(t, x; θ(t)).
type VectorField[F Float] interface {
	// Eval computes f = F(t, x). It may keep what VJP needs at the same point; a later Eval at the same
	// point takes its place. f and x do not overlap.
	Eval(p Point, x, f []F)
	// VJP computes dx += (∂F/∂x)ᵀ·v and adds (∂F/∂θ)ᵀ·v to the field's own gradients. It is called at
	// most once for each Eval, with the same point and x. No two of the slices overlap.
	VJP(p Point, x, v, dx []F)
}

// EulerStepper is a field that takes steps of Euler's method itself, fused with its evaluation.
type EulerStepper[F Float] interface {
	VectorField[F]
	// EulerStep computes y = x + h·F(t, x) and may keep what EulerVJP needs. y and x do not overlap.
	EulerStep(p Point, h float64, x, y []F)
	// EulerVJP computes dx += h·(∂F/∂x)ᵀ·dx, where dx comes in as the gradient of y and leaves as that
	// of x, and adds h·(∂F/∂θ)ᵀ·dx to the field's own gradients.
	EulerVJP(p Point, h float64, x, dx []F)
}

// Func is the field f = F(t, x) of a function, for integration without gradients.
type Func[F Float] func(t float64, x, f []F)

// Eval computes f = F(t, x).
func (fn Func[F]) Eval(p Point, x, f []F) { fn(p.T, x, f) }

// VJP panics: what is to be differentiated needs a VectorField of its own.
func (fn Func[F]) VJP(Point, []F, []F, []F) {
	panic("odeint: VJP: a Func has none; implement VectorField")
}
