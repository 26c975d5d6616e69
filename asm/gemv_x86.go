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
		x.gemvFarN()
		x.gemvT("gemvFarT", 1, 4)
		for rows := 1; rows <= x.dotsRows(); rows++ {
			x.dots(rows)
		}
		for rows := 2; rows <= x.sumsRows(); rows++ {
			x.sums(rows, false)
			if x.lanes == 16 {
				x.sums(rows, true)
			}
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
		for i := 0; i < gemvNearRows; i += gemvRows {
			x.storeSums(acc[i:i+gemvRows], ys)
			x.ADDQ(Imm(uint64(gemvRows*x.size())), ys)
		}
	})
}

// gemvFarN goes over one row after the other, with four accumulators, of which one is left for each of gemvRows rows.
func (x *x86) gemvFarN() {
	x.function(x.prefix()+"gemvFarN", x.of("func(m, n int, alpha T, a *T, lda int, x *T, beta T, y *T)"), "is gemvKernel.farN.")
	xs, ys := x.param("x"), x.param("y")
	x.rows(gemvRows, func(row []reg.Register) {
		var sums []reg.VecVirtual
		for i, p := range row {
			if i > 0 {
				x.side = -1
			}
			acc := x.accumulators(4)
			x.sweep(x.param("n"), len(acc), x.each(func(s *sweep) {
				x.fma(s.load(p), s.load(xs), acc[s.part])
			}))
			for j := range 2 {
				x.add(acc[j+2], acc[j], acc[j])
			}
			x.add(acc[1], acc[0], acc[0])
			sums = append(sums, acc[0])
		}
		x.side = 0
		x.storeSums(sums, ys)
		x.ADDQ(Imm(uint64(gemvRows*x.size())), ys)
	})
}

// dotsRows is the most rows of dots: with four columns, as many accumulators as the registers hold beside
// the vectors of the rows and one of a column.
func (x *x86) dotsRows() int {
	if x.lanes == 16 {
		return 6
	}
	return 3
}

// dots is gemvN for a few vectors at once.
func (x *x86) dots(rows int) {
	x.function(fmt.Sprintf("%sdots%d", x.prefix(), rows),
		x.of("func(n, k int, alpha T, a *T, lda int, b *T, ldb int, beta T, c *T, ldc int)"), "is gemvKernel.dots.")
	a := []reg.Register{x.param("a")}
	lda := x.param("lda")
	x.SHLQ(x.shift(), lda)
	for len(a) < rows {
		p := x.GP64()
		x.LEAQ(Mem{Base: a[len(a)-1], Index: lda, Scale: 1}, p)
		a = append(a, p)
	}
	first, left := x.param("b"), x.param("n")
	loop := x.label("columns")
	x.Label(loop)
	ldb := x.param("ldb")
	x.SHLQ(x.shift(), ldb)
	b := []reg.Register{first}
	for len(b) < gemvRows {
		p := x.GP64()
		x.LEAQ(Mem{Base: b[len(b)-1], Index: ldb, Scale: 1}, p)
		b = append(b, p)
	}
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
		x.storeSums(sum, c)
		x.ADDQ(ldc, c)
	}
	x.ADDQ(Imm(uint64(gemvRows*x.size())), x.paramAddr("c"))
	ldb = x.param("ldb")
	x.SHLQ(x.shift(), ldb)
	x.LEAQ(Mem{Base: b[gemvRows-1], Index: ldb, Scale: 1}, first)
	x.SUBQ(Imm(gemvRows), left)
	x.JG(LabelRef(loop))
	x.ret()
}

// sumsRows is the most rows of sums: there is a register for each of their elements in gemvRows columns, and on AVX-512
// for a vector of each row of the matrix.
func (x *x86) sumsRows() int {
	if x.lanes == 16 {
		return 4
	}
	return 3
}

// sumsStride is the distance in bytes of the rows that sums adds to: kernels/thin.go says why.
const sumsStride = 5 << 10

