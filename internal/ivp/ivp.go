// Package ivp holds initial value problems with known solutions, for tests and comparisons of solvers (Hairer,
// Nørsett and Wanner, Solving Ordinary Differential Equations I, 2nd ed.).
package ivp

import "math"

// Problem is x' = F(t, x) from Start at t = 0 to Solution at t = End.
type Problem struct {
	Name      string
	F         func(t float64, x, f []float64)
	End       float64
	Start     []float64
	Solution  []float64
	Positions int // the first elements, in which comparisons take the error
}

// Error is the distance from the solution, in the first n elements.
func (p Problem) Error(x []float64, n int) float64 {
	sum := 0.0
	for i := range n {
		sum += (x[i] - p.Solution[i]) * (x[i] - p.Solution[i])
	}
	return math.Sqrt(sum)
}

// Arenstorf is the closed orbit of the restricted three-body problem of §II.0.
var Arenstorf = Problem{
	Name:      "arenstorf",
	F:         arenstorf,
	End:       17.0652165601579625588917206249,
	Start:     []float64{0.994, 0, 0, -2.00158510637908252240537862224},
	Solution:  []float64{0.994, 0, 0, -2.00158510637908252240537862224},
	Positions: 2,
}

// Pleiades is the motion of seven stars of masses 1 to 7 in a plane, §II.10. The solution is that of Mazzia
// and Magherini, Test Set for Initial Value Problem Solvers, release 2.4, University of Bari, problem PLEI.
var Pleiades = Problem{
	Name:      "pleiades",
	F:         pleiades,
	End:       3,
	Start:     pleiadesStart,
	Solution:  pleiadesEnd,
	Positions: 14,
}

// arenstorf is the slope of x, y, x', y'.
func arenstorf(_ float64, y, f []float64) {
	const mu = 0.012277471
	const rest = 1 - mu
	d1 := math.Pow((y[0]+mu)*(y[0]+mu)+y[1]*y[1], 1.5)
	d2 := math.Pow((y[0]-rest)*(y[0]-rest)+y[1]*y[1], 1.5)
	f[0], f[1] = y[2], y[3]
	f[2] = y[0] + 2*y[3] - rest*(y[0]+mu)/d1 - mu*(y[0]-rest)/d2
	f[3] = y[1] - 2*y[2] - rest*y[1]/d1 - mu*y[1]/d2
}

// pleiades is the slope of x, y, x', y' of the seven stars.
func pleiades(_ float64, z, f []float64) {
	x, y := z[:7], z[7:14]
	copy(f, z[14:])
	for i := range 7 {
		f[14+i], f[21+i] = 0, 0
		for j := range 7 {
			if j == i {
				continue
			}
			dx, dy := x[j]-x[i], y[j]-y[i]
			r := math.Pow(dx*dx+dy*dy, 1.5)
			f[14+i] += float64(j+1) * dx / r
			f[21+i] += float64(j+1) * dy / r
		}
	}
}

var pleiadesStart = []float64{
	3, 3, -1, -3, 2, -2, 2,
	3, -3, 2, 0, 0, -4, 4,
	0, 0, 0, 0, 0, 1.75, -1.5,
	0, 0, 0, -1.25, 1, 0, 0,
}

var pleiadesEnd = []float64{
	0.3706139143970502, 3.237284092057233, -3.222559032418324, 0.6597091455775310, 0.3425581707156584, 1.562172101400631, -0.7003092922212495,
	-3.943437585517392, -3.271380973972550, 5.225081843456543, -2.590612434977470, 1.198213693392275, -0.2429682344935824, 1.091449240428980,
	3.417003806314313, 1.354584501625501, -2.590065597810775, 2.025053734714242, -1.155815100160448, -0.8072988170223021, 0.5952396354208710,
	-3.741244961234010, 0.3773459685750630, 0.9386858869551073, 0.3667922227200571, -0.3474046353808490, 2.344915448180937, -1.947020434263292,
}
