// Package gpt2 writes decoders as the files that other programs have for GPT-2, and reads them: the
// directory of Hugging Face's GPT2LMHeadModel (config.json, model.safetensors), and GGUF for llama.cpp.
//
// GPT-2's block is u = x + A(x), y = u + M(u). A decoder of the split method, x ← x + h·SA(LN x), x ← x +
// h·FF(LN x), is that with h in the output projections and their biases, and so is one of Euler's method
// with h = 1. With another h, Euler's FF sees x + SA(LN x), not x + h·SA(LN x): there is no GPT-2 that does the
// same, nor for the other methods.
package gpt2

import (
	"fmt"
	"strings"

	"github.com/vcycle-go/vcycle/internal/safetensors"
	"github.com/vcycle-go/vcycle/nn"
)

// layerNormEps and activation are those of package nn.
const (
	layerNormEps = 1e-5
	activation   = "gelu_new" // the tanh form
)

// Exportable returns an error that says why a network has no counterpart in GPT-2, if it has none.
func Exportable(cfg nn.Config) error {
	switch {
	case cfg.Method == "split":
		return nil
	case cfg.Method == "euler":
		for i := range cfg.Blocks {
			if h := cfg.Step(i); float32(h) != 1 {
				return fmt.Errorf("a network of Euler steps of size h = %g is no GPT-2: its perceptron sees x + SA(x), but the step is h·SA(x); h = 1 and the method split can be exported", h)
			}
		}
		return nil
	}
	return fmt.Errorf("a network of the method %s is no GPT-2: a block has several stages, and GPT-2's has one; euler with h = 1 and split can be exported", cfg.Method)
}

// tensors returns the parameters with h in the output projections, under GPT-2's names.
func tensors(d *nn.Decoder) []safetensors.Tensor {
	var all []safetensors.Tensor
	for i, g := range d.Groups() {
		h := float32(1)
		if i > 0 {
			h = float32(d.Config().Step(i - 1))
		}
		for _, e := range g.Entries {
			data := g.Theta[e.Offset : e.Offset+e.Len()]
			if e.Output && h != 1 {
				scaled := make([]float32, len(data))
				for i, v := range data {
					scaled[i] = h * v
				}
				data = scaled
			}
			name := e.Name
			if g != d.Groups()[0] {
				name = g.Name + "." + e.Name
			}
			all = append(all, safetensors.Tensor{Name: name, Shape: e.Shape, Data: data})
		}
	}
	return all
}

// ggufName returns llama.cpp's name of a tensor.
func ggufName(name string) string {
	switch name {
	case "wte.weight":
		return "token_embd.weight"
	case "wpe.weight":
		return "position_embd.weight"
	case "ln_f.weight", "ln_f.bias":
		return "output_norm" + strings.TrimPrefix(name, "ln_f")
	}
	parts := strings.SplitN(name, ".", 3) // h, number, rest
	rest := parts[2]
	for _, r := range [][2]string{
		{"ln_1.", "attn_norm."}, {"attn.c_attn.", "attn_qkv."}, {"attn.c_proj.", "attn_output."},
		{"ln_2.", "ffn_norm."}, {"mlp.c_fc.", "ffn_up."}, {"mlp.c_proj.", "ffn_down."},
	} {
		if after, ok := strings.CutPrefix(rest, r[0]); ok {
			return "blk." + parts[1] + "." + r[1] + after
		}
	}
	panic("gpt2: no name in GGUF for " + name)
}
