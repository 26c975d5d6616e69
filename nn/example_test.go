package nn_test

import (
	"fmt"

	"github.com/vcycle-go/vcycle/nn"
)

// A decoder learns to count modulo 8, from any start.
func Example() {
	cfg := nn.Config{Vocab: 8, Context: 16, Width: 16, Heads: 2, Blocks: 2, StepSize: 1, Method: "euler"}
	d, err := nn.NewDecoder(cfg, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens, targets := make([]int32, cfg.Context), make([]int32, cfg.Context)
	optimizer := &nn.AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1}
	schedule := nn.WSD{Peak: 0.01, Warmup: 5, Total: 60, DecayFraction: 0.25, Final: 0.05}
	for step := range schedule.Total {
		for i := range tokens {
			tokens[i], targets[i] = int32((step+i)%8), int32((step+i+1)%8)
		}
		d.ZeroGrad()
		d.Step(tokens, targets, 1)
		clip := min(1, 1/nn.GradNorm(d.Groups()))
		optimizer.Step(d.Groups(), schedule.LR(step), clip)
	}
	logits := make([]float32, cfg.Vocab)
	prompt := []int32{2, 3}
	for range 6 {
		d.Logits(prompt, logits)
		best := 0
		for i, l := range logits {
			if l > logits[best] {
				best = i
			}
		}
		prompt = append(prompt, int32(best))
	}
	fmt.Println(prompt)
	// Output: [2 3 4 5 6 7 0 1]
}

// Twice the blocks with half the step size go as far in depth.
func ExampleDecoder_SetBlocks() {
	d, err := nn.NewDecoder(nn.Config{Vocab: 8, Context: 16, Width: 16, Heads: 2, Blocks: 2, StepSize: 1, Method: "euler"}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	var finer []*nn.Group
	for _, coarse := range d.Blocks() {
		for range 2 {
			fine := d.NewBlock()
			copy(fine.Theta, coarse.Theta)
			finer = append(finer, fine)
		}
	}
	if err := d.SetBlocks(finer, 0.5); err != nil {
		fmt.Println(err)
		return
	}
	c := d.Config()
	fmt.Println(c.Blocks, c.StepSize, d.Blocks()[3].Name)
	// Output: 4 0.5 h.3
}
