package kernels

import (
	"fmt"
	"unsafe"
)

// Product describes a matrix product with all that can be done to its result while that is in the
// registers or the caches:
//
//	Z = Alpha*(op(A)*op(B) + 1·Biasᵀ) + Beta*D,  C = Activation(Z)
//
// op(X) is X or, if the flag is set, Xᵀ; op(A) is M×K, op(B) is K×N, and C, D and Pre are M×N, all
// row-major with row strides LDA, LDB, LDC, LDD and LDPre. E is the element type of the operands, F that
// of the result: float32 and float32, float64 and float64, or BFloat16 and float32. Note that Alpha's zero
// value is 0, with which A, B and Bias are not read.
//
// A block x + h·(a·W + b) of a residual network is one product: Alpha h, Bias b, Beta 1, D x.
//
// Several products of one shape at fixed distances are one Product with Batch: product i has its A at
// A[i*StrideA:], and so on; a stride may be 0 for what all of them read, but not for what they write.
// Products of different shapes, or anywhere in memory, are run together by RunAll.
//
// Each element of Z is |computed − exact| ≤ γ(K+4)·(|Alpha|·(Σ|a||b| + |bias|) + |Beta·d|), γ as in Sgemm;
// the activations add their own errors.
//
// A Product is only a description, and is not changed by a run.
type Product[E entry, F float] struct {
	TransA, TransB bool
	M, N, K        int

	Alpha F
	A     []E
	LDA   int
	B     []E
	LDB   int
	// Packed, if not nil, is op(B), packed before, and stands in for B, LDB and TransB; or op(B) is its first
	// rows and columns. Products of few rows have the bits of the others with it, as with RowInvariant.
	Packed *Packed[E, F]
	// Bias, if not nil, is a row of N elements that is added to every row of op(A)*op(B).
	Bias []F

	Beta F
	// D, if not nil, is what Beta multiplies; otherwise that is C. It is not read if Beta is 0. It must be
	// C exactly or not overlap it.
	D   []F
	LDD int

	C   []F
	LDC int

	Activation Activation
	// Pre is where GELUTanh keeps Z, for the backward pass, unless it is nil, and where GELUTanhGrad reads
	// what that kept.
	Pre   []F
	LDPre int

	// Rounded, if not nil, becomes C, rounded as by ToBFloat16 while it is in the caches: for the products of bfloat16
	// that read it next, and only with operands of BFloat16. It must not overlap anything else. With it C may be nil, and
	// is not written, if the activation is GELUTanh with a Pre.
	Rounded   []BFloat16
	LDRounded int
	// RoundedOnly tells that nobody reads C after a product with a Rounded: it may be left with anything.
	RoundedOnly bool

	// Batch is the number of products; 0 stands for 1.
	Batch                                                        int
	StrideA, StrideB, StrideC, StrideD, StridePre, StrideRounded int

	// RowInvariant gives a row of C the same bits whatever the number of rows. Without it, products of few
	// rows, up to 32 with a transposed B and 16 otherwise, and of fewer than 20×20×20 bfloat16, may add up in
	// another order, which is faster.
	RowInvariant bool

	// Threads, if not 0, bounds the goroutines at this product, besides the function Threads.
	Threads int
}

// Activation is an elementwise function that ends a Product.
type Activation uint8

const (
	// Identity leaves Z as it is.
	Identity Activation = iota
	// GELUTanh is C = gelu(Z), with gelu as in GELU. If Pre is not nil, it becomes Z.
	GELUTanh
	// GELUTanhGrad is C = Z∘gelu'(Pre), the backward pass: with Z the gradient of the loss by the result of
	// gelu, C is that by its argument.
	GELUTanhGrad
)

// Run computes the product. Overlap, accuracy, threads and panics are as in Sgemm; no bit depends on
// Threads.
func (p *Product[E, F]) Run() {
	prec, kernel := kernelOf[E, F]()
	p.run(prec, kernel)
}

// RunAll computes many products, each with its own shape. With at least Threads() of them, each is computed
// by one goroutine, which is the fastest way for many small ones; otherwise they are computed one after the
// other, each by all goroutines. The products must be independent: none reads or writes what another
// writes. Each is as Product.Run has it, and if one is misused it panics before anything is computed.
func RunAll[E entry, F float](products []Product[E, F]) {
	prec, kernel := kernelOf[E, F]()
	for i := range products {
		products[i].check(prec.function)
	}
	if len(products) < Threads() || len(products) == 1 {
		for i := range products {
			products[i].run(prec, kernel)
		}
		return
	}
	w := prec.whole.take()
	w.list, w.prec, w.kernel, w.block, w.gridM, w.gridN, w.unitM = products, prec, kernel, kernel.fit(prec.block), 1, 1, kernel.mr
	w.reserve(products, min(len(products), Threads()))
	Parallel(len(products), 1, w)
	w.list = nil
	prec.whole.give(w)
}

