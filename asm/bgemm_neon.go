package main

import "fmt"

// bgemmNEON writes the register tiles of the product of bfloat16 matrices, for CPUs with FEAT_BF16, and
// the copies that pack its operands, which need no more than Advanced SIMD.
//
// BFMMLA multiplies two rows of four elements by two columns of four and adds the products to a 2×2
// block, 16 multiply-adds where BFDOT has 8, at the same rate on Neoverse N2, V1 and V2. So the packed
// panels hold four elements of K at a time: element (i, p) of a panel of A with so many rows is at
// (p/4)*4*rows + 4*i + p%4, element (p, j) of a panel of B at (p/4)*4*12 + 4*j + p%4; K is filled up to a
// multiple of four with zeros in both.
//
// BFMMLA adds up the first two products, adds that to the sum, then the other two, all four additions
// rounded to odd, and takes subnormal numbers for 0, elements as well as sums (FPCR.EBF is 0).
func bgemmNEON(n *neon) {
	n.feature = "BF16"
	for rows := 1; rows <= neonRows; rows++ {
		n.bgemmTile(rows)
	}
	n.feature = ""
	n.bpackT()
	n.bpackN()
}

// quad is how many elements along K stand beside each other in a packed panel.
const quad = 4

// bgemmTile writes the tile of the given height. The accumulators are 2×2 blocks, 24 of them for eight
// rows; the vectors of A, two rows each, stay for a step, those of B, two columns each, pass through the
// four registers left. An odd last row is alone in its vector.
func (n *neon) bgemmTile(rows int) {
	const cols = 4 * neonVectors
	n.function(fmt.Sprintf("bgemm%dx%d", rows, cols),
		"func(k int, alpha float32, a *float32, lda int, b *float32, ldb int, bias *float32, beta float32, d *float32, ldd int, c *float32, ldc int, next *ahead)",
		"is the register tile described at gemmKernel, of bfloat16 in panels of quads along K.")
	k, a, lda, b, ldb := n.param("k"), n.param("a"), n.param("lda"), n.param("b"), n.param("ldb")
	n.op("LSL", imm(2), lda)
	n.op("LSL", imm(2), ldb)
	acc := make([][]vreg, (rows+1)/2)
	for i := range acc {
		for range cols / 2 {
			acc[i] = append(acc[i], n.zero())
		}
	}
	n.scope(func() {
		loop := n.newLabel("loop")
		n.label(loop)
		av := n.loadPairs(a, rows)
		for j := 0; j < cols/2; j += 2 {
			n.scope(func() {
				if j%4 == 2 {
					n.vs(2) // so that the next loads wait for no multiplication
				}
				bv := n.vs(2)
				n.op("FLDPQ", b.at(16*j), fmt.Sprintf("(%s, %s)", bv[0].f(), bv[1].f()))
				for i, v := range av {
					n.bfmmla(acc[i][j], v, bv[0])
					n.bfmmla(acc[i][j+1], v, bv[1])
				}
			})
		}
		n.op("ADD", lda, a)
		n.op("ADD", ldb, b)
		n.op("SUBS", imm(1), k)
		n.op("BNE", loop)
	})
	n.finishTile(n.unblock(acc, rows))
}

// loadPairs loads rows×4 elements at a, two rows to a register.
func (n *neon) loadPairs(a xreg, rows int) []vreg {
	v := n.vs((rows + 1) / 2)
	for i := 0; i < len(v); i++ {
		switch at := a.at(16 * i); {
		case 2*i+4 <= rows:
			n.op("FLDPQ", at, fmt.Sprintf("(%s, %s)", v[i].f(), v[i+1].f()))
			i++
		case 2*i+2 <= rows:
			n.op("FMOVQ", at, v[i].f())
		default:
			n.op("FMOVD", at, v[i].f())
		}
	}
	return v
}

