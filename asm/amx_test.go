package main

import (
	"fmt"
	"testing"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// TestAMX compares encodings with llvm-mc's.
func TestAMX(t *testing.T) {
	at := func(base, index reg.Register, disp int) Op {
		m := Mem{Base: base, Index: index, Disp: disp}
		if index != nil {
			m.Scale = 1
		}
		return m
	}
	for _, c := range []struct {
		opcode string
		ops    []Op
		want   string
	}{
		{"LDTILECFG", []Op{at(reg.RAX, nil, 0)}, "c4e2784900"},
		{"LDTILECFG", []Op{at(reg.R13, nil, 0)}, "c4c278494500"},
		{"TILERELEASE", nil, "c4e27849c0"},
		{"TILEZERO", []Op{tileRegister(0)}, "c4e27b49c0"},
		{"TILEZERO", []Op{tileRegister(5)}, "c4e27b49e8"},
		{"TILELOADD", []Op{at(reg.RAX, reg.RBX, 0), tileRegister(4)}, "c4e27b4b2418"},
		{"TILELOADD", []Op{at(reg.R9, reg.R10, 64), tileRegister(7)}, "c4827b4b7c1140"},
		{"TILELOADD", []Op{at(reg.R13, reg.RCX, 4096), tileRegister(3)}, "c4c27b4b9c0d00100000"},
		{"TILELOADDT1", []Op{at(reg.R9, reg.R10, 64), tileRegister(4)}, "c482794b641140"},
		{"TILESTORED", []Op{tileRegister(2), at(reg.RDI, reg.R11, 2048)}, "c4a27a4b941f00080000"},
		{"TILESTORED", []Op{tileRegister(0), at(reg.R12, reg.RSI, 0)}, "c4c27a4b0434"},
		{"TDPBF16PS", []Op{tileRegister(6), tileRegister(4), tileRegister(0)}, "c4e24a5cc4"},
		{"TDPBF16PS", []Op{tileRegister(7), tileRegister(5), tileRegister(3)}, "c4e2425cdd"},
	} {
		if got, err := encodeAMX(c.opcode, c.ops); err != nil || fmt.Sprintf("%x", got) != c.want {
			t.Errorf("%s %v is %x, %v; want %s", c.opcode, c.ops, got, err, c.want)
		}
	}
	for _, op := range []Op{at(reg.R12, nil, 0), at(reg.RAX, reg.RSP, 0), Mem{Base: reg.RAX, Index: reg.RBX, Scale: 2}, at(reg.AX, reg.GeneralPurpose.Virtual(1, reg.S64), 0)} {
		if got, err := encodeAMX("TILELOADD", []Op{op, tileRegister(0)}); err == nil {
			t.Errorf("TILELOADD %v is %x, want an error", op, got)
		}
	}
}
