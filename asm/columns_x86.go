package main

import (
	"fmt"
	"slices"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// columns is a loop over the columns of a whole group of rows side by side, on AVX-512: each step does a vector of each row.
// So a loop begins and ends once for all of them, which takes as long as some vectors do. The body is for rows of
// one length and has the steps of a sweep with a vector for each row.
type columns struct {
	*rowGroup
	rows  []fourRows              // of each matrix
	left  reg.Register            // columns of the first row, the shortest, that are not done
	valid [groupRows]reg.Register // of each row in the last steps, else nil
	ahead int                     // bytes between the pointers and the vectors
	later []fourRows              // where the next group is of matrices that are to be fetched
}

// fourRows is where a group of rows is.
type fourRows struct{ p, ld, ld3 reg.Register }

// across begins such loops. It takes where the rows of each matrix are and how many bytes apart.
func (r *rowGroup) across(matrices ...[2]reg.Register) *columns {
	c := &columns{rowGroup: r, left: r.GP64()}
	for _, m := range matrices {
		four := fourRows{r.GP64(), m[1], r.GP64()}
		r.MOVQ(m[0], four.p)
		r.LEAQ(Mem{Base: m[1], Index: m[1], Scale: 2}, four.ld3)
		c.rows = append(c.rows, four)
	}
	r.MOVQ(r.paramAddr("cols"), c.left)
	if r.causal != nil {
		first := r.GP64()
		r.MOVQ(r.word(wordLength), first)
		r.CMPQ(c.left, first)
		r.CMOVQGT(first, c.left)
	}
	return c
}

// fetchLater makes fetch ask for the next group's rows of the matrices, which the CPU does not expect before it is there. With
// a limit rows of more columns stay as they are: two groups of such are too much for the first cache.
func (c *columns) fetchLater(limit uint32) {
	for _, f := range c.rows {
		p := c.GP64()
		c.LEAQ(Mem{Base: f.p, Index: f.ld, Scale: groupRows}, p)
		if limit > 0 {
			here := c.GP64()
			c.MOVQ(f.p, here)
			c.CMPQ(c.paramAddr("cols"), U32(limit))
			c.CMOVQGT(here, p)
		}
		c.later = append(c.later, fourRows{p, f.ld, f.ld3})
	}
}

func (c *columns) fetch() {
	for _, f := range c.later {
		for row := range groupRows {
			c.PREFETCHT0(f.at(row, 0))
		}
	}
}

// at is where the vector of a row is.
func (c *columns) at(matrix, row int) Mem {
	return c.rows[matrix].at(row, c.ahead)
}

func (f fourRows) at(row, ahead int) Mem {
	m := Mem{Base: f.p, Disp: ahead}
	switch row {
	case 1, 2:
		m.Index, m.Scale = f.ld, uint8(row)
	case 3:
		m.Index, m.Scale = f.ld3, 1
	}
	return m
}

func (c *columns) load(matrix, row int, v reg.VecVirtual) {
	if k := c.valid[row]; k != nil {
		c.VMOVUPS_Z(c.at(matrix, row), k, v)
	} else {
		c.VMOVUPS(c.at(matrix, row), v)
	}
}

// operand is the vector of a row for an instruction that can have it in memory.
func (c *columns) operand(matrix, row int) Op {
	if c.valid[row] == nil {
		return c.at(matrix, row)
	}
	v := c.vec()
	c.load(matrix, row, v)
	return v
}

func (c *columns) store(v reg.VecVirtual, matrix, row int) {
	if k := c.valid[row]; k != nil {
		c.VMOVUPS(v, k, c.at(matrix, row))
	} else {
		c.VMOVUPS(v, c.at(matrix, row))
	}
}

// clip sets what is past the end of a row to 0.
func (c *columns) clip(v reg.VecVirtual, row int) {
	if k := c.valid[row]; k != nil {
		c.VMOVAPS_Z(v, k, v)
	}
}

// sweep returns what writes an instruction for each row.
func (c *columns) sweep() *sweep { return &sweep{x86: c.x86, parts: groupRows, size: c.lanes} }

// step is how many columns there are in one.
func (c *columns) step() Constant { return Imm(uint64(c.lanes)) }

func (c *columns) next() {
	for _, f := range slices.Concat(c.rows, c.later) {
		c.ADDQ(Imm(uint64(c.bytes())), f.p)
	}
}

// staged writes the loop as sweep.staged does. A nil first is none.
func (c *columns) staged(first func(c *columns) (steps, []vectors), second func(c *columns, v []vectors) steps) {
	loop, last, rest := c.label("columns"), c.label("lastColumns"), c.label("restColumns")
	s := c.sweep()
	c.SUBQ(c.step(), c.left)
	c.JLT(LabelRef(rest))
	var now, then []vectors
	var begin steps
	if first != nil {
		begin, now = first(c)
		begin.run()
		c.SUBQ(c.step(), c.left)
		c.JLT(LabelRef(last))
	}
	c.Label(loop)
	if c.side >= 0 {
		c.Comment(fmt.Sprintf("%s %d", mainLoop, groupRows))
	}
	if first != nil {
		ahead := *c
		ahead.ahead += c.bytes()
		begin, then = first(&ahead)
	}
	second(c, now).between(begin)
	for i, v := range then {
		s.do(c.VMOVAPS, v, now[i])
	}
	c.next()
	c.SUBQ(c.step(), c.left)
	c.JGE(LabelRef(loop))
	if first != nil {
		c.Label(last)
		second(c, now).run()
		c.next()
	}
	c.Label(rest)
	c.ADDQ(c.step(), c.left)
	c.rest(func(c *columns) {
		if first != nil {
			begin, now = first(c)
			begin.run()
		}
		second(c, now).run()
	})
}

// rest writes the steps in which not all rows have a whole vector left. Each row may be a column longer than the one before it.
func (c *columns) rest(body func(c *columns)) {
	end := c.label("columnsDone")
	masked := *c
	if c.causal == nil {
		c.TESTQ(c.left, c.left)
		c.JEQ(LabelRef(end))
		k := c.firstLanes(c.left)
		for i := range masked.valid {
			masked.valid[i] = k
		}
		body(&masked)
		c.Label(end)
		return
	}
	loop := c.label("ragged")
	more, n := c.GP64(), c.GP64()
	c.XORQ(n, n)
	c.MOVQ(n, c.word(wordNone))
	c.MOVQ(U32(uint32(c.lanes)), n)
	c.MOVQ(n, c.word(wordMost))
	c.Label(loop)
	// What the last row has more than the first, and each before it that and less.
	for i := groupRows - 1; i >= 0; i-- {
		c.MOVQ(c.paramAddr("cols"), more)
		c.MOVQ(c.word(wordLength), n)
		c.SUBQ(n, more)
		c.CMOVQLT(c.word(wordNone), more)
		c.MOVQ(c.word(wordGrow), n)
		c.IMUL3Q(Imm(uint64(i)), n, n)
		c.CMPQ(n, more)
		c.CMOVQGT(more, n)
		c.ADDQ(c.left, n)
		if i == groupRows-1 {
			c.JLE(LabelRef(end))
		}
		c.CMOVQLT(c.word(wordNone), n)
		c.CMPQ(n, c.word(wordMost))
		c.CMOVQGT(c.word(wordMost), n)
		masked.valid[i] = c.firstLanes(n)
	}
	body(&masked)
	c.next()
	c.SUBQ(c.step(), c.left)
	c.JMP(LabelRef(loop))
	c.Label(end)
}
