package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// ceilingX86 writes the loops that measure what a core does on registers.
func ceilingX86(x *x86) {
	x.fmaCeiling()
	x.otherCeilings()
	if x.suffix != "AVX512" {
		return
	}
	x.width = bf16Width
	x.pairsCeiling()
	x.width = amxWidth
	x.tilesCeiling()
}

// otherCeilings writes those of instructions that do not multiply alone.
func (x *x86) otherCeilings() {
	// A quarter multiplies, and the others add integers, which every port for vectors does where not all of them
	// multiply. They wait for each other a cycle only, so that those that multiply may wait for four.
	x.rounds("vectors", "instructions of any kind", 24, 2, func(acc []reg.VecVirtual, half, one reg.VecVirtual) {
		for pass := range 3 {
			for i, v := range acc {
				switch {
				case i%2 != 0:
					x.VPADDD(v, v, v)
				case i/2%3 == pass:
					x.VFMADD213PS(one, half, v)
				}
			}
		}
	})
	// Half add, and the others, on some CPUs for other ports than those, take the larger or shift: so all ports are busy that
	// any of them can go to.
	x.rounds("additions", "instructions that add, take the larger, or shift", 24, 1, func(acc []reg.VecVirtual, half, one reg.VecVirtual) {
		for i, v := range acc {
			switch i % 4 {
			case 1:
				x.VMAXPS(one, v, v)
			case 3:
				x.VPSLLD(Imm(1), v, v)
			default:
				x.VADDPS(one, v, v)
			}
		}
	})
	x.moves("loads", "loads of whole registers", func(m Mem, v reg.VecVirtual) { x.VMOVUPS(m, v) })
	x.moves("stores", "stores of whole registers", func(m Mem, v reg.VecVirtual) { x.VMOVUPS(v, m) })
	x.rounds("divisions", "divisions", 10, 1, func(acc []reg.VecVirtual, half, one reg.VecVirtual) {
		for _, v := range acc {
			x.VDIVPS(v, one, v)
		}
	})
	// A division waits for nothing, and so much is beside it that the unit that divides is not what is waited for.
	x.rounds("divided", "multiply-adds with a division among each 24", 24, 24/min(24, x.registers-4), func(acc []reg.VecVirtual, half, one reg.VecVirtual) {
		for pass := range 24 / len(acc) {
			for i, v := range acc {
				if pass == 0 && i == 0 {
					x.VDIVPS(one, half, v)
				} else {
					x.VFMADD213PS(one, half, v)
				}
			}
		}
	})
	if x.lanes == 16 {
		x.rounds("scales", "VSCALEFPS and VREDUCEPS", 24, 1, func(acc []reg.VecVirtual, half, one reg.VecVirtual) {
			for i, v := range acc {
				if i%2 == 0 {
					x.VSCALEFPS(half, v, v)
				} else {
					x.VREDUCEPS(Imm(1), v, v)
				}
			}
		})
	}
	x.rounds("roots", "square roots", 10, 1, func(acc []reg.VecVirtual, half, one reg.VecVirtual) {
		for _, v := range acc {
			x.VSQRTPS(v, v)
		}
	})
}

// rounds writes a function that does rounds on so many registers, or as many as there are, which depend on nothing but
// themselves. A round has so many instructions for each.
func (x *x86) rounds(name, what string, registers, each int, round func(acc []reg.VecVirtual, half, one reg.VecVirtual)) {
	x.function(name, "func(n int) float64", "does n rounds of "+what+" on registers and returns their number of elements.")
	half, one := x.broadcast("half", F32(0.5)), x.broadcast("one", F32(1))
	acc := make([]reg.VecVirtual, min(registers, x.registers-4))
	for i := range acc {
		acc[i] = x.vec()
		x.VMOVAPS(one, acc[i])
	}
	n, ops, result := x.param("n"), x.GP64(), x.XMM()
	x.IMUL3Q(U32(uint32(each*len(acc)*x.lanes)), n, ops)
	x.VXORPS(result, result, result)
	x.VCVTSI2SDQ(ops, result, result)
	loop, done := x.label("loop"), x.label("done")
	x.TESTQ(n, n)
	x.JLE(LabelRef(done))
	x.Label(loop)
	round(acc, half, one)
	x.DECQ(n)
	x.JNE(LabelRef(loop))
	x.Label(done)
	b, err := x.ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	x.VMOVSD(result, b.Addr)
	x.ret()
}

