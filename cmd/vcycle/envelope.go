package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/vcycle-go/vcycle/multilevel"
)

// envelopeCmd puts comparisons of several budgets together.
type envelopeCmd struct {
	Comparisons []string `arg:"" name:"comparison" help:"Directories of finished comparisons (vcycle compare --out) that differ in --steps only, two or more."`
	Out         string   `required:"" placeholder:"DIR" help:"Directory for envelope.md and a picture for each learning rate schedule."`
}

// Help is the detailed help.
func (envelopeCmd) Help() string {
	return "Every point is a fully decayed run of its own budget. The envelope is the lowest loss of single-level training at any depth, at each budget; " +
		"a schedule is worth its name where it ends below. How long single-level training takes to the loss of a schedule is read off between two budgets, " +
		"on a straight line over the logarithm of the time.\n\n" +
		"Examples:\n\n" +
		"  vcycle envelope runs/compare-300 runs/compare-1000 --out runs/envelope\n\n" + exitCodes
}

// budget is one comparison: what single-level training and schedules reach in a time.
type budget struct {
	seconds   float64
	perTokens float64 // tokens per parameter of the full depth, trained from the start
	rows      []compareRow
}

// Run writes the table and the pictures.
func (c *envelopeCmd) Run(s *session) error {
	var first *comparison
	var budgets []budget
	for _, dir := range c.Comparisons {
		with, rows, err := readComparison(dir)
		if err != nil {
			return err
		}
		if first == nil {
			first = with
		} else if err := sameButSteps(c.Comparisons[0], first, dir, with); err != nil {
			return err
		}
		tokens := float64(with.Settings.Steps) * float64(with.Settings.Batch) * float64(with.Settings.Context)
		budgets = append(budgets, budget{float64(with.Settings.Steps) * with.full().Seconds, tokens / float64(max(1, with.Parameters)), rows})
	}
	if len(budgets) < 2 {
		return badf("vcycle envelope: an envelope needs comparisons of two budgets or more")
	}
	slices.SortFunc(budgets, func(a, b budget) int { return cmp.Compare(a.seconds, b.seconds) })
	if err := os.MkdirAll(c.Out, 0o777); err != nil {
		return badf("--out %s cannot be written: %w", c.Out, plainPathError(err))
	}
	var text strings.Builder
	set := first.Settings
	fmt.Fprintf(&text, "# %s, width %d, context %d, %s: the envelope of single-level training\n\n", blocks(set.Blocks), set.Width, set.Context, set.Optimizer)
	for _, lr := range learningRateSchedules(budgets) {
		e := newEnvelope(lr, set.Blocks, budgets)
		if len(e.depths) == 0 {
			return badf("%s: no single-level run with the schedule %s has a loss: there is no envelope", strings.Join(c.Comparisons, ", "), lr)
		}
		fmt.Fprintf(&text, "Learning rate: %s. Validation losses, means over the seeds (range).\n\n%s\n%s\n", lr, e.losses(), e.savings())
		p, err := e.plot()
		if err != nil {
			return err
		}
		if err := writePlot(filepath.Join(c.Out, "envelope-"+lr+".png"), p); err != nil {
			return err
		}
	}
	if err := writeFile(filepath.Join(c.Out, "envelope.md"), []byte(text.String())); err != nil {
		return err
	}
	fmt.Fprint(s.stdout, text.String())
	return nil
}

// readComparison reads what a finished comparison leaves.
func readComparison(dir string) (*comparison, []compareRow, error) {
	with, rows := &comparison{}, []compareRow{}
	for _, f := range []struct {
		name string
		to   any
	}{{"comparison.json", with}, {"compare.json", &rows}} {
		path := filepath.Join(dir, f.name)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, badf("%w: no finished comparison is there", plainPathError(err))
		}
		if err := json.Unmarshal(text, f.to); err != nil {
			return nil, nil, badf("%s: %w", path, err)
		}
	}
	if err := with.check(); err != nil {
		return nil, nil, badf("%s: %w", filepath.Join(dir, "comparison.json"), err)
	}
	if t := float64(with.Settings.Steps) * with.full().Seconds; !(t > 1e-9 && t < 1e12) {
		return nil, nil, badf("%s: %d steps of %g s are no training", filepath.Join(dir, "comparison.json"), with.Settings.Steps, with.full().Seconds)
	}
	for i := range rows {
		if err := rows[i].check(); err != nil {
			return nil, nil, badf("%s: row %d: %w", filepath.Join(dir, "compare.json"), i+1, err)
		}
	}
	return with, rows, nil
}

