package kernels

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// exportedCase is a call of an exported function, for the checks that are the same for all: between guard
// pages, on every row, of any size and in place, and with slices that are too short. What a function
// computes is held to references elsewhere.
type exportedCase struct {
	name string
	// args has a word for each slice: r if it is read, w if written, u if both, p the same and not negative;
	// then f, d, h or i for float32, float64, BFloat16 or int32 below n; then how long it is: one of the
	// sizes in lengthOf.
	args string
	call func(c *exportedCall)
	// alias are pairs of slices that the documentation lets be the same.
	alias [][2]int
}

// exportedCall is what a call is made with.
type exportedCall struct {
	m, n, k      int
	pad          int // beyond the columns of a matrix, to the row stride
	inc          int // of vectors, not 0
	transA, flag bool
	slices       []exportedSlice
	results      []float64
}

type exportedSlice struct {
	mode, kind byte
	data       unsafe.Pointer
	n          int
}

func (s exportedSlice) size() int {
	return map[byte]int{'f': 4, 'd': 8, 'h': 2, 'i': 4}[s.kind]
}

// bytes returns the memory of s.
func (s exportedSlice) bytes() []byte { return unsafe.Slice((*byte)(s.data), s.n*s.size()) }

// at returns element i as a number.
func (s exportedSlice) at(i int) float64 {
	switch s.kind {
	case 'f':
		return float64(unsafe.Slice((*float32)(s.data), s.n)[i])
	case 'd':
		return unsafe.Slice((*float64)(s.data), s.n)[i]
	case 'h':
		return float64(unsafe.Slice((*BFloat16)(s.data), s.n)[i].Float32())
	}
	return float64(unsafe.Slice((*int32)(s.data), s.n)[i])
}

func (c *exportedCall) f(i int) []float32 {
	return unsafe.Slice((*float32)(c.slices[i].data), c.slices[i].n)
}
func (c *exportedCall) d(i int) []float64 {
	return unsafe.Slice((*float64)(c.slices[i].data), c.slices[i].n)
}
func (c *exportedCall) h(i int) []BFloat16 {
	return unsafe.Slice((*BFloat16)(c.slices[i].data), c.slices[i].n)
}
func (c *exportedCall) i(i int) []int32 {
	return unsafe.Slice((*int32)(c.slices[i].data), c.slices[i].n)
}

func (c *exportedCall) result(x float64) { c.results = append(c.results, x) }

// ld is the row stride of a matrix with n columns, lda and ldb those of the operands of a product.
func (c *exportedCall) ld() int { return c.n + c.pad }
func (c *exportedCall) lda() int {
	if c.transA {
		return c.m + c.pad
	}
	return c.k + c.pad
}
func (c *exportedCall) ldb() int {
	if c.flag {
		return c.k + c.pad
	}
	return c.n + c.pad
}

// lengthOf returns how many elements a slice has.
func (c *exportedCall) lengthOf(size string) int {
	matrix := func(rows, cols int) int {
		if rows == 0 {
			return 0
		}
		return (rows-1)*(cols+c.pad) + cols
	}
	vector := func(n int) int {
		if n == 0 {
			return 0
		}
		return (n-1)*max(c.inc, -c.inc) + 1
	}
	switch size {
	case "m":
		return c.m
	case "n":
		return c.n
	case "mn":
		return c.m * c.n
	case "ld": // m×n with a row stride
		return matrix(c.m, c.n)
	case "n+": // n rows of m+1
		return c.n * (c.m + 1)
	case "ld'": // n×m with a row stride
		return matrix(c.n, c.m)
	case "A":
		if c.transA {
			return matrix(c.k, c.m)
		}
		return matrix(c.m, c.k)
	case "B":
		if c.flag {
			return matrix(c.n, c.k)
		}
		return matrix(c.k, c.n)
	case "mi":
		return vector(c.m)
	case "ni":
		return vector(c.n)
	case "x": // of a matrix m×n and a vector
		if c.transA {
			return vector(c.m)
		}
		return vector(c.n)
	case "y":
		if c.transA {
			return vector(c.n)
		}
		return vector(c.m)
	}
	panic("length " + size)
}

