package main

import "fmt"

// This file has the instructions on four float32 or two float64, destination first. Those that Go 1.26's assembler
// lacks are printed as WORD with the instruction in a comment, in the syntax of GNU as; a test decodes
// every word of every generated file and compares.
//
// Encodings: Arm Architecture Reference Manual for A-profile, C7.2. Rd is at bit 0, Rn at bit 5, Rm at
// bit 16; bit 22 makes the elements float64. An element of Rm is selected by bit 11 or, of four, by bits
// 11 (high) and 21 (low).

func (n *neon) word(bits uint32, text string) {
	fmt.Fprintf(&n.body, "\tWORD $0x%08x // %s\n", bits, text)
}

// The fixed bits of the words.
const (
	opFADD    = 0x4e20d400
	opFSUB    = 0x4ea0d400
	opFMUL    = 0x6e20dc00
	opFDIV    = 0x6e20fc00
	opFMAX    = 0x4e20f400
	opFMIN    = 0x4ea0f400
	opFMAXNM  = 0x4e20c400
	opFCMGT   = 0x6ea0e400
	opFCMEQ   = 0x4e20e400
	opFADDP   = 0x6e20d400
	opFNEG    = 0x6ea0f800
	opFSQRT   = 0x6ea1f800
	opFABS    = 0x4ea0f800
	opSCVTF   = 0x4e21d800
	opFCMEQ0  = 0x4ea0d800
	opFCMLT0  = 0x4ea0e800
	opSSHR    = 0x4f000400
	opFMLAElt = 0x4f801000 // by element
	opFADDPS  = 0x7e30d800 // of two lanes, to a scalar
	opFMAXNMV = 0x6e30c800
	opFMAXV   = 0x6e30f800
	opFMAXNMP = 0x7e30c800 // of two lanes, to a scalar
	opBFMMLA  = 0x6e40ec00
	opDouble  = 0x00400000
)

// sized returns op for the element, and the name of a vector of these in the syntax of GNU as.
func (n *neon) sized(op uint32) (uint32, string) {
	if n.double {
		return op | opDouble, "2d"
	}
	return op, "4s"
}

func (n *neon) three(name string, op uint32, d, a, b vreg) {
	op, s := n.sized(op)
	n.word(op|uint32(b)<<16|uint32(a)<<5|uint32(d), fmt.Sprintf("%s v%d.%s, v%d.%s, v%d.%s", name, d, s, a, s, b, s))
}

func (n *neon) two(name string, op uint32, d, a vreg) {
	op, s := n.sized(op)
	n.word(op|uint32(a)<<5|uint32(d), fmt.Sprintf("%s v%d.%s, v%d.%s", name, d, s, a, s))
}

func (n *neon) fadd(d, a, b vreg)   { n.three("fadd", opFADD, d, a, b) }     // d = a + b
func (n *neon) fsub(d, a, b vreg)   { n.three("fsub", opFSUB, d, a, b) }     // d = a − b
func (n *neon) fmul(d, a, b vreg)   { n.three("fmul", opFMUL, d, a, b) }     // d = a*b
func (n *neon) fdiv(d, a, b vreg)   { n.three("fdiv", opFDIV, d, a, b) }     // d = a/b
func (n *neon) fmax(d, a, b vreg)   { n.three("fmax", opFMAX, d, a, b) }     // NaN if either is
func (n *neon) fmin(d, a, b vreg)   { n.three("fmin", opFMIN, d, a, b) }     // NaN if either is
func (n *neon) fmaxnm(d, a, b vreg) { n.three("fmaxnm", opFMAXNM, d, a, b) } // the other if one is a quiet NaN
func (n *neon) fcmgt(d, a, b vreg)  { n.three("fcmgt", opFCMGT, d, a, b) }   // all ones where a > b, else 0
func (n *neon) fcmeq(d, a, b vreg)  { n.three("fcmeq", opFCMEQ, d, a, b) }   // all ones where a = b, else 0
func (n *neon) faddp(d, a, b vreg)  { n.three("faddp", opFADDP, d, a, b) }   // sums of neighbours, a before b
func (n *neon) fneg(d, a vreg)      { n.two("fneg", opFNEG, d, a) }          // d = −a
func (n *neon) fsqrt(d, a vreg)     { n.two("fsqrt", opFSQRT, d, a) }        // d = √a
func (n *neon) fabs(d, a vreg)      { n.two("fabs", opFABS, d, a) }          // d = |a|
func (n *neon) scvtf(d, a vreg)     { n.two("scvtf", opSCVTF, d, a) }        // d = a, from integers

