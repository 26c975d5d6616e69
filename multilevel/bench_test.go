package multilevel

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// BenchmarkSwitch is the first step on each finer level, with the prolongation and the memory for it before it, in
// steps of that level: the least of the runs of nested iteration over 3, 6 and 12 blocks, over the least of the steps
// after the first.
func BenchmarkSwitch(b *testing.B) {
	text := ramp(1 << 12)
	for _, width := range []int{64, 256} {
		for _, prolong := range []string{Identity, Linear} {
			b.Run(fmt.Sprintf("width=%d/%s", width, prolong), func(b *testing.B) {
				o := Defaults()
				o.Multilevel, o.Levels, o.Blocks, o.Prolong = Nested, []int{3, 6, 12}, 12, prolong
				o.Width, o.Heads, o.Context, o.Batch, o.Steps, o.Warmup = width, width/32, 256, 2, 9, 0
				o.LevelFractions = []float64{1. / 3, 1. / 3, 1. / 3}
				var first, later [3]time.Duration // by level
				for range b.N {
					runtime.GC() // what a run leaves is no part of the next one
					tr, err := NewTrainer(o, mustBytes(b, text, text, o.Context, 1))
					if err != nil {
						b.Fatal(err)
					}
					for i, was := 0, -1; !tr.Done(); i++ {
						start := time.Now()
						if _, err := tr.Step(); err != nil {
							b.Fatal(err)
						}
						took, level := time.Since(start), tr.plan[tr.stage].Level
						least := &later[level]
						if level != was {
							least = &first[level]
						}
						if *least == 0 || took < *least {
							*least = took
						}
						was = level
					}
				}
				for level := 1; level < 3; level++ {
					b.ReportMetric(float64(first[level])/float64(later[level])-1, fmt.Sprintf("steps-to-%d-blocks", o.Levels[level]))
				}
			})
		}
	}
}
