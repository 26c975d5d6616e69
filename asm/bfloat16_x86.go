package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// bfloat16X86 writes the conversions between float32 and bfloat16. They are in integer arithmetic, also
// where the CPU has AVX512_BF16, whose VCVTNEPS2BF16 takes subnormal numbers for 0.
func bfloat16X86(x *x86) {
	x.function("toBF16", "func(x []float32, y []BFloat16)", "is y = x, rounded to nearest even; NaN becomes quiet.")
	x.spare = 3
	r := x.bf16Rounding()
	xs, ys := x.base("x"), x.base("y")
	x.sweep(x.length("x"), 4, func(s *sweep) {
		v := s.loads(xs)
		for i := range v {
			v[i] = r.round(s, v[i])
		}
		s.storeHalves(v, ys)
	})
	x.ret()

	for _, f := range []struct {
		name, doc string
		past      bool
	}{{"fromBF16", "is y = x.", false}, {"fromBF16Past", "is y = x, past the caches; y is at a multiple of 64 bytes.", true}} {
		x.function(f.name, "func(x []BFloat16, y []float32)", f.doc)
		xs, ys = x.base("x"), x.base("y")
		x.sweep(x.length("x"), 4, x.each(func(s *sweep) {
			s.past = f.past
			v := s.loadHalf(xs)
			x.VPSLLD(Imm(16), v, v)
			s.store(v, ys)
		}))
		if f.past {
			x.SFENCE()
		}
		x.ret()
	}
}

type bf16Rounding struct{ one, bias, quiet Op }

// bf16Rounding returns the constants of the rounding, in registers as far as hold says.
func (x *x86) bf16Rounding() bf16Rounding {
	return bf16Rounding{
		one:   x.full("bf16One", U32(1)),
		bias:  x.full("bf16Bias", U32(0x7fff)),
		quiet: x.full("bf16Quiet", U32(1<<22)),
	}
}

// round returns registers whose 32-bit lanes are the rounded elements, zero-extended: (v + 0x7fff + the
// last bit that stays) >> 16, and v with the quiet bit where v is NaN.
func (r bf16Rounding) round(s *sweep, v reg.VecVirtual) reg.VecVirtual {
	t := s.vec()
	s.VPSRLD(Imm(16), v, t)
	if s.lanes == 16 {
		nan := s.K()
		s.VPANDD(r.one, t, t)
		s.VPADDD(r.bias, t, t)
		s.VPADDD(v, t, t)
		s.VCMPPS(unordered, v, v, nan)
		s.VPORD(r.quiet, v, nan, t)
	} else {
		nan := s.vec()
		s.VPAND(r.one, t, t)
		s.VPADDD(r.bias, t, t)
		s.VPADDD(v, t, t)
		s.VCMPPS(unordered, v, v, nan)
		s.VPOR(r.quiet, v, v)
		s.VBLENDVPS(nan, v, t, t)
	}
	s.VPSRLD(Imm(16), t, t)
	return t
}

// half is the address of the vector at hand in a slice of 16-bit elements.
func (s *sweep) half(p reg.Register) Mem {
	return Mem{Base: p, Index: s.index, Scale: 2, Disp: s.part * s.bytes() / 2}
}

// loadHalf returns the next elements of a slice of 16-bit ones, zero-extended.
func (s *sweep) loadHalf(p reg.Register) reg.VecVirtual {
	v := s.vec()
	if s.size == 4 || s.size == 1 {
		s.clear(v) // as in load
	}
	switch s.size {
	case s.lanes:
		s.VPMOVZXWD(s.half(p), v)
	case 4:
		s.VPMOVZXWD(s.half(p), v.AsX())
	case 1:
		s.VPINSRW(Imm(0), s.half(p), v.AsX(), v.AsX())
	default:
		s.VPMOVZXWD_Z(s.half(p), s.valid, v)
	}
	return v
}

// storeHalves stores the lower halves of the lanes of v, whose upper halves are 0.
func (s *sweep) storeHalves(v vectors, p reg.Register) {
	s.each(func(s *sweep) {
		u := v[s.part]
		switch {
		case s.size == 0:
			s.VPMOVDW(u, s.valid, s.half(p))
		case s.lanes == 16:
			s.VPMOVDW(u, s.half(p))
		case s.size == 1:
			s.VPEXTRW(Imm(0), u.AsX(), s.half(p))
		case s.size == 4:
			s.VPACKUSDW(u.AsX(), u.AsX(), u.AsX())
			s.VMOVQ(u.AsX(), s.half(p))
		case s.parts == 1:
			h := s.XMM()
			s.VEXTRACTI128(Imm(1), u, h)
			s.VPACKUSDW(h, u.AsX(), h)
			s.VMOVDQU(h, s.half(p))
		case s.part%2 == 0: // two vectors make one
			s.VPACKUSDW(v[s.part+1], u, u)
			s.VPERMQ(Imm(0b11_01_10_00), u, u)
			s.VMOVDQU(u, s.half(p))
		}
	})(s)
}
