package kernels

import "unsafe"

// gemvGeneric is the definition of the products of level 2 in Go.
func gemvGeneric[F float]() gemvKernel[F] {
	return gemvKernel[F]{n: gemvNGeneric[F], t: gemvTGeneric[F], ger: gerGeneric[F], gerRows: gerGeneric[F], dot: dotGeneric[F], axpy: axpyGeneric[F]}
}

func gemvNGeneric[F float](m, n int, alpha F, a *F, lda int, x *F, beta F, y *F) {
	as, xs, ys := unsafe.Slice(a, (m-1)*lda+n), unsafe.Slice(x, n), unsafe.Slice(y, m)
	for i := range ys {
		addScaled(&ys[i], alpha, dotGeneric(as[i*lda:i*lda+n], xs), beta)
	}
}

func gemvTGeneric[F float](m, n int, alpha F, a *F, lda int, x *F, incX int, y *F) {
	as, ys := unsafe.Slice(a, (m-1)*lda+n), unsafe.Slice(y, n)
	for i := range m {
		axpyGeneric(alpha**element(x, i*incX), as[i*lda:i*lda+n], ys)
	}
}

func gerGeneric[F float](m, n int, alpha F, x *F, incX int, y, a *F, lda int) {
	as, ys := unsafe.Slice(a, (m-1)*lda+n), unsafe.Slice(y, n)
	for i := range m {
		axpyGeneric(alpha**element(x, i*incX), ys, as[i*lda:i*lda+n])
	}
}

// element returns the address of x[i], where i may be negative.
func element[F float](x *F, i int) *F {
	return (*F)(unsafe.Add(unsafe.Pointer(x), i*int(unsafe.Sizeof(*x))))
}

// addScaled sets y = alpha*s + beta*y, without reading y if beta is 0.
func addScaled[F float](y *F, alpha, s, beta F) {
	s *= alpha
	if beta != 0 {
		s += F(beta * *y)
	}
	*y = s
}
