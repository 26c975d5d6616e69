package main

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gemmX86 writes the register tiles of the matrix product and the copies that pack its operands.
//
// A tile is two vectors wide and, on AVX-512, 14 rows high, 6 on AVX2: 28 and 12 accumulators, as many
// as the registers hold beside two vectors of B and one element of A. There is one function for every
// height, so that a ragged edge costs no wasted multiply-adds.
func gemmX86(x *x86) {
	x.gemmTiles()
	for rows := 1; rows <= x.tileRows(); rows++ {
		x.gemmTile(tile{rows: rows, vectors: 2, byRows: true})
		x.gemmTile(tile{rows: rows, vectors: 1})
		x.gemmTile(tile{rows: rows, vectors: 1, byRows: true})
	}
	for rows := 1; rows <= x.wideRows(); rows++ {
		x.gemmTile(tile{rows: rows, vectors: 4})
	}
	x.packT()
	x.packN()
}

// dgemmX86 writes the same in float64, in a file of its own.
func dgemmX86(x *x86) {
	x.double = true
	gemmX86(x)
	x.double = false
}

func (x *x86) gemmTiles() {
	for rows := 1; rows <= x.tileRows(); rows++ {
		x.gemmTile(tile{rows: rows, vectors: 2})
	}
}

// tileRows is the height of a tile, wideRows the greatest one of a tile four vectors wide.
func (x *x86) tileRows() int {
	if x.lanes == 16 {
		return 14
	}
	return 6
}

func (x *x86) wideRows() int {
	if x.lanes == 16 {
		return 6
	}
	return 2
}

// tile is a register tile of the matrix product. A is packed, or transposed in place: a step of K has its
// rows beside each other. byRows, it is in place, and a row has its steps beside each other.
type tile struct {
	rows, vectors int
	byRows        bool
}

