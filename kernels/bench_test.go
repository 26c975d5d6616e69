package kernels_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/internal/kernelbench"
	"github.com/vcycle-go/vcycle/kernels"
)

// bench measures the cases of a function that `vcycle bench` measures, under the same names.
func bench(b *testing.B, function string) {
	defer kernels.SetThreads(0)
	defer kernels.SetISA(kernels.ISA())
	arena := new(kernelbench.Arena)
	for _, threads := range slices.Compact([]int{1, runtime.GOMAXPROCS(0)}) {
		for _, level := range kernelbench.Levels {
			for _, c := range kernelbench.Elementwise(level, threads) {
				if c.Name == function {
					benchCase(b, c, arena)
				}
			}
		}
	}
}

func benchCase(b *testing.B, c *kernelbench.Case, arena *kernelbench.Arena) {
	for _, isa := range kernels.ISAs() {
		if err := kernels.SetISA(isa); err != nil {
			b.Fatal(err)
		}
		b.Run(strings.TrimPrefix(c.String(), c.Name+"/")+"/isa="+isa, func(b *testing.B) {
			run := c.Prepare(arena)
			run(1)
			b.SetBytes(int64(c.Bytes))
			b.ResetTimer()
			run(b.N)
		})
	}
}

func BenchmarkAdamW(b *testing.B)                { bench(b, "AdamW") }
func BenchmarkAdamWBFloat16(b *testing.B)        { bench(b, "AdamWBFloat16") }
func BenchmarkArgMax(b *testing.B)               { bench(b, "ArgMax") }
func BenchmarkAsum(b *testing.B)                 { bench(b, "Asum") }
func BenchmarkAxpy(b *testing.B)                 { bench(b, "Axpy") }
func BenchmarkColumnSums(b *testing.B)           { bench(b, "ColumnSums") }
func BenchmarkCombine(b *testing.B)              { bench(b, "Combine") }
func BenchmarkCombineLayerNorm(b *testing.B)     { bench(b, "CombineLayerNorm") }
func BenchmarkCombineRMSNorm(b *testing.B)       { bench(b, "CombineRMSNorm") }
func BenchmarkCopy(b *testing.B)                 { bench(b, "Copy") }
func BenchmarkCrossEntropy(b *testing.B)         { bench(b, "CrossEntropy") }
func BenchmarkCrossEntropyBackward(b *testing.B) { bench(b, "CrossEntropyBackward") }
func BenchmarkDasum(b *testing.B)                { bench(b, "Dasum") }
func BenchmarkDaxpy(b *testing.B)                { bench(b, "Daxpy") }
func BenchmarkDdot(b *testing.B)                 { bench(b, "Ddot") }
func BenchmarkDgemv(b *testing.B)                { bench(b, "Dgemv") }
func BenchmarkDger(b *testing.B)                 { bench(b, "Dger") }
func BenchmarkDnrm2(b *testing.B)                { bench(b, "Dnrm2") }
func BenchmarkDot(b *testing.B)                  { bench(b, "Dot") }
func BenchmarkDscal(b *testing.B)                { bench(b, "Dscal") }
func BenchmarkDscalInc(b *testing.B)             { bench(b, "DscalInc") }
func BenchmarkErf(b *testing.B)                  { bench(b, "Erf") }
func BenchmarkEuler(b *testing.B)                { bench(b, "Euler") }
func BenchmarkEulerLayerNorm(b *testing.B)       { bench(b, "EulerLayerNorm") }
func BenchmarkExp(b *testing.B)                  { bench(b, "Exp") }
func BenchmarkFromBFloat16(b *testing.B)         { bench(b, "FromBFloat16") }
func BenchmarkGELU(b *testing.B)                 { bench(b, "GELU") }
func BenchmarkGELUBackward(b *testing.B)         { bench(b, "GELUBackward") }
func BenchmarkGELUErf(b *testing.B)              { bench(b, "GELUErf") }
func BenchmarkGELUErfBackward(b *testing.B)      { bench(b, "GELUErfBackward") }
func BenchmarkGather(b *testing.B)               { bench(b, "Gather") }
func BenchmarkIamax(b *testing.B)                { bench(b, "Iamax") }
func BenchmarkIdamax(b *testing.B)               { bench(b, "Idamax") }
func BenchmarkLayerNorm(b *testing.B)            { bench(b, "LayerNorm") }
func BenchmarkLayerNormBackward(b *testing.B)    { bench(b, "LayerNormBackward") }
func BenchmarkLog(b *testing.B)                  { bench(b, "Log") }
func BenchmarkLogSumExp(b *testing.B)            { bench(b, "LogSumExp") }
func BenchmarkLogSumExpBackward(b *testing.B)    { bench(b, "LogSumExpBackward") }
func BenchmarkMax(b *testing.B)                  { bench(b, "Max") }
func BenchmarkNrm2(b *testing.B)                 { bench(b, "Nrm2") }
func BenchmarkRMSNorm(b *testing.B)              { bench(b, "RMSNorm") }
func BenchmarkRMSNormBackward(b *testing.B)      { bench(b, "RMSNormBackward") }
func BenchmarkSGD(b *testing.B)                  { bench(b, "SGD") }
func BenchmarkScal(b *testing.B)                 { bench(b, "Scal") }
func BenchmarkScalInc(b *testing.B)              { bench(b, "ScalInc") }
func BenchmarkScatterAdd(b *testing.B)           { bench(b, "ScatterAdd") }
func BenchmarkSgemv(b *testing.B)                { bench(b, "Sgemv") }
func BenchmarkSger(b *testing.B)                 { bench(b, "Sger") }
func BenchmarkSiLU(b *testing.B)                 { bench(b, "SiLU") }
func BenchmarkSiLUBackward(b *testing.B)         { bench(b, "SiLUBackward") }
func BenchmarkSoftmax(b *testing.B)              { bench(b, "Softmax") }
func BenchmarkSoftmaxBackward(b *testing.B)      { bench(b, "SoftmaxBackward") }
func BenchmarkSoftmaxGiven(b *testing.B)         { bench(b, "SoftmaxGiven") }
func BenchmarkSoftmaxGivenBackward(b *testing.B) { bench(b, "SoftmaxGivenBackward") }
func BenchmarkSoftmaxPart(b *testing.B)          { bench(b, "SoftmaxPart") }
func BenchmarkSum(b *testing.B)                  { bench(b, "Sum") }
func BenchmarkTanh(b *testing.B)                 { bench(b, "Tanh") }
func BenchmarkToBFloat16(b *testing.B)           { bench(b, "ToBFloat16") }
func BenchmarkTranspose(b *testing.B)            { bench(b, "Transpose") }

