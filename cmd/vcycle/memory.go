package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime/debug"
	"unsafe"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/multilevel"
	"github.com/vcycle-go/vcycle/nn"
)

// footprint is the memory that the process of a run takes at the most, in bytes, by part.
type footprint struct {
	nn.Memory
	Data    int64 `json:"data"`
	Program int64 `json:"program"` // code, Go's runtime and the packing buffers of the kernels
	Peak    int64 `json:"peak"`
}

// footprint returns that of the planned run on so many bytes of data.
func (p *plan) footprint(data int64) footprint {
	f := footprint{Memory: p.memory, Data: data, Program: p.programMemory()}
	f.Peak = max(f.Total()+data, p.loading) + f.Program
	return f
}

const (
	// startMemory is what a process has before its data and its network where that cannot be told.
	startMemory = 21 << 20
	// laterMemory is what comes while it trains: code that has not run yet, what Go's runtime notes about the heap,
	// writing a checkpoint.
	laterMemory = 2 << 20
	// logMemory is what the log of a step takes in memory, where it grows by a quarter at a time.
	logMemory = int64(unsafe.Sizeof(multilevel.Metrics{})) * 5 / 4
	// mostLogged is how many steps the log is planned for: more are asked for where something else ends the run, and are
	// no reason to refuse it.
	mostLogged = 1_000_000
)

// programMemory estimates what a process has beside its data and the network: what it has now, what comes, the log,
// and for each thread a block of both operands of a product, as the kernels pack them.
func (p *plan) programMemory() int64 {
	c := p.finest().config
	const high, deep, wide = 256, 512, 4096
	packed := high*deep + max(min(wide, 4*c.Width)*deep, min(wide, c.Vocab)*min(deep, c.Width)) // in the blocks, in the head
	steps := min(int64(p.steps()), p.logged)
	return cmp.Or(p.present, startMemory) + laterMemory + steps*logMemory + int64(kernels.Threads())*4*int64(packed)
}

// begin takes down what the process has before there is a network: with data in memory, and what reading them took.
func (p *plan) begin(data, loading int64) {
	debug.FreeOSMemory() // files that have been put together
	p.logged, p.loading = mostLogged, loading
	if n := presentMemory(); n > data {
		p.present = n - data
	}
}

// checkMemory refuses a run that takes more memory, with so many like it at a time, than the machine has, of which
// 0 says that it is not known, before the attempt to get it ends the process.
func (p *plan) checkMemory(data, machine int64, runs int) error {
	f := p.footprint(data)
	// A part that is negative has overflowed.
	if machine > 0 && (f.Peak > machine/int64(runs) || min(f.Parameters, f.Moments, f.Activations, f.Peak) < 0) {
		many, less := "", ""
		if runs > 1 {
			many, less = fmt.Sprintf(" for %d runs at a time", runs), "fewer --jobs, "
		}
		return badf("the run takes %s, but this process may have no more than %s%s: use %s--recompute, a larger --accumulate, or a smaller width, context, batch or fewer blocks",
			p.describeMemory(data), byteSize(float64(machine)), many, less)
	}
	return nil
}

// describeMemory returns one line on the memory that the run takes at the most, by part.
func (p *plan) describeMemory(data int64) string {
	f := p.footprint(data)
	size := func(n int64) string { return byteSize(float64(n)) }
	total := float64(f.Parameters) + float64(f.Gradients) + float64(f.Moments) + float64(f.Activations) // beyond an int64 too
	return fmt.Sprintf("%s: parameters %s, gradients %s, moments %s, activations %s, data %s, program %s",
		byteSize(max(total+float64(data), float64(p.loading))+float64(f.Program)),
		size(f.Parameters), size(f.Gradients), size(f.Moments), size(f.Activations), size(f.Data), size(f.Program))
}

// keepHeapTight lets the heap grow by a twentieth before garbage is collected, unless the user has said
// by how much. Training makes next to no garbage, and its memory holds no pointers to look at: collecting
// often costs nothing, and seldom would take as much memory again.
func keepHeapTight() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(5)
	}
}
