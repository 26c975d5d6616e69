package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// sweepCmd trains once for each combination of settings.
type sweepCmd struct {
	Out    string   `group:"run" required:"" placeholder:"DIR" help:"Directory of the sweep: a run for each combination. What is finished there is kept, what was interrupted goes on, what failed is tried again."`
	Grid   []string `group:"run" required:"" sep:"none" placeholder:"KEY=VALUE,…" help:"Values of a setting, separated by commas, or by ; where they hold commas. May be given several times: every combination is trained."`
	Config string   `group:"run" placeholder:"FILE" help:"TOML file with settings that all have."`
	settings
	overrides
}

// Help is the detailed help.
func (sweepCmd) Help() string {
	return "The other flags are those of train, and the same for all. Ends with a table, the lowest validation loss first, which is also in the directory, " +
		"as sweep.md and sweep.json. A combination that diverges, or fails otherwise, does not end the sweep: the table says so, and the exit code is 1 " +
		"if one has failed. Values may be added to the grid later.\n\n" +
		"Examples:\n\n" +
		"  vcycle sweep --grid lr=0.001,0.002,0.004 --grid width=64,128 --data notes/ --out sweeps/width\n" +
		"  vcycle sweep --grid 'levels=3,12;6,12;12' --multilevel nested --time 10m --out sweeps/levels\n" +
		"  vcycle plot sweeps/width/*/ --x flops-all\n\n" + exitCodes
}

// axisOfSweep is a setting with the values that it takes.
type axisOfSweep struct {
	key    string
	values []string
}

// sweepCell is a combination, and what came of it.
type sweepCell struct {
	Values  []string       `json:"values"` // of the keys of the grid, in their order
	Run     string         `json:"run"`
	State   string         `json:"state"` // of runState, or failed
	Error   string         `json:"error,omitempty"`
	ValLoss *float64       `json:"val_loss,omitempty"`
	Summary map[string]any `json:"summary,omitempty"` // of the run
	set     settings
}

const cellFailed = "failed"

// sweepRecord is what a sweep was begun with; what is not the same cannot go on in its directory.
type sweepRecord struct {
	Keys     []string `json:"keys"`
	Settings settings `json:"settings"` // those of the grid as they are without it
	Data     string   `json:"data"`     // SHA-256 of what was read
}

// Run trains what is not finished, and writes the table.
func (c *sweepCmd) Run(s *session, k *kong.Context) error {
	given, err := checkedFlags(k, &c.settings, c.Set)
	if err != nil {
		return err
	}
	axes, err := c.axes(given)
	if err != nil {
		return err
	}
	cells, err := c.cells(s, axes, given)
	if err != nil {
		return err
	}
	trainingProcess()
	if err := c.begin(s, axes, given); err != nil {
		return err
	}
	failed := 0
	for i := range cells {
		if err := c.run(s, &cells[i], i, len(cells)); err != nil {
			return err
		}
		if cells[i].State == cellFailed {
			failed++
		}
	}
	if err := c.report(s, axes, cells); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d runs failed; the same command tries them again", failed, len(cells))
	}
	return nil
}

// axes parses the grid. A key of it is not to be given otherwise.
func (c *sweepCmd) axes(given map[string]bool) ([]axisOfSweep, error) {
	var axes []axisOfSweep
	for _, grid := range c.Grid {
		key, list, found := strings.Cut(grid, "=")
		key = strings.ReplaceAll(strings.TrimSpace(key), "-", "_")
		if !found {
			return nil, badf("--grid %s: give a key and values, such as --grid lr=0.001,0.002", grid)
		}
		if !slices.Contains(settingKeys(), key) {
			return nil, badf("--grid %s: unknown key %q%s", grid, key, didYouMean(key, settingKeys()))
		}
		if given[key] || slices.ContainsFunc(axes, func(a axisOfSweep) bool { return a.key == key }) {
			return nil, badf("--grid %s: %s is given twice", grid, key)
		}
		separator := ","
		if strings.Contains(list, ";") {
			separator = ";"
		}
		a := axisOfSweep{key: key}
		for _, v := range strings.Split(list, separator) {
			if v = strings.TrimSpace(v); slices.Contains(a.values, v) {
				return nil, badf("--grid %s: %q is there twice", grid, v)
			}
			a.values = append(a.values, v)
		}
		axes = append(axes, a)
	}
	return axes, nil
}

