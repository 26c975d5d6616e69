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
