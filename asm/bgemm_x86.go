package main

import (
	"encoding/binary"
	"fmt"

	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// bgemmX86 writes the packings that convert bfloat16 to float32 and, for CPUs with AVX512_BF16, the tiles
// and packings of pairs.
func bgemmX86(x *x86) {
	x.source = widened
	x.packT()
	x.packN()
	x.source = same
	if x.suffix != "AVX512" {
		return
	}
	x.width, x.source = bf16Width, paired
	x.gemmTiles()
	x.packT()
	x.packN()
}

// multiplyAdd adds a*b to sum; where words are pairs of bfloat16, the products of both: first that of the
// upper halves, then that of the lower ones, each rounded to nearest, with subnormal numbers taken for 0.
func (x *x86) multiplyAdd(a, b, sum reg.VecVirtual) {
	if x.source != paired {
		x.fma(a, b, sum)
		return
	}
	x.Instruction(&ir.Instruction{
		Opcode: "VDPBF16PS", Operands: []Op{a, b, sum}, Inputs: []Op{a, b, sum}, Outputs: []Op{sum}, ISA: []string{"AVX512BF16"},
	})
}

// encode replaces the instructions that Go's assembler does not know by their bytes.
func encode(fn *ir.Function) error {
	var nodes []ir.Node
	for _, node := range fn.Nodes {
		in, ok := node.(*ir.Instruction)
		if ok && amxOpcodes[in.Opcode].opcode != 0 {
			raw, err := rawAMX(in)
			if err != nil {
				return fmt.Errorf("%s: %w", fn.Name, err)
			}
			nodes = append(nodes, raw)
			continue
		}
		if !ok || in.Opcode != "VDPBF16PS" {
			nodes = append(nodes, node)
			continue
		}
		var r [3]int
		for i, op := range in.Operands {
			p, ok := op.(reg.Physical)
			if !ok || p.Size() != 64 {
				return fmt.Errorf("%s: %s of %v", fn.Name, in.Opcode, op)
			}
			r[i] = int(p.PhysicalIndex())
		}
		c := vdpbf16ps(r[0], r[1], r[2])
		nodes = append(nodes, &ir.Instruction{Opcode: fmt.Sprintf("LONG $%#08x; WORD $%#04x // VDPBF16PS Z%d, Z%d, Z%d",
			binary.LittleEndian.Uint32(c[:]), binary.LittleEndian.Uint16(c[4:]), r[0], r[1], r[2])})
	}
	fn.Nodes = nodes
	return nil
}

// vdpbf16ps encodes VDPBF16PS Zb, Za, Zsum: EVEX.512.F3.0F38.W0 52 /r (Intel, Architecture Instruction Set
// Extensions Programming Reference). EVEX inverts the bits that extend the register numbers.
func vdpbf16ps(b, a, sum int) [6]byte {
	bit := func(n, i, at int) byte { return byte(^n >> i & 1 << at) }
	return [6]byte{
		0x62,
		bit(sum, 3, 7) | bit(b, 4, 6) | bit(b, 3, 5) | bit(sum, 4, 4) | 2,
		byte(^a&15<<3) | 1<<2 | 2,
		2<<5 | bit(a, 4, 3),
		0x52,
		byte(0xc0 | sum&7<<3 | b&7),
	}
}
