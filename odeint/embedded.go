package odeint

// Fehlberg21 is Fehlberg's method of order 2 with an error estimate from one of order 1.
var Fehlberg21 = Tableau{
	Name: "fehlberg21",
	A: [][]float64{
		{0, 0, 0},
		{1. / 2, 0, 0},
		{1. / 256, 255. / 256, 0},
	},
	B:          []float64{1. / 512, 255. / 256, 1. / 512},
	C:          []float64{0, 1. / 2, 1},
	Order:      2,
	E:          []float64{-1. / 512, 0, 1. / 512},
	ErrorOrder: 1,
	Source:     "Fehlberg, Low-order classical Runge–Kutta formulas with stepsize control, NASA TR R-315, 1969, RK1(2), propagating the second order",
}

// Bosh3 is the pair of Bogacki and Shampine of orders 3 and 2. Its interpolant is the Hermite polynomial,
// of order 3 (Shampine and Reichelt, The MATLAB ODE suite, SIAM J. Sci. Comput. 18, 1997, §5).
var Bosh3 = Tableau{
	Name: "bosh3",
	A: [][]float64{
		{0, 0, 0, 0},
		{1. / 2, 0, 0, 0},
		{0, 3. / 4, 0, 0},
		{2. / 9, 1. / 3, 4. / 9, 0},
	},
	B:          []float64{2. / 9, 1. / 3, 4. / 9, 0},
	C:          []float64{0, 1. / 2, 3. / 4, 1},
	Order:      3,
	E:          []float64{-5. / 72, 1. / 12, 1. / 9, -1. / 8},
	ErrorOrder: 2,
	Source:     "Bogacki and Shampine, A 3(2) pair of Runge–Kutta formulas, Appl. Math. Lett. 2, 1989",
}

// Dopri5 is the pair of Dormand and Prince of orders 5 and 4, with the interpolant of order 4 of Shampine
// (Some practical Runge–Kutta formulas, Math. Comp. 46, 1986) in the form of the code DOPRI5.
var Dopri5 = Tableau{
	Name: "dopri5",
	A: [][]float64{
		{0, 0, 0, 0, 0, 0, 0},
		{1. / 5, 0, 0, 0, 0, 0, 0},
		{3. / 40, 9. / 40, 0, 0, 0, 0, 0},
		{44. / 45, -56. / 15, 32. / 9, 0, 0, 0, 0},
		{19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729, 0, 0, 0},
		{9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656, 0, 0},
		{35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84, 0},
	},
	B:          []float64{35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84, 0},
	C:          []float64{0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1},
	Order:      5,
	E:          []float64{71. / 57600, 0, -71. / 16695, 71. / 1920, -17253. / 339200, 22. / 525, -1. / 40},
	ErrorOrder: 4,
	Source: "Dormand and Prince, A family of embedded Runge–Kutta formulae, J. Comput. Appl. Math. 6, 1980; " +
		"Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, 2nd ed., table II.5.2 and §II.6",
}.withBumps(4, nil, nil, []float64{
	-12715105075. / 11282082432, 0, 87487479700. / 32700410799, -10690763975. / 1880347072,
	701980252875. / 199316789632, -1453857185. / 822651844, 69997945. / 29380423,
})

