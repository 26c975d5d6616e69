package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// amxWidth is AVX512 on CPUs that have AMX with bfloat16, too. All of them have AVX512BW and AVX512_BF16.
var amxWidth = width{suffix: "AVX512AMX", lanes: 16, registers: 32, features: append(slices.Clone(widths[1].features), "AVX512BW", "AMXTILE", "AMXBF16")}

// A tile has 16 rows of 64 bytes: 16×16 float32, 16×32 bfloat16 of A, or 16 pairs of rows of 16 columns of B.
const (
	tileRow   = 64
	tileBytes = 16 * tileRow
)

// How stripe stores C, as kernels/stripe.go has it.
const (
	tilesPast   = 1
	tilesAtOnce = 2
)

// amxX86 writes the product of bfloat16 matrices on tiles, and the copies that pack A for it. B is packed by
// the copies for VDPBF16PS.
func amxX86(x *x86) {
	if x.suffix != "AVX512" {
		return
	}
	x.width, x.source = amxWidth, paired
	x.stripe()
	x.packRows()
	x.packColumns()
}

// stripe goes down the rows of A with one panel of B after the other, 32×32 elements of C at a time: 2×2 tiles are the most that
// leaves tiles for the operands, so that each of these is used twice. The last rows, if they are 16 or less, take
// 1×2 tiles. A is loaded as what is not used again, so that it leaves the panel of B in the first cache.
//
// Tiles are stored in one of two places of scratch, and their rows of C are written while the next ones multiply: the
// first steps of K, 16 or the power of 2 that there are, take as many rows each as makes 32.
func (x *x86) stripe() {
	x.function("bgemmStripe", "func(rows, cols, k int, alpha float32, a *BFloat16, row, step, panel int, b, from, to *float32, store int, bias *float32, beta float32, d *float32, ldd int, c *float32, ldc int, scratch *float32, next, nextEnd uintptr, nextStep int)",
		"is stripeKernel.stripe.")
	s := x.newStripe()
	block, short, last, drain, end := x.label("block"), x.label("short"), x.label("last"), x.label("drain"), x.label("end")
	column := x.label("column")

	x.Label(column)
	s.column()
	x.Label(block)
	x.CMPQ(s.left, Imm(16))
	x.JLE(LabelRef(short))
	s.begin(2)
	rest, first, stored, kept := x.GP64(), x.label("first"), x.label("stored"), x.label("kept")
	x.TESTQ(s.sums, s.sums)
	x.JE(LabelRef(first))
	s.fused(rest, stored)
	s.steps(2, rest)
	x.JMP(LabelRef(stored))
	x.Label(first)
	x.MOVQ(x.paramAddr("k"), rest)
	s.steps(2, rest)
	x.Label(stored)
	s.end(2, kept)
	x.MOVQ(s.scratch, s.sums)
	s.swap()
	x.Label(kept)
	x.MOVQ(s.left, rest)
	x.SUBQ(Imm(32), rest)
	x.MOVQ(rest, s.left)
	x.JG(LabelRef(block))

	// The last rows, which nothing follows.
	x.ADDQ(Imm(32), rest)
	x.MOVQ(rest, s.left)
	x.JMP(LabelRef(last))
	x.Label(short)
	s.begin(1)
	x.MOVQ(x.paramAddr("k"), rest)
	s.steps(1, rest)
	s.end(1, end)
	x.MOVQ(U32(32), rest)
	x.TESTQ(s.sums, s.sums)
	x.JNE(LabelRef(drain))
	x.MOVQ(s.scratch, s.sums)
	x.MOVQ(s.left, rest)
	x.MOVQ(U32(0), s.left)
	x.JMP(LabelRef(drain))
	x.Label(last)
	x.TESTQ(s.sums, s.sums)
	x.JE(LabelRef(end))
	x.MOVQ(U32(0), s.left)

	x.Label(drain)
	read, store, next := x.label("read"), x.label("store"), x.label("next")
	x.testBeta()
	x.JNE(LabelRef(read))
	for _, reads := range []bool{false, true} {
		again := store
		if reads {
			again = read
		}
		x.Label(again)
		s.line(reads, false)
		x.DECQ(rest)
		x.JNE(LabelRef(again))
		if !reads {
			x.JMP(LabelRef(next))
		}
	}
	x.Label(next)
	x.MOVQ(s.left, rest)
	x.TESTQ(rest, rest)
	x.JE(LabelRef(end))
	x.MOVQ(U32(0), s.left)
	x.MOVQ(s.scratch, s.sums)
	x.JMP(LabelRef(drain))

	x.Label(end)
	x.MOVQ(s.b, x.paramAddr("b")) // of every block it is at the next panel now
	cols := x.param("cols")
	x.SUBQ(Imm(32), cols)
	x.MOVQ(cols, x.paramAddr("cols"))
	x.JG(LabelRef(column))
	x.CMPQ(x.paramAddr("store"), Imm(tilesPast))
	usual := x.label("usual")
	x.JNE(LabelRef(usual))
	x.SFENCE()
	x.Label(usual)
	x.amx("TILERELEASE")
	x.ret()
}

