package main

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// forms are the encodings of an instruction, with the feature that each needs; "" where there is none.
type forms struct {
	x, y string // VEX, or older, of 128 and of 256 bits
	// EVEX of 512 bits; those of 256 and 128 need AVX512VL too, unless the instruction is scalar.
	evex   string
	scalar bool
}

// instructionsX86 is from the instruction set reference: Intel 64 and IA-32 Architectures Software
// Developer's Manual, volume 2, and AMD64 Architecture Programmer's Manual, volume 4, where they agree.
var instructionsX86 = func() map[string]forms {
	all := map[string]forms{}
	add := func(f forms, names string) {
		for _, name := range strings.Fields(names) {
			if _, ok := all[name]; ok {
				panic(name + " is in the table twice")
			}
			all[name] = f
		}
	}
	pspd := func(names string) (both string) {
		for _, name := range strings.Fields(names) {
			both += name + "PS " + name + "PD "
		}
		return both
	}
	sssd := func(names string) (both string) {
		for _, name := range strings.Fields(names) {
			both += name + "SS " + name + "SD "
		}
		return both
	}
	fma := func(types ...string) (names string) {
		for _, op := range []string{"VFMADD", "VFMSUB", "VFNMADD", "VFNMSUB"} {
			for _, order := range []string{"132", "213", "231"} {
				for _, typ := range types {
					names += op + order + typ + " "
				}
			}
		}
		return names
	}

	// On general registers, and SSE2: what every amd64 has.
	add(forms{x: base}, `ADDQ ADDL SUBQ SUBL INCQ INCL DECQ DECL NEGQ NEGL ANDQ ANDL ORQ ORL XORQ XORL NOTQ NOTL CMPQ CMPL CMPB TESTQ TESTL
		SHLQ SHLL SHRQ SHRL SARQ SARL IMULQ IMULL IMUL3Q IMUL3L LEAQ LEAL MOVQ MOVL MOVW MOVB MOVBLZX MOVBQZX MOVWLZX MOVWQZX MOVLQSX MOVLQZX BSFL BSFQ BSRL BSRQ
		CMOVQEQ CMOVQNE CMOVQLT CMOVQLE CMOVQGT CMOVQGE CMOVQCS CMOVQCC CMOVQHI CMOVQLS CMOVLEQ CMOVLNE SETEQ SETNE SETLT SETGT
		JMP JE JEQ JNE JZ JNZ JL JLT JLE JG JGT JGE JA JHI JAE JB JLS JBE JCC JCS JPS JPC JMI JPL RET CALL PUSHQ POPQ NOP
		PREFETCHT0 PREFETCHT1 PREFETCHT2 PREFETCHNTA SFENCE LFENCE MOVNTIQ MOVUPS MOVAPS MOVSS MOVSD`)
	add(forms{x: "POPCNT"}, "POPCNTQ POPCNTL")
	add(forms{x: "LZCNT"}, "LZCNTQ LZCNTL")
	add(forms{x: "BMI1"}, "TZCNTQ TZCNTL ANDNQ ANDNL BLSRQ BLSRL")
	add(forms{x: "BMI2"}, "SHLXQ SHLXL SHRXQ SHRXL BZHIQ BZHIL MULXQ MULXL PEXTQ PDEPQ")

	add(forms{x: "AVX", y: "AVX", evex: "AVX512F"}, pspd("VADD VSUB VMUL VDIV VMAX VMIN VSQRT VCMP VMOVU VMOVA VMOVNT VSHUF VPERMIL VUNPCKL VUNPCKH")+
		`VMOVSHDUP VMOVSLDUP VMOVDDUP VMOVNTDQ VCVTDQ2PS VCVTPS2DQ VCVTTPS2DQ VCVTPS2PD VCVTDQ2PD VCVTPD2PS VCVTPD2PSX VCVTPD2PSY VCVTPD2DQ VCVTTPD2DQ`)
	add(forms{x: "AVX", y: "AVX", evex: "AVX512DQ"}, pspd("VAND VANDN VOR VXOR"))
	add(forms{x: "AVX", y: "AVX"}, pspd("VBLEND VBLENDV VHADD VHSUB VADDSUB VROUND VMASKMOV VMOVMSK VTEST")+
		"VDPPS VRCPPS VRSQRTPS VPERM2F128 VINSERTF128 VEXTRACTF128 VBROADCASTF128 VMOVDQU VMOVDQA VLDDQU VPTEST VZEROUPPER VZEROALL")
	add(forms{x: "AVX", evex: "AVX512F", scalar: true}, sssd("VADD VSUB VMUL VDIV VMAX VMIN VSQRT VCMP VMOV VUCOMI VCOMI")+
		`VMOVD VMOVQ VCVTSS2SD VCVTSD2SS VCVTSI2SDQ VCVTSI2SDL VCVTSI2SSQ VCVTSI2SSL VCVTSS2SI VCVTSS2SIQ VCVTSD2SI VCVTSD2SIQ
		VCVTTSS2SI VCVTTSS2SIQ VCVTTSD2SI VCVTTSD2SIQ VINSERTPS VEXTRACTPS VMOVHLPS VMOVLHPS VMOVHPS VMOVLPS VMOVHPD VMOVLPD`)
	add(forms{x: "AVX", scalar: true}, sssd("VROUND")+"VRCPSS VRSQRTSS")
	add(forms{x: "FMA3", y: "FMA3", evex: "AVX512F"}, fma("PS", "PD")+"VFMADDSUB213PS VFMADDSUB231PS VFMSUBADD213PS VFMSUBADD231PS")
	add(forms{x: "FMA3", evex: "AVX512F", scalar: true}, fma("SS", "SD"))
	add(forms{x: "F16C", y: "F16C", evex: "AVX512F"}, "VCVTPH2PS VCVTPS2PH")
	// From memory; from a register see needsX86.
	add(forms{x: "AVX", y: "AVX", evex: "AVX512F"}, "VBROADCASTSS VBROADCASTSD")

	add(forms{x: "AVX", y: "AVX2", evex: "AVX512F"}, `VPADDD VPADDQ VPSUBD VPSUBQ VPMULLD VPMULUDQ VPMULDQ VPSLLD VPSLLQ VPSRLD VPSRLQ VPSRAD
		VPCMPEQD VPCMPEQQ VPCMPGTD VPCMPGTQ VPMINSD VPMAXSD VPMINUD VPMAXUD VPABSD VPUNPCKLDQ VPUNPCKHDQ VPUNPCKLQDQ VPUNPCKHQDQ VPSHUFD
		VPMOVZXWD VPMOVZXWQ VPMOVZXBD VPMOVZXBQ VPMOVZXDQ VPMOVSXWD VPMOVSXWQ VPMOVSXBD VPMOVSXBQ VPMOVSXDQ`)
	add(forms{x: "AVX", y: "AVX2", evex: "AVX512BW"}, `VPADDW VPADDB VPSUBW VPSUBB VPMULLW VPMULHW VPMULHUW VPMADDWD VPMADDUBSW VPSLLW VPSRLW VPSRAW VPSLLDQ VPSRLDQ
		VPCMPEQW VPCMPEQB VPCMPGTW VPCMPGTB VPMINSW VPMAXSW VPMINUW VPMAXUW VPMINSB VPMAXSB VPMINUB VPMAXUB VPABSW VPABSB
		VPUNPCKLWD VPUNPCKHWD VPUNPCKLBW VPUNPCKHBW VPACKUSDW VPACKSSDW VPACKUSWB VPACKSSWB VPSHUFB VPSHUFLW VPSHUFHW VPALIGNR VPMOVZXBW VPMOVSXBW VPSADBW`)
	add(forms{x: "AVX", y: "AVX2"}, "VPAND VPOR VPXOR VPANDN VPBLENDW VPBLENDVB VPMOVMSKB")
	add(forms{x: "AVX", evex: "AVX512DQ", scalar: true}, "VPINSRD VPINSRQ VPEXTRD VPEXTRQ")
	add(forms{x: "AVX", evex: "AVX512BW", scalar: true}, "VPINSRW VPINSRB VPEXTRW VPEXTRB")
	add(forms{y: "AVX2", evex: "AVX512F"}, "VPERMD VPERMPS VPERMQ VPERMPD")
	add(forms{x: "AVX2", y: "AVX2", evex: "AVX512F"}, `VPBROADCASTD VPBROADCASTQ VPSLLVD VPSLLVQ VPSRLVD VPSRLVQ VPSRAVD
		VGATHERDPS VGATHERQPS VGATHERDPD VGATHERQPD VPGATHERDD VPGATHERQD VPGATHERDQ VPGATHERQQ`)
	add(forms{x: "AVX2", y: "AVX2", evex: "AVX512BW"}, "VPBROADCASTW VPBROADCASTB")
	add(forms{x: "AVX2", y: "AVX2"}, "VPBLENDD VPERM2I128 VINSERTI128 VEXTRACTI128 VBROADCASTI128 VPMASKMOVD VPMASKMOVQ")

	add(forms{evex: "AVX512F"}, pspd("VBLENDM VRNDSCALE VSCALEF VGETEXP VGETMANT VFIXUPIMM VPERMT2 VPERMI2 VCOMPRESS VEXPAND")+
		`VRCP14PS VRCP14PD VRSQRT14PS VRSQRT14PD VPXORD VPXORQ VPORD VPORQ VPANDD VPANDQ VPANDND VPANDNQ VPTERNLOGD VPTERNLOGQ
		VMOVDQU32 VMOVDQU64 VMOVDQA32 VMOVDQA64 VSHUFF32X4 VSHUFF64X2 VSHUFI32X4 VSHUFI64X2 VEXTRACTF32X4 VEXTRACTI32X4 VEXTRACTF64X4 VEXTRACTI64X4
		VINSERTF32X4 VINSERTI32X4 VINSERTF64X4 VINSERTI64X4 VBROADCASTF32X4 VBROADCASTI32X4 VBROADCASTF64X4 VBROADCASTI64X4
		VPBLENDMD VPBLENDMQ VPCMPD VPCMPQ VPCMPUD VPCMPUQ VPTESTMD VPTESTMQ VPTESTNMD VPTESTNMQ VPERMT2D VPERMT2Q VPERMI2D VPERMI2Q VPCOMPRESSD VPEXPANDD
		VALIGND VALIGNQ VPMOVDW VPMOVDB VPMOVQD VPMOVQW VPMOVQB VPMOVSDW VPMOVUSDW VPROLD VPROLQ VPRORD VPRORQ VPROLVD VPRORVD VPSRAQ VPSRAVQ VPABSQ VPMINSQ VPMAXSQ VPMINUQ VPMAXUQ
		VCVTPS2UDQ VCVTTPS2UDQ VCVTUDQ2PS VSCATTERDPS VSCATTERQPS VSCATTERDPD VPSCATTERDD`)
	add(forms{evex: "AVX512F", scalar: true}, sssd("VRNDSCALE VSCALEF VGETEXP VGETMANT VFIXUPIMM")+
		"VRCP14SS VRCP14SD VRSQRT14SS VRSQRT14SD KMOVW KANDW KANDNW KORW KXORW KXNORW KNOTW KORTESTW KSHIFTLW KSHIFTRW KUNPCKBW")
	add(forms{evex: "AVX512DQ"}, pspd("VRANGE VREDUCE VFPCLASS")+`VPMULLQ VEXTRACTF32X8 VEXTRACTI32X8 VEXTRACTF64X2 VEXTRACTI64X2 VINSERTF32X8 VINSERTI32X8
		VINSERTF64X2 VINSERTI64X2 VBROADCASTF32X2 VBROADCASTI32X2 VBROADCASTF32X8 VBROADCASTI32X8 VBROADCASTF64X2 VBROADCASTI64X2
		VFPCLASSPSX VFPCLASSPSY VFPCLASSPSZ VFPCLASSPDX VFPCLASSPDY VFPCLASSPDZ VCVTPS2QQ VCVTPD2QQ VCVTTPD2QQ VCVTQQ2PS VCVTQQ2PD VPMOVM2D VPMOVM2Q VPMOVD2M VPMOVQ2M`)
	add(forms{evex: "AVX512DQ", scalar: true}, "KMOVB KANDB KORB KXORB KNOTB KORTESTB KTESTB KTESTW KSHIFTLB KSHIFTRB KADDB KADDW")
	add(forms{evex: "AVX512BW"}, `VMOVDQU16 VMOVDQU8 VPBLENDMW VPBLENDMB VPERMW VPERMT2W VPERMI2W VPMOVWB VPMOVSWB VPMOVUSWB VPCMPW VPCMPB VPCMPUW VPCMPUB
		VPTESTMW VPTESTMB VPTESTNMW VPTESTNMB VPSLLVW VPSRLVW VPSRAVW VPMOVM2W VPMOVM2B VPMOVW2M VPMOVB2M`)
	add(forms{evex: "AVX512BW", scalar: true}, "KMOVD KMOVQ KANDD KANDQ KORD KORQ KXORD KXORQ KNOTD KNOTQ KORTESTD KORTESTQ KSHIFTLD KSHIFTRD KUNPCKWD KUNPCKDQ")
	add(forms{evex: "AVX512CD"}, "VPCONFLICTD VPCONFLICTQ VPLZCNTD VPLZCNTQ VPBROADCASTMW2D VPBROADCASTMB2Q")
	add(forms{evex: "AVX512VNNI"}, "VPDPBUSD VPDPBUSDS VPDPWSSD VPDPWSSDS")
	add(forms{evex: "AVX512BF16"}, "VDPBF16PS VCVTNE2PS2BF16 VCVTNEPS2BF16")
	return all
}()

