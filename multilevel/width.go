package multilevel

import (
	"slices"

	"github.com/vcycle-go/vcycle/nn"
)

// The other axes of the hierarchy. A level k times as wide has every channel of the residual stream and of the
// perceptron, and every head, k times: channel i of the wide network is channel i mod n of the narrow one
// (Zou et al., A Multi-Level Framework for Accelerating Training Transformer Models, ICLR 2024, §3.2, coalesce
// i and i + n). What a layer writes is there k times, and what it reads is shared among the k, so that for a
// matrix W [in, out]
//
//	P: W'[i', j'] = s(i')·W[i, j],  Σ s over the copies of i is 1;    R: W[i, j] = Σ over i' of the mean over j' of W'[i', j']
//
// and the wide network computes what the narrow one does, whatever it is: a LayerNorm of copies is copies, and the
// head, which is the token embedding, reads them from a final LayerNorm that shares. R·P is the identity. With equal
// shares, s = 1/k, the copies of a channel would have equal gradients, and remain copies: k times the cost for
// nothing. Where nothing breaks the tie, the shares are therefore unequal (Wang et al., LEMON: Lossless model
// expansion, ICLR 2024, §4); where the wide network keeps a part of its own parameters they are equal, and Pᵀ is R
// but for the factor k of what is written, and 1/k of what is read.
//
// The optimizer's moments are those of gradients: with g the narrow network's, each copy of a channel that is
// written has the gradient g/k, and what is read has g. So m' = m/k and v' = v/k² in the first case, and the same in
// the second; R is their left inverse.
//
// A level whose context is shorter has the first positions. Longer ones, which no step has seen, are the positions
// i mod T of the shorter context, unless the level has its own already.

// scaling is what an axis multiplies with: on the way to more channels each copy, on the way to fewer their sum.
type scaling struct {
	reads, writes float64
	uneven        bool // reads are shares that differ
}

// parameterScaling is that of parameters, between widths of which one is k times the other.
func parameterScaling(k float64, widen, uneven bool) scaling {
	if widen {
		return scaling{reads: 1 / k, writes: 1, uneven: uneven}
	}
	return scaling{reads: 1, writes: 1 / k}
}

// momentScaling is that of the s-th moment, counted from 0.
func momentScaling(s int, k float64, widen bool) scaling {
	if widen {
		f := scaling{reads: 1, writes: 1 / k}
		if s == 1 {
			f.writes /= k
		}
		return f
	}
	f := scaling{reads: 1 / k, writes: 1}
	if s == 1 {
		f.writes = k
	}
	return f
}

// share is the part of a channel that the copy has of k: between a half and three halves of 1/k.
func share(channel, copies, copy int) float64 {
	at := func(c int) float64 {
		return 0.5 + float64(mix(uint64(channel)<<16+uint64(c))>>11)/(1<<53)
	}
	sum := 0.0
	for c := range copies {
		sum += at(c)
	}
	return at(copy) / sum
}

// resizing is a map between the layouts of two groups that differ in width or context.
type resizing struct {
	from, to []nn.Entry
	// keep says that longer contexts leave the positions that the shorter one lacks as they are.
	keep bool
}

// apply computes y from x, by entry.
func (r resizing) apply(f scaling, x, y []float32) {
	for i, e := range r.to {
		s := r.from[i]
		r.entry(f, s, e, x[s.Offset:s.Offset+s.Len()], y[e.Offset:e.Offset+e.Len()])
	}
}

// source is an index of an axis that an index of the result takes from, with its factor.
type source struct {
	index  int
	factor float64
}

// entry resizes one entry: each index of the result is a sum of indices of the source on each of its axes.
func (r resizing) entry(f scaling, from, to nn.Entry, x, y []float32) {
	last := len(to.Shape) - 1
	cols := r.axis(f, to.Axes[last], from.Shape[last], to.Shape[last], max(1, to.Parts))
	rows := [][]source{{{0, 1}}}
	if last > 0 {
		rows = r.axis(f, to.Axes[0], from.Shape[0], to.Shape[0], 1)
	}
	n, m := from.Shape[last], to.Shape[last]
	for i, row := range rows {
		if row == nil {
			continue // stays
		}
		for j, col := range cols {
			var sum float64
			for _, a := range row {
				for _, b := range col {
					sum += float64(a.factor * b.factor * float64(x[a.index*n+b.index])) // not fused: the same on every machine
				}
			}
			y[i*m+j] = float32(sum)
		}
	}
}

// axis returns, for each index of the result, those of the source.
func (r resizing) axis(f scaling, axis nn.Axis, from, to, parts int) [][]source {
	all := make([][]source, to)
	for i := range all {
		switch {
		case axis == nn.AxisFixed || axis == nn.AxisContext && i < from:
			all[i] = []source{{i, 1}}
		case axis == nn.AxisContext && r.keep:
		case axis == nn.AxisContext:
			all[i] = []source{{i % from, 1}}
		default:
			all[i] = f.channel(axis, i, from/parts, to/parts)
		}
	}
	return all
}