// exported are all kernels.
func exported() []exportedCase {
	stages := []float32{0.5, -0.25}
	all := []exportedCase{
		{"Axpy", "ufn rfn", func(c *exportedCall) { Axpy(-1.375, c.f(1), c.f(0)) }, [][2]int{{0, 1}}},
		{"Scal", "ufn", func(c *exportedCall) { Scal(-1.375, c.f(0)) }, nil},
		{"ScalInc", "ufni", func(c *exportedCall) { ScalInc(c.n, -1.375, c.f(0), max(c.inc, -c.inc)) }, nil},
		{"Dot", "rfn rfn", func(c *exportedCall) { c.result(float64(Dot(c.f(0), c.f(1)))) }, [][2]int{{0, 1}}},
		{"Sum", "rfn", func(c *exportedCall) { c.result(float64(Sum(c.f(0)))) }, nil},
		{"Asum", "rfn", func(c *exportedCall) { c.result(float64(Asum(c.f(0)))) }, nil},
		{"Nrm2", "rfn", func(c *exportedCall) { c.result(float64(Nrm2(c.f(0)))) }, nil},
		{"Iamax", "rfn", func(c *exportedCall) { c.result(float64(Iamax(c.f(0)))) }, nil},
		{"Max", "rfn", func(c *exportedCall) { c.result(float64(Max(c.f(0)))) }, nil},
		{"ArgMax", "rfn", func(c *exportedCall) { c.result(float64(ArgMax(c.f(0)))) }, nil},
		{"Daxpy", "udn rdn", func(c *exportedCall) { Daxpy(-1.375, c.d(1), c.d(0)) }, [][2]int{{0, 1}}},
		{"Dscal", "udn", func(c *exportedCall) { Dscal(-1.375, c.d(0)) }, nil},
		{"DscalInc", "udni", func(c *exportedCall) { DscalInc(c.n, -1.375, c.d(0), max(c.inc, -c.inc)) }, nil},
		{"Ddot", "rdn rdn", func(c *exportedCall) { c.result(Ddot(c.d(0), c.d(1))) }, [][2]int{{0, 1}}},
		{"Dasum", "rdn", func(c *exportedCall) { c.result(Dasum(c.d(0))) }, nil},
		{"Dnrm2", "rdn", func(c *exportedCall) { c.result(Dnrm2(c.d(0))) }, nil},
		{"Idamax", "rdn", func(c *exportedCall) { c.result(float64(Idamax(c.d(0)))) }, nil},

		{"GELU", "rfn wfn", func(c *exportedCall) { GELU(c.f(0), c.f(1)) }, [][2]int{{1, 0}}},
		{"GELUBackward", "rfn rfn wfn", func(c *exportedCall) { GELUBackward(c.f(0), c.f(1), c.f(2)) }, [][2]int{{2, 1}}},
		{"Euler", "rfn rfn wfn", func(c *exportedCall) { Euler(0.75, c.f(0), c.f(1), c.f(2)) }, [][2]int{{2, 0}, {2, 1}}},
		{"Combine", "rfn rfn rfn wfn", func(c *exportedCall) {
			Combine(0.75, c.f(0), stages, [][]float32{c.f(1), c.f(2)}, 0, c.f(3))
		}, [][2]int{{3, 0}, {3, 1}, {3, 2}}},
		{"AdamW", "rfn ufn ufn pfn", func(c *exportedCall) {
			AdamW(AdamWStep{LR: 1e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 0.5, Step: 10}, c.f(0), c.f(1), c.f(2), c.f(3))
		}, nil},
		{"AdamWBFloat16", "rfn ufn ufn pfn whn", func(c *exportedCall) {
			AdamWBFloat16(AdamWStep{LR: 1e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 0.5, Step: 10}, c.f(0), c.f(1), c.f(2), c.f(3), c.h(4))
		}, nil},
		{"SGD", "rfn ufn ufn", func(c *exportedCall) { SGD(SGDStep{LR: 1e-3, Momentum: 0.9, GradScale: 0.5}, c.f(0), c.f(1), c.f(2)) }, nil},
		{"Exp", "rfn wfn", func(c *exportedCall) { Exp(c.f(0), c.f(1)) }, [][2]int{{1, 0}}},
		{"Log", "rfn wfn", func(c *exportedCall) { Log(c.f(0), c.f(1)) }, [][2]int{{1, 0}}},
		{"Tanh", "rfn wfn", func(c *exportedCall) { Tanh(c.f(0), c.f(1)) }, [][2]int{{1, 0}}},
		{"Erf", "rfn wfn", func(c *exportedCall) { Erf(c.f(0), c.f(1)) }, [][2]int{{1, 0}}},
		{"SiLU", "rfn wfn", func(c *exportedCall) { SiLU(c.f(0), c.f(1)) }, [][2]int{{1, 0}}},
		{"SiLUBackward", "rfn rfn wfn", func(c *exportedCall) { SiLUBackward(c.f(0), c.f(1), c.f(2)) }, [][2]int{{2, 1}}},
		{"GELUErf", "rfn wfn", func(c *exportedCall) { GELUErf(c.f(0), c.f(1)) }, [][2]int{{1, 0}}},
		{"GELUErfBackward", "rfn rfn wfn", func(c *exportedCall) { GELUErfBackward(c.f(0), c.f(1), c.f(2)) }, [][2]int{{2, 1}}},
		{"ToBFloat16", "rfn whn", func(c *exportedCall) { ToBFloat16(c.f(0), c.h(1)) }, nil},
		{"FromBFloat16", "rhn wfn", func(c *exportedCall) { FromBFloat16(c.h(0), c.f(1)) }, nil},

		{"Copy", "rfld wfld", func(c *exportedCall) { Copy(c.m, c.n, c.f(0), c.ld(), c.f(1), c.ld()) }, nil},
		{"Transpose", "rfld wfld'", func(c *exportedCall) { Transpose(c.m, c.n, c.f(0), c.ld(), c.f(1), c.m+c.pad) }, nil},
		{"Gather", "rfn+ rin wfn+", func(c *exportedCall) { Gather(c.m+1, c.f(0), c.i(1), c.f(2)) }, nil},
		{"ScatterAdd", "rfn+ rin ufn+", func(c *exportedCall) { ScatterAdd(c.m+1, c.f(0), c.i(1), c.f(2)) }, nil},
		{"ColumnSums", "rfld ufn", func(c *exportedCall) { ColumnSums(c.m, c.n, -1.375, c.f(0), c.ld(), c.f(1)) }, nil},
		{"Softmax", "rfld wfld", func(c *exportedCall) { Softmax(c.m, c.n, 0.5, c.k, c.f(0), c.ld(), c.f(1), c.ld()) }, [][2]int{{1, 0}}},
		{"SoftmaxBackward", "rfld rfld wfld", func(c *exportedCall) {
			SoftmaxBackward(c.m, c.n, 0.5, c.k, c.f(0), c.ld(), c.f(1), c.ld(), c.f(2), c.ld())
		}, [][2]int{{2, 1}}},
		{"SoftmaxPart", "rfld wfld wfm wfm", func(c *exportedCall) {
			SoftmaxPart(c.m, c.n, 0.5, c.k, c.f(0), c.ld(), c.f(1), c.ld(), c.f(2), c.f(3))
		}, [][2]int{{1, 0}}},
		{"SoftmaxGiven", "rfld rfm wfld", func(c *exportedCall) {
			SoftmaxGiven(c.m, c.n, 0.5, c.k, c.f(0), c.ld(), c.f(1), c.f(2), c.ld())
		}, [][2]int{{2, 0}}},
		{"SoftmaxGivenBackward", "rfld rfm rfld wfld", func(c *exportedCall) {
			SoftmaxGivenBackward(c.m, c.n, 0.5, c.k, c.f(0), c.ld(), c.f(1), c.f(2), c.ld(), c.f(3), c.ld())
		}, [][2]int{{3, 2}}},
		{"LogSumExp", "rfld wfm", func(c *exportedCall) { LogSumExp(c.m, c.n, c.f(0), c.ld(), c.f(1)) }, nil},
		{"LogSumExpBackward", "rfld rfm wfld", func(c *exportedCall) {
			LogSumExpBackward(c.m, c.n, c.f(0), c.ld(), c.f(1), c.f(2), c.ld())
		}, [][2]int{{2, 0}}},
		{"CrossEntropy", "rfld rim wfm", func(c *exportedCall) { CrossEntropy(c.m, c.n, c.f(0), c.ld(), c.i(1), c.f(2)) }, nil},
		{"CrossEntropyBackward", "rfld rim wfm wfld", func(c *exportedCall) {
			CrossEntropyBackward(c.m, c.n, 0.5, c.f(0), c.ld(), c.i(1), c.f(2), c.f(3), c.ld())
		}, [][2]int{{3, 0}}},
		{"LayerNorm", "rfmn rfn rfn wfmn wfm wfm", func(c *exportedCall) {
			LayerNorm(c.m, c.n, 1e-2, c.f(0), c.f(1), c.f(2), c.f(3), c.f(4), c.f(5))
		}, [][2]int{{3, 0}}},
		{"LayerNormBackward", "rfmn rfn rfm rfm rfmn ufmn ufn ufn", func(c *exportedCall) {
			LayerNormBackward(c.m, c.n, c.f(0), c.f(1), c.f(2), c.f(3), c.f(4), c.f(5), c.f(6), c.f(7))
		}, nil},
		{"RMSNorm", "rfmn rfn wfmn wfm", func(c *exportedCall) { RMSNorm(c.m, c.n, 1e-2, c.f(0), c.f(1), c.f(2), c.f(3)) }, [][2]int{{2, 0}}},
		{"RMSNormBackward", "rfmn rfn rfm rfmn ufmn ufn", func(c *exportedCall) {
			RMSNormBackward(c.m, c.n, c.f(0), c.f(1), c.f(2), c.f(3), c.f(4), c.f(5))
		}, nil},
		{"EulerLayerNorm", "rfmn rfmn rfn rfn wfmn wfmn wfm wfm", func(c *exportedCall) {
			EulerLayerNorm(c.m, c.n, 0.75, 1e-2, c.f(0), c.f(1), c.f(2), c.f(3), c.f(4), c.f(5), c.f(6), c.f(7))
		}, [][2]int{{4, 0}, {4, 1}, {5, 0}, {5, 1}}},
		{"CombineLayerNorm", "rfmn rfmn rfmn rfn rfn wfmn wfmn wfm wfm", func(c *exportedCall) {
			CombineLayerNorm(c.m, c.n, 0.75, 1e-2, c.f(0), stages, [][]float32{c.f(1), c.f(2)}, 0, c.f(3), c.f(4), c.f(5), c.f(6), c.f(7), c.f(8))
		}, [][2]int{{5, 0}, {5, 1}, {5, 2}, {6, 0}, {6, 1}, {6, 2}}},
		{"CombineRMSNorm", "rfmn rfmn rfmn rfn wfmn wfmn wfm", func(c *exportedCall) {
			CombineRMSNorm(c.m, c.n, 0.75, 1e-2, c.f(0), stages, [][]float32{c.f(1), c.f(2)}, 0, c.f(3), c.f(4), c.f(5), c.f(6))
		}, [][2]int{{4, 0}, {4, 1}, {4, 2}, {5, 0}, {5, 1}, {5, 2}}},

		{"Sgemv", "rfld rfx ufy", func(c *exportedCall) {
			Sgemv(c.transA, c.m, c.n, -1.375, c.f(0), c.ld(), c.f(1), c.inc, 0.5, c.f(2), c.inc)
		}, nil},
		{"Dgemv", "rdld rdx udy", func(c *exportedCall) {
			Dgemv(c.transA, c.m, c.n, -1.375, c.d(0), c.ld(), c.d(1), c.inc, 0.5, c.d(2), c.inc)
		}, nil},
		{"Sger", "rfmi rfni ufld", func(c *exportedCall) { Sger(c.m, c.n, -1.375, c.f(0), c.inc, c.f(1), c.inc, c.f(2), c.ld()) }, nil},
		{"Dger", "rdmi rdni udld", func(c *exportedCall) { Dger(c.m, c.n, -1.375, c.d(0), c.inc, c.d(1), c.inc, c.d(2), c.ld()) }, nil},
		{"Sgemm", "rfA rfB ufld", func(c *exportedCall) {
			Sgemm(c.transA, c.flag, c.m, c.n, c.k, -1.375, c.f(0), c.lda(), c.f(1), c.ldb(), 0.5, c.f(2), c.ld())
		}, nil},
		{"Dgemm", "rdA rdB udld", func(c *exportedCall) {
			Dgemm(c.transA, c.flag, c.m, c.n, c.k, -1.375, c.d(0), c.lda(), c.d(1), c.ldb(), 0.5, c.d(2), c.ld())
		}, nil},
		{"Bgemm", "rhA rhB ufld", func(c *exportedCall) {
			Bgemm(c.transA, c.flag, c.m, c.n, c.k, -1.375, c.h(0), c.lda(), c.h(1), c.ldb(), 0.5, c.f(2), c.ld())
		}, nil},
	}
	product := func(c *exportedCall) Product[float32, float32] {
		return Product[float32, float32]{
			TransA: c.transA, TransB: c.flag, M: c.m, N: c.n, K: c.k, Alpha: -1.375, A: c.f(0), LDA: c.lda(), B: c.f(1), LDB: c.ldb(),
			Bias: c.f(2), Beta: 0.5, D: c.f(3), LDD: c.ld(), C: c.f(4), LDC: c.ld(), Activation: GELUTanh, Pre: c.f(5), LDPre: c.ld(),
		}
	}
	const operands = "rfA rfB rfn rfld wfld wfld"
	return append(all,
		exportedCase{"Product.Run", operands, func(c *exportedCall) { p := product(c); p.Run() }, [][2]int{{4, 3}}},
		exportedCase{"RunAll", operands, func(c *exportedCall) { RunAll([]Product[float32, float32]{product(c)}) }, [][2]int{{4, 3}}},
		exportedCase{"Packed.Pack", operands, func(c *exportedCall) {
			packed := new(Packed[float32, float32])
			packed.Pack(c.flag, c.k, c.n, c.f(1), c.ldb())
			p := product(c)
			p.B, p.Packed = nil, packed
			p.Run()
		}, [][2]int{{4, 3}}},
	)
}

