package odeint

// Parametric is a field that shows its gradients of parameters.
type Parametric[F Float] interface {
	VectorField[F]
	// Gradient returns the memory to which VJP adds (∂F/∂θ)ᵀ·v.
	Gradient() []F
}

// Adjoint is the continuous adjoint method: it integrates, from t₁ back to t₀,
//
//	dx/dt = F(t, x; θ),   da/dt = −(∂F/∂x)ᵀ·a,   dg/dt = −(∂F/∂θ)ᵀ·a,   g(t₁) = 0,
//
// where a(t₁) is the gradient of a function of the final state; then a(t₀) is that with respect to the
// initial state and g(t₀) that with respect to θ (Pontryagin et al., The Mathematical Theory of Optimal
// Processes, 1962; Chen et al., Neural ordinary differential equations, NeurIPS 2018, §2). Memory does not
// grow with the number of steps. The result is the gradient of neither the discrete solution nor the exact
// one: its error is that of this integration, and where the equation contracts forwards, the
// reconstruction of x is unstable. It is here for comparison; for training, use Solver.Gradient or
// Solver.GradientCheckpoints.
//
// The error estimate sees x and a and not g, whose equation needs no control (Kidger, Chen and Lyons, "Hey,
// that's not an ODE": faster ODE adjoints via seminorms, ICML 2021).
type Adjoint[F Float] struct {
	integrator *Integrator[F]
	field      *augmented[F]
	z          []F
	solution   Solution[F]
}

// NewAdjoint returns an Adjoint with the method and tolerances of an Integrator. A field with parameters must
// be Parametric if their gradients are wanted; without that, what VJP adds to them has no meaning. The
// errors are those of NewIntegrator.
func NewAdjoint[F Float](t Tableau, field VectorField[F], o Options) (*Adjoint[F], error) {
	a := &augmented[F]{field: field}
	if p, ok := field.(Parametric[F]); ok {
		a.grad = p.Gradient()
		a.before = make([]F, len(a.grad))
	}
	s, err := NewIntegrator(t, VectorField[F](a), o)
	if err != nil {
		return nil, err
	}
	return &Adjoint[F]{integrator: s, field: a}, nil
}

// Gradient takes x from the state at t1 to its reconstruction at t0, and dx from the gradient with respect
// to the one to that with respect to the other, and adds the gradient with respect to the parameters to the
// field's. It returns the errors of Integrator.Solve, and then leaves x, dx and the gradients as they were.
// It panics if x and dx differ in length.
func (a *Adjoint[F]) Gradient(t0, t1 float64, x, dx []F) error {
	n := len(x)
	checkLength("Adjoint.Gradient", len(dx), n)
	f := a.field
	f.dim = n
	a.integrator.lead = 2 * n
	copy(f.before, f.grad)
	a.z = append(append(a.z[:0], x...), dx...)
	for range f.grad {
		a.z = append(a.z, 0)
	}
	err := a.integrator.Solve(t1, t0, a.z, &a.solution)
	copy(f.grad, f.before)
	if err != nil {
		return err
	}
	z := a.solution.X
	copy(x, z)
	copy(dx, z[n:])
	for i, g := range z[2*n:] {
		f.grad[i] += g
	}
	return nil
}

// Evaluations returns how often the last Gradient evaluated the field and its VJP.
func (a *Adjoint[F]) Evaluations() int { return a.solution.Evaluations }

// augmented is the field of x, a and g.
type augmented[F Float] struct {
	Func[F]      // no VJP
	field        VectorField[F]
	dim          int
	grad, before []F
}

// Eval computes the slopes of x, a and g.
func (a *augmented[F]) Eval(p Point, z, f []F) {
	n := a.dim
	a.field.Eval(p, z[:n], f[:n])
	da := f[n : 2*n]
	clear(da)
	clear(a.grad)
	a.field.VJP(p, z[:n], z[n:2*n], da)
	for i := range da {
		da[i] = -da[i]
	}
	for i, g := range a.grad {
		f[2*n+i] = -g
	}
}
