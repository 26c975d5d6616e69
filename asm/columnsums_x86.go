package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// columnSumsX86 writes the sum of eight rows onto one, which reads and writes that one an eighth as often as
// row after row would.
func columnSumsX86(x *x86) {
	const rows = 8
	x.function("addRows", "func(n int, alpha float32, x *float32, ld int, y *float32)", "is y[j] += alpha*Σ x[i*ld+j], i < 8, for j < n.")
	n, alpha, ld, y := x.param("n"), x.scalar("alpha"), x.param("ld"), x.param("y")
	from := []reg.Register{x.param("x")}
	for len(from) < rows {
		p := x.GP64()
		x.LEAQ(Mem{Base: from[len(from)-1], Index: ld, Scale: 4}, p)
		from = append(from, p)
	}
	x.sweep(n, 2, func(s *sweep) {
		// Pairs, and pairs of them: ((0+1)+(2+3))+((4+5)+(6+7)).
		var sums []vectors
		for i := 0; i < rows; i += 2 {
			v := s.loads(from[i])
			x.each(func(s *sweep) { x.VADDPS(s.operand(from[i+1]), v[s.part], v[s.part]) })(s)
			sums = append(sums, v)
		}
		for len(sums) > 1 {
			for i := range len(sums) / 2 {
				s.do(x.VADDPS, sums[2*i+1], sums[2*i], sums[2*i])
				sums[i] = sums[2*i]
			}
			sums = sums[:len(sums)/2]
		}
		v := s.loads(y)
		s.do(x.VFMADD231PS, sums[0], alpha, v)
		s.stores(v, y)
	})
	x.ret()
}
