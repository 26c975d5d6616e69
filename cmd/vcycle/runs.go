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
	"text/tabwriter"

	"github.com/vcycle-go/vcycle/multilevel"
)

// runsCmd lists runs.
type runsCmd struct {
	Dirs []string `arg:"" optional:"" name:"dir" help:"Run directories, and directories of such. Default: runs."`
	Sort string   `default:"name" enum:"name,loss,time,state" help:"Order: name, loss (validation, lowest first), time (wall-clock) or state."`
	JSON bool     `name:"json" help:"Print an array of objects."`
}

// Help is the detailed help.
func (runsCmd) Help() string {
	return "Lists runs with their state: finished; running, by a process that holds its lock; interrupted, by a signal or a " +
		"crash, which train --resume continues; diverged, for which diverged.txt says why; imported; damaged, where a file cannot be read. " +
		"On a file system without locks, a run that is running counts as interrupted. Losses are the last that have been measured.\n\n" +
		"Examples:\n\n" +
		"  vcycle runs\n" +
		"  vcycle runs runs/* old/ --sort loss\n" +
		"  vcycle runs --json | jq '.[] | select(.state == \"finished\")'\n\n" + exitCodes
}

// The states of a run.
const (
	runFinished    = "finished"
	runRunning     = "running"
	runInterrupted = "interrupted"
	runDiverged    = "diverged"
	runImported    = "imported"
	runDamaged     = "damaged"
)

// runState is what is known of a run.
type runState struct {
	Run         string   `json:"run"`
	State       string   `json:"state"`
	Problem     string   `json:"problem,omitempty"` // of a damaged run
	Process     int      `json:"process,omitempty"` // that trains the run
	Multilevel  string   `json:"multilevel,omitempty"`
	Levels      []int    `json:"levels,omitempty"`
	Step        int      `json:"step"`
	Steps       int      `json:"steps,omitempty"` // of the whole run, if it has no budget of time
	LR          float64  `json:"lr,omitempty"`
	Seed        *int64   `json:"seed,omitempty"`
	TrainLoss   *float64 `json:"train_loss,omitempty"`
	ValLoss     *float64 `json:"val_loss,omitempty"`
	Tokens      int64    `json:"tokens"`
	WallSeconds float64  `json:"wall_seconds"`
	FLOPsBlocks float64  `json:"flops_blocks"`
	FLOPsTotal  float64  `json:"flops_total"`
}

// Run prints a line for each run.
func (c *runsCmd) Run(s *session) error {
	dirs, err := c.find()
	if err != nil {
		return err
	}
	states := make([]runState, len(dirs))
	for i, dir := range dirs {
		states[i] = dir.state()
	}
	sortRuns(states, c.Sort)
	if c.JSON {
		text, err := json.MarshalIndent(states, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.stdout, "%s\n", text)
		return err
	}
	t := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "state\tlevels\tsteps\trate\tseed\tvalidation loss\twall-clock\tFLOPs, blocks\tFLOPs, all\trun\t")
	for _, r := range states {
		if r.Seed == nil { // imported, or the configuration cannot be read
			fmt.Fprintf(t, "%s\t%s%s\t\n", r.State, strings.Repeat("–\t", 8), r.Run)
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%g\t%d\t%s\t%s\t%s\t%s\t%s\t\n", r.State, ints(r.Levels), r.progress(), r.LR, *r.Seed,
			decimal(r.ValLoss), clock(r.WallSeconds), flops(r.FLOPsBlocks), flops(r.FLOPsTotal), r.Run)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range states {
		if r.Problem != "" {
			s.warn("%s", r.Problem)
		}
	}
	return nil
}

func (r runState) progress() string {
	if r.Step == r.Steps || r.Steps == 0 {
		return commas(int64(r.Step))
	}
	return fmt.Sprintf("%s of %s", commas(int64(r.Step)), commas(int64(r.Steps)))
}

// decimal returns a loss that may be unknown.
func decimal(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%.4f", *v)
}