// TestBenchmarks holds every function that is timed to have its benchmark in this file, which is of it.
func TestBenchmarks(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "bench_test.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(fn.Name.Name, "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fn.Name.Name, "Benchmark")
		found[name] = true
		call := fn.Body.List[0].(*ast.ExprStmt).X.(*ast.CallExpr)
		if got := call.Args[1].(*ast.BasicLit).Value; got != `"`+name+`"` {
			t.Errorf("Benchmark%s is of %s", name, got)
		}
	}
	listed := map[string]bool{}
	for _, c := range kernelbench.Elementwise("L2", 1) {
		listed[c.Name] = true
		if !found[c.Name] {
			t.Errorf("there is no Benchmark%s", c.Name)
		}
	}
	for name := range found {
		if !listed[name] {
			t.Errorf("Benchmark%s is of nothing that package kernelbench lists", name)
		}
	}
}

// TestBenchmarksAll holds every kernel to be timed: the products by the benchmarks of products, the others
// by a line of package kernelbench.
func TestBenchmarksAll(t *testing.T) {
	products := []string{"Sgemm", "Dgemm", "Bgemm", "Product.Run", "RunAll", "Packed.Pack"}
	timed := map[string]bool{}
	for _, c := range kernelbench.Elementwise("L2", 1) {
		timed[c.Name] = true
	}
	for _, name := range kernels.KernelNames() {
		if !timed[name] && !slices.Contains(products, name) {
			t.Errorf("package kernelbench has no line for %s", name)
		}
	}
}
