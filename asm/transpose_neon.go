package main

import "fmt"

// transposeNEON writes the transpositions of strips of 16 and of four rows.
func transposeNEON(n *neon) {
	n.transposeStrip(16)
	n.transposeStrip(4)
}

// transposeStrip goes along the rows, four columns at a time.
func (n *neon) transposeStrip(rows int) {
	n.function(fmt.Sprintf("transpose%d", rows), "func(n int, src *float32, ld int, dst *float32, stride int)",
		fmt.Sprintf("is dst[j*stride+i] = src[i*ld+j] for i < %d, j < n, where n ≥ 4.", rows))
	count, row, ld, stride := n.param("n"), []xreg{n.param("src")}, n.param("ld"), n.param("stride")
	column := []xreg{n.param("dst")}
	n.op("LSL", imm(2), ld)
	n.op("LSL", imm(2), stride)
	for len(row) < rows {
		row = append(row, n.x())
		n.op("ADD", ld, row[len(row)-2], row[len(row)-1])
	}
	for len(column) < 4 {
		if len(column) == 3 {
			column = append(column, ld) // which is done
		} else {
			column = append(column, n.x())
		}
	}
	loop, tail, last, done := n.newLabel("loop"), n.newLabel("tail"), n.newLabel("last"), n.newLabel("done")
	n.op("SUBS", imm(4), count)
	n.label(loop)
	for c := 1; c < 4; c++ {
		n.op("ADD", stride, column[c-1], column[c])
	}
	for g := 0; g < rows; g += 4 {
		n.scope(func() {
			r, t := n.vs(4), n.vs(4)
			for i := range r {
				n.op("FMOVQ.P", row[g+i].at(16), r[i].f())
			}
			for c, v := range n.transpose(r, t) {
				n.op("FMOVQ", v.f(), column[c].at(4*g))
			}
		})
	}
	n.op("ADD", stride, column[3], column[0])
	n.op("SUBS", imm(4), count)
	n.op("BGE", loop)
	n.label(tail)
	n.op("CMN", imm(4), count)
	n.op("BEQ", done)
	// The last columns, with some that have been done: −count of them. The loop ends as if none were left.
	n.label(last)
	for _, r := range row {
		n.op("ADD", count.String()+"<<2", r)
	}
	n.op("MADD", stride, column[0], count, column[0])
	n.op("MOVD", imm(0), count)
	n.op("B", loop)
	n.label(done)
	n.ret()
}
