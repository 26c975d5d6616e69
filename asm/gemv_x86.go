package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gemvRows is how many rows of the matrix the products of level 2 take at a time: as many streams as the
// prefetchers of a core follow, and one load of the vector for all of them.
const gemvRows = 4

// gemvNearRows is the same where the matrix is in the first cache: there a load of the vector for each four of the
// matrix is a fifth of the time.
const gemvNearRows = 8

// gemvX86 writes the products of a matrix with a vector, and the update of rank one.
func gemvX86(x *x86) {
	for _, x.double = range []bool{false, true} {
		x.gemvN()
		x.gemvT("gemvT", gemvRows, 2)
		x.gemvNearN()
		x.gemvT("gemvNearT", gemvNearRows, 4)
		for rows := 1; rows <= x.dotsRows(); rows++ {
			x.dots(rows)
		}
		x.ger("ger", gemvRows)
		x.ger("gerRows", 1)
	}
	x.double = false
}

// rows writes a loop over groups of rows of A. The body gets their addresses.
func (x *x86) rows(group int, body func(row []reg.Register)) {
	m, a := x.param("m"), x.param("a")
	loop := x.label("rows")
	x.Label(loop)
	lda := x.param("lda")
	x.SHLQ(x.shift(), lda)
	row := []reg.Register{a}
	for len(row) < group {
		p := x.GP64()
		x.LEAQ(Mem{Base: row[len(row)-1], Index: lda, Scale: 1}, p)
		row = append(row, p)
	}
	body(row)
	lda = x.param("lda")
	x.SHLQ(x.shift(), lda)
	x.LEAQ(Mem{Base: row[group-1], Index: lda, Scale: 1}, a)
	x.SUBQ(Imm(uint64(group)), m)
	x.JG(LabelRef(loop))
	x.ret()
}

// gemvN keeps two accumulators for each row.
func (x *x86) gemvN() {
	x.function(x.prefix()+"gemvN", x.of("func(m, n int, alpha T, a *T, lda int, x *T, beta T, y *T)"), "is gemvKernel.n.")
	xs, ys := x.param("x"), x.param("y")
	x.rows(gemvRows, func(row []reg.Register) {
		acc := x.accumulators(2 * gemvRows)
		x.sweep(x.param("n"), 2, x.each(func(s *sweep) {
			v := s.load(xs)
			for i, p := range row {
				a := acc[2*i+s.part]
				if s.size == s.elements() {
					x.fma(s.at(p), v, a)
				} else {
					x.fma(s.load(p), v, a)
				}
			}
		}))
		var sum []reg.VecVirtual
		for i := range gemvRows {
			v := acc[2*i]
			x.add(acc[2*i+1], v, v)
			sum = append(sum, v)
		}
		x.lowHalves(sum)
		x.storeSums(sum, ys)
		x.ADDQ(Imm(uint64(gemvRows*x.size())), ys)
	})
}

// gemvNearN keeps an accumulator for each row.
func (x *x86) gemvNearN() {
	x.function(x.prefix()+"gemvNearN", x.of("func(m, n int, alpha T, a *T, lda int, x *T, beta T, y *T)"), "is gemvKernel.nearN.")
	xs, ys := x.param("x"), x.param("y")
	x.rows(gemvNearRows, func(row []reg.Register) {
		acc := x.accumulators(gemvNearRows)
		x.sweep(x.param("n"), 2, x.each(func(s *sweep) {
			v := s.load(xs)
			for i, p := range row {
				if s.size == s.elements() {
					x.fma(s.at(p), v, acc[i])
				} else {
					x.fma(s.load(p), v, acc[i])
				}
			}
		}))
		x.lowHalves(acc)
		for i := 0; i < gemvNearRows; i += gemvRows {
			x.storeSums(acc[i:i+gemvRows], ys)
			x.ADDQ(Imm(uint64(gemvRows*x.size())), ys)
		}
	})
}

// dotsRows is the most rows of dots: with four columns, as many accumulators as the registers hold beside
// the vectors of the rows and one of a column.
func (x *x86) dotsRows() int {
	if x.lanes == 16 {
		return 4
	}
	return 3
}

// dots is gemvN for a few vectors at once.
func (x *x86) dots(rows int) {
	x.function(fmt.Sprintf("%sdots%d", x.prefix(), rows),
		x.of("func(k int, alpha T, a *T, lda int, b *T, ldb int, beta T, c *T, ldc int)"), "is gemvKernel.dots.")
	addresses := func(name, stride string, count int) []reg.Register {
		p := []reg.Register{x.param(name)}
		ld := x.param(stride)
		x.SHLQ(x.shift(), ld)
		for len(p) < count {
			q := x.GP64()
			x.LEAQ(Mem{Base: p[len(p)-1], Index: ld, Scale: 1}, q)
			p = append(p, q)
		}
		return p
	}
	a, b := addresses("a", "lda", rows), addresses("b", "ldb", gemvRows)
	acc := x.accumulators(rows * gemvRows)
	x.sweep(x.param("k"), 1, func(s *sweep) {
		var av []reg.VecVirtual
		for _, p := range a {
			av = append(av, s.load(p))
		}
		for j, p := range b {
			bv := s.load(p)
			for i, v := range av {
				x.fma(bv, v, acc[i*gemvRows+j])
			}
		}
	})
	c, ldc := x.param("c"), x.param("ldc")
	x.SHLQ(x.shift(), ldc)
	for i := range rows {
		sum := acc[i*gemvRows:][:gemvRows]
		x.lowHalves(sum)
		x.storeSums(sum, c)
		x.ADDQ(ldc, c)
	}
	x.ret()
}