// stripeState is what the parts of stripe share. The rows of C and D that are written next are in registers, and so are
// their sums, nil where there are none; what a block of tiles needs once is in memory.
type stripeState struct {
	*x86
	a              [2]reg.Register // by tile
	b              reg.Register
	row, pair      reg.Register // bytes between rows of A, rows of B
	c, ldc, d, ldd reg.Register
	sums           reg.Register
	next, nextStep reg.Register // what is prefetched
	alpha, beta    reg.VecVirtual
	bias           [2]reg.VecVirtual
	columns        [2]reg.OpmaskVirtual
	left, nextA    Mem // rows, and where they are in A
	scratch        Mem // where tiles are stored next
	both           Mem // the sum of the two places of it
	shared, rounds Mem // steps that write rows of C; pairs of them in each
}

// newStripe loads the arguments.
func (x *x86) newStripe() *stripeState {
	s := &stripeState{x86: x, columns: [2]reg.OpmaskVirtual{x.K(), x.K()}}
	x.configure()
	s.alpha, s.beta = x.scalar("alpha"), x.scalar("beta")
	none := x.broadcast("none", U32(1<<31)) // −0, which leaves every sum as it is
	s.bias = [2]reg.VecVirtual{none, x.vec()}
	x.VMOVAPS(none, s.bias[1])
	s.left, s.nextA = x.AllocLocal(8), x.AllocLocal(8)
	s.scratch, s.both = x.paramAddr("scratch"), x.AllocLocal(8)
	s.shared, s.rounds = x.AllocLocal(8), x.AllocLocal(8)
	t := x.param("scratch")
	x.LEAQ(Mem{Base: t, Index: t, Scale: 1, Disp: 4 * tileBytes}, t)
	x.MOVQ(t, s.both)
	k, most := x.param("k"), x.GP64()
	x.MOVQ(U32(16), most)
	x.CMPQ(k, most)
	x.CMOVQGT(most, k)
	x.BSRQ(k, reg.RCX)
	x.MOVQ(U32(1), t)
	x.SHLQ(reg.CL, t)
	x.MOVQ(t, s.shared)
	x.MOVQ(most, t)
	x.SHRQ(reg.CL, t)
	x.MOVQ(t, s.rounds)

	s.row, s.pair, s.next, s.nextStep = x.param("row"), x.GP64(), x.param("next"), x.param("nextStep")
	x.MOVQ(U32(2*tileRow), s.pair)
	s.ldc, s.ldd = x.param("ldc"), x.param("ldd")
	x.SHLQ(Imm(2), s.ldc)
	x.SHLQ(Imm(2), s.ldd)
	s.a, s.b, s.c, s.d, s.sums = [2]reg.Register{x.GP64(), x.GP64()}, x.GP64(), x.GP64(), x.GP64(), x.GP64()
	return s
}

