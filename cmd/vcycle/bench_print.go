package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/vcycle-go/vcycle/internal/kernelbench"
)

// benchLine is a line of --json. A ceiling has the name FMA, of f32 or of products of bf16, copying the names copy and copyBlocks, and
// reading read.
type benchLine struct {
	Name      string  `json:"name"`
	M         int     `json:"m,omitempty"`
	N         int     `json:"n,omitempty"`
	K         int     `json:"k,omitempty"`
	Trans     string  `json:"trans,omitempty"`
	Batch     int     `json:"batch,omitempty"` // products in a call, if more than one
	DType     string  `json:"dtype"`
	Level     string  `json:"level,omitempty"` // where the slices of a kernel other than a product are
	ISA       string  `json:"isa,omitempty"`   // empty for copying, which is the same on all
	Threads   int     `json:"threads"`
	Seconds   float64 `json:"seconds,omitempty"` // of a call
	GFLOPS    float64 `json:"gflops,omitempty"`
	GBPS      float64 `json:"gbps,omitempty"`       // bytes that the definition reads and writes
	PeakShare float64 `json:"peak_share,omitempty"` // of the bound
	Bound     string  `json:"bound,omitempty"`      // fma, vector, add, divide, load, store, copy or read
	Vector    float64 `json:"vector,omitempty"`     // of a ceiling: 10⁹ float32 a second through any instructions on vectors,
	Add       float64 `json:"add,omitempty"`        // through those that add, take the larger, or shift
	Divide    float64 `json:"divide,omitempty"`     // through divisions
	Root      float64 `json:"root,omitempty"`       // through square roots
	Load      float64 `json:"load,omitempty"`       // and loaded
	Store     float64 `json:"store,omitempty"`      // and stored, from and to the first cache

	DivideTurns float64 `json:"divide_turns,omitempty"` // of a ceiling, multiply-adds that a division beside them takes the turns of
	ScaleTurns  float64 `json:"scale_turns,omitempty"`  // and additions that VSCALEFPS or VREDUCEPS does
}

func (m *measured) line() benchLine {
	return benchLine{
		Name: m.Name, M: m.M, N: m.N, K: m.K, Trans: m.Trans, Batch: m.Batch, DType: m.DType, Level: m.Level, ISA: m.isa, Threads: m.Threads,
		Seconds: significant(median(m.seconds)), GFLOPS: significant(m.gflops()), GBPS: significant(m.gbps()),
	}
}

// significant rounds v to five digits.
func significant(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 5, 64), 64)
	if err != nil {
		return v
	}
	return r
}

