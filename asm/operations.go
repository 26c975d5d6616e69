package main

import (
	"bytes"
	"fmt"
	"go/format"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// operations are how many instructions of a kind the main loops of a function have for each vector, and so for each
// element of it: for `vcycle bench`, which measures how many of a kind a core does in a second.
type operations struct {
	vector   float64 // on registers, of any kind
	multiply float64 // those that multiply, fused or not, and those that follow, which begin on the same ports
	add      float64 // those that add, take the larger, round, convert or shift, and those that follow
	scale    float64 // VSCALEFPS and VREDUCEPS
	divide   float64
	root     float64
	load     float64 // of whole registers, or of one element into all lanes, also as an operand
	store    float64
}

// mainLoop begins the comment in the assembly at the loop that does almost all elements of a slice, which sweep
// writes; the tail loops after it have none.
const mainLoop = "Main loop, vectors an iteration:"

var (
	functionLine = regexp.MustCompile(`^TEXT ·(\w+?)(AVX2|AVX512)\(SB\)`)
	loopLine     = regexp.MustCompile(`^\s*// ` + mainLoop + ` (\d+)$`)
	backLine     = regexp.MustCompile(`^\s*J\w+\s+(\w+)$`)
	registerOp   = regexp.MustCompile(`\b[XYZ]\d+\b`)
	addition     = regexp.MustCompile(`^V(ADD|SUB|MAX|MIN|RNDSCALE|ROUND)P[SD]|^VCVTT?(PS2DQ|DQ2PS)|^VPS(LL|RL|RA)[DQ]\b`)
)

// countOperations adds what the functions of an assembly text have in their main loops, by row and function.
// Instructions that only load, store or copy are no operations on registers: there are other ports for them, or registers are
// renamed; and neither are those on masks.
func countOperations(text string, all map[string]map[string]operations) {
	var row, function, label, name string
	vectors, inside := 0., false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := functionLine.FindStringSubmatch(line); m != nil {
			function, row = m[1], strings.ToLower(m[2])
			continue
		}
		if strings.HasSuffix(line, ":") {
			name = strings.TrimSuffix(line, ":")
		}
		if m := loopLine.FindStringSubmatch(line); m != nil {
			vectors, _ = strconv.ParseFloat(m[1], 64)
			label, inside = name, true
			continue
		}
		if !inside {
			continue
		}
		if m := backLine.FindStringSubmatch(line); m != nil && m[1] == label {
			inside = false
			continue
		}
		o := operations{vector: 1}
		mnemonic, list, _ := strings.Cut(strings.TrimSpace(line), " ")
		operands := strings.Split(strings.TrimSpace(list), ", ")
		whole := strings.Contains(list, map[string]string{"AVX2": "Y", "AVX512": "Z"}[strings.ToUpper(row)])
		switch {
		case !isOperation(mnemonic, operands):
			o.vector = 0
		case strings.HasPrefix(mnemonic, "VDIV"):
			o.divide, o.multiply = 1, 1
		case strings.HasPrefix(mnemonic, "VSQRT"):
			o.root, o.multiply = 1, 1
		case strings.HasPrefix(mnemonic, "VMUL"), strings.HasPrefix(mnemonic, "VFM"), strings.HasPrefix(mnemonic, "VFNM"):
			o.multiply = 1
		case strings.HasPrefix(mnemonic, "VREDUCE"), strings.HasPrefix(mnemonic, "VSCALEF"):
			o.add, o.scale = 1, 1
		case whole && addition.MatchString(mnemonic):
			o.add = 1
		}
		if whole && strings.HasPrefix(mnemonic, "V") {
			o.load, o.store = moves(mnemonic, operands)
		}
		if all[row] == nil {
			all[row] = map[string]operations{}
		}
		sum := all[row][function]
		sum.vector += o.vector / vectors
		sum.multiply += o.multiply / vectors
		sum.add += o.add / vectors
		sum.scale += o.scale / vectors
		sum.divide += o.divide / vectors
		sum.root += o.root / vectors
		sum.load += o.load / vectors
		sum.store += o.store / vectors
		all[row][function] = sum
	}
}

// moves returns how many loads and stores an instruction is. Those that widen what they load, or gather it, are left out.
func moves(mnemonic string, operands []string) (loads, stores float64) {
	if strings.HasPrefix(mnemonic, "VPMOV") || strings.HasPrefix(mnemonic, "VCVT") || strings.HasPrefix(mnemonic, "VGATHER") {
		return 0, 0
	}
	for i, o := range operands {
		switch {
		case !strings.HasSuffix(o, ")"):
		case i == len(operands)-1:
			stores++
		default:
			loads++
		}
	}
	return loads, stores
}

func isOperation(mnemonic string, operands []string) bool {
	name, _, _ := strings.Cut(mnemonic, ".")
	last := operands[len(operands)-1]
	masked := slices.ContainsFunc(operands, func(o string) bool { return strings.HasPrefix(o, "K") })
	memory := slices.ContainsFunc(operands, func(o string) bool { return strings.HasSuffix(o, ")") })
	switch {
	case !strings.HasPrefix(name, "V") || !slices.ContainsFunc(operands, registerOp.MatchString):
		return false // of general registers, or masks
	case strings.HasPrefix(name, "VMOVU") || strings.HasPrefix(name, "VMOVA") || strings.HasPrefix(name, "VMOVS") || strings.HasPrefix(name, "VMOVD"):
		// A move under a mask between registers is a blend.
		return masked && !memory || strings.HasPrefix(name, "VMOVSHDUP")
	case strings.HasPrefix(name, "VMOVNT"):
		return false
	case strings.HasPrefix(name, "VBROADCAST") && memory:
		return false
	case strings.HasPrefix(name, "VPXOR") || strings.HasPrefix(name, "VXOR"):
		return !(len(operands) == 3 && operands[0] == operands[1] && operands[1] == last) // a zero
	}
	return true
}

// operationsFile returns the table as a file of package kernelbench.
func operationsFile(all map[string]map[string]operations) (output, error) {
	var b bytes.Buffer
	fmt.Fprint(&b, `// Code generated by asm. DO NOT EDIT.

package kernelbench

// assembly has the operations of an element in the main loops of the functions, by row.
var assembly = map[string]map[string]operations{
`)
	for _, row := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%q: {\n", row)
		for _, name := range slices.Sorted(maps.Keys(all[row])) {
			o := all[row][name]
			fmt.Fprintf(&b, "%q: {vector: %s, multiply: %s, add: %s, scale: %s, divide: %s, root: %s, load: %s, store: %s},\n", name,
				fraction(o.vector), fraction(o.multiply), fraction(o.add), fraction(o.scale), fraction(o.divide), fraction(o.root), fraction(o.load), fraction(o.store))
		}
		fmt.Fprint(&b, "},\n")
	}
	fmt.Fprint(&b, "}\n")
	body, err := format.Source(b.Bytes())
	return output{"../internal/kernelbench/assembly.go", body}, err
}

func fraction(x float64) string { return strconv.FormatFloat(math.Round(x*1e4)/1e4, 'f', -1, 64) }