// column begins with a panel of B.
func (s *stripeState) column() {
	cols, most, mask := s.param("cols"), s.GP64(), s.GP64()
	s.MOVQ(U32(32), most)
	s.CMPQ(cols, most)
	s.CMOVQGT(most, cols)
	s.MOVQ(cols, reg.RCX)
	s.MOVQ(U32(1), mask)
	s.SHLQ(reg.CL, mask)
	s.DECQ(mask)
	s.KMOVW(mask.As32(), s.columns[0])
	s.SHRQ(Imm(16), mask)
	s.KMOVW(mask.As32(), s.columns[1])

	none := s.label("none")
	p := s.param("bias")
	s.TESTQ(p, p)
	s.JE(LabelRef(none))
	for j, v := range s.bias {
		s.VMOVUPS_Z(Mem{Base: p, Disp: 64 * j}, s.columns[j], v)
	}
	s.SUBQ(I8(-128), p)
	s.MOVQ(p, s.paramAddr("bias"))
	s.Label(none)
	t := s.GP64()
	for _, m := range []struct{ from, to Mem }{{s.paramAddr("rows"), s.left}, {s.paramAddr("a"), s.nextA}} {
		s.MOVQ(m.from, t)
		s.MOVQ(t, m.to)
	}
	for _, m := range []struct {
		at Mem
		p  reg.Register
	}{{s.paramAddr("c"), s.c}, {s.paramAddr("d"), s.d}} {
		s.MOVQ(m.at, m.p)
		s.LEAQ(Mem{Base: m.p, Disp: 128}, t)
		s.MOVQ(t, m.at)
	}
	s.XORQ(s.sums, s.sums)
}

// begin has a and b at the next block of tiles, and in the tiles what its sums begin with.
func (s *stripeState) begin(rows int) {
	zero, begun := s.label("zero"), s.label("begun")
	s.MOVQ(s.nextA, s.a[0])
	s.MOVQ(s.paramAddr("b"), s.b)
	from, line := s.param("from"), s.GP64()
	s.TESTQ(from, from)
	s.JE(LabelRef(zero))
	s.MOVQ(U32(tileRow), line)
	for i := range 2 * rows {
		s.amx("TILELOADD", Mem{Base: from, Index: line, Scale: 1, Disp: i * tileBytes}, tileRegister(i))
	}
	s.ADDQ(U32(4*tileBytes), from)
	s.MOVQ(from, s.paramAddr("from"))
	s.JMP(LabelRef(begun))
	s.Label(zero)
	for i := range 2 * rows {
		s.amx("TILEZERO", tileRegister(i))
	}
	s.Label(begun)
	s.MOVQ(s.row, s.a[1])
	s.SHLQ(Imm(4), s.a[1])
	s.ADDQ(s.a[0], s.a[1])
	next := s.GP64()
	s.MOVQ(s.paramAddr("panel"), next)
	s.ADDQ(s.a[0], next)
	s.MOVQ(next, s.nextA)
}

// multiply is a step of K.
func (s *stripeState) multiply(rows int) {
	s.amx("TILELOADDT1", Mem{Base: s.a[0], Index: s.row, Scale: 1}, tileRegister(4))
	s.amx("TILELOADD", Mem{Base: s.b, Index: s.pair, Scale: 1}, tileRegister(6))
	s.amx("TDPBF16PS", tileRegister(6), tileRegister(4), tileRegister(0))
	s.amx("TILELOADD", Mem{Base: s.b, Index: s.pair, Scale: 1, Disp: tileRow}, tileRegister(7))
	s.amx("TDPBF16PS", tileRegister(7), tileRegister(4), tileRegister(1))
	s.ADDQ(s.paramAddr("step"), s.a[0])
	if rows == 2 {
		s.amx("TILELOADDT1", Mem{Base: s.a[1], Index: s.row, Scale: 1}, tileRegister(5))
		s.amx("TDPBF16PS", tileRegister(6), tileRegister(5), tileRegister(2))
		s.amx("TDPBF16PS", tileRegister(7), tileRegister(5), tileRegister(3))
		s.ADDQ(s.paramAddr("step"), s.a[1])
	}
	s.ADDQ(U32(2*tileBytes), s.b)
	none := s.label("none")
	s.CMPQ(s.next, s.paramAddr("nextEnd"))
	s.JCC(LabelRef(none))
	for range 2 {
		s.PREFETCHT1(Mem{Base: s.next})
		s.PREFETCHT1(Mem{Base: s.next, Index: s.nextStep, Scale: 1})
		s.LEAQ(Mem{Base: s.next, Index: s.nextStep, Scale: 2}, s.next)
	}
	s.Label(none)
}

