package main

import (
	"math"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// normRowsX86 writes the normalisations of whole rows. While the sums of one row wait for each other, the
// CPU is at work on the next; with a call for each pass it would have nothing to do.
func normRowsX86(x *x86) {
	x.function("layerNorm", "func(rows, cols int, eps float32, x, gamma, beta, y, mean, rstd []float32)", "is the normalisation described at isa.layerNorm.")
	r := x.normRows()
	xs, ys, gammas, betas := x.base("x"), x.base("y"), x.base("gamma"), x.base("beta")
	means, rstds := x.base("mean"), x.base("rstd")
	row := x.label("row")
	x.Label(row)
	acc := x.accumulators(8)
	x.sweep(r.count(), 8, x.each(func(s *sweep) { x.VADDPS(s.operand(xs), acc.of(s), acc.of(s)) }))
	mean := r.meanOf(x.reduce(acc, x.VADDPS))
	x.VCVTSD2SS(mean, mean, mean)
	x.VMOVSS(mean, Mem{Base: means})
	meanAll := x.vec()
	x.VBROADCASTSS(mean, meanAll)

	acc = x.accumulators(8)
	x.sweep(r.count(), 8, x.each(func(s *sweep) {
		v := s.load(xs)
		x.VSUBPS(meanAll, v, v)
		s.clip(v)
		x.VFMADD231PS(v, v, acc.of(s))
	}))
	rstd := r.inverseRoot(r.meanOf(x.reduce(acc, x.VADDPS)))
	x.VMOVSS(rstd, Mem{Base: rstds})
	rstdAll := x.vec()
	x.VBROADCASTSS(rstd, rstdAll)

	x.sweep(r.count(), 4, x.each(func(s *sweep) {
		v := s.load(xs)
		x.VSUBPS(meanAll, v, v)
		x.VMULPS(rstdAll, v, v)
		gamma := s.load(gammas)
		x.VFMADD213PS(s.operand(betas), gamma, v)
		s.store(v, ys)
	}))
	for _, p := range []reg.Register{xs, ys} {
		x.LEAQ(Mem{Base: p, Index: r.cols, Scale: 4}, p)
	}
	x.ADDQ(Imm(4), means)
	x.ADDQ(Imm(4), rstds)
	x.DECQ(r.rows)
	x.JNE(LabelRef(row))
	x.ret()

	x.function("rmsNorm", "func(rows, cols int, eps float32, x, gamma, y, rstd []float32) int", "is the normalisation described at isa.rmsNorm.")
	r = x.normRows()
	xs, ys, gammas, rstds = x.base("x"), x.base("y"), x.base("gamma"), x.base("rstd")
	least, most := x.XMM(), x.XMM()
	x.VMOVSD(x.constant("leastSquare", F64(0x1p-126)), least)
	x.VMULSD(r.n, least, least)
	x.VMOVSD(x.constant("mostSquares", F64(math.MaxFloat32)), most)
	done := x.GP64()
	x.XORQ(done, done)
	row, end := x.label("row"), x.label("end")
	x.Label(row)
	acc = x.accumulators(8)
	x.sweep(r.count(), 8, x.each(func(s *sweep) {
		v := s.load(xs)
		x.VFMADD231PS(v, v, acc.of(s))
	}))
	sum := x.XMM()
	squares := x.reduce(acc, x.VADDPS)
	x.VCVTSS2SD(squares, squares, sum)
	x.VUCOMISD(least, sum)
	x.JCS(LabelRef(end)) // less, or NaN
	x.VUCOMISD(most, sum)
	x.JHI(LabelRef(end))
	x.VDIVSD(r.n, sum, sum)
	rstd = r.inverseRoot(sum)
	x.VMOVSS(rstd, Mem{Base: rstds, Index: done, Scale: 4})
	rstdAll = x.vec()
	x.VBROADCASTSS(rstd, rstdAll)
	x.sweep(r.count(), 4, x.each(func(s *sweep) {
		v := s.load(xs)
		x.VMULPS(rstdAll, v, v)
		x.VMULPS(s.operand(gammas), v, v)
		s.store(v, ys)
	}))
	for _, p := range []reg.Register{xs, ys} {
		x.LEAQ(Mem{Base: p, Index: r.cols, Scale: 4}, p)
	}
	x.INCQ(done)
	x.DECQ(r.rows)
	x.JNE(LabelRef(row))
	x.Label(end)
	x.Store(done, x.ReturnIndex(0))
	x.ret()
}

// normRows holds the shape of the rows, and in float64 eps and how many elements a row has.
type normRows struct {
	*x86
	rows, cols reg.Register
	eps, n     reg.VecVirtual
}

func (x *x86) normRows() normRows {
	r := normRows{x, x.param("rows"), x.param("cols"), x.XMM(), x.XMM()}
	x.VMOVSS(x.paramAddr("eps"), r.eps)
	x.VCVTSS2SD(r.eps, r.eps, r.eps)
	x.VXORPS(r.n, r.n, r.n)
	x.VCVTSI2SDQ(r.cols, r.n, r.n)
	return r
}

// count returns a register with cols for a sweep to count down.
func (r normRows) count() reg.Register {
	n := r.GP64()
	r.MOVQ(r.cols, n)
	return n
}

// meanOf returns the float32 in the lowest lane of v over cols, in float64.
func (r normRows) meanOf(v reg.Register) reg.VecVirtual {
	d := r.XMM()
	r.VCVTSS2SD(v, v, d)
	r.VDIVSD(r.n, d, d)
	return d
}

// inverseRoot returns 1/√(d + eps) as a float32.
func (r normRows) inverseRoot(d reg.VecVirtual) reg.VecVirtual {
	one := r.XMM()
	r.VADDSD(r.eps, d, d)
	r.VSQRTSD(d, d, d)
	r.VMOVSD(r.constant("one64", F64(1)), one)
	r.VDIVSD(d, one, d)
	r.VCVTSD2SS(d, d, d)
	return d
}
