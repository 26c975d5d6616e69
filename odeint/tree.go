package odeint

import (
	"math"
	"sync"
)

// tree is a rooted tree as its root's subtrees, in an order that makes equal trees equal: one for every
// elementary differential of F (Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I,
// 2nd ed., §II.2). A method has order p if and only if, for every tree τ with at most p vertices,
//
//	Σ_i b_i·Φ_i(τ) = 1/γ(τ),   Φ_i([τ₁, …, τ_m]) = Π_k Σ_j a_ij·Φ_j(τ_k)   (theorem 2.13).
type tree []tree

// String writes a tree with a pair of brackets for each vertex.
func (t tree) String() string {
	s := "["
	for _, sub := range t {
		s += sub.String()
	}
	return s + "]"
}

// order is the number of vertices.
func (t tree) order() int {
	n := 1
	for _, sub := range t {
		n += sub.order()
	}
	return n
}

// density is γ(τ) = |τ|·Π_k γ(τ_k).
func (t tree) density() float64 {
	g := float64(t.order())
	for _, sub := range t {
		g *= sub.density()
	}
	return g
}

// trees returns all rooted trees with n vertices: 1, 1, 2, 4, 9, 20, … of them.
func trees(n int) []tree {
	treesLock.Lock()
	defer treesLock.Unlock()
	for len(treesBySize) <= n {
		var all []tree
		for _, f := range forests(len(treesBySize)-1, len(treesBySize)-1, -1) {
			all = append(all, tree(f))
		}
		treesBySize = append(treesBySize, all)
	}
	return treesBySize[n]
}

// treesBySize are the trees with up to so many vertices that were asked for; there is none with 0.
var (
	treesLock   sync.Mutex
	treesBySize = [][]tree{nil}
)

// forests returns all multisets of trees with n vertices together, the trees in decreasing order of
// (size, index in treesBySize) and none beyond (size, index); index −1 stands for the last.
func forests(n, size, index int) [][]tree {
	if n == 0 {
		return [][]tree{nil}
	}
	var all [][]tree
	for s := min(n, size); s >= 1; s-- {
		choices := treesBySize[s]
		last := len(choices) - 1
		if s == size && index >= 0 {
			last = index
		}
		for i := last; i >= 0; i-- {
			for _, rest := range forests(n-s, s, i) {
				all = append(all, append([]tree{choices[i]}, rest...))
			}
		}
	}
	return all
}

// weight returns Σ_i b_i·Φ_i(τ), and the same sum with all coefficients taken as positive, to which
// rounding is relative.
func (t Tableau) weight(b []float64, tr tree) (sum, size float64) {
	phi, abs := t.stageWeights(tr)
	for i := range b {
		sum += float64(b[i] * phi[i])
		size += float64(math.Abs(b[i]) * abs[i])
	}
	return sum, size
}

// stageWeights returns Φ_i(τ) for every stage i, and the same with all coefficients taken as positive.
func (t Tableau) stageWeights(tr tree) (phi, abs []float64) {
	phi, abs = make([]float64, len(t.A)), make([]float64, len(t.A))
	for i := range phi {
		phi[i], abs[i] = 1, 1
	}
	for _, sub := range tr {
		inner, innerAbs := t.stageWeights(sub)
		for i, row := range t.A {
			sum, size := 0.0, 0.0
			for j, a := range row {
				sum += float64(a * inner[j])
				size += float64(math.Abs(a) * innerAbs[j])
			}
			phi[i] *= sum
			abs[i] *= size
		}
	}
	return phi, abs
}