var (
	wide      = regexp.MustCompile(`\bZ\d+\b`)
	half      = regexp.MustCompile(`\bY\d+\b`)
	highOrK   = regexp.MustCompile(`\b[XY](1[6-9]|2\d|3[01])\b|\bK[0-7]\b`)
	broadcast = regexp.MustCompile(`^VBROADCASTS[SD] X\d+,`)
	// Of these Go's assembler has EVEX forms alone: a broadcast of a general register, a shift of memory by a
	// constant, and permutations of 64-bit elements by a register.
	evexOnly = regexp.MustCompile(`^VPBROADCAST[BWDQ] (R\d+|[A-D]X|[SD]I|BP|SP), |^VPS[RL][LA][DQW] \$\w+, .*\(|^VPS[LR]LDQ \$\w+, .*\(|^VPERM(Q|PD) [^$]`)
	rawX86   = regexp.MustCompile(`^(BYTE|WORD|LONG|QUAD) \$0x([0-9a-f]+)$`)
)

// needsX86 returns the features of an instruction.
func needsX86(line string) ([]string, error) {
	line = strings.Join(strings.Fields(line), " ")
	code, comment, _ := strings.Cut(line, " //")
	code = strings.TrimSpace(code)
	mnemonic, operands, _ := strings.Cut(code, " ")
	if rawX86.MatchString(strings.TrimSpace(strings.Split(code, ";")[0])) {
		return needsRawX86(code, strings.TrimSpace(comment))
	}
	mnemonic, suffix, _ := strings.Cut(mnemonic, ".")
	f, ok := instructionsX86[mnemonic]
	if !ok {
		return nil, fmt.Errorf("%s is unknown: see the manual, and add it to the table", mnemonic)
	}
	evex := f.x == "" && f.y == "" || suffix != "" || wide.MatchString(operands) || highOrK.MatchString(operands) || evexOnly.MatchString(code)
	switch {
	case evex && f.evex == "":
		return nil, fmt.Errorf("%s has no form of AVX-512", code)
	case evex && (f.scalar || wide.MatchString(operands)):
		return []string{f.evex}, nil
	case evex:
		return []string{f.evex, "AVX512VL"}, nil
	case broadcast.MatchString(code):
		return []string{"AVX2"}, nil
	case half.MatchString(operands) && f.y != "":
		return []string{f.y}, nil
	case f.x == "":
		return nil, fmt.Errorf("%s has no form of 128 bits", code)
	}
	return []string{f.x}, nil
}

