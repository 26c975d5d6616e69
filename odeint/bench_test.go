package odeint

import (
	"fmt"
	"testing"

	"github.com/vcycle-go/vcycle/internal/ivp"
)

// The orbit, where all is overhead: time per evaluation of F, of which F itself takes a part.
func BenchmarkArenstorf(b *testing.B) {
	for _, tab := range []Tableau{Bosh3, Dopri5, Dopri8} {
		b.Run(tab.Name, func(b *testing.B) {
			s := integrator(b, tab, Func[float64](ivp.Arenstorf.F), Options{RTol: 1e-6, ATol: 1e-6})
			var sol Solution[float64]
			n := 0
			for b.Loop() {
				if err := s.Solve(0, ivp.Arenstorf.End, ivp.Arenstorf.Start, &sol); err != nil {
					b.Fatal(err)
				}
				n += sol.Evaluations
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/eval")
		})
	}
	b.Run("F", func(b *testing.B) {
		f := make([]float64, 4)
		for b.Loop() {
			ivp.Arenstorf.F(0, ivp.Arenstorf.Start, f)
		}
	})
}

// Steps of a long state along a field that costs little: time per step and element.
func BenchmarkLongState(b *testing.B) {
	b.Run("float32", benchmarkLongState[float32])
	b.Run("float64", benchmarkLongState[float64])
}

func benchmarkLongState[F Float](b *testing.B) {
	const n = 1 << 20
	still := Func[F](func(_ float64, _, f []F) {})
	x := make([]F, n)
	for i := range x {
		x[i] = 1
	}
	for _, tab := range []Tableau{Bosh3, Dopri5} {
		b.Run(fmt.Sprintf("%s/adaptive", tab.Name), func(b *testing.B) {
			s := integrator(b, tab, still, Options{RTol: 1e-4, FirstStep: 0.1, MaxStep: 0.1})
			var sol Solution[F]
			steps := 0
			for b.Loop() {
				if err := s.Solve(0, 1, x, &sol); err != nil {
					b.Fatal(err)
				}
				steps += sol.Accepted
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps)/n, "ns/elem")
		})
		b.Run(fmt.Sprintf("%s/grid", tab.Name), func(b *testing.B) {
			s := solver(b, tab, false, VectorField[F](still))
			w := s.NewWorkspace(2, n)
			copy(w.States[0], x)
			for b.Loop() {
				s.Solve(Uniform(0, 0.1, 2), w)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*2)/n, "ns/elem")
		})
	}
}