// messages are the functions that panics of a case name, where it is not the case: a product names the
// function that does it without its extras.
var messages = map[string][]string{"Product.Run": {"Sgemm"}, "RunAll": {"Sgemm"}, "Packed.Pack": {"Packed.Pack", "Sgemm"}}

// notKernels are the exported functions that no case covers, with the reason.
var notKernels = map[string]string{
	"BFloat16.Float32": "takes and returns one number",
	"NewBFloat16":      "takes and returns one number",
	"BFloat16Products": "tells what row is in use",
	"Packed.Reserve":   "makes memory",
	"Packed.Size":      "returns a number",
	"PackedSize":       "returns a number",
	"Ceiling":          "measures, and has no slices",
	"CeilingBFloat16":  "measures, and has no slices",
	"CeilingRates":     "measures, and has no slices",
	"EnvError":         "tells what row is in use",
	"ISA":              "tells what row is in use",
	"ISAs":             "tells what rows there are",
	"SetISA":           "chooses the row",
	"SetThreads":       "sets a number",
	"Threads":          "returns a number",
	"Parallel":         "runs the caller's code",
}

// says are what the documentation of a function tells about misuse and about slices that share memory, in
// its own words or by naming the function that it is like.
var says = struct{ panics, like, alias *regexp.Regexp }{
	regexp.MustCompile(`\bpanics\b`),
	regexp.MustCompile(`\b(as in|as|is) [A-Z]\w+`),
	regexp.MustCompile(`\bmay be\b|\bmay [a-z] if\b`),
}

