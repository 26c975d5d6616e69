package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vcycle-go/vcycle/internal/tfevents"
	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/multilevel"
)

// reporting are the flags of train that say how a run is to be watched. They are not part of it.
type reporting struct {
	MetricsAddr string `group:"run" placeholder:"HOST:PORT" help:"Serve the state of the run to Prometheus, under http://HOST:PORT/metrics, as long as the process lives. Default: not."`
	LogFormat   string `group:"run" default:"text" enum:"text,json" help:"What is printed: text, for people, or json, an object a line (start, step, trial, decision, checkpoint, warning, finished, interrupted)."`
	Quiet       bool   `group:"run" short:"q" help:"Print nothing but warnings and errors."`
}

// reporter tells a run's news to all but people and metrics.jsonl. Its zero value tells nobody.
type reporter struct {
	log      *slog.Logger // nil: none
	exporter *exporter
	events   *tfevents.Writer
	scalars  []tfevents.Scalar
	flushed  time.Time
	warn     func(error)
}

// open starts what the flags ask for. The session that it returns prints as they ask.
func (f reporting) open(s *session) (*reporter, *session, error) {
	r := &reporter{}
	own := *s
	level := slog.LevelInfo
	if f.Quiet {
		own.stdout, level = io.Discard, slog.LevelWarn
	}
	if f.LogFormat == "json" {
		r.log = slog.New(slog.NewJSONHandler(s.stdout, &slog.HandlerOptions{Level: level}))
		own.stdout, own.stderr = io.Discard, &warnings{log: r.log}
	}
	if f.MetricsAddr != "" {
		e, addr, err := startExporter(f.MetricsAddr)
		if err != nil {
			return nil, nil, err
		}
		r.exporter = e
		if r.log != nil {
			r.log.Info("metrics", "url", "http://"+addr.String()+"/metrics")
		} else if !f.Quiet {
			newConsole(s.stdout).print("metrics   http://%s/metrics\n", addr)
		}
	}
	return r, &own, nil
}

// warnings turns lines for people into records.
type warnings struct {
	log  *slog.Logger
	mu   sync.Mutex // a signal is announced beside what the run says
	line []byte
}

func (w *warnings) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line = append(w.line, b...)
	for {
		line, rest, found := bytes.Cut(w.line, []byte("\n"))
		if !found {
			return len(b), nil
		}
		text := strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(string(line), "vcycle: "), "warning: "))
		if text != "" {
			w.log.Warn("warning", "text", text)
		}
		w.line = append(w.line[:0], rest...)
	}
}

// tensorboard is the directory of a run's event files.
func (d runDir) tensorboard() string { return filepath.Join(string(d), "tensorboard") }

// begin announces a run that has done so many steps, and begins an event file if it wants one.
func (p *reporter) begin(r *training, step int) error {
	p.warn = r.warn
	p.exporter.describe("run", string(r.dir), "version", version(), "isa", kernels.ISA())
	p.exporter.observe(r.metrics.last(), r.progress.smoothed, r.plan.steps())
	if p.log != nil {
		p.log.Info("start", "run", string(r.dir), "version", version(), "isa", kernels.ISA(), "threads", kernels.Threads(), "cpu", cpuName(),
			"data", r.data.path, "parameters", r.plan.finest().config.Parameters(), "levels", r.settings.Levels, "multilevel", r.settings.Multilevel,
			"step", step, "steps", r.plan.steps())
	}
	if !r.settings.TensorBoard {
		return nil
	}
	var err error
	if p.events, err = tfevents.Create(r.dir.tensorboard(), step+1, time.Now()); err != nil {
		return badf("--tensorboard: %w", plainPathError(err))
	}
	return nil
}

// step tells of a step, which is news or comes when it was time for a line.
func (p *reporter) step(r *training, m multilevel.Metrics, shown bool) {
	p.exporter.observe(m, r.progress.smoothed, r.plan.steps())
	if m.Trial > 0 {
		if m.Trial == 1 && p.log != nil {
			p.log.Info("trial", "step", m.Step)
		}
		return
	}
	if p.log != nil && shown {
		attrs := []slog.Attr{slog.Int("step", m.Step), slog.Int("steps", r.plan.steps()), slog.Int("run_level", m.Level), slog.Int("blocks", m.Blocks),
			slog.Float64("train_loss", m.TrainLoss), slog.Float64("train_loss_smoothed", r.progress.smoothed), slog.Float64("lr", m.LR),
			slog.Float64("grad_norm", m.GradNorm), slog.Int64("tokens", m.Tokens), slog.Float64("tokens_per_second", m.TokensPerSecond),
			slog.Float64("wall_seconds", m.WallSeconds), slog.Float64("remaining_seconds", r.progress.remaining())}
		if m.ValLoss != nil {
			attrs = append(attrs, slog.Float64("val_loss", *m.ValLoss))
		}
		p.log.LogAttrs(context.Background(), slog.LevelInfo, "step", attrs...)
	}
	p.record(m)
}

// flushInterval is how often what was written for TensorBoard reaches the file.
const flushInterval = 2 * time.Second

// record writes the event of a step. What it cannot write ends the file, not the run, whose metrics.jsonl has
// the same.
func (p *reporter) record(m multilevel.Metrics) {
	if p.events == nil {
		return
	}
	now := time.Now()
	p.scalars = append(p.scalars[:0], tfevents.Scalar{Tag: "loss/train", Value: m.TrainLoss}, tfevents.Scalar{Tag: "optimizer/lr", Value: m.LR},
		tfevents.Scalar{Tag: "optimizer/grad_norm", Value: m.GradNorm}, tfevents.Scalar{Tag: "level/blocks", Value: float64(m.Blocks)},
		tfevents.Scalar{Tag: "speed/tokens_per_second", Value: m.TokensPerSecond}, tfevents.Scalar{Tag: "cost/wall_seconds", Value: m.WallSeconds},
		tfevents.Scalar{Tag: "cost/flops_total", Value: m.FLOPsTotal})
	if m.ValLoss != nil {
		p.scalars = append(p.scalars, tfevents.Scalar{Tag: "loss/validation", Value: *m.ValLoss})
	}
	if err := p.events.Add(now, m.Step, p.scalars); err != nil {
		p.giveUp(err)
	} else if now.Sub(p.flushed) > flushInterval {
		p.flush()
	}
}

// flush has the events reach the file, so that no checkpoint is ahead of them.
func (p *reporter) flush() {
	if p.events == nil {
		return
	}
	p.flushed = time.Now()
	if err := p.events.Flush(); err != nil {
		p.giveUp(err)
	}
}

func (p *reporter) giveUp(err error) {
	p.warn(fmt.Errorf("no more events for TensorBoard: %w", plainPathError(err)))
	p.events.Close()
	p.events = nil
}

// tell logs something else that has happened.
func (p *reporter) tell(event string, attrs ...any) {
	if p.log != nil {
		p.log.Info(event, attrs...)
	}
}

// close ends all.
func (p *reporter) close() {
	if p.events != nil {
		if err := p.events.Close(); err != nil {
			p.warn(err)
		}
		p.events = nil
	}
	p.exporter.close()
}
