package kernelbench

import (
	"bytes"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/klauspost/cpuid/v2"

	"github.com/vcycle-go/vcycle/kernels"
)

// operands are the slices of one thread.
type operands struct {
	rows, cols int // rows·cols elements; rows is 0 if they are not in rows
	f32        [][]float32
	f64        [][]float64
	bf16       [][]kernels.BFloat16
	vec        [4][]float32 // as long as a row and as a column
	vec64      [2][]float64 // the same
	targets    []int32      // one for each row, below cols
	indices    []int32      // the same, below rows
}

// kernel is a line of the table below.
type kernel struct {
	name  string
	dtype string // of its slices
	// slices has a letter for each: r is read, w written, u read and written, s and p read, and read
	// and written, with no number negative; an h follows if it is of BFloat16 whatever dtype says.
	slices string
	rows   bool // its slices are matrices
	// multiplications of an element, fused or not, of rows whose assembly has not been counted. They share ports on all
	// CPUs, as fused multiply-adds do, which the ceiling counts.
	multiplications float64
	call            func(o *operands)
	// What tells cases of the same function apart: a number of stages, and N or T for a transposed matrix.
	stages int
	trans  string
	// vectors says that rows and columns are read or written too, so that they are to be few beside the
	// elements.
	vectors bool
	// again has a letter as slices for what has to be read or written once more when all of a row is known, which
	// a row longer than the first cache is not there for; beside has one for each vector as long as a row, which is
	// read or written once in a call.
	again, beside string
}

// line returns a kernel of the table.
func line(name, dtype, slices string, multiplications float64, call func(o *operands)) kernel {
	return kernel{name: name, dtype: dtype, slices: slices, multiplications: multiplications, call: call}
}

// inRows returns a kernel whose slices are matrices.
func inRows(name, dtype, slices string, multiplications float64, call func(o *operands)) kernel {
	k := line(name, dtype, slices, multiplications, call)
	k.rows = true
	return k
}

// passes returns the kernel with more to read and write.
func (k kernel) passes(again, beside string) kernel {
	k.again, k.beside = again, beside
	return k
}

// combine is Combine with so many stages.
func combine(stages int) kernel {
	b := make([]float32, stages)
	for i := range b {
		b[i] = 1 / float32(stages)
	}
	k := line("Combine", "f32", "r"+strings.Repeat("r", stages)+"w", float64(stages)+1, func(o *operands) {
		kernels.Combine(0.5, o.f32[0], b, o.f32[1:1+stages], 0, o.f32[1+stages])
	})
	k.stages = stages
	return k
}

// withVectors returns a kernel of a matrix and vectors.
func withVectors(name, dtype, slices string, multiplications float64, call func(o *operands)) kernel {
	k := inRows(name, dtype, slices, multiplications, call)
	k.vectors = true
	return k
}

// transposed returns the kernel for N and for T.
func transposed(at func(trans bool) kernel) (both []kernel) {
	for _, trans := range []string{"N", "T"} {
		k := at(trans == "T").passes("", "r")
		k.trans = trans
		both = append(both, k)
	}
	return both
}

var half = []float32{0.5, 0.5}

