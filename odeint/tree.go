package odeint

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
	var all []tree
	for _, f := range forests(n-1, n-1, -1) {
		all = append(all, tree(f))
	}
	return all
}

// forests returns all multisets of trees with n vertices together, the trees in decreasing order of
// (size, index in trees(size)) and none beyond (size, index); index −1 stands for the last.
func forests(n, size, index int) [][]tree {
	if n == 0 {
		return [][]tree{nil}
	}
	var all [][]tree
	for s := min(n, size); s >= 1; s-- {
		choices := trees(s)
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

// weight returns Σ_i b_i·Φ_i(τ).
func (t Tableau) weight(tr tree) float64 {
	sum := 0.0
	for i, phi := range t.stageWeights(tr) {
		sum += float64(t.B[i] * phi)
	}
	return sum
}

// stageWeights returns Φ_i(τ) for every stage i.
func (t Tableau) stageWeights(tr tree) []float64 {
	phi := make([]float64, len(t.B))
	for i := range phi {
		phi[i] = 1
	}
	for _, sub := range tr {
		inner := t.stageWeights(sub)
		for i := range phi {
			sum := 0.0
			for j, a := range t.A[i] {
				sum += float64(a * inner[j])
			}
			phi[i] *= sum
		}
	}
	return phi
}