// sums is gemvT for a few vectors at once, with two rows fetched for each group of rows or without.
func (x *x86) sums(rows int, fetch bool) {
	name, args := "sums", ""
	if fetch {
		name, args = "sumsFetch", ", next *T, ldnext, step int"
	}
	x.function(fmt.Sprintf("%s%s%d", x.prefix(), name, rows),
		x.of("func(m, n int, alpha T, a *T, lda int, x *T, ldx int, y *T"+args+")"), "is gemvKernel."+name+".")
	xs, ys := x.param("x"), x.param("y")
	var next []reg.Register
	if fetch {
		next = []reg.Register{x.param("next"), x.GP64()}
	}
	x.rows(gemvRows, func(row []reg.Register) {
		if fetch {
			ld := x.param("ldnext")
			x.LEAQ(Mem{Base: next[0], Index: ld, Scale: uint8(x.size())}, next[1])
		}
		p, ldx, alpha := x.GP64(), x.param("ldx"), x.scalar("alpha")
		x.SHLQ(x.shift(), ldx)
		x.MOVQ(xs, p)
		var factors [][]reg.VecVirtual
		for i := range rows {
			if i > 0 {
				x.ADDQ(ldx, p)
			}
			var f []reg.VecVirtual
			for r := range row {
				v := x.vec()
				x.spread(Mem{Base: p, Disp: r * x.size()}, v)
				x.mul(v, alpha, v)
				f = append(f, v)
			}
			factors = append(factors, f)
		}
		x.ADDQ(Imm(uint64(gemvRows*x.size())), xs)
		x.sweep(x.param("n"), 1, func(s *sweep) {
			for _, p := range next {
				x.PREFETCHT1(Mem{Base: p, Index: s.index, Scale: uint8(x.size())})
			}
			if (rows+1)*gemvRows < x.registers {
				var v []reg.VecVirtual
				for _, p := range row {
					v = append(v, s.load(p))
				}
				for i, f := range factors {
					s.disp = i * sumsStride
					y := s.load(ys)
					for r := range v {
						x.fma(v[r], f[r], y)
					}
					s.store(y, ys)
				}
				s.disp = 0
				return
			}
			var y []reg.VecVirtual
			for i := range factors {
				s.disp = i * sumsStride
				y = append(y, s.load(ys))
			}
			s.disp = 0
			for r, p := range row {
				v := s.load(p)
				for i, f := range factors {
					x.fma(v, f[r], y[i])
				}
			}
			for i := range factors {
				s.disp = i * sumsStride
				s.store(y[i], ys)
			}
			s.disp = 0
		})
		if fetch {
			step := x.param("step")
			x.LEAQ(Mem{Base: next[0], Index: step, Scale: uint8(x.size())}, next[0])
		}
	})
}

// storeSums sets y = alpha*s + beta*y for the sums s of four registers; it does not read y if beta is 0.
func (x *x86) storeSums(v []reg.VecVirtual, y reg.Register) {
	var sum, factor reg.Register
	switch {
	case x.lanes == 8:
		sum, factor = x.fourSumsAVX2(v)
	case x.double:
		sum, factor = x.fourSums(v), x.YMM()
	default:
		sum, factor = x.fourSums(v), x.XMM()
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

// fourSums returns the sums of four registers of AVX-512 beside each other.
func (x *x86) fourSums(v []reg.VecVirtual) reg.Register {
	// halves is the sums of the halves of two registers.
	halves := func(a, b reg.VecVirtual) reg.VecVirtual {
		upper := x.vec()
		x.VSHUFF64X2(Imm(0xee), b, a, upper)
		x.VINSERTF64X4(Imm(1), b.AsY(), a, a)
		x.add(upper, a, a)
		return a
	}
	a, b := halves(v[0], v[1]), halves(v[2], v[3])
	even, odd := x.vec(), x.vec()
	x.VSHUFF64X2(Imm(0x88), b, a, even) // quarters 0 and 2 of each
	x.VSHUFF64X2(Imm(0xdd), b, a, odd)  // quarters 1 and 3
	x.add(odd, even, even)
	// Each quarter is to be added up, to the first of its elements.
	bits, firsts := x.GP32(), x.K()
	if x.double {
		x.VSHUFPD(Imm(0x55), even, even, odd)
		x.add(odd, even, even)
		x.MOVL(U32(0x55), bits)
		x.KMOVW(bits, firsts)
		x.VCOMPRESSPD_Z(even, firsts, odd)
		return odd.AsY()
	}
	for _, order := range []uint64{0x4e, 0xb1} {
		x.VSHUFPS(Imm(order), even, even, odd)
		x.add(odd, even, even)
	}
	x.MOVL(U32(0x1111), bits)
	x.KMOVW(bits, firsts)
	x.VCOMPRESSPS_Z(even, firsts, odd)
	return odd.AsX()
}

// fourSumsAVX2 returns the sums of four registers of AVX2, and a register for other things.
func (x *x86) fourSumsAVX2(v []reg.VecVirtual) (sum, free reg.Register) {
	a, b, h := v[0], v[2], x.YMM()
	if x.double {
		x.VHADDPD(v[1].AsY(), a.AsY(), a.AsY()) // 0 and 1 in each half
		x.VHADDPD(v[3].AsY(), b.AsY(), b.AsY())
		x.VPERM2F128(Imm(0x31), b.AsY(), a.AsY(), h)
		x.VINSERTF128(Imm(1), b.AsX(), a.AsY(), a.AsY())
		x.add(h, a.AsY(), a.AsY())
		return a.AsY(), h.AsY()
	}
	x.VHADDPS(v[1].AsY(), a.AsY(), a.AsY())
	x.VHADDPS(v[3].AsY(), b.AsY(), b.AsY())
	x.VHADDPS(b.AsY(), a.AsY(), a.AsY()) // 0 to 3 in each half
	x.VEXTRACTF128(Imm(1), a.AsY(), h.AsX())
	x.add(h.AsX(), a.AsX(), a.AsX())
	return a.AsX(), h.AsX()
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
