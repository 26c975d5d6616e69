package main

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vcycle-go/vcycle/multilevel"
)

// compareRow is a line of the table: means over the seeds.
type compareRow struct {
	Name        string    `json:"name"`
	LRSchedule  string    `json:"lr_schedule"`
	tuning                // the best of the grid
	Losses      []float64 `json:"losses"`                   // final validation losses, by seed; none where all rates diverged
	Diverged    []int64   `json:"diverged,omitempty"`       // seeds, which the means leave out
	BadRates    []float64 `json:"diverged_rates,omitempty"` // rates of the grid that diverged with the first seed, at a residual scale at least
	Mean        float64   `json:"mean"`
	Spread      float64   `json:"spread"` // largest less smallest
	Seconds     float64   `json:"seconds"`
	FLOPsBlocks float64   `json:"flops_blocks"`
	FLOPsTotal  float64   `json:"flops_total"`
	// What it took until the validation loss was first at most the baseline's mean final one, read in the
	// middle of a run that has not decayed by then; of the seeds that came there.
	Reached     int     `json:"reached"`
	Reach       float64 `json:"reach_seconds,omitempty"`
	ReachBlocks float64 `json:"reach_flops_blocks,omitempty"`
	ReachTotal  float64 `json:"reach_flops_total,omitempty"`
}

// report writes compare.md, compare.json and the plots, and prints the table.
func (c *compareCmd) report(s *session, with *comparison) error {
	var text strings.Builder
	var rows []compareRow
	fmt.Fprintf(&text, "# %s, width %d, context %d, %s: the time of %s for each\n\n", blocks(c.Blocks), c.Width, c.Context, c.Optimizer, plural(c.Steps, "single-level step"))
	for _, lr := range c.LRSchedules {
		var table []compareRow
		for _, name := range c.names() {
			row, err := c.row(with, name, lr, table)
			if err != nil {
				return err
			}
			table = append(table, row)
		}
		fmt.Fprintf(&text, "Learning rate: %s\n\n%s\n%s\n", lr, markdown(table), verdict(table, c.Blocks))
		rows = append(rows, table...)
		for _, axis := range compareAxes {
			if err := c.plot(with, lr, axis, table); err != nil {
				s.warn("%v", err)
			}
		}
	}
	out, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(c.Out, "compare.json"), append(out, '\n')); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(c.Out, "compare.md"), []byte(text.String())); err != nil {
		return err
	}
	fmt.Fprint(s.stdout, text.String())
	return nil
}

// row reads the runs of one name. The first of the table is the baseline.
func (c *compareCmd) row(with *comparison, name, lr string, table []compareRow) (compareRow, error) {
	best, err := c.best(name, lr)
	r := compareRow{Name: name, LRSchedule: lr, tuning: best, Losses: []float64{}}
	if err != nil && err != errAllDiverged {
		return r, err
	}
	for _, bad := range c.grid() {
		if (cell{name, lr, bad, c.Seeds[0]}).dir(c.Out).hasDiverged() && !slices.Contains(r.BadRates, bad.Rate) {
			r.BadRates = append(r.BadRates, bad.Rate)
		}
	}
	if err != nil {
		r.Diverged = c.Seeds
		return r, nil
	}
	var seeds []int64
	for _, seed := range c.Seeds {
		if (cell{name, lr, best, seed}).dir(c.Out).hasDiverged() {
			r.Diverged = append(r.Diverged, seed)
		} else {
			seeds = append(seeds, seed)
		}
	}
	n := float64(len(seeds))
	lowest, highest := math.Inf(1), math.Inf(-1)
	runs := make([][]multilevel.Metrics, len(seeds))
	for i, seed := range seeds {
		x := cell{name, lr, best, seed}
		_, sum, err := readRun(x.dir(c.Out))
		if err != nil {
			return r, err
		}
		if runs[i], err = c.metrics(with, x); err != nil {
			return r, err
		}
		r.Losses = append(r.Losses, sum.FinalValLoss)
		r.Mean += sum.FinalValLoss / n
		r.Seconds += wallAxis.end(runs[i]) / n
		r.FLOPsBlocks += sum.FLOPsBlocks / n
		r.FLOPsTotal += sum.FLOPsTotal / n
		lowest, highest = min(lowest, sum.FinalValLoss), max(highest, sum.FinalValLoss)
	}
	r.Spread = highest - lowest
	target := r.Mean
	if len(table) > 0 {
		target = table[0].Mean
	}
	for _, metrics := range runs {
		for _, m := range metrics {
			if m.ValLoss != nil && *m.ValLoss <= target {
				r.Reached++
				r.Reach += m.WallSeconds
				r.ReachBlocks += m.FLOPsBlocks
				r.ReachTotal += m.FLOPsTotal
				break
			}
		}
	}
	if k := float64(r.Reached); k > 0 {
		r.Reach, r.ReachBlocks, r.ReachTotal = r.Reach/k, r.ReachBlocks/k, r.ReachTotal/k
	}
	return r, nil
}

// metrics returns those of a run, at the measured times.
func (c *compareCmd) metrics(with *comparison, x cell) ([]multilevel.Metrics, error) {
	all, err := x.dir(c.Out).readMetrics()
	with.retime(all)
	return all, err
}

