package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/kernels"
)

func shapesFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shapes.txt")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// keepISA puts back what a measurement in this process changes.
func keepISA(t *testing.T) {
	isa, threads := kernels.ISA(), kernels.Threads()
	t.Cleanup(func() {
		kernels.SetThreads(threads)
		if err := kernels.SetISA(isa); err != nil {
			t.Error(err)
		}
	})
}

// TestBenchJSON holds the lines to say what was measured, and on what.
func TestBenchJSON(t *testing.T) {
	keepISA(t)
	shapes := shapesFile(t, "# squares\n\n8 9 10 n t # NT\n 16 16 16 t n\n")
	stdout, _ := mustRun(t, exitOK, "bench", "--shapes", shapes, "--level", "L1", "--filter", "gemm|Axpy|Softmax/", "--time", "2ms", "--rounds", "2",
		"--threads", "2,1,1", "--json")
	counts := map[string]int{}
	for _, text := range strings.Split(strings.TrimSpace(stdout), "\n") {
		var l benchLine
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		counts[l.Name]++
		if l.Threads != 1 && l.Threads != 2 || (l.ISA == "") != strings.HasPrefix(l.Name, "copy") || l.ISA != "" && !slices.Contains(kernels.ISAs(), l.ISA) {
			t.Errorf("%s: on what?", text)
		}
		product, bytes := strings.HasSuffix(l.Name, "gemm"), l.Name == "Axpy" || l.Name == "Softmax"
		if (l.GFLOPS > 0) != (product || l.Name == "FMA") || (l.GBPS > 0) == (l.GFLOPS > 0) || (l.Seconds > 0) == (l.Name == "FMA") {
			t.Errorf("%s: which rate?", text)
		}
		if (l.PeakShare > 0) != (product || bytes) || slices.Contains([]string{"fma", "vector", "add", "divide", "load", "store", "copy", "read"}, l.Bound) != (product || bytes) || product && l.Bound != "fma" {
			t.Errorf("%s: what share?", text)
		}
		if (l.Level == "L1") != (bytes || l.Name == "copy" || l.Name == "copyBlocks") {
			t.Errorf("%s: what level?", text)
		}
		switch {
		case product:
			if got := fmt.Sprintf("%d %d %d %s", l.M, l.N, l.K, l.Trans); got != "8 9 10 NT" && got != "16 16 16 TN" {
				t.Errorf("%s: what shape?", text)
			}
			if f := 2e-9 * float64(l.M*l.N*l.K) / l.Seconds; f < 0.99*l.GFLOPS || f > 1.01*l.GFLOPS {
				t.Errorf("%s: the rate is %g by the seconds", text, f)
			}
			if want := map[string]string{"Sgemm": "f32", "Dgemm": "f64", "Bgemm": "bf16"}[l.Name]; l.DType != want {
				t.Errorf("%s: what type?", text)
			}
		case l.Name == "Softmax":
			if l.M < 1 || l.N != 256 || l.K != 0 || l.Trans != "" {
				t.Errorf("%s: what shape?", text)
			}
		case bytes && (l.M != 0 || l.N < 1 || l.K != 0):
			t.Errorf("%s: what shape?", text)
		}
	}
	rows := 2 * len(kernels.ISAs())
	for name, want := range map[string]int{"FMA": 2 * rows, "copy": 2, "copyBlocks": 2, "Sgemm": 2 * rows, "Dgemm": 2 * rows, "Bgemm": 2 * rows, "Axpy": rows, "Softmax": rows} {
		if counts[name] != want {
			t.Errorf("%d lines of %s, want %d", counts[name], name, want)
		}
	}
	if len(counts) != 8 {
		t.Errorf("the lines are of %v", counts)
	}
}

// TestBenchGo holds the lines to the form that benchstat reads: golang.org/design/14313-benchmark-format.
func TestBenchGo(t *testing.T) {
	keepISA(t)
	stdout, _ := mustRun(t, exitOK, "bench", "gemm", "--shapes", shapesFile(t, "8 9 10 n t\n"), "--isa", "generic,generic", "--threads", "1", "--dtype", "f64,f64",
		"--time", "1ms", "--rounds", "3", "--go") // what is asked for twice is measured once
	line := regexp.MustCompile(`^BenchmarkDgemm/m=8/n=9/k=10/trans=NT/threads=1/isa=generic(-\d+)?\t\d+\t\d+\.\d ns/op\t\d+\.\d\d GFLOP/s$`)
	var found int
	for _, text := range strings.Split(strings.TrimSpace(stdout), "\n") {
		if strings.HasPrefix(text, "Benchmark") {
			found++
			if !line.MatchString(text) {
				t.Errorf("%q", text)
			}
		} else if key, value, ok := strings.Cut(text, ": "); !ok || value == "" || !slices.Contains([]string{"goos", "goarch", "pkg", "cpu"}, key) {
			t.Errorf("%q", text)
		}
	}
	if found != 3 {
		t.Errorf("%d lines, want one for each of 3 rounds", found)
	}
}

