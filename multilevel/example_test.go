package multilevel_test

import (
	"fmt"
	"strings"

	"github.com/vcycle-go/vcycle/multilevel"
)

func ExampleTrainer() {
	text := []byte(strings.Repeat("row, row, row your boat, gently down the stream; ", 40))
	o := multilevel.Defaults()
	o.Multilevel, o.Levels = multilevel.Nested, []int{1, 2} // one block for 70% of the steps, then two
	o.Width, o.Heads, o.Context, o.Batch = 16, 2, 16, 4
	o.Steps, o.LR = 120, 1e-2

	src, err := multilevel.NewBytes(text[:1500], text[1500:], o.Context, o.Seed)
	if err != nil {
		fmt.Println(err)
		return
	}
	t, err := multilevel.NewTrainer(o, src)
	if err != nil {
		fmt.Println(err)
		return
	}
	for blocks := 0; !t.Done(); {
		m, err := t.Step()
		if err != nil {
			fmt.Println(err)
			return
		}
		if m.Blocks != blocks {
			blocks = m.Blocks
			fmt.Printf("step %d: %d blocks\n", m.Step, blocks)
		}
	}
	loss, err := t.Validate()
	if err != nil {
		fmt.Println(err)
		return
	}
	sum := t.Summary(loss, "v0.1.0")
	fmt.Printf("below 2 nats per byte: %v\n", loss < 2)
	fmt.Printf("%.0f%% of the operations that two blocks from the start would have taken\n", 100*sum.FLOPsBlocks/sum.SingleLevel.FLOPsBlocks)
	// Output:
	// step 1: 1 blocks
	// step 85: 2 blocks
	// below 2 nats per byte: true
	// 65% of the operations that two blocks from the start would have taken
}

// Four blocks from two by linear interpolation in t: what share of the two each of the four has.
func ExampleOperator_Rows() {
	linear, err := multilevel.Prolongation(multilevel.Linear)
	if err != nil {
		fmt.Println(err)
		return
	}
	rows, err := linear.Rows(2, 4)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, row := range rows {
		fmt.Print(i, ":")
		for _, w := range row.Weights {
			fmt.Printf(" %g of %d", w.Value, w.Block)
		}
		fmt.Println()
	}
	// Output:
	// 0: 1 of 0
	// 1: 0.75 of 0 0.25 of 1
	// 2: 0.25 of 0 0.75 of 1
	// 3: 1 of 1
}

// How a V-cycle visits the levels of 4, 8 and 16 blocks.
func ExampleOptions_Plan() {
	o := multilevel.Defaults()
	o.Multilevel, o.Levels, o.Cycles, o.Steps = multilevel.VCycle, []int{4, 8, 16}, 1, 1000
	hierarchy, plan, err := o.Plan()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, stage := range plan {
		fmt.Printf("%d steps with %d blocks\n", stage.Steps, hierarchy.Levels[stage.Level].Blocks)
	}
	// Output:
	// 71 steps with 16 blocks
	// 143 steps with 8 blocks
	// 572 steps with 4 blocks
	// 143 steps with 8 blocks
	// 71 steps with 16 blocks
}
