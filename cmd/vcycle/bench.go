package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vcycle-go/vcycle/internal/kernelbench"
	"github.com/vcycle-go/vcycle/kernels"
)

// benchGroup is what can be measured.
type benchGroup struct {
	Kernels benchCmd     `cmd:"" default:"withargs" help:"Measure the kernels: gemm (matrix products), elementwise (all other kernels) or all."`
	Step    benchStepCmd `cmd:"" set:"heads=8" help:"Measure the step of training."`
}

// Help is the detailed help.
func (benchGroup) Help() string {
	return "Examples:\n\n" +
		"  vcycle bench gemm --shapes 512,1024\n" +
		"  vcycle bench step --blocks 24\n\n" + exitCodes
}

// benchCmd measures the kernels on this machine.
type benchCmd struct {
	What string `arg:"" optional:"" default:"all" enum:"gemm,elementwise,all" help:"gemm (matrix products), elementwise (all other kernels) or all."`

	ISA     []string      `name:"isa" placeholder:"ISA" help:"Rows of the dispatch table, such as avx512,avx2. Default: all that this CPU has, but large products on generic."`
	Threads []int         `placeholder:"N" help:"Numbers of threads; 0: all. Default: 1,0."`
	DType   []string      `name:"dtype" default:"f32,f64,bf16" placeholder:"TYPE" help:"Types of elements: f32, f64, bf16. Default: all."`
	Shapes  string        `placeholder:"FILE" help:"Products to measure instead of the usual ones, a line each: m n k ta tb, where ta and tb are n, or t for a transposed operand; # starts a comment."`
	Level   []string      `placeholder:"LEVEL" help:"Where the slices of elementwise kernels are: L1, L2, memory. Default: all."`
	Filter  string        `placeholder:"REGEXP" help:"Only the cases whose name matches, such as Sgemm/m=64/ or GELU."`
	Time    time.Duration `default:"100ms" help:"Time for a case on one row and number of threads."`
	Rounds  int           `default:"5" help:"Rounds over all cases, which the time is divided among; figures are medians of the rounds."`
	JSON    bool          `name:"json" xor:"format" help:"Print a line of JSON for each case."`
	Go      bool          `xor:"format" help:"Print the lines of Go benchmarks, one for each case and round, which benchstat reads."`
}

// benchRow is what a case is measured on.
type benchRow struct {
	isa     string
	threads int
}

// measured is a case with its results, in seconds of a call for each round.
type measured struct {
	*kernelbench.Case
	benchRow
	seconds []float64
}

// Run measures everything in rounds, so that a disturbance falls on all alike, and prints the results
// when all are there.
func (c *benchCmd) Run(s *session) error {
	b, err := c.plan()
	if err != nil {
		return err
	}
	n := len(b.cases) + len(b.copies)
	fmt.Fprintf(s.stderr, "vcycle bench: %s in each of %s: %s or more\n", plural(n, "measurement"), plural(b.rounds, "round"), clock(float64(n)*c.Time.Seconds()))
	done := make(chan struct{})
	go func() {
		b.measure(s)
		close(done)
	}()
	// Nothing is lost by leaving a measurement in the middle, and a call may be a long one.
	select {
	case <-s.ctx.Done():
		return errInterrupted
	case <-done:
		if s.ctx.Err() != nil { // the rounds may not be complete
			return errInterrupted
		}
	}
	switch {
	case c.JSON:
		return b.printJSON(s.stdout)
	case c.Go:
		return b.printGo(s.stdout)
	}
	return b.printTable(s.stdout)
}

// bench is a measurement, planned or done.
type bench struct {
	rows   []benchRow
	time   time.Duration // of a case in a round
	rounds int

	ceilings map[benchRow][]kernelbench.Rates // for each round
	copies   []*measured                      // on each number of threads and each level, on no row
	cases    []*measured
}

// largeOnGeneric is the number of multiplications from which a product is left out on the generic row
// unless it is asked for.
const largeOnGeneric = 256 * 256 * 256

