package main

import (
	. "github.com/mmcloughlin/avo/operand"
)

// ceilingX86 writes rounds of fused multiply-adds that depend on nothing but themselves.
func ceilingX86(x *x86) {
	x.function("fma", "func(n int) float64", "does n rounds of fused multiply-adds on registers and returns their number of operations.")
	half, one := x.broadcast("half", F32(0.5)), x.broadcast("one", F32(1))
	acc := x.accumulators(x.registers - 4)
	n, ops := x.param("n"), x.GP64()
	const rounds = 4
	x.IMUL3Q(U32(2*rounds*len(acc)*x.lanes), n, ops)
	result := x.XMM()
	x.VXORPS(result, result, result)
	x.VCVTSI2SDQ(ops, result, result)
	loop, done := x.label("loop"), x.label("done")
	x.TESTQ(n, n)
	x.JLE(LabelRef(done))
	x.Label(loop)
	for range rounds {
		for _, v := range acc {
			x.VFMADD213PS(one, half, v)
		}
	}
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
