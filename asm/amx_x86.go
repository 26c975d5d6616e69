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

// stripe goes down a packed panel of A with one panel of B, 32×32 elements of C at a time: 2×2 tiles are the
// most that leaves tiles for the operands, so that each of these is used twice. The last rows, if they are 16
// or less, take 1×2 tiles.
func (x *x86) stripe() {
	x.function("bgemmStripe", "func(rows, cols, k int, alpha float32, a *float32, row, step, panel int, b *float32, bias *float32, beta float32, d *float32, ldd int, c *float32, ldc int, scratch *float32)",
		"is gemmKernel.stripe.")
	const step = 2 * tileBytes // of K in a panel of B
	x.configure()
	left, a, c, d := x.param("rows"), x.param("a"), x.param("c"), x.param("d")

	// The columns that there are.
	mask, low, high := x.GP64(), x.K(), x.K()
	x.MOVQ(x.paramAddr("cols"), reg.RCX)
	x.MOVQ(U32(1), mask)
	x.SHLQ(reg.CL, mask)
	x.DECQ(mask)
	x.KMOVW(mask.As32(), low)
	x.SHRQ(Imm(16), mask)
	x.KMOVW(mask.As32(), high)

	// What the epilogue needs, kept in registers: they are free while tiles multiply.
	alpha, beta := x.scalar("alpha"), x.scalar("beta")
	bias := []reg.VecVirtual{x.zero(), x.zero()}
	none := x.label("none")
	p := x.param("bias")
	x.TESTQ(p, p)
	x.JE(LabelRef(none))
	x.VMOVUPS_Z(Mem{Base: p}, low, bias[0])
	x.VMOVUPS_Z(Mem{Base: p, Disp: 64}, high, bias[1])
	x.Label(none)

	row, pair := x.param("row"), x.GP64()
	x.MOVQ(U32(2*tileRow), pair) // the distance of rows of B, and of scratch
	panel, short, next := x.label("panel"), x.label("short"), x.label("next")
	x.Label(panel)
	x.CMPQ(left, Imm(16))
	x.JLE(LabelRef(short))
	for _, rows := range []int{2, 1} {
		if rows == 1 {
			x.Label(short)
		}
		for i := range 2 * rows {
			x.amx("TILEZERO", tileRegister(i))
		}
		a0, a1, b, k, stride := x.GP64(), x.GP64(), x.param("b"), x.param("k"), x.param("step")
		x.MOVQ(a, a0)
		if rows == 2 {
			x.MOVQ(row, a1)
			x.SHLQ(Imm(4), a1)
			x.ADDQ(a, a1)
		}
		// Two rows a step of what the epilogue reads, or else writes, are prefetched.
		ahead, down := x.GP64(), x.param("ldc")
		ldd := x.param("ldd")
		x.MOVQ(c, ahead)
		x.testBeta()
		x.CMOVQNE(d, ahead)
		x.CMOVQNE(ldd, down)
		x.SHLQ(Imm(2), down)
		fetch, stay := x.GP64(), x.GP64()
		x.MOVQ(left, fetch)
		x.XORQ(stay, stay)

		loop := x.label("loop")
		x.Label(loop)
		x.amx("TILELOADD", Mem{Base: a0, Index: row, Scale: 1}, tileRegister(4))
		x.amx("TILELOADD", Mem{Base: b, Index: pair, Scale: 1}, tileRegister(6))
		x.amx("TILELOADD", Mem{Base: b, Index: pair, Scale: 1, Disp: tileRow}, tileRegister(7))
		x.amx("TDPBF16PS", tileRegister(6), tileRegister(4), tileRegister(0))
		x.amx("TDPBF16PS", tileRegister(7), tileRegister(4), tileRegister(1))
		if rows == 2 {
			x.amx("TILELOADD", Mem{Base: a1, Index: row, Scale: 1}, tileRegister(5))
			x.amx("TDPBF16PS", tileRegister(6), tileRegister(5), tileRegister(2))
			x.amx("TDPBF16PS", tileRegister(7), tileRegister(5), tileRegister(3))
			x.ADDQ(stride, a1)
		}
		for range 2 {
			x.PREFETCHT0(Mem{Base: ahead})
			x.PREFETCHT0(Mem{Base: ahead, Disp: 64})
			x.DECQ(fetch)
			x.CMOVQEQ(stay, down) // stays on the last row
			x.ADDQ(down, ahead)
		}
		x.ADDQ(stride, a0)
		x.ADDQ(U32(step), b)
		x.DECQ(k)
		x.JNE(LabelRef(loop))

		scratch := x.param("scratch")
		for i := range 2 * rows {
			x.amx("TILESTORED", tileRegister(i), Mem{Base: scratch, Index: pair, Scale: 1, Disp: i/2*32*tileRow + i%2*tileRow})
		}
		if rows == 2 {
			x.JMP(LabelRef(next))
		}
	}

	x.Label(next)
	count, most := x.GP64(), x.GP64()
	x.MOVQ(left, count)
	x.MOVQ(U32(32), most)
	x.CMPQ(count, most)
	x.CMOVQGT(most, count)
	x.SUBQ(count, left)
	sums, ldc := x.param("scratch"), x.param("ldc")
	x.SHLQ(Imm(2), ldc)
	ldd := x.param("ldd")
	x.SHLQ(Imm(2), ldd)
	v := []reg.VecVirtual{x.vec(), x.vec()}
	read, store, scaled := x.label("read"), x.label("store"), x.label("scaled")
	columns := []reg.OpmaskVirtual{low, high}
	result := func() {
		for j := range v {
			x.VADDPS(Mem{Base: sums, Disp: 64 * j}, bias[j], v[j])
			x.VMULPS(alpha, v[j], v[j])
		}
	}
	write := func(again string) {
		for j := range v {
			x.VMOVUPS(v[j], columns[j], Mem{Base: c, Disp: 64 * j})
		}
		x.ADDQ(U32(2*tileRow), sums)
		x.ADDQ(ldc, c)
		x.DECQ(count)
		x.JNE(LabelRef(again))
	}
	x.testBeta()
	x.JNE(LabelRef(read))
	x.Label(store)
	result()
	write(store)
	x.JMP(LabelRef(scaled))
	x.Label(read)
	result()
	old := []reg.VecVirtual{x.vec(), x.vec()}
	for j := range v {
		x.VMOVUPS_Z(Mem{Base: d, Disp: 64 * j}, columns[j], old[j])
		x.VFMADD231PS(old[j], beta, v[j])
	}
	x.ADDQ(ldd, d)
	write(read)
	x.Label(scaled)
	x.ADDQ(x.paramAddr("panel"), a)
	x.TESTQ(left, left)
	x.JNE(LabelRef(panel))
	x.amx("TILERELEASE")
	x.ret()
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
	"TILELOADD": {0x4b, 3}, "TILESTORED": {0x4b, 2}, "TDPBF16PS": {0x5c, 2},
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