func (c *benchCmd) plan() (*bench, error) {
	b := &bench{rounds: c.Rounds, ceilings: map[benchRow][]kernelbench.Rates{}}
	if c.Rounds < 1 || c.Rounds > 1000 {
		return nil, badf("--rounds %d: it must be between 1 and 1000", c.Rounds)
	}
	if c.Time <= 0 {
		return nil, badf("--time %v: it must be positive", c.Time)
	}
	b.time = c.Time / time.Duration(c.Rounds)
	c.ISA, c.DType = distinct(c.ISA), distinct(c.DType)
	for _, dtype := range c.DType {
		if !slices.Contains(kernelbench.DTypes, dtype) {
			return nil, badf("--dtype %s: use %s", dtype, strings.Join(kernelbench.DTypes, ", "))
		}
	}
	for _, level := range c.Level {
		if !slices.Contains(kernelbench.Levels, level) {
			return nil, badf("--level %s: use %s", level, strings.Join(kernelbench.Levels, ", "))
		}
	}
	filter, err := regexp.Compile(c.Filter)
	if err != nil {
		return nil, badf("--filter %s: %v", c.Filter, err)
	}
	threads, err := c.threads()
	if err != nil {
		return nil, err
	}
	isas := c.ISA
	for _, isa := range isas {
		if !slices.Contains(kernels.ISAs(), isa) {
			return nil, badf("--isa %s: this machine has %s", isa, strings.Join(kernels.ISAs(), ", "))
		}
	}
	if len(isas) == 0 {
		isas = kernels.ISAs()
	}
	shapes := kernelbench.Shapes()
	if c.Shapes != "" {
		if c.What == "elementwise" {
			return nil, badf("--shapes is for products: vcycle bench gemm --shapes %s", c.Shapes)
		}
		if shapes, err = readShapes(c.Shapes); err != nil {
			return nil, err
		}
	}

	for _, n := range threads {
		for _, isa := range isas {
			b.rows = append(b.rows, benchRow{isa, n})
		}
	}
	add := func(cases ...*kernelbench.Case) {
		for _, k := range cases {
			if !filter.MatchString(k.String()) || !slices.Contains(c.DType, k.DType) {
				continue
			}
			for _, isa := range isas {
				large := c.Shapes == "" && len(c.ISA) == 0 && len(isas) > 1 && k.Flops > 2*largeOnGeneric
				if isa != "generic" || !large {
					b.cases = append(b.cases, &measured{Case: k, benchRow: benchRow{isa, k.Threads}})
				}
			}
		}
	}
	if c.What != "elementwise" {
		for _, dtype := range c.DType {
			for _, shape := range shapes {
				for _, n := range threads {
					add(kernelbench.Gemm(shape, dtype, n))
				}
			}
		}
	}
	for _, level := range kernelbench.Levels {
		if c.What == "gemm" && c.Level == nil || c.Level != nil && !slices.Contains(c.Level, level) {
			continue
		}
		for _, n := range threads {
			for _, k := range kernelbench.Copies(level, n) {
				b.copies = append(b.copies, &measured{Case: k, benchRow: benchRow{threads: n}})
			}
			if c.What != "gemm" {
				add(kernelbench.Elementwise(level, n)...)
			}
		}
	}
	if len(b.cases) == 0 {
		return nil, badf("--filter %s --dtype %s: no case is left", cmp.Or(c.Filter, `""`), strings.Join(c.DType, ","))
	}
	return b, nil
}

// distinct returns what is in the list, once each, in order.
func distinct(list []string) (once []string) {
	for _, x := range list {
		if !slices.Contains(once, x) {
			once = append(once, x)
		}
	}
	return once
}

