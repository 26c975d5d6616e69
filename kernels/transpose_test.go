package kernels

import (
	"fmt"
	"math"
	"testing"
)

// checkMoved copies or transposes x, rows×cols, to y, where both touch guard pages at their heads or at
// their tails, and holds the bits of the elements to be kept, and what is between the rows of y to stay.
func checkMoved(t *testing.T, g *guarded, rows, cols, padX, padY int, tail, transposed bool) {
	t.Helper()
	rowsY, colsY := rows, cols
	if transposed {
		rowsY, colsY = cols, rows
	}
	ldx, ldy := cols+padX, colsY+padY
	extent := func(rows, cols, ld int) int {
		if rows == 0 {
			return 0
		}
		return (rows-1)*ld + cols
	}
	x, y := g.place(0, extent(rows, cols, ldx), tail), g.place(1, extent(rowsY, colsY, ldy), tail)
	for i := range x {
		x[i] = math.Float32frombits(uint32(i)*2654435761 + 0x7f800001) // NaN of all kinds too
	}
	for i := range y {
		y[i] = canary
	}
	name := fmt.Sprintf("%d×%d, ldx=%d, ldy=%d, tail=%v, transposed=%v", rows, cols, ldx, ldy, tail, transposed)
	err := faults(func() {
		if transposed {
			Transpose(rows, cols, x, ldx, y, ldy)
		} else {
			Copy(rows, cols, x, ldx, y, ldy)
		}
	})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := g.check(1, len(y), tail); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for k, v := range y {
		i, j := k/ldy, k%ldy
		want := canary
		if j < colsY {
			if transposed {
				i, j = j, i
			}
			want = x[i*ldx+j]
		}
		if math.Float32bits(v) != math.Float32bits(want) {
			t.Fatalf("%s: element %d of y has the bits %#08x, want %#08x", name, k, math.Float32bits(v), math.Float32bits(want))
		}
	}
}

// TestTranspose crosses the strips of every width, the blocks and what is left over of both.
func TestTranspose(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, 2, 530*84)
		for rows := range 41 {
			for cols := range 41 {
				checkMoved(t, g, rows, cols, cols%3, rows%4, (rows+cols)%2 == 0, true)
			}
		}
		for _, rows := range []int{1, 3, 4, 15, 16, 81, 255, 256, 257, 271, 272, 273, 527} {
			for _, cols := range []int{1, 3, 4, 7, 64, 81} {
				for _, tail := range []bool{false, true} {
					checkMoved(t, g, rows, cols, rows%3, cols%2, tail, true)
					checkMoved(t, g, cols, rows, rows%3, cols%2, tail, true)
				}
			}
		}
	})
}

func TestCopy(t *testing.T) {
	g := newGuarded(t, 2, 100*100)
	for _, rows := range []int{0, 1, 2, 7, 33} {
		for _, cols := range []int{0, 1, 5, 32, 90} {
			for pad := range 4 {
				checkMoved(t, g, rows, cols, pad&1, pad>>1, pad == 1, false)
			}
		}
	}
}

// TestStrideOverflow has strides whose extent is beyond an int.
func TestStrideOverflow(t *testing.T) {
	x, y := make([]float32, 64), make([]float32, 64)
	forEachISA(t, func(t *testing.T) {
		for _, call := range []func(){
			func() { Transpose(5, 4, x, math.MaxInt/4+1, y, 5) },
			func() { Transpose(4, 5, x, 5, y, math.MaxInt/2+1) },
			func() { Copy(3, 1, x, math.MaxInt, y, 1) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Error("no panic")
					}
				}()
				call()
			}()
		}
	})
}
