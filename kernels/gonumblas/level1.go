package gonumblas

import "github.com/vcycle-go/vcycle/kernels"

// The operations of level 1 on vectors without gaps, and scal down a column whose elements are in few sets of
// the caches. Wrong arguments, those that leave nothing to do, and other increments go to gonum.

// short is the length below which a call of gonum's loops takes less time than that of a kernel.
const short = 32

// dense tells whether the vector has n ≥ 1 elements next to each other.
func dense(n, inc, length int) bool { return n > 0 && inc == 1 && length >= n }

// Saxpy computes y = y + alpha*x.
func (impl Implementation) Saxpy(n int, alpha float32, x []float32, incX int, y []float32, incY int) {
	if n < short || !dense(n, incX, len(x)) || !dense(n, incY, len(y)) || alpha == 0 {
		impl.Implementation.Saxpy(n, alpha, x, incX, y, incY)
		return
	}
	kernels.Axpy(alpha, x[:n], y[:n])
}

// Daxpy computes y = y + alpha*x.
func (impl Implementation) Daxpy(n int, alpha float64, x []float64, incX int, y []float64, incY int) {
	if n < short || !dense(n, incX, len(x)) || !dense(n, incY, len(y)) || alpha == 0 {
		impl.Implementation.Daxpy(n, alpha, x, incX, y, incY)
		return
	}
	kernels.Daxpy(alpha, x[:n], y[:n])
}

// Sdot returns Σ x*y.
func (impl Implementation) Sdot(n int, x []float32, incX int, y []float32, incY int) float32 {
	if n < short || !dense(n, incX, len(x)) || !dense(n, incY, len(y)) {
		return impl.Implementation.Sdot(n, x, incX, y, incY)
	}
	return kernels.Dot(x[:n], y[:n])
}

// Ddot returns Σ x*y.
func (impl Implementation) Ddot(n int, x []float64, incX int, y []float64, incY int) float64 {
	if n < short || !dense(n, incX, len(x)) || !dense(n, incY, len(y)) {
		return impl.Implementation.Ddot(n, x, incX, y, incY)
	}
	return kernels.Ddot(x[:n], y[:n])
}

// Sscal computes x = alpha*x; as in gonum, alpha = 0 sets x to 0 whatever it holds.
func (impl Implementation) Sscal(n int, alpha float32, x []float32, incX int) {
	switch {
	case n < short || alpha == 0 || !spaced(n, incX, len(x)):
		impl.Implementation.Sscal(n, alpha, x, incX)
	case incX == 1:
		kernels.Scal(alpha, x[:n])
	case incX%(4096/4) == 0:
		kernels.ScalInc(n, alpha, x, incX)
	default:
		impl.Implementation.Sscal(n, alpha, x, incX)
	}
}

// Dscal computes x = alpha*x; as in gonum, alpha = 0 sets x to 0 whatever it holds.
func (impl Implementation) Dscal(n int, alpha float64, x []float64, incX int) {
	switch {
	case n < short || alpha == 0 || !spaced(n, incX, len(x)):
		impl.Implementation.Dscal(n, alpha, x, incX)
	case incX == 1:
		kernels.Dscal(alpha, x[:n])
	case incX%(4096/8) == 0:
		kernels.DscalInc(n, alpha, x, incX)
	default:
		impl.Implementation.Dscal(n, alpha, x, incX)
	}
}

// spaced tells whether n elements with a positive increment are within length.
func spaced(n, inc, length int) bool {
	return inc == 1 && n <= length || inc > 0 && length > 0 && n-1 <= (length-1)/inc
}

// Sasum returns Σ |x|.
func (impl Implementation) Sasum(n int, x []float32, incX int) float32 {
	if !dense(n, incX, len(x)) {
		return impl.Implementation.Sasum(n, x, incX)
	}
	return kernels.Asum(x[:n])
}

// Dasum returns Σ |x|.
func (impl Implementation) Dasum(n int, x []float64, incX int) float64 {
	if !dense(n, incX, len(x)) {
		return impl.Implementation.Dasum(n, x, incX)
	}
	return kernels.Dasum(x[:n])
}

// Snrm2 returns √(Σ x²).
func (impl Implementation) Snrm2(n int, x []float32, incX int) float32 {
	if !dense(n, incX, len(x)) {
		return impl.Implementation.Snrm2(n, x, incX)
	}
	return kernels.Nrm2(x[:n])
}

// Dnrm2 returns √(Σ x²).
func (impl Implementation) Dnrm2(n int, x []float64, incX int) float64 {
	if !dense(n, incX, len(x)) {
		return impl.Implementation.Dnrm2(n, x, incX)
	}
	return kernels.Dnrm2(x[:n])
}

// Isamax returns the first index at which |x| is largest, NaN left out but for a NaN at index 0, which is
// then returned.
func (impl Implementation) Isamax(n int, x []float32, incX int) int {
	if n < short || !dense(n, incX, len(x)) || x[0] != x[0] {
		return impl.Implementation.Isamax(n, x, incX)
	}
	return kernels.Iamax(x[:n])
}

// Idamax returns the first index at which |x| is largest, NaN left out but for a NaN at index 0, which is
// then returned.
func (impl Implementation) Idamax(n int, x []float64, incX int) int {
	if n < short || !dense(n, incX, len(x)) || x[0] != x[0] {
		return impl.Implementation.Idamax(n, x, incX)
	}
	return kernels.Idamax(x[:n])
}

// Sswap exchanges x and y.
func (impl Implementation) Sswap(n int, x []float32, incX int, y []float32, incY int) {
	if n < short || !dense(n, incX, len(x)) || !dense(n, incY, len(y)) {
		impl.Implementation.Sswap(n, x, incX, y, incY)
		return
	}
	swap(x[:n], y[:n])
}

// Dswap exchanges x and y.
func (impl Implementation) Dswap(n int, x []float64, incX int, y []float64, incY int) {
	if n < short || !dense(n, incX, len(x)) || !dense(n, incY, len(y)) {
		impl.Implementation.Dswap(n, x, incX, y, incY)
		return
	}
	swap(x[:n], y[:n])
}

// swap exchanges x and y by copies, which move whole vector registers.
func swap[F float32 | float64](x, y []F) {
	var buf [128]F
	for len(x) > 0 {
		n := copy(buf[:], x)
		copy(x, y[:n])
		copy(y, buf[:n])
		x, y = x[n:], y[n:]
	}
}
