package main

import (
	"fmt"
	"strconv"
	"strings"
)

// mnemonicsARM are those of Go's assembler for instructions of ARMv8.0-A with Advanced SIMD, which Go
// asks of every arm64.
var mnemonicsARM = func() map[string]bool {
	all := map[string]bool{}
	for _, name := range strings.Fields(`ADD ADDS SUB SUBS NEG AND ANDS ORR EOR BIC MVN LSL LSR ASR MUL MADD MSUB SDIV UDIV CMP CMN TST TSTW CSEL CSINC CSET CLZ RBIT
		MOVD MOVW MOVWU MOVH MOVHU MOVB MOVBU LDP STP FLDPS FLDPD FLDPQ FSTPS FSTPD FSTPQ
		B JMP BEQ BNE BLT BLE BGT BGE BHI BHS BLO BLS BCC BCS BMI BPL BVS BVC CBZ CBNZ CBZW CBNZW TBZ TBNZ RET NOOP PRFM
		FMOVS FMOVD FMOVQ FADDS FADDD FSUBS FSUBD FMULS FMULD FDIVS FDIVD FNEGS FNEGD FABSS FABSD FSQRTS FSQRTD FMAXS FMAXD FMINS FMIND FMAXNMS FMINNMS FMADDS FMADDD FMSUBS FMSUBD
		FCMPS FCMPD FCSELS FCSELD SCVTFS SCVTFD SCVTFWS SCVTFWD UCVTFS UCVTFD FCVTSD FCVTDS FCVTZSS FCVTZSD FCVTZSSW FCVTZSDW
		VADD VSUB VADDP VAND VORR VEOR VBIC VORN VBIT VBIF VBSL VFMLA VFMLS VMOV VMOVI VMOVS VMOVD VMOVQ VDUP VEXT VSHL VUSHR VSSHR VUSHLL VUSHLL2 VSSHLL VSSHLL2 VUXTL VUXTL2 VXTN VXTN2
		VSLI VSRI VUSRA VCMEQ VCMTST VUMAX VUMIN VUADDLV VADDV VCNT VREV16 VREV32 VREV64 VTBL VTBX VTRN1 VTRN2 VUZP1 VUZP2 VZIP1 VZIP2
		VLD1 VLD1R VLD1.P VST1 VST1.P VLD2 VLD2R VLD3 VLD4 VST2 VST3 VST4`) {
		all[name] = true
	}
	return all
}()

