package kernels

import "unsafe"

// gemmGeneric is the definition of the micro-kernel in Go, on a tile that fits in the registers of most
// machines without vector units.
func gemmGeneric[F float]() gemmKernel[F, F] {
	return gemmKernel[F, F]{
		mr: 4, nr: 4, lanes: 4, group: 1, words: 1, inPlace: true,
		tile:  []gemmTile[F]{nil, tileGeneric[F](1), tileGeneric[F](2), tileGeneric[F](3), gemm4x4Generic[F]},
		packT: packTGeneric[F],
		packN: packNGeneric[F],
		copyN: copyNGeneric[F],
	}
}

// tileGeneric returns the tile for a number of rows: the sum over k in order.
func tileGeneric[F float](rows int) gemmTile[F] {
	return func(k int, alpha F, a *F, lda int, b *F, ldb int, bias *F, beta F, d *F, ldd int, c *F, ldc int, _ *ahead) {
		const nr = 4
		as, bs := unsafe.Slice(a, (k-1)*lda+rows), unsafe.Slice(b, (k-1)*ldb+nr)
		var s [3][nr]F
		for i := range rows {
			for j := range nr {
				for p := range k {
					s[i][j] += F(as[p*lda+i] * bs[p*ldb+j])
				}
			}
		}
		storeGeneric(s[:rows], alpha, bias, beta, d, ldd, c, ldc)
	}
}

// storeGeneric sets C = alpha*(S + 1·biasᵀ) + beta*D, without reading D if beta is 0.
func storeGeneric[F float](s [][4]F, alpha F, bias *F, beta F, d *F, ldd int, c *F, ldc int) {
	cs := unsafe.Slice(c, (len(s)-1)*ldc+4)
	if bias != nil {
		for j, v := range unsafe.Slice(bias, 4) {
			for i := range s {
				s[i][j] += v
			}
		}
	}
	for i := range s {
		for j, v := range s[i] {
			if beta == 0 {
				cs[i*ldc+j] = alpha * v
			} else {
				cs[i*ldc+j] = F(alpha*v) + F(beta*unsafe.Slice(d, (len(s)-1)*ldd+4)[i*ldd+j])
			}
		}
	}
}

// gemm4x4Generic is tileGeneric(4) with its sixteen sums in registers.
func gemm4x4Generic[F float](k int, alpha F, a *F, lda int, b *F, ldb int, bias *F, beta F, d *F, ldd int, c *F, ldc int, _ *ahead) {
	as, bs := unsafe.Slice(a, (k-1)*lda+4), unsafe.Slice(b, (k-1)*ldb+4)
	var s [4][4]F
	for p := range k {
		ap, bp := as[p*lda:p*lda+4:p*lda+4], bs[p*ldb:p*ldb+4:p*ldb+4]
		b0, b1, b2, b3 := bp[0], bp[1], bp[2], bp[3]
		for i := range s {
			v := ap[i]
			s[i][0] += F(v * b0)
			s[i][1] += F(v * b1)
			s[i][2] += F(v * b2)
			s[i][3] += F(v * b3)
		}
	}
	storeGeneric(s[:], alpha, bias, beta, d, ldd, c, ldc)
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

func copyNGeneric[F float](width, k int, src []F, ld int, dst []F, stride int) {
	for p := range k {
		copy(dst[p*stride:p*stride+width], src[p*ld:p*ld+width])
	}
}

// gemmConverting is the kernel of bfloat16 operands on the tile of float32: they are converted as they are
// packed.
func gemmConverting(kern gemmKernel[float32, float32], packT, packN func(count, k int, src *BFloat16, ld int, dst *float32, stride int)) gemmKernel[BFloat16, float32] {
	return gemmKernel[BFloat16, float32]{
		name: "float32",
		mr:   kern.mr, nr: kern.nr, lanes: kern.lanes, group: 1, words: 1, prefetches: kern.prefetches,
		tile:  kern.tile,
		packT: packT,
		packN: packN,
		copyN: copyNConverting,
	}
}

func packTConverting(rows, k int, src *BFloat16, ld int, dst *float32, stride int) {
	s, d := unsafe.Slice(src, (rows-1)*ld+k), unsafe.Slice(dst, (k-1)*stride+rows)
	for i := range rows {
		for p, v := range s[i*ld : i*ld+k] {
			d[p*stride+i] = v.Float32()
		}
	}
}

func packNConverting(width, k int, src *BFloat16, ld int, dst *float32, stride int) {
	copyNConverting(width, k, unsafe.Slice(src, (k-1)*ld+width), ld, unsafe.Slice(dst, (k-1)*stride+width), stride)
}

func copyNConverting(width, k int, src []BFloat16, ld int, dst []float32, stride int) {
	for p := range k {
		to := dst[p*stride : p*stride+width]
		for i, v := range src[p*ld : p*ld+width] {
			to[i] = v.Float32()
		}
	}
}

// copyNGroups is gemmKernel.copyN for panels where the elements of a step, two or four, stand beside each
// other.
func copyNGroups[G [2]BFloat16 | [4]BFloat16](width, k int, src []BFloat16, ld int, dst []float32, stride int) {
	var g G
	group := len(g)
	for p0 := 0; p0 < k; p0 += group {
		step := unsafe.Slice((*BFloat16)(unsafe.Pointer(&dst[p0/group*stride])), width*group)
		for i := range width {
			for p := range group {
				var v BFloat16
				if p0+p < k {
					v = src[(p0+p)*ld+i]
				}
				step[i*group+p] = v
			}
		}
	}
}
