package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/vcycle-go/vcycle/multilevel"
)

// runsCmd compares finished runs.
type runsCmd struct {
	Dirs []string `arg:"" optional:"" name:"dir" help:"Run directories. Default: those under runs."`
}

// Run prints a line for each run that is finished, in the order given.
func (c *runsCmd) Run(s *session) error {
	dirs := c.Dirs
	if len(dirs) == 0 {
		found, err := filepath.Glob(filepath.Join("runs", "*", "summary.json"))
		if err != nil {
			return err
		}
		for _, path := range found {
			dirs = append(dirs, filepath.Dir(path))
		}
		if len(dirs) == 0 {
			return badf("no finished run under runs: name the directories")
		}
	}
	t := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "levels\tsteps\trate\tseed\tvalidation loss\twall-clock\tTFLOP, blocks\tTFLOP, all\trun\t")
	for _, dir := range dirs {
		file, sum, err := readRun(runDir(filepath.Clean(dir)))
		if err != nil {
			return badInput{err}
		}
		fmt.Fprintf(t, "%s\t%s\t%g\t%d\t%.4f\t%s\t%.1f\t%.1f\t%s\t\n", ints(file.Levels), commas(int64(sum.Steps)), file.LR, file.Seed,
			sum.FinalValLoss, clock(sum.WallSeconds), sum.FLOPsBlocks/1e12, sum.FLOPsTotal/1e12, dir)
	}
	return t.Flush()
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
