package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/alecthomas/kong"

	"github.com/vcycle-go/vcycle/kernels"
)

// planCmd says what a run would take, without training.
type planCmd struct {
	Config  string        `group:"run" placeholder:"FILE" help:"TOML file with settings, as for train."`
	Measure time.Duration `group:"run" default:"10s" help:"Time to measure steps for; every level gets a few, whatever they take."`
	JSON    bool          `name:"json" group:"run" help:"Print one object of JSON."`
	settings
	overrides
}

// Help is the detailed help.
func (planCmd) Help() string {
	return "Takes the flags of train, and prints parameters, memory by part, operations and time of the run that train would do with them. " +
		"It refuses what train would refuse. For the time it takes a few steps at each level.\n\n" +
		"Examples:\n\n" +
		"  vcycle plan --blocks 24 --width 256\n" +
		"  vcycle plan --config vcycle.toml --json\n\n" + exitCodes
}

// planReport is the line of --json. Times are in seconds, memory in bytes.
type planReport struct {
	Version           string            `json:"version"`
	ISA               string            `json:"isa"`
	Threads           int               `json:"threads"`
	CeilingGFLOPS     float64           `json:"ceiling_gflops"`
	Parameters        int               `json:"parameters"`
	Steps             int               `json:"steps"`
	Tokens            int64             `json:"tokens"`
	Levels            []planReportLevel `json:"levels"`
	Memory            footprint         `json:"memory"`
	FLOPsBlocks       float64           `json:"flops_blocks"`
	FLOPsTotal        float64           `json:"flops_total"`
	FLOPsByParameters float64           `json:"flops_by_parameters"`
	Validations       int               `json:"validations"`
	ValidationSeconds float64           `json:"validation_seconds"` // of one, on the finest level
	StepSeconds       float64           `json:"step_seconds"`       // of all steps, without validations
	Seconds           float64           `json:"seconds"`            // of all
}

type planReportLevel struct {
	Blocks      int     `json:"blocks"`
	Width       int     `json:"width"`
	Context     int     `json:"context"`
	StepSize    float64 `json:"step_size"`
	Parameters  int     `json:"parameters"`
	Steps       int     `json:"steps"`
	FLOPsBlocks float64 `json:"flops_blocks"` // of all steps
	FLOPsTotal  float64 `json:"flops_total"`
	StepSeconds float64 `json:"step_seconds"` // of one step
}

// Run measures and prints.
func (c *planCmd) Run(s *session, k *kong.Context) error {
	if c.Measure <= 0 {
		return badf("--measure %v: it must be positive", c.Measure)
	}
	given, err := checkedFlags(k, &c.settings, c.Set)
	if err != nil {
		return err
	}
	file, init, err := configured(s, given, defaultSettings(), c.Config, c.settings)
	if err != nil {
		return err
	}
	var expected *recorded
	if !given["data"] {
		expected = file.Recorded
	}
	r, err := newTraining(s, file.settings, expected)
	if err != nil {
		return err
	}
	if err := r.checkInit(init); err != nil {
		return err
	}
	if err := r.fitTime(); err != nil {
		return err
	}
	if c.JSON {
		r.console = newConsole(io.Discard)
	}
	if err := r.prepare(measurement{budget: c.Measure, all: true}); err != nil {
		return err
	}
	if s.ctx.Err() != nil {
		return errInterrupted
	}
	if c.JSON {
		return json.NewEncoder(s.stdout).Encode(r.plan.report(r.data.memory, r.settings.ValEvery))
	}
	r.describe()
	return nil
}

// report returns the measured plan.
func (p *plan) report(data int64, valEvery int) planReport {
	inBlocks, total, _, _ := p.flops()
	validations, _ := p.validations(valEvery)
	r := planReport{
		Version: version(), ISA: kernels.ISA(), Threads: kernels.Threads(), CeilingGFLOPS: significant(p.ceiling),
		Parameters: p.finest().config.Parameters(), Steps: p.steps(), Tokens: int64(p.steps()) * int64(p.stepTokens()),
		Memory: p.footprint(data), FLOPsBlocks: inBlocks, FLOPsTotal: total, FLOPsByParameters: p.flopsByParameters(),
		Validations: validations, ValidationSeconds: significant(p.validation),
		StepSeconds: significant(p.seconds()), Seconds: significant(p.total(valEvery)),
	}
	for _, l := range p.levels {
		r.Levels = append(r.Levels, planReportLevel{
			Blocks: l.Blocks, Width: l.config.Width, Context: l.config.Context, StepSize: l.StepSize, Parameters: l.config.Parameters(), Steps: l.Steps,
			FLOPsBlocks: l.flopsBlocks * float64(l.Steps), FLOPsTotal: l.flopsTotal * float64(l.Steps), StepSeconds: significant(l.seconds),
		})
	}
	return r
}