// elementwise are all kernels but the products of matrices.
var elementwise = slices.Concat([]kernel{
	line("Axpy", "f32", "ru", 1, func(o *operands) { kernels.Axpy(1e-9, o.f32[0], o.f32[1]) }),
	line("Scal", "f32", "u", 1, func(o *operands) { kernels.Scal(-1, o.f32[0]) }),
	// Every other element, so that half of the bytes pass by.
	line("ScalInc", "f32", "u", 0.5, func(o *operands) { kernels.ScalInc((len(o.f32[0])+1)/2, -1, o.f32[0], 2) }),
	line("Dot", "f32", "rr", 1, func(o *operands) { kernels.Dot(o.f32[0], o.f32[1]) }),
	line("Sum", "f32", "r", 0, func(o *operands) { kernels.Sum(o.f32[0]) }),
	line("Asum", "f32", "r", 0, func(o *operands) { kernels.Asum(o.f32[0]) }),
	line("Nrm2", "f32", "r", 1, func(o *operands) { kernels.Nrm2(o.f32[0]) }),
	line("Max", "f32", "r", 0, func(o *operands) { kernels.Max(o.f32[0]) }),
	line("ArgMax", "f32", "r", 0, func(o *operands) { kernels.ArgMax(o.f32[0]) }),
	line("Iamax", "f32", "r", 0, func(o *operands) { kernels.Iamax(o.f32[0]) }),
	line("Daxpy", "f64", "ru", 1, func(o *operands) { kernels.Daxpy(1e-9, o.f64[0], o.f64[1]) }),
	line("Dscal", "f64", "u", 1, func(o *operands) { kernels.Dscal(-1, o.f64[0]) }),
	line("DscalInc", "f64", "u", 0.5, func(o *operands) { kernels.DscalInc((len(o.f64[0])+1)/2, -1, o.f64[0], 2) }),
	line("Ddot", "f64", "rr", 1, func(o *operands) { kernels.Ddot(o.f64[0], o.f64[1]) }),
	line("Dasum", "f64", "r", 0, func(o *operands) { kernels.Dasum(o.f64[0]) }),
	line("Dnrm2", "f64", "r", 1, func(o *operands) { kernels.Dnrm2(o.f64[0]) }),
	line("Idamax", "f64", "r", 0, func(o *operands) { kernels.Idamax(o.f64[0]) }),
	line("ToBFloat16", "f32", "rwh", 0, func(o *operands) { kernels.ToBFloat16(o.f32[0], o.bf16[0]) }),
	line("FromBFloat16", "f32", "rhw", 0, func(o *operands) { kernels.FromBFloat16(o.bf16[0], o.f32[0]) }),

	line("Exp", "f32", "rw", 9, func(o *operands) { kernels.Exp(o.f32[0], o.f32[1]) }),
	line("Log", "f32", "sw", 12, func(o *operands) { kernels.Log(o.f32[0], o.f32[1]) }),
	line("Tanh", "f32", "rw", 17, func(o *operands) { kernels.Tanh(o.f32[0], o.f32[1]) }),
	line("Erf", "f32", "rw", 23, func(o *operands) { kernels.Erf(o.f32[0], o.f32[1]) }),
	line("GELU", "f32", "rw", 13, func(o *operands) { kernels.GELU(o.f32[0], o.f32[1]) }),
	line("GELUBackward", "f32", "rrw", 19, func(o *operands) { kernels.GELUBackward(o.f32[0], o.f32[1], o.f32[2]) }),
	line("GELUErf", "f32", "rw", 26, func(o *operands) { kernels.GELUErf(o.f32[0], o.f32[1]) }),
	line("GELUErfBackward", "f32", "rrw", 27, func(o *operands) { kernels.GELUErfBackward(o.f32[0], o.f32[1], o.f32[2]) }),
	line("SiLU", "f32", "rw", 10, func(o *operands) { kernels.SiLU(o.f32[0], o.f32[1]) }),
	line("SiLUBackward", "f32", "rrw", 14, func(o *operands) { kernels.SiLUBackward(o.f32[0], o.f32[1], o.f32[2]) }),
	line("Euler", "f32", "rrw", 1, func(o *operands) { kernels.Euler(0.5, o.f32[0], o.f32[1], o.f32[2]) }),
	combine(2),
	combine(4),
	line("AdamW", "f32", "ruup", 9, func(o *operands) { kernels.AdamW(adamW, o.f32[0], o.f32[1], o.f32[2], o.f32[3]) }),
	line("AdamWBFloat16", "f32", "ruupwh", 9, func(o *operands) {
		kernels.AdamWBFloat16(adamW, o.f32[0], o.f32[1], o.f32[2], o.f32[3], o.bf16[0])
	}),
	line("SGD", "f32", "ruu", 4, func(o *operands) { kernels.SGD(sgd, o.f32[0], o.f32[1], o.f32[2]) }),

	inRows("Copy", "f32", "rw", 0, func(o *operands) { kernels.Copy(o.rows, o.cols, o.f32[0], o.cols, o.f32[1], o.cols) }),
	inRows("Transpose", "f32", "rw", 0, func(o *operands) {
		kernels.Transpose(o.rows, o.cols, o.f32[0], o.cols, o.f32[1], o.rows)
	}),
	inRows("Gather", "f32", "rw", 0, func(o *operands) { kernels.Gather(o.cols, o.f32[0], o.indices, o.f32[1]) }),
	inRows("ScatterAdd", "f32", "ru", 0, func(o *operands) { kernels.ScatterAdd(o.cols, o.f32[0], o.indices, o.f32[1]) }),
	inRows("ColumnSums", "f32", "r", 0.125, func(o *operands) { kernels.ColumnSums(o.rows, o.cols, 1, o.f32[0], o.cols, o.vec[0]) }).passes("", "u"),
	inRows("Softmax", "f32", "rw", 12, func(o *operands) {
		kernels.Softmax(o.rows, o.cols, 0.125, 0, o.f32[0], o.cols, o.f32[1], o.cols)
	}).passes("u", ""),
	inRows("SoftmaxBackward", "f32", "rrw", 3, func(o *operands) {
		kernels.SoftmaxBackward(o.rows, o.cols, 0.125, 0, o.f32[0], o.cols, o.f32[1], o.cols, o.f32[2], o.cols)
	}).passes("rr", ""),
	inRows("SoftmaxPart", "f32", "rw", 11, func(o *operands) {
		kernels.SoftmaxPart(o.rows, o.cols, 0.125, 0, o.f32[0], o.cols, o.f32[1], o.cols, o.vec[0], o.vec[1])
	}),
	inRows("SoftmaxGiven", "f32", "rw", 11, func(o *operands) {
		kernels.SoftmaxGiven(o.rows, o.cols, 0.125, 0, o.f32[0], o.cols, o.vec[0], o.f32[1], o.cols)
	}),
	inRows("SoftmaxGivenBackward", "f32", "rrw", 2, func(o *operands) {
		kernels.SoftmaxGivenBackward(o.rows, o.cols, 0.125, 0, o.f32[0], o.cols, o.vec[0], o.f32[1], o.cols, o.f32[2], o.cols)
	}),
	inRows("LogSumExp", "f32", "r", 11, func(o *operands) { kernels.LogSumExp(o.rows, o.cols, o.f32[0], o.cols, o.vec[0]) }),
	inRows("LogSumExpBackward", "f32", "rw", 12, func(o *operands) {
		kernels.LogSumExpBackward(o.rows, o.cols, o.f32[0], o.cols, o.vec[0], o.f32[1], o.cols)
	}).passes("u", ""),
	inRows("CrossEntropy", "f32", "r", 11, func(o *operands) {
		kernels.CrossEntropy(o.rows, o.cols, o.f32[0], o.cols, o.targets, o.vec[0])
	}),
	inRows("CrossEntropyBackward", "f32", "rw", 12, func(o *operands) {
		kernels.CrossEntropyBackward(o.rows, o.cols, 1, o.f32[0], o.cols, o.targets, o.vec[0], o.f32[1], o.cols)
	}).passes("u", ""),
	inRows("LayerNorm", "f32", "rw", 3, func(o *operands) {
		kernels.LayerNorm(o.rows, o.cols, 1e-5, o.f32[0], o.vec[0], o.vec[1], o.f32[1], o.vec[2], o.vec[3])
	}).passes("r", "rr"),
	inRows("LayerNormBackward", "f32", "rru", 8, func(o *operands) {
		kernels.LayerNormBackward(o.rows, o.cols, o.f32[0], o.vec[0], o.vec[1], o.vec[1], o.f32[1], o.f32[2], o.vec[2], o.vec[3])
	}).passes("rr", "ruu"),
	inRows("RMSNorm", "f32", "rw", 3, func(o *operands) {
		kernels.RMSNorm(o.rows, o.cols, 1e-5, o.f32[0], o.vec[0], o.f32[1], o.vec[1])
	}).passes("r", "r"),
	inRows("RMSNormBackward", "f32", "rru", 8, func(o *operands) {
		kernels.RMSNormBackward(o.rows, o.cols, o.f32[0], o.vec[0], o.vec[1], o.f32[1], o.f32[2], o.vec[2])
	}).passes("rr", "ru"),
	inRows("EulerLayerNorm", "f32", "rrww", 4, func(o *operands) {
		kernels.EulerLayerNorm(o.rows, o.cols, 0.5, 1e-5, o.f32[0], o.f32[1], o.vec[0], o.vec[1], o.f32[2], o.f32[3], o.vec[2], o.vec[3])
	}).passes("r", "rr"),
	inRows("CombineLayerNorm", "f32", "rrrww", 6, func(o *operands) {
		kernels.CombineLayerNorm(o.rows, o.cols, 0.5, 1e-5, o.f32[0], half, o.f32[1:3], 0, o.vec[0], o.vec[1], o.f32[3], o.f32[4], o.vec[2], o.vec[3])
	}).passes("r", "rr"),
	inRows("CombineRMSNorm", "f32", "rrrww", 6, func(o *operands) {
		kernels.CombineRMSNorm(o.rows, o.cols, 0.5, 1e-5, o.f32[0], half, o.f32[1:3], 0, o.vec[0], o.f32[3], o.f32[4], o.vec[2])
	}).passes("r", "r"),
	withVectors("Sger", "f32", "u", 1, func(o *operands) {
		kernels.Sger(o.rows, o.cols, 1e-9, o.vec[0], 1, o.vec[1], 1, o.f32[0], o.cols)
	}).passes("", "r"),
	withVectors("Dger", "f64", "u", 1, func(o *operands) {
		kernels.Dger(o.rows, o.cols, 1e-9, o.vec64[0], 1, o.vec64[1], 1, o.f64[0], o.cols)
	}).passes("", "r"),
}, transposed(func(trans bool) kernel {
	return withVectors("Sgemv", "f32", "r", 1, func(o *operands) {
		kernels.Sgemv(trans, o.rows, o.cols, 1, o.f32[0], o.cols, o.vec[0], 1, 0, o.vec[1], 1)
	})
}), transposed(func(trans bool) kernel {
	return withVectors("Dgemv", "f64", "r", 1, func(o *operands) {
		kernels.Dgemv(trans, o.rows, o.cols, 1, o.f64[0], o.cols, o.vec64[0], 1, 0, o.vec64[1], 1)
	})
}))

