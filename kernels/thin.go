package kernels

import "unsafe"

// A product of a few rows with a large B is bound by reading B: for these, the kernels of the products
// with a vector read B in order, a few rows of it at a time for all rows of A, so that it comes from
// memory once; and a transposed B of more rows is not worth transposing. The bounds were measured on
// 1024×1024.
const (
	thinRows = 2 // of A, or one more where tiles do not prefetch
	// With gemvKernel.dots and so deep a product, B may be transposed.
	thinDotsRows  = 32
	thinDotsDepth = 128
	// thinBlock elements of B are to stay in the first cache for all rows of A, and thinDepth elements of
	// some of its rows.
	thinBlock = 4096
	thinDepth = 1024
	// thinElements of B are multiplied in a call, which cannot be preempted, or thinColumns columns of a transposed B,
	// which are to be in the caches for other rows of A.
	thinElements = 1 << 16
	thinColumns  = 32
	// sumsStride is the distance in bytes of what gemvKernel.sums adds to.
	sumsStride = page + page/4
	// sumsRows is the most rows that it is used for.
	sumsRows = 16
	// sumsLeast is the least rows for a goroutine: fewer, and B does not come fast enough.
	sumsLeast = 3
	// sumsFetched rows of B are multiplied while gemvKernel.sumsFetch fetches as many, or sumsFetchedNear if the first cache
	// holds these beside all sums.
	sumsFetched     = 32
	sumsFetchedNear = 8
)

// sumsFrom is the least size of a row of B and of B, in bytes, for which gemvKernel.sums computes products of more rows
// than thinRows; with as many rows as there is a function for, a quarter of B is enough.
var sumsFrom = struct{ row, matrix int }{page, 4 << 20}

// thin tells whether the product takes that way, by the sizes of the whole of it, so that no bit depends on
// how it is cut.
func (g *gemmCall[E, F]) thin() bool {
	switch {
	case g.prec.gemv == nil || g.Packed != nil || g.RowInvariant:
		return false
	case g.TransB && g.K >= thinDotsDepth && len(g.prec.gemv().dots) > 0:
		return g.rows <= thinDotsRows
	case g.rows <= thinRows || g.rows == thinRows+1 && !g.kernel.prefetches:
		return true
	}
	return bySums(g.prec, g.kernel, &g.Product, g.rows, g.cols)
}

// bySums tells whether gemvKernel.sums computes a product of so many rows and columns, or a part of it, faster than tiles
// do in place: where its B has rows so long that each is on a page of its own, and is too large for the second cache.
func bySums[E entry, F float](prec *precision[E, F], kernel *gemmKernel[E, F], p *Product[E, F], rows, cols int) bool {
	if prec.gemv == nil || p.TransB || p.Packed != nil || p.RowInvariant || !kernel.prefetches {
		return false
	}
	most := len(prec.gemv().sums) - 1
	var e E
	row := cols * int(unsafe.Sizeof(e))
	switch {
	case most < 1 || rows < 2 || rows > sumsRows || row < sumsFrom.row:
		return false
	case rows <= most:
		return p.K*row >= sumsFrom.matrix/4
	case rows < 2*most-1: // more than two rows less than two functions are for
		return p.K*row >= sumsFrom.matrix*4
	}
	return p.K*row >= sumsFrom.matrix
}

// fetchesB tells whether products of more rows than sums has a function for fetch the next rows of B all the while, from a
// far third cache, which otherwise does nothing while the later rows of A are multiplied. Their columns are dealt out
// then: each core reads a part of B, which may stay in its second cache from one product to the next, and half of
// each row of B comes as fast, fetched like that.
func (kern *gemvKernel[F]) fetchesB() bool {
	return secondLevel >= farCache && len(kern.sumsFetch) > 0
}