// TestExportedAll holds the table to have every exported function of the package, or a reason, and the
// documentation to say what panics and, of functions that may write over what they read, that they may.
func TestExportedAll(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{} // the documentation
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() {
				continue
			}
			name := fn.Name.Name
			if fn.Recv != nil {
				receiver := receiverOf(fn.Recv.List[0].Type)
				if !ast.IsExported(receiver) {
					continue
				}
				name = receiver + "." + name
			}
			found[name] = strings.Join(strings.Fields(fn.Doc.Text()), " ")
		}
	}
	listed := map[string]bool{}
	for _, c := range exported() {
		listed[c.name] = true
		doc := found[c.name]
		if strings.Contains(c.args, " ") && !says.panics.MatchString(doc) && !says.like.MatchString(doc) {
			t.Errorf("the documentation of %s says nothing about misuse: %s", c.name, doc)
		}
		if method := strings.Contains(c.name, "."); len(c.alias) > 0 && !method && !says.alias.MatchString(doc) && !says.like.MatchString(doc) {
			t.Errorf("the documentation of %s does not say which slices may be the same: %s", c.name, doc)
		}
	}
	for name := range found {
		if listed[name] == (notKernels[name] != "") {
			t.Errorf("%s is neither in the table of exported functions nor in the list of those that are no kernels, or in both", name)
		}
	}
	for name := range listed {
		if _, ok := found[name]; !ok {
			t.Errorf("the table has %s, which the package has not", name)
		}
	}
	for name := range notKernels {
		if _, ok := found[name]; !ok {
			t.Errorf("the list of what is no kernel has %s, which the package has not", name)
		}
	}
}

