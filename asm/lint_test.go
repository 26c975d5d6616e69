package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// features are names of package cpuid, and base for what every CPU of an architecture has that Go runs on.
type features map[string]bool

const base = "base"

func (f features) with(more ...string) features {
	all := features{base: true}
	for name := range f {
		all[name] = true
	}
	for _, name := range more {
		all[name] = true
		// What the manuals let nobody leave out: AVX2 and FMA extend AVX, and AVX-512F comes first of its kind.
		switch {
		case name == "AVX2" || name == "FMA3" || name == "F16C":
			all["AVX"] = true
		case strings.HasPrefix(name, "AVX512"):
			all["AVX"], all["AVX512F"] = true, true
		}
	}
	return all
}

// dispatch is what kernels/isa_ARCH.go asks of the CPU: for a row in its field ok, and for single kernels
// in an if around their assignment.
type dispatch struct {
	rows map[string]features
	uses []use
}

// use is a mention of a function where a row is filled in.
type use struct {
	function string
	has      features // what the CPU is known to have there
}

// readDispatch reads the source of archRows.
func readDispatch(source string) (dispatch, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "isa.go", source, 0)
	if err != nil {
		return dispatch{}, err
	}
	d := dispatch{rows: map[string]features{}}
	var fn *ast.FuncDecl
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == "archRows" {
			fn = f
		}
	}
	if fn == nil {
		return d, fmt.Errorf("no archRows")
	}
	// Once for the rows, then for what they are filled with.
	ast.Inspect(fn, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == 1 {
			if s, ok := a.Lhs[0].(*ast.SelectorExpr); ok && s.Sel.Name == "ok" {
				d.rows[fmt.Sprint(s.X)] = features{}.with(supports(a.Rhs[0])...)
			}
		}
		return true
	})
	d.read(fn.Body, nil)
	return d, nil
}

func (d *dispatch) read(n ast.Node, asked []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			d.read(n.Body, append(slices.Clone(asked), supports(n.Cond)...))
			if n.Else != nil {
				d.read(n.Else, asked)
			}
			return false
		case *ast.AssignStmt:
			var row features
			for _, left := range n.Lhs {
				if root := rootOf(left); d.rows[root] != nil {
					row = d.rows[root]
				}
			}
			for _, right := range n.Rhs {
				ast.Inspect(right, func(n ast.Node) bool {
					if id, ok := n.(*ast.Ident); ok {
						d.uses = append(d.uses, use{id.Name, row.with(asked...)})
					}
					return true
				})
			}
			return false
		}
		return true
	})
}

// rootOf returns avx2 for avx2.gemv.dot.
func rootOf(e ast.Expr) string {
	for {
		s, ok := e.(*ast.SelectorExpr)
		if !ok {
			return fmt.Sprint(e)
		}
		e = s.X
	}
}

// supports returns the arguments of the calls of cpuid.CPU.Supports that must be true for e to be.
func supports(e ast.Expr) (names []string) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return supports(e.X)
	case *ast.BinaryExpr:
		if e.Op == token.LAND {
			return append(supports(e.X), supports(e.Y)...)
		}
	case *ast.CallExpr:
		if s, ok := e.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Supports" && rootOf(s) == "cpuid" {
			for _, a := range e.Args {
				names = append(names, a.(*ast.SelectorExpr).Sel.Name)
			}
		}
	}
	return names
}

// named returns the features that the end of a function's name promises: the longest row that it
// contains in capitals, and what follows that: dotAVX2, toBF16AVX512, bgemm8x12NEONBF16.
func (d dispatch) named(function string) (features, error) {
	row, at := "", -1
	for r := range d.rows {
		if i := strings.LastIndex(function, strings.ToUpper(r)); i >= 0 && len(r) > len(row) {
			row, at = r, i
		}
	}
	if at < 0 {
		return nil, fmt.Errorf("%s has the name of no row", function)
	}
	more := function[at+len(row):]
	if more == "" {
		return d.rows[row], nil
	}
	switch {
	case more == "AMX": // all CPUs that have it have AVX512BW
		return d.rows[row].with("AMXTILE", "AMXBF16", "AVX512BW"), nil
	case row == "avx512":
		more = "AVX512" + more
	}
	return d.rows[row].with(more), nil
}

var (
	textLine    = regexp.MustCompile(`^TEXT ·(\w+)\(SB\)`)
	labelLine   = regexp.MustCompile(`^\w+:$`)
	commentPart = regexp.MustCompile(`\s*//.*$`)
)

