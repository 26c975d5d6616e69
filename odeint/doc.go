// Package odeint integrates ordinary differential equations dx/dt = F(t, x; θ) with explicit
// Runge–Kutta methods on a grid and gives exact gradients of the discrete solution: discretise, then
// differentiate. States are float32 or float64 vectors.
package odeint