// find returns the runs that the arguments name.
func (c *runsCmd) find() ([]runDir, error) {
	dirs := c.Dirs
	if len(dirs) == 0 {
		if _, err := os.Stat("runs"); errors.Is(err, fs.ErrNotExist) {
			return nil, badf("there is no directory runs here: name the directories")
		}
		dirs = []string{"runs"}
	}
	var found []runDir
	for _, dir := range dirs {
		dir = filepath.Clean(dir)
		if isRun(dir) {
			found = append(found, runDir(dir))
			continue
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, badInput{plainPathError(err)}
		}
		n := len(found)
		for _, e := range entries {
			if path := filepath.Join(dir, e.Name()); isRun(path) {
				found = append(found, runDir(path))
			}
		}
		if len(found) == n {
			return nil, badf("%s is not the directory of a run, and holds none", dir)
		}
	}
	return found, nil
}

// sortRuns sorts; what has no loss comes last.
func sortRuns(states []runState, by string) {
	slices.SortStableFunc(states, func(a, b runState) int {
		switch by {
		case "loss":
			return compareLoss(a.ValLoss, b.ValLoss)
		case "time":
			return cmp.Compare(a.WallSeconds, b.WallSeconds)
		case "state":
			return strings.Compare(a.State, b.State)
		}
		return strings.Compare(a.Run, b.Run)
	})
}

func compareLoss(a, b *float64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return cmp.Compare(*a, *b)
}

// state returns what is known of a run.
func (d runDir) state() runState {
	r := runState{Run: string(d), State: runInterrupted}
	damaged := func(err error) runState {
		r.State, r.Problem = runDamaged, err.Error()
		return r
	}
	if _, err := os.Stat(d.config()); errors.Is(err, fs.ErrNotExist) {
		r.State = runImported
		return r
	}
	file := configFile{settings: defaultSettings()}
	if err := file.read(d.config()); err != nil {
		return damaged(err)
	}
	r.Multilevel, r.Levels, r.Steps, r.LR, r.Seed = file.Multilevel, file.Levels, file.Steps, file.LR, &file.Seed
	if file.seconds() > 0 {
		r.Steps = 0
	}
	if _, sum, err := readRun(d); err == nil {
		r.State = runFinished
		r.Step, r.Steps, r.ValLoss, r.Tokens = sum.Steps, sum.Steps, &sum.FinalValLoss, sum.Tokens
		r.WallSeconds, r.FLOPsBlocks, r.FLOPsTotal = sum.WallSeconds, sum.FLOPsBlocks, sum.FLOPsTotal
		return r
	} else if !errors.Is(err, fs.ErrNotExist) {
		return damaged(err)
	}
	metrics, err := d.readMetrics()
	if err != nil {
		return damaged(err)
	}
	for _, m := range metrics {
		if m.ValLoss != nil {
			r.ValLoss = m.ValLoss
		}
	}
	if n := len(metrics); n > 0 {
		m := metrics[n-1]
		r.Step, r.TrainLoss, r.Tokens = m.Step, &m.TrainLoss, m.Tokens
		r.WallSeconds, r.FLOPsBlocks, r.FLOPsTotal = m.WallSeconds, m.FLOPsBlocks, m.FLOPsTotal
	}
	if pid, ok := d.inUse(); ok {
		r.State, r.Process = runRunning, pid
	} else if d.hasDiverged() {
		r.State = runDiverged
	}
	return r
}

// readRun returns the configuration and the summary of a finished run.
func readRun(d runDir) (configFile, multilevel.Summary, error) {
	var sum multilevel.Summary
	file := configFile{settings: defaultSettings()}
	if err := file.read(d.config()); err != nil {
		return file, sum, fmt.Errorf("%s is not the directory of a run: %w", d, err)
	}
	text, err := os.ReadFile(d.summary())
	if err != nil {
		return file, sum, fmt.Errorf("the run in %s is not finished: %w", d, plainPathError(err))
	}
	if err := json.Unmarshal(text, &sum); err != nil {
		return file, sum, fmt.Errorf("%s: %w", d.summary(), err)
	}
	return file, sum, nil
}