// lint returns every instruction of an assembly text that is beyond what its function may use. needs
// returns the features of an instruction, or an error if it does not know it.
func (d dispatch) lint(text string, needs func(line string) ([]string, error)) (functions int, errs []error) {
	function, has := "", features(nil)
	for i, line := range strings.Split(text, "\n") {
		fail := func(err error) { errs = append(errs, fmt.Errorf("line %d, %s: %w", i+1, function, err)) }
		if m := textLine.FindStringSubmatch(line); m != nil {
			functions++
			function = m[1]
			var err error
			if has, err = d.named(function); err != nil {
				fail(err)
			}
			continue
		}
		code := strings.TrimSpace(commentPart.ReplaceAllString(line, ""))
		if code == "" || line[0] == '#' || labelLine.MatchString(code) || strings.HasPrefix(code, "DATA ") || strings.HasPrefix(code, "GLOBL ") {
			continue
		}
		need, err := needs(strings.TrimSpace(line))
		if err != nil {
			fail(err)
		}
		for _, f := range need {
			if !has[f] {
				fail(fmt.Errorf("%s needs %s", code, f))
			}
		}
	}
	return functions, errs
}

// checkUses holds the functions to be called only where what their names promise has been asked for.
func (d dispatch) checkUses(functions map[string]bool) (errs []error) {
	for _, u := range d.uses {
		if !functions[u.function] {
			continue
		}
		need, err := d.named(u.function)
		if err != nil {
			errs = append(errs, err)
		}
		for f := range need {
			if !u.has[f] {
				errs = append(errs, fmt.Errorf("%s is in a row, or in an if, that does not ask for %s", u.function, f))
			}
		}
	}
	return errs
}

// architectures are the two with assembly.
var architectures = []struct {
	name  string
	rows  int
	needs func(line string) ([]string, error)
}{{"amd64", 2, needsX86}, {"arm64", 1, needsARM}}

