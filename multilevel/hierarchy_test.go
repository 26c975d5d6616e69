package multilevel

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestHierarchy(t *testing.T) {
	for _, c := range []struct {
		depths    []int
		steps     int
		fractions []float64
		exponent  float64
		h         float64
		wantSteps []int
		wantH     []float64
	}{
		{[]int{12}, 10, nil, 0, 1, []int{10}, []float64{1}},
		{[]int{3, 12}, 600, nil, 0, 1, []int{420, 180}, []float64{1, 1}},
		{[]int{3, 12}, 600, []float64{7, 3}, 1, 0.5, []int{420, 180}, []float64{2, 0.5}},
		{[]int{3, 12}, 600, []float64{7, 3}, 0.5, 0.5, []int{420, 180}, []float64{1, 0.5}},
		{[]int{3, 6, 12}, 100, nil, 1, 1, []int{35, 35, 30}, []float64{4, 2, 1}},
		{[]int{1, 2, 4}, 3, nil, 0, 1, []int{1, 1, 1}, []float64{1, 1, 1}},
		{[]int{1, 2, 4}, 10, []float64{1e-9, 1, 1e-9}, 0, 1, []int{1, 8, 1}, []float64{1, 1, 1}},
	} {
		h, err := NewHierarchy(c.depths, c.steps, c.fractions, c.exponent, c.h)
		if err != nil {
			t.Errorf("%v: %v", c.depths, err)
			continue
		}
		for l, level := range h.Levels {
			if level.Blocks != c.depths[l] || level.Steps != c.wantSteps[l] || level.StepSize != c.wantH[l] {
				t.Errorf("%v, level %d: %+v, want %d steps at h = %g", c.depths, l, level, c.wantSteps[l], c.wantH[l])
			}
		}
		if h.Steps() != c.steps {
			t.Errorf("%v: %d steps in all, want %d", c.depths, h.Steps(), c.steps)
		}
	}
}

func TestHierarchyRefuses(t *testing.T) {
	for _, c := range []struct {
		depths    []int
		steps     int
		fractions []float64
		exponent  float64
		h         float64
		want      string
	}{
		{nil, 10, nil, 0, 1, "at least one"},
		{[]int{0, 12}, 10, nil, 0, 1, "at least 1"},
		{[]int{6, 3}, 10, nil, 0, 1, "3 follows 6"},
		{[]int{6, 6}, 10, nil, 0, 1, "must increase"},
		{[]int{5, 12}, 10, nil, 0, 1, "divides it (1,2,3,4,6)"},
		{[]int{1, 1 << 13}, 10, nil, 0, 1, "more than"},
		{[]int{5, math.MaxInt, 12}, 10, nil, 0, 1, "more than 4096"}, // and not after 2⁶² divisions
		{[]int{3, 12}, 1, nil, 0, 1, "at least 2 steps"},
		{[]int{3, 12}, 10, []float64{1}, 0, 1, "1 given for 2 levels"},
		{[]int{3, 12}, 10, []float64{1, 0}, 0, 1, "positive share"},
		{[]int{3, 12}, 10, nil, 0, 0, "positive"},
		{[]int{3, 12}, 10, nil, 0, math.NaN(), "positive"},
		{[]int{3, 12}, 10, nil, 0, 1e-50, "positive"},
		{[]int{3, 12}, 10, nil, 0, 1e39, "finite"},
		{[]int{3, 12}, 10, nil, 1, 3e38, "of 3 blocks"},
	} {
		_, err := NewHierarchy(c.depths, c.steps, c.fractions, c.exponent, c.h)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, %d steps, %v, exponent %g, h %g: error %v, want %q", c.depths, c.steps, c.fractions, c.exponent, c.h, err, c.want)
		}
	}
}

func TestDefaultLevels(t *testing.T) {
	for blocks, want := range map[int][]int{12: {3, 12}, 24: {6, 24}, 6: {3, 6}, 9: {3, 9}, 4: {2, 4}, 2: {2}, 1: {1}, 7: {7}} {
		got := DefaultLevels(blocks)
		if !slices.Equal(got, want) {
			t.Errorf("%d blocks: %v, want %v", blocks, got, want)
		}
		if err := checkDepths(got); err != nil {
			t.Error(err)
		}
	}
}