// steps does count steps.
func (s *stripeState) steps(rows int, count reg.Register) {
	loop := s.label("loop")
	s.Label(loop)
	s.multiply(rows)
	s.DECQ(count)
	s.JNE(LabelRef(loop))
}

// fused does the steps that write C, too, and goes to done if there are no others.
func (s *stripeState) fused(rest reg.Register, done string) {
	store, read, past, over := s.label("store"), s.label("read"), s.label("past"), s.label("over")
	s.testBeta()
	s.JNE(LabelRef(read))
	s.CMPQ(s.paramAddr("store"), Imm(tilesPast))
	s.JNE(LabelRef(store))
	s.CMPQ(s.paramAddr("cols"), Imm(32))
	s.JGE(LabelRef(past))
	for _, v := range []struct {
		label       string
		reads, past bool
	}{{store, false, false}, {past, false, true}, {read, true, false}} {
		s.Label(v.label)
		steps, count, step, row := s.AllocLocal(8), s.GP64(), s.label("step"), s.label("row")
		s.MOVQ(s.shared, count)
		s.MOVQ(count, steps)
		ahead := s.GP64()
		if !v.past {
			s.MOVQ(s.ldc, ahead)
			if v.reads {
				s.MOVQ(s.ldd, ahead)
			}
			s.SHLQ(Imm(5), ahead)
		}
		s.Label(step)
		s.multiply(2)
		s.MOVQ(s.rounds, count)
		s.Label(row)
		for range 2 {
			if !v.past {
				p := s.c
				if v.reads {
					p = s.d
				}
				s.PREFETCHT1(Mem{Base: p, Index: ahead, Scale: 1})
				s.PREFETCHT1(Mem{Base: p, Index: ahead, Scale: 1, Disp: 64})
			}
			s.line(v.reads, v.past)
		}
		s.DECQ(count)
		s.JNE(LabelRef(row))
		s.DECQ(steps)
		s.JNE(LabelRef(step))
		if !v.reads {
			s.JMP(LabelRef(over))
		}
	}
	s.Label(over)
	s.MOVQ(s.paramAddr("k"), rest)
	s.SUBQ(s.shared, rest)
	s.JE(LabelRef(done))
}

// line writes a row of C.
func (s *stripeState) line(read, past bool) {
	for j := range 2 {
		v := s.vec()
		s.VADDPS(Mem{Base: s.sums, Disp: 64 * j}, s.bias[j], v)
		s.VMULPS(s.alpha, v, v)
		if read {
			old := s.vec()
			s.VMOVUPS_Z(Mem{Base: s.d, Disp: 64 * j}, s.columns[j], old)
			s.VFMADD231PS(old, s.beta, v)
		}
		if past {
			s.VMOVNTPS(v, Mem{Base: s.c, Disp: 64 * j})
		} else {
			s.VMOVUPS(v, s.columns[j], Mem{Base: s.c, Disp: 64 * j})
		}
	}
	s.SUBQ(I8(-2*tileRow), s.sums)
	s.ADDQ(s.ldc, s.c)
	if read {
		s.ADDQ(s.ldd, s.d)
	}
}

