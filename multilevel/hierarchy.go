package multilevel

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Hierarchy is a list of levels from coarse to fine; the depth of each divides the depth of the next.
type Hierarchy struct {
	Levels []Level
}

// Step size policies: what happens to h where the depth grows by k.
const (
	KeepStepSize   = "keep"   // h stays: the interval of integration grows by k
	DivideStepSize = "divide" // h/k: the interval T = N·h stays
	ScaleStepSize  = "scale"  // h/k^α, the residual scale (N_base/N)^α with α = Options.StepSizeExponent
)

var stepSizePolicies = []string{KeepStepSize, DivideStepSize, ScaleStepSize}

// NewHierarchy returns levels of the given depths, which must increase and divide each other, with steps
// split by fractions (DefaultFractions if fractions is empty) and at least one step on each level. Level
// l ends after round(steps·Σ_{j≤l} fractions_j / Σ fractions) steps, or as near to that as leaves every
// level a step. h is the step size of the finest level; the coarser ones have h·(N_fine/N)^exponent: the
// same with an exponent of 0, and with 1 as much as lets all of them integrate over the same interval.
// Between them it is the residual scale of Dey et al., Don't be lazy: CompleteP enables compute-efficient
// deep transformers, arXiv:2505.01618. Errors say which values would work.
func NewHierarchy(depths []int, steps int, fractions []float64, exponent, h float64) (*Hierarchy, error) {
	if err := checkDepths(depths); err != nil {
		return nil, err
	}
	split, err := splitSteps("levels", len(depths), steps, fractions)
	if err != nil {
		return nil, err
	}
	hier, err := newHierarchy(depths, exponent, h, nil)
	if err != nil {
		return nil, err
	}
	for l := range split {
		hier.Levels[l].Steps = split[l]
	}
	return hier, nil
}

// newHierarchy returns levels without steps, of depths that have been checked. The steps of the finest level are
// in proportion to relative, if it is not empty, and those of a coarser one to the means of the blocks that each
// of its own stands for: with an exponent of 1 its nodes are nodes of the finest level.
func newHierarchy(depths []int, exponent, h float64, relative []float64) (*Hierarchy, error) {
	finest := depths[len(depths)-1]
	levels := make([]Level, len(depths))
	for l, n := range depths {
		levels[l] = Level{Blocks: n, StepSize: h * math.Pow(float64(finest)/float64(n), exponent)}
		if f := float32(levels[l].StepSize); !(f > 0 && f <= math.MaxFloat32) {
			return nil, fmt.Errorf("step size %g of %d blocks: it must be positive and finite as a float32", levels[l].StepSize, n)
		}
		if len(relative) == 0 {
			continue
		}
		if finest%n != 0 {
			return nil, fmt.Errorf("step sizes: %d blocks do not divide the %d that have one each: use depths that do (%s)", n, finest, join(divisors(finest)))
		}
		levels[l].Relative = meansOf(relative, n)
	}
	return &Hierarchy{Levels: levels}, nil
}

// meansOf returns the means of n runs of x, as long as each other.
func meansOf(x []float64, n int) []float64 {
	k := len(x) / n
	y := make([]float64, n)
	for i := range y {
		for _, v := range x[i*k : (i+1)*k] {
			y[i] += v
		}
		y[i] /= float64(k)
	}
	return y
}

// Finest returns the last level.
func (h *Hierarchy) Finest() Level { return h.Levels[len(h.Levels)-1] }

// Steps returns the optimizer steps on all levels.
func (h *Hierarchy) Steps() int {
	n := 0
	for _, l := range h.Levels {
		n += l.Steps
	}
	return n
}

// DefaultLevels returns the depths that a run passes through when none are asked for: a quarter of the
// blocks and then all of them, or a half, or a third, whichever divides first, or all from the start.
func DefaultLevels(blocks int) []int {
	for _, k := range []int{4, 2, 3} {
		if blocks > k && blocks%k == 0 {
			return []int{blocks / k, blocks}
		}
	}
	return []int{blocks}
}

// DefaultFractions returns the shares of the steps when none are asked for: 0.3 for the finest level,
// and the coarse ones share 0.7 equally. Late growth is what pays in every comparison at hand: with a
// learning rate that decays at full depth only, the new blocks need little more than the decay
// (Bu, arXiv:2511.04981).
func DefaultFractions(levels int) []float64 {
	if levels <= 1 {
		return []float64{1}
	}
	f := make([]float64, levels)
	for l := range f {
		f[l] = 0.7 / float64(levels-1)
	}
	f[levels-1] = 0.3
	return f
}

