package kernelbench

import (
	"math/bits"
	"strings"

	"github.com/klauspost/cpuid/v2"

	"github.com/vcycle-go/vcycle/kernels"
)

// operands are the slices of one thread.
type operands struct {
	rows, cols int // rows·cols elements; rows is 0 if they are not in rows
	f32        [][]float32
	f64        [][]float64
	vec        [4][]float32 // as long as a row and as a column
	targets    []int32      // one for each row, below cols
}

// kernel is a line of the table below.
type kernel struct {
	name  string
	dtype string // of its slices
	// slices has a letter for each: r is read, w written, u read and written, p the same and not negative.
	slices string
	rows   bool // its slices are matrices
	// multiplications of an element, fused or not, in the assembly of its main loops. They share two ports on
	// the CPUs of all rows, as fused multiply-adds do, which the ceiling counts.
	multiplications float64
	call            func(o *operands)
}

var elementwise = []kernel{
	{"Axpy", "f32", "ru", false, 1, func(o *operands) { kernels.Axpy(1e-9, o.f32[0], o.f32[1]) }},
	{"Scal", "f32", "u", false, 1, func(o *operands) { kernels.Scal(-1, o.f32[0]) }},
	{"Dot", "f32", "rr", false, 1, func(o *operands) { kernels.Dot(o.f32[0], o.f32[1]) }},
	{"Sum", "f32", "r", false, 0, func(o *operands) { kernels.Sum(o.f32[0]) }},
	{"Nrm2", "f32", "r", false, 1, func(o *operands) { kernels.Nrm2(o.f32[0]) }},
	{"Euler", "f32", "rrw", false, 1, func(o *operands) { kernels.Euler(0.5, o.f32[0], o.f32[1], o.f32[2]) }},
	{"GELU", "f32", "rw", false, 13, func(o *operands) { kernels.GELU(o.f32[0], o.f32[1]) }},
	{"GELUBackward", "f32", "rrw", false, 19, func(o *operands) { kernels.GELUBackward(o.f32[0], o.f32[1], o.f32[2]) }},
	{"AdamW", "f32", "ruup", false, 9, func(o *operands) { kernels.AdamW(adamW, o.f32[0], o.f32[1], o.f32[2], o.f32[3]) }},
	{"SGD", "f32", "ruu", false, 4, func(o *operands) { kernels.SGD(sgd, o.f32[0], o.f32[1], o.f32[2]) }},
	{"Softmax", "f32", "rw", true, 12, func(o *operands) {
		kernels.Softmax(o.rows, o.cols, 0.125, 0, o.f32[0], o.cols, o.f32[1], o.cols)
	}},
	{"SoftmaxBackward", "f32", "rrw", true, 3, func(o *operands) {
		kernels.SoftmaxBackward(o.rows, o.cols, 0.125, 0, o.f32[0], o.cols, o.f32[1], o.cols, o.f32[2], o.cols)
	}},
	{"LayerNorm", "f32", "rw", true, 3, func(o *operands) {
		kernels.LayerNorm(o.rows, o.cols, 1e-5, o.f32[0], o.vec[0], o.vec[1], o.f32[1], o.vec[2], o.vec[3])
	}},
	{"LayerNormBackward", "f32", "rru", true, 8, func(o *operands) {
		kernels.LayerNormBackward(o.rows, o.cols, o.f32[0], o.vec[0], o.vec[1], o.vec[1], o.f32[1], o.f32[2], o.vec[2], o.vec[3])
	}},
	{"EulerLayerNorm", "f32", "rrww", true, 4, func(o *operands) {
		kernels.EulerLayerNorm(o.rows, o.cols, 0.5, 1e-5, o.f32[0], o.f32[1], o.vec[0], o.vec[1], o.f32[2], o.f32[3], o.vec[2], o.vec[3])
	}},
	{"CrossEntropy", "f32", "r", true, 11, func(o *operands) {
		kernels.CrossEntropy(o.rows, o.cols, o.f32[0], o.cols, o.targets, o.vec[0])
	}},
	{"CrossEntropyBackward", "f32", "rw", true, 12, func(o *operands) {
		kernels.CrossEntropyBackward(o.rows, o.cols, 1, o.f32[0], o.cols, o.targets, o.vec[0], o.f32[1], o.cols)
	}},
}