// check refuses what no comparison has written, and no picture can show.
func (r *compareRow) check() error {
	const most = 1e9
	switch {
	case r.Name == "" || strings.ContainsAny(r.Name, "/\\ \n"):
		return fmt.Errorf("%q is no name of a schedule", r.Name)
	case r.LRSchedule != multilevel.WSD && r.LRSchedule != multilevel.Cosine:
		return fmt.Errorf("lr schedule %q is unknown", r.LRSchedule)
	case !(r.Mean >= 0 && r.Mean < most) || !(r.Spread >= 0 && r.Spread < most):
		return fmt.Errorf("a mean loss of %g, with a range of %g", r.Mean, r.Spread)
	}
	return nil
}

// sameButSteps refuses comparisons of which one says nothing about the other.
func sameButSteps(a string, with *comparison, b string, other *comparison) error {
	x, y := with.Settings, other.Settings
	y.Steps, y.Warmup, y.ValEvery, y.SaveEvery, y.Threads = x.Steps, x.Warmup, x.ValEvery, x.SaveEvery, x.Threads
	one, _ := json.Marshal(x)
	two, _ := json.Marshal(y)
	if string(one) != string(two) || with.Data != other.Data {
		return badf("%s and %s are comparisons of other networks, data or training: they may differ in --steps only", a, b)
	}
	return nil
}

func learningRateSchedules(budgets []budget) (all []string) {
	for _, b := range budgets {
		for _, r := range b.rows {
			if !slices.Contains(all, r.LRSchedule) {
				all = append(all, r.LRSchedule)
			}
		}
	}
	return all
}

// envelope is the losses over the budgets, by name; of what has a mean over all seeds.
type envelope struct {
	budgets []budget
	depths  []string // the names of single-level runs, the full depth first
	ways    []string
	blocks  int
	at      map[string][]*compareRow // by name, of each budget; nil: there is none
	lowest  []*compareRow            // of the depths
}

func newEnvelope(lr string, blocks int, budgets []budget) *envelope {
	e := &envelope{budgets: budgets, blocks: blocks, at: map[string][]*compareRow{}, lowest: make([]*compareRow, len(budgets))}
	for i, b := range budgets {
		for j := range b.rows {
			r := &b.rows[j]
			if r.LRSchedule != lr || len(r.Diverged) > 0 {
				continue
			}
			single := r.Name == compareBaseline || strings.HasPrefix(r.Name, compareShallow)
			if e.at[r.Name] == nil {
				e.at[r.Name] = make([]*compareRow, len(budgets))
				if single {
					e.depths = append(e.depths, r.Name)
				} else {
					e.ways = append(e.ways, r.Name)
				}
			}
			e.at[r.Name][i] = r
			if single && (e.lowest[i] == nil || r.Mean < e.lowest[i].Mean) {
				e.lowest[i] = r
			}
		}
	}
	return e
}

// depth is the name of a single-level run in words.
func (e *envelope) depth(name string) string {
	if name == compareBaseline {
		return blocks(e.blocks)
	}
	if name == compareShallow+"1" {
		return blocks(1)
	}
	return strings.TrimPrefix(name, compareShallow) + " blocks"
}