// unblock returns the rows of the 2×2 blocks acc. The blocks' registers are taken over.
func (n *neon) unblock(acc [][]vreg, rows int) [][]vreg {
	var out [][]vreg
	free := n.v()
	for _, blocks := range acc {
		var upper, lower []vreg
		for j := 0; j < len(blocks); j += 2 {
			n.op("VTRN1", blocks[j+1].d2(), blocks[j].d2(), free.d2())
			n.op("VTRN2", blocks[j+1].d2(), blocks[j].d2(), blocks[j+1].d2())
			upper, lower, free = append(upper, free), append(lower, blocks[j+1]), blocks[j]
		}
		out = append(out, upper, lower)
	}
	return out[:rows]
}

// bpackT gathers up to four rows of k elements, contiguous along K: two quads of each row at a time, then
// what is left. Rows past the last repeat it, as in packT; four are written for each quad.
func (n *neon) bpackT() {
	const lanes = 4
	n.function("bpackT", "func(rows, k int, src *BFloat16, ld int, dst *float32, stride int)",
		"is gemmKernel.packT for panels of quads along K.")
	rows, k := n.param("rows"), n.param("k")
	src, ld, dst, stride := n.param("src"), n.param("ld"), n.param("dst"), n.param("stride")
	n.op("LSL", imm(1), ld)
	n.op("LSL", imm(2), stride)
	row := []xreg{src}
	for i := 1; i < lanes; i++ {
		row = append(row, n.x())
		n.op("ADD", ld, row[i-1], row[i])
		n.op("CMP", imm(i), rows)
		n.op("CSEL", "GT", row[i], row[i-1], row[i])
	}
	v, t := n.vs(lanes), n.vs(lanes)
	store := func(lo, hi vreg) {
		n.op("FSTPQ", fmt.Sprintf("(%s, %s)", lo.f(), hi.f()), dst.at(0))
		n.op("ADD", stride, dst)
	}
	block, single, part, done := n.newLabel("block"), n.newLabel("single"), n.newLabel("part"), n.newLabel("done")
	n.op("SUBS", imm(2*quad), k)
	n.op("BLT", single)
	n.label(block)
	for i, x := range row {
		n.op("FMOVQ.P", x.at(16), v[i].f())
	}
	for h := 0; h < lanes; h += 2 {
		n.op("VTRN1", v[h+1].d2(), v[h].d2(), t[h/2].d2())
		n.op("VTRN2", v[h+1].d2(), v[h].d2(), t[2+h/2].d2())
	}
	store(t[0], t[1])
	store(t[2], t[3])
	n.op("SUBS", imm(2*quad), k)
	n.op("BGE", block)

	n.label(single)
	n.op("ADDS", imm(quad), k) // k is what is left, less a quad
	n.op("BLT", part)
	for i, x := range row {
		n.op("FMOVD.P", x.at(8), v[i].f())
	}
	for h := 0; h < lanes; h += 2 {
		n.op("VTRN1", v[h+1].d2(), v[h].d2(), t[h/2].d2())
	}
	store(t[0], t[1])
	n.op("SUB", imm(quad), k)

	n.label(part)
	n.op("ADDS", imm(quad), k) // 1, 2 or 3 elements, if any
	n.op("BEQ", done)
	odd, write := n.newLabel("odd"), n.newLabel("write")
	n.op("TBZ", imm(1), k, odd)
	bits := make([]xreg, lanes)
	for i, x := range row {
		bits[i] = n.x()
		n.op("MOVWU.P", x.at(4), bits[i])
	}
	n.op("TBZ", imm(0), k, write)
	for i, x := range row {
		n.op("MOVHU", x.at(0), ld)
		n.op("ORR", fmt.Sprintf("%v<<32", ld), bits[i])
	}
	n.op("JMP", write)
	n.label(odd)
	for i, x := range row {
		n.op("MOVHU", x.at(0), bits[i])
	}
	n.label(write)
	n.op("STP", fmt.Sprintf("(%v, %v)", bits[0], bits[1]), dst.at(0))
	n.op("STP", fmt.Sprintf("(%v, %v)", bits[2], bits[3]), dst.at(16))
	n.label(done)
	n.ret()
}