// end stores the tiles: in the argument to, if there is one, or, if that is asked for and they are whole, in C, both of
// which go on to kept; or in scratch.
func (s *stripeState) end(rows int, kept string) {
	scratch := s.label("scratch")
	to, line := s.param("to"), s.GP64()
	s.TESTQ(to, to)
	s.JE(LabelRef(scratch))
	s.MOVQ(U32(tileRow), line)
	for i := range 2 * rows {
		s.amx("TILESTORED", tileRegister(i), Mem{Base: to, Index: line, Scale: 1, Disp: i * tileBytes})
	}
	s.ADDQ(U32(4*tileBytes), to)
	s.MOVQ(to, s.paramAddr("to"))
	s.JMP(LabelRef(kept))
	s.Label(scratch)
	if rows == 2 {
		later := s.label("later")
		s.CMPQ(s.paramAddr("store"), Imm(tilesAtOnce))
		s.JNE(LabelRef(later))
		s.CMPQ(s.paramAddr("cols"), Imm(32))
		s.JLT(LabelRef(later))
		s.CMPQ(s.left, Imm(32))
		s.JLT(LabelRef(later))
		lower := s.GP64()
		s.MOVQ(s.ldc, lower)
		s.SHLQ(Imm(4), lower)
		s.ADDQ(s.c, lower)
		for i := range 4 {
			at := s.c
			if i >= 2 {
				at = lower
			}
			s.amx("TILESTORED", tileRegister(i), Mem{Base: at, Index: s.ldc, Scale: 1, Disp: i % 2 * tileRow})
		}
		s.MOVQ(s.ldc, s.c)
		s.SHLQ(Imm(4), s.c)
		s.ADDQ(lower, s.c)
		s.JMP(LabelRef(kept))
		s.Label(later)
	}
	at := s.param("scratch")
	for i := range 2 * rows {
		s.amx("TILESTORED", tileRegister(i), Mem{Base: at, Index: s.pair, Scale: 1, Disp: i/2*32*tileRow + i%2*tileRow})
	}
}

// swap has the next tiles stored in the other place.
func (s *stripeState) swap() {
	other := s.GP64()
	s.MOVQ(s.both, other)
	s.SUBQ(s.scratch, other)
	s.MOVQ(other, s.scratch)
}

// configure loads the shape of the tiles: all that there are, each of 16 rows of 64 bytes.
func (x *x86) configure() {
	const name = "tiles"
	config, ok := x.data[name]
	if !ok {
		config = x.StaticGlobal(name)
		x.DataAttributes(attr.RODATA | attr.NOPTR)
		var bytes [64]byte
		bytes[0] = 1 // the palette
		for i := range 8 {
			bytes[16+2*i], bytes[48+i] = tileRow, 16
		}
		for i := 0; i < len(bytes); i += 8 {
			x.AddDatum(i, U64(binary.LittleEndian.Uint64(bytes[i:])))
		}
		x.data[name] = config
	}
	p := x.GP64()
	x.LEAQ(config, p)
	x.amx("LDTILECFG", Mem{Base: p})
}

// packRows packs A where it is not transposed: rows ≤ 32 rows, each of so many steps of 32 elements, four
// steps at a time.
func (x *x86) packRows() {
	x.function("bpackRows", "func(rows, steps int, src *BFloat16, ld int, dst *float32)",
		"packs rows ≤ 32 rows of steps·32 elements, contiguous along K, for gemmKernel.stripe.")
	rows, steps, src, ld, dst := x.param("rows"), x.param("steps"), x.param("src"), x.param("ld"), x.param("dst")
	x.SHLQ(Imm(1), ld)
	from, to, left := x.GP64(), x.GP64(), x.GP64()
	many, few, done := x.label("many"), x.label("few"), x.label("done")
	group := func(again string, count int) {
		row := x.label("row")
		x.MOVQ(src, from)
		x.MOVQ(dst, to)
		x.MOVQ(rows, left)
		x.Label(row)
		for i := range count {
			v := x.vec()
			x.VMOVUPS(Mem{Base: from, Disp: i * tileRow}, v)
			x.PREFETCHT0(Mem{Base: from, Disp: (i + count) * tileRow})
			x.VMOVUPS(v, Mem{Base: to, Disp: i * 2 * tileBytes})
		}
		x.ADDQ(ld, from)
		x.ADDQ(U32(tileRow), to)
		x.DECQ(left)
		x.JNE(LabelRef(row))
		x.ADDQ(U32(uint32(count*tileRow)), src)
		x.ADDQ(U32(uint32(count*2*tileBytes)), dst)
		x.SUBQ(Imm(uint64(count)), steps)
		x.JMP(LabelRef(again))
	}
	x.Label(many)
	x.CMPQ(steps, Imm(4))
	x.JLT(LabelRef(few))
	group(many, 4)
	x.Label(few)
	x.TESTQ(steps, steps)
	x.JE(LabelRef(done))
	group(few, 1)
	x.Label(done)
	x.ret()
}

