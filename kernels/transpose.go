package kernels

// transposeStrip sets dst[j*stride+i] = src[i*ld+j] for i < rows, j < n, where n ≥ 4.
type transposeStrip struct {
	rows int
	run  func(n int, src *float32, ld int, dst *float32, stride int)
}

// Copy computes y[i,j] = x[i,j] for rows×cols matrices with row strides ldx and ldy. What is between the
// rows of y stays. x and y must not overlap.
//
// It panics if a size is negative, a stride less than cols or a slice too short.
func Copy(rows, cols int, x []float32, ldx int, y []float32, ldy int) {
	if !checkSourceAndResult("Copy", rows, cols, x, ldx, rows, cols, y, ldy) {
		return
	}
	if cols == ldx && cols == ldy {
		copy(y[:rows*cols], x)
		return
	}
	if cols >= 64 && active.copyPast != nil && beyondCaches(2*rows*cols) {
		for i, step := 0, max(1, block/cols); i < rows; i += step { // as block says
			active.copyPast(min(step, rows-i), cols, &x[i*ldx], ldx, &y[i*ldy], ldy)
		}
		return
	}
	for i := range rows {
		copy(y[i*ldy:i*ldy+cols], x[i*ldx:])
	}
}

// Transpose computes y[j,i] = x[i,j] for a rows×cols matrix x and a cols×rows matrix y with row strides ldx
// and ldy. What is between the rows of y stays. x and y must not overlap.
//
// It panics if a size is negative, a stride less than the row or a slice too short.
func Transpose(rows, cols int, x []float32, ldx int, y []float32, ldy int) {
	if !checkSourceAndResult("Transpose", rows, cols, x, ldx, cols, rows, y, ldy) {
		return
	}
	if rows == 1 && ldy == 1 || cols == 1 && ldx == 1 {
		copy(y[:rows*cols], x)
		return
	}
	// Blocks bound the pages that are written in turns; 256 is about the best from 1024² elements on, on
	// Zen 4, and of no weight before.
	const size, least = 256, 16
	width := size
	if ldy%256 == 0 && rows > least {
		// The lines of a strip are then in few of the sets of the first cache, and soon come back for the next strip.
		width = 32
	}
	for i0, i1 := 0, 0; i0 < rows; i0 = i1 {
		i1 = i0 + size
		if i1 > rows-least {
			i1 = rows
		}
		for j0, j1 := 0, 0; j0 < cols; j0 = j1 {
			j1 = j0 + width
			if j1 > cols-least {
				j1 = cols
			}
			transposeBlock(i1-i0, j1-j0, x[i0*ldx+j0:], ldx, y[j0*ldy+i0:], ldy)
		}
	}
}

func transposeBlock(rows, cols int, x []float32, ldx int, y []float32, ldy int) {
	if cols >= 4 {
		for _, strip := range active.transpose {
			if rows < strip.rows {
				continue
			}
			for i := 0; ; i += strip.rows {
				i = min(i, rows-strip.rows) // the last one does some rows again
				strip.run(cols, &x[i*ldx], ldx, &y[i], ldy)
				if i+strip.rows == rows {
					return
				}
			}
		}
	}
	transposeGeneric(rows, cols, x, ldx, y, ldy)
}

// checkSourceAndResult panics unless x and y hold their elements, and tells whether there are any.
func checkSourceAndResult(fn string, rowsX, colsX int, x []float32, ldx, rowsY, colsY int, y []float32, ldy int) bool {
	checkRows(fn, "x", rowsX, colsX, x, ldx)
	checkRows(fn, "y", rowsY, colsY, y, ldy)
	return rowsX > 0 && colsX > 0
}
