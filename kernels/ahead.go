package kernels

import "unsafe"

// ahead is memory that a tile fetches into the second-level cache while it multiplies, a line in each of the rounds
// of its loop: at, then left−1 times another one step bytes further on, then one skip further, and so on with steps
// in the place of left. A tile may leave it.
type ahead struct {
	at                      uintptr // never dereferenced, and may be past the end of what it fetches
	left, step, steps, skip int
}

const cacheLine = 64 // bytes

// rows fetches some rows of so many bytes, ld bytes apart, row after row, each line as often as the rounds allow: the
// more evenly, the less the tile waits.
func (h *ahead) rows(at uintptr, rows, width, ld, rounds int) {
	lines := linesIn(width)
	if at%cacheLine != 0 || rows > 1 && ld%cacheLine != 0 {
		lines++
	}
	often := min(8, max(1, rounds/(rows*lines)))
	h.at, h.step, h.steps = at&^(cacheLine-1), cacheLine/often, lines*often
	h.left, h.skip = h.steps, ld-(h.steps-1)*h.step
}

// columns fetches the lines of some rows that are ld bytes apart, a line of each row after the other, then the next
// ones, from the given one on. So the hardware does not take them for the beginning of more, and the translations of
// their pages, for which the tile waits, are not wanted all the time but a few times.
func (h *ahead) columns(at uintptr, rows, ld, line int) {
	h.at = at + uintptr(line%rows*ld+line/rows*cacheLine)
	h.left, h.step, h.steps, h.skip = rows-line%rows, ld, rows, cacheLine-(rows-1)*ld
}

// nothing fetches one line again and again, which is there.
func (h *ahead) nothing() {
	*h = ahead{at: address(h), left: 1, steps: 1}
}

// fetching is what the tiles of a block of A over a panel of B fetch: first, of the panel after it, what they are to
// pack or to read in place, or the panel itself if it is packed, and then their share of the next block of A.
type fetching struct {
	place          placeOfB
	s              int // the block of K
	p0, p1, j0, j1 int
	tiles          int // over a panel
	rowTiles       bool
	a              blockOfA

	forA         int  // and so many after them, the share of A
	panel        int  // the number of the panel in use
	column       int  // with which the one after it begins
	packs        bool // it is packed meanwhile
	forB         int  // so many tiles fetch it
	linesB       int  // of it
	linesA       int  // of the next block of A
	rowsA, bytes int  // its rows as they are stored, and how long they are
}

// A panel is fetched and packed in up to maxPieces pieces, no shallower than pieceDepth elements of K.
const (
	maxPieces  = 8
	pieceDepth = 64
)

// panelB returns where the panel of B is that begins with column j, unless B is Packed.
func (g *gemmCall[E, F]) panelB(buf *gemmBuffers[F], f *fetching, j int) []F {
	if nr := g.kernel.nr; f.place == inTurns {
		return buf.b[g.words(f.p0, f.p1, (j-f.j0)/nr%2*nr):]
	}
	return buf.b[g.words(f.p0, f.p1, j-f.j0):]
}

// rounds is in how many rounds a tile fetches.
func (g *gemmCall[E, F]) rounds(f *fetching) int {
	return max(1, (g.kernel.steps(f.p1-f.p0)-g.kernel.mr)/2)
}

