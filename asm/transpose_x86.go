package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transposeX86 writes the transpositions of strips: of sixteen rows, so that whole lines are stored, and on
// AVX2, for both widths, of eight, four and two.
func transposeX86(x *x86) {
	x.transposeStrip(16)
	if x.lanes == 8 {
		x.transposeStrip(8)
		x.transposeStrip(4)
		x.transposeTwo()
	}
}

// transposeTwo stores pairs.
func (x *x86) transposeTwo() {
	x.function("transpose2", "func(n int, src *float32, ld int, dst *float32, stride int)", "is dst[j*stride+i] = src[i*ld+j] for i < 2, j < n, where n ≥ 4.")
	n, src, second, dst, stride, stride3 := x.param("n"), x.param("src"), x.param("ld"), x.param("dst"), x.param("stride"), x.GP64()
	x.LEAQ(Mem{Base: src, Index: second, Scale: 4}, second)
	x.SHLQ(Imm(2), stride)
	x.LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	loop, tail, done := x.label("loop"), x.label("tail"), x.label("done")
	four := func() {
		a, low, high := x.XMM(), x.XMM(), x.XMM()
		x.VMOVUPS(Mem{Base: src}, a)
		x.VMOVUPS(Mem{Base: second}, high)
		x.VPUNPCKLDQ(high, a, low)
		x.VPUNPCKHDQ(high, a, high)
		x.VMOVLPS(low, Mem{Base: dst})
		x.VMOVHPS(low, Mem{Base: dst, Index: stride, Scale: 1})
		x.VMOVLPS(high, Mem{Base: dst, Index: stride, Scale: 2})
		x.VMOVHPS(high, Mem{Base: dst, Index: stride3, Scale: 1})
	}
	x.SUBQ(Imm(4), n)
	x.Label(loop)
	four()
	x.ADDQ(Imm(16), src)
	x.ADDQ(Imm(16), second)
	x.LEAQ(Mem{Base: dst, Index: stride, Scale: 4}, dst)
	x.SUBQ(Imm(4), n)
	x.JGE(LabelRef(loop))
	x.Label(tail)
	x.CMPQ(n, I32(-4))
	x.JEQ(LabelRef(done))
	// The last columns, with some that have been done: −n of them.
	x.LEAQ(Mem{Base: src, Index: n, Scale: 4}, src)
	x.LEAQ(Mem{Base: second, Index: n, Scale: 4}, second)
	x.IMULQ(n, stride)
	x.ADDQ(stride, dst)
	x.MOVQ(x.paramAddr("stride"), stride)
	x.SHLQ(Imm(2), stride)
	four()
	x.Label(done)
	x.ret()
}

