package kernelbench

import "github.com/vcycle-go/vcycle/kernels"

// operations are how often an element goes through instructions on vectors: vector through any that does more than load,
// store or copy, and those of them that multiply, fused or not, that add, round, convert, shift or take the larger, divide, and take
// square roots. Divisions and roots are in multiply, too: they begin on ports that multiply, on Zen 4 and on Intel's cores. scale are
// VSCALEFPS and VREDUCEPS, which are in add.
// load and store are of whole registers.
type operations struct{ vector, multiply, add, scale, divide, root, load, store float64 }

func (o operations) times(n float64) operations {
	return operations{n * o.vector, n * o.multiply, n * o.add, n * o.scale, n * o.divide, n * o.root, n * o.load, n * o.store}
}

func (o operations) plus(p operations) operations {
	return operations{
		o.vector + p.vector, o.multiply + p.multiply, o.add + p.add, o.scale + p.scale, o.divide + p.divide, o.root + p.root, o.load + p.load, o.store + p.store,
	}
}

// Rates are what a row does on registers, in 10⁹ float32 a second.
type Rates struct {
	Multiply float64 // half of the GFLOP/s of fused multiply-adds
	BFloat16 float64 // the same of bfloat16 summed in float32
	kernels.Rates
}

// Bound returns the least time in which the instructions of the case can be done on a row at these rates, in
// seconds, and which of them take it: fma, vector, add, divide, load or store.
func (c *Case) Bound(isa string, r Rates) (seconds float64, by string) {
	if c.Flops > 0 {
		seconds = c.Flops / (2e9 * r.Multiply)
		switch {
		case c.DType == "f64" && isa != "generic":
			seconds *= 2
		case c.DType == "bf16":
			seconds = c.Flops / (2e9 * r.BFloat16)
		}
		return seconds, "fma"
	}
	o := c.work(isa)
	// What takes more turns than one takes them from the others that go to the same ports.
	divide, scale := o.divide*max(0, r.DivideTurns-1), o.scale*max(0, r.ScaleTurns-1)
	o.vector, o.multiply, o.add = o.vector+divide+scale, o.multiply+divide, o.add+scale
	seconds, by = o.multiply/r.Multiply, "fma"
	if r.Vector > 0 {
		for _, of := range []struct {
			seconds float64
			by      string
		}{
			{o.vector / r.Vector, "vector"}, {o.add / r.Add, "add"}, {o.divide/r.Divide + o.root/r.Root, "divide"},
			{o.load / r.Load, "load"}, {o.store / r.Store, "store"},
		} {
			if of.seconds > seconds {
				seconds, by = of.seconds, of.by
			}
		}
	}
	if c.DType == "f64" && isa != "generic" {
		seconds *= 2 // half as many elements in a register
	}
	return seconds / 1e9, by
}

// runs has the functions of the assembly that a kernel's time goes into; assembly.go counts what is in their
// main loops. Each does all elements once.
var runs = map[string][]string{
	"Axpy": {"axpy"}, "Scal": {"scal"}, "Dot": {"dot"}, "Sum": {"sum"}, "Asum": {"asum"}, "Nrm2": {"sumSquares"},
	"Max": {"maxNaN"}, "ArgMax": {"peakNaN"}, "Iamax": {"peak"},
	"Daxpy": {"daxpy"}, "Dscal": {"dscal"}, "Ddot": {"ddot"}, "Dasum": {"dasum"}, "Dnrm2": {"dsumSquares"}, "Idamax": {"dpeak"},
	"ToBFloat16": {"toBF16"}, "FromBFloat16": {"fromBF16"},
	"Exp": {"exp"}, "Log": {"log"}, "Tanh": {"tanh"}, "Erf": {"erf"},
	"GELU": {"gelu"}, "GELUBackward": {"geluGrad"}, "GELUErf": {"geluErf"}, "GELUErfBackward": {"geluErfGrad"},
	"SiLU": {"silu"}, "SiLUBackward": {"siluGrad"}, "AdamW": {"adamw"}, "AdamWBFloat16": {"adamw16"}, "SGD": {"sgd"},
	"ColumnSums": {"addRows"}, "ScatterAdd": {"addRow"},
	"Softmax": {"softmaxRows"}, "SoftmaxBackward": {"softmaxGradRows"}, "LogSumExp": {"expSumRows"}, "LogSumExpBackward": {"softmaxRows"},
	"SoftmaxPart": {"expSumRows"}, "SoftmaxGiven": {"softmaxGivenRows"}, "SoftmaxGivenBackward": {"softmaxGivenGradRows"},
	"CrossEntropy": {"expSumRows"}, "CrossEntropyBackward": {"softmaxRows"},
	"LayerNorm": {"layerNorm"}, "LayerNormBackward": {"layerNormGrad"}, "RMSNorm": {"rmsNorm"}, "RMSNormBackward": {"rmsNormGrad"},
	// Eight rows at a time is the most.
	"SgemvN": {"gemvNearN"}, "SgemvT": {"gemvNearT"}, "DgemvN": {"dgemvNearN"}, "DgemvT": {"dgemvNearT"},
	"EulerLayerNorm": {"eulerLayerNorm"}, "CombineLayerNorm": {"combineLayerNorm"}, "CombineRMSNorm": {"combineRMSNorm"},
}

// stagesOf are those of the combinations, which multiply once for each stage, and by h.
var stagesOf = map[string]int{"Euler": 1}

// operations returns those of an element, if the row's assembly has been counted.
func (k kernel) operations(isa string) (o operations, ok bool) {
	functions := assembly[isa]
	if functions == nil {
		return o, false
	}
	if s := max(k.stages, stagesOf[k.name]); s > 0 {
		n := float64(s + 1)
		o, ok = operations{vector: n, multiply: n, load: n, store: 1}, true
	}
	for _, name := range runs[k.name+k.trans] {
		p := functions[name]
		if k.name == "ColumnSums" || k.trans != "" {
			p = p.times(1. / 8) // of eight rows
		}
		o, ok = o.plus(p), true
	}
	return o, ok
}
