package kernels_test

import (
	"fmt"

	"github.com/vcycle-go/vcycle/kernels"
)

// C = A·Bᵀ for two 2×2 matrices.
func ExampleSgemm() {
	a, b, c := []float32{1, 2, 3, 4}, []float32{5, 6, 7, 8}, make([]float32, 4)
	kernels.Sgemm(false, true, 2, 2, 2, 1, a, 2, b, 2, 0, c, 2)
	fmt.Println(c)
	// Output: [17 23 39 53]
}

// The products of two small bfloat16 integers are exact.
func ExampleBgemm() {
	a, b, c := make([]kernels.BFloat16, 4), make([]kernels.BFloat16, 4), make([]float32, 4)
	kernels.ToBFloat16([]float32{1, 2, 3, 4}, a)
	kernels.ToBFloat16([]float32{5, 6, 7, 8}, b)
	kernels.Bgemm(false, false, 2, 2, 2, 1, a, 2, b, 2, 0, c, 2)
	fmt.Println(c)
	// Output: [19 22 43 50]
}

// An Euler step of a linear layer, x ← x + h·(x·W + b), written once.
func ExampleProduct() {
	x, w, bias := []float32{1, 2, 3, 4}, []float32{0, 1, 1, 0}, []float32{1, -1}
	y := make([]float32, 4)
	p := kernels.Product[float32, float32]{
		M: 2, N: 2, K: 2, Alpha: 0.5, A: x, LDA: 2, B: w, LDB: 2, Bias: bias, Beta: 1, D: x, LDD: 2, C: y, LDC: 2,
	}
	p.Run()
	fmt.Println(y)
	// Output: [2.5 2 5.5 5]
}

// A weight is packed once for each way that a training step reads it: X·W forward, dY·Wᵀ backward.
func ExamplePacked() {
	w := []float32{1, 2, 3, 4, 5, 6} // 2 inputs, 3 outputs
	var forward, backward kernels.Packed[float32, float32]
	forward.Pack(false, 2, 3, w, 3)
	backward.Pack(true, 3, 2, w, 3)

	y, dx := make([]float32, 3), make([]float32, 2)
	p := kernels.Product[float32, float32]{M: 1, N: 3, K: 2, Alpha: 1, A: []float32{1, 1}, LDA: 2, Packed: &forward, C: y, LDC: 3}
	p.Run()
	p = kernels.Product[float32, float32]{M: 1, N: 2, K: 3, Alpha: 1, A: y, LDA: 3, Packed: &backward, C: dx, LDC: 2}
	p.Run()
	fmt.Println(y, dx)
	// Output: [5 7 9] [46 109]
}

// Row i of causal attention scores sees the first i+1 columns.
func ExampleSoftmax() {
	scores := []float32{0, 9, 9, 1, 1, 9, 2, 2, 2}
	kernels.Softmax(3, 3, 1, 1, scores, 3, scores, 3)
	fmt.Printf("%.2f\n", scores)
	// Output: [1.00 0.00 0.00 0.50 0.50 0.00 0.33 0.33 0.33]
}

// squares is work for Parallel: chunks of a slice.
type squares []float64

func (s squares) Run(_, lo, hi int) {
	for i := lo; i < hi; i++ {
		s[i] = float64(i * i)
	}
}

// The chunks are the same for any number of threads.
func ExampleParallel() {
	s := make(squares, 5)
	kernels.Parallel(len(s), 2, &s)
	fmt.Println(s)
	// Output: [0 1 4 9 16]
}
