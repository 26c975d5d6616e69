package kernels

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestColumnSums(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(121, 122))
		for try := range 60 {
			rows, cols, pad := rng.IntN(30), rng.IntN(90), rng.IntN(2)*3
			switch try {
			case 0:
				rows, cols = 17, 2048+37
			case 1, 2, 3: // so many that the order of the sums makes a difference
				rows, cols = 800+try, 40
			}
			const alpha = -0.375
			ld := cols + pad
			x, sums := matrix[float32](rng, rows, cols, ld), randomSlice(rng, cols+1)
			before := slices.Clone(sums)
			ColumnSums(rows, cols, alpha, x, ld, sums)
			roundings := rows + 1
			if active.addRows != nil {
				roundings = rows/8 + rows%8 + 3
			}
			for j := range cols {
				var sum, size float64
				for i := range rows {
					sum, size = sum+float64(x[i*ld+j]), size+math.Abs(float64(x[i*ld+j]))
				}
				a := approx{float64(before[j]) + alpha*sum, gamma(roundings) * (math.Abs(float64(before[j])) + -alpha*size)}
				if !a.holds(sums[j]) {
					t.Fatalf("%d×%d: sums[%d] = %g, want %g ± %g", rows, cols, j, sums[j], a.want, a.bound)
				}
			}
			if sums[cols] != before[cols] {
				t.Fatalf("%d×%d: what follows was written", rows, cols)
			}
			// A range of columns has the same bits as all of them.
			lo := rng.IntN(cols + 1)
			part := slices.Clone(before[lo:cols])
			if rows > 0 {
				ColumnSums(rows, cols-lo, alpha, x[lo:], ld, part)
			}
			if !slices.Equal(part, sums[lo:cols]) {
				t.Fatalf("%d×%d: columns from %d on have other bits alone", rows, cols, lo)
			}
		}
	})
}