// wordsARM are the encodings that assembly holds as WORDs: the bits under mask are the instruction, the
// others its registers, lanes and the form (Q, and single or double). From the Arm Architecture Reference
// Manual for A-profile, C4.1.97, Data Processing, Scalar Floating-Point and Advanced SIMD: where the size
// is one bit beside a fixed one, 16-bit elements, which need FEAT_FP16, are encoded elsewhere.
var wordsARM = func() (all []wordARM) {
	add := func(mask uint32, feature string, words map[string]uint32) {
		for name, bits := range words {
			all = append(all, wordARM{name, mask, bits, feature})
		}
	}
	const (
		threeSame   = 0xbfa0fc00 // Q, sz, Rm, Rn and Rd are free
		twoMisc     = 0xbfbffc00 // Q, sz, Rn and Rd
		byElement   = 0xbf80f400 // Q, sz, the index (L, M and H), Rm, Rn and Rd
		acrossLanes = 0xbffffc00 // Q, Rn and Rd
		scalarPair  = 0xffbffc00 // sz, Rn and Rd
		integer     = 0xbf20fc00 // Q, size, Rm, Rn and Rd
	)
	add(threeSame, base, map[string]uint32{
		"fadd": 0x0e20d400, "fsub": 0x0ea0d400, "fmul": 0x2e20dc00, "fdiv": 0x2e20fc00, "fmax": 0x0e20f400, "fmin": 0x0ea0f400,
		"fmaxnm": 0x0e20c400, "fminnm": 0x0ea0c400, "faddp": 0x2e20d400, "fmaxp": 0x2e20f400, "fminp": 0x2ea0f400, "fmaxnmp": 0x2e20c400,
		"fmla": 0x0e20cc00, "fmls": 0x0ea0cc00, "fcmeq": 0x0e20e400, "fcmge": 0x2e20e400, "fcmgt": 0x2ea0e400, "facge": 0x2e20ec00, "facgt": 0x2ea0ec00,
		"fabd": 0x2ea0d400, "frecps": 0x0e20fc00, "frsqrts": 0x0ea0fc00, "fmulx": 0x0e20dc00,
	})
	add(twoMisc, base, map[string]uint32{
		"fneg": 0x2ea0f800, "fabs": 0x0ea0f800, "fsqrt": 0x2ea1f800, "frintn": 0x0e218800, "frintm": 0x0e219800, "frintp": 0x0ea18800, "frintz": 0x0ea19800,
		"scvtf": 0x0e21d800, "ucvtf": 0x2e21d800, "fcvtns": 0x0e21a800, "fcvtms": 0x0e21b800, "fcvtzs": 0x0ea1b800, "fcvtzu": 0x2ea1b800,
		"fcmlt": 0x0ea0e800, "fcmgt": 0x0ea0c800, "fcmeq": 0x0ea0d800, "fcmge": 0x2ea0c800, "fcmle": 0x2ea0d800,
		"fcvtl": 0x0e217800, "fcvtn": 0x0e216800, "frecpe": 0x0ea1d800, "frsqrte": 0x2ea1d800,
	})
	add(twoMisc|1<<30, base, map[string]uint32{"fcvtl2": 0x4e217800, "fcvtn2": 0x4e216800})
	add(byElement, base, map[string]uint32{"fmla": 0x0f801000, "fmls": 0x0f805000, "fmul": 0x0f809000})
	add(acrossLanes, base, map[string]uint32{"fmaxv": 0x2e30f800, "fminv": 0x2eb0f800, "fmaxnmv": 0x2e30c800, "fminnmv": 0x2eb0c800})
	add(scalarPair, base, map[string]uint32{"faddp": 0x7e30d800, "fmaxp": 0x7e30f800, "fminp": 0x7eb0f800, "fmaxnmp": 0x7e30c800})
	add(integer, base, map[string]uint32{
		"smax": 0x0e206400, "smin": 0x0e206c00, "umax": 0x2e206400, "umin": 0x2e206c00, "cmgt": 0x0e203400, "cmge": 0x0e203c00, "cmhi": 0x2e203400, "cmhs": 0x2e203c00,
		"cmeq": 0x2e208c00, "mul": 0x0e209c00, "mla": 0x0e209400, "sshl": 0x0e204400, "ushl": 0x2e204400,
	})
	add(0xbf80fc00, base, map[string]uint32{"sshr": 0x0f000400, "ushr": 0x2f000400, "shl": 0x0f005400}) // Q, the shift, Rn and Rd
	add(0xbfe0fc00, "BF16", map[string]uint32{"bfdot": 0x2e40fc00, "bfmmla": 0x2e40ec00})
	add(0xbfc0f400, "BF16", map[string]uint32{"bfdot": 0x0f40f000}) // by element
	add(0xbffffc00, "BF16", map[string]uint32{"bfcvtn": 0x0ea16800})
	add(0xbf20fc00, "ASIMDDP", map[string]uint32{"sdot": 0x0e009400, "udot": 0x2e009400})
	return all
}()

type wordARM struct {
	name       string
	mask, bits uint32
	feature    string
}

// needsARM returns the features of an instruction.
func needsARM(line string) ([]string, error) {
	line = strings.Join(strings.Fields(line), " ")
	code, comment, said := strings.Cut(line, " // ")
	mnemonic, operands, _ := strings.Cut(code, " ")
	if mnemonic == "WORD" {
		bits, err := strconv.ParseUint(strings.TrimPrefix(operands, "$0x"), 16, 32)
		if err != nil || !said {
			return nil, fmt.Errorf("%s does not say what it is: %v", code, err)
		}
		name, _, _ := strings.Cut(comment, " ")
		return needsWordARM(uint32(bits), name)
	}
	if !mnemonicsARM[mnemonic] && !mnemonicsARM[strings.TrimSuffix(strings.TrimSuffix(mnemonic, ".P"), ".W")] {
		return nil, fmt.Errorf("%s is unknown: see the manual, and add it to the table", mnemonic)
	}
	return []string{base}, nil
}

func needsWordARM(bits uint32, name string) ([]string, error) {
	is := "unknown"
	for _, w := range wordsARM {
		if bits&w.mask == w.bits {
			if w.name == name {
				return []string{w.feature}, nil
			}
			is = w.name
		}
	}
	return nil, fmt.Errorf("%08x is %s, its comment says %s", bits, is, name)
}
