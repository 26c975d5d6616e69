package main

import (
	"bytes"
	"fmt"
	"go/token"
	"go/types"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/buildtags"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

// x86Family is one pair of files, kernels/NAME_amd64.s and .go. Its body runs once per width.
type x86Family struct {
	name string
	body func(x *x86)
}

var x86Families = []x86Family{
	{"gemm", gemmX86},
	{"dgemm", dgemmX86},
	{"bgemm", bgemmX86},
	{"amx", amxX86},
	{"level1", level1X86},
	{"gemv", gemvX86},
	{"exp", expX86},
	{"softmax", softmaxX86},
	{"softmaxgiven", softmaxGivenX86},
	{"elementary", elementaryX86},
	{"norm", normX86},
	{"normrows", normRowsX86},
	{"combine", combineX86},
	{"columnsums", columnSumsX86},
	{"reduce", reduceX86},
	{"transpose", transposeX86},
	{"past", copyPastX86},
	{"gather", gatherX86},
	{"bfloat16", bfloat16X86},
	{"optimizer", optimizerX86},
	{"ceiling", ceilingX86},
}

// width is an x86 vector instruction set. features are those that kernels/isa_amd64.go asks of the CPU
// before it uses the row, as avo names them (CMOV, SSE and the prefetches, its MMX+, are in every
// amd64): generation fails if a function needs another.
type width struct {
	suffix    string
	lanes     int // float32 per register
	registers int
	features  []string
}

var widths = []width{
	{suffix: "AVX2", lanes: 8, registers: 16, features: []string{"CMOV", "MMX+", "SSE", "SSE2", "AVX", "AVX2", "FMA3"}},
	{suffix: "AVX512", lanes: 16, registers: 32, features: []string{"CMOV", "MMX+", "SSE", "SSE2", "AVX", "AVX2", "FMA3", "AVX512F", "AVX512VL", "AVX512DQ"}},
}

// bf16Width is AVX512 on CPUs that have AVX512_BF16, too.
var bf16Width = width{suffix: "AVX512BF16", lanes: 16, registers: 32, features: append(slices.Clone(widths[1].features), "AVX512BF16")}

// x86 is an avo context with a vector width. Its methods hide what differs between the widths; all
// operands are in the order of Go's assembler, destination last.
type x86 struct {
	*build.Context
	width
	data   map[string]Mem // constants of this file, by name
	labels int            // made in this function
	spare  int            // registers left for constants
	double bool           // the function's elements are float64
	side   int            // rows that the next sweep does side by side; 0 is one, −1 that another sweep is the main one
	source operandKind    // of the packings, and what tiles multiply
	slots  []Mem          // of the function's frame, for vectors
}

// outputs builds the family for every width and prints it.
func (f x86Family) outputs() ([]output, error) {
	ctx := build.NewContext()
	ctx.Constraint(buildtags.Not("noasm"))
	ctx.Constraint(buildtags.Not("purego"))
	data := map[string]Mem{}
	for _, w := range widths {
		f.body(&x86{Context: ctx, width: w, data: data})
	}
	file, err := ctx.Result()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	cfg := printer.Config{Name: "asm", Pkg: "kernels"}
	var body, stubs bytes.Buffer
	err = pass.Concat(
		pass.Compile,
		pass.FunctionPass(checkFeatures),
		pass.FunctionPass(encode),
		&pass.Output{Writer: nopCloser{&body}, Printer: printer.NewGoAsm(cfg)},
		&pass.Output{Writer: nopCloser{&stubs}, Printer: printer.NewStubs(cfg)},
	).Execute(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return []output{{f.name + "_amd64.s", body.Bytes()}, {f.name + "_amd64.go", stubs.Bytes()}}, nil
}

type nopCloser struct{ *bytes.Buffer }

func (nopCloser) Close() error { return nil }

// checkFeatures fails if a compiled function needs a feature or a register that its width does not
// have. avo hands out Y16 to Y31 without a word, which an AVX2 machine answers with SIGILL.
func checkFeatures(fn *ir.Function) error {
	all := append(slices.Clone(widths), bf16Width, amxWidth)
	w := all[slices.IndexFunc(all, func(w width) bool { return strings.HasSuffix(fn.Name, w.suffix) })]
	for _, feature := range fn.ISA {
		if !slices.Contains(w.features, feature) {
			return fmt.Errorf("%s needs %s, which its dispatch row does not check", fn.Name, feature)
		}
	}
	for _, in := range fn.Instructions() {
		for _, op := range in.Operands {
			for _, r := range Registers(op) {
				p, ok := r.(reg.Physical)
				if ok && p.Kind() == reg.KindVector && int(p.PhysicalIndex()) >= w.registers {
					return fmt.Errorf("%s uses %s: too many live vector registers", fn.Name, p.Asm())
				}
			}
		}
	}
	return nil
}

// kernelsPackage has the types of package kernels that signatures name.
var kernelsPackage = func() *types.Package {
	p := types.NewPackage("kernels", "kernels")
	name := types.NewTypeName(token.NoPos, p, "BFloat16", nil)
	types.NewNamed(name, types.Typ[types.Uint16], nil)
	p.Scope().Insert(name)
	ahead := types.NewTypeName(token.NoPos, p, "ahead", nil)
	types.NewNamed(ahead, types.NewStruct(nil, nil), nil)
	p.Scope().Insert(ahead)
	p.MarkComplete()
	return p
}()

// function starts nameSUFFIX with the given signature and doc: its definition as a Go expression.
func (x *x86) function(name, signature, doc string) {
	x.Function(name + x.suffix)
	x.Attributes(attr.NOSPLIT)
	s, err := gotypes.ParseSignatureInPackage(kernelsPackage, signature)
	if err != nil {
		panic(err)
	}
	x.Signature(s)
	x.Doc(name+x.suffix+" "+doc, "The caller has checked the sizes.")
	x.Pragma("noescape")
	x.labels, x.slots = 0, nil
}

// ret ends the function. It clears the upper halves of the vector registers, which would slow down the
// SSE code of the Go compiler.
func (x *x86) ret() {
	x.VZEROUPPER()
	x.RET()
}

// label returns a name that is unique in the function.
func (x *x86) label(name string) string {
	x.labels++
	return fmt.Sprintf("%s%d", name, x.labels)
}

// vec returns a fresh vector register of the width.
func (x *x86) vec() reg.VecVirtual {
	if x.lanes == 16 {
		return x.ZMM()
	}
	return x.YMM()
}

// zero returns a register of zeros.
func (x *x86) zero() reg.VecVirtual {
	v := x.vec()
	x.clear(v)
	return v
}

func (x *x86) clear(v reg.VecVirtual) {
	if x.lanes == 16 {
		x.VPXORD(v, v, v)
	} else {
		x.VXORPS(v, v, v)
	}
}

// param loads the argument name, an integer or a pointer, into a register.
func (x *x86) param(name string) reg.Register {
	return x.Load(x.Param(name), x.GP64())
}

// base loads the base pointer of the slice argument name.
func (x *x86) base(name string) reg.Register {
	return x.Load(x.Param(name).Base(), x.GP64())
}

// length loads the length of the slice argument name.
func (x *x86) length(name string) reg.Register {
	return x.Load(x.Param(name).Len(), x.GP64())
}

// scalar returns a register with the argument name in every lane.
func (x *x86) scalar(name string) reg.VecVirtual {
	v := x.vec()
	x.spread(x.paramAddr(name), v)
	return v
}

// paramAddr returns where the argument name is.
func (x *x86) paramAddr(name string) Mem {
	b, err := x.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// constant returns the address of a float32 or uint32 constant of the file.
func (x *x86) constant(name string, c Constant) Mem {
	m, ok := x.data[name]
	if !ok {
		m = x.ConstData(name, c)
		x.data[name] = m
	}
	return m
}

// broadcast returns a register with the constant in every lane.
func (x *x86) broadcast(name string, c Constant) reg.VecVirtual {
	v := x.vec()
	x.VBROADCASTSS(x.constant(name, c), v)
	return v
}

// bytes is the size of a vector in memory.
func (x *x86) bytes() int { return 4 * x.lanes }

// The element of the functions being written: its size in bytes, its log2, its type in Go, the prefix of
// the names as in BLAS (float32 has none), and how many there are in a register.
func (x *x86) size() int {
	if x.double {
		return 8
	}
	return 4
}

func (x *x86) shift() Constant { return Imm(uint64(bits.TrailingZeros(uint(x.size())))) }

func (x *x86) prefix() string {
	switch {
	case x.double:
		return "d"
	case x.source == paired:
		return "b"
	}
	return ""
}

func (x *x86) elements() int { return x.bytes() / x.size() }

// of replaces T by the element type.
func (x *x86) of(signature string) string {
	return strings.ReplaceAll(signature, "T", fmt.Sprintf("float%d", 8*x.size()))
}

// spread sets every element of v to the one in memory, one moves a single element.
func (x *x86) spread(m Mem, v reg.Register) {
	if x.double {
		x.VBROADCASTSD(m, v)
	} else {
		x.VBROADCASTSS(m, v)
	}
}

func (x *x86) one(from, to Op) {
	if x.double {
		x.VMOVSD(from, to)
	} else {
		x.VMOVSS(from, to)
	}
}

// fma adds a*b to sum.
func (x *x86) fma(a Op, b, sum reg.Register) {
	if x.double {
		x.VFMADD231PD(a, b, sum)
	} else {
		x.VFMADD231PS(a, b, sum)
	}
}

// fmaSpread adds the element in memory times b to sum.
func (x *x86) fmaSpread(a Mem, b, sum reg.Register) {
	if x.double {
		x.VFMADD231PD_BCST(a, b, sum)
	} else {
		x.VFMADD231PS_BCST(a, b, sum)
	}
}

func (x *x86) mul(a Op, b, to reg.Register) {
	if x.double {
		x.VMULPD(a, b, to)
	} else {
		x.VMULPS(a, b, to)
	}
}

// add sets to = a + b, larger to the greater of a and b, a if one is NaN; and clears the bits of a not in b.
func (x *x86) add(ops ...Op) {
	if x.double {
		x.VADDPD(ops...)
	} else {
		x.VADDPS(ops...)
	}
}

func (x *x86) larger(ops ...Op) {
	if x.double {
		x.VMAXPD(ops...)
	} else {
		x.VMAXPS(ops...)
	}
}

func (x *x86) and(a Op, b, to reg.Register) {
	if x.double {
		x.VANDPD(a, b, to)
	} else {
		x.VANDPS(a, b, to)
	}
}

// magnitude returns a register with all bits but the sign in every element.
func (x *x86) magnitude() reg.VecVirtual {
	v := x.vec()
	if x.double {
		x.spread(x.constant("magnitude64", U64(math.MaxInt64)), v)
	} else {
		x.spread(x.constant("magnitude", U32(math.MaxInt32)), v)
	}
	return v
}