var (
	adamW = kernels.AdamWStep{LR: 1e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 1, Step: 10}
	sgd   = kernels.SGDStep{LR: 1e-3, Momentum: 0.9, GradScale: 1}
)

// copies are what the other kernels are measured against beyond registers, in the same form. Go's copy
// of much memory goes around the caches, which what a kernel writes cannot do if it is read soon; so it is
// timed in blocks too. Memory may be slower to read than to copy, by the bytes read and written: so it is
// read alone as well, by Go's bytes.Count, which takes vectors.
var copies = []kernel{
	line("copy", "f32", "rw", 0, func(o *operands) { copy(o.f32[1], o.f32[0]) }),
	line("copyBlocks", "f32", "rw", 0, func(o *operands) {
		const block = 1 << 14
		for lo := 0; lo < len(o.f32[0]); lo += block {
			hi := min(lo+block, len(o.f32[0]))
			copy(o.f32[1][lo:hi], o.f32[0][lo:hi])
		}
	}),
	line("read", "f32", "r", 0, func(o *operands) {
		x := o.f32[0]
		zeros.Add(int64(bytes.Count(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x)), zero)))
	}),
}

// What read counts, which the compiler cannot tell is not needed.
var (
	zero  = []byte{0}
	zeros atomic.Int64
)

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