var (
	adamW = kernels.AdamWStep{LR: 1e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 1, Step: 10}
	sgd   = kernels.SGDStep{LR: 1e-3, Momentum: 0.9, GradScale: 1}
)

// copies are what the other kernels are measured against beyond registers, in the same form. Go's copy
// of much memory goes around the caches, which what a kernel writes cannot do if it is read soon; so it is
// timed in blocks too.
var copies = []kernel{
	{"copy", "f32", "rw", false, 0, func(o *operands) { copy(o.f32[1], o.f32[0]) }},
	{"copyBlocks", "f32", "rw", false, 0, func(o *operands) {
		const block = 1 << 14
		for lo := 0; lo < len(o.f32[0]); lo += block {
			hi := min(lo+block, len(o.f32[0]))
			copy(o.f32[1][lo:hi], o.f32[0][lo:hi])
		}
	}},
}

// Levels are where slices are, nearest first.
var Levels = []string{"L1", "L2", "memory"}

// Workset returns how many bytes the slices of a thread have together at most: half of a cache of its
// own, or so much that all threads have four times what the last cache, which they share, holds.
func Workset(level string, threads int) int {
	known := func(size, otherwise int) int {
		if size <= 0 {
			return otherwise
		}
		return size
	}
	switch cache := cpuid.CPU.Cache; level {
	case "L1":
		return known(cache.L1D, 32<<10) / 2
	case "L2":
		return known(cache.L2, 512<<10) / 2
	}
	return max(64<<20, 4*known(cpuid.CPU.Cache.L3, 0)) / threads
}

// widths are those of the rows: that of a small model, and a vocabulary.
var widths = []int{256, 50257}

// Elementwise returns the cases of every kernel but the products at a level.
func Elementwise(level string, threads int) []*Case { return cases(elementwise, level, threads) }

// Copies returns the cases that measure the bandwidth of copying at a level, in bytes read and written.
func Copies(level string, threads int) []*Case { return cases(copies, level, threads) }

func cases(table []kernel, level string, threads int) []*Case {
	var all []*Case
	for _, k := range table {
		// A power of two, so that the caches of similar CPUs give the same names.
		n := 1 << (bits.Len(uint(Workset(level, threads)/(k.size()*len(k.slices)))) - 1)
		if !k.rows {
			all = append(all, k.at(level, threads, 0, n))
			continue
		}
		for _, cols := range widths {
			if rows := n / cols; rows > 0 {
				all = append(all, k.at(level, threads, rows, cols))
			}
		}
	}
	return all
}

// size returns the bytes of an element.
func (k kernel) size() int {
	if k.dtype == "f64" {
		return 8
	}
	return 4
}

func (k kernel) at(level string, threads, rows, cols int) *Case {
	n := max(1, rows) * cols
	moved := len(k.slices) + strings.Count(k.slices, "u") + strings.Count(k.slices, "p")
	return &Case{
		Name: k.name, M: rows, N: cols, DType: k.dtype, Level: level, Threads: threads,
		Bytes:           float64(threads * n * moved * k.size()),
		Multiplications: float64(threads*n) * k.multiplications,
		prepare: func(m *memory) func() {
			o := &operands{rows: rows, cols: cols}
			m.reserve(n*k.size()*len(k.slices)+(4*4+4)*max(rows, cols), len(k.slices)+4)
			for _, kind := range k.slices {
				if k.dtype == "f64" {
					o.f64 = append(o.f64, take[float64](m, n))
					continue
				}
				x := take[float32](m, n)
				if kind == 'p' {
					for i := range x {
						x[i] *= x[i]
					}
				}
				o.f32 = append(o.f32, x)
			}
			if rows > 0 {
				for i := range o.vec {
					o.vec[i] = take[float32](m, max(rows, cols))
				}
				o.targets = make([]int32, rows)
				for i := range o.targets {
					o.targets[i] = int32(i * 7919 % cols)
				}
			}
			return func() { k.call(o) }
		},
	}
}
