package kernels

import (
	"math"
	"strings"
)

// approx is what a result must be, and by how much it may differ.
type approx struct{ want, bound float64 }

func (a approx) holds(got float32) bool {
	if a.want != a.want || math.IsInf(a.want, 0) {
		return float64(got) == a.want || got != got && a.want != a.want
	}
	// The last term allows for results that underflow.
	return math.Abs(float64(got)-a.want) <= a.bound*(1+1e-9)+0x1p-148
}

// tableCase is one field of the dispatch table with its float64 reference. The slices are in the order
// in which the field takes them.
type tableCase struct {
	name  string
	args  string   // for each slice r: read, w: written, u: read and written, p: the same, not negative
	alias [][2]int // a written slice, and one that it may be
	sums  int      // how many sums are returned
	call  func(a [][]float32) []float32
	// want returns the elements of each slice that is written, and the sums.
	want func(n int, a [][]float64) (elements [][]approx, sums []approx)
}

// The scalars of the cases.
const (
	caseAlpha = -1.375
	caseMean  = 0.4375
	caseRstd  = 1.625
	caseShift = 0.8125
	caseA     = 0.34375
	caseB     = -0.28125
)

// each makes a reference from one for single elements. f returns the results for the slices that are
// written, in order.
func each(args string, f func(x []float64) []approx) func(n int, a [][]float64) ([][]approx, []approx) {
	return func(n int, a [][]float64) ([][]approx, []approx) {
		out := make([][]approx, len(args))
		x := make([]float64, len(args))
		for i := range n {
			for j := range a {
				x[j] = a[j][i]
			}
			results := f(x)
			for j := range args {
				if args[j] != 'r' {
					out[j] = append(out[j], results[0])
					results = results[1:]
				}
			}
		}
		return out, nil
	}
}

// summed makes a reference for sums of terms. f returns a term and its error bound beside that of the
// summation, for each sum; extra is the k of γ for the operations on a term.
func summed(sums, extra int, f func(x []float64) []float64) func(n int, a [][]float64) ([][]approx, []approx) {
	return func(n int, a [][]float64) ([][]approx, []approx) {
		out := make([]approx, sums)
		x := make([]float64, len(a))
		for i := range n {
			for j := range a {
				x[j] = a[j][i]
			}
			for s, term := range f(x) {
				out[s].want += term
				out[s].bound += math.Abs(term) * gamma(n+extra)
			}
		}
		return make([][]approx, len(a)), out
	}
}

// both adds the sum of the elements of slice j to a reference.
func both(j, n0 int, elements func(n int, a [][]float64) ([][]approx, []approx)) func(n int, a [][]float64) ([][]approx, []approx) {
	return func(n int, a [][]float64) ([][]approx, []approx) {
		out, _ := elements(n, a)
		var s approx
		for _, e := range out[j] {
			s.want += e.want
			s.bound += e.bound + gamma(n+n0)*(math.Abs(e.want)+e.bound)
		}
		return out, []approx{s}
	}
}

// caseWeights are those of the stages.
var caseWeights = []float32{0.1875, -1.125, 0.71875, 2.25}

// combineCall makes a call for the slices x, so many stages and y. It is made in two, so that the second
// does not begin at the first element of the stages.
func combineCall(stages int) func(a [][]float32) []float32 {
	return func(a [][]float32) []float32 {
		n := len(a[0])
		for _, part := range [][2]int{{0, n / 3}, {n / 3, n}} {
			lo, hi := part[0], part[1]
			active.combine(caseAlpha, caseWeights[0], a[1][lo:hi], caseWeights[1:stages], a[2:1+stages], lo, a[0][lo:hi], a[1+stages][lo:hi])
		}
		return nil
	}
}

// combined is the reference of the combination, with the bound that Combine states.
func combined(stages int) func(n int, a [][]float64) ([][]approx, []approx) {
	args := "r" + strings.Repeat("r", stages) + "w"
	return each(args, func(x []float64) []approx {
		var s, size float64
		for j, k := range x[1 : 1+stages] {
			s += float64(caseWeights[j]) * k
			size += math.Abs(float64(caseWeights[j]) * k)
		}
		return []approx{combineApprox(stages, x[0], caseAlpha*s, math.Abs(caseAlpha)*size)}
	})
}