// receiverOf returns T for T, *T, T[E] and *T[E, F].
func receiverOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiverOf(e.X)
	case *ast.IndexExpr:
		return receiverOf(e.X)
	case *ast.IndexListExpr:
		return receiverOf(e.X)
	}
	return fmt.Sprint(e)
}

// newExportedCall makes a call of random sizes and contents, in memory that place returns.
func (e exportedCase) newCall(rng *rand.Rand, m, n, k int, place func(slot, bytes int) unsafe.Pointer) *exportedCall {
	c := &exportedCall{m: m, n: n, k: k, pad: rng.IntN(2) * 3, inc: []int{1, 1, 2, -1, -3}[rng.IntN(5)], transA: rng.IntN(2) == 1, flag: rng.IntN(2) == 1}
	for i, word := range strings.Fields(e.args) {
		s := exportedSlice{mode: word[0], kind: word[1], n: c.lengthOf(word[2:])}
		s.data = place(i, s.n*s.size())
		c.slices = append(c.slices, s)
		for j := range s.n {
			x := rng.NormFloat64()
			switch s.mode {
			case 'p':
				x *= x
			case 'w':
				x = math.NaN()
			}
			switch s.kind {
			case 'f':
				c.f(i)[j] = float32(x)
			case 'd':
				c.d(i)[j] = x
			case 'h':
				c.h(i)[j] = NewBFloat16(float32(x))
			case 'i':
				c.i(i)[j] = int32(rng.IntN(n))
			}
		}
	}
	return c
}