// follow sets what is fetched over the panel before column j.
func (g *gemmCall[E, F]) follow(f *fetching, j int) {
	var e E
	var word F
	nr := g.kernel.nr
	f.panel, f.column = (j-1-f.j0)/nr, j
	f.packs = f.place >= besides && j < f.j1
	f.linesB = 0
	switch again := f.place <= besides && f.a.i0 < f.a.i1 && f.a.p0 == f.p0; {
	case f.place == inPlace && (j == f.j1 || f.rowTiles || !g.kernel.prefetches): // these fetch nothing, or would be slower
	case f.packs || f.place == inPlace:
		f.linesB = linesIn(min(nr, f.j1-j) * (f.p1 - f.p0) * int(unsafe.Sizeof(e)))
	case j < f.j1 || again:
		f.linesB = linesIn(g.words(f.p0, f.p1, nr) * int(unsafe.Sizeof(word)))
		if j == f.j1 {
			f.column = f.j0
		}
	}
	f.rowsA, f.bytes = f.a.i1-f.a.i0, (f.a.p1-f.a.p0)*int(unsafe.Sizeof(e))
	if g.TransA {
		f.rowsA, f.bytes = f.a.p1-f.a.p0, (f.a.i1-f.a.i0)*int(unsafe.Sizeof(e))
	}
	f.linesA = f.rowsA * linesIn(f.bytes)
	pieces := min(maxPieces, (f.p1-f.p0)/pieceDepth)
	if pieces == 0 { // such tiles have no time for it
		f.linesA, pieces = 0, 1
	}
	f.forA = min(ceilDiv(f.linesA, ceilDiv(f.j1-f.j0, nr)*g.rounds(f)), f.tiles-min(f.linesB, 1))
	f.forB = min(pieces, f.tiles-f.forA, f.linesB)
}

// fetch sets what tile q over a panel fetches, and returns which rows of the next one are to be packed after it.
func (g *gemmCall[E, F]) fetch(buf *gemmBuffers[F], f *fetching, q int) (r0, r1 int) {
	var e E
	size := int(unsafe.Sizeof(e))
	switch h := &buf.next; {
	case q < f.forB && (f.packs || f.place == inPlace):
		unit := g.kernel.group
		if g.TransB {
			unit *= g.kernel.lanes // what packT transposes at once
		}
		units := ceilDiv(f.p1-f.p0, unit)
		r0, r1 = min(f.p1, f.p0+units*q/f.forB*unit), min(f.p1, f.p0+units*(q+1)/f.forB*unit)
		cols := min(g.kernel.nr, f.j1-f.column)
		switch {
		case r0 == r1 || f.p1-f.p0 < pieceDepth:
			h.nothing()
		case g.TransB:
			h.rows(address(&g.B[f.column*g.LDB+r0]), cols, (r1-r0)*size, g.LDB*size, g.rounds(f))
		default:
			h.rows(address(&g.B[r0*g.LDB+f.column]), r1-r0, cols*size, g.LDB*size, g.rounds(f))
		}
	case q < f.forB && f.linesB > 0:
		var panel uintptr
		if g.Packed != nil {
			panel = address(g.packedPanel(f.s, f.column))
		} else {
			panel = address(&g.panelB(buf, f, f.column)[0])
		}
		h.columns(panel, max(1, f.linesB*cacheLine/page), page, f.linesB*q/f.forB)
	case q >= f.forB && q < f.forB+f.forA:
		at := f.a.i0*g.LDA + f.a.p0
		if g.TransA {
			at = f.a.p0*g.LDA + f.a.i0
		}
		panels := ceilDiv(f.j1-f.j0, g.kernel.nr)
		h.columns(address(&g.A[at]), f.rowsA, g.LDA*size, f.linesA*(f.panel*f.forA+q-f.forB)/(panels*f.forA))
	case q == f.forB+f.forA:
		h.nothing()
	}
	if !f.packs {
		return 0, 0
	}
	return r0, r1
}

// fetchRows sets that a tile fetches rows [i0, i1) of A, at most a panel of it, which is packed after the tile: where there
// are more lines than rounds every second one, since CPUs that fetch lines in pairs bring the other.
func (g *gemmCall[E, F]) fetchRows(h *ahead, f *fetching, i0, i1 int) {
	if i0 >= i1 {
		h.nothing()
		return
	}
	var e E
	size := int(unsafe.Sizeof(e))
	lines := linesIn((f.p1-f.p0)*size) + 1
	every := min(2, ceilDiv((i1-i0)*lines, g.rounds(f)))
	h.at, h.step, h.steps = address(&g.A[i0*g.LDA+f.p0]), every*cacheLine, ceilDiv(lines, every)
	h.left, h.skip = h.steps, g.LDA*size-(h.steps-1)*h.step
}

func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// linesIn is how many lines so many bytes take.
func linesIn(bytes int) int { return ceilDiv(bytes, cacheLine) }