// needsRawX86 returns the features of an instruction that is given as bytes, all of them on a line,
// because Go's assembler has no name for it.
func needsRawX86(code, comment string) ([]string, error) {
	var bytes []byte
	for _, part := range strings.Split(code, ";") {
		m := rawX86.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return nil, fmt.Errorf("%s: no data", part)
		}
		v, err := strconv.ParseUint(m[2], 16, 64)
		if err != nil {
			return nil, err
		}
		size := map[string]int{"BYTE": 1, "WORD": 2, "LONG": 4, "QUAD": 8}[m[1]]
		bytes = append(bytes, binary.LittleEndian.AppendUint64(nil, v)[:size]...)
	}
	if len(bytes) >= 5 && bytes[0] == 0xc4 {
		return needsRawVEX(bytes, comment)
	}
	// EVEX: 62, P0 with the map of opcodes, P1 with W and the prefix, P2 with the length, then the opcode.
	if len(bytes) < 6 || bytes[0] != 0x62 || bytes[1]&8 != 0 || bytes[2]&4 == 0 {
		return nil, fmt.Errorf("BYTE, WORD, LONG or QUAD that are no instruction with a VEX or EVEX prefix: %x", bytes)
	}
	opcode := fmt.Sprintf("map %d, prefix %d, W%d, %02x", bytes[1]&7, bytes[2]&3, bytes[2]>>7, bytes[4])
	name, ok := map[string]string{
		"map 2, prefix 2, W0, 52": "VDPBF16PS",
		"map 2, prefix 3, W0, 72": "VCVTNE2PS2BF16",
		"map 2, prefix 2, W0, 72": "VCVTNEPS2BF16",
	}[opcode]
	if !ok {
		return nil, fmt.Errorf("%x is an unknown instruction: %s", bytes, opcode)
	}
	if said, _, _ := strings.Cut(comment, " "); said != name {
		return nil, fmt.Errorf("%x is %s, its comment says %q", bytes, name, comment)
	}
	if bytes[3]>>5&3 == 2 {
		return []string{"AVX512BF16"}, nil
	}
	return []string{"AVX512BF16", "AVX512VL"}, nil
}