// checkDepths refuses depths that do not increase or do not divide each other.
func checkDepths(depths []int) error {
	if err := checkIncrease(depths); err != nil {
		return err
	}
	for l := 1; l < len(depths); l++ {
		if coarse, n := depths[l-1], depths[l]; n%coarse != 0 {
			return fmt.Errorf("levels %s: %d blocks cannot be refined to %d: below %d use a depth that divides it (%s)",
				join(depths), coarse, n, n, join(divisors(n)))
		}
	}
	return nil
}

func checkIncrease(depths []int) error {
	if len(depths) == 0 {
		return fmt.Errorf("levels: at least one depth is needed")
	}
	for l, n := range depths {
		if n > maxBlocks { // before the list of divisors, which takes n/2 operations, and all of them
			return fmt.Errorf("levels %s: %d blocks are more than %d", join(depths), n, maxBlocks)
		}
		if n < 1 {
			return fmt.Errorf("levels %s: a depth of %d blocks is not possible: it must be at least 1", join(depths), n)
		}
		if l > 0 && n <= depths[l-1] {
			return fmt.Errorf("levels %s: depths must increase, but %d follows %d", join(depths), n, depths[l-1])
		}
	}
	return nil
}

// checkAxis refuses values of an axis, one for each level, that do not divide each other or are no multiples of a
// unit.
func checkAxis(name string, values []int, levels, last, unit int, why string) error {
	if len(values) != levels {
		return fmt.Errorf("%s: %d given for %d levels: give one for each, or none", name, len(values), levels)
	}
	if v := values[levels-1]; v != last {
		return fmt.Errorf("%s %s: the last has to be that of the finished network, %d", name, join(values), last)
	}
	for l, v := range values {
		if v < 1 || v%unit != 0 {
			return fmt.Errorf("%s %s: %d is not a multiple of %d: %s", name, join(values), v, unit, why)
		}
		if l > 0 && (v < values[l-1] || v%values[l-1] != 0) {
			return fmt.Errorf("%s %s: %d cannot be refined to %d: each has to divide the next (%s divide %d)", name, join(values), values[l-1], v, join(divisors(v)), v)
		}
	}
	return nil
}

// axesError says which schedules have levels of several widths and contexts.
func axesError(name string, able []string) error {
	return fmt.Errorf("level widths and contexts: the levels of multilevel %s differ in depth only: use one of %s", name, strings.Join(able, ", "))
}

// splitSteps divides the steps among so many levels or visits, as what calls them.
func splitSteps(what string, levels, steps int, fractions []float64) ([]int, error) {
	if steps < levels {
		return nil, fmt.Errorf("steps %d: %d %s need at least %d steps", steps, levels, what, levels)
	}
	if len(fractions) == 0 {
		fractions = DefaultFractions(levels)
	}
	if len(fractions) != levels {
		return nil, fmt.Errorf("level fractions: %d given for %d levels: give one per level, or none", len(fractions), levels)
	}
	var total float64
	for _, f := range fractions {
		if !(f > 0) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("level fractions: %g: every level needs a positive share of the steps", f)
		}
		total += f
	}
	if math.IsInf(total, 0) {
		return nil, fmt.Errorf("level fractions: their sum is too large: they should add up to 1")
	}
	split := make([]int, levels)
	var sum float64
	start := 0
	for l, f := range fractions {
		sum += f
		end := int(math.Round(float64(steps) * (sum / total)))
		end = min(max(end, start+1), steps-(levels-1-l)) // at least one step here, and on each finer level
		if l == levels-1 {
			end = steps
		}
		split[l] = end - start
		start = end
	}
	return split, nil
}

// divisors returns the divisors of n below n.
func divisors(n int) []int {
	var d []int
	for i := 1; i <= n/2; i++ {
		if n%i == 0 {
			d = append(d, i)
		}
	}
	return d
}

func join(n []int) string {
	s := make([]string, len(n))
	for i, v := range n {
		s[i] = strconv.Itoa(v)
	}
	return strings.Join(s, ",")
}
