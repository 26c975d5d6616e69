package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"
)

var wordLine = regexp.MustCompile(`(?m)^\tWORD \$0x([0-9a-f]{8}) // (.+)$`)

// checkWords decodes every WORD of an assembly text and compares the instruction with the comment beside
// it. It returns how many there are, and what is wrong.
func checkWords(text string) (count int, errs []error) {
	words := wordLine.FindAllStringSubmatch(text, -1)
	if all := strings.Count(text, "WORD"); all != len(words) {
		errs = append(errs, fmt.Errorf("%d of %d WORDs say what they are", len(words), all))
	}
	for _, w := range words {
		bits, err := strconv.ParseUint(w[1], 16, 32)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if got, err := decode(uint32(bits)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", w[0], err))
		} else if got != w[2] {
			errs = append(errs, fmt.Errorf("WORD $0x%s is %s, its comment says %s", w[1], got, w[2]))
		}
	}
	return len(words), errs
}

// decode returns an instruction in the syntax of GNU as. arm64asm does not know the bfloat16 ones.
func decode(bits uint32) (string, error) {
	if bits&0xffe0fc00 == 0x6e40ec00 {
		return fmt.Sprintf("bfmmla v%d.4s, v%d.8h, v%d.8h", bits&31, bits>>5&31, bits>>16&31), nil
	}
	inst, err := arm64asm.Decode(binary.LittleEndian.AppendUint32(nil, bits))
	if err != nil {
		return "", err
	}
	return arm64asm.GNUSyntax(inst), nil
}

// TestDecode compares what decode knows by itself with words that LLVM 19's llvm-mc assembled.
func TestDecode(t *testing.T) {
	for bits, want := range map[uint32]string{
		0x6e5bef00: "bfmmla v0.4s, v24.8h, v27.8h",
		0x6e42ec3f: "bfmmla v31.4s, v1.8h, v2.8h",
	} {
		if got, err := decode(bits); err != nil || got != want {
			t.Errorf("%#x is %q, %v; want %q", bits, got, err, want)
		}
	}
	if got, err := decode(0x6e45fc83); err == nil { // bfdot v3.4s, v4.8h, v5.8h
		t.Errorf("BFDOT decodes as %q", got)
	}
}

// TestCheckWords holds the check itself to see another register, lane or instruction, a word that is
// none, and a missing comment.
func TestCheckWords(t *testing.T) {
	const text = "\tWORD $0x4f9b1300 // fmla v0.4s, v24.4s, v27.s[0]\n"
	if count, errs := checkWords(text); count != 1 || len(errs) > 0 {
		t.Errorf("a right word: %d words, %v", count, errs)
	}
	for _, change := range [][2]string{
		{"v0.4s", "v1.4s"}, {"v27", "v26"}, {"s[0]", "s[1]"}, {"fmla", "fmls"}, {"0x4f9b1300", "0x00000000"}, {" // fmla", " fmla"},
	} {
		if _, errs := checkWords(strings.Replace(text, change[0], change[1], 1)); len(errs) != 1 {
			t.Errorf("%s instead of %s: errors are %v, want one", change[1], change[0], errs)
		}
	}
}

// TestNEONWords decodes every word of the generated files.
func TestNEONWords(t *testing.T) {
	files, err := neonOutputs()
	if err != nil {
		t.Fatal(err)
	}
	reserved := regexp.MustCompile(`\bR(1[678]|2[6-9]|3\d)\b`)
	total := 0
	for _, f := range files {
		if filepath.Ext(f.name) != ".s" {
			continue
		}
		count, errs := checkWords(string(f.body))
		total += count
		for _, err := range errs {
			t.Errorf("%s: %v", f.name, err)
		}
		if r := reserved.Find(f.body); r != nil {
			t.Errorf("%s uses %s, which belongs to the linker, the platform or the Go runtime", f.name, r)
		}
	}
	if total == 0 {
		t.Error("found no WORD")
	}
}

