package gonumlapack_test

import (
	"fmt"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"

	"github.com/vcycle-go/vcycle/kernels/gonumblas"
	"github.com/vcycle-go/vcycle/kernels/gonumlapack"
)

func Example() {
	blas64.Use(gonumblas.Implementation{}) // before anything else uses gonum
	lapack64.Use(gonumlapack.Implementation{})
	var lu mat.LU
	lu.Factorize(mat.NewDense(2, 2, []float64{1, 2, 3, 4}))
	fmt.Printf("%.3f\n", lu.Det())
	// Output: -2.000
}
