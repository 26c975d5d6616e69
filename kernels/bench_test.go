package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// The sizes of the benchmarks: in the first-level cache, in the second and in memory. Bytes are those that
// the definition of a kernel reads and writes, once each.
var benchSizes = []int{2048, 1 << 15, 1 << 22}

// sink takes results, so that the compiler keeps what makes them.
var sink float32

func benchSlices(n, count int) [][]float32 {
	rng := rand.New(rand.NewPCG(31, 32))
	s := make([][]float32, count)
	for i := range s {
		s[i] = randomSlice(rng, n)
	}
	return s
}

// benchElements measures a kernel on slices of n elements, which moves so many floats for each.
func benchElements(b *testing.B, slices, floats int, call func(s [][]float32)) {
	for i, n := range benchSizes {
		if i == 0 && slices > 3 {
			n /= 2 // six slices of 1024 are 24 KB
		}
		s := benchSlices(n, slices)
		benchEachISA(b, fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.SetBytes(int64(4 * floats * n))
			for b.Loop() {
				call(s)
			}
		})
	}
}

func BenchmarkAxpy(b *testing.B) {
	benchElements(b, 2, 3, func(s [][]float32) { Axpy(1e-9, s[0], s[1]) })
}

func BenchmarkScal(b *testing.B) {
	benchElements(b, 1, 2, func(s [][]float32) { Scal(-1, s[0]) })
}

func BenchmarkDot(b *testing.B) {
	benchElements(b, 2, 2, func(s [][]float32) { sink = Dot(s[0], s[1]) })
}

func BenchmarkSum(b *testing.B) {
	benchElements(b, 1, 1, func(s [][]float32) { sink = Sum(s[0]) })
}

func BenchmarkNrm2(b *testing.B) {
	benchElements(b, 1, 1, func(s [][]float32) { sink = Nrm2(s[0]) })
}

func BenchmarkMax(b *testing.B) {
	benchElements(b, 1, 1, func(s [][]float32) { sink = Max(s[0]) })
}

func BenchmarkArgMax(b *testing.B) {
	benchElements(b, 1, 1, func(s [][]float32) { sink = float32(ArgMax(s[0])) })
}

func BenchmarkEuler(b *testing.B) {
	benchElements(b, 3, 3, func(s [][]float32) { Euler(0.5, s[0], s[1], s[2]) })
}

func BenchmarkCombine(b *testing.B) {
	b.Run("stages=2", func(b *testing.B) {
		benchElements(b, 4, 4, func(s [][]float32) { Combine(0.5, s[0], benchWeights[:2], s[1:3], 0, s[3]) })
	})
	b.Run("stages=4", func(b *testing.B) {
		benchElements(b, 6, 6, func(s [][]float32) { Combine(0.5, s[0], benchWeights, s[1:5], 0, s[5]) })
	})
}

func benchBFloat16(b *testing.B, call func(x []float32, h []BFloat16)) {
	for _, n := range benchSizes {
		x, h := benchSlices(n, 1)[0], make([]BFloat16, n)
		ToBFloat16(x, h)
		benchEachISA(b, fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.SetBytes(int64(6 * n))
			for b.Loop() {
				call(x, h)
			}
		})
	}
}

func BenchmarkToBFloat16(b *testing.B) { benchBFloat16(b, ToBFloat16) }

func BenchmarkFromBFloat16(b *testing.B) {
	benchBFloat16(b, func(x []float32, h []BFloat16) { FromBFloat16(h, x) })
}

func BenchmarkGELU(b *testing.B) {
	benchElements(b, 2, 2, func(s [][]float32) { GELU(s[0], s[1]) })
}

func BenchmarkGELUBackward(b *testing.B) {
	benchElements(b, 3, 3, func(s [][]float32) { GELUBackward(s[0], s[1], s[2]) })
}

func BenchmarkAdamW(b *testing.B) {
	p := AdamWStep{LR: 1e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 1, Step: 10}
	benchElements(b, 4, 7, func(s [][]float32) { AdamW(p, s[0], s[1], s[2], s[3]) })
}

func BenchmarkSGD(b *testing.B) {
	p := SGDStep{LR: 1e-3, Momentum: 0.9, GradScale: 1}
	benchElements(b, 3, 5, func(s [][]float32) { SGD(p, s[0], s[1], s[2]) })
}

// benchRows measures a kernel on rows of cols elements. floats is what it moves for each element.
func benchRows(b *testing.B, slices, floats int, call func(rows, cols int, s [][]float32, row [][]float32, targets []int32)) {
	for _, size := range []struct{ rows, cols int }{{8, 256}, {16384, 256}, {64, 50257}} {
		s := benchSlices(size.rows*size.cols, slices)
		row := benchSlices(max(size.rows, size.cols), 4)
		targets := make([]int32, size.rows)
		benchEachISA(b, fmt.Sprintf("rows=%d/cols=%d", size.rows, size.cols), func(b *testing.B) {
			b.SetBytes(int64(4 * floats * size.rows * size.cols))
			for b.Loop() {
				call(size.rows, size.cols, s, row, targets)
			}
		})
	}
}

func BenchmarkSoftmax(b *testing.B) {
	benchRows(b, 2, 2, func(rows, cols int, s, _ [][]float32, _ []int32) {
		Softmax(rows, cols, 0.125, 0, s[0], cols, s[1], cols)
	})
}

