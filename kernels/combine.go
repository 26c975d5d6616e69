package kernels

import "fmt"

// Euler computes y = x + h*f, a step of the explicit Euler method. The error is at most 2·2⁻²⁴·(|x| +
// |h*f|); with h = 1 the result is x + f rounded once. y may be x or f. It panics if the lengths differ.
func Euler(h float32, x, f, y []float32) {
	if len(x) != len(f) || len(x) != len(y) {
		panic(fmt.Sprintf("kernels: Euler: len(x) = %d, len(f) = %d, len(y) = %d", len(x), len(f), len(y)))
	}
	oneStage(f).step(h, x, y)
}

// Combine computes y[i] = x[i] + h*Σ_j b[j]*k[j][lo+i], the combination of a Runge-Kutta method, in one
// pass over any number of stages. Without stages, y = x. y may be x, or k[j][lo:] for one j. lo serves
// callers that deal out ranges of x and y: it saves them a new slice of stages for each.
//
// The sum over the stages is made first and in their order, so that for s of them the error is at most
// 2⁻²⁴·|y| + γ(s+1)·|h|·Σ|b[j]||k[j]|: what a stage adds is not rounded to the precision of x. With one
// stage and b[0] = 1 the result has the bits of Euler. h may be 1 and b hold the products.
//
// It panics if b and k differ in length, or x and y, if lo is negative, or if one of k is too short.
func Combine(h float32, x, b []float32, k [][]float32, lo int, y []float32) {
	s := checkStages("Combine", b, k, lo, len(x))
	if len(x) != len(y) {
		panic(fmt.Sprintf("kernels: Combine: len(x) = %d, len(y) = %d", len(x), len(y)))
	}
	s.step(h, x, y)
}

// EulerLayerNorm computes y = x + h*f and z = LayerNorm(y), row by row, so that each row is read from
// memory once: the residual connection and the normalisation that follows it. x, f, y and z are
// rows×cols without gaps; the rest is as for LayerNorm. All results have the bits of Euler followed by
// LayerNorm. y may be x or f, and so may z if y is not the same; z must not be y.
//
// It panics if rows is negative, cols less than 1 or a slice too short.
func EulerLayerNorm(rows, cols int, h, eps float32, x, f, gamma, beta, y, z, mean, rstd []float32) {
	checkNorm("EulerLayerNorm", rows, cols, min(len(x), len(f)), min(len(y), len(z)), len(gamma), len(beta), len(mean), len(rstd))
	oneStage(f).layerNorm(rows, cols, h, eps, x, gamma, beta, y, z, mean, rstd)
}

// CombineLayerNorm computes y[i] = x[i] + h*Σ_j b[j]*k[j][lo+i] and z = LayerNorm(y), row by row, so that
// each row is read from memory once. x, each k[j][lo:], y and z are rows×cols without gaps; the rest is as
// for LayerNorm. All results have the bits of Combine followed by LayerNorm. y may be x, or k[j][lo:] for
// one j, and so may z if y is not the same; z must not be y.
//
// It panics if rows or lo is negative, cols less than 1, b and k differ in length or a slice is too short.
func CombineLayerNorm(rows, cols int, h, eps float32, x, b []float32, k [][]float32, lo int, gamma, beta, y, z, mean, rstd []float32) {
	checkNorm("CombineLayerNorm", rows, cols, len(x), min(len(y), len(z)), len(gamma), len(beta), len(mean), len(rstd))
	checkStages("CombineLayerNorm", b, k, lo, rows*cols).layerNorm(rows, cols, h, eps, x, gamma, beta, y, z, mean, rstd)
}

// CombineRMSNorm computes y[i] = x[i] + h*Σ_j b[j]*k[j][lo+i] and z = RMSNorm(y), as CombineLayerNorm does
// with LayerNorm.
//
// It panics if rows or lo is negative, cols less than 1, b and k differ in length or a slice is too short.
func CombineRMSNorm(rows, cols int, h, eps float32, x, b []float32, k [][]float32, lo int, gamma, y, z, rstd []float32) {
	checkNorm("CombineRMSNorm", rows, cols, len(x), min(len(y), len(z)), len(gamma), cols, rows, len(rstd))
	checkStages("CombineRMSNorm", b, k, lo, rows*cols).rmsNorm(rows, cols, h, eps, x, gamma, y, z, rstd)
}

// stages are slopes with their weights. The first stands apart, because the others are read through
// slices of slices, which the one-stage functions would have to allocate.
type stages struct {
	b0 float32
	k0 []float32 // nil: there is no stage
	b  []float32
	k  [][]float32
	lo int // where k begin; k0 is cut
}

func oneStage(f []float32) stages { return stages{b0: 1, k0: f} }

// checkStages panics unless there is a weight for each of k, and each holds n elements from lo on.
func checkStages(fn string, b []float32, k [][]float32, lo, n int) stages {
	if len(b) != len(k) || lo < 0 {
		panic(fmt.Sprintf("kernels: %s: len(b) = %d, len(k) = %d, lo = %d", fn, len(b), len(k), lo))
	}
	for j := range k {
		if len(k[j])-n < lo {
			panic(fmt.Sprintf("kernels: %s: len(k[%d]) = %d, want %d from %d on", fn, j, len(k[j]), n, lo))
		}
	}
	if len(k) == 0 {
		return stages{}
	}
	return stages{b[0], k[0][lo:], b[1:], k[1:], lo}
}