// packColumns packs A where it is transposed: cols ≤ 16 rows of op(A). Pairs of rows of A are interleaved, as
// packN does for B, and then transposed.
func (x *x86) packColumns() {
	x.function("bpackColumns", "func(cols, steps int, src *BFloat16, ld int, dst *float32)",
		"packs steps·32 rows of cols ≤ 16 elements, contiguous across the panel, for gemmKernel.stripe.")
	cols, steps, src, ld, dst := x.param("cols"), x.param("steps"), x.param("src"), x.param("ld"), x.param("dst")
	x.SHLQ(Imm(1), ld)
	mask, valid := x.GP64(), x.K()
	x.MOVQ(cols, reg.RCX)
	x.MOVQ(U32(1), mask)
	x.SHLQ(reg.CL, mask)
	x.DECQ(mask)
	x.KMOVW(mask.As32(), valid)
	step := x.label("step")
	x.Label(step)
	v := make([]reg.VecVirtual, 16)
	for i := range v {
		v[i] = x.vec()
		upper := x.vec()
		x.VPMOVZXWD_Z(Mem{Base: src}, valid, v[i])
		x.VPMOVZXWD_Z(Mem{Base: src, Index: ld, Scale: 1}, valid, upper)
		x.LEAQ(Mem{Base: src, Index: ld, Scale: 2}, src)
		x.VPSLLD(Imm(16), upper, upper)
		x.VPORD(upper, v[i], v[i])
	}
	for i, u := range x.transpose(v) {
		x.VMOVUPS(u, Mem{Base: dst, Disp: i * tileRow})
	}
	x.ADDQ(U32(2*tileBytes), dst)
	x.DECQ(steps)
	x.JNE(LabelRef(step))
	x.ret()
}

// tileRegister is the operand TMM0 to TMM7, by its number: avo knows no register of that kind.
func tileRegister(i int) Op { return U8(i) }

// amx adds an instruction on tiles, operands in the order of Go's assembler, for encode to replace.
func (x *x86) amx(opcode string, ops ...Op) {
	feature := "AMXTILE"
	if opcode == "TDPBF16PS" {
		feature = "AMXBF16"
	}
	var inputs []Op
	for _, op := range ops {
		if m, ok := op.(Mem); ok {
			inputs = append(inputs, m)
		}
	}
	x.Instruction(&ir.Instruction{Opcode: opcode, Operands: ops, Inputs: inputs, ISA: []string{feature}})
}

// amxOpcodes are the last byte of the opcode, in the map 0F38, and the prefix that selects it: none, 66, F3
// and F2 are 0 to 3 (Intel, Architecture Instruction Set Extensions Programming Reference, chapter 3).
var amxOpcodes = map[string]struct{ opcode, prefix byte }{
	"LDTILECFG": {0x49, 0}, "TILERELEASE": {0x49, 0}, "TILEZERO": {0x49, 3},
	"TILELOADD": {0x4b, 3}, "TILELOADDT1": {0x4b, 1}, "TILESTORED": {0x4b, 2}, "TDPBF16PS": {0x5c, 2},
}