// combineApprox is y = x + hs, where hs has been summed over so many stages, of this size.
func combineApprox(stages int, x, hs, size float64) approx {
	y := math.Abs(x + hs)
	g := gamma(stages+1) * size
	return approx{x + hs, g + unitRoundoff*(y+g)}
}

// elementaryCase holds y = f(x) to 7 ULP; TestElementary has the bounds.
func elementaryCase(name string, call func(x, y []float32), f func(float64) float64) tableCase {
	return tableCase{name, "rw", [][2]int{{1, 0}}, 0,
		func(a [][]float32) []float32 { call(a[0], a[1]); return nil },
		each("rw", func(x []float64) []approx {
			y := f(x[0])
			return []approx{{y, 7 * ulp(y)}}
		})}
}

// gradientCase holds dx = dy*f'(x) to the bound of its absolute error.
func gradientCase(name string, call func(x, dy, dx []float32), derivative func(float64) float64) tableCase {
	return tableCase{name, "rrw", [][2]int{{2, 1}}, 0,
		func(a [][]float32) []float32 { call(a[0], a[1], a[2]); return nil },
		each("rrw", func(x []float64) []approx {
			return []approx{{x[1] * derivative(x[0]), math.Abs(x[1]) * gamma(5)}}
		})}
}

func geluReference(x float64) (y, derivative, u float64) {
	c := math.Sqrt(2 / math.Pi)
	u = c * (x + 0.044715*x*x*x)
	s := 1 / (1 + math.Exp(-2*u))
	return x * s, s + x*s*(1/(1+math.Exp(2*u)))*2*c*(1+3*0.044715*x*x), u
}