// transposeStrip goes along the rows, four columns at a time. The quarters of a register are loaded from
// rows four apart, so that what is left is to transpose squares of 4×4 within quarters.
func (x *x86) transposeStrip(rows int) {
	elements := min(rows, x.lanes)
	x.function(fmt.Sprintf("transpose%d", rows), "func(n int, src *float32, ld int, dst *float32, stride int)",
		fmt.Sprintf("is dst[j*stride+i] = src[i*ld+j] for i < %d, j < n, where n ≥ 4.", rows))
	n, dst, stride, stride3 := x.param("n"), x.param("dst"), x.param("stride"), x.GP64()
	src, ld, ld3 := []reg.Register{x.param("src")}, x.param("ld"), x.GP64()
	x.SHLQ(Imm(2), ld)
	x.SHLQ(Imm(2), stride)
	x.LEAQ(Mem{Base: ld, Index: ld, Scale: 2}, ld3)
	x.LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	for len(src) < rows/4 {
		p := x.GP64()
		x.LEAQ(Mem{Base: src[len(src)-1], Index: ld, Scale: 4}, p)
		src = append(src, p)
	}
	// row is the address of row i and further column from a base of every fourth row.
	row := func(base, by, by3 reg.Register, i, column int) Mem {
		m := Mem{Base: base, Disp: 4 * column}
		switch i {
		case 1, 2:
			m.Index, m.Scale = by, uint8(i)
		case 3:
			m.Index, m.Scale = by3, 1
		}
		return m
	}
	// Registers of the whole function, because avo takes one that is filled in parts for live before.
	var v, t [4]reg.VecVirtual
	for i := range v {
		v[i], t[i] = x.vector(elements), x.vector(elements)
	}
	columns := func(steps int) {
		for step := range steps {
			for group := 0; group < rows; group += elements {
				for i := range v {
					for q := range elements / 4 {
						m := row(src[group/4+q], ld, ld3, i, 4*step)
						switch q {
						case 0:
							x.VMOVUPS(m, v[i].AsX())
						case 1:
							x.VINSERTF128(Imm(1), m, v[i].AsY(), v[i].AsY())
						case 2:
							x.VMOVUPS(m, t[i].AsX())
						case 3: // cheaper than two insertions of a quarter
							x.VINSERTF128(Imm(1), m, t[i].AsY(), t[i].AsY())
							x.VINSERTF64X4(Imm(1), t[i].AsY(), v[i], v[i])
						}
					}
				}
				for c, u := range x.transposeQuarters(v, t) {
					m := row(dst, stride, stride3, c, group)
					x.VMOVUPS(u, m)
					if rows == 16 && group == 0 {
						// For the next strip: these lines are too far apart for the CPU to expect them.
						m.Disp += 64
						x.PREFETCHT0(m)
					}
				}
			}
			x.LEAQ(Mem{Base: dst, Index: stride, Scale: 4}, dst)
		}
	}
	// advance moves on by so many columns, which dst has done.
	advance := func(count int) {
		for _, p := range src {
			x.ADDQ(Imm(uint64(4*count)), p)
		}
		x.SUBQ(Imm(uint64(count)), n)
	}
	wide, single, tail, done := x.label("wide"), x.label("single"), x.label("tail"), x.label("done")
	x.SUBQ(Imm(16), n)
	x.JLT(LabelRef(single))
	x.Label(wide)
	columns(4)
	advance(16)
	x.JGE(LabelRef(wide))
	x.Label(single)
	x.ADDQ(Imm(12), n)
	x.JLT(LabelRef(tail))
	again := x.label("again")
	x.Label(again)
	columns(1)
	advance(4)
	x.JGE(LabelRef(again))
	x.Label(tail)
	x.CMPQ(n, I32(-4))
	x.JEQ(LabelRef(done))
	// The last columns, with some that have been done: −n of them.
	for _, p := range src {
		x.LEAQ(Mem{Base: p, Index: n, Scale: 4}, p)
	}
	back := x.GP64()
	x.MOVQ(stride, back)
	x.IMULQ(n, back)
	x.ADDQ(back, dst)
	columns(1)
	x.Label(done)
	x.ret()
}

// transposeQuarters transposes the 4×4 squares that the quarters of four registers hold, and writes over v
// and t. Intel's cores have two ports for instructions of integers like these where those of floats have one, up to 32 bytes.
func (x *x86) transposeQuarters(v, t [4]reg.VecVirtual) [4]reg.VecVirtual {
	for h := range 2 {
		x.VPUNPCKLDQ(v[2*h+1], v[2*h], t[2*h])
		x.VPUNPCKHDQ(v[2*h+1], v[2*h], t[2*h+1])
	}
	for h := range 2 {
		x.VPUNPCKLQDQ(t[2+h], t[h], v[2*h])
		x.VPUNPCKHQDQ(t[2+h], t[h], v[2*h+1])
	}
	return v
}

// vector returns a register of so many elements.
func (x *x86) vector(elements int) reg.VecVirtual {
	switch elements {
	case 4:
		return x.XMM()
	case 8:
		return x.YMM()
	}
	return x.ZMM()
}
