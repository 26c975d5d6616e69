// Package odeint integrates ordinary differential equations dx/dt = F(t, x; θ) with explicit
// Runge–Kutta methods on a grid and gives exact gradients of the discrete solution: discretise, then
// differentiate. States are float32 vectors.
package odeint

// Point says where in an integration a field is evaluated: stage Stage of step Step, at time T. A field
// that keeps something for its VJP keeps it under Step and Stage.
type Point struct {
	Step, Stage int
	T           float64
}

// VectorField is the right-hand side of dx/dt = F(t, x; θ(t)).
type VectorField interface {
	// Eval computes f = F(t, x). It may keep what VJP needs at the same point. f and x do not overlap.
	Eval(p Point, x, f []float32)
	// VJP computes dx += (∂F/∂x)ᵀ·v and adds (∂F/∂θ)ᵀ·v to the field's own gradients. It is called at
	// most once for each Eval, with the same point and x. No two of the slices overlap.
	VJP(p Point, x, v, dx []float32)
}

// EulerStepper is a field that takes steps of Euler's method itself, fused with its evaluation.
type EulerStepper interface {
	VectorField
	// EulerStep computes y = x + h·F(t, x) and may keep what EulerVJP needs. y and x do not overlap.
	EulerStep(p Point, h float64, x, y []float32)
	// EulerVJP computes dx += h·(∂F/∂x)ᵀ·dx, where dx comes in as the gradient of y and leaves as that
	// of x, and adds h·(∂F/∂θ)ᵀ·dx to the field's own gradients.
	EulerVJP(p Point, h float64, x, dx []float32)
}
