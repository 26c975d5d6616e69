package odeint

import "testing"

// Gradients with any number of checkpoints have the bits of those with everything stored, for a field that
// keeps only what it evaluated last; no evaluation allocates.
func TestCheckpoints(t *testing.T) {
	t.Run("float32", testCheckpoints[float32])
	t.Run("float64", testCheckpoints[float64])
}

func testCheckpoints[F Float](t *testing.T) {
	for _, tab := range []Tableau{Euler, RK4, Tsit5} {
		for _, strang := range []bool{false, true} {
			for _, steps := range []int{0, 1, 2, 3, 7, 20} {
				g := Uniform(0, 0.05, steps)
				a, b := newField[F](theta0), newField[F](theta1)
				s := solver(t, tab, strang, VectorField[F](a), VectorField[F](fusedField[F]{b}))
				w := solve(s, g, start)
				want := convert[F](weight)
				s.Gradient(g, w, want)
				want = append(append(want, a.grad...), b.grad...)

				for _, slots := range []int{1, 2, 3, 5, 30} {
					clear(a.grad)
					clear(b.grad)
					c := s.NewCheckpoints(slots, 2)
					copy(c.Initial(), convert[F](start))
					x := s.SolveCheckpoints(g, c)
					for i, v := range w.States[len(w.States)-1] {
						if x[i] != v {
							t.Errorf("%s: %d steps, %d checkpoints: state %v, want %v", tab.Name, steps, slots, x, v)
						}
					}
					got := convert[F](weight)
					s.GradientCheckpoints(g, c, got)
					got = append(append(got, a.grad...), b.grad...)
					for i, v := range want {
						if got[i] != v {
							t.Fatalf("%s: %d steps, %d checkpoints: gradient %v, want %v", tab.Name, steps, slots, got, want)
						}
					}
					dx := got[:2]
					if n := testing.AllocsPerRun(3, func() {
						s.SolveCheckpoints(g, c)
						s.GradientCheckpoints(g, c, dx)
					}); n != 0 {
						t.Fatalf("%s: %v allocations", tab.Name, n)
					}
				}
			}
		}
	}
}

// taped is a field that keeps its last evaluation only, and counts.
type taped struct {
	t           *testing.T
	last        Point
	kept        bool
	evaluations int
}

func (f *taped) Eval(p Point, x, k []float64) {
	f.last, f.kept = p, true
	f.evaluations++
	k[0] = -x[0]
}

func (f *taped) VJP(p Point, x, v, dx []float64) {
	if !f.kept || p != f.last {
		f.t.Fatalf("VJP at %v, the last evaluation was at %v", p, f.last)
	}
	f.kept = false
	dx[0] -= v[0]
}

// The number of evaluations is the least that is possible.
func TestCheckpointEvaluations(t *testing.T) {
	const most = 60
	// cost[c][n] is that of n steps with c checkpoints, the state at their beginning among them: with the
	// next checkpoint after m steps, these are gone through once, and then there are two shorter problems.
	var cost [8][most + 1]int
	for c := 1; c < len(cost); c++ {
		for n := 1; n <= most; n++ {
			cost[c][n] = n * (n + 1) / 2
			for m := 1; m < n && c > 1; m++ {
				cost[c][n] = min(cost[c][n], m+cost[c-1][n-m]+cost[c][m])
			}
		}
	}
	for _, n := range []int{12, 24, 48} {
		t.Logf("%d steps, evaluations with 1, 2, … checkpoints: %d", n, []int{cost[1][n], cost[2][n], cost[3][n], cost[4][n], cost[5][n], cost[6][n], cost[7][n]})
	}
	for c := 1; c < len(cost); c++ {
		for n := 1; n <= most; n++ {
			f := &taped{t: t}
			s := solver(t, Euler, false, VectorField[float64](f))
			p := s.NewCheckpoints(c, 1)
			p.Initial()[0] = 1
			g := Uniform(0, 0.01, n)
			s.SolveCheckpoints(g, p)
			s.GradientCheckpoints(g, p, []float64{1})
			if f.evaluations != cost[c][n] {
				t.Errorf("%d steps, %d checkpoints: %d evaluations, want %d", n, c, f.evaluations, cost[c][n])
			}
		}
	}
}
