package kernels

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// forEachISA runs f once for every row of the dispatch table that this CPU has, generic included.
func forEachISA(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	old := ISA()
	defer SetISA(old)
	for _, name := range ISAs() {
		if err := SetISA(name); err != nil {
			t.Fatal(err)
		}
		t.Run("isa="+name, f)
	}
}

// forEachKernel is forEachISA, and for bfloat16 goes through all that a row has to multiply it.
func forEachKernel[E entry](t *testing.T, f func(t *testing.T)) {
	t.Helper()
	forEachISA(t, func(t *testing.T) {
		if _, ok := any(*new(E)).(BFloat16); !ok {
			f(t)
			return
		}
		eachKernel16(func() { t.Run("bf16="+active.gemm16.name, f) })
	})
}

// eachKernel16 runs f once for each way that the row in use has to multiply bfloat16.
func eachKernel16(f func()) {
	fastest := active.gemm16
	defer func() { active.gemm16 = fastest }()
	for _, kernel := range append([]gemmKernel[BFloat16, float32]{fastest}, active.slower16...) {
		active.gemm16 = kernel
		f()
	}
}

func benchEachISA(b *testing.B, name string, f func(b *testing.B)) {
	old := ISA()
	defer SetISA(old)
	for _, isa := range ISAs() {
		if err := SetISA(isa); err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/isa="+isa, f)
	}
}

// TestWantISA fails if a row named in VCYCLE_WANT_ISA, a comma-separated list, is not on this machine,
// so that a test run which was to cover it cannot pass by leaving it out.
func TestWantISA(t *testing.T) {
	want := os.Getenv("VCYCLE_WANT_ISA")
	if want == "" {
		t.Skip("VCYCLE_WANT_ISA is not set")
	}
	if got := ISAs(); !slices.Equal(got, strings.Split(want, ",")) {
		t.Errorf("ISAs() = %v, want %v", got, want)
	}
}

func TestChoose(t *testing.T) {
	for _, name := range ISAs() {
		if r, err := choose(name); err != nil || r.name != name {
			t.Errorf("choose(%q) = %q, %v", name, r.name, err)
		}
	}
	if r, err := choose(""); err != nil || r.name != ISAs()[0] {
		t.Errorf("choose without a name = %q, %v; want %q", r.name, err, ISAs()[0])
	}
	for _, row := range rows {
		if r, err := choose(row.name); !row.ok && (r.name != "generic" || err == nil || !strings.Contains(err.Error(), "this CPU lacks it")) {
			t.Errorf("choose(%q), which this CPU lacks, = %q, %v; want generic and an error that says so", row.name, r.name, err)
		}
	}
	for _, name := range []string{"sse9", "avx512 ", "AVX2"} {
		if r, err := choose(name); err == nil || r.name != "generic" {
			t.Errorf("choose(%q) = %q, %v; want generic and an error", name, r.name, err)
		}
	}
}

// TestForcedRow takes the row that VCYCLE_FORCE_ISA names, whether or not the CPU has it: the other side of
// the proof that a row which the CPU lacks is not executed, for CPU models that are to stop it.
func TestForcedRow(t *testing.T) {
	name := os.Getenv("VCYCLE_FORCE_ISA")
	if name == "" {
		t.Skip("VCYCLE_FORCE_ISA is not set")
	}
	defer func(old isa) { active = old }(active)
	for _, row := range rows {
		if row.name == name {
			active = row
		}
	}
	if active.name != name {
		t.Fatalf("this build has no row %s", name)
	}
	if x := make([]float32, 100); Dot(x, x) != 0 {
		t.Error("the sum of zeros is not 0")
	}
}