// bpackN interleaves k rows of up to twelve elements, contiguous across the panel, four rows at a time:
// eight elements of each and then four, as the width asks for, up to three more than it.
func (n *neon) bpackN() {
	n.function("bpackN", "func(width, k int, src *BFloat16, ld int, dst *float32, stride int)",
		"is gemmKernel.packN for panels of quads along K.")
	width, k := n.param("width"), n.param("k")
	src, ld, dst, stride := n.param("src"), n.param("ld"), n.param("dst"), n.param("stride")
	n.op("LSL", imm(1), ld)
	n.op("LSL", imm(2), stride)
	row := []xreg{src}
	for i := 1; i < quad; i++ {
		row = append(row, n.x())
		n.op("ADD", ld, row[i-1], row[i])
	}
	n.op("LSL", imm(2), ld) // from a quad to the next
	v, t := n.vs(quad), n.vs(quad)
	zip := func(d, a, b vreg, mnemonic string, of func(v vreg) string) { n.op(mnemonic, of(b), of(a), of(d)) }
	// columns interleaves eight columns, or four, from the given one.
	columns := func(first, count int) {
		zip(t[0], v[0], v[1], "VZIP1", vreg.h8)
		zip(t[1], v[2], v[3], "VZIP1", vreg.h8)
		if count == 8 {
			zip(t[2], v[0], v[1], "VZIP2", vreg.h8)
			zip(t[3], v[2], v[3], "VZIP2", vreg.h8)
		}
		for h := 0; h < count/2; h += 2 {
			zip(v[h], t[h], t[h+1], "VZIP1", vreg.s4)
			zip(v[h+1], t[h], t[h+1], "VZIP2", vreg.s4)
			n.op("FSTPQ", fmt.Sprintf("(%s, %s)", v[h].f(), v[h+1].f()), dst.at(2*quad*first+16*h))
		}
	}
	parts := func(width int, load func(mnemonic string, first int)) {
		for first := 0; first < width; {
			count, mnemonic := 8, "FMOVQ"
			if width-first == 4 {
				count, mnemonic = 4, "FMOVD"
			}
			load(mnemonic, first)
			columns(first, count)
			first += count
		}
	}
	four, eight := n.newLabel("four"), n.newLabel("eight")
	n.op("CMP", imm(4), width)
	n.op("BLE", four)
	n.op("CMP", imm(8), width)
	n.op("BLE", eight)
	for _, w := range []int{12, 8, 4} {
		switch w {
		case 8:
			n.label(eight)
		case 4:
			n.label(four)
		}
		block, part, done := n.newLabel("block"), n.newLabel("part"), n.newLabel("done")
		n.op("SUBS", imm(quad), k)
		n.op("BLT", part)
		n.label(block)
		parts(w, func(mnemonic string, first int) {
			for i, x := range row {
				n.op(mnemonic, x.at(2*first), v[i].f())
			}
		})
		for _, x := range row {
			n.op("ADD", ld, x)
		}
		n.op("ADD", stride, dst)
		n.op("SUBS", imm(quad), k)
		n.op("BGE", block)

		n.label(part)
		n.op("ADDS", imm(quad), k) // 1, 2 or 3 rows, if any
		n.op("BEQ", done)
		parts(w, func(mnemonic string, first int) {
			for i := range v {
				n.op("VEOR", v[i].b16(), v[i].b16(), v[i].b16())
			}
			loaded := n.newLabel("loaded")
			for i := range quad - 1 {
				n.op(mnemonic, row[i].at(2*first), v[i].f())
				if i < quad-2 {
					n.op("CMP", imm(i+1), k)
					n.op("BEQ", loaded)
				}
			}
			n.label(loaded)
		})
		n.label(done)
		n.ret()
	}
}
