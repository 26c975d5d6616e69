package nn

import (
	"math"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	if err := tiny.Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		"vocabulary is 0":           func(c *Config) { c.Vocab = 0 },
		"context is -1":             func(c *Config) { c.Context = -1 },
		"width is 0":                func(c *Config) { c.Width = 0 },
		"heads is 0":                func(c *Config) { c.Heads = 0 },
		"blocks is 0":               func(c *Config) { c.Blocks = 0 },
		"vocabulary is 1048577":     func(c *Config) { c.Vocab = maxSize + 1 },
		"context is 1048577":        func(c *Config) { c.Context = maxSize + 1 },
		"width is 2147483648":       func(c *Config) { c.Width = math.MaxInt32; c.Width++ },
		"heads is 1048577":          func(c *Config) { c.Heads = maxSize + 1 },
		"blocks is 4097":            func(c *Config) { c.Blocks = maxBlocks + 1 },
		"step size is 1e+39":        func(c *Config) { c.StepSize = 1e39 },
		"step size is 1e-50":        func(c *Config) { c.StepSize = 1e-50 },
		"divisible by 3 heads":      func(c *Config) { c.Heads = 3 },
		"step size is 0":            func(c *Config) { c.StepSize = 0 },
		"step size is NaN":          func(c *Config) { c.StepSize = math.NaN() },
		"2 step sizes are given":    func(c *Config) { c.Blocks, c.Relative = 3, []float64{1, 2} },
		"size of block 1 is -0.5":   func(c *Config) { c.StepSize, c.Relative = 0.5, []float64{1, -1} },
		"is lost beside the time 1": func(c *Config) { c.Relative = []float64{1, 1e-20} },
		`unknown method "leap"`:     func(c *Config) { c.Method = "leap" },
	} {
		c := tiny
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", want, err)
		}
		if _, err := NewDecoder(c, 1); err == nil {
			t.Errorf("%q: NewDecoder takes it", want)
		}
	}
}

// GPT-2 small has 124,439,808 parameters (Radford et al., 2019, as released).
func TestParameters(t *testing.T) {
	gpt2 := Config{Vocab: 50257, Context: 1024, Width: 768, Heads: 12, Blocks: 12, StepSize: 1, Method: "euler"}
	if n := gpt2.Parameters(); n != 124439808 {
		t.Errorf("GPT-2 has %d parameters", n)
	}
	blocks, total := gpt2.FLOPs()
	if want := 12. * (72*768*768 + 12*768*1024); blocks != want || total != want+6*768*50257 {
		t.Errorf("FLOPs %v, %v", blocks, total)
	}
	gpt2.Method = "rk4"
	if four, _ := gpt2.FLOPs(); four != 4*blocks {
		t.Errorf("rk4 takes %v, euler %v", four, blocks)
	}
	gpt2.Method = "strang" // attention four times, the perceptron twice
	if got, _ := gpt2.FLOPs(); got != 4*12*(24*768*768+12*768*1024)+2*12*48*768*768 {
		t.Errorf("strang takes %v", got)
	}
	gpt2.Method = "rk2-gated"
	if got, _ := gpt2.FLOPs(); got != 2*blocks+12*12*768 {
		t.Errorf("rk2-gated takes %v, euler %v", got, blocks)
	}
}

// A decoder starts with gains 1, biases 0, embeddings of deviation 1/√C and weights of √(2/5C), less for
// the projections to the residual stream, and so with logits of unit variance and a loss near log V + ½.
func TestInitialisation(t *testing.T) {
	cfg := Config{Vocab: 60, Context: 8, Width: 32, Heads: 4, Blocks: 8, StepSize: 1, Method: "euler"}
	d, err := NewDecoder(cfg, 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range d.Groups() {
		for i, e := range g.Entries {
			mean, sd := moments(g.Theta[e.Offset : e.Offset+e.Len()])
			wantMean, wantSD := 0.0, 0.0
			switch {
			case e.Output && len(e.Shape) == 2:
				wantSD = math.Sqrt(2./(5*32)) / 4
			case g.Name == "embed" && len(e.Shape) == 2:
				wantSD = 1 / math.Sqrt(32)
			case len(e.Shape) == 2:
				wantSD = math.Sqrt(2. / (5 * 32))
			case strings.HasPrefix(e.Name, "ln") && strings.HasSuffix(e.Name, "weight"):
				wantMean = 1
			}
			if !(math.Abs(mean-wantMean) <= 0.2*wantSD && math.Abs(sd-wantSD) <= 0.15*wantSD) {
				t.Errorf("%s.%s: mean %v, deviation %v, want %v and %v", g.Name, e.Name, mean, sd, wantMean, wantSD)
			}
			if inside := e.Offset+e.Len() <= g.Matrices; inside != (len(e.Shape) == 2) {
				t.Errorf("%s.%s: entry %d of shape %v, the matrices end at %d", g.Name, e.Name, i, e.Shape, g.Matrices)
			}
		}
	}
	same, _ := NewDecoder(cfg, 5)
	other, _ := NewDecoder(cfg, 6)
	if d.Blocks()[7].Theta[0] != same.Blocks()[7].Theta[0] || d.Blocks()[7].Theta[0] == other.Blocks()[7].Theta[0] {
		t.Error("the seed does not determine the parameters")
	}
	tokens, targets := []int32{1, 2, 3, 4, 5, 6, 7, 8}, []int32{21, 22, 23, 24, 25, 26, 27, 28}
	if loss := d.Loss(tokens, targets, 1); !(math.Abs(loss-math.Log(60)-0.5) <= 0.2) {
		t.Errorf("first loss %v, want about log 60 + 1/2", loss)
	}
}

// Weights of stages that are parameters begin as those of the method they come from: the networks are the same.
func TestStageWeightsBegin(t *testing.T) {
	cfg := tiny
	tokens, targets := make([]int32, cfg.Context), make([]int32, cfg.Context)
	for method, as := range map[string]string{"rk2-learned": "heun", "rk2-gated": "heun", "rk4-learned": "rk4"} {
		var losses []float64
		for _, cfg.Method = range []string{method, as} {
			d, err := NewDecoder(cfg, 3)
			if err != nil {
				t.Fatal(err)
			}
			losses = append(losses, d.Loss(tokens, targets, 1))
		}
		if !(math.Abs(losses[0]-losses[1]) <= 1e-6) {
			t.Errorf("%s begins with a loss of %v, %s with %v", method, losses[0], as, losses[1])
		}
	}
}

func moments(x []float32) (mean, sd float64) {
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	for _, v := range x {
		sd += (float64(v) - mean) * (float64(v) - mean) / float64(len(x))
	}
	return mean, math.Sqrt(sd)
}
