package odeint

import "math"

// Controller chooses step sizes. With err_n the estimated error of step n in units of the tolerance, and k
// the power of h with which it falls, the next step is
//
//	h ← h·min(MaxFactor, max(MinFactor, Safety·err_n^(−β₀/k)·err_{n−1}^(−β₁/k)·err_{n−2}^(−β₂/k)))
//
// after a step that is accepted, err_n ≤ 1; after one that is not, the same with β = (1, 0, 0) and without
// growth, and none either in the step that follows it (Söderlind, Digital filters in adaptive
// time-stepping, ACM TOMS 29, 2003; Hairer, Nørsett and Wanner, §II.4). A field that is 0 has its default:
// Safety 0.9, MinFactor 0.2, MaxFactor 10, Beta that of ControlPI.
type Controller struct {
	Beta                         [3]float64
	Safety, MinFactor, MaxFactor float64
}

// The controllers. ControlI aims each step at the tolerance. ControlPI, the default, damps the change of the step size:
// steps that stability bounds do not oscillate (Gustafsson, Control theoretic techniques for stepsize
// selection in explicit Runge–Kutta methods, ACM TOMS 17, 1991). ControlPID is Söderlind's filter H312, whose
// steps are the smoothest.
var (
	ControlI   = Controller{Beta: [3]float64{1, 0, 0}}
	ControlPI  = Controller{Beta: [3]float64{0.7, -0.4, 0}}
	ControlPID = Controller{Beta: [3]float64{1. / 18, 1. / 9, 1. / 18}}
)

// control is a Controller at work.
type control struct {
	Controller
	k        float64
	earlier  [2]float64 // errors of the last accepted steps
	rejected bool       // the last step was not accepted
}

// minError bounds errors from below, so that a step that happens to be exact has no long memory.
const minError = 1e-4

func newControl(c Controller, k float64) control {
	if c.Beta == [3]float64{} {
		c.Beta = ControlPI.Beta
	}
	for _, f := range []struct {
		value   *float64
		initial float64
	}{{&c.Safety, 0.9}, {&c.MinFactor, 0.2}, {&c.MaxFactor, 10}} {
		if *f.value == 0 {
			*f.value = f.initial
		}
	}
	return control{Controller: c, k: k}
}

func (c *control) start() { c.earlier, c.rejected = [2]float64{1, 1}, false }

// accept returns the factor after a step with an error of at most 1.
func (c *control) accept(err float64) float64 {
	err = max(err, minError)
	f := c.Safety * math.Pow(err, -c.Beta[0]/c.k) * math.Pow(c.earlier[0], -c.Beta[1]/c.k) * math.Pow(c.earlier[1], -c.Beta[2]/c.k)
	f = min(c.MaxFactor, max(c.MinFactor, f))
	if c.rejected {
		f = min(f, 1)
	}
	c.earlier[0], c.earlier[1], c.rejected = err, c.earlier[0], false
	return f
}

// reject returns the factor after a step whose error is above 1 or NaN.
func (c *control) reject(err float64) float64 {
	c.rejected = true
	if math.IsNaN(err) {
		return c.MinFactor
	}
	return max(c.MinFactor, min(1, c.Safety*math.Pow(err, -1/c.k)))
}

// firstStep chooses the first step from the sizes of the state, its slope and the change of the slope over
// a small Euler step (Hairer, Nørsett and Wanner, §II.4). span is the signed length of the integration; the
// slope at the beginning is k[0], and k[1] and y are overwritten.
func (s *Integrator[F]) firstStep(t, span float64) float64 {
	n := math.Sqrt(float64(s.measured(len(s.x))))
	d0, d1 := math.Sqrt(s.squares(s.x, s.x, s.x))/n, math.Sqrt(s.squares(s.k[0], s.x, s.x))/n
	h := 1e-6
	if d0 >= 1e-5 && d1 >= 1e-5 {
		h = 0.01 * d0 / d1
	}
	h = min(h, math.Abs(span))
	s.combine.sum(s.y, s.x, math.Copysign(h, span), one, s.k)
	s.eval(Point{T: t + math.Copysign(h, span)}, s.y, s.k[1])
	s.combine.add(s.k[1], -1, s.k[0])
	d2 := math.Sqrt(s.squares(s.k[1], s.x, s.x)) / n / h
	next := max(1e-6, h*1e-3)
	if d := max(d1, d2); d > 1e-15 {
		next = math.Pow(0.01/d, 1/float64(s.tableau.Order+1))
	}
	if !(d2 < math.Inf(1)) {
		next = h * 1e-3
	}
	return math.Copysign(min(100*h, next, math.Abs(span), s.options.MaxStep), span)
}

var one = []float64{1}