// lowHalves adds the upper half of each register to the lower one where it has more than 32 bytes.
func (x *x86) lowHalves(v []reg.VecVirtual) {
	for i := 0; i < len(v) && x.lanes == 16; i++ {
		h := x.YMM()
		x.VEXTRACTF64X4(Imm(1), v[i], h)
		x.add(h, v[i].AsY(), v[i].AsY())
	}
}

// storeSums sets y = alpha*s + beta*y for the sums s of the low 32 bytes of each of four registers; it does
// not read y if beta is 0.
func (x *x86) storeSums(v []reg.VecVirtual, y reg.Register) {
	a, b, h := v[0], v[2], x.YMM()
	sum, factor := reg.Register(a.AsX()), reg.Register(h.AsX())
	if x.double {
		x.VHADDPD(v[1].AsY(), a.AsY(), a.AsY()) // 0 and 1 in each half
		x.VHADDPD(v[3].AsY(), b.AsY(), b.AsY())
		x.VPERM2F128(Imm(0x31), b.AsY(), a.AsY(), h)
		x.VINSERTF128(Imm(1), b.AsX(), a.AsY(), a.AsY())
		sum, factor = a.AsY(), h.AsY()
		x.add(h, sum, sum)
	} else {
		x.VHADDPS(v[1].AsY(), a.AsY(), a.AsY())
		x.VHADDPS(v[3].AsY(), b.AsY(), b.AsY())
		x.VHADDPS(b.AsY(), a.AsY(), a.AsY()) // 0 to 3 in each half
		x.VEXTRACTF128(Imm(1), a.AsY(), h.AsX())
		x.add(h.AsX(), sum, sum)
	}
	store := x.label("store")
	x.spread(x.paramAddr("alpha"), factor)
	x.mul(factor, sum, sum)
	x.testBeta()
	x.JEQ(LabelRef(store))
	x.spread(x.paramAddr("beta"), factor)
	x.fma(Mem{Base: y}, factor, sum)
	x.Label(store)
	x.VMOVUPS(sum, Mem{Base: y})
}

// factors returns a register for each of the next elements of x, multiplied by alpha.
func (x *x86) factors(xs reg.Register, count int) []reg.VecVirtual {
	inc := x.param("incX")
	x.SHLQ(x.shift(), inc)
	alpha := x.scalar("alpha")
	var v []reg.VecVirtual
	for range count {
		f := x.vec()
		x.spread(Mem{Base: xs}, f)
		x.mul(f, alpha, f)
		x.ADDQ(inc, xs)
		v = append(v, f)
	}
	return v
}

// gemvT takes so many rows, and unroll vectors of the result, at a time.
func (x *x86) gemvT(name string, group, unroll int) {
	x.function(x.prefix()+name, x.of("func(m, n int, alpha T, a *T, lda int, x *T, incX int, y *T)"), "is gemvKernel.t.")
	xs, ys := x.param("x"), x.param("y")
	x.rows(group, func(row []reg.Register) {
		f := x.factors(xs, group)
		x.sweep(x.param("n"), unroll, func(s *sweep) {
			y := s.loads(ys)
			for i, p := range row {
				s.each(func(s *sweep) {
					if s.size == s.elements() {
						x.fma(s.at(p), f[i], y[s.part])
					} else {
						x.fma(s.load(p), f[i], y[s.part])
					}
				})(s)
			}
			s.stores(y, ys)
		})
	})
}

// ger takes so many rows at a time. Where they are a multiple of 4 KB apart, one at a time is best: more
// are in the same few lines of the first cache, and loads take stores to the rows before for their own.
func (x *x86) ger(name string, group int) {
	x.function(x.prefix()+name, x.of("func(m, n int, alpha T, x *T, incX int, y, a *T, lda int)"), "is gemvKernel."+name+".")
	xs, ys := x.param("x"), x.param("y")
	x.rows(group, func(row []reg.Register) {
		f := x.factors(xs, group)
		x.sweep(x.param("n"), 2, func(s *sweep) {
			y := s.loads(ys)
			var a []vectors
			for _, p := range row {
				a = append(a, s.loads(p))
			}
			for i, p := range row {
				for j := range y {
					x.fma(y[j], f[i], a[i][j])
				}
				s.stores(a[i], p)
			}
		})
	})
}
