package main

import "fmt"

// The register tile of NEON: 8 rows of three vectors are 24 accumulators, which leaves eight registers
// for three vectors of B and two of A.
const (
	neonRows    = 8
	neonVectors = 3
)

// gemmNEON writes the register tiles of the matrix product and the copies that pack its operands. There
// is one function for every height, so that a ragged edge costs no wasted multiply-adds.
func gemmNEON(n *neon) {
	for rows := 1; rows <= neonRows; rows++ {
		n.gemmTile(rows)
	}
	n.packT()
	n.packN()
}

// gemmTile writes the tile of the given height. A step of K loads the rows elements of A and the three
// vectors of B once and multiplies by element, so that no element of A is ever broadcast.
func (n *neon) gemmTile(rows int) {
	n.function(fmt.Sprintf("gemm%dx%d", rows, 4*neonVectors),
		"func(k int, alpha float32, a, b *float32, beta float32, c *float32, ldc int)",
		"is the register tile described at gemmKernel.")
	k, a, b := n.param("k"), n.param("a"), n.param("b")
	acc := make([][]vreg, rows)
	for i := range acc {
		for range neonVectors {
			acc[i] = append(acc[i], n.zero())
		}
	}
	n.scope(func() {
		loop := n.newLabel("loop")
		bv := n.vs(neonVectors)
		n.label(loop)
		n.op("FLDPQ", b.at(0), fmt.Sprintf("(%s, %s)", bv[0].f(), bv[1].f()))
		n.op("FMOVQ", b.at(32), bv[2].f())
		av := n.loadColumn(a, rows)
		n.op("ADD", imm(16*neonVectors), b)
		n.op("ADD", imm(4*rows), a)
		n.op("SUBS", imm(1), k)
		for i := range rows {
			for j := range neonVectors {
				n.fmlaLane(acc[i][j], bv[j], av[i].v, av[i].lane)
			}
		}
		n.op("BNE", loop)
	})

	c, ldc := n.param("c"), n.param("ldc")
	n.op("LSL", imm(2), ldc)
	alpha, bits := n.scalar("alpha"), n.x()
	n.op("MOVWU", n.arg("beta"), bits)
	overwrite := n.newLabel("overwrite")
	n.op("TSTW", "$0x7fffffff", bits) // without the sign: −0 is 0
	n.op("BEQ", overwrite)
	beta := n.scalar("beta")
	n.storeTile(acc, alpha, &beta, c, ldc)
	n.label(overwrite)
	n.storeTile(acc, alpha, nil, c, ldc)
}

// element is one lane of a vector register.
type element struct {
	v    vreg
	lane int
}

// loadColumn loads rows consecutive elements at a, and no memory beyond them.
func (n *neon) loadColumn(a xreg, rows int) []element {
	var e []element
	load := func(mnemonic string, first, lanes int) {
		v := n.v()
		n.op(mnemonic, a.at(4*first), v.f())
		for i := len(e) - first; i < lanes; i++ {
			e = append(e, element{v, i})
		}
	}
	switch {
	case rows == 8:
		v, w := n.v(), n.v()
		n.op("FLDPQ", a.at(0), fmt.Sprintf("(%s, %s)", v.f(), w.f()))
		for i := range 8 {
			e = append(e, element{[]vreg{v, w}[i/4], i % 4})
		}
	case rows > 4: // the second vector overlaps the first
		load("FMOVQ", 0, 4)
		load("FMOVQ", rows-4, 4)
	case rows == 4:
		load("FMOVQ", 0, 4)
	case rows == 3:
		load("FMOVD", 0, 2)
		load("FMOVS", 2, 1)
	case rows == 2:
		load("FMOVD", 0, 2)
	case rows == 1:
		load("FMOVS", 0, 1)
	}
	return e
}

// storeTile sets C = alpha*acc, plus beta*C unless beta is nil, and returns.
func (n *neon) storeTile(acc [][]vreg, alpha vreg, beta *vreg, c, ldc xreg) {
	n.scope(func() {
		old := n.vs(neonVectors)
		for i, row := range acc {
			if beta != nil {
				n.op("FLDPQ", c.at(0), fmt.Sprintf("(%s, %s)", old[0].f(), old[1].f()))
				n.op("FMOVQ", c.at(32), old[2].f())
			}
			for j, v := range row {
				n.fmul(v, v, alpha)
				if beta != nil {
					n.fmla(v, old[j], *beta)
				}
			}
			n.op("FSTPQ", fmt.Sprintf("(%s, %s)", row[0].f(), row[1].f()), c.at(0))
			n.op("FMOVQ", row[2].f(), c.at(32))
			if i+1 < len(acc) {
				n.op("ADD", ldc, c)
			}
		}
		n.ret()
	})
}