// channel returns the channels of a width of from that channel i of a width of to takes from; i may be that of a
// later part.
func (f scaling) channel(axis nn.Axis, i, from, to int) (sources []source) {
	part, c := i/to, i%to
	factor := f.writes
	if axis == nn.AxisReads {
		factor = f.reads
	}
	if to >= from {
		if axis == nn.AxisReads && f.uneven {
			factor = share(c%from, to/from, c/from)
		}
		return []source{{part*from + c%from, factor}}
	}
	for ; c < from; c += to {
		sources = append(sources, source{part*from + c, factor})
	}
	return sources
}

// fitting is for what a level takes the parameters of another width and context.
type fitting int

const (
	asNew        fitting = iota // to begin with: unequal shares, positions that nobody has are copies
	toBlend                     // to be interpolated with its own: equal shares, its own positions where others lack them
	asCorrection                // to be added: equal shares, nothing there
)

// resize returns groups of one level in the layout of another, whose groups into are: as many blocks as before, of
// the other's width and context.
func resize(groups, into []*nn.Group, from, to nn.Config, how fitting) []*nn.Group {
	if from.Width == to.Width && from.Context == to.Context {
		return groups
	}
	widen := to.Width >= from.Width
	k := float64(max(to.Width, from.Width)) / float64(min(to.Width, from.Width))
	resized := make([]*nn.Group, len(groups))
	for i, g := range groups {
		like := into[min(i, 1)]
		r := resizing{g.Entries, like.Entries, how != asNew}
		d := &nn.Group{Name: g.Name, Matrices: like.Matrices, Entries: like.Entries, Steps: g.Steps, Theta: make([]float32, len(like.Theta))}
		if i == 0 && how == toBlend {
			copy(d.Theta, like.Theta)
		}
		r.apply(parameterScaling(k, widen, how == asNew), g.Theta, d.Theta)
		for s, m := range g.Moments {
			v := make([]float32, len(like.Theta))
			if i == 0 && how == toBlend && len(like.Moments) == len(g.Moments) {
				copy(v, like.Moments[s])
			}
			r.apply(momentScaling(s, k, widen), m, v)
			d.Moments = append(d.Moments, v)
		}
		resized[i] = d
	}
	return resized
}

// pullBack computes Pᵀ·g of a vector of the group from, for the group to of a network 1/k times as wide, with P as
// for a correction.
func pullBack(from, to *nn.Group, k float64, g []float32) []float32 {
	y := make([]float32, len(to.Theta))
	resizing{from.Entries, to.Entries, true}.apply(momentScaling(0, k, false), g, y)
	return y
}

// sameAxes tells whether two levels differ in depth only.
func (o Options) sameAxes(a, b Level) bool {
	x, y := o.Config(a), o.Config(b)
	return x.Width == y.Width && x.Context == y.Context
}

// checkAxes refuses widths and contexts of levels that do not fit each other, the finest level or the schedule.
func (o Options) checkAxes(s schedule) error {
	if len(o.LevelWidths) == 0 && len(o.LevelContexts) == 0 {
		return nil
	}
	if !s.axes {
		var able []string
		for _, s := range schedules {
			if s.axes {
				able = append(able, s.name)
			}
		}
		return axesError(s.name, able)
	}
	if err := o.validateModel(); err != nil { // Plan takes options that nobody has validated
		return err
	}
	head := o.Width / o.Heads
	for _, a := range []struct {
		name   string
		values []int
		last   int
		unit   int
		why    string
	}{
		{"level widths", o.LevelWidths, o.Width, head, "heads keep their size"},
		{"level contexts", o.LevelContexts, o.Context, 1, ""},
	} {
		if len(a.values) == 0 {
			continue
		}
		if err := checkAxis(a.name, a.values, len(o.Levels), a.last, a.unit, a.why); err != nil {
			return err
		}
	}
	return nil
}

// levelAxes are those of a level beside the depth.
type levelAxes struct{ width, context int }

// axes returns those of level l, as far as the options, which may not have been checked, have them.
func (o Options) axes(l int) levelAxes {
	a := levelAxes{o.Width, o.Context}
	if l < len(o.LevelWidths) {
		a.width = max(1, o.LevelWidths[l])
	}
	if l < len(o.LevelContexts) {
		a.context = max(1, o.LevelContexts[l])
	}
	return a
}

// grows tells whether level l has more channels or positions than the one before.
func (o Options) grows(l int) bool {
	return len(o.LevelWidths) > l && o.LevelWidths[l] > o.LevelWidths[l-1] || len(o.LevelContexts) > l && o.LevelContexts[l] > o.LevelContexts[l-1]
}

// depths returns the depths of the levels without those that grow in width or context only.
func (o Options) depths() []int {
	var d []int
	for l, n := range o.Levels {
		if l == 0 || n != o.Levels[l-1] || !o.grows(l) {
			d = append(d, n)
		}
	}
	return slices.Clip(d)
}