// threads returns the numbers of threads to measure on, each once, least first.
func (c *benchCmd) threads() (all []int, err error) {
	for _, n := range c.Threads {
		if err := setThreads(n); err != nil {
			return nil, err
		}
		all = append(all, kernels.Threads())
	}
	if len(all) == 0 {
		if err := setThreads(0); err != nil {
			return nil, err
		}
		all = []int{1, kernels.Threads()}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// measure goes over the cases in turn, forwards and backwards, until the rounds are done or the user asks
// to stop.
func (b *bench) measure(s *session) {
	c := newConsole(s.stderr)
	defer c.clear()
	all := slices.Concat(b.copies, b.cases)
	arena := new(kernelbench.Arena)
	start := time.Now()
	for round := range b.rounds {
		for _, r := range b.rows {
			if s.ctx.Err() != nil {
				return
			}
			b.use(r.isa)
			fma, others := kernels.Ceiling(r.threads), kernels.Rates{}
			half := 0.0
			if b.half() {
				half = kernels.CeilingBFloat16(r.threads)
			}
			if len(b.copies) > 0 { // for products that is all
				others = kernels.CeilingRates(r.threads)
			}
			b.ceilings[r] = append(b.ceilings[r], kernelbench.Rates{Multiply: fma / 2, BFloat16: half / 2, Rates: others})
		}
		for i, m := range all {
			if s.ctx.Err() != nil {
				return
			}
			if m.isa != "" {
				b.use(m.isa)
			}
			m.seconds = append(m.seconds, m.Time(arena, b.time))
			done := float64(round*len(all)+i+1) / float64(b.rounds*len(all))
			c.status(false, func(int) string {
				left := time.Since(start).Seconds() * (1 - done) / done
				return "round " + ints([]int{round + 1}) + " of " + ints([]int{b.rounds}) + "  ETA " + clock(left) + "  " + m.String() + "/isa=" + m.isa
			})
		}
		slices.Reverse(all)
	}
}

// half tells whether there are products of bf16.
func (b *bench) half() bool {
	return slices.ContainsFunc(b.cases, func(m *measured) bool { return m.Flops > 0 && m.DType == "bf16" })
}

// use chooses a row that the plan has found to be there.
func (b *bench) use(isa string) {
	if err := kernels.SetISA(isa); err != nil {
		panic(err)
	}
}

// median returns the middle of x, or the mean of the two in the middle.
func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

func (m *measured) gflops() float64 { return m.Flops / median(m.seconds) / 1e9 }
func (m *measured) gbps() float64   { return m.Bytes / median(m.seconds) / 1e9 }

// rates returns what a row does on registers.
func (b *bench) rates(r benchRow) kernelbench.Rates {
	of := func(field func(kernelbench.Rates) float64) float64 {
		var all []float64
		for _, rates := range b.ceilings[r] {
			all = append(all, field(rates))
		}
		return median(all)
	}
	return kernelbench.Rates{
		Multiply: of(func(r kernelbench.Rates) float64 { return r.Multiply }),
		BFloat16: of(func(r kernelbench.Rates) float64 { return r.BFloat16 }),
		Rates: kernels.Rates{
			Vector: of(func(r kernelbench.Rates) float64 { return r.Vector }),
			Add:    of(func(r kernelbench.Rates) float64 { return r.Add }),
			Divide: of(func(r kernelbench.Rates) float64 { return r.Divide }),
			Root:   of(func(r kernelbench.Rates) float64 { return r.Root }),
			Load:   of(func(r kernelbench.Rates) float64 { return r.Load }),
			Store:  of(func(r kernelbench.Rates) float64 { return r.Store }),

			DivideTurns: of(func(r kernelbench.Rates) float64 { return r.DivideTurns }),
			ScaleTurns:  of(func(r kernelbench.Rates) float64 { return r.ScaleTurns }),
		},
	}
}

// bandwidth returns the GB/s of copying at a level, whichever way is the fastest, and of reading.
func (b *bench) bandwidth(level string, threads int) (copying, reading float64) {
	for _, m := range b.copies {
		switch {
		case m.Level != level || m.Threads != threads:
		case m.Name == "read":
			reading = m.gbps()
		default:
			copying = max(copying, m.gbps())
		}
	}
	return copying, reading
}

// bound returns the least time that a call can take, in seconds, and what sets it: fma, the multiplications at
// the ceiling, vector, all instructions on vectors at their rate, add, those that add, divide, divisions and square roots,
// load and store, each at theirs, copy, the bytes that pass at the bandwidth of copying, or read, those that are read at the
// bandwidth of reading, where that has been measured. Products of bf16 have a ceiling of their own.
func (b *bench) bound(m *measured) (seconds float64, by string) {
	seconds, by = m.Bound(m.isa, b.rates(m.benchRow))
	if m.Bytes == 0 {
		return seconds, by
	}
	copying, reading := b.bandwidth(m.Level, m.Threads)
	if t := m.Moved / (1e9 * copying); t > seconds {
		seconds, by = t, "copy"
	}
	if t := m.Reads / (1e9 * reading); reading > 0 && t > seconds {
		seconds, by = t, "read"
	}
	return seconds, by
}

// share returns the bound over the time that a call takes.
func (b *bench) share(m *measured) float64 {
	seconds, _ := b.bound(m)
	return seconds / median(m.seconds)
}