// packT transposes up to four rows of k elements, 4×4 at a time, then the last k mod 4 columns one by
// one. Rows past the last repeat it: the copies land where a later step overwrites them, or in the slack.
func (n *neon) packT() {
	n.function("packT", "func(rows, k int, src *float32, ld int, dst *float32, stride int)",
		"is gemmKernel.packT.")
	rows, k := n.param("rows"), n.param("k")
	src, ld, dst, stride := n.param("src"), n.param("ld"), n.param("dst"), n.param("stride")
	n.op("LSL", imm(2), ld)
	n.op("LSL", imm(2), stride)
	row := []xreg{src}
	for i := 1; i < 4; i++ {
		row = append(row, n.x())
		n.op("ADD", ld, row[i-1], row[i])
		n.op("CMP", imm(i), rows)
		n.op("CSEL", "GT", row[i], row[i-1], row[i])
	}

	block, tail, column, done := n.newLabel("block"), n.newLabel("tail"), n.newLabel("column"), n.newLabel("done")
	n.op("SUBS", imm(4), k)
	n.op("BLT", tail)
	n.label(block)
	r, t := n.vs(4), n.vs(4)
	for i, x := range row {
		n.op("FMOVQ.P", x.at(16), r[i].f())
	}
	// Pairs of elements, then pairs of pairs.
	for h := range 2 {
		n.op("VTRN1", r[2*h+1].s4(), r[2*h].s4(), t[2*h].s4())
		n.op("VTRN2", r[2*h+1].s4(), r[2*h].s4(), t[2*h+1].s4())
	}
	for h := range 2 {
		n.op("VTRN1", t[2+h].d2(), t[h].d2(), r[h].d2())
		n.op("VTRN2", t[2+h].d2(), t[h].d2(), r[2+h].d2())
	}
	for _, v := range r {
		n.op("FMOVQ", v.f(), dst.at(0))
		n.op("ADD", stride, dst)
	}
	n.op("SUBS", imm(4), k)
	n.op("BGE", block)

	n.label(tail)
	n.op("ADDS", imm(4), k)
	n.op("BEQ", done)
	n.label(column)
	for i, x := range row {
		n.op("FMOVS.P", x.at(4), t[i].f())
	}
	for i := 1; i < 4; i++ {
		n.op("VMOV", t[i].lane(0), t[0].lane(i))
	}
	n.op("FMOVQ", t[0].f(), dst.at(0))
	n.op("ADD", stride, dst)
	n.op("SUBS", imm(1), k)
	n.op("BNE", column)
	n.label(done)
	n.ret()
}

// packN copies k rows of width elements, whole vectors at a time.
func (n *neon) packN() {
	n.function("packN", "func(width, k int, src *float32, ld int, dst *float32, stride int)",
		"is gemmKernel.packN.")
	width, k, src, ld, dst, stride := n.param("width"), n.param("k"), n.param("src"), n.param("ld"), n.param("dst"), n.param("stride")
	n.op("LSL", imm(2), ld)
	n.op("LSL", imm(2), stride)
	v := n.vs(neonVectors)
	labels := []string{n.newLabel("one"), n.newLabel("two"), n.newLabel("three")}
	n.op("CMP", imm(8), width)
	n.op("BGT", labels[2])
	n.op("CMP", imm(4), width)
	n.op("BGT", labels[1])
	for i, label := range labels {
		n.label(label)
		for j := range i + 1 {
			n.op("FMOVQ", src.at(16*j), v[j].f())
		}
		n.op("ADD", ld, src)
		for j := range i + 1 {
			n.op("FMOVQ", v[j].f(), dst.at(16*j))
		}
		n.op("ADD", stride, dst)
		n.op("SUBS", imm(1), k)
		n.op("BNE", label)
		n.ret()
	}
}