func (x *x86) gemmTile(t tile) {
	rows, name := t.rows, "gemm"
	if t.byRows {
		name = "gemmRows"
	}
	x.function(fmt.Sprintf("%s%s%dx%d", x.prefix(), name, rows, t.vectors*x.elements()),
		x.of("func(k int, alpha T, a *T, lda int, b *T, ldb int, bias *T, beta T, d *T, ldd int, c *T, ldc int, next *ahead)"),
		"is a register tile described at gemmKernel.")
	k, a, b := x.param("k"), strided{base: x.param("a"), ld: x.param("lda")}, strided{base: x.param("b"), ld: x.param("ldb")}
	x.SHLQ(x.shift(), a.ld)
	x.SHLQ(x.shift(), b.ld)
	acc := make([][]reg.VecVirtual, rows)
	for i := range acc {
		for range t.vectors {
			acc[i] = append(acc[i], x.zero())
		}
	}
	var bv []reg.VecVirtual
	for range t.vectors {
		bv = append(bv, x.vec())
	}
	ai := x.vec()
	element, next := x.columnOfA(t, &a)

	// The panels are prefetched on AVX-512, where they do not stay in the first cache.
	panels := x.lanes == 16
	ahead := 8 // steps of K, so many cycles that the third-level cache answers
	for ahead*rows < 64 {
		ahead *= 2
	}
	var aheadA, aheadB reg.Register
	if panels {
		aheadB = x.GP64()
		x.MOVQ(b.ld, aheadB)
		x.SHLQ(Imm(uint64(bits.TrailingZeros(uint(ahead)))), aheadB)
		if x.source == same && t.vectors == 2 {
			// Of a B in place whose rows are a page or more apart, rather the line of the next panel in the same
			// row, whose page has just been translated.
			panel := x.GP64()
			x.MOVQ(U32(t.vectors*x.bytes()), panel)
			x.CMPQ(b.ld, U32(4096))
			x.CMOVQGE(panel, aheadB)
		}
		if !t.byRows {
			aheadA = x.GP64()
			x.MOVQ(a.ld, aheadA)
			x.SHLQ(Imm(uint64(bits.TrailingZeros(uint(ahead)))), aheadA)
		}
	}
	// step multiplies step number at of a round.
	step := func(at int, embeds bool) {
		for j, v := range bv {
			x.VMOVUPS(b.at(at, j*x.bytes()), v)
		}
		if panels {
			for j := 0; j < t.vectors*x.bytes(); j += 64 { // lines
				x.PREFETCHT0(Mem{Base: b.base, Index: aheadB, Scale: 1, Disp: j})
			}
		}
		for i := range rows {
			e := element(at, i)
			if embeds && e.Index == nil && (t.byRows || i < embedded) {
				for j, v := range bv {
					x.fmaSpread(e, v, acc[i][j])
				}
				continue
			}
			x.spread(e, ai)
			for j, v := range bv {
				x.multiplyAdd(v, ai, acc[i][j])
			}
		}
	}

	// In a first loop, a row each step of what the end of the tile reads, or else writes, is prefetched: all
	// of it at once, ahead of the loop, fills the miss buffers that the loads of the first steps wait for.
	// The second loop has what multiplying takes and no more: on a shared Intel Xeon, in minutes when the tile
	// is at 3/4 of the ceiling, it is 6% faster than with these prefetches in every step and one step in a round.
	down, at := x.param("ldc"), x.param("c")
	d, ldd := x.param("d"), x.param("ldd")
	x.testBeta()
	x.CMOVQNE(d, at)
	x.CMOVQNE(ldd, down)
	x.SHLQ(x.shift(), down)
	// It has a step for each row, and those more that do not fill a round of the second.
	round := x.round()
	first, odd := x.GP64(), x.GP64()
	x.MOVQ(U32(rows), first)
	x.MOVQ(k, odd)
	x.SUBQ(first, odd)
	x.CMOVQLT(k, first)
	x.MOVQ(k, odd)
	x.SUBQ(first, odd)
	x.MOVQ(odd, k)
	x.ANDQ(Imm(uint64(round-1)), odd)
	x.ADDQ(odd, first)
	x.SHRQ(Imm(uint64(bits.TrailingZeros(uint(round)))), k)
	x.Comment(fmt.Sprintf("k rounds of %d steps come after the first ones.", round))
	loop := x.label("loop")
	x.Label(loop)
	for j := 0; j < t.vectors*x.bytes(); j += 64 {
		x.PREFETCHT0(Mem{Base: at, Disp: j})
	}
	x.PREFETCHT0(Mem{Base: at, Disp: t.vectors*x.bytes() - 1}) // rows may start anywhere in a line
	x.ADDQ(down, at)
	if aheadA != nil {
		x.PREFETCHT0(Mem{Base: a.base, Index: aheadA, Scale: 1})
	}
	step(0, false)
	next(1)
	x.goOn(&b, 1)
	x.DECQ(first)
	x.JNE(LabelRef(loop))

	sum := x.label("sum")
	x.TESTQ(k, k)
	x.JE(LabelRef(sum))
	// Some elements of A are operands of the multiply-adds, which saves an instruction for each: not all, which
	// would be a load for every multiply-add.
	embeds := x.lanes == 16 && x.source != paired
	rounds := func(name string, steps int, fetch func()) {
		label := x.label(name)
		x.Label(label)
		fetch()
		if aheadA != nil {
			x.PREFETCHT0(Mem{Base: a.base, Index: aheadA, Scale: 1})
			if 2*rows*x.size() > 64 {
				x.PREFETCHT0(Mem{Base: a.base, Index: aheadA, Scale: 1, Disp: 64})
			}
		}
		for i := range steps {
			step(i, embeds)
		}
		next(steps)
		x.goOn(&b, steps)
		x.DECQ(k)
		x.JNE(LabelRef(label))
	}
	switch fetches := t.vectors == 2 && !t.byRows; {
	case fetches && round == 2:
		rounds("two", 2, x.prefetchNext(nil))
	case fetches:
		plain := x.label("plain")
		fetch := x.prefetchNext(&plain)
		x.ADDQ(k, k)
		rounds("two", 2, fetch)
		x.JMP(LabelRef(sum))
		x.Label(plain)
		fallthrough
	default:
		if round > 2 {
			x.threeTimes(&b)
			if !t.byRows {
				x.threeTimes(&a)
			}
		}
		rounds("round", round, func() {})
	}
	x.Label(sum)

	bias, none := x.param("bias"), x.label("none")
	x.TESTQ(bias, bias)
	x.JE(LabelRef(none))
	for j, v := range bv {
		x.VMOVUPS(Mem{Base: bias, Disp: j * x.bytes()}, v)
	}
	for i := range acc {
		for j, v := range bv {
			x.add(v, acc[i][j], acc[i][j])
		}
	}
	x.Label(none)

	c, ldc := x.param("c"), x.param("ldc")
	x.SHLQ(x.shift(), ldc)
	alpha, beta := bv[0], ai
	x.spread(x.paramAddr("alpha"), alpha)
	x.spread(x.paramAddr("beta"), beta)
	x.testBeta()
	read := x.label("read")
	x.JNE(LabelRef(read))
	scale, alphaIs1 := x.label("scale"), x.GP64()
	if x.double {
		x.MOVQ(U64(math.Float64bits(1)), alphaIs1)
		x.CMPQ(x.paramAddr("alpha"), alphaIs1)
	} else {
		x.MOVL(x.paramAddr("alpha"), alphaIs1.As32())
		x.CMPL(alphaIs1.As32(), U32(math.Float32bits(1)))
	}
	x.JNE(LabelRef(scale))
	x.storeTile(acc, nil, nil, c, ldc, nil, nil)
	x.Label(scale)
	x.storeTile(acc, alpha, nil, c, ldc, nil, nil)
	x.Label(read)
	d, ldd = x.param("d"), x.param("ldd")
	x.SHLQ(x.shift(), ldd)
	x.MOVQ(x.paramAddr("c"), c)
	x.storeTile(acc, alpha, beta, c, ldc, d, ldd)
}

