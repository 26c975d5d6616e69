package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// disassembly is as llvm-objdump prints it: two tiles in the order of the symbol table, and a function
// that is none.
const disassembly = `
/tmp/vcycle:	file format elf64-littleaarch64

Disassembly of section .text:

0000000000001000 <github.com/vcycle-go/vcycle/kernels.gemm2x12NEON.abi0>:
    1000:      	ldr	x0, [sp, #0x8]
    1004:      	ldr	q1, [x2], #0x10
    1008:      	subs	x0, x0, #0x1
    100c:      	fmla	v0.4s, v1.4s, v2.s[0]
    1010:      	fmla	v3.4s, v1.4s, v2.s[1]
    1014:      	b.ne	0x1004 <github.com/vcycle-go/vcycle/kernels.gemm2x12NEON.abi0+0x4>
    1018:      	cbz	x1, 0x1020 <github.com/vcycle-go/vcycle/kernels.gemm2x12NEON.abi0+0x20>
    101c:      	fmla	v0.4s, v1.4s, v4.4s
    1020:      	ret

0000000000001030 <github.com/vcycle-go/vcycle/kernels.gemm1x12NEON.abi0>:
    1030:      	subs	x0, x0, #0x1
    1034:      	fmla	v0.4s, v1.4s, v2.s[0]
    1038:      	b.ne	0x1030 <github.com/vcycle-go/vcycle/kernels.gemm1x12NEON.abi0>
    103c:      	ret

0000000000001040 <github.com/vcycle-go/vcycle/kernels.axpyNEON.abi0>:
    1040:      	ret
`

func TestLoops(t *testing.T) {
	tiles, err := loops(disassembly)
	if err != nil {
		t.Fatal(err)
	}
	if len(tiles) != 2 || tiles[0].name != "gemm1x12NEON" || tiles[0].tallest || tiles[1].name != "gemm2x12NEON" || !tiles[1].tallest {
		t.Fatalf("tiles are %+v", tiles)
	}
	if got := tiles[1].fmas; got != 2 {
		t.Errorf("%d multiply-adds, want the 2 of the loop", got)
	}
	const want = "loop:\nldr q1, [x2], #0x10\nsubs x0, x0, #0x1\nfmla v0.4s, v1.4s, v2.s[0]\nfmla v3.4s, v1.4s, v2.s[1]\nb.ne loop\n"
	if got := tiles[1].loop("loop"); got != want {
		t.Errorf("loop is\n%s, want\n%s", got, want)
	}
}

func TestLoopsErrors(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"fmla	v0.4s, v1.4s, v2.s[0]\n    1038", "nop\n    1038", "gemm1x12NEON: no loop"},
		{"b.ne	0x1030", "b.ne	0x103c", "gemm1x12NEON: no loop"},
		{"cbz	x1, 0x1020", "cbz	x1, 0x100c", "branches at 0x1014"},
		{"cbz	x1, 0x1020", "cbz	x1, 0x1018", ""}, // a loop without multiply-adds
		{"    1020:      	ret", "    1020:      	b.ne	0x101c", "two loops"},
	} {
		text := strings.Replace(disassembly, c.old, c.new, 1)
		if text == disassembly {
			t.Fatalf("%q is not in the disassembly", c.old)
		}
		_, err := loops(text)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q for %q: error is %v, want %q", c.new, c.old, err, c.want)
		}
	}
}

// TestAnalyse has llvm-mca see a chain of multiply-adds, of 4 cycles each on Neoverse N1, and independent
// ones at two a cycle.
func TestAnalyse(t *testing.T) {
	mca, _, err := findLLVM("llvm-mca")
	if err != nil {
		t.Skip(err)
	}
	tiles := []tile{
		{name: "chain", body: []string{"fmul v0.4s, v0.4s, v1.4s", "fmla v0.4s, v1.4s, v2.4s"}, branch: "b.ne", fmas: 1, tallest: true},
		{name: "free", body: []string{"fmla v0.4s, v8.4s, v9.4s", "fmla v1.4s, v8.4s, v9.4s", "fmla v2.4s, v8.4s, v9.4s", "fmla v3.4s, v8.4s, v9.4s",
			"fmla v4.4s, v8.4s, v9.4s", "fmla v5.4s, v8.4s, v9.4s", "fmla v6.4s, v8.4s, v9.4s", "fmla v7.4s, v8.4s, v9.4s"}, branch: "b.ne", fmas: 8, tallest: true},
		{name: "bf16", body: []string{"bfmmla v0.4s, v1.8h, v2.8h"}, branch: "b.ne", fmas: 1, tallest: true, bf16: true},
	}
	got, err := analyse(mca, cores[0], tiles)
	if err != nil {
		t.Fatal(err)
	}
	if got[0].cycles < 6 || got[0].share > 0.1 {
		t.Errorf("a chain takes %.2f cycles, %.0f%% of the bound", got[0].cycles, 100*got[0].share)
	}
	if got[1].cycles < 4 || got[1].cycles > 4.1 || got[1].share < 0.98 {
		t.Errorf("eight free multiply-adds take %.2f cycles, %.0f%% of the bound", got[1].cycles, 100*got[1].share)
	}
	if got[2] != (result{}) {
		t.Errorf("BFMMLA on a core without it: %+v", got[2])
	}
	if err := check(tiles, [][]result{got, nil, nil, nil}); err == nil || !strings.Contains(err.Error(), "chain on neoverse-n1") || strings.Contains(err.Error(), "free") {
		t.Errorf("check returns %v", err)
	}
	if _, err := analyse(mca, core{name: "neoverse-n1", pipes: 4}, tiles); err == nil || !strings.Contains(err.Error(), "model has 2") {
		t.Errorf("with other pipes the error is %v", err)
	}
	if _, err := analyse(mca, core{name: "neoverse-n0", pipes: 2}, tiles); err == nil || !strings.Contains(err.Error(), "not a recognized") {
		t.Errorf("on an unknown core the error is %v", err)
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := run(nil, new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), "no llvm-mca of LLVM 16 or later") {
		t.Errorf("error is %v", err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tileSymbols(program); err == nil {
		t.Errorf("%s has tiles", program)
	}
}