// Copies returns the cases that measure the bandwidth of copying at a level, in bytes read and written, and
// that of reading memory.
func Copies(level string, threads int) []*Case {
	return slices.DeleteFunc(cases(copies, level, threads), func(c *Case) bool { return c.Name == "read" && level != "memory" })
}

func cases(table []kernel, level string, threads int) []*Case {
	var all []*Case
	for _, k := range table {
		// A power of two, so that the caches of similar CPUs give the same names.
		held, _, _ := k.bytes()
		n := 1 << (bits.Len(uint(Workset(level, threads)/held)) - 1)
		if !k.rows {
			all = append(all, k.at(level, threads, 0, n))
			continue
		}
		for _, cols := range widths {
			if rows := n / cols; rows > 0 && (rows >= 8 || !k.vectors) {
				all = append(all, k.at(level, threads, rows, cols))
			}
		}
	}
	return all
}

// bytes returns how much memory an element takes in all slices, how much of it is read, and how much is read
// and written together.
func (k kernel) bytes() (held, read, moved int) { return k.bytesOf(k.slices) }

func (k kernel) bytesOf(slices string) (held, read, moved int) {
	for i, kind := range slices {
		if kind == 'h' {
			continue
		}
		size := k.size(slices, i)
		held += size
		moved += size
		if kind != 'w' {
			read += size
		}
		if kind == 'u' || kind == 'p' {
			moved += size
		}
	}
	return held, read, moved
}

