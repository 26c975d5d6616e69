package main

import (
	"fmt"
	"strings"
)

// The register tile of NEON: 8 rows of three vectors are 24 accumulators, which leaves eight registers
// for three vectors of B and two of A, four in float64.
const (
	neonRows    = 8
	neonVectors = 3
)

// gemmNEON writes the register tiles of the matrix product and the copies that pack its operands. There
// is one function for every height, so that a ragged edge costs no wasted multiply-adds.
func gemmNEON(n *neon) {
	for _, n.double = range []bool{false, true} {
		for rows := 1; rows <= neonRows; rows++ {
			n.gemmTile(rows)
		}
		n.packT(false)
		n.packN(false)
	}
	n.double = false
	n.packT(true)
	n.packN(true)
}

// gemmTile writes the tile of the given height. A step of K loads the rows elements of A and the three
// vectors of B once and multiplies by element, so that no element of A is ever broadcast.
func (n *neon) gemmTile(rows int) {
	n.function(fmt.Sprintf("%sgemm%dx%d", n.prefix(), rows, n.lanes()*neonVectors),
		n.of("func(k int, alpha T, a *T, lda int, b *T, ldb int, bias *T, beta T, d *T, ldd int, c *T, ldc int, next *ahead)"),
		"is the register tile described at gemmKernel.")
	k, a, lda, b, ldb := n.param("k"), n.param("a"), n.param("lda"), n.param("b"), n.param("ldb")
	n.op("LSL", n.shift(), lda)
	n.op("LSL", n.shift(), ldb)
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
		n.op("ADD", ldb, b)
		n.op("ADD", lda, a)
		n.op("SUBS", imm(1), k)
		for i := range rows {
			for j := range neonVectors {
				n.fmlaLane(acc[i][j], bv[j], av[i].v, av[i].lane)
			}
		}
		n.op("BNE", loop)
	})
	n.finishTile(acc)
}

// finishTile sets C = alpha*(acc + 1·biasᵀ) + beta*D, without reading D if beta is 0, and returns.
func (n *neon) finishTile(acc [][]vreg) {
	n.scope(func() {
		bias, none := n.param("bias"), n.newLabel("none")
		n.op("CBZ", bias, none)
		v := n.vs(neonVectors)
		n.op("FLDPQ", bias.at(0), fmt.Sprintf("(%s, %s)", v[0].f(), v[1].f()))
		n.op("FMOVQ", bias.at(32), v[2].f())
		for i := range acc {
			for j := range acc[i] {
				n.fadd(acc[i][j], acc[i][j], v[j])
			}
		}
		n.label(none)
	})

	c, ldc, d, ldd := n.param("c"), n.param("ldc"), n.param("d"), n.param("ldd")
	n.op("LSL", n.shift(), ldc)
	n.op("LSL", n.shift(), ldd)
	alpha, bits := n.scalar("alpha"), n.x()
	overwrite := n.newLabel("overwrite")
	if n.double { // the tests leave the sign out: −0 is 0
		n.op("MOVD", n.arg("beta"), bits)
		n.op("TST", "$0x7fffffffffffffff", bits)
	} else {
		n.op("MOVWU", n.arg("beta"), bits)
		n.op("TSTW", "$0x7fffffff", bits)
	}
	n.op("BEQ", overwrite)
	beta := n.scalar("beta")
	n.storeTile(acc, alpha, &beta, c, ldc, d, ldd)
	n.label(overwrite)
	n.storeTile(acc, alpha, nil, c, ldc, d, ldd)
}

// element is one lane of a vector register.
type element struct {
	v    vreg
	lane int
}

// loadColumn loads rows consecutive elements at a, and no memory beyond them: whole vectors, of which the
// last may overlap the one before, or what there is if it is less than one.
func (n *neon) loadColumn(a xreg, rows int) []element {
	var e []element
	load := func(mnemonic string, first, lanes int) {
		v := n.v()
		n.op(mnemonic, a.at(n.size()*first), v.f())
		for i := len(e) - first; i < lanes; i++ {
			e = append(e, element{v, i})
		}
	}
	lanes := n.lanes()
	for len(e)+2*lanes <= rows {
		v, w := n.v(), n.v()
		n.op("FLDPQ", a.at(n.size()*len(e)), fmt.Sprintf("(%s, %s)", v.f(), w.f()))
		for i := range 2 * lanes {
			e = append(e, element{[]vreg{v, w}[i/lanes], i % lanes})
		}
	}
	for len(e) < rows && rows >= lanes {
		load("FMOVQ", min(len(e), rows-lanes), lanes)
	}
	for _, part := range []struct {
		mnemonic string
		lanes    int
	}{{"FMOVD", 8 / n.size()}, {"FMOVS", 4 / n.size()}} {
		if part.lanes > 0 && len(e)+part.lanes <= rows {
			load(part.mnemonic, len(e), part.lanes)
		}
	}
	return e
}

// storeTile sets C = alpha*acc, plus beta*D unless beta is nil, and returns.
func (n *neon) storeTile(acc [][]vreg, alpha vreg, beta *vreg, c, ldc, d, ldd xreg) {
	n.scope(func() {
		old := n.vs(neonVectors)
		for i, row := range acc {
			if beta != nil {
				n.op("FLDPQ", d.at(0), fmt.Sprintf("(%s, %s)", old[0].f(), old[1].f()))
				n.op("FMOVQ", d.at(32), old[2].f())
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
				if beta != nil {
					n.op("ADD", ldd, d)
				}
			}
		}
		n.ret()
	})
}