// markdown returns the table, costs as shares of the baseline's.
func markdown(table []compareRow) string {
	var b strings.Builder
	b.WriteString("| | rate | validation loss, mean (range) | wall-clock | FLOPs, blocks | FLOPs, all | to the baseline's loss: wall-clock | FLOPs, blocks | FLOPs, all |\n|---|---|---|---|---|---|---|---|---|\n")
	base := table[0]
	for _, r := range table {
		if len(r.Losses) == 0 {
			fmt.Fprintf(&b, "| %s | (diverged: %s) | diverged at all rates | | | | not reached | | |\n", r.Name, strings.Trim(fmt.Sprint(r.BadRates), "[]"))
			continue
		}
		reach := "not reached | | |"
		if r.Reached > 0 {
			reach = fmt.Sprintf("%s | %s | %s |", percent(r.Reach, base.Seconds), percent(r.ReachBlocks, base.FLOPsBlocks), percent(r.ReachTotal, base.FLOPsTotal))
			if r.Reached < len(r.Losses) {
				reach = fmt.Sprintf("(%d of %d seeds) ", r.Reached, len(r.Losses)) + reach
			}
		}
		rate, loss := fmt.Sprint(r.Rate), fmt.Sprintf("%.4f (%s)", r.Mean, r.spread())
		if r.Scale != 0 {
			rate += fmt.Sprintf(", h = %g", r.Scale)
		}
		if len(r.BadRates) > 0 {
			rate += fmt.Sprintf(" (diverged: %s)", strings.Trim(fmt.Sprint(r.BadRates), "[]"))
		}
		if k := len(r.Diverged); k > 0 {
			loss = fmt.Sprintf("diverged (%d of %d seeds); the others ", k, k+len(r.Losses)) + loss
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s\n", r.Name, rate, loss, clock(r.Seconds), flops(r.FLOPsBlocks), flops(r.FLOPsTotal), reach)
	}
	return b.String()
}

// spread is the range in words: one run has none.
func (r compareRow) spread() string {
	if len(r.Losses) < 2 {
		return "one seed"
	}
	return fmt.Sprintf("%.4f", r.Spread)
}

// verdict says in words what the two controls mean.
func verdict(table []compareRow, full int) string {
	base := table[0]
	if len(base.Diverged) > 0 {
		return "Single-level training diverged with some of the seeds: nothing can be said against it. Give lower --rates.\n"
	}
	var best, shallow compareRow
	for _, r := range table[1:] {
		if len(r.Diverged) > 0 { // the mean of the others says too much for it
			continue
		}
		to := &best
		if strings.HasPrefix(r.Name, compareShallow) {
			to = &shallow
		}
		if to.Name == "" || r.Mean < to.Mean {
			*to = r
		}
	}
	var b strings.Builder
	noise := max(base.Spread, best.Spread)
	beyond, within := "beyond the range over seeds", "within the range over seeds"
	if len(base.Losses) == 1 {
		beyond, within = "of one seed, no range", "of one seed, no range"
	}
	if best.Name != "" {
		switch d := base.Mean - best.Mean; {
		case d > noise:
			fmt.Fprintf(&b, "%s, the best schedule, ends %.4f nats per token below single-level training for the same time, %s.\n", best.Name, d, beyond)
		case d < -noise:
			fmt.Fprintf(&b, "No schedule comes up to single-level training for the same time: %s, the best, ends %.4f above it, %s.\n", best.Name, -d, beyond)
		default:
			fmt.Fprintf(&b, "%s, the best schedule, and single-level training for the same time differ by %.4f, %s.\n", best.Name, math.Abs(d), within)
		}
	}
	if shallow.Name == "" {
		return b.String() + "No shallower network was trained with all seeds: whether depth pays is not known.\n"
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(shallow.Name, compareShallow))
	alone := blocks(n) + " alone"
	deep := base // the better of the baseline and the best schedule
	if best.Name != "" && best.Mean < base.Mean {
		deep = best
	}
	fmt.Fprint(&b, "The verdict of the control: ")
	switch noise := max(deep.Spread, shallow.Spread); {
	case math.Abs(shallow.Mean-deep.Mean) <= noise:
		fmt.Fprintf(&b, "training %s, at %.4f, and %s, at %.4f, are %s: whether depth pays at this budget is open.\n", alone, shallow.Mean, deep.Name, deep.Mean, within)
	case shallow.Mean < deep.Mean:
		fmt.Fprintf(&b, "training %s ends lowest for the same time, at %.4f, %s. Depth was not worth training at this budget, and what a schedule saves by passing through fewer blocks it saves by being shallow.\n", alone, shallow.Mean, beyond)
	case shallow.Mean < base.Mean:
		place := "below"
		if base.Mean-shallow.Mean <= max(base.Spread, shallow.Spread) {
			place = within + " of"
		}
		fmt.Fprintf(&b, "training %s, at %.4f, ends above the best schedule, %s, and %s %d from the start.\n", alone, shallow.Mean, beyond, place, full)
	default:
		fmt.Fprintf(&b, "depth pays at this budget: the best shallower network, %s, ends at %.4f, %s.\n", alone, shallow.Mean, beyond)
	}
	return b.String()
}

// compareAxes are what the loss is drawn against.
var compareAxes = []string{"wall", "flops-blocks", "flops-all", "steps"}

// plot draws the validation losses of the first seed.
func (c *compareCmd) plot(with *comparison, lr, against string, table []compareRow) error {
	x := axisNamed(against)
	var curves []runCurve
	for _, r := range table {
		if len(r.Losses) == 0 {
			continue
		}
		metrics, err := c.metrics(with, cell{r.Name, lr, r.tuning, c.Seeds[0]})
		if err != nil {
			return err
		}
		curves = append(curves, newRunCurve(r.Name, metrics, x, true))
	}
	p, err := plotRuns(curves, x, "validation loss, nats per token")
	if err != nil {
		return err
	}
	return writePlot(filepath.Join(c.Out, fmt.Sprintf("%s-%s.png", lr, against)), p)
}