// runFar computes a product of one row whose B comes from memory, as the product of a matrix with a vector,
// and reports whether it is one. No bit depends on who calls it: only on the sizes.
func (p *Product[E, F]) runFar(prec *precision[E, F], kernel *gemmKernel[E, F]) bool {
	if p.M != 1 || p.Batch > 1 || p.Packed != nil || p.RowInvariant || prec.gemv == nil || p.Alpha == 0 {
		return false
	}
	c := gemvCall[F]{kernel: prec.gemv(), threads: p.Threads, farFrom: farFrom.weights, trans: !p.TransB, m: p.K, n: p.N, alpha: p.Alpha, lda: p.LDB, beta: 1}
	if p.TransB {
		c.m, c.n = p.N, p.K
	}
	if !c.isFar() {
		return false
	}
	g := gemmCall[E, F]{Product: *p, prec: prec, kernel: kernel, rows: 1}
	g.begin(0)
	z, _ := g.z()
	c.y = vector[F]{z, 0, 1}
	c.x = vector[F]{unsafe.Slice((*F)(unsafe.Pointer(unsafe.SliceData(p.A))), len(p.A)), 0, 1} // E is F
	if p.TransA {
		c.x.inc = p.LDA
	}
	c.a = unsafe.Slice((*F)(unsafe.Pointer(unsafe.SliceData(p.B))), len(p.B))
	c.run(prec.vectors, p.N)
	g.activate(nil, 0, 1, 0, p.N)
	return true
}

// runThin adds the product to alpha*bias + beta*D row by row, and applies the activation.
func (g *gemmCall[E, F]) runThin(buf *gemmBuffers[F]) {
	kern := g.prec.gemv()
	b := unsafe.Slice((*F)(unsafe.Pointer(unsafe.SliceData(g.B))), len(g.B)) // E is F
	a := g.rowsOfA(buf)
	for i := range g.M {
		g.begin(i)
	}
	if g.TransB {
		for p0 := 0; p0 < g.K; p0 += thinDepth {
			k := min(thinDepth, g.K-p0)
			group := max(gemvRows, thinElements/k/gemvRows*gemvRows)
			if g.rows >= len(kern.dots) && g.rows > 1 {
				group = thinColumns
			}
			for j := 0; j < g.N; j += group {
				g.dots(kern, a[p0:], b[j*g.LDB+p0:], k, j, min(group, g.N-j))
			}
		}
	} else if g.rows > 1 && len(kern.sums) > 0 {
		g.sums(buf, kern, a, b)
	} else {
		for j := 0; j < g.N; j += gemvCols {
			n := min(gemvCols, g.N-j)
			step := max(gemvRows, thinBlock/n/gemvRows*gemvRows)
			for p := 0; p < g.K; p += step {
				rows := min(step, g.K-p)
				whole := rows / gemvRows * gemvRows
				for i := range g.M {
					z, x := g.rowZ(i)[j:j+n], a[i*g.K+p:]
					if whole > 0 {
						kern.t(whole, n, g.Alpha, &b[p*g.LDB+j], g.LDB, &x[0], 1, &z[0])
					}
					for r := whole; r < rows; r++ {
						at := (p+r)*g.LDB + j
						kern.axpy(g.Alpha*x[r], b[at:at+n], z)
					}
				}
			}
		}
	}
	g.activate(buf, 0, g.M, 0, g.N)
}

// dots adds to cols columns of Z, from j on, what k elements of the rows of A and B bring.
func (g *gemmCall[E, F]) dots(kern *gemvKernel[F], a, b []F, k, j, cols int) {
	z, ldz := g.z()
	whole := cols / gemvRows * gemvRows
	// As even parts of the rows as there are functions for.
	parts := ceilDiv(g.M, max(1, len(kern.dots)-1))
	for q := 0; q < parts && whole > 0; q++ {
		i0, i1 := g.M*q/parts, g.M*(q+1)/parts
		if g.rows == 1 || len(kern.dots) == 0 {
			kern.n(whole, k, g.Alpha, &b[0], g.LDB, &a[i0*g.K], 1, &z[i0*ldz+j])
		} else {
			kern.dots[i1-i0](whole, k, g.Alpha, &a[i0*g.K], g.K, &b[0], g.LDB, 1, &z[i0*ldz+j], ldz)
		}
	}
	for r := whole; r < cols; r++ {
		for i := range g.M {
			z[i*ldz+j+r] += F(g.Alpha * kern.dot(a[i*g.K:i*g.K+k], b[r*g.LDB:r*g.LDB+k]))
		}
	}
}