// moves writes a function that does rounds of an instruction between registers and a few lines of the frame.
func (x *x86) moves(name, what string, move func(m Mem, v reg.VecVirtual)) {
	const lines = 8
	at, frame := x.GP64(), Mem{}
	x.rounds(name, what, 24, 1, func(acc []reg.VecVirtual, half, one reg.VecVirtual) {
		if frame.Base == nil {
			frame = x.AllocLocal(lines*x.bytes() + 64)
		}
		x.LEAQ(frame, at)
		x.ADDQ(Imm(63), at)
		x.ANDQ(I32(-64), at)
		for i, v := range acc {
			move(Mem{Base: at, Disp: i % lines * x.bytes()}, v)
		}
	})
}

// fmaCeiling writes rounds of fused multiply-adds that depend on nothing but themselves.
func (x *x86) fmaCeiling() {
	x.function("fma", "func(n int) float64", "does n rounds of fused multiply-adds on registers and returns their number of operations.")
	half, one := x.broadcast("half", F32(0.5)), x.broadcast("one", F32(1))
	acc := x.accumulators(x.registers - 4)
	const rounds = 4
	x.multiplications(2*rounds*len(acc)*x.lanes, func() {
		for range rounds {
			for _, v := range acc {
				x.VFMADD213PS(one, half, v)
			}
		}
	})
	x.ret()
}

// pairsCeiling is fmaCeiling of products of bfloat16 by pairs.
func (x *x86) pairsCeiling() {
	x.function("fma", "func(n int) float64", "does n rounds of multiply-adds of pairs of bfloat16 on registers and returns their number of operations.")
	x.source = paired
	acc := x.accumulators(x.registers - 4)
	factor := x.zero()
	const rounds = 4
	x.multiplications(4*rounds*len(acc)*x.lanes, func() {
		for range rounds {
			for _, v := range acc {
				x.multiplyAdd(factor, factor, v)
			}
		}
	})
	x.source = same
	x.ret()
}

// tilesCeiling is fmaCeiling of products of bfloat16 by tiles, with as many sums as stripe has.
func (x *x86) tilesCeiling() {
	x.function("fma", "func(n int) float64", "does n rounds of multiply-adds of tiles of bfloat16 on registers and returns their number of operations.")
	x.configure()
	for i := range 8 {
		x.amx("TILEZERO", tileRegister(i))
	}
	const rounds, sums = 4, 4
	x.multiplications(2*rounds*sums*16*16*32, func() {
		for range rounds {
			for i := range sums {
				x.amx("TDPBF16PS", tileRegister(6+i%2), tileRegister(4+i/2), tileRegister(i))
			}
		}
	})
	x.amx("TILERELEASE")
	x.ret()
}

// multiplications does n rounds of so many operations and has the function return how many that were.
func (x *x86) multiplications(operations int, round func()) {
	n, ops := x.param("n"), x.GP64()
	x.IMUL3Q(U32(uint32(operations)), n, ops)
	result := x.XMM()
	x.VXORPS(result, result, result)
	x.VCVTSI2SDQ(ops, result, result)
	loop, done := x.label("loop"), x.label("done")
	x.TESTQ(n, n)
	x.JLE(LabelRef(done))
	x.Label(loop)
	round()
	x.DECQ(n)
	x.JNE(LabelRef(loop))
	x.Label(done)
	b, err := x.ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	x.VMOVSD(result, b.Addr)
}