// fcmeqZero is all ones where a = 0, else 0; fcmltZero where a < 0.
func (n *neon) fcmeqZero(d, a vreg) { n.withZero("fcmeq", opFCMEQ0, d, a) }
func (n *neon) fcmltZero(d, a vreg) { n.withZero("fcmlt", opFCMLT0, d, a) }

func (n *neon) withZero(name string, op uint32, d, a vreg) {
	op, s := n.sized(op)
	n.word(op|uint32(a)<<5|uint32(d), fmt.Sprintf("%s v%d.%s, v%d.%s, #0", name, d, s, a, s))
}

// sshr is d = a >> shift on int32.
func (n *neon) sshr(d, a vreg, shift int) {
	n.word(opSSHR|uint32(64-shift)<<16|uint32(a)<<5|uint32(d), fmt.Sprintf("sshr v%d.4s, v%d.4s, #%d", d, a, shift))
}

// fmlaLane is d += a*b[i].
func (n *neon) fmlaLane(d, a, b vreg, i int) {
	op, s := n.sized(opFMLAElt)
	if n.double {
		op |= uint32(i) << 11
	} else {
		op |= uint32(i&1)<<21 | uint32(i>>1)<<11
	}
	n.word(op|uint32(b)<<16|uint32(a)<<5|uint32(d), fmt.Sprintf("fmla v%d.%s, v%d.%s, v%d.%s[%d]", d, s, a, s, b, s[1:], i))
}

// bfmmla is D += A*Bᵀ for 2×4 matrices A and B of bfloat16 and a 2×2 matrix D of float32.
func (n *neon) bfmmla(d, a, b vreg) {
	n.word(opBFMMLA|uint32(b)<<16|uint32(a)<<5|uint32(d), fmt.Sprintf("bfmmla v%d.4s, v%d.8h, v%d.8h", d, a, b))
}

// sumLanes leaves the sum of v's lanes in lane 0: (v0 + v1) + (v2 + v3).
func (n *neon) sumLanes(v vreg) {
	if !n.double {
		n.faddp(v, v, v)
	}
	n.pair("faddp", opFADDPS, v)
}

// maxLanes leaves the largest of v's lanes, of which none is NaN, in lane 0.
func (n *neon) maxLanes(v vreg) {
	if n.double {
		n.pair("fmaxnmp", opFMAXNMP, v)
		return
	}
	n.word(opFMAXNMV|uint32(v)<<5|uint32(v), fmt.Sprintf("fmaxnmv s%d, v%d.4s", v, v))
}

// pair combines the first two lanes of v in lane 0.
func (n *neon) pair(name string, op uint32, v vreg) {
	op, s := n.sized(op)
	n.word(op|uint32(v)<<5|uint32(v), fmt.Sprintf("%s %s%d, v%d.2%s", name, s[1:], v, v, s[1:]))
}

// The rest Go's assembler knows.

func (n *neon) fmla(d, a, b vreg) { n.op("VFMLA", n.vec(b), n.vec(a), n.vec(d)) } // d += a*b, rounded once
func (n *neon) fmls(d, a, b vreg) { n.op("VFMLS", n.vec(b), n.vec(a), n.vec(d)) } // d −= a*b, rounded once
func (n *neon) mov(d, a vreg)     { n.op("VMOV", a.b16(), d.b16()) }

// dup puts a[i], a float32, in every lane of d.
func (n *neon) dup(d, a vreg, i int) { n.op("VDUP", a.lane(i), d.s4()) }

// fmaxv leaves the largest of v's lanes in lane 0, NaN if one is.
func (n *neon) fmaxv(v vreg) {
	n.word(opFMAXV|uint32(v)<<5|uint32(v), fmt.Sprintf("fmaxv s%d, v%d.4s", v, v))
}

// keepLarger sets d = a where a > d. Unlike fmaxnm, which answers a signalling NaN with a NaN, it leaves
// every NaN in a out.
func (n *neon) keepLarger(d, a vreg) {
	n.scope(func() {
		larger := n.v()
		n.fcmgt(larger, a, d)
		n.op("VBIT", larger.b16(), a.b16(), d.b16())
	})
}