func onHeap(_, bytes int) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(make([]float64, bytes/8+1)))
}

// minimal returns the least n: there is no norm, and no target, of a row without elements.
func (e exportedCase) minimal() int {
	if strings.Contains(e.name, "Norm") || strings.HasPrefix(e.name, "Cross") {
		return 1
	}
	return 0
}

const (
	exportedSlots    = 9
	exportedElements = 5000 // of float32
)

// checkExported makes a call on the row in use between guard pages and holds it to write what it says it
// writes and nothing else, and nearly what the definition in Go writes.
func checkExported(t *testing.T, e exportedCase, g *guarded, seed uint64, m, n, k int, tail bool) {
	t.Helper()
	n = max(n, e.minimal())
	row := active
	definition := e.newCall(rand.New(rand.NewPCG(seed, 1)), m, n, k, onHeap)
	active = generic()
	e.call(definition)
	active = row

	var beside [exportedSlots][]byte
	const untouched = 0xa5
	c := e.newCall(rand.New(rand.NewPCG(seed, 1)), m, n, k, func(slot, size int) unsafe.Pointer {
		mem := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(g.slots[slot]))), 4*len(g.slots[slot]))
		at := 0
		beside[slot] = mem[size:min(len(mem), size+128)]
		if tail {
			at = len(mem) - size
			beside[slot] = mem[max(0, at-128):at]
		}
		for i := range beside[slot] {
			beside[slot][i] = untouched
		}
		return unsafe.Add(unsafe.Pointer(unsafe.SliceData(mem)), at)
	})
	what := fmt.Sprintf("%s on %s, m=%d n=%d k=%d pad=%d inc=%d trans=%v,%v tail=%v seed=%d", e.name, active.name, m, n, k, c.pad, c.inc, c.transA, c.flag, tail, seed)
	var before [][]byte
	for _, s := range c.slices {
		before = append(before, bytes.Clone(s.bytes()))
	}
	if err := faults(func() { e.call(c) }); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for i, s := range c.slices {
		for _, b := range beside[i] {
			if b != untouched {
				t.Fatalf("%s: something beside slice %d was written", what, i)
			}
		}
		if s.mode == 'r' {
			if !bytes.Equal(s.bytes(), before[i]) {
				t.Fatalf("%s: slice %d, which is read, was written", what, i)
			}
			continue
		}
		var scale float64
		for j := range s.n {
			if x := math.Abs(definition.slices[i].at(j)); x > scale {
				scale = x
			}
		}
		for j := range s.n {
			checkExportedNumber(t, fmt.Sprintf("%s: element %d of slice %d", what, j, i), s.kind, s.at(j), definition.slices[i].at(j), scale)
		}
	}
	for i, got := range c.results {
		checkExportedNumber(t, what+": the result", c.slices[0].kind, got, definition.results[i], float64(max(1, n)))
	}
}