// kernelOf returns what the element types stand for.
func kernelOf[E entry, F float]() (*precision[E, F], *gemmKernel[E, F]) {
	for _, c := range [...]struct{ precision, kernel any }{{&single, &active.gemm}, {&double, &active.gemm64}, {&half, &active.gemm16}} {
		if kernel, ok := c.kernel.(*gemmKernel[E, F]); ok {
			return c.precision.(*precision[E, F]), kernel
		}
	}
	var e E
	var f F
	panic(fmt.Sprintf("kernels: Product: no products of %T are summed in %T", e, f))
}

// run checks the product and deals it out.
func (p *Product[E, F]) run(prec *precision[E, F], kernel *gemmKernel[E, F]) {
	p.check(prec.function)
	if p.M == 0 || p.N == 0 {
		return
	}
	if p.runFar(prec, kernel) {
		return
	}
	// The grid is for the goroutines that are free: where they are not, as in a Task, cutting would only
	// pack more. No bit depends on it.
	threads, batch := 1, max(1, p.Batch)
	if p.M*p.N*batch >= kernel.parallelWork()/max(1, p.K) && !team.busy() {
		threads = Threads()
	}
	if p.Threads > 0 {
		threads = min(threads, p.Threads)
	}
	gridM, gridN, unitM := 1, 1, kernel.mr
	if bySums(prec, kernel, p, p.M, p.N) && !prec.gemv().fetchesB() {
		unitM = 1 // halves of the rows of B would not come as fast
	}
	if batch < threads {
		gridM, gridN = grid(kernel, unitM, p.M, p.N, p.K, threads/batch)
	}
	parts := batch * gridM * gridN
	threads = min(threads, parts)
	block := kernel.fit(prec.block)
	if parts == 1 && kernel.isSmall(p, block) {
		kernel.runSmall(p)
		return
	}
	free := &prec.whole
	if threads > 1 {
		free = &prec.cut
	}
	w := free.take()
	w.prec, w.kernel, w.block, w.gridM, w.gridN, w.unitM = prec, kernel, block, gridM, gridN, unitM
	w.reserve(unsafe.Slice(p, 1), threads)
	if parts == 1 { // as below, without copies and shares, which are a quarter of the time of 16×16×16
		g := gemmCall[E, F]{Product: *p, prec: prec, kernel: kernel.of(p), block: w.block, rows: p.M, cols: p.N}
		g.run(&w.buffers[0])
		free.give(w)
		return
	}
	w.one[0], w.list = *p, w.one[:]
	parallel(parts, 1, threads, w)
	w.one[0], w.list = Product[E, F]{}, nil // keeps nothing of the caller's alive
	free.give(w)
}

// check panics if the product is not one.
func (p *Product[E, F]) check(function string) {
	if p.M < 0 || p.N < 0 || p.K < 0 {
		panic(fmt.Sprintf("kernels: %s: m = %d, n = %d, k = %d", function, p.M, p.N, p.K))
	}
	if p.Batch < 0 || p.Threads < 0 || min(p.StrideA, p.StrideB, p.StrideC, p.StrideD, p.StridePre, p.StrideRounded) < 0 {
		panic(fmt.Sprintf("kernels: %s: batch of %d, strides %d, %d, %d, %d, %d, %d, %d threads",
			function, p.Batch, p.StrideA, p.StrideB, p.StrideC, p.StrideD, p.StridePre, p.StrideRounded, p.Threads))
	}
	if p.M == 0 || p.N == 0 {
		return
	}
	batch := max(1, p.Batch)
	keeps := p.Activation == GELUTanh && p.Pre != nil
	writesC := !(p.C == nil && p.Rounded != nil && keeps)
	if batch > 1 && (writesC && p.StrideC == 0 || keeps && p.StridePre == 0 || p.Rounded != nil && p.StrideRounded == 0) {
		panic(fmt.Sprintf("kernels: %s: a batch of %d writes C with stride %d, Pre with stride %d and Rounded with stride %d",
			function, batch, p.StrideC, p.StridePre, p.StrideRounded))
	}
	if writesC {
		checkMatrices(function, "C", p.M, p.N, batch, p.C, p.LDC, p.StrideC)
	} else if p.Beta != 0 && p.D == nil {
		panic(fmt.Sprintf("kernels: %s: beta is %v, with neither C nor D", function, p.Beta))
	}
	if p.Rounded != nil {
		if _, ok := any(p.A).([]BFloat16); !ok {
			panic(fmt.Sprintf("kernels: %s: Rounded is for operands of BFloat16", function))
		}
		checkMatrices(function, "Rounded", p.M, p.N, batch, p.Rounded, p.LDRounded, p.StrideRounded)
	}
	if p.D != nil && p.Beta != 0 {
		checkMatrices(function, "D", p.M, p.N, batch, p.D, p.LDD, p.StrideD)
	}
	switch p.Activation {
	case Identity:
	case GELUTanh, GELUTanhGrad:
		if p.Pre != nil || p.Activation == GELUTanhGrad {
			checkMatrices(function, "Pre", p.M, p.N, batch, p.Pre, p.LDPre, p.StridePre)
		}
	default:
		panic(fmt.Sprintf("kernels: %s: activation %d is none", function, p.Activation))
	}
	if p.Alpha == 0 {
		return
	}
	if p.Bias != nil && len(p.Bias) < p.N {
		panic(fmt.Sprintf("kernels: %s: %d columns but a bias of %d elements", function, p.N, len(p.Bias)))
	}
	if p.Packed != nil {
		p.Packed.check(function, p.K, p.N)
	}
	if p.K == 0 {
		return
	}
	if p.TransA {
		checkMatrices(function, "A", p.K, p.M, batch, p.A, p.LDA, p.StrideA)
	} else {
		checkMatrices(function, "A", p.M, p.K, batch, p.A, p.LDA, p.StrideA)
	}
	switch {
	case p.Packed != nil:
	case p.TransB:
		checkMatrices(function, "B", p.N, p.K, batch, p.B, p.LDB, p.StrideB)
	default:
		checkMatrices(function, "B", p.K, p.N, batch, p.B, p.LDB, p.StrideB)
	}
}

