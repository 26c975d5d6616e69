package kernels

import "fmt"

// Gather computes y[i,:] = table[indices[i],:], the rows of an embedding, on Threads() goroutines. table
// and y have rows of cols elements without gaps, y as many as there are indices. y must not overlap table.
//
// It panics, before anything is written, if cols is less than 1, table is not made of such rows, y not of
// as many as there are indices, or an index is not that of a row.
func Gather(cols int, table []float32, indices []int32, y []float32) {
	checkIndices("Gather", "y", cols, table, indices, y)
	run := active.gather
	if len(y) <= block && len(indices) <= block {
		run(cols, table, indices, y)
		return
	}
	if past := active.gatherPast; past != nil && cols%16 == 0 && untilLine(y) == 0 && beyondCaches(len(y)+min(len(y), len(table))) {
		run = past
	}
	t := rowTasks.take()
	t.gather = gatherTask{rowTask{cols, table, indices, y}, run}
	Parallel(len(indices), max(1, block/cols), &t.gather)
	t.gather = gatherTask{}
	rowTasks.give(t)
}

// ScatterAdd computes table[indices[i],:] += x[i,:], the gradient of Gather, on Threads() goroutines. Rows
// with the same index are added in the order of i, by one goroutine, so that the bits are the same for any
// number of them. The shapes are those of Gather with x for y. x must not overlap table.
//
// It panics, before anything is written, if cols is less than 1, table is not made of such rows, x not of
// as many as there are indices, or an index is not that of a row.
func ScatterAdd(cols int, x []float32, indices []int32, table []float32) {
	checkIndices("ScatterAdd", "x", cols, table, indices, x)
	// A table that fits in the second-level cache of a core is best left there.
	parts, near := 1, len(table) <= 1<<18
	if len(x) > block && !near {
		parts = Threads()
	}
	if near && len(x) <= block && len(indices) <= block {
		for i, index := range indices {
			active.axpy(1, x[i*cols:(i+1)*cols], table[int(index)*cols:][:cols])
		}
		return
	}
	t := rowTasks.take()
	t.scatter = scatterTask{rowTask{cols, table, indices, x}, parts, near}
	Parallel(parts, 1, &t.scatter)
	t.scatter = scatterTask{}
	rowTasks.give(t)
}

// checkIndices panics unless rows, which holds a row of cols for each index, and table fit together.
func checkIndices(fn, name string, cols int, table []float32, indices []int32, rows []float32) {
	if cols < 1 || len(table)%cols != 0 {
		panic(fmt.Sprintf("kernels: %s: the %d elements of table are not rows of %d", fn, len(table), cols))
	}
	if len(rows)%cols != 0 || len(rows)/cols != len(indices) {
		panic(fmt.Sprintf("kernels: %s: %s has %d elements, which are not %d rows of %d", fn, name, len(rows), len(indices), cols))
	}
	n := len(table) / cols
	for i, index := range indices {
		if uint(index) >= uint(n) {
			panic(fmt.Sprintf("kernels: %s: indices[%d] is %d, and table has %d rows", fn, i, index, n))
		}
	}
}

type rowTask struct {
	cols    int
	table   []float32
	indices []int32
	rows    []float32
}

type gatherTask struct {
	rowTask
	run func(cols int, table []float32, indices []int32, y []float32)
}

// scatterTask adds the rows whose index is k modulo parts in part k. Parts of the columns are slower on more
// than one core: they divide what the prefetchers fetch together.
type scatterTask struct {
	rowTask
	parts int
	near  bool // there is nothing to fetch
}

var rowTasks freeList[struct {
	gather  gatherTask
	scatter scatterTask
}]

// Run copies rows [lo, hi).
func (t *gatherTask) Run(_, lo, hi int) {
	t.run(t.cols, t.table, t.indices[lo:hi], t.rows[lo*t.cols:hi*t.cols])
}

// Run does parts [lo, hi).
func (t *scatterTask) Run(_, lo, hi int) {
	for part := lo; part < hi; part++ {
		last := -1 // the row to be added, whose successor is not known yet
		for i, index := range t.indices {
			if t.parts == 1 || int(index)%t.parts == part {
				t.add(last, i)
				last = i
			}
		}
		t.add(last, last)
	}
}

// add adds row i, unless it is −1, with a view to row next.
func (t *scatterTask) add(i, next int) {
	if i < 0 {
		return
	}
	c := t.cols
	if t.near {
		Axpy(1, t.rows[i*c:(i+1)*c], t.table[int(t.indices[i])*c:][:c])
		return
	}
	x, y, z := t.rows[i*c:(i+1)*c], t.table[int(t.indices[i])*c:], t.table[int(t.indices[next])*c:]
	for lo := 0; lo < c; lo += block {
		hi := min(lo+block, c)
		active.addRow(x[lo:hi], y[lo:hi], z[lo:hi])
	}
}