// round is how many steps the loop of a tile takes at once. On AVX2 a step is 12 multiply-adds and 8 loads, and
// whatever else there is takes its part of what a core issues: where that is four instructions a cycle, or a
// neighbour on the same core takes its half, those 20 are all that fits beside 6 cycles of multiply-adds.
func (x *x86) round() int {
	if x.lanes == 16 {
		return 2
	}
	return 4
}

// prefetchNext returns what prefetches a line of next, and goes on to the one after it. It goes to nothing, if that is
// not nil, where it would always be the same line.
func (x *x86) prefetchNext(nothing *string) func() {
	next := x.param("next")
	field := func(i int) reg.GPVirtual {
		r := x.GP64()
		x.MOVQ(Mem{Base: next, Disp: 8 * i}, r)
		return r
	}
	step := field(2)
	if nothing != nil {
		x.TESTQ(step, step)
		x.JE(LabelRef(*nothing))
	}
	at, left, steps, skip := field(0), field(1), field(3), field(4)
	more := x.GP64()
	return func() {
		x.PREFETCHT1(Mem{Base: at})
		x.MOVQ(step, more)
		x.DECQ(left)
		x.CMOVQEQ(skip, more)
		x.CMOVQEQ(steps, left)
		x.ADDQ(more, at)
	}
}

// embedded is how many rows of a packed A are operands of the multiply-adds in every other step.
const embedded = 8

// strided is where rows are that begin ld bytes apart, and, for the fourth of them, three times ld.
type strided struct{ base, ld, ld3 reg.Register }

// at returns the place disp bytes into row i.
func (s strided) at(i, disp int) Mem {
	m := Mem{Base: s.base, Disp: disp}
	switch i {
	case 0:
	case 3:
		m.Index, m.Scale = s.ld3, 1
	default: // 1, 2 or 4
		m.Index, m.Scale = s.ld, uint8(i)
	}
	return m
}

// threeTimes sets ld3.
func (x *x86) threeTimes(s *strided) {
	s.ld3 = x.GP64()
	x.LEAQ(Mem{Base: s.ld, Index: s.ld, Scale: 2}, s.ld3)
}

// goOn goes on by count rows, 1, 2 or 4.
func (x *x86) goOn(s *strided, count int) {
	if count == 1 {
		x.ADDQ(s.ld, s.base)
		return
	}
	x.LEAQ(Mem{Base: s.base, Index: s.ld, Scale: uint8(count)}, s.base)
}

// columnOfA returns where the elements of A for a step of a round are, and what goes on by some steps.
func (x *x86) columnOfA(t tile, a *strided) (element func(step, i int) Mem, next func(steps int)) {
	if !t.byRows {
		return func(step, i int) Mem { return a.at(step, x.size()*i) }, func(steps int) { x.goOn(a, steps) }
	}
	// Five rows can be reached from one register with lda and three times lda beside it.
	const reach = 5
	bases := []strided{*a}
	x.threeTimes(&bases[0])
	for len(bases)*reach < t.rows {
		p, last := bases[0], bases[len(bases)-1]
		p.base = x.GP64()
		x.LEAQ(Mem{Base: last.base, Index: last.ld, Scale: 4}, p.base)
		x.ADDQ(p.ld, p.base)
		bases = append(bases, p)
	}
	element = func(step, i int) Mem {
		return bases[i/reach].at(i%reach, step*x.size())
	}
	return element, func(steps int) {
		for _, p := range bases {
			x.ADDQ(Imm(uint64(steps*x.size())), p.base)
		}
	}
}

