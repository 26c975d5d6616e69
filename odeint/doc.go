// Package odeint integrates ordinary differential equations
//
//	dx/dt = F(t, x; θ),   x(t₀) = x₀
//
// with explicit Runge–Kutta methods, and differentiates the solution with respect to x₀ and θ. States are
// vectors of float32 or float64. Times and step sizes are float64, in the units of t: a step of size h goes
// from t to t + h, and t may run backwards. F is a VectorField; a Func, where no gradient is asked for.
//
// A Solver goes along a Grid that is given. An Integrator chooses the steps so that the estimated error of
// each keeps to a tolerance, finds events, and keeps the solution between the steps if it is asked to. Both
// take any Tableau, check its order conditions, and allocate nothing in a step.
//
// # Methods
//
// Stages are evaluations of F for a step; one fewer where the last serves as the first of the next step
// (FSAL). Embedded is the order of the error estimate, dense that of the interpolant, which is the cubic
// Hermite polynomial where the tableau has none of its own. Stable is the length of the interval of
// stability on the negative axis. Each tableau names its source.
//
//	             order  embedded  stages    dense  stable
//	Euler          1              1           1     2.00
//	Midpoint       2              2           2     2.00
//	Heun           2              2           2     2.00
//	Ralston        2              2           2     2.00
//	RK4            4              4           3     2.79
//	RK38           4              4           3     2.79
//	Fehlberg21     2       1      3           2     2.00
//	Bosh3          3       2      4 FSAL      3     2.51
//	Dopri5         5       4      7 FSAL      4     3.31
//	Tsit5          5       4      7 FSAL      4     3.51
//	Dopri8         8      5, 3   13 FSAL      7     6.39
//
// Dopri8 is DOP853. NewSolver with several fields is the Lie–Trotter splitting, of order 1, and NewStrang the
// symmetric one, of order 2. ReversibleHeun, of order 2 and one evaluation a step, is not a Runge–Kutta
// method and stands apart. For most equations Tsit5 or Dopri5 is right; Dopri8 for tolerances below about
// 1e-8, Bosh3 above about 1e-3. All methods are explicit: for stiff equations, of which Solution.Stiffness
// warns, they take more steps than an implicit one would.
//
// # Gradients
//
// Discretise, then differentiate: the result of the first three is the exact gradient of the numbers that
// the solver computed, up to rounding, with the step sizes as constants.
//
//	                              memory          evaluations beside the solution's n steps
//	Solver.Gradient               n states, stages, and what F keeps      none
//	Solver.GradientCheckpoints    c states, one step    the fewest possible: below 2n where n ≤ (c+1)(c+2)/2
//	ReversibleHeun.Gradient       a few states          n
//	Adjoint.Gradient              a few states          as many as its tolerance takes
//
// Take Solver.Gradient unless memory does not suffice, and then checkpoints, whose gradient has the same
// bits. For an adaptive solution, first Integrator.Solve, then a Solver on Solution.Grid: one more
// integration, of only the accepted steps. Adjoint integrates the continuous adjoint equation back in time;
// its error is that of another integration, see there, and it is for comparison. Each call adds to the
// gradients of θ that the fields keep.
//
// Path gives parameters θ(t) between the nodes of a grid, piecewise constant or linear.
package odeint
