package kernels

import "unsafe"

// A product of a few rows with a large B is bound by reading B: for these, the kernels of the products
// with a vector read B in order, a few rows of it at a time for all rows of A, so that it comes from
// memory once. From how many rows on the tiles are faster was measured, on
// 1024×1024.
const (
	thinRows      = 4 // of A, where B is not transposed
	thinRowsTrans = 10
	// thinBlock is the number of elements of B that stay in the first cache for all rows of A.
	thinBlock = 4096
)

// thin tells whether the product takes that way. It must not depend on how the product is cut into columns,
// so that no bit does; one of so few rows is never cut into rows.
func (g *gemmCall[E, F]) thin() bool {
	if g.prec.gemv == nil || g.Packed != nil {
		return false
	}
	if g.TransB {
		return g.M <= thinRowsTrans
	}
	return g.M <= thinRows
}

// runThin computes C = activation(alpha*bias + beta*D), without the activation, and adds the product to it.
func (g *gemmCall[E, F]) runThin(buf *gemmBuffers[F]) {
	kern := g.prec.gemv()
	b := unsafe.Slice((*F)(unsafe.Pointer(unsafe.SliceData(g.B))), len(g.B)) // E is F
	a := g.rowsOfA(buf)
	for i := range g.M {
		g.begin(i)
	}
	if g.TransB {
		for p0 := 0; p0 < g.K; p0 += gemvCols {
			k := min(gemvCols, g.K-p0)
			step := max(gemvRows, thinBlock/k/gemvRows*gemvRows)
			for j := 0; j < g.N; j += step {
				rows := min(step, g.N-j)
				whole := rows / gemvRows * gemvRows
				for i := range g.M {
					z, x := g.rowZ(i)[j:], a[i*g.K+p0:]
					if whole > 0 {
						kern.n(whole, k, g.Alpha, &b[j*g.LDB+p0], g.LDB, &x[0], 1, &z[0])
					}
					for r := whole; r < rows; r++ {
						at := (j+r)*g.LDB + p0
						z[r] += F(g.Alpha * kern.dot(x[:k], b[at:at+k]))
					}
				}
			}
		}
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
	g.activate(0, g.M, 0, g.N)
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

// rowZ returns row i of where Z is left: C, or Pre where the activation keeps its argument.
func (g *gemmCall[E, F]) rowZ(i int) []F {
	if g.Activation == GELUTanh && g.Pre != nil {
		return g.Pre[i*g.LDPre : i*g.LDPre+g.N]
	}
	return g.C[i*g.LDC : i*g.LDC+g.N]
}

// begin sets row i of Z to alpha*bias + beta*D.
func (g *gemmCall[E, F]) begin(i int) {
	z, d := g.rowZ(i), g.C[i*g.LDC:i*g.LDC+g.N]
	if g.D != nil && g.Beta != 0 {
		d = g.D[i*g.LDD : i*g.LDD+g.N]
	}
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
func (g *gemmCall[E, F]) runEmpty() {
	for i := range g.M {
		g.begin(i)
	}
	g.activate(0, g.M, 0, g.N)
}
