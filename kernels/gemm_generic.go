package kernels

import "unsafe"

// gemmGeneric is the definition of the micro-kernel in Go, on a tile that fits in the registers of most
// machines without vector units.
func gemmGeneric[F float]() gemmKernel[F] {
	return gemmKernel[F]{
		mr: 4, nr: 4, lanes: 4,
		tile:  []gemmTile[F]{nil, tileGeneric[F](1), tileGeneric[F](2), tileGeneric[F](3), gemm4x4Generic[F]},
		packT: packTGeneric[F],
		packN: packNGeneric[F],
	}
}

// tileGeneric returns the tile for a number of rows: C = alpha*A*B + beta*C, the sum over k in order.
func tileGeneric[F float](rows int) gemmTile[F] {
	return func(k int, alpha F, a, b *F, beta F, c *F, ldc int) {
		const nr = 4
		as, bs := unsafe.Slice(a, k*rows), unsafe.Slice(b, k*nr)
		cs := unsafe.Slice(c, (rows-1)*ldc+nr)
		for i := range rows {
			for j := range nr {
				var s F
				for p := range k {
					s += F(as[p*rows+i] * bs[p*nr+j])
				}
				storeGeneric(&cs[i*ldc+j], alpha, s, beta)
			}
		}
	}
}

// storeGeneric sets c = alpha*s + beta*c, without reading c if beta is 0.
func storeGeneric[F float](c *F, alpha, s, beta F) {
	if beta == 0 {
		*c = alpha * s
		return
	}
	*c = F(alpha*s) + F(beta**c)
}

// gemm4x4Generic is tileGeneric(4) with its sixteen sums in registers.
func gemm4x4Generic[F float](k int, alpha F, a, b *F, beta F, c *F, ldc int) {
	as, bs := unsafe.Slice(a, k*4), unsafe.Slice(b, k*4)
	var s [4][4]F
	for p := 0; p < len(as) && p < len(bs); p += 4 {
		ap, bp := as[p:p+4:p+4], bs[p:p+4:p+4]
		b0, b1, b2, b3 := bp[0], bp[1], bp[2], bp[3]
		for i := range s {
			v := ap[i]
			s[i][0] += F(v * b0)
			s[i][1] += F(v * b1)
			s[i][2] += F(v * b2)
			s[i][3] += F(v * b3)
		}
	}
	cs := unsafe.Slice(c, 3*ldc+4)
	for i := range s {
		for j := range s[i] {
			storeGeneric(&cs[i*ldc+j], alpha, s[i][j], beta)
		}
	}
}

func packTGeneric[F float](rows, k int, src *F, ld int, dst *F, stride int) {
	s, d := unsafe.Slice(src, (rows-1)*ld+k), unsafe.Slice(dst, (k-1)*stride+rows)
	for i := range rows {
		for p := range k {
			d[p*stride+i] = s[i*ld+p]
		}
	}
}

func packNGeneric[F float](width, k int, src *F, ld int, dst *F, stride int) {
	s, d := unsafe.Slice(src, (k-1)*ld+width), unsafe.Slice(dst, (k-1)*stride+width)
	for p := range k {
		copy(d[p*stride:p*stride+width], s[p*ld:p*ld+width])
	}
}