// sums adds the product to Z, a page of columns at a time, which is copied to where neither its rows nor those of B, if
// they are whole pages apart, take the same lines of the first cache: as far from each other, and from what is loaded
// ahead of a store, as they can be.
func (g *gemmCall[E, F]) sums(buf *gemmBuffers[F], kern *gemvKernel[F], a, b []F) {
	var word F
	size := int(unsafe.Sizeof(word))
	z, ldz := g.z()
	ld := sumsStride / size
	buf.sums = grow(buf.sums, g.M*ld+page/size)
	for j := 0; j < g.N; j += page / size {
		n := min(page/size, g.N-j)
		y := apart(buf.sums, &b[j])
		for i := range g.M {
			copy(y[i*ld:], z[i*ldz+j:i*ldz+j+n])
		}
		step := max(gemvRows, thinElements/n/gemvRows*gemvRows)
		parts := ceilDiv(g.M, len(kern.sums)-1)
		// So many parts fetch the next rows of B, each its share: a row, or this and the one other elements further on, for
		// each gemvRows that it multiplies.
		fetching, other := 0, 0
		if parts > 1 && kern.fetchesB() {
			if fetching = 4; parts < 4 {
				fetching, other = 2, g.LDB
			}
			if step = sumsFetched; (g.M+sumsFetchedNear)*n*size <= firstCache {
				step = sumsFetchedNear
			}
		}
		for p := 0; p < g.K; p += step {
			rows := min(step, g.K-p)
			whole := rows / gemvRows * gemvRows
			for q := 0; q < parts && whole > 0; q++ {
				i0, i1 := g.M*q/parts, g.M*(q+1)/parts
				if next := p + step; q < fetching && next+step <= g.K {
					kern.sumsFetch[i1-i0](whole, n, g.Alpha, &b[p*g.LDB+j], g.LDB, &a[i0*g.K+p], g.K, &y[i0*ld],
						&b[(next+q*step/fetching)*g.LDB+j], other, g.LDB+other)
					continue
				}
				kern.sums[i1-i0](whole, n, g.Alpha, &b[p*g.LDB+j], g.LDB, &a[i0*g.K+p], g.K, &y[i0*ld])
			}
			for r := p + whole; r < p+rows; r++ {
				at := r*g.LDB + j
				for i := range g.M {
					kern.axpy(g.Alpha*a[i*g.K+r], b[at:at+n], y[i*ld:i*ld+n])
				}
			}
		}
		for i := range g.M {
			copy(z[i*ldz+j:i*ldz+j+n], y[i*ld:])
		}
	}
}

// apart returns x from half a page behind the place of b in its page on.
func apart[F float](x []F, b *F) []F {
	return x[int((address(b)+page/2-address(&x[0]))%page)/int(unsafe.Sizeof(*b)):]
}

// rowsOfA returns op(A), row after row.
func (g *gemmCall[E, F]) rowsOfA(buf *gemmBuffers[F]) []F {
	a := unsafe.Slice((*F)(unsafe.Pointer(unsafe.SliceData(g.A))), len(g.A))
	if !g.TransA && (g.LDA == g.K || g.M == 1) {
		return a
	}
	buf.a = grow(buf.a, g.M*g.K)
	for i := range g.M {
		row := buf.a[i*g.K : (i+1)*g.K]
		if !g.TransA {
			copy(row, a[i*g.LDA:])
			continue
		}
		for p := range row {
			row[p] = a[p*g.LDA+i]
		}
	}
	return buf.a
}

// rowZ returns row i of where Z is left.
func (g *gemmCall[E, F]) rowZ(i int) []F {
	z, ldz := g.z()
	return z[i*ldz : i*ldz+g.N]
}

// begin sets row i of Z to alpha*bias + beta*D.
func (g *gemmCall[E, F]) begin(i int) {
	z := g.rowZ(i)
	d, ldd := g.d()
	d = d[i*ldd : i*ldd+g.N]
	switch g.Beta {
	case 0:
		clear(z)
	case 1:
		copy(z, d)
	default:
		for j := range z {
			z[j] = g.Beta * d[j]
		}
	}
	if g.Bias != nil && g.Alpha != 0 {
		for j, v := range g.Bias[:g.N] {
			z[j] += F(g.Alpha * v)
		}
	}
}

// runEmpty is run where there is nothing to multiply.
func (g *gemmCall[E, F]) runEmpty(buf *gemmBuffers[F]) {
	for i := range g.M {
		g.begin(i)
	}
	g.activate(buf, 0, g.M, 0, g.N)
}
