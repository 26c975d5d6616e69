package kernels

import (
	"math"
)

// approx is what a result must be, and by how much it may differ.
type approx struct{ want, bound float64 }

func (a approx) holds(got float32) bool {
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
	euler := each("rrw", func(x []float64) []approx { return []approx{axpy(caseAlpha, x[1], x[0])} })
	const scale, beta1, oneMinusBeta1, beta2, oneMinusBeta2, step, c2, eps, decay = 0.75, 0.875, 0.125, 0.96875, 0.03125, 0.01, 1.5, 1e-3, 0.999
	f64 := func(x float32) float64 { return float64(x) }
	return []tableCase{
		{"axpy", "ru", [][2]int{{1, 0}}, 0,
			func(a [][]float32) []float32 { active.axpy(caseAlpha, a[0], a[1]); return nil },
			each("ru", func(x []float64) []approx { return []approx{axpy(caseAlpha, x[0], x[1])} })},
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
		{"euler", "rrw", [][2]int{{2, 0}, {2, 1}}, 0,
			func(a [][]float32) []float32 { active.euler(caseAlpha, a[0], a[1], a[2]); return nil },
			euler},
		{"eulerSum", "rrw", [][2]int{{2, 0}, {2, 1}}, 1,
			func(a [][]float32) []float32 { return []float32{active.eulerSum(caseAlpha, a[0], a[1], a[2])} },
			both(2, 1, euler)},
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
