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