// losses returns the table of losses; the lowest of each budget's single-level runs is bold.
func (e *envelope) losses() string {
	var b strings.Builder
	b.WriteString("| time of the steps | tokens per parameter |")
	for _, name := range e.depths {
		fmt.Fprintf(&b, " %s |", e.depth(name))
	}
	for _, name := range e.ways {
		fmt.Fprintf(&b, " %s |", name)
	}
	b.WriteString("\n" + strings.Repeat("|---", 2+len(e.depths)+len(e.ways)) + "|\n")
	for i, budget := range e.budgets {
		fmt.Fprintf(&b, "| %s | %.3g |", clock(budget.seconds), budget.perTokens)
		for _, name := range slices.Concat(e.depths, e.ways) {
			switch r := e.at[name][i]; {
			case r == nil:
				b.WriteString(" – |")
			case r == e.lowest[i]:
				fmt.Fprintf(&b, " **%.4f** (%s) |", r.Mean, r.spread())
			default:
				fmt.Fprintf(&b, " %.4f (%s) |", r.Mean, r.spread())
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// savings returns the table of the time that each schedule saves to its loss, against training at full depth
// and against the best depth, and says where it ends below the envelope.
func (e *envelope) savings() string {
	var b strings.Builder
	b.WriteString("| schedule | time of the steps | less time to its loss than full depth | than the best depth | against the envelope |\n|---|---|---|---|---|\n")
	for _, name := range e.ways {
		for i, r := range e.at[name] {
			if r == nil || e.lowest[i] == nil {
				continue
			}
			d, noise := r.Mean-e.lowest[i].Mean, max(r.Spread, e.lowest[i].Spread)
			where := fmt.Sprintf("%.4f above", d)
			switch {
			case len(r.Losses) < 2 && d < 0:
				where = fmt.Sprintf("%.4f below, one seed", -d)
			case len(r.Losses) < 2:
				where += ", one seed"
			case math.Abs(d) <= noise:
				where = fmt.Sprintf("on it: %+.4f, within the range over seeds", d)
			case d < 0:
				where = fmt.Sprintf("%.4f below", -d)
			}
			t := e.budgets[i].seconds
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, clock(t), e.saving(e.at[compareBaseline], r.Mean, t), e.saving(e.lowest, r.Mean, t), where)
		}
	}
	return b.String()
}

// saving is the share of the time that single-level training needs to a loss and seconds are less than.
func (e *envelope) saving(rows []*compareRow, loss, seconds float64) string {
	var before *compareRow
	var start float64
	last := 0.0
	for i, r := range rows {
		if r == nil {
			continue
		}
		t := e.budgets[i].seconds
		if r.Mean <= loss {
			if before == nil {
				if t == seconds { // not less time, and how much more is not known
					return "none"
				}
				return "–"
			}
			w := (before.Mean - loss) / (before.Mean - r.Mean)
			needs := math.Exp(math.Log(start) + float64(w*(math.Log(t)-math.Log(start))))
			return fmt.Sprintf("%.0f%%", 100*(1-seconds/needs))
		}
		before, start, last = r, t, t
	}
	if last > seconds {
		return fmt.Sprintf("more than %.0f%%", 100*(1-seconds/last))
	}
	return "not reached in that time"
}

// plot draws the losses against the time: lines for the depths, a wide one for their envelope, marks for the
// schedules.
func (e *envelope) plot() (*plot.Plot, error) {
	longest := e.budgets[len(e.budgets)-1].seconds
	label, unit := scaleTime(longest)
	p := newPlot("", label, "validation loss, nats per token")
	p.Add(newGrid())
	points := func(rows []*compareRow) (xy plotter.XYs) {
		for i, r := range rows {
			if r != nil {
				xy = append(xy, plotter.XY{X: e.budgets[i].seconds / unit, Y: r.Mean})
			}
		}
		return xy
	}
	wide, err := plotter.NewLine(points(e.lowest))
	if err != nil {
		return nil, err
	}
	wide.LineStyle = draw.LineStyle{Color: color.Gray{0xcc}, Width: vg.Points(6)}
	p.Add(wide)
	p.Legend.Add("envelope", wide)
	for i, name := range e.depths {
		line, err := plotter.NewLine(points(e.at[name]))
		if err != nil {
			return nil, err
		}
		line.LineStyle = draw.LineStyle{Color: color.Gray{uint8(min(0x90, 0x38*i))}, Width: vg.Points(1.75), Dashes: plotutil.Dashes(i)}
		p.Add(line)
		p.Legend.Add(e.depth(name), line)
	}
	for i, name := range e.ways {
		line, marks, err := plotter.NewLinePoints(points(e.at[name]))
		if err != nil {
			return nil, err
		}
		line.LineStyle = draw.LineStyle{Color: plotutil.Color(i), Width: vg.Points(1)}
		marks.GlyphStyle = draw.GlyphStyle{Color: plotutil.Color(i), Radius: vg.Points(3.5), Shape: plotutil.Shape(i)}
		p.Add(line, marks)
		p.Legend.Add(name, line, marks)
	}
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = plot.LogTicks{Prec: -1}
	p.X.Min, p.X.Max = e.budgets[0].seconds/unit/1.05, longest/unit*1.05
	return p, nil
}
