// Package nn trains a decoder-only Transformer whose depth is an ordinary differential equation.
//
// A block is one step of
//
//	dx/dt = F(x; θ(t)),   F(x) = SA(LN x) + FF(LN(x + SA(LN x)))
//
// with SA the causal multi-head attention and FF the two-layer perceptron, and θ(t) constant on each
// step. With Euler's method, x ← x + h·F(x; θ_i), and h = 1 that is the ordinary pre-norm GPT-2 block,
// bit for bit; the sequential splits (Lie and Trotter's x ← x + h·SA(LN x), x ← x + h·FF(LN x), and Strang's),
// Runge–Kutta methods of higher order, and those with learned or gated weights of the stages (Li et al., ODE
// Transformer, ACL 2022) are the other choices: see [Methods]. The integration and its adjoint are those of
// package odeint.
//
// Every layer is a file with its forward beside its hand-written backward. Matrices are row-major, a
// row is a token: B·T rows of C columns for B sequences of T tokens and width C. Weights are stored
// [in, out], y = x·W + b, as in GPT-2's Conv1D. Backward passes add to parameter gradients.
//
// The parameters of a block are one vector, a [Group], so that multilevel methods can restrict and
// prolong them as they would any vector.
package nn