func (s stages) step(h float32, x, y []float32) {
	if s.k0 == nil {
		copy(y, x)
		return
	}
	run := active.combine
	if past := active.combinePast; past != nil && beyondCaches((3+len(s.k))*len(x)) && !s.overwrites(x, y) {
		head := untilLine(y)
		run(h, s.b0, s.k0[:head], s.b, s.k, s.lo, x[:head], y[:head])
		s.k0, s.lo, x, y = s.k0[head:], s.lo+head, x[head:], y[head:]
		run = past
	}
	for lo := 0; lo < len(x); lo += block {
		hi := min(lo+block, len(x))
		run(h, s.b0, s.k0[lo:hi], s.b, s.k, s.lo+lo, x[lo:hi], y[lo:hi])
	}
}

// overwrites tells whether y is x or one of the stages, whose lines are then read in any case.
func (s stages) overwrites(x, y []float32) bool {
	over := same(x, y) || same(s.k0, y)
	for _, k := range s.k {
		over = over || same(k[s.lo:], y)
	}
	return over
}

func (s stages) layerNorm(rows, cols int, h, eps float32, x, gamma, beta, y, z, mean, rstd []float32) {
	stores := storesOf(4+len(s.k), rows, cols, z, s.overwrites(x, z))
	run := s.norms()
	if !run.layer || s.far(rows*cols) || !layerNormWhole(cols, eps) {
		s.groups(rows, cols, h, x, y, func(i, j int) {
			layerNormRows(j-i, cols, eps, y[i*cols:j*cols], gamma, beta, z[i*cols:j*cols], mean[i:j], rstd[i:j], stores)
		})
		return
	}
	for i, step := 0, groupsOf(madeElements/cols); i < rows; i += step {
		n := min(step, rows-i)
		lo, hi := i*cols, (i+n)*cols
		x, y, z, mean, rstd := x[lo:hi], y[lo:hi], z[lo:hi], mean[i:i+n], rstd[i:i+n]
		if len(s.k) == 0 {
			active.eulerLayerNorm(n, cols, h, eps, x, s.k0[lo:hi], gamma[:cols], beta[:cols], y, z, mean, rstd)
		} else {
			active.combineLayerNorm(n, cols, h, s.b0, s.b[0], eps, x, s.k0[lo:hi], s.k[0][s.lo+lo:s.lo+hi], gamma[:cols], beta[:cols], y, z, mean, rstd)
		}
	}
}

func (s stages) rmsNorm(rows, cols int, h, eps float32, x, gamma, y, z, rstd []float32) {
	stores := storesOf(4+len(s.k), rows, cols, z, s.overwrites(x, z))
	if !s.norms().rms || s.far(rows*cols) || !rmsNormWhole(cols, eps) {
		s.groups(rows, cols, h, x, y, func(i, j int) {
			rmsNormRows(j-i, cols, eps, y[i*cols:j*cols], gamma, z[i*cols:j*cols], rstd[i:j], stores)
		})
		return
	}
	for i := 0; i < rows; {
		n := min(groupsOf(madeElements/cols), rows-i)
		lo, hi := i*cols, (i+n)*cols
		done := active.combineRMSNorm(n, cols, h, s.b0, s.b[0], eps, x[lo:hi], s.k0[lo:hi], s.k[0][s.lo+lo:s.lo+hi], gamma[:cols], y[lo:hi], z[lo:hi], rstd[i:i+n])
		i += done
		if done < n {
			// The combination of the next two may have gone where x was.
			n = min(2, n-done)
			lo, hi = i*cols, (i+n)*cols
			rmsNormRows(n, cols, eps, y[lo:hi], gamma, z[lo:hi], rstd[i:i+n], stores)
			i += n
		}
	}
}

// madeElements is how many elements a call combines and normalises.
const madeElements = block

// far tells whether so many elements of each slice are more than the second cache holds. From beyond that a combination by itself, one
// row after the other, is faster than two rows side by side: more streams than the prefetchers of a core follow.
func (s stages) far(n int) bool { return 4*(4+len(s.k))*n > secondLevel }

// norms tells which normalisations have a kernel that makes the combination, too.
func (s stages) norms() (has struct{ layer, rms bool }) {
	switch {
	case s.k0 == nil:
	case len(s.k) == 0:
		has.layer = active.eulerLayerNorm != nil && s.b0 == 1
	case len(s.k) == 1:
		has.layer, has.rms = active.combineLayerNorm != nil, active.combineRMSNorm != nil
	}
	return has
}

// groups computes y for as many rows at a time as the first-level cache holds beside what they are made of,
// and calls norm for rows [i, j).
func (s stages) groups(rows, cols int, h float32, x, y []float32, norm func(i, j int)) {
	step := groupsOf(2048 / cols)
	if cols <= 1024 {
		step = max(step, groupRows)
	}
	for i := 0; i < rows; i += step {
		j := min(i+step, rows)
		lo, hi := i*cols, j*cols
		part := s
		part.lo += lo
		if s.k0 != nil {
			part.k0 = s.k0[lo:hi]
		}
		part.step(h, x[lo:hi], y[lo:hi])
		norm(i, j)
	}
}