func BenchmarkSoftmaxBackward(b *testing.B) {
	benchRows(b, 3, 3, func(rows, cols int, s, _ [][]float32, _ []int32) {
		SoftmaxBackward(rows, cols, 0.125, 0, s[0], cols, s[1], cols, s[2], cols)
	})
}

func BenchmarkLayerNorm(b *testing.B) {
	benchRows(b, 2, 2, func(rows, cols int, s, r [][]float32, _ []int32) {
		LayerNorm(rows, cols, 1e-5, s[0], r[0], r[1], s[1], r[2], r[3])
	})
}

func BenchmarkLayerNormBackward(b *testing.B) {
	benchRows(b, 3, 4, func(rows, cols int, s, r [][]float32, _ []int32) {
		LayerNormBackward(rows, cols, s[0], r[0], r[1], r[1], s[1], s[2], r[2], r[3])
	})
}

func BenchmarkEulerLayerNorm(b *testing.B) {
	benchRows(b, 4, 4, func(rows, cols int, s, r [][]float32, _ []int32) {
		EulerLayerNorm(rows, cols, 0.5, 1e-5, s[0], s[1], r[0], r[1], s[2], s[3], r[2], r[3])
	})
}

func BenchmarkRMSNorm(b *testing.B) {
	benchRows(b, 2, 2, func(rows, cols int, s, r [][]float32, _ []int32) {
		RMSNorm(rows, cols, 1e-5, s[0], r[0], s[1], r[2])
	})
}

func BenchmarkRMSNormBackward(b *testing.B) {
	benchRows(b, 3, 4, func(rows, cols int, s, r [][]float32, _ []int32) {
		RMSNormBackward(rows, cols, s[0], r[0], r[1], s[1], s[2], r[2])
	})
}

// The four stages of the classical method, and their weights.
var benchWeights = []float32{1. / 6, 1. / 3, 1. / 3, 1. / 6}

func BenchmarkCombineLayerNorm(b *testing.B) {
	benchRows(b, 7, 7, func(rows, cols int, s, r [][]float32, _ []int32) {
		CombineLayerNorm(rows, cols, 0.5, 1e-5, s[0], benchWeights, s[1:5], 0, r[0], r[1], s[5], s[6], r[2], r[3])
	})
}

func BenchmarkCombineRMSNorm(b *testing.B) {
	benchRows(b, 7, 7, func(rows, cols int, s, r [][]float32, _ []int32) {
		CombineRMSNorm(rows, cols, 0.5, 1e-5, s[0], benchWeights, s[1:5], 0, r[0], s[5], s[6], r[3])
	})
}

func BenchmarkCrossEntropy(b *testing.B) {
	benchRows(b, 1, 1, func(rows, cols int, s, r [][]float32, targets []int32) {
		CrossEntropy(rows, cols, s[0], cols, targets, r[0])
	})
}

func BenchmarkCrossEntropyBackward(b *testing.B) {
	benchRows(b, 2, 2, func(rows, cols int, s, r [][]float32, targets []int32) {
		CrossEntropyBackward(rows, cols, 1, s[0], cols, targets, r[0], s[1], cols)
	})
}

// benchMatrices measures a kernel on two square matrices: in the first-level cache, in the second, and in
// memory with row strides that are a power of two and that are not.
func benchMatrices(b *testing.B, call func(n int, x, y []float32)) {
	for _, n := range []int{48, 256, 4096, 4100} {
		s := benchSlices(n*n, 2)
		benchEachISA(b, fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.SetBytes(int64(8 * n * n))
			for b.Loop() {
				call(n, s[0], s[1])
			}
		})
	}
}

func BenchmarkCopy(b *testing.B) {
	benchMatrices(b, func(n int, x, y []float32) { Copy(n, n, x, n, y, n) })
}

func BenchmarkTranspose(b *testing.B) {
	benchMatrices(b, func(n int, x, y []float32) { Transpose(n, n, x, n, y, n) })
}

// benchGather measures a kernel on the rows of a batch and a table of rows of 256: of the latter as many
// as bytes there are, or as a large vocabulary has.
func benchGather(b *testing.B, floats int, call func(table []float32, indices []int32, rows []float32)) {
	const cols = 256
	for _, size := range []struct{ vocabulary, tokens int }{{256, 256}, {50257, 16384}} {
		s := benchSlices(size.vocabulary*cols, 1)[0]
		rows := benchSlices(size.tokens*cols, 1)[0]
		indices := randomIndices(rand.New(rand.NewPCG(33, 34)), size.tokens, size.vocabulary)
		benchEachISA(b, fmt.Sprintf("rows=%d/tokens=%d", size.vocabulary, size.tokens), func(b *testing.B) {
			b.SetBytes(int64(4 * floats * len(rows)))
			for b.Loop() {
				call(s, indices, rows)
			}
		})
	}
}

func BenchmarkGather(b *testing.B) {
	benchGather(b, 2, func(table []float32, indices []int32, rows []float32) { Gather(256, table, indices, rows) })
}

func BenchmarkScatterAdd(b *testing.B) {
	benchGather(b, 3, func(table []float32, indices []int32, rows []float32) { ScatterAdd(256, rows, indices, table) })
}