func checkExportedNumber(t *testing.T, what string, kind byte, got, want, scale float64) {
	t.Helper()
	tolerance := map[byte]float64{'f': 1e-4, 'd': 1e-12, 'h': 1e-2}[kind]
	if !(math.Abs(got-want) <= tolerance*scale) && !(got != got && want != want) && got != want {
		t.Fatalf("%s is %g, by definition %g", what, got, want)
	}
}

// sizesOf returns the m, n and k of a call by its number: n takes every length of lengths().
func sizesOf(e exportedCase, number int) (m, n, k int) {
	all := lengths()
	n = all[number%len(all)]
	m, k = number%6, number*7%13
	if strings.Contains(e.args, "A") { // a matrix product
		m, n, k = number*11%37, number*5%41, number*3%23
	}
	return m, n, k
}

// TestExportedGuard has every exported function touch guard pages at the head and at the tail of every
// slice, on every row.
func TestExportedGuard(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		g := newGuarded(t, exportedSlots, exportedElements)
		for _, e := range exported() {
			t.Run(e.name, func(t *testing.T) {
				step := 1
				if strings.Contains(e.args, "A") {
					step = 3 // the definition takes its time for a product
				}
				for number := 0; number < len(lengths()); number += step {
					m, n, k := sizesOf(e, number)
					checkExported(t, e, g, uint64(number), m, n, k, false)
					checkExported(t, e, g, uint64(number), m, n, k, true)
				}
			})
		}
	})
}