// testBeta sets the zero flag if beta is ±0.
func (x *x86) testBeta() {
	if word := x.GP64(); x.double {
		x.MOVQ(x.paramAddr("beta"), word)
		x.SHLQ(Imm(1), word) // drops the sign
	} else {
		x.MOVL(x.paramAddr("beta"), word.As32())
		x.SHLL(Imm(1), word.As32())
	}
}

// storeTile sets C = alpha*acc, plus beta*D, and returns; a factor that is nil is 1 or 0.
func (x *x86) storeTile(acc [][]reg.VecVirtual, alpha, beta reg.VecVirtual, c, ldc, d, ldd reg.Register) {
	old := x.vec()
	for i := range acc {
		for j, v := range acc[i] {
			if alpha != nil {
				x.mul(v, alpha, v)
			}
			if beta != nil {
				x.VMOVUPS(Mem{Base: d, Disp: j * x.bytes()}, old)
				x.fma(old, beta, v)
			}
			x.VMOVUPS(v, Mem{Base: c, Disp: j * x.bytes()})
		}
		if i+1 < len(acc) {
			x.ADDQ(ldc, c)
			if beta != nil {
				x.ADDQ(ldd, d)
			}
		}
	}
	x.ret()
}

// operandKind is what packings read, and tiles multiply: elements of the panel's type, bfloat16 to be
// converted to float32, or bfloat16 of which a word of the panel holds a pair, the first in the lower half.
type operandKind int

const (
	same operandKind = iota
	widened
	paired
)

// packName is the prefix of the packings of a source.
func (x *x86) packName() string {
	return x.prefix() + [...]string{"pack", "widen", "pair"}[x.source]
}

func (x *x86) packSignature(signature string) string {
	if x.source != same {
		signature = strings.Replace(signature, "src *T", "src *BFloat16", 1)
	}
	return x.of(signature)
}

// sourceShift is the log2 of the size of an element of the source.
func (x *x86) sourceShift() Constant {
	if x.source != same {
		return Imm(1)
	}
	return x.shift()
}

// sourceBytes is the size in the source of what fills a vector of a panel.
func (x *x86) sourceBytes() int {
	if x.source == widened {
		return x.bytes() / 2
	}
	return x.bytes()
}

// load fills a vector from elements that follow each other along the vector.
func (x *x86) load(m Mem, v reg.VecVirtual) {
	if x.source == same {
		x.VMOVUPS(m, v)
		return
	}
	x.VPMOVZXWD(m, v)
	if x.source == widened {
		x.VPSLLD(Imm(16), v, v)
	}
}

// packN packs k rows of width elements, whole vectors at a time.
func (x *x86) packN() {
	x.function(x.packName()+"N", x.packSignature("func(width, k int, src *T, ld int, dst *T, stride int)"),
		"is gemmKernel.packN.")
	w, k, src, ld, dst, stride := x.param("width"), x.param("k"), x.param("src"), x.param("ld"), x.param("dst"), x.param("stride")
	x.SHLQ(x.sourceShift(), ld)
	x.SHLQ(x.shift(), stride)
	two := x.label("two")
	x.CMPQ(w, Imm(uint64(x.elements())))
	x.JG(LabelRef(two))
	for _, vectors := range []int{1, 2} {
		if vectors == 2 {
			x.Label(two)
		}
		rows := x.group()
		step, last, done := x.label("step"), x.label("last"), x.label("done")
		x.SUBQ(Imm(uint64(rows)), k)
		x.JLT(LabelRef(last))
		x.Label(step)
		x.packSteps(vectors, rows, src, ld, dst)
		x.ADDQ(ld, src)
		if rows == 2 {
			x.ADDQ(ld, src)
		}
		x.ADDQ(stride, dst)
		x.SUBQ(Imm(uint64(rows)), k)
		x.JGE(LabelRef(step))
		x.Label(last)
		if rows == 2 { // k is −1 if a row is left
			x.CMPQ(k, I8(-1))
			x.JNE(LabelRef(done))
			x.packSteps(vectors, 1, src, ld, dst)
			x.Label(done)
		}
		x.ret()
	}
}