func checkMatrix[F entry](function, name string, rows, cols int, x []F, ld int) {
	checkMatrices(function, name, rows, cols, 1, x, ld, 0)
}

// checkMatrices panics unless x holds count matrices, of which each starts stride after the one before.
func checkMatrices[F entry](function, name string, rows, cols, count int, x []F, ld, stride int) {
	if ld < max(1, cols) {
		panic(fmt.Sprintf("kernels: %s: %s is %d×%d but its row stride is %d", function, name, rows, cols, ld))
	}
	// Not (rows-1)*ld + cols, which may overflow.
	left := len(x)
	if count > 1 && stride > 0 {
		if left/stride < count-1 {
			left = -1
		} else {
			left -= (count - 1) * stride
		}
	}
	if left < cols || (left-cols)/ld < rows-1 {
		batch := ""
		if count > 1 {
			batch = fmt.Sprintf(", %d of them %d apart", count, stride)
		}
		panic(fmt.Sprintf("kernels: %s: %s is %d×%d with row stride %d%s, which takes more than its %d elements", function, name, rows, cols, ld, batch, len(x)))
	}
}

// item returns product i of the batch.
func (p *Product[E, F]) item(i int) Product[E, F] {
	q := *p
	q.Batch = 0
	if i > 0 {
		if q.C != nil {
			q.C = q.C[i*q.StrideC:]
		}
		if q.Rounded != nil {
			q.Rounded = q.Rounded[i*q.StrideRounded:]
		}
		if q.Alpha != 0 && q.K > 0 {
			q.A = q.A[i*q.StrideA:]
			if q.Packed == nil {
				q.B = q.B[i*q.StrideB:]
			}
		}
		if q.D != nil && q.Beta != 0 {
			q.D = q.D[i*q.StrideD:]
		}
		if q.Pre != nil && q.Activation != Identity {
			q.Pre = q.Pre[i*q.StridePre:]
		}
	}
	return q
}

// part returns the product that computes rows [i0, i1) and columns [j0, j1) of C.
func (p *Product[E, F]) part(i0, i1, j0, j1 int) Product[E, F] {
	q := *p
	if q.Alpha != 0 && q.K > 0 {
		if q.TransA {
			q.A = q.A[i0:]
		} else {
			q.A = q.A[i0*q.LDA:]
		}
		switch {
		case q.Packed != nil:
		case q.TransB:
			q.B = q.B[j0*q.LDB:]
		default:
			q.B = q.B[j0:]
		}
	}
	if q.Bias != nil && q.Alpha != 0 {
		q.Bias = q.Bias[j0:]
	}
	if q.D != nil && q.Beta != 0 {
		q.D = q.D[i0*q.LDD+j0:]
	}
	if q.Pre != nil && q.Activation != Identity {
		q.Pre = q.Pre[i0*q.LDPre+j0:]
	}
	if q.C != nil {
		q.C = q.C[i0*q.LDC+j0:]
	}
	if q.Rounded != nil {
		q.Rounded = q.Rounded[i0*q.LDRounded+j0:]
	}
	q.M, q.N = i1-i0, j1-j0
	return q
}