// FuzzExported does the same for any sizes and contents.
func FuzzExported(f *testing.F) {
	for i := range exported() {
		f.Add(uint8(i), uint64(i), uint8(3), uint8(17), uint8(9), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, which uint8, seed uint64, m, n, k uint8, tail bool) {
		e := exported()[int(which)%len(exported())]
		if strings.Contains(e.args, "A") {
			n %= 64
		}
		g := newGuarded(t, exportedSlots, exportedElements)
		eachISA(t, func() { checkExported(t, e, g, seed, int(m)%8, int(n), int(k)%32, tail) })
	})
}

// TestExportedInPlace holds the bits to be the same where a slice may be another, and is.
func TestExportedInPlace(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		for _, e := range exported() {
			for _, pair := range e.alias {
				for number := range lengths() {
					m, n, k := sizesOf(e, number)
					n = max(n, e.minimal())
					apart := e.newCall(rand.New(rand.NewPCG(uint64(number), 2)), m, n, k, onHeap)
					same := e.newCall(rand.New(rand.NewPCG(uint64(number), 2)), m, n, k, onHeap)
					// The gaps between rows, which nothing writes, must not differ either.
					copy(apart.slices[pair[0]].bytes(), apart.slices[pair[1]].bytes())
					same.slices[pair[0]] = same.slices[pair[1]]
					e.call(apart)
					e.call(same)
					for i, s := range same.slices {
						if i != pair[1] && !bytes.Equal(s.bytes(), apart.slices[i].bytes()) {
							t.Fatalf("%s, m=%d n=%d k=%d, slice %d is slice %d: slice %d has other bits", e.name, m, n, k, pair[0], pair[1], i)
						}
					}
					if !slices.Equal(same.results, apart.results) {
						t.Fatalf("%s, n=%d, in place: %g, apart %g", e.name, n, same.results, apart.results)
					}
				}
			}
		}
	})
}

// TestExportedMisuse makes every slice of every exported function one element too short, every stride one
// too small and every size negative: it panics with the name of the function and numbers, and has written
// nothing.
func TestExportedMisuse(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		for _, e := range exported() {
			for seed := range uint64(8) {
				try := func(what string, change func(c *exportedCall) bool) {
					t.Helper()
					c := e.newCall(rand.New(rand.NewPCG(seed, 3)), 3, 5, 4, onHeap)
					if !change(c) {
						return
					}
					var before [][]byte
					for _, s := range c.slices {
						before = append(before, bytes.Clone(s.bytes()))
					}
					message := func() (message string) {
						defer func() { message = fmt.Sprint(recover()) }()
						e.call(c)
						return ""
					}()
					named := strings.HasPrefix(message, "kernels: "+e.name+": ")
					for _, other := range messages[e.name] {
						named = named || strings.HasPrefix(message, "kernels: "+other+": ")
					}
					if !named || !strings.ContainsAny(message, "0123456789") {
						t.Errorf("%s, %s: panics with %q", e.name, what, message)
					}
					for i, s := range c.slices {
						if !bytes.Equal(s.bytes(), before[i]) {
							t.Errorf("%s, %s: slice %d was written before the panic", e.name, what, i)
						}
					}
				}
				words := strings.Fields(e.args)
				for i := range words {
					try(fmt.Sprintf("slice %d too short", i), func(c *exportedCall) bool {
						c.slices[i].n--
						return len(words) > 1 // of a single vector any length will do
					})
				}
				strided := strings.Contains(e.args, "ld")
				rows := strided || strings.Contains(e.args, "mn")
				try("row stride", func(c *exportedCall) bool { c.pad = -1; return strided })
				try("m", func(c *exportedCall) bool { c.m = -1; return rows })
				try("n", func(c *exportedCall) bool { c.n, c.pad = -1, 6; return rows })
				try("increment", func(c *exportedCall) bool {
					inc := c.inc
					c.inc = 0
					return inc != 0 && (strings.Contains(e.name, "gemv") || strings.HasSuffix(e.name, "ger"))
				})
			}
		}
	})
}
