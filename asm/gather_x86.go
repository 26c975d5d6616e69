package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gatherX86 writes the copy and the addition of rows by index. While a row is at hand, the next one is
// fetched: no prefetcher knows where it is.
func gatherX86(x *x86) {
	x.gather("gather", ".", false)
	x.gather("gatherPast", ", past the caches; y and each of its rows are at multiples of 64 bytes.", true)
	x.addRow()
}

// addRow writes the addition of one row.
func (x *x86) addRow() {
	x.function("addRow", "func(x, y, next []float32)", "is y += x, and fetches next.")
	xs, ys, next := x.base("x"), x.base("y"), x.base("next")
	x.sweep(x.length("x"), 4, x.each(func(s *sweep) {
		if s.size == 0 || s.size == s.lanes && s.part*s.bytes()%64 == 0 {
			x.PREFETCHT1(s.at(next))
		}
		v, y := s.load(xs), s.load(ys)
		x.VADDPS(v, y, y)
		s.store(y, ys)
	}))
	x.ret()
}

func (x *x86) gather(name, doc string, past bool) {
	x.function(name, "func(cols int, table []float32, indices []int32, y []float32)",
		"is y[i*cols+j] = table[indices[i]*cols+j] for j < cols"+doc)
	const line = 64
	cols, table, y := x.param("cols"), x.base("table"), x.base("y")
	p, count := x.base("indices"), x.length("indices")
	from, next, left, e := x.GP64(), x.GP64(), x.GP64(), x.GP32()
	row, wide, single, element, done, end := x.label("row"), x.label("wide"), x.label("single"), x.label("element"), x.label("done"), x.label("end")
	address := func(m Mem, to reg.Register) {
		x.MOVLQSX(m, to)
		x.IMULQ(cols, to)
		x.LEAQ(Mem{Base: table, Index: to, Scale: 4}, to)
	}
	x.TESTQ(count, count)
	x.JEQ(LabelRef(end))
	address(Mem{Base: p}, next)
	x.Label(row)
	x.MOVQ(next, from)
	x.CMPQ(count, Imm(1))
	last := x.label("last")
	x.JEQ(LabelRef(last))
	address(Mem{Base: p, Disp: 4}, next)
	x.Label(last)
	x.MOVQ(cols, left)
	lines := func(count int) {
		for i := 0; i < count*line; i += line {
			x.PREFETCHT1(Mem{Base: next, Disp: i})
		}
		for i := 0; i < count*line; i += x.bytes() {
			v := x.vec()
			x.VMOVUPS(Mem{Base: from, Disp: i}, v)
			if past {
				x.VMOVNTPS(v, Mem{Base: y, Disp: i})
			} else {
				x.VMOVUPS(v, Mem{Base: y, Disp: i})
			}
		}
		for _, p := range []reg.Register{from, next, y} {
			x.ADDQ(U32(uint32(count*line)), p)
		}
		x.SUBQ(U32(uint32(count*line/4)), left)
	}
	x.Label(wide)
	x.CMPQ(left, Imm(4*line/4))
	x.JLT(LabelRef(single))
	lines(4)
	x.JMP(LabelRef(wide))
	x.Label(single)
	x.CMPQ(left, Imm(line/4))
	x.JLT(LabelRef(element))
	lines(1)
	x.JMP(LabelRef(single))
	x.Label(element)
	x.TESTQ(left, left)
	x.JEQ(LabelRef(done))
	x.MOVL(Mem{Base: from}, e)
	x.MOVL(e, Mem{Base: y})
	for _, p := range []reg.Register{from, next, y} {
		x.ADDQ(Imm(4), p)
	}
	x.DECQ(left)
	x.JMP(LabelRef(element))
	x.Label(done)
	x.NEGQ(cols)
	x.LEAQ(Mem{Base: next, Index: cols, Scale: 4}, next) // back to the beginning of the row
	x.NEGQ(cols)
	x.ADDQ(Imm(4), p)
	x.DECQ(count)
	x.JNE(LabelRef(row))
	x.Label(end)
	if past {
		x.SFENCE()
	}
	x.ret()
}