func TestBenchTable(t *testing.T) {
	keepISA(t)
	stdout, _ := mustRun(t, exitOK, "bench", "all", "--shapes", shapesFile(t, "8 9 10 n t\n"), "--isa", "generic", "--threads", "1", "--dtype", "f32",
		"--time", "1ms", "--rounds", "1", "--level", "L1,L2", "--filter", "Sgemm|Softmax")
	for _, want := range []string{
		`(?m)^ +generic ×1$`, `(?m)^ *fused multiply-adds .* \d+\.\d$`,
		`(?m)^ *copy, GB/s read and written +L1 +[\d.]+$`, `(?m)^ *in blocks of 64 KB +L2 +[\d.]+$`,
		`(?m)^ *Sgemm +8 +9 +10 +NT +[\d.]+ +[\d.]+%$`,
		`(?m)^ *Softmax +L1 +256 +[\d.]+ +[\d.]+%$`, `(?m)^ *SoftmaxBackward +L2 +256 +[\d.]+ +[\d.]+%$`,
	} {
		if !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("the table has no %s:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "Dgemm") || strings.Contains(stdout, "avx") || strings.Contains(stdout, "Axpy") || strings.Contains(stdout, "memory") {
		t.Errorf("the table has what was not asked for:\n%s", stdout)
	}
}

func TestBenchBadInput(t *testing.T) {
	missing := ""
	for _, isa := range []string{"avx512", "neon"} {
		if !slices.Contains(kernels.ISAs(), isa) {
			missing = isa
		}
	}
	for _, c := range []struct {
		args, shapes string // shapes: what the file holds; "": there is none
		want         string // part of the message
	}{
		{"everything", "", `must be one of "gemm","elementwise","all"`},
		{"gemm elementwise", "", "unexpected argument elementwise"},
		{"--isa abacus", "", "--isa abacus: this machine has "},
		{"--isa " + missing, "", "--isa " + missing + ": this machine has "},
		{"--threads=-1", "", "--threads -1: "},
		{"--threads 1,70000", "", "--threads 70000: "},
		{"--threads two", "", "--threads: expected"},
		{"--dtype f16", "", "--dtype f16: use f32, f64, bf16"},
		{"--level L4", "", "--level L4: use L1, L2, memory"},
		{"--filter (", "", "--filter (: error parsing regexp"},
		{"--filter nothing", "", "--filter nothing --dtype f32,f64,bf16: no case is left"},
		{"--time soon", "", "--time: "},
		{"--time 0s", "", "--time 0s: it must be positive"},
		{"--rounds 0", "", "--rounds 0: "},
		{"--json --go", "", "--json and --go can't be used together"},
		{"--shapes missing.txt", "", "--shapes: missing.txt: no such file"},
		{"elementwise", "8 8 8 n n\n", "--shapes is for products"},
		{"gemm", "# nothing\n\n", "shapes.txt: no shape is there"},
		{"gemm", "8 8 8 n n\n8 8 8 n\n", "shapes.txt:2: 4 fields where m n k ta tb are expected"},
		{"gemm", "8 8 8 n n t\n", "shapes.txt:1: 6 fields"},
		{"gemm", "\n\n0 8 8 n n\n", `shapes.txt:3: m is "0": it must be a whole number between 1 and 1048576`},
		{"gemm", "8 -8 8 n n\n", `shapes.txt:1: n is "-8"`},
		{"gemm", "8 8 8.5 n n\n", `shapes.txt:1: k is "8.5"`},
		{"gemm", "8 8 9999999999999999999 n n\n", `shapes.txt:1: k is "9999999999999999999"`},
		{"gemm", "8 8 8 N n\n", `shapes.txt:1: ta is "N": it must be n or t`},
		{"gemm", "8 8 8 n x\n", `shapes.txt:1: tb is "x"`},
		{"gemm", "1000000 1000000 1000000 n n\n", "shapes.txt:1: the operands need 24.0 TB"},
		{"gemm", strings.Repeat("x", 1<<17), "shapes.txt: "},
	} {
		name := c.args + " " + strings.TrimSpace(c.shapes[:min(len(c.shapes), 40)])
		t.Run(name, func(t *testing.T) {
			args := append([]string{"bench"}, strings.Fields(c.args)...)
			if c.shapes != "" {
				args = append(args, "--shapes", shapesFile(t, c.shapes))
			}
			code, stdout, stderr := vcycle(t, args...)
			if code != exitBadInput {
				t.Errorf("exit code %d, want %d", code, exitBadInput)
			}
			if !strings.HasPrefix(stderr, "vcycle bench: ") || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("stderr %q, want one line that contains %q", stderr, c.want)
			}
			if stdout != "" {
				t.Errorf("stdout %q", stdout)
			}
		})
	}
}

// TestBenchInterruptedAtOnce: a measurement that stopped before its first round has nothing to print, however
// close the two come.
func TestBenchInterruptedAtOnce(t *testing.T) {
	keepISA(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	shapes := shapesFile(t, "8 9 10 n t\n")
	for range 50 {
		var stdout, stderr strings.Builder
		code := run(ctx, []string{"bench", "gemm", "--shapes", shapes, "--isa", "generic", "--threads", "1", "--dtype", "f32", "--json"}, &stdout, &stderr)
		if code != exitInterrupted || stdout.Len() > 0 {
			t.Fatalf("exit code %d, want %d; output %q", code, exitInterrupted, &stdout)
		}
	}
}
