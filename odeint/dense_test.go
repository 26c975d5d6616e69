package odeint

import (
	"math"
	"testing"
)

// The error between the nodes of a solution with constant steps falls with the order of the interpolant,
// plus one where its error within a step outweighs that of the steps before, until the order of the method.
func TestDenseOrder(t *testing.T) {
	steps := map[int][]float64{2: {64, 128, 256}, 3: {32, 64, 128}, 4: {32, 64, 128}, 5: {16, 32, 64}, 8: {4, 6, 8}}
	for _, tab := range tableaux {
		if tab.Order == 1 {
			continue
		}
		var hs, errs []float64
		for _, n := range steps[tab.Order] {
			fixed := tab
			fixed.E, fixed.E3 = nil, nil
			s := integrator(t, fixed, Func[float64](swing[float64]), Options{FirstStep: 3 / n, Dense: true})
			sol := integrate(t, s, 0, 3, []float64{1})
			worst, x := 0.0, make([]float64, 1)
			for i := range 500 {
				at := 3 * float64(i) / 499
				sol.At(at, x)
				worst = max(worst, math.Abs(x[0]-math.Exp(math.Sin(at))))
			}
			hs, errs = append(hs, 3/n), append(errs, worst)
		}
		want := min(tab.Order, tab.withEnd().Dense.Order+1)
		got := slope(hs, errs)
		t.Logf("%s: %.2f, errors %.2g", tab.Name, got, errs)
		if !(math.Abs(got-float64(want)) <= 0.3) {
			t.Errorf("%s: the error of dense output falls as h^%.2f, want h^%d; errors %.2g", tab.Name, got, want, errs)
		}
	}
}

// Dense output meets the states at the ends of steps, forwards and back, and is continuous there.
func TestDenseNodes(t *testing.T) {
	for _, tab := range adaptive {
		s := integrator(t, tab, Func[float64](swing[float64]), Options{RTol: 1e-4, ATol: 1e-4, Dense: true})
		for _, end := range []float64{7, -7} {
			sol := integrate(t, s, 0, end, []float64{1, 1})
			states := solve(solver(t, tab, false, Func[float64](swing[float64])), sol.Grid(), []float64{1, 1}).States
			x := make([]float64, 2)
			for i, at := range sol.Times {
				for _, near := range []float64{at, math.Nextafter(at, 0), math.Nextafter(at, end)} {
					sol.At(near, x)
					if d := distance(x, states[i]); !(d <= 1e-12) || near == at && d != 0 {
						t.Errorf("%s: at %v, the end of step %d: %v, want %v", tab.Name, near, i, x, states[i])
					}
				}
			}
		}
	}
}

func TestDenseMisusePanics(t *testing.T) {
	f := Func[float64](swing[float64])
	dense := integrate(t, integrator(t, Tsit5, f, Options{RTol: 1e-3, Dense: true}), 0, -1, []float64{1})
	plain := integrate(t, integrator(t, Tsit5, f, Options{RTol: 1e-3}), 0, 1, []float64{1})
	for name, misuse := range map[string]func(){
		"not dense": func() { plain.At(0.5, make([]float64, 1)) }, "outside": func() { dense.At(0.5, make([]float64, 1)) },
		"before the end": func() { dense.At(-1.5, make([]float64, 1)) }, "NaN": func() { dense.At(math.NaN(), make([]float64, 1)) },
		"two elements": func() { dense.At(-0.5, make([]float64, 2)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			misuse()
		}()
	}
}
