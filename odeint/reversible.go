package odeint

import "fmt"

// ReversibleHeun is the reversible Heun method of order 2: with x̂₀ = x₀ and f_n = F(t_n, x̂_n),
//
//	x̂_{n+1} = 2·x_n − x̂_n + h·f_n,   x_{n+1} = x_n + h/2·(f_n + f_{n+1}),
//
// one evaluation a step, which solved for x_n and x̂_n is the same method backwards (Kidger, Foster, Li and
// Lyons, Efficient and accurate gradients for neural SDEs, NeurIPS 2021, §3). Its gradient reconstructs the
// states from the last one, so that memory does not grow with the number of steps; the gradient is exact but
// for the rounding of the reconstruction. The method is unstable for every λ off the imaginary axis
// (ibid., appendix D.5): it is for non-stiff equations and not for long times.
//
// Eval sees f_n at stage 0 of step n, and the last at stage 1 of the last step. A field need keep only its
// last evaluation. A ReversibleHeun allocates nothing after NewReversibleHeun and is for one goroutine at a
// time.
type ReversibleHeun[F Float] struct {
	field   VectorField[F]
	combine combineTask[F]
	hat     []F // x̂
	f, next []F
	dHat    []F // gradients with respect to x̂ and f
	df      []F
}

// NewReversibleHeun returns a solver for states of dim elements.
func NewReversibleHeun[F Float](field VectorField[F], dim int) *ReversibleHeun[F] {
	v := vectors[F](5, dim)
	return &ReversibleHeun[F]{field, newCombineTask[F](4), v[0], v[1], v[2], v[3], v[4]}
}

// Solve takes x from the state at the beginning of the grid to that at its end. It panics if x has the wrong
// size.
func (s *ReversibleHeun[F]) Solve(g Grid, x []F) {
	s.check("Solve", x)
	copy(s.hat, x)
	s.field.Eval(s.point(g, 0), s.hat, s.f)
	for i := range g.Steps() {
		s.step(g, x, i, i+1)
	}
}

// step goes from node i of the grid to node j beside it.
func (s *ReversibleHeun[F]) step(g Grid, x []F, i, j int) {
	h := g.Step(min(i, j))
	if j < i {
		h = -h
	}
	s.terms(s.hat, x, 1, x, -1, s.hat, h, s.f)
	s.field.Eval(s.point(g, j), s.hat, s.next)
	s.terms(x, x, h/2, s.f, h/2, s.next, 0, nil)
	s.f, s.next = s.next, s.f
}

// Gradient differentiates the last Solve on this grid. x comes in as the state that it returned and leaves
// as the reconstruction of the initial state; dx comes in as the gradient with respect to the one and
// leaves as that with respect to the other. The field adds the gradient with respect to its parameters to
// its own. It can be called once for each Solve. It panics if x or dx has the wrong size.
func (s *ReversibleHeun[F]) Gradient(g Grid, x, dx []F) {
	s.check("Gradient", x)
	s.check("Gradient", dx)
	clear(s.dHat)
	clear(s.df)
	for i := g.Steps(); i > 0; i-- {
		h := g.Step(i - 1)
		s.combine.add(s.df, h/2, dx)
		s.field.VJP(s.point(g, i), s.hat, s.df, s.dHat)
		s.step(g, x, i, i-1)
		s.terms(s.df, nil, h/2, dx, h, s.dHat, 0, nil)
		s.combine.add(dx, 2, s.dHat)
		for e := range s.dHat {
			s.dHat[e] = -s.dHat[e]
		}
	}
	s.combine.add(dx, 1, s.dHat)
	s.field.VJP(s.point(g, 0), s.hat, s.df, dx)
}

// terms computes y = x + a·u + b·v + c·w.
func (s *ReversibleHeun[F]) terms(y, x []F, a float64, u []F, b float64, v []F, c float64, w []F) {
	s.combine.start(y, x)
	s.combine.term(a, u)
	s.combine.term(b, v)
	s.combine.term(c, w)
	s.combine.run()
}

// point is where f_i is evaluated.
func (s *ReversibleHeun[F]) point(g Grid, i int) Point {
	if i > 0 && i == g.Steps() {
		return Point{i - 1, 1, g.Time(i)}
	}
	return Point{i, 0, g.Time(i)}
}

func (s *ReversibleHeun[F]) check(fn string, x []F) {
	if len(x) != len(s.hat) {
		panic(fmt.Sprintf("odeint: ReversibleHeun.%s: a state of %d elements, want %d", fn, len(x), len(s.hat)))
	}
}