// needsRawVEX is needsRawX86 for a prefix VEX of three bytes: C4, the map of opcodes, W and L and the prefix,
// then the opcode and ModRM, whose mode 3 is that without memory.
func needsRawVEX(bytes []byte, comment string) ([]string, error) {
	mode := "memory"
	if bytes[4]>>6 == 3 {
		mode = "registers"
	}
	opcode := fmt.Sprintf("map %d, prefix %d, W%d, L%d, %02x, %s", bytes[1]&31, bytes[2]&3, bytes[2]>>7, bytes[2]>>2&1, bytes[3], mode)
	name, ok := map[string]string{
		"map 2, prefix 0, W0, L0, 49, memory":    "LDTILECFG",
		"map 2, prefix 0, W0, L0, 49, registers": "TILERELEASE",
		"map 2, prefix 3, W0, L0, 49, registers": "TILEZERO",
		"map 2, prefix 3, W0, L0, 4b, memory":    "TILELOADD",
		"map 2, prefix 1, W0, L0, 4b, memory":    "TILELOADDT1",
		"map 2, prefix 2, W0, L0, 4b, memory":    "TILESTORED",
		"map 2, prefix 2, W0, L0, 5c, registers": "TDPBF16PS",
	}[opcode]
	if !ok {
		return nil, fmt.Errorf("%x is an unknown instruction: %s", bytes, opcode)
	}
	if said, _, _ := strings.Cut(comment, " "); said != name {
		return nil, fmt.Errorf("%x is %s, its comment says %q", bytes, name, comment)
	}
	if name == "TDPBF16PS" {
		return []string{"AMXBF16"}, nil
	}
	return []string{"AMXTILE"}, nil
}