// TestInstructions holds every function of the assembly to the instructions that its row of the dispatch
// table has asked the CPU for.
func TestInstructions(t *testing.T) {
	for _, arch := range architectures {
		source, err := os.ReadFile(filepath.Join(kernelsDir, "isa_"+arch.name+".go"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := readDispatch(string(source))
		if err != nil || len(d.rows) != arch.rows {
			t.Fatalf("%s: rows %v, %v", arch.name, d.rows, err)
		}
		files, err := filepath.Glob(filepath.Join(kernelsDir, "*_"+arch.name+".s"))
		if err != nil || len(files) == 0 {
			t.Fatal("no assembly: ", err)
		}
		functions := map[string]bool{}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			n, errs := d.lint(string(text), arch.needs)
			for _, err := range errs {
				t.Errorf("%s: %v", filepath.Base(path), err)
			}
			if n == 0 {
				t.Errorf("%s: no function", path)
			}
			for _, line := range strings.Split(string(text), "\n") {
				if m := textLine.FindStringSubmatch(line); m != nil {
					functions[m[1]] = true
				}
			}
		}
		for _, err := range d.checkUses(functions) {
			t.Errorf("isa_%s.go: %v", arch.name, err)
		}
	}
}

// TestInstructionsPlanted holds the lint to find what does not belong.
func TestInstructionsPlanted(t *testing.T) {
	const isa = `package kernels
func archRows() []isa {
	avx512.ok = cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512VL, cpuid.AVX2) && cpuid.CPU.Supports(cpuid.FMA3)
	avx512.sum = sumAVX512
	avx2.ok = cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3)
	avx2.sum, avx2.gemm = sumAVX2, kernel{tile: []tile{nil, tileAVX2}}
	neon.ok = true
	if cpuid.CPU.Supports(cpuid.AVX512BF16) {
		avx512.bdot = bdotAVX512BF16
	}
	if cpuid.CPU.Supports(cpuid.AVX512BW, cpuid.AMXTILE, cpuid.AMXBF16) && allowAMX() {
		avx512.stripe = stripeAVX512AMX
	}
}`
	d, err := readDispatch(isa)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		function, instruction string
		want                  string // part of the error; "": there is none
	}{
		{"sumAVX2", "VADDPS Y1, Y2, Y3", ""},
		{"sumAVX2", "VADDPS (AX)(DX*4), Y2, Y3", ""},
		{"sumAVX2", "VFMADD231PS Y1, Y2, Y3", ""},
		{"sumAVX2", "VPADDD Y1, Y2, Y3", ""},
		{"sumAVX2", "JNE loop1 // back", ""},
		{"sumAVX2", "VADDPS Z1, Z2, Z3", "needs AVX512F"},
		{"sumAVX2", "VADDPS Y1, Y2, Y16", "needs AVX512VL"},
		{"sumAVX2", "VADDSS X1, X2, X16", "needs AVX512F"},
		{"sumAVX2", "VADDPS Y1, Y2, K1, Y3", "needs AVX512VL"},
		{"sumAVX2", "VMOVUPS.Z (AX), K1, Y3", "needs AVX512VL"},
		{"sumAVX2", "VPXORD Y1, Y2, Y3", "needs AVX512VL"},
		{"sumAVX2", "VPTERNLOGD $1, X1, X2, X3", "needs AVX512F"},
		{"sumAVX2", "KMOVW AX, K1", "needs AVX512F"},
		{"sumAVX2", "VPBROADCASTD AX, Y1", "needs AVX512VL"},
		{"sumAVX2", "VPBROADCASTQ R8, Y1", "needs AVX512VL"},
		{"sumAVX2", "VPBROADCASTD (AX), Y1", ""},
		{"sumAVX2", "VPBROADCASTD X1, Y1", ""},
		{"sumAVX2", "VPSLLD $0x02, (AX)(DX*4), Y1", "needs AVX512VL"},
		{"sumAVX2", "VPSLLD $0x02, Y2, Y1", ""},
		{"sumAVX2", "VPSLLD (AX), Y2, Y1", ""},
		{"sumAVX2", "VPERMPD Y1, Y2, Y3", "needs AVX512VL"},
		{"sumAVX2", "VPERMQ $0xd8, (AX), Y3", ""},
		{"sumAVX2", "VCVTPH2PS X1, Y1", "needs F16C"},
		{"sumAVX2", "MULXQ AX, BX, CX", "MULXQ"},
		{"sumAVX2", "VDPBF16PS Y1, Y2, Y3", "needs AVX512BF16"},
		{"sumAVX2", "FROB AX", "FROB"},
		{"sumAVX2", "BYTE $0xc3", "BYTE"},
		{"sumAVX512", "VADDPS.BCST (AX), Z2, Z3", ""},
		{"sumAVX512", "VADDPS X1, X2, X30", ""},
		{"sumAVX512", "VANDPS Y1, Y2, Y3", ""},
		{"sumAVX512", "VANDPS Z1, Z2, Z3", "needs AVX512DQ"},
		{"sumAVX512", "VANDPS Y1, Y2, Y20", "needs AVX512DQ"},
		{"sumAVX512", "VEXTRACTF32X8 $1, Z0, Y1", "needs AVX512DQ"},
		{"sumAVX512", "VPADDW Z1, Z2, Z3", "needs AVX512BW"},
		{"sumAVX512", "VMOVDQU16 (AX), Y3", "needs AVX512BW"},
		{"sumAVX512", "KMOVD AX, K1", "needs AVX512BW"},
		{"sumAVX512", "KMOVB AX, K1", "needs AVX512DQ"},
		{"sumAVX512", "VPCONFLICTD Z1, Z2", "needs AVX512CD"},
		{"sumAVX512", "VPDPBUSD Z1, Z2, Z3", "needs AVX512VNNI"},
		{"sumAVX512", "VBLENDPS $1, Z1, Z2, Z3", "VBLENDPS"},
		{"sumAVX512", "LONG $0x487ef262; WORD $0xc052 // VDPBF16PS Z0, Z0, Z0", "needs AVX512BF16"},
		{"bdotAVX512BF16", "LONG $0x487ef262; WORD $0xc052 // VDPBF16PS Z0, Z0, Z0", ""},
		{"bdotAVX512BF16", "LONG $0x487ef262; WORD $0xc053 // VDPBF16PS Z0, Z0, Z0", "unknown"},
		{"bdotAVX512BF16", "LONG $0x487ff262; WORD $0xc072 // VDPBF16PS Z0, Z0, Z0", "VCVTNE2PS2BF16"},
		{"bdotAVX512BF16", "LONG $0x5c4ae2c4; BYTE $0xc4 // TDPBF16PS TMM6, TMM4, TMM0", "needs AMXBF16"},
		{"sumAVX512", "LONG $0x497be2c4; BYTE $0xc0 // TILEZERO TMM0", "needs AMXTILE"},
		{"stripeAVX512AMX", "LONG $0x497be2c4; BYTE $0xc0 // TILEZERO TMM0", ""},
		{"stripeAVX512AMX", "LONG $0x5c4ae2c4; BYTE $0xc4 // TDPBF16PS TMM6, TMM4, TMM0", ""},
		{"stripeAVX512AMX", "LONG $0x4b7bc2c4; WORD $0x0824 // TILESTORED TMM4, (R8)(CX*1)", "is TILELOADD"},
		{"stripeAVX512AMX", "LONG $0x5e4be2c4; BYTE $0xc4 // TDPBSSD TMM6, TMM4, TMM0", "unknown"},
		{"stripeAVX512AMX", "LONG $0x487ef262; WORD $0xc052 // VDPBF16PS Z0, Z0, Z0", "needs AVX512BF16"},
		{"stripeAVX512AMX", "VMOVDQU16 (AX), Z3", ""},
		{"sumAVX3", "RET", "the name of no row"},
	} {
		n, errs := d.lint("#include \"textflag.h\"\n\n// func f()\nTEXT ·"+c.function+"(SB), NOSPLIT, $0-8\nloop:\n\t"+c.instruction+"\n\tRET\n", needsX86)
		checkPlanted(t, c.function+": "+c.instruction, n, errs, c.want)
	}
	for _, c := range []struct{ instruction, want string }{
		{"VFMLA V0.S4, V1.S4, V2.S4", ""},
		{"WORD $0x4f9b1300 // fmla v0.4s, v24.4s, v27.s[0]", ""},
		{"WORD $0x6e20dc21 // fmul v1.4s, v1.4s, v0.4s", ""},
		{"WORD $0x6e20dc21 // fdiv v1.4s, v1.4s, v0.4s", "is fmul"},
		{"WORD $0x6e20dc21", "does not say"},
		{"WORD $0x6e401c21 // fmul v1.8h, v1.8h, v0.8h", "unknown"},
		{"WORD $0x6e47ecc0 // bfmmla v0.4s, v6.8h, v7.8h", "needs BF16"},
		{"WORD $0x6e47fcc0 // bfdot v0.4s, v6.8h, v7.8h", "needs BF16"},
		{"WORD $0x4e829420 // sdot v0.4s, v1.16b, v2.16b", "needs ASIMDDP"},
		{"WORD $0x04a00000 // add z0.s, z0.s, z0.s", "unknown"},
		{"LDADDAD R0, (R1), R2", "LDADDAD"},
		{"VEOR3 V0.B16, V1.B16, V2.B16, V3.B16", "VEOR3"},
	} {
		n, errs := d.lint("TEXT ·sumNEON(SB), NOSPLIT, $0-8\n\t"+c.instruction+"\n", needsARM)
		checkPlanted(t, c.instruction, n, errs, c.want)
	}

	functions := map[string]bool{"sumAVX512": true, "sumAVX2": true, "tileAVX2": true, "bdotAVX512BF16": true, "stripeAVX512AMX": true}
	if errs := d.checkUses(functions); len(errs) > 0 {
		t.Error(errs)
	}
	for _, change := range [][2]string{
		{"avx2.sum, avx2.gemm = sumAVX2", "avx2.sum, avx2.gemm = sumAVX512"}, {"nil, tileAVX2", "nil, tileAVX512"},
		{"if cpuid.CPU.Supports(cpuid.AVX512BF16)", "if cpuid.CPU.Supports(cpuid.AVX512BF16) || true"}, {"cpuid.AVX512BF16", "cpuid.AVX512BW"},
		{"cpuid.AMXTILE, ", ""}, {"cpuid.AMXBF16) && allowAMX()", "cpuid.AMXBF16) || allowAMX()"},
	} {
		d, err := readDispatch(strings.Replace(isa, change[0], change[1], 1))
		if err != nil {
			t.Fatal(err)
		}
		functions["tileAVX512"] = true
		if errs := d.checkUses(functions); len(errs) == 0 {
			t.Errorf("%s instead of %s: no error", change[1], change[0])
		}
	}
}

func checkPlanted(t *testing.T, name string, functions int, errs []error, want string) {
	t.Helper()
	if functions != 1 {
		t.Errorf("%s: %d functions", name, functions)
	}
	if want == "" && len(errs) > 0 || want != "" && (len(errs) == 0 || !strings.Contains(fmt.Sprint(errs), want)) {
		t.Errorf("%s: errors %v, want %q", name, errs, want)
	}
}