// packSteps packs one row of some vectors, or a pair of rows.
func (x *x86) packSteps(vectors, rows int, src, ld, dst reg.Register) {
	narrow := x.sourceBytes()
	if x.source == paired {
		narrow /= 2
	}
	for i := range vectors {
		v := x.vec()
		x.load(Mem{Base: src, Disp: narrow * i}, v)
		if rows == 2 {
			upper := x.vec()
			x.load(Mem{Base: src, Index: ld, Scale: 1, Disp: narrow * i}, upper)
			x.VPSLLD(Imm(16), upper, upper)
			x.VPORD(upper, v, v)
		}
		x.VMOVUPS(v, Mem{Base: dst, Disp: i * x.bytes()})
	}
}

// packT transposes up to lanes rows of k elements: squares of words in registers, then the last columns
// one at a time.
//
// Rows past the last repeat it: the copies land where a later step overwrites them, or in the slack.
func (x *x86) packT() {
	x.function(x.packName()+"T", x.packSignature("func(rows, k int, src *T, ld int, dst *T, stride int)"),
		"is gemmKernel.packT.")
	rows, k := x.param("rows"), x.param("k")
	src, ld, dst, stride := x.param("src"), x.param("ld"), x.param("dst"), x.param("stride")
	x.SHLQ(x.sourceShift(), ld)
	x.SHLQ(x.shift(), stride)
	group := x.group()
	elementBytes := x.sourceBytes() / x.elements() / group

	block, tail := x.label("block"), x.label("tail")
	x.Label(block)
	x.CMPQ(k, Imm(uint64(group*x.elements())))
	x.JLT(LabelRef(tail))
	for _, u := range x.transpose(x.loadRows(rows, src, ld)) {
		x.VMOVUPS(u, Mem{Base: dst})
		x.ADDQ(stride, dst)
	}
	x.ADDQ(Imm(uint64(x.sourceBytes())), src)
	x.SUBQ(Imm(uint64(group*x.elements())), k)
	x.JMP(LabelRef(block))

	x.Label(tail)
	for ; group > 0; group-- { // pairs, then what is left
		column, next := x.label("column"), x.label("next")
		x.SUBQ(Imm(uint64(group)), k)
		x.JLT(LabelRef(next))
		x.Label(column)
		x.packColumn(group, rows, src, ld, dst)
		x.ADDQ(stride, dst)
		x.ADDQ(Imm(uint64(group*elementBytes)), src)
		x.SUBQ(Imm(uint64(group)), k)
		x.JGE(LabelRef(column))
		x.Label(next)
		x.ADDQ(Imm(uint64(group)), k)
	}
	x.ret()
}

// group is how many elements of the source a word holds.
func (x *x86) group() int {
	if x.source == paired {
		return 2
	}
	return 1
}

// packColumn packs one word of every row, of so many elements.
func (x *x86) packColumn(group int, rows, src, ld, dst reg.Register) {
	from, to, i, e := x.GP64(), x.GP64(), x.GP64(), x.GP64()
	x.MOVQ(src, from)
	x.MOVQ(dst, to)
	x.MOVQ(rows, i)
	element := x.label("element")
	x.Label(element)
	switch {
	case x.double:
		x.MOVQ(Mem{Base: from}, e)
		x.MOVQ(e, Mem{Base: to})
	case x.source == same || group == 2:
		x.MOVL(Mem{Base: from}, e.As32())
		x.MOVL(e.As32(), Mem{Base: to})
	default:
		x.MOVWLZX(Mem{Base: from}, e.As32())
		if x.source == widened {
			x.SHLL(Imm(16), e.As32())
		}
		x.MOVL(e.As32(), Mem{Base: to})
	}
	x.ADDQ(ld, from)
	x.ADDQ(Imm(uint64(x.size())), to)
	x.DECQ(i)
	x.JNE(LabelRef(element))
}

