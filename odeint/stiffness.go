package odeint

import (
	"fmt"
	"math"
)

// Stiffness warns that steps are as short as stability, not accuracy, demands.
type Stiffness struct {
	T     float64 // time at which it was noticed
	H     float64 // step there
	Ratio float64 // estimate of |hλ|, λ the dominant eigenvalue of ∂F/∂x
	Bound float64 // where the method ceases to be stable on the negative axis
}

// String is the warning in words.
func (s *Stiffness) String() string {
	return fmt.Sprintf("the equation looks stiff at t = %.6g: |hλ| is %.2f in steps of %.3g, and the method is stable up to %.2f; "+
		"an implicit method would take longer steps", s.T, s.Ratio, s.H, s.Bound)
}

// stiffness detects it as DOPRI5 does: the last two slopes of a step belong to its end, where they are taken
// at two points, so that ‖Δk‖/‖Δx‖ estimates |λ|; 15 steps with |hλ| above the bound, of which no 6
// successive ones are below, are a warning (Hairer and Wanner, Solving Ordinary Differential Equations II,
// §IV.2).
type stiffness struct {
	bound      float64 // 0: the tableau has no such slopes
	near, calm int
}

func newStiffness(t Tableau) stiffness {
	if last := len(t.B) - 1; t.C[last-1] == 1 {
		return stiffness{bound: t.stability()}
	}
	return stiffness{}
}

// due tells whether to look at a step: at every eighth, and at all while they look stiff.
func (s *stiffness) due(step int) bool { return s.bound > 0 && (s.near > 0 || step%8 == 7) }

// step tells whether the equation now looks stiff, with the estimate of |hλ|.
func (s *stiffness) step(h, dk, dx float64) (ratio float64, stiff bool) {
	if dx == 0 {
		return 0, false
	}
	ratio = math.Abs(h) * math.Sqrt(dk/dx)
	if ratio > s.bound {
		s.calm = 0
		s.near++
		return ratio, s.near == 15
	}
	if s.calm++; s.calm == 6 {
		s.near = 0
	}
	return ratio, false
}

// squaredDistance is Σ(x−y)².
func squaredDistance[F Float](x, y []F) float64 {
	sum := 0.0
	for i, v := range x {
		d := float64(v) - float64(y[i])
		sum += float64(d * d)
	}
	return sum
}
