package main

import "fmt"

// gemvNEON writes the products of a matrix with a vector, and the update of rank one.
func gemvNEON(n *neon) {
	for _, n.double = range []bool{false, true} {
		n.gemvN()
		n.gemvT()
		n.ger("ger", gemvRows)
		n.ger("gerRows", 1)
	}
	n.double = false
}

// rows prints a loop over groups of rows of A, with a body for one, and leaves the function. The body
// gets copies of the rows' addresses, of other pointers and of the length of a row, all of which it may
// change.
func (n *neon) rows(group int, others []xreg, body func(row, others []xreg, count xreg)) {
	m, count, a, lda := n.param("m"), n.param("n"), n.param("a"), n.param("lda")
	n.op("LSL", n.shift(), lda)
	loop := n.newLabel("rows")
	n.label(loop)
	n.scope(func() {
		var row, copies []xreg
		for i := range group {
			row = append(row, n.x())
			if i == 0 {
				n.op("MOVD", a, row[0])
			} else {
				n.op("ADD", lda, row[i-1], row[i])
			}
		}
		n.op("ADD", lda, row[group-1], a)
		for _, x := range others {
			copies = append(copies, n.x())
			n.op("MOVD", x, copies[len(copies)-1])
		}
		left := n.x()
		n.op("MOVD", count, left)
		body(row, copies, left)
	})
	n.op("SUBS", imm(group), m)
	n.op("BGT", loop)
	n.ret()
}

// gemvN keeps two accumulators for each row.
func (n *neon) gemvN() {
	n.function(n.prefix()+"gemvN", n.of("func(m, n int, alpha T, a *T, lda int, x *T, beta T, y *T)"), "is gemvKernel.n.")
	alpha, beta, x, y, bits := n.scalar("alpha"), n.scalar("beta"), n.param("x"), n.param("y"), n.x()
	if n.double {
		n.op("MOVD", n.arg("beta"), bits)
	} else {
		n.op("MOVWU", n.arg("beta"), bits)
	}
	n.op("LSL", imm(64-8*n.size()+1), bits) // drops the sign: −0 is 0
	n.rows(gemvRows, []xreg{x}, func(row, others []xreg, count xreg) {
		var s []*reduction
		for range row {
			s = append(s, n.sums(2))
		}
		n.loop(count, 2, append(row, others...), s, func(e part) {
			v := e.load(others[0])
			for i, p := range row {
				n.fmla(s[i].of(e), e.load(p), v)
			}
		})
		store := n.newLabel("store")
		for i := range row {
			n.fmul(s[i].result(), s[i].result(), alpha)
		}
		n.op("CBZ", bits, store)
		for i := range row {
			old := n.v()
			n.op(n.move(), y.at(i*n.size()), old.f())
			n.fmla(s[i].result(), old, beta)
		}
		n.label(store)
		for i := range row {
			n.op(n.move(), s[i].result().f(), y.at(i*n.size()))
		}
		n.op("ADD", imm(gemvRows*n.size()), y)
	})
}

// factors returns a register for each of the next elements of x, multiplied by alpha.
func (n *neon) factors(count int, alpha vreg, x, inc xreg) []vreg {
	var f []vreg
	for range count {
		v := n.v()
		n.op(n.move(), x.at(0), v.f())
		n.op("VDUP", n.lane(v, 0), n.vec(v))
		n.fmul(v, v, alpha)
		n.op("ADD", inc, x)
		f = append(f, v)
	}
	return f
}

func (n *neon) gemvT() {
	n.function(n.prefix()+"gemvT", n.of("func(m, n int, alpha T, a *T, lda int, x *T, incX int, y *T)"), "is gemvKernel.t.")
	alpha, x, inc, y := n.scalar("alpha"), n.param("x"), n.param("incX"), n.param("y")
	n.op("LSL", n.shift(), inc)
	n.rows(gemvRows, []xreg{y}, func(row, others []xreg, count xreg) {
		f := n.factors(len(row), alpha, x, inc)
		n.loop(count, 4, append(row, others...), nil, func(e part) {
			v := e.load(others[0])
			for i, p := range row {
				n.fmla(v, e.load(p), f[i])
			}
			e.store(v, others[0])
		})
	})
}

func (n *neon) ger(name string, group int) {
	n.function(n.prefix()+name, n.of("func(m, n int, alpha T, x *T, incX int, y, a *T, lda int)"), fmt.Sprintf("is gemvKernel.%s.", name))
	alpha, x, inc, y := n.scalar("alpha"), n.param("x"), n.param("incX"), n.param("y")
	n.op("LSL", n.shift(), inc)
	n.rows(group, []xreg{y}, func(row, others []xreg, count xreg) {
		f := n.factors(len(row), alpha, x, inc)
		n.loop(count, 4, append(row, others...), nil, func(e part) {
			v := e.load(others[0])
			for i, p := range row {
				a := e.load(p)
				n.fmla(a, v, f[i])
				e.store(a, p)
			}
		})
	})
}
