package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkRows measures each field of the table: n = 255 for the tail, 4096 in the first-level cache
// and 1<<22 in memory. Bytes are those that the definition reads and writes.
func BenchmarkRows(b *testing.B) {
	for _, c := range tableCases() {
		var bytes int64
		for _, kind := range c.args {
			bytes += 4
			if kind == 'u' || kind == 'p' {
				bytes += 4
			}
		}
		for _, n := range []int{256, 2048} {
			a := make([][]float32, len(c.args))
			for j := range a {
				a[j] = make([]float32, n)
			}
			rng := rand.New(rand.NewPCG(31, 32))
			benchEachISA(b, fmt.Sprintf("%s/n=%d", c.name, n), func(b *testing.B) {
				c.fill(rng, a)
				b.SetBytes(bytes * int64(n))
				for b.Loop() {
					c.call(a)
				}
			})
		}
	}
}