// TestNEONEncoder decodes what every method of the encoder prints, for registers all over the fields.
func TestNEONEncoder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func() vreg { return vreg(rng.IntN(32)) }
	n := new(neon)
	three := []func(d, a, b vreg){n.fadd, n.fsub, n.fmul, n.fdiv, n.fmax, n.fmin, n.fmaxnm, n.fcmgt, n.fcmeq, n.faddp, n.bfmmla}
	two := []func(d, a vreg){n.fneg, n.fsqrt, n.fabs, n.scvtf, n.fcmeqZero, n.fcmltZero}
	one := []func(v vreg){n.sumLanes, n.maxLanes, n.fmaxv}
	for i := range 400 {
		n.double = i%2 == 1
		for _, f := range three {
			f(pick(), pick(), pick())
		}
		for _, f := range two {
			f(pick(), pick())
		}
		for _, f := range one {
			f(pick())
		}
		n.sshr(pick(), pick(), 1+rng.IntN(31))
		for i := range n.lanes() {
			n.fmlaLane(pick(), pick(), pick(), i)
		}
	}
	count, errs := checkWords(n.body.String())
	for _, err := range errs {
		t.Error(err)
	}
	if want := 400*(len(three)+len(two)+1) + 200*(4+4) + 200*(3+2); count != want {
		t.Errorf("checked %d words, want %d", count, want)
	}
}

// TestNEONExhaustion holds generation to fail, rather than to hand out a register twice.
func TestNEONExhaustion(t *testing.T) {
	for _, c := range []struct {
		name string
		take func(n *neon)
	}{
		{"no vector register", func(n *neon) { n.vs(33) }},
		{"no general register", func(n *neon) {
			for range 24 {
				n.x()
			}
		}},
		{"no argument beta", func(n *neon) { n.scalar("beta") }},
	} {
		_, err := neonFamily{"bad", func(n *neon) {
			n.function("bad", "func(alpha float32)", "takes too much.")
			c.take(n)
		}}.outputs()
		if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(c.name, "no ")[:6]) || !strings.Contains(err.Error(), "badNEON") {
			t.Errorf("%s: error is %v", c.name, err)
		}
	}
	// A scope gives its registers back.
	n := new(neon)
	n.function("good", "func()", "takes and returns.")
	for range 100 {
		n.scope(func() { n.vs(32) })
	}
	if len(n.errs) > 0 {
		t.Error(n.errs[0])
	}
}

// TestNEONLayout holds offsets to Go's ABI0. go vet checks them too, where an argument is used.
func TestNEONLayout(t *testing.T) {
	for _, c := range []struct {
		signature string
		size      int
		offsets   map[string]int
	}{
		{"func()", 0, nil},
		{"func(n int) float64", 16, map[string]int{"n": 0, "ret": 8}},
		{"func(x []float32) float32", 28, map[string]int{"x_base": 0, "x_len": 8, "ret": 24}},
		{"func(a, b, c float32, x []float32) (s, sx float32)", 48, map[string]int{"a": 0, "b": 4, "c": 8, "x_base": 16, "x_len": 24, "s": 40, "sx": 44}},
		{"func(k int, alpha float32, a, b *float32, beta float32, c *float32, ldc int)", 56,
			map[string]int{"k": 0, "alpha": 8, "a": 16, "b": 24, "beta": 32, "c": 40, "ldc": 48}},
	} {
		n := new(neon)
		if got := n.layout(c.signature); got != c.size || len(n.errs) > 0 {
			t.Errorf("%s takes %d bytes, want %d; %v", c.signature, got, c.size, n.errs)
		}
		for name, want := range c.offsets {
			if got, ok := n.frame[name]; !ok || got != want {
				t.Errorf("%s: %s is at %d, want %d", c.signature, name, got, want)
			}
		}
	}
	n := new(neon)
	if n.layout("func(x string)"); len(n.errs) == 0 {
		t.Error("a string has no layout, but there is no error")
	}
}
