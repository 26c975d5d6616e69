package nn

import (
	"math"
	"strings"
	"testing"
)

func fillEntry(g *Group, name string, v float32) {
	for _, e := range g.Entries {
		if e.Name == name {
			fill(g.Theta[e.Offset:e.Offset+e.Len()], v)
		}
	}
}

// The first tensor that is not finite is named, whatever the method, and whether activations are kept or not.
func TestDiagnose(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		name string
		harm func(d *Decoder)
		want string
	}{
		{"parameter", func(d *Decoder) { d.Blocks()[1].Theta[3] = inf }, "the parameter h.1.attn.c_attn.weight (+Inf at 3)"},
		{"queries", func(d *Decoder) {
			fillEntry(d.Blocks()[1], "attn.c_attn.bias", math.MaxFloat32)
			fillEntry(d.Blocks()[1], "attn.c_attn.weight", 3e38)
		}, "the activation h.1.*attn.c_attn ("},
		{"stream", func(d *Decoder) {
			fillEntry(d.Blocks()[0], "mlp.c_proj.bias", 3e38)
			fillEntry(d.Blocks()[0], "attn.c_proj.bias", 3e38)
		}, "the activation h.0*("}, // in the normalisation of equal numbers, or after it: some rows of kernels have its mean
		{"hidden", func(d *Decoder) {
			fillEntry(d.Blocks()[0], "ln_2.bias", 1e30)
			fillEntry(d.Blocks()[0], "mlp.c_fc.weight", 1e30)
		}, "the activation h.0.*mlp.c_fc ("},
		{"head", func(d *Decoder) {
			fillEntry(d.Groups()[0], "ln_f.bias", 1e30)
			fillEntry(d.Groups()[0], "wte.weight", 1e30)
		}, "the activation cross-entropy ("},
		{"nothing", func(*Decoder) {}, ""},
	} {
		for _, method := range Methods() {
			for _, variant := range []string{"kept", "recomputed", "bf16"} {
				cfg := tiny
				cfg.Method = method
				cfg.Recompute = variant == "recomputed"
				if variant == "bf16" {
					cfg.Precision = "bf16"
				}
				d, tokens, targets := randomDecoder(t, cfg, 2)
				c.harm(d)
				r := d.Diagnose(tokens, targets, 2, len(tokens))
				if r.First == nil {
					if c.want != "" || !(r.Activation.Norm > 0) || !(r.Gradient.Norm > 0) {
						t.Errorf("%s, %s, %s: everything is finite, want %q", c.name, method, variant, c.want)
					}
					continue
				}
				begin, end, _ := strings.Cut(c.want, "*")
				if got := r.First.String(); c.want == "" || !strings.HasPrefix(got, begin) || !strings.Contains(got, end) {
					t.Errorf("%s, %s, %s: %s, want %q", c.name, method, variant, got, c.want)
				}
			}
		}
	}
}

// A gradient that overflows where the loss is finite, and the gradients that Diagnose leaves.
func TestDiagnoseGradient(t *testing.T) {
	d, tokens, targets := randomDecoder(t, tiny, 2)
	d.Step(tokens, targets, 2)
	want := append([]float32(nil), d.Groups()[1].Grad...)
	d.ZeroGrad()
	r := d.Diagnose(tokens, targets, 2, len(tokens))
	for i, v := range d.Groups()[1].Grad {
		if v != want[i] {
			t.Fatalf("gradient %d is %v, in a step %v", i, v, want[i])
		}
	}
	if r.First != nil || !strings.Contains(r.Gradient.String(), "norm ") || !strings.Contains(r.Activation.String(), "root mean square ") {
		t.Errorf("%+v", r)
	}
	fillEntry(d.Groups()[0], "ln_f.weight", 1e38)
	fillEntry(d.Groups()[0], "ln_f.bias", 0)
	for i := range d.embedding.Token.Data() {
		d.embedding.Token.Data()[i] *= 1e-38
	}
	r = d.Diagnose(tokens, targets, 2, 1)
	if r.First == nil || !strings.HasPrefix(r.First.String(), "the gradient wte.weight (") {
		t.Errorf("%v", r.First)
	}
}