// tableCases covers the fields of the table that take slices of float32.
func tableCases() []tableCase {
	abs := math.Abs
	axpy := func(alpha, x, y float64) approx {
		return approx{alpha*x + y, gamma(2) * (abs(alpha*x) + abs(y))}
	}
	const scale, beta1, oneMinusBeta1, beta2, oneMinusBeta2, step, c2, eps, decay = 0.75, 0.875, 0.125, 0.96875, 0.03125, 0.01, 1.5, 1e-3, 0.999
	f64 := func(x float32) float64 { return float64(x) }
	return []tableCase{
		{"axpy", "ru", [][2]int{{1, 0}}, 0,
			func(a [][]float32) []float32 { active.axpy(caseAlpha, a[0], a[1]); return nil },
			each("ru", func(x []float64) []approx { return []approx{axpy(caseAlpha, x[0], x[1])} })},
		{"addRow", "rur", [][2]int{{1, 0}}, 0,
			func(a [][]float32) []float32 { active.addRow(a[0], a[1], a[2]); return nil },
			each("rur", func(x []float64) []approx { return []approx{{x[0] + x[1], gamma(1) * abs(x[0]+x[1])}} })},
		{"scal", "u", nil, 0,
			func(a [][]float32) []float32 { active.scal(caseAlpha, a[0]); return nil },
			each("u", func(x []float64) []approx {
				return []approx{{caseAlpha * x[0], gamma(1) * abs(caseAlpha*x[0])}}
			})},
		{"dot", "rr", nil, 1,
			func(a [][]float32) []float32 { return []float32{active.dot(a[0], a[1])} },
			summed(1, 2, func(x []float64) []float64 { return []float64{x[0] * x[1]} })},
		{"sum", "r", nil, 1,
			func(a [][]float32) []float32 { return []float32{active.sum(a[0])} },
			summed(1, 1, func(x []float64) []float64 { return []float64{x[0]} })},
		{"sumSquares", "r", nil, 1,
			func(a [][]float32) []float32 { return []float32{active.sumSquares(a[0])} },
			summed(1, 2, func(x []float64) []float64 { return []float64{x[0] * x[0]} })},
		{"asum", "r", nil, 1,
			func(a [][]float32) []float32 { return []float32{active.asum(a[0])} },
			summed(1, 1, func(x []float64) []float64 { return []float64{abs(x[0])} })},
		{"amax", "r", nil, 1,
			func(a [][]float32) []float32 { return []float32{active.amax(a[0])} },
			func(n int, a [][]float64) ([][]approx, []approx) {
				m := 0.0
				for _, v := range a[0] {
					m = max(m, abs(v))
				}
				return make([][]approx, 1), []approx{{want: m}}
			}},
		{"sumSqDiff", "r", nil, 1,
			func(a [][]float32) []float32 { return []float32{active.sumSqDiff(caseMean, a[0])} },
			summed(1, 4, func(x []float64) []float64 { return []float64{(x[0] - caseMean) * (x[0] - caseMean)} })},
		{"max", "r", nil, 1,
			func(a [][]float32) []float32 { return []float32{active.max(a[0])} },
			func(n int, a [][]float64) ([][]approx, []approx) {
				m := math.Inf(-1)
				for _, v := range a[0] {
					m = max(m, v)
				}
				return make([][]approx, 1), []approx{{want: m}}
			}},
		{"maxNaN", "r", nil, 1,
			func(a [][]float32) []float32 { return []float32{active.maxNaN(a[0])} },
			func(n int, a [][]float64) ([][]approx, []approx) {
				m := math.Inf(-1)
				for _, v := range a[0] {
					m = max(m, v)
				}
				return make([][]approx, 1), []approx{{want: m}}
			}},
		{"combine, one stage", "rrw", [][2]int{{2, 0}, {2, 1}}, 0, combineCall(1), combined(1)},
		{"combine", "rrrrrw", [][2]int{{5, 0}, {5, 1}, {5, 4}}, 0, combineCall(4), combined(4)},
		{"expSum", "rw", [][2]int{{1, 0}}, 1,
			func(a [][]float32) []float32 { return []float32{active.expSum(caseAlpha, caseShift, a[0], a[1])} },
			both(1, 1, each("rw", func(x []float64) []approx {
				t := caseAlpha*x[0] - caseShift
				return []approx{{math.Exp(t), math.Exp(t) * gamma(4+int(abs(t)+1))}}
			}))},
		{"softmaxGrad", "rrw", [][2]int{{2, 1}}, 0,
			func(a [][]float32) []float32 {
				active.softmaxGrad(caseAlpha, caseA, a[0], a[1], a[2])
				return nil
			},
			each("rrw", func(x []float64) []approx {
				return []approx{{caseAlpha * x[0] * (x[1] - caseA), gamma(4) * abs(caseAlpha*x[0]*(x[1]-caseA))}}
			})},
		{"gelu", "rw", [][2]int{{1, 0}}, 0,
			func(a [][]float32) []float32 { active.gelu(a[0], a[1]); return nil },
			each("rw", func(x []float64) []approx {
				y, _, u := geluReference(x[0])
				return []approx{{y, abs(y) * gamma(8+10*int(abs(u)+1))}}
			})},
		{"geluGrad", "rrw", [][2]int{{2, 1}}, 0,
			func(a [][]float32) []float32 { active.geluGrad(a[0], a[1], a[2]); return nil },
			each("rrw", func(x []float64) []approx {
				_, d, _ := geluReference(x[0])
				return []approx{{x[1] * d, abs(x[1]) * gamma(5)}}
			})},
		elementaryCase("exp", func(x, y []float32) { active.exp(x, y) }, math.Exp),
		elementaryCase("log", func(x, y []float32) { active.log(x, y) }, math.Log),
		elementaryCase("tanh", func(x, y []float32) { active.tanh(x, y) }, math.Tanh),
		elementaryCase("erf", func(x, y []float32) { active.erf(x, y) }, math.Erf),
		elementaryCase("silu", func(x, y []float32) { active.silu(x, y) }, siluReference),
		elementaryCase("geluErf", func(x, y []float32) { active.geluErf(x, y) }, geluErfReference),
		gradientCase("siluGrad", func(x, dy, dx []float32) { active.siluGrad(x, dy, dx) }, siluDerivative),
		gradientCase("geluErfGrad", func(x, dy, dx []float32) { active.geluErfGrad(x, dy, dx) }, geluErfDerivative),
		{"normalize", "rrrw", [][2]int{{3, 0}}, 0,
			func(a [][]float32) []float32 {
				active.normalize(caseMean, caseRstd, a[0], a[1], a[2], a[3])
				return nil
			},
			each("rrrw", func(x []float64) []approx {
				p := (x[0] - caseMean) * caseRstd * x[1]
				return []approx{{p + x[2], gamma(4) * (abs(p) + abs(x[2]))}}
			})},
		{"normGradSums", "rrr", nil, 2,
			func(a [][]float32) []float32 {
				s, sx := active.normGradSums(caseMean, caseRstd, a[0], a[1], a[2])
				return []float32{s, sx}
			},
			summed(2, 5, func(x []float64) []float64 {
				return []float64{x[2] * x[1], x[2] * x[1] * (x[0] - caseMean) * caseRstd}
			})},
		{"normGrad", "rrruuu", nil, 0,
			func(a [][]float32) []float32 {
				active.normGrad(caseMean, caseRstd, caseA, caseB, a[0], a[1], a[2], a[3], a[4], a[5])
				return nil
			},
			each("rrruuu", func(x []float64) []approx {
				xhat := (x[0] - caseMean) * caseRstd
				return []approx{
					{x[3] + caseRstd*(x[2]*x[1]-caseA-xhat*caseB), gamma(8) * (abs(x[3]) + caseRstd*(abs(x[2]*x[1])+abs(caseA)+abs(xhat*caseB)))},
					{x[4] + x[2]*xhat, gamma(4) * (abs(x[4]) + abs(x[2]*xhat))},
					{x[5] + x[2], gamma(1) * (abs(x[5]) + abs(x[2]))},
				}
			})},
		{"rmsNormalize", "rrw", [][2]int{{2, 0}}, 0,
			func(a [][]float32) []float32 { active.rmsNormalize(caseRstd, a[0], a[1], a[2]); return nil },
			each("rrw", func(x []float64) []approx {
				return []approx{{x[0] * caseRstd * x[1], gamma(2) * abs(x[0]*caseRstd*x[1])}}
			})},
		{"rmsGradSum", "rrr", nil, 1,
			func(a [][]float32) []float32 { return []float32{active.rmsGradSum(caseRstd, a[0], a[1], a[2])} },
			summed(1, 4, func(x []float64) []float64 { return []float64{x[2] * x[1] * x[0] * caseRstd} })},
		{"rmsGrad", "rrruu", nil, 0,
			func(a [][]float32) []float32 {
				active.rmsGrad(caseRstd, caseB, a[0], a[1], a[2], a[3], a[4])
				return nil
			},
			each("rrruu", func(x []float64) []approx {
				xhat := x[0] * caseRstd
				return []approx{
					{x[3] + caseRstd*(x[2]*x[1]-xhat*caseB), gamma(6) * (abs(x[3]) + caseRstd*(abs(x[2]*x[1])+abs(xhat*caseB)))},
					{x[4] + x[2]*xhat, gamma(3) * (abs(x[4]) + abs(x[2]*xhat))},
				}
			})},
		{"adamw", "ruup", nil, 0,
			func(a [][]float32) []float32 {
				active.adamw(scale, beta1, oneMinusBeta1, beta2, oneMinusBeta2, step, c2, eps, decay, a[0], a[1], a[2], a[3])
				return nil
			},
			each("ruup", func(x []float64) []approx {
				g := scale * x[0]
				m, v := beta1*x[2]+oneMinusBeta1*g, beta2*x[3]+oneMinusBeta2*g*g
				size := abs(beta1*x[2]) + abs(oneMinusBeta1*g)
				denominator := c2*math.Sqrt(v) + f64(eps)
				return []approx{
					{f64(decay)*x[1] - f64(step)*m/denominator, gamma(2)*abs(decay*x[1]) + gamma(12)*step*size/denominator},
					{m, gamma(4) * size},
					{v, gamma(5) * v},
				}
			})},
		{"sgd", "ruu", nil, 0,
			func(a [][]float32) []float32 { active.sgd(scale, 0.25, beta1, 0.125, a[0], a[1], a[2]); return nil },
			each("ruu", func(x []float64) []approx {
				m := beta1*x[2] + scale*x[0] + 0.25*x[1]
				size := abs(beta1*x[2]) + abs(scale*x[0]) + abs(0.25*x[1])
				return []approx{
					{x[1] - 0.125*m, gamma(2)*abs(x[1]) + gamma(7)*0.125*size},
					{m, gamma(5) * size},
				}
			})},
	}
}