// cells returns all combinations, the last key varying fastest, with their settings, which are valid.
func (c *sweepCmd) cells(s *session, axes []axisOfSweep, given map[string]bool) ([]sweepCell, error) {
	const most = 10000
	combinations := [][]string{nil}
	for _, a := range axes {
		var next [][]string
		for _, before := range combinations {
			for _, v := range a.values {
				next = append(next, append(slices.Clone(before), v))
			}
		}
		if combinations = next; len(combinations) > most {
			return nil, badf("--grid: more than %s combinations", commas(most))
		}
	}
	cells := make([]sweepCell, len(combinations))
	for i, values := range combinations {
		flags, all := c.settings, map[string]bool{}
		for key := range given {
			all[key] = true
		}
		var pairs, names []string
		for j, a := range axes {
			pairs = append(pairs, a.key+"="+values[j])
			names = append(names, a.key+"-"+fileName(values[j]))
		}
		for _, pair := range pairs {
			if err := flags.override([]string{pair}, all); err != nil {
				return nil, badf("--grid, %s", strings.TrimPrefix(err.Error(), "--set "))
			}
		}
		if err := oneBudget(all); err != nil {
			return nil, badf("--grid, with %s: %w", strings.Join(pairs, " "), err)
		}
		file, _, err := configured(s, all, defaultSettings(), c.Config, flags)
		if err != nil {
			return nil, badf("--grid, with %s: %w", strings.Join(pairs, " "), err)
		}
		cells[i] = sweepCell{Values: values, Run: filepath.Join(c.Out, strings.Join(names, "_")), set: file.settings}
		for _, other := range cells[:i] {
			if other.Run == cells[i].Run {
				return nil, badf("--grid: %s and %s would have the same directory, %s", strings.Join(other.Values, " "), strings.Join(values, " "), other.Run)
			}
		}
	}
	return cells, nil
}

// fileName returns the value with what a name of a directory should not hold replaced.
func fileName(value string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '+' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '~'
	}, value)
}

// begin makes the directory, or checks that it holds the same sweep.
func (c *sweepCmd) begin(s *session, axes []axisOfSweep, given map[string]bool) error {
	if c.Out == "" {
		return badf("--out: it must not be empty")
	}
	// Without the values of the grid the rest need not fit; what matters is that it is the same.
	file, _, _ := configured(s, given, defaultSettings(), c.Config, c.settings)
	with := sweepRecord{Settings: file.settings}
	for _, a := range axes {
		with.Keys = append(with.Keys, a.key)
	}
	slices.Sort(with.Keys)
	with.Settings.Threads, with.Settings.SaveEvery = 0, defaultSettings().SaveEvery // which change no result
	var err error
	if with.Data, err = c.dataDigest(s, axes, file.settings); err != nil {
		return err
	}
	path := filepath.Join(c.Out, "sweep-settings.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := newOrEmpty(c.Out); err != nil {
			return err
		}
		if err := os.MkdirAll(c.Out, 0o777); err != nil {
			return badf("--out %s cannot be written: %w", c.Out, plainPathError(err))
		}
		if text, err = json.MarshalIndent(with, "", "  "); err != nil {
			return err
		}
		return writeFile(path, append(text, '\n'))
	} else if err != nil {
		return badf("--out %w", plainPathError(err))
	}
	var was sweepRecord
	if err := json.Unmarshal(text, &was); err != nil {
		return badf("%s: %w", path, err)
	}
	a, _ := json.Marshal(was.Settings)
	b, _ := json.Marshal(with.Settings)
	if string(a) != string(b) || !slices.Equal(was.Keys, with.Keys) {
		return badf("--out %s holds a sweep with other settings, or over others: choose another directory", c.Out)
	}
	if was.Data != with.Data {
		return badf("--out %s holds a sweep on other data: choose another directory", c.Out)
	}
	return nil
}

