package kernelbench

import (
	"slices"
	"unsafe"

	"github.com/vcycle-go/vcycle/kernels"
)

// Shape is a product: op(A) is M×K, op(B) is K×N. Trans is NN, TN, NT or TT. With a Batch above 1 it is so
// many of them in one call.
type Shape struct {
	M, N, K int
	Trans   string
	Batch   int
}

// Shapes returns the products that are timed unless others are asked for: squares; those of training a
// Transformer on M tokens, its gradients of inputs (NT) and of weights (TN); those of attention; and few
// rows against a matrix, as in generating text.
func Shapes() []Shape {
	var all []Shape
	for _, n := range []int{64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048} {
		for _, trans := range []string{"NN", "NT", "TN"} {
			all = append(all, Shape{M: n, N: n, K: n, Trans: trans})
		}
	}
	all = append(all, Shape{M: 1024, N: 1024, K: 1024, Trans: "TT"})
	linear := func(tokens, in, out int) {
		all = append(all,
			Shape{M: tokens, N: out, K: in, Trans: "NN"}, Shape{M: tokens, N: in, K: out, Trans: "NT"}, Shape{M: in, N: out, K: tokens, Trans: "TN"})
	}
	for _, tokens := range []int{256, 1024, 4096} {
		linear(tokens, 256, 256)
		linear(tokens, 256, 1024)
		linear(tokens, 1024, 256)
		linear(tokens, 768, 768)
		linear(tokens, 768, 3072)
	}
	linear(2048, 256, 256)
	linear(2048, 256, 1024)
	// The head, with a small vocabulary and that of GPT-2.
	linear(2048, 256, 4096)
	linear(512, 256, 50257)
	for _, t := range []int{64, 128, 256, 512} {
		for _, batch := range []int{1, 16} {
			all = append(all,
				Shape{t, t, 32, "NT", batch}, Shape{t, 32, t, "NN", batch}, Shape{t, 32, t, "TN", batch}, Shape{t, t, 64, "NT", batch}, Shape{t, 64, t, "NN", batch})
		}
	}
	for _, m := range []int{1, 2, 4, 8, 16} {
		all = append(all, Shape{M: m, N: 1024, K: 1024, Trans: "NN"}, Shape{M: m, N: 1024, K: 1024, Trans: "NT"})
	}
	seen := map[Shape]bool{}
	return slices.DeleteFunc(all, func(s Shape) bool {
		s.Batch = max(1, s.Batch)
		twice := seen[s]
		seen[s] = true
		return twice
	})
}

// Bytes returns how much memory the operands take.
func (s Shape) Bytes(dtype string) int64 {
	m, n, k := int64(s.M), int64(s.N), int64(s.K)
	return int64(products[dtype].size*max(1, s.Batch)) * (m*k + k*n + m*n)
}

// DTypes are the types of elements of the products.
var DTypes = []string{"f32", "f64", "bf16"}

// products are the exported functions by their element type.
var products = map[string]struct {
	name    string
	size    int // bytes of an element
	prepare func(s Shape) func(m *memory) func()
}{
	"f32":  {"Sgemm", 4, prepareProduct(kernels.Sgemm)},
	"f64":  {"Dgemm", 8, prepareProduct(kernels.Dgemm)},
	"bf16": {"Bgemm", 4, prepareProduct(kernels.Bgemm)}, // 2 for the operands, 4 for the result
}

// Gemm returns the case of a product, or of a batch of them. It panics if the type is not one of DTypes.
func Gemm(s Shape, dtype string, threads int) *Case {
	p, ok := products[dtype]
	if !ok {
		panic("kernelbench: Gemm: type " + dtype)
	}
	c := &Case{
		Name: p.name, M: s.M, N: s.N, K: s.K, Trans: s.Trans, DType: dtype, Threads: threads,
		Flops:   2 * float64(s.M) * float64(s.N) * float64(s.K) * float64(max(1, s.Batch)),
		prepare: p.prepare(s),
	}
	if s.Batch > 1 {
		c.Name, c.Batch = "Product", s.Batch
	}
	return c
}

// prepareProduct returns what makes the operands of a shape for a function, or for the same product in
// batches.
func prepareProduct[E element, F float32 | float64](call func(transA, transB bool, m, n, k int, alpha F, a []E, lda int, b []E, ldb int, beta F, c []F, ldc int)) func(s Shape) func(m *memory) func() {
	return func(s Shape) func(m *memory) func() {
		return func(m *memory) func() {
			batch := max(1, s.Batch)
			m.reserve(int(unsafe.Sizeof(F(0)))*batch*(s.M*s.K+s.K*s.N+s.M*s.N), 3)
			p := kernels.Product[E, F]{
				TransA: s.Trans[0] == 'T', TransB: s.Trans[1] == 'T', M: s.M, N: s.N, K: s.K, Alpha: 1,
				A: take[E](m, batch*s.M*s.K), LDA: s.K, B: take[E](m, batch*s.K*s.N), LDB: s.N, C: take[F](m, batch*s.M*s.N), LDC: s.N,
				Batch: batch, StrideA: s.M * s.K, StrideB: s.K * s.N, StrideC: s.M * s.N,
			}
			if p.TransA {
				p.LDA = s.M
			}
			if p.TransB {
				p.LDB = s.K
			}
			if batch > 1 {
				return p.Run
			}
			return func() { call(p.TransA, p.TransB, p.M, p.N, p.K, 1, p.A, p.LDA, p.B, p.LDB, 0, p.C, p.LDC) }
		}
	}
}