// Tsit5 is the pair of Tsitouras of orders 5 and 4, with his interpolant of order 4.
var Tsit5 = Tableau{
	Name: "tsit5",
	A: [][]float64{
		{0, 0, 0, 0, 0, 0, 0},
		{0.161, 0, 0, 0, 0, 0, 0},
		{-0.008480655492356988544426874250230774675, 0.3354806554923569885444268742502307746751, 0, 0, 0, 0, 0},
		{2.897153057105493432130432594192938764925, -6.359448489975074843148159912383825625953, 4.362295432869581411017727318190886861028, 0, 0, 0, 0},
		{5.325864828439256604428877920840511317836, -11.74888356406282787774717033978577296189, 7.495539342889836208304604784564358155659, -0.09249506636175524925650207933207191611350, 0, 0, 0},
		{5.861455442946420028659251486982647890394, -12.92096931784710929170611868178335939542, 8.159367898576158643180400794539253485182, -0.07158497328140099722453054252582973869127, -0.02826905039406838290900305721271224146718, 0, 0},
		{tsitB1, tsitB2, tsitB3, tsitB4, tsitB5, tsitB6, 0},
	},
	B:     []float64{tsitB1, tsitB2, tsitB3, tsitB4, tsitB5, tsitB6, 0},
	C:     []float64{0, 0.161, 0.327, 0.9, 0.9800255409045096857298102862870245954942, 1, 1},
	Order: 5,
	E: []float64{
		tsitB1 - 0.09468075576583945807478876255758922856118,
		tsitB2 - 0.009183565540343253096776363936645313759814,
		tsitB3 - 0.4877705284247615707855642599631228241517,
		tsitB4 - 1.234297566930478985655109673884237654036,
		tsitB5 + 2.707712349983525454881109975059321670690,
		tsitB6 - 1.866628418170587035753719399566211498667,
		-1. / 66,
	},
	ErrorOrder: 4,
	Dense: &Interpolant{P: [][]float64{
		{tsitQ0 * tsitR * tsitQ, tsitQ0 * (-tsitQ - tsitR*tsitP), tsitQ0 * (tsitP + tsitR), -tsitQ0},
		tsitQuartic(0.1017, -2.1966568338249754, 1.2949852507374631),
		tsitQuartic(2.490627285651252793, -2.38535645472061657, 1.57803468208092486),
		tsitQuartic(-16.54810288924490272, -1.21712927295533244-0.61620406037800089, 1.21712927295533244*0.61620406037800089),
		tsitQuartic(47.37952196281928122, -1.203071208372362603-0.658047292653547382, 1.203071208372362603*0.658047292653547382),
		tsitQuartic(-34.87065786149660974, -1.2-2./3, 1.2*2/3),
		tsitQuartic(2.5, -1.6, 0.6),
	}, Order: 4},
	Source: "Tsitouras, Runge–Kutta pairs of order 5(4) satisfying only the first column simplifying assumption, Comput. Math. Appl. 62, 2011",
}

// Weights of Tsit5 and of its interpolant, b₁(θ) = −Q0·θ·(θ − R)·(θ² − P·θ + Q).
const (
	tsitB1 = 0.09646076681806522951816731316512876333712
	tsitB2 = 0.01
	tsitB3 = 0.4798896504144995747752495322905965199130
	tsitB4 = 1.379008574103741893192274821856872770756
	tsitB5 = -3.290069515436080679901047585711363850116
	tsitB6 = 2.324710524099773982415355918398765796109
	tsitQ0 = 1.0530884977290216
	tsitR  = 1.3299890189751412
	tsitP  = 1.4364028541716351
	tsitQ  = 0.7139816917074209
)

// tsitQuartic returns the coefficients of c·θ²·(θ² + pθ + q).
func tsitQuartic(c, p, q float64) []float64 { return []float64{0, c * q, c * p, c} }

// bumps are the coefficients of polynomials of θ that vanish with their derivatives at both ends of a
// step: what the interpolants of DOPRI5 and DOP853 add to the Hermite polynomial.
var bumps = [][]float64{
	{0, 1, -2, 1},           // θ²(1−θ)²
	{0, 0, 1, -2, 1},        // θ³(1−θ)²
	{0, 0, 1, -3, 3, -1},    // θ³(1−θ)³
	{0, 0, 0, 1, -3, 3, -1}, // θ⁴(1−θ)³
}

// withBumps returns the tableau, whose last stage is F at the end of the step, with an interpolant of the
// given order: the Hermite polynomial and bump i times Σ_j d_ij·k_j. a and c are the extra stages.
func (t Tableau) withBumps(order int, a [][]float64, c []float64, d ...[]float64) Tableau {
	p := t.hermite().P
	for range a {
		p = append(p, nil)
	}
	for i := range p {
		p[i] = append(p[i], make([]float64, len(bumps[len(d)-1])-len(p[i]))...)
		for j := range d {
			for k, b := range bumps[j] {
				p[i][k] += d[j][i] * b
			}
		}
	}
	t.Dense = &Interpolant{A: a, C: c, P: p, Order: order}
	return t
}