// dataDigest returns the digest of the data, if all runs have the same.
func (c *sweepCmd) dataDigest(s *session, axes []axisOfSweep, set settings) (string, error) {
	for _, a := range axes {
		switch a.key {
		case "data", "tokenizer", "init", "context":
			return "", nil // each run records its own
		}
	}
	d, err := loadDataset(s.ctx, set)
	if err != nil {
		return "", err
	}
	return d.sha256, nil
}

// run trains a combination, if it is not finished.
func (c *sweepCmd) run(s *session, x *sweepCell, i, n int) error {
	dir := runDir(x.Run)
	if _, err := os.Stat(dir.summary()); err != nil && !dir.hasDiverged() {
		if s.ctx.Err() != nil {
			return c.interrupted(s)
		}
		fmt.Fprintf(s.stdout, "%d of %d: %s\n", i+1, n, dir)
		err := dir.ended(s, dir.trainQuietly(s, x.set))
		if errors.Is(err, errInterrupted) {
			return c.interrupted(s)
		}
		if err != nil {
			x.State, x.Error = cellFailed, strings.Join(strings.Fields(err.Error()), " ")
			fmt.Fprintf(s.stdout, "failed: %s\n", x.Error)
			return nil
		}
	}
	state := dir.state()
	x.State, x.Error, x.ValLoss = state.State, state.Problem, state.ValLoss
	switch state.State {
	case runFinished:
		text, err := os.ReadFile(dir.summary())
		if err != nil {
			return plainPathError(err)
		}
		return json.Unmarshal(text, &x.Summary)
	case runDiverged:
		x.ValLoss = nil // of before
	default:
		x.State, x.Error = cellFailed, cmp.Or(x.Error, "the run is "+state.State)
	}
	return nil
}

func (c *sweepCmd) interrupted(s *session) error {
	fmt.Fprintf(s.stdout, "interrupted; the same command continues in %s\n", c.Out)
	return errInterrupted
}

// report writes sweep.md and sweep.json, the lowest loss first, and prints the table.
func (c *sweepCmd) report(s *session, axes []axisOfSweep, cells []sweepCell) error {
	slices.SortStableFunc(cells, func(a, b sweepCell) int { return compareLoss(a.ValLoss, b.ValLoss) })
	var keys []string
	for _, a := range axes {
		keys = append(keys, a.key)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | validation loss | parameters | steps | wall-clock | FLOPs, all | state |\n|%s\n", strings.Join(keys, " | "), strings.Repeat("---|", len(keys)+6))
	for _, x := range cells {
		number := func(key string) float64 {
			v, _ := x.Summary[key].(float64)
			return v
		}
		if x.State != runFinished {
			fmt.Fprintf(&b, "| %s | – | – | – | – | – | %s |\n", strings.Join(x.Values, " | "), x.State)
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", strings.Join(x.Values, " | "), decimal(x.ValLoss), si(number("parameters")),
			commas(int64(number("steps"))), clock(number("wall_seconds")), flops(number("flops_total")), x.State)
	}
	text, err := json.MarshalIndent(map[string]any{"keys": keys, "runs": cells}, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(c.Out, "sweep.json"), append(text, '\n')); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(c.Out, "sweep.md"), []byte(b.String())); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "\n%s", b.String())
	if x := cells[0]; x.State == runFinished {
		fmt.Fprintf(s.stdout, "\nthe best: %s\n", x.Run)
	}
	return nil
}
