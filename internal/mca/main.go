// Command mca holds the inner loops of the NEON matrix products to the multiply-add bound of four Arm
// cores, by static analysis: llvm-mca runs the loops of the linked program through LLVM's model of each
// core's pipelines, with all loads hitting the first-level cache and every branch predicted.
//
//	go run ./internal/mca [program]
//
// The program is an arm64 binary with symbols that links package kernels; without one, the test of that
// package is built. The exit status is 1 if the tallest tile of a precision falls below minShare on any core.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
)

// minShare is what the tallest tile must reach of the bound. The rest is the start and the end of the
// run, and what a newer model may change.
const minShare = 0.98

// core is a CPU that LLVM has a model of. pipes is the number of vector multiply-adds it starts in a
// cycle, from the throughput of FMLA in its Software Optimization Guide by Arm (the tables "ASIMD
// floating-point instructions"); the model must agree.
type core struct {
	name  string
	pipes float64
	bf16  bool // has BFMMLA
}

var cores = []core{
	{"neoverse-n1", 2, false},
	{"neoverse-n2", 2, true},
	{"neoverse-v1", 4, true},
	{"neoverse-v2", 4, true},
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mca:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	mca, version, err := findLLVM("llvm-mca")
	if err != nil {
		return err
	}
	objdump, _, err := findLLVM("llvm-objdump")
	if err != nil {
		return err
	}
	program := ""
	if len(args) > 0 {
		program = args[0]
	} else {
		dir, err := os.MkdirTemp("", "mca")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "kernels.test")
		build := exec.Command("go", "test", "-c", "-o", program, "./kernels")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
		if msg, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", build, err, msg)
		}
	}
	names, err := tileSymbols(program)
	if err != nil {
		return err
	}
	text, err := command(nil, objdump, "-d", "--no-show-raw-insn", "--mattr=+bf16", "--disassemble-symbols="+strings.Join(names, ","), program)
	if err != nil {
		return err
	}
	tiles, err := loops(text)
	if err != nil {
		return err
	}
	if len(tiles) != len(names) {
		return fmt.Errorf("%s has %d tiles, of which %d were disassembled", program, len(names), len(tiles))
	}

	fmt.Fprintf(out, "Cycles of one iteration of the K loop, and the share of the multiply-add bound (%s):\n\n", version)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "tile\tmultiply-adds\t")
	results := make([][]result, len(cores))
	for i, c := range cores {
		fmt.Fprintf(w, "%s\t", c.name)
		if results[i], err = analyse(mca, c, tiles); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	for t, tile := range tiles {
		fmt.Fprintf(w, "%s\t%d\t", tile.name, tile.fmas)
		for i := range cores {
			r := results[i][t]
			if r.cycles == 0 {
				fmt.Fprint(w, "-\t")
				continue
			}
			fmt.Fprintf(w, "%.2f %3.0f%%\t", r.cycles, 100*r.share)
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return check(tiles, results)
}

// check returns an error for every core on which the tallest tile of a precision is too slow.
func check(tiles []tile, results [][]result) error {
	var slow []error
	for i, c := range cores {
		for t, r := range results[i] {
			if tiles[t].tallest && r.cycles > 0 && r.share < minShare {
				slow = append(slow, fmt.Errorf("%s on %s reaches %.1f%% of the multiply-add bound, less than %.0f%%", tiles[t].name, c.name, 100*r.share, 100*minShare))
			}
		}
	}
	return errors.Join(slow...)
}

// findLLVM returns the newest of the tool's installed versions that knows every core.
func findLLVM(tool string) (path, version string, err error) {
	const oldest, newest = 16, 30 // 16 is the first with neoverse-v2
	release := regexp.MustCompile(`LLVM version (\d+)\S*`)
	names := []string{tool}
	for v := newest; v >= oldest; v-- {
		names = append(names, fmt.Sprintf("%s-%d", tool, v))
	}
	best := oldest - 1
	for _, name := range names {
		p, lookErr := exec.LookPath(name)
		if lookErr != nil {
			continue
		}
		text, runErr := command(nil, p, "--version")
		if runErr != nil {
			continue
		}
		m := release.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		var v int
		if fmt.Sscan(m[1], &v); v > best {
			best, path, version = v, p, m[0]
		}
	}
	if path == "" {
		return "", "", fmt.Errorf("no %s of LLVM %d or later is installed, under that name or as %s-19; Debian has it in the package llvm-19", tool, oldest, tool)
	}
	return path, version, nil
}

// command runs a tool and returns what it printed.
func command(stdin io.Reader, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, errs.String())
	}
	// llvm-mca takes an unknown core for a generic one.
	if strings.Contains(errs.String(), "not a recognized") {
		return "", fmt.Errorf("%s: %s", filepath.Base(name), errs.String())
	}
	return out.String(), nil
}

// result is one tile on one core; zero where the core lacks the instructions.
type result struct{ cycles, share float64 }

// analyse runs the loops of the tiles on one core.
func analyse(mca string, c core, tiles []tile) ([]result, error) {
	var in strings.Builder
	var regions []int // the tiles, in the order of the output
	for i, t := range tiles {
		if t.bf16 && !c.bf16 {
			continue
		}
		fmt.Fprintf(&in, "# LLVM-MCA-BEGIN %s\n%s# LLVM-MCA-END\n", t.name, t.loop(fmt.Sprintf("loop%d", i)))
		regions = append(regions, i)
	}
	args := []string{"-mtriple=aarch64", "-mcpu=" + c.name, "-iterations=1000", "--json"}
	text, err := command(strings.NewReader(in.String()), mca, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	var report struct {
		CodeRegions []struct {
			Name                string
			InstructionInfoView struct {
				InstructionList []struct{ RThroughput float64 }
			}
			SummaryView struct{ Iterations, TotalCycles float64 }
		}
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		return nil, fmt.Errorf("%s: output of llvm-mca: %w", c.name, err)
	}
	if len(report.CodeRegions) != len(regions) {
		return nil, fmt.Errorf("%s: llvm-mca reports %d loops of %d", c.name, len(report.CodeRegions), len(regions))
	}
	results := make([]result, len(tiles))
	for r, region := range report.CodeRegions {
		t := tiles[regions[r]]
		if region.Name != t.name || len(region.InstructionInfoView.InstructionList) != len(t.body)+1 {
			return nil, fmt.Errorf("%s: llvm-mca reports %s, not the whole of %s", c.name, region.Name, t.name)
		}
		for i, inst := range t.body {
			if got := 1 / region.InstructionInfoView.InstructionList[i].RThroughput; multiplyAdd.MatchString(inst) && got != c.pipes {
				return nil, fmt.Errorf("%s starts %g multiply-adds a cycle, but LLVM's model has %g for %s", c.name, c.pipes, got, inst)
			}
		}
		cycles := region.SummaryView.TotalCycles / region.SummaryView.Iterations
		results[regions[r]] = result{cycles, float64(t.fmas) / c.pipes / cycles}
	}
	return results, nil
}