func (b *bench) printJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	for _, r := range b.rows {
		rates := b.rates(r)
		l := benchLine{Name: "FMA", DType: "f32", ISA: r.isa, Threads: r.threads, GFLOPS: significant(2 * rates.Multiply)}
		l.Vector, l.Add, l.Divide, l.Root = significant(rates.Vector), significant(rates.Add), significant(rates.Divide), significant(rates.Root)
		l.Load, l.Store = significant(rates.Load), significant(rates.Store)
		l.DivideTurns, l.ScaleTurns = significant(rates.DivideTurns), significant(rates.ScaleTurns)
		if err := e.Encode(l); err != nil {
			return err
		}
		if b.half() {
			if err := e.Encode(benchLine{Name: "FMA", DType: "bf16", ISA: r.isa, Threads: r.threads, GFLOPS: significant(2 * rates.BFloat16)}); err != nil {
				return err
			}
		}
	}
	for _, m := range b.copies {
		if err := e.Encode(m.line()); err != nil {
			return err
		}
	}
	for _, m := range b.cases {
		l := m.line()
		l.PeakShare = significant(b.share(m))
		_, l.Bound = b.bound(m)
		if err := e.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

// printGo writes what Go benchmarks of kernels write. The names end in GOMAXPROCS as theirs do.
func (b *bench) printGo(w io.Writer) error {
	procs := ""
	if n := runtime.GOMAXPROCS(0); n != 1 {
		procs = fmt.Sprintf("-%d", n)
	}
	fmt.Fprintf(w, "goos: %s\ngoarch: %s\npkg: github.com/vcycle-go/vcycle/kernels\ncpu: %s\n", runtime.GOOS, runtime.GOARCH, cpuModel())
	for _, m := range b.cases {
		for _, t := range m.seconds {
			rate := fmt.Sprintf("%.2f MB/s", m.Bytes/t/1e6)
			if m.Flops > 0 {
				rate = fmt.Sprintf("%.2f GFLOP/s", m.Flops/t/1e9)
			}
			calls := max(1, int(b.time.Seconds()/t))
			if _, err := fmt.Fprintf(w, "Benchmark%s/isa=%s%s\t%d\t%.1f ns/op\t%s\n", m, m.isa, procs, calls, t*1e9, rate); err != nil {
				return err
			}
		}
	}
	return nil
}

// benchKey is what a line of the table stands for, whatever it is measured on.
type benchKey struct {
	name, trans, dtype, level string
	m, n, k, batch            int
}

// title returns the name of a kernel with what tells it from its like.
func (k benchKey) title() string {
	switch {
	case k.batch > 0:
		return fmt.Sprintf("%d × %s", k.batch, k.dtype)
	case k.level == "":
		return k.name
	case k.k > 0:
		return fmt.Sprintf("%s, %d stages", k.name, k.k)
	case k.trans != "":
		return k.name + " " + k.trans
	}
	return k.name
}

// padded returns s with spaces behind it: tabwriter aligns all columns to the right or none.
func padded(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// printTable writes the ceilings, the products and the other kernels, a column for each row of the
// dispatch table and number of threads.
func (b *bench) printTable(w io.Writer) error {
	fmt.Fprintf(w, "vcycle %s on %s, medians of %s\n", version(), cpuName(), plural(b.rounds, "round"))
	columns := func(first ...string) *tabwriter.Writer {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(t, "\n%s\t", strings.Join(first, "\t"))
		return t
	}
	t := columns("")
	for _, r := range b.rows {
		fmt.Fprintf(t, "%s ×%d\t", r.isa, r.threads)
	}
	for _, line := range []struct {
		name string
		rate func(kernelbench.Rates) float64
	}{
		{"fused multiply-adds in registers, GFLOP/s of float32", func(r kernelbench.Rates) float64 { return 2 * r.Multiply }},
		{"those of bfloat16 summed in float32, GFLOP/s", func(r kernelbench.Rates) float64 { return 2 * r.BFloat16 }},
		{"any instructions on vectors, 10⁹ float32 a second", func(r kernelbench.Rates) float64 { return r.Vector }},
		{"additions, the larger of two, shifts", func(r kernelbench.Rates) float64 { return r.Add }},
		{"divisions", func(r kernelbench.Rates) float64 { return r.Divide }},
		{"square roots", func(r kernelbench.Rates) float64 { return r.Root }},
		{"loads of vectors", func(r kernelbench.Rates) float64 { return r.Load }},
		{"stores of vectors", func(r kernelbench.Rates) float64 { return r.Store }},
		{"multiply-adds that a division takes the turns of", func(r kernelbench.Rates) float64 { return r.DivideTurns }},
		{"additions that VSCALEFPS or VREDUCEPS does", func(r kernelbench.Rates) float64 { return r.ScaleTurns }},
	} {
		if !slices.ContainsFunc(b.rows, func(r benchRow) bool { return line.rate(b.rates(r)) > 0 }) {
			continue
		}
		fmt.Fprintf(t, "\n%s\t", padded(line.name, 52))
		for _, r := range b.rows {
			fmt.Fprintf(t, "%.1f\t", line.rate(b.rates(r)))
		}
	}
	fmt.Fprintln(t)
	if err := t.Flush(); err != nil {
		return err
	}
	if err := b.printCopies(w, columns); err != nil {
		return err
	}

	keyOf := func(m *measured) benchKey {
		k := benchKey{m.Name, m.Trans, m.DType, m.Level, m.M, m.N, m.K, m.Batch}
		if m.Flops == 0 {
			// The slices of a thread are the smaller the more there are.
			k.m, k.n = 0, 0
			if m.M > 0 {
				k.n = m.N
			}
		}
		return k
	}
	var products, others []benchKey
	found := map[benchKey]map[benchRow]*measured{}
	for _, m := range b.cases {
		k := keyOf(m)
		if found[k] == nil {
			found[k] = map[benchRow]*measured{}
			if m.Flops > 0 {
				products = append(products, k)
			} else {
				others = append(others, k)
			}
		}
		found[k][m.benchRow] = m
	}
	cells := func(t io.Writer, k benchKey, rate func(m *measured) float64) {
		for _, r := range b.rows {
			if m := found[k][r]; m != nil {
				fmt.Fprintf(t, "%s\t%s\t", threeDigits(rate(m)), percent(b.share(m), 1))
			} else {
				fmt.Fprint(t, "\t\t")
			}
		}
		fmt.Fprintln(t)
	}
	head := func(t io.Writer) {
		for _, r := range b.rows {
			fmt.Fprintf(t, "%s ×%d\t\t", r.isa, r.threads)
		}
		fmt.Fprintln(t)
	}
	width := 0
	for k := range found {
		width = max(width, utf8.RuneCountInString(k.title()))
	}
	if len(products) > 0 {
		fmt.Fprintln(w, "\nGFLOP/s and share of the ceiling")
		t := columns("", "m", "n", "k", "")
		head(t)
		for _, k := range products {
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\t", padded(k.title(), width), k.m, k.n, k.k, k.trans)
			cells(t, k, (*measured).gflops)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if len(others) > 0 {
		fmt.Fprint(w, "\nGB/s read and written, and the share of what the instructions at their ceilings, bytes at the faster copy and reading\n"+
			"allow. Kernels that store less than they load, or write where they read, can do more than copying.\n")
		t := columns("", "slices in", "row")
		head(t)
		for _, k := range others {
			row := ""
			if k.n > 0 {
				row = strconv.Itoa(k.n)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t", padded(k.title(), width), k.level, row)
			cells(t, k, (*measured).gbps)
		}
		return t.Flush()
	}
	return nil
}

// printCopies writes the bandwidth of copying, a line for each way and level.
func (b *bench) printCopies(w io.Writer, columns func(first ...string) *tabwriter.Writer) error {
	if len(b.copies) == 0 {
		return nil
	}
	t := columns("", "slices in")
	seen := map[int]bool{}
	for _, m := range b.copies {
		if !seen[m.Threads] {
			seen[m.Threads] = true
			fmt.Fprintf(t, "×%d\t", m.Threads)
		}
	}
	fmt.Fprintln(t)
	for _, level := range kernelbench.Levels {
		for _, way := range [][2]string{{"copy", "copy, GB/s read and written"}, {"copyBlocks", "in blocks of 64 KB"}, {"read", "read alone, GB/s"}} {
			line := ""
			for _, m := range b.copies {
				if m.Level == level && m.Name == way[0] {
					line += threeDigits(m.gbps()) + "\t"
				}
			}
			if line != "" {
				fmt.Fprintf(t, "%s\t%s\t%s\n", padded(way[1], 27), level, line)
			}
		}
	}
	return t.Flush()
}

// threeDigits returns v with three digits at least.
func threeDigits(v float64) string {
	switch {
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