// loadRows loads lanes rows of one vector each; rows past the last repeat it.
func (x *x86) loadRows(rows, src, ld reg.Register) []reg.VecVirtual {
	p, left := x.GP64(), x.GP64()
	x.MOVQ(src, p)
	x.MOVQ(rows, left)
	step, zero := x.GP64(), x.GP64()
	x.MOVQ(ld, step)
	x.XORQ(zero, zero)
	v := make([]reg.VecVirtual, x.elements())
	for i := range v {
		v[i] = x.vec()
		if x.source == paired {
			x.VMOVUPS(Mem{Base: p}, v[i])
		} else {
			x.load(Mem{Base: p}, v[i])
		}
		x.PREFETCHT0(Mem{Base: p, Disp: 4 * 64}) // 16 streams are more than the hardware follows
		if i+1 < len(v) {
			x.DECQ(left)
			x.CMOVQEQ(zero, step) // stays on the last row
			x.ADDQ(step, p)
		}
	}
	return v
}

// transpose returns the columns of the square that v holds by rows: pairs of elements, then pairs of
// pairs within 128 bits, then the quarters.
func (x *x86) transpose(v []reg.VecVirtual) []reg.VecVirtual {
	if x.double {
		return x.transposeDouble(v)
	}
	n := len(v)
	t := make([]reg.VecVirtual, n)
	for i := 0; i < n; i += 2 {
		t[i], t[i+1] = x.vec(), x.vec()
		x.VUNPCKLPS(v[i+1], v[i], t[i])
		x.VUNPCKHPS(v[i+1], v[i], t[i+1])
	}
	// u[4g+c] holds, in each 128-bit quarter q, elements (rows 4g…4g+3, column 4q+c).
	u := make([]reg.VecVirtual, n)
	for g := 0; g < n; g += 4 {
		for h := range 2 {
			lo, hi := x.vec(), x.vec()
			x.VUNPCKLPD(t[g+2+h], t[g+h], lo)
			x.VUNPCKHPD(t[g+2+h], t[g+h], hi)
			u[g+2*h], u[g+2*h+1] = lo, hi
		}
	}
	out := make([]reg.VecVirtual, n)
	if n == 8 {
		for c := range 4 {
			out[c], out[4+c] = x.vec(), x.vec()
			x.VPERM2F128(Imm(0x20), u[4+c], u[c], out[c])
			x.VPERM2F128(Imm(0x31), u[4+c], u[c], out[4+c])
		}
		return out
	}
	for c := range 4 {
		x.quarters([]reg.VecVirtual{u[c], u[4+c], u[8+c], u[12+c]}, []int{c, 4 + c, 8 + c, 12 + c}, out)
	}
	return out
}

// quarters transposes the 4×4 matrix of 128-bit blocks whose rows are v, into out at the places to.
func (x *x86) quarters(v []reg.VecVirtual, to []int, out []reg.VecVirtual) {
	a, b, d, e := x.vec(), x.vec(), x.vec(), x.vec()
	x.VSHUFF32X4(Imm(0x88), v[1], v[0], a) // quarters 0 and 2 of each
	x.VSHUFF32X4(Imm(0xdd), v[1], v[0], b) // quarters 1 and 3
	x.VSHUFF32X4(Imm(0x88), v[3], v[2], d)
	x.VSHUFF32X4(Imm(0xdd), v[3], v[2], e)
	for _, i := range to {
		out[i] = x.vec()
	}
	x.VSHUFF32X4(Imm(0x88), d, a, out[to[0]])
	x.VSHUFF32X4(Imm(0xdd), d, a, out[to[2]])
	x.VSHUFF32X4(Imm(0x88), e, b, out[to[1]])
	x.VSHUFF32X4(Imm(0xdd), e, b, out[to[3]])
}

// transposeDouble is transpose for float64: pairs of elements, then the quarters.
func (x *x86) transposeDouble(v []reg.VecVirtual) []reg.VecVirtual {
	n := len(v)
	out := make([]reg.VecVirtual, n)
	for h := range 2 { // the even columns, then the odd ones
		var t []reg.VecVirtual
		for i := 0; i < n; i += 2 {
			u := x.vec()
			if h == 0 {
				x.VUNPCKLPD(v[i+1], v[i], u)
			} else {
				x.VUNPCKHPD(v[i+1], v[i], u)
			}
			t = append(t, u)
		}
		if n == 8 {
			x.quarters(t, []int{h, 2 + h, 4 + h, 6 + h}, out)
			continue
		}
		out[h], out[2+h] = x.vec(), x.vec()
		x.VPERM2F128(Imm(0x20), t[1], t[0], out[h])
		x.VPERM2F128(Imm(0x31), t[1], t[0], out[2+h])
	}
	return out
}
