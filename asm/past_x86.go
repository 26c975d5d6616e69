package main

import . "github.com/mmcloughlin/avo/operand"

// copyPastX86 writes the copy past the caches. Lines that a row fills are stored whole and are not read
// before; what it has of its first and last is stored as usual.
func copyPastX86(x *x86) {
	x.function("copyPast", "func(rows, n int, src *float32, ld int, dst *float32, stride int)",
		"is dst[i*stride+j] = src[i*ld+j] for i < rows, j < n, past the caches.")
	const line = 64
	rows, n, src, dst := x.param("rows"), x.param("n"), x.param("src"), x.param("dst")
	ld, stride := x.param("ld"), x.param("stride")
	x.SHLQ(Imm(2), ld)
	x.SHLQ(Imm(2), stride)
	from, to, left, e := x.GP64(), x.GP64(), x.GP64(), x.GP32()
	row, head, next := x.label("row"), x.label("head"), x.label("next")
	single, tail := x.label("single"), x.label("tail")
	element := func() {
		x.MOVL(Mem{Base: from}, e)
		x.MOVL(e, Mem{Base: to})
		x.ADDQ(Imm(4), from)
		x.ADDQ(Imm(4), to)
		x.DECQ(left)
	}
	lines := func(count int) {
		for i := 0; i < count*line; i += x.bytes() {
			v := x.vec()
			x.VMOVUPS(Mem{Base: from, Disp: i}, v)
			x.VMOVNTPS(v, Mem{Base: to, Disp: i})
		}
		x.ADDQ(U32(uint32(count*line)), from)
		x.ADDQ(U32(uint32(count*line)), to)
		x.SUBQ(U32(uint32(count*line/4)), left)
	}
	x.Label(row)
	x.MOVQ(src, from)
	x.MOVQ(dst, to)
	x.MOVQ(n, left)
	x.Label(head)
	x.TESTQ(left, left)
	x.JEQ(LabelRef(next))
	x.TESTQ(U32(line-1), to)
	wide := x.label("wide")
	x.JEQ(LabelRef(wide))
	element()
	x.JMP(LabelRef(head))
	x.Label(wide)
	x.CMPQ(left, Imm(4*line/4))
	x.JLT(LabelRef(single))
	lines(4)
	x.JMP(LabelRef(wide))
	x.Label(single)
	x.CMPQ(left, Imm(line/4))
	x.JLT(LabelRef(tail))
	lines(1)
	x.JMP(LabelRef(single))
	x.Label(tail)
	x.TESTQ(left, left)
	x.JEQ(LabelRef(next))
	element()
	x.JMP(LabelRef(tail))
	x.Label(next)
	x.ADDQ(ld, src)
	x.ADDQ(stride, dst)
	x.DECQ(rows)
	x.JNE(LabelRef(row))
	x.SFENCE()
	x.ret()
}