// passing returns how many bytes have to go between a level and the first cache, or from and to that one.
func (k kernel) passing(level string, rows, cols int) int {
	_, _, moved := k.bytes()
	_, _, again := k.bytesOf(k.again)
	_, _, beside := k.bytesOf(k.beside)
	n := max(1, rows) * cols
	if level != "L2" || cols*k.size(k.slices, 0) <= 2*Workset("L1", 1) {
		again = 0
	}
	return n*(moved+again) + cols*beside
}

// size returns the bytes of an element of the slice whose letter is there.
func (k kernel) size(slices string, letter int) int {
	switch {
	case strings.HasPrefix(slices[letter+1:], "h"):
		return 2
	case k.dtype == "f64":
		return 8
	}
	return 4
}

func (k kernel) at(level string, threads, rows, cols int) *Case {
	n := max(1, rows) * cols
	held, read, moved := k.bytes()
	return &Case{
		Name: k.name, M: rows, N: cols, K: k.stages, Trans: k.trans, DType: k.dtype, Level: level, Threads: threads,
		Bytes: float64(threads * n * moved),
		Reads: float64(threads * n * read),
		Moved: float64(threads * k.passing(level, rows, cols)),
		work: func(isa string) operations {
			if o, ok := k.operations(isa); ok {
				return o.times(float64(threads * n))
			}
			return operations{multiply: k.multiplications}.times(float64(threads * n))
		},
		prepare: func(m *memory) func() {
			o := &operands{rows: rows, cols: cols}
			longest := max(rows, cols)
			m.reserve(n*held+longest*(4*len(o.vec)+8*len(o.vec64)), len(k.slices)+len(o.vec)+len(o.vec64))
			for i, kind := range k.slices {
				switch {
				case kind == 'h':
				case k.size(k.slices, i) == 2:
					o.bf16 = append(o.bf16, take[kernels.BFloat16](m, n))
				case k.size(k.slices, i) == 8:
					o.f64 = append(o.f64, take[float64](m, n))
				default:
					o.f32 = append(o.f32, take[float32](m, n))
				}
				if kind == 's' || kind == 'p' {
					for i, x := range o.f32[len(o.f32)-1] {
						o.f32[len(o.f32)-1][i] = x * x
					}
				}
			}
			if rows > 0 {
				for i := range o.vec {
					if k.dtype == "f32" {
						o.vec[i] = take[float32](m, longest)
					}
				}
				for i := range o.vec64 {
					if k.dtype == "f64" {
						o.vec64[i] = take[float64](m, longest)
					}
				}
				o.targets, o.indices = make([]int32, rows), make([]int32, rows)
				for i := range rows {
					o.targets[i], o.indices[i] = int32(i*7919%cols), int32(i*7919%rows)
				}
			}
			return func() { k.call(o) }
		},
	}
}