// source is what a packing reads: elements as they are packed or, if widen is set, bfloat16, which become
// float32 on the way.
type source struct {
	*neon
	widen bool
	zero  vreg
}

// packing starts a function whose first argument has the given name: packT or packN, or the same for
// products of bfloat16 on CPUs that multiply them as float32.
func (n *neon) packing(name, first string, widen bool) source {
	s := source{neon: n, widen: widen}
	signature := n.of("func(" + first + ", k int, src *T, ld int, dst *T, stride int)")
	if !widen {
		n.function(n.prefix()+name, signature, "is gemmKernel."+name+".")
		return s
	}
	n.function("widen"+name[len(name)-1:], strings.Replace(signature, "*float32", "*BFloat16", 1), "is gemmKernel."+name+" from bfloat16 to float32.")
	s.zero = n.zero()
	return s
}

func (s source) shift() string {
	if s.widen {
		return imm(1)
	}
	return s.neon.shift()
}

func (s source) bytes(elements int) int {
	if s.widen {
		return 2 * elements
	}
	return s.size() * elements
}

// vector loads as many elements as a register of the packed ones holds, element loads one. suffix belongs
// to the mnemonic.
func (s source) vector(suffix, at string, to vreg) {
	if !s.widen {
		s.op("FMOVQ"+suffix, at, to.f())
		return
	}
	s.op("FMOVD"+suffix, at, to.f())
	s.op("VZIP1", to.h8(), s.zero.h8(), to.h8()) // below each element zeros
}

func (s source) element(suffix, at string, to vreg) {
	if !s.widen {
		s.op(s.move()+suffix, at, to.f())
		return
	}
	s.scope(func() {
		bits := s.x()
		s.op("MOVHU"+suffix, at, bits)
		s.op("LSL", imm(16), bits)
		s.op("FMOVS", bits, to.f())
	})
}

// packT transposes up to lanes rows of k elements, lanes×lanes at a time, then the last columns one by
// one. Rows past the last repeat it: the copies land where a later step overwrites them, or in the slack.
func (n *neon) packT(widen bool) {
	from := n.packing("packT", "rows", widen)
	rows, k := n.param("rows"), n.param("k")
	src, ld, dst, stride := n.param("src"), n.param("ld"), n.param("dst"), n.param("stride")
	n.op("LSL", from.shift(), ld)
	n.op("LSL", n.shift(), stride)
	lanes := n.lanes()
	row := []xreg{src}
	for i := 1; i < lanes; i++ {
		row = append(row, n.x())
		n.op("ADD", ld, row[i-1], row[i])
		n.op("CMP", imm(i), rows)
		n.op("CSEL", "GT", row[i], row[i-1], row[i])
	}

	block, tail, column, done := n.newLabel("block"), n.newLabel("tail"), n.newLabel("column"), n.newLabel("done")
	n.op("SUBS", imm(lanes), k)
	n.op("BLT", tail)
	n.label(block)
	r, t := n.vs(lanes), n.vs(lanes)
	for i, x := range row {
		from.vector(".P", x.at(from.bytes(lanes)), r[i])
	}
	for _, v := range n.transpose(r, t) {
		n.op("FMOVQ", v.f(), dst.at(0))
		n.op("ADD", stride, dst)
	}
	n.op("SUBS", imm(lanes), k)
	n.op("BGE", block)

	n.label(tail)
	n.op("ADDS", imm(lanes), k)
	n.op("BEQ", done)
	n.label(column)
	for i, x := range row {
		from.element(".P", x.at(from.bytes(1)), t[i])
	}
	for i := 1; i < lanes; i++ {
		n.op("VMOV", n.lane(t[i], 0), n.lane(t[0], i))
	}
	n.op("FMOVQ", t[0].f(), dst.at(0))
	n.op("ADD", stride, dst)
	n.op("SUBS", imm(1), k)
	n.op("BNE", column)
	n.label(done)
	n.ret()
}

// transpose returns the columns of the square that r holds by rows, and writes over r and t: pairs of
// elements, then, of float32, pairs of pairs.
func (n *neon) transpose(r, t []vreg) []vreg {
	for h := 0; h < len(r); h += 2 {
		n.op("VTRN1", n.vec(r[h+1]), n.vec(r[h]), n.vec(t[h]))
		n.op("VTRN2", n.vec(r[h+1]), n.vec(r[h]), n.vec(t[h+1]))
	}
	if n.double {
		return t
	}
	for h := range 2 {
		n.op("VTRN1", t[2+h].d2(), t[h].d2(), r[h].d2())
		n.op("VTRN2", t[2+h].d2(), t[h].d2(), r[2+h].d2())
	}
	return r
}

// packN copies k rows of width elements, whole vectors at a time.
func (n *neon) packN(widen bool) {
	from := n.packing("packN", "width", widen)
	width, k, src, ld, dst, stride := n.param("width"), n.param("k"), n.param("src"), n.param("ld"), n.param("dst"), n.param("stride")
	n.op("LSL", from.shift(), ld)
	n.op("LSL", n.shift(), stride)
	v := n.vs(max(neonVectors, neonRows/n.lanes())) // a panel of B, or one of A
	var labels []string
	for i := range v {
		labels = append(labels, n.newLabel([]string{"one", "two", "three", "four"}[i]))
	}
	for i := len(v) - 1; i > 0; i-- {
		n.op("CMP", imm(i*n.lanes()), width)
		n.op("BGT", labels[i])
	}
	for i, label := range labels {
		n.label(label)
		for j := range i + 1 {
			from.vector("", src.at(from.bytes(j*n.lanes())), v[j])
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
