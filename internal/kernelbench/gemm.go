package kernelbench

import (
	"slices"
	"unsafe"

	"github.com/vcycle-go/vcycle/kernels"
)

// Shape is a product: op(A) is M×K, op(B) is K×N. Trans is NN, TN, NT or TT.
type Shape struct {
	M, N, K int
	Trans   string
}

// Shapes returns the products that are timed unless others are asked for: squares; those of training a
// Transformer on M tokens, its gradients of inputs (NT) and of weights (TN); those of attention; and few
// rows against a matrix, as in generating text.
func Shapes() []Shape {
	var all []Shape
	for _, n := range []int{64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048} {
		for _, trans := range []string{"NN", "NT", "TN"} {
			all = append(all, Shape{n, n, n, trans})
		}
	}
	all = append(all, Shape{1024, 1024, 1024, "TT"})
	linear := func(tokens, in, out int) {
		all = append(all, Shape{tokens, out, in, "NN"}, Shape{tokens, in, out, "NT"}, Shape{in, out, tokens, "TN"})
	}
	for _, tokens := range []int{256, 1024, 4096} {
		linear(tokens, 256, 256)
		linear(tokens, 256, 1024)
		linear(tokens, 1024, 256)
		linear(tokens, 768, 768)
		linear(tokens, 768, 3072)
	}
	linear(2048, 256, 4096) // the head
	for _, t := range []int{64, 128, 256, 512} {
		all = append(all, Shape{t, t, 32, "NT"}, Shape{t, 32, t, "NN"}, Shape{t, 32, t, "TN"}, Shape{t, t, 64, "NT"}, Shape{t, 64, t, "NN"})
	}
	for _, m := range []int{1, 2, 4, 8, 16} {
		all = append(all, Shape{m, 1024, 1024, "NN"}, Shape{m, 1024, 1024, "NT"})
	}
	seen := map[Shape]bool{}
	return slices.DeleteFunc(all, func(s Shape) bool {
		twice := seen[s]
		seen[s] = true
		return twice
	})
}

// Bytes returns how much memory the operands take.
func (s Shape) Bytes(dtype string) int64 {
	m, n, k := int64(s.M), int64(s.N), int64(s.K)
	return int64(products[dtype].size) * (m*k + k*n + m*n)
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

// Gemm returns the case of a product. It panics if the type is not one of DTypes.
func Gemm(s Shape, dtype string, threads int) *Case {
	p, ok := products[dtype]
	if !ok {
		panic("kernelbench: Gemm: type " + dtype)
	}
	return &Case{
		Name: p.name, M: s.M, N: s.N, K: s.K, Trans: s.Trans, DType: dtype, Threads: threads,
		Flops:   2 * float64(s.M) * float64(s.N) * float64(s.K),
		prepare: p.prepare(s),
	}
}

func prepareProduct[E element, F float32 | float64](call func(transA, transB bool, m, n, k int, alpha F, a []E, lda int, b []E, ldb int, beta F, c []F, ldc int)) func(s Shape) func(m *memory) func() {
	return func(s Shape) func(m *memory) func() {
		return func(m *memory) func() {
			m.reserve(int(unsafe.Sizeof(F(0)))*(s.M*s.K+s.K*s.N+s.M*s.N), 3)
			a, b, c := take[E](m, s.M*s.K), take[E](m, s.K*s.N), take[F](m, s.M*s.N)
			transA, transB, lda, ldb := s.Trans[0] == 'T', s.Trans[1] == 'T', s.K, s.N
			if transA {
				lda = s.M
			}
			if transB {
				ldb = s.K
			}
			return func() { call(transA, transB, s.M, s.N, s.K, 1, a, lda, b, ldb, 0, c, s.N) }
		}
	}
}