// encodeAMX returns the bytes of an instruction on tiles: C4, then the inverted bits that extend the register
// numbers and the map, then the inverted third operand and the prefix, the opcode, and the operands.
func encodeAMX(opcode string, ops []Op) ([]byte, error) {
	var tiles []int
	var mem *Mem
	for _, op := range ops {
		switch op := op.(type) {
		case U8:
			tiles = append(tiles, int(op))
		case Mem:
			mem = &op
		default:
			return nil, fmt.Errorf("%s of %v", opcode, op)
		}
	}
	op, ok := amxOpcodes[opcode]
	if !ok {
		return nil, fmt.Errorf("%s is no instruction on tiles", opcode)
	}
	extend, third, modrm := byte(0xe2), byte(15), byte(0)
	var rest []byte
	switch {
	case mem != nil:
		base, index, err := memoryOf(*mem)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", opcode, err)
		}
		if len(tiles) == 1 {
			modrm = byte(tiles[0]) << 3
		}
		extend ^= byte(base>>3)<<5 | byte(max(index, 0)>>3)<<6
		if index < 0 {
			if base&7 == 4 {
				return nil, fmt.Errorf("%s: a base that needs an index", opcode)
			}
			modrm |= byte(base & 7)
		} else {
			modrm |= 4
			rest = append(rest, byte(index&7<<3|base&7))
		}
		switch {
		case mem.Disp == 0 && base&7 != 5:
		case mem.Disp == int(int8(mem.Disp)):
			modrm |= 1 << 6
			rest = append(rest, byte(mem.Disp))
		default:
			modrm |= 2 << 6
			rest = binary.LittleEndian.AppendUint32(rest, uint32(mem.Disp))
		}
	case len(tiles) == 3:
		modrm, third = 0xc0|byte(tiles[2]<<3|tiles[1]), 15^byte(tiles[0])
	case len(tiles) == 1:
		modrm = 0xc0 | byte(tiles[0]<<3)
	default:
		modrm = 0xc0
	}
	return append([]byte{0xc4, extend, third<<3 | op.prefix, op.opcode, modrm}, rest...), nil
}

// memoryOf returns the numbers of the registers of an address; index is −1 if there is none.
func memoryOf(m Mem) (base, index int, err error) {
	index = -1
	b, ok := m.Base.(reg.Physical)
	if !ok || m.Symbol.Name != "" || m.Index != nil && m.Scale != 1 {
		return 0, 0, fmt.Errorf("address %v", m)
	}
	if m.Index != nil {
		i, ok := m.Index.(reg.Physical)
		if !ok || i.PhysicalIndex() == 4 {
			return 0, 0, fmt.Errorf("index %v", m)
		}
		index = int(i.PhysicalIndex())
	}
	return int(b.PhysicalIndex()), index, nil
}

// rawAMX is the instruction as data.
func rawAMX(in *ir.Instruction) (*ir.Instruction, error) {
	code, err := encodeAMX(in.Opcode, in.Operands)
	if err != nil {
		return nil, err
	}
	var parts, ops []string
	for len(code) > 0 {
		switch {
		case len(code) >= 4:
			parts = append(parts, fmt.Sprintf("LONG $%#08x", binary.LittleEndian.Uint32(code)))
			code = code[4:]
		case len(code) >= 2:
			parts = append(parts, fmt.Sprintf("WORD $%#04x", binary.LittleEndian.Uint16(code)))
			code = code[2:]
		default:
			parts = append(parts, fmt.Sprintf("BYTE $%#02x", code[0]))
			code = code[1:]
		}
	}
	for _, op := range in.Operands {
		if r, ok := op.(U8); ok {
			ops = append(ops, fmt.Sprintf("TMM%d", r))
		} else {
			ops = append(ops, op.Asm())
		}
	}
	return &ir.Instruction{Opcode: strings.TrimSpace(fmt.Sprintf("%s // %s %s", strings.Join(parts, "; "), in.Opcode, strings.Join(ops, ", ")))}, nil
}
