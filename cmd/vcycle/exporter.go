package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/vcycle-go/vcycle/multilevel"
)

// exporter serves the state of a run as Prometheus' text format, version 0.0.4, under /metrics and nothing
// else. Training hands it the metrics of a step and goes on; whoever asks gets the last ones.
type exporter struct {
	server *http.Server

	mu       sync.Mutex
	labels   string // of vcycle_info
	run      multilevel.Metrics
	smoothed float64
	steps    int
	valLoss  *float64
	trials   int
}

// startExporter listens on addr, HOST:PORT, and serves.
func startExporter(addr string) (*exporter, net.Addr, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, badf("--metrics-addr %s: %w", addr, err)
	}
	e := &exporter{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", e.serve)
	e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, MaxHeaderBytes: 1 << 14}
	go e.server.Serve(l) // until close
	return e, l.Addr(), nil
}

func (e *exporter) close() {
	if e != nil {
		e.server.Close()
	}
}

// describe sets what a run is, as names and values of labels.
func (e *exporter) describe(pairs ...string) {
	if e == nil {
		return
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var labels []string
	for i := 0; i < len(pairs); i += 2 {
		labels = append(labels, fmt.Sprintf("%s=\"%s\"", pairs[i], escape.Replace(pairs[i+1])))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.labels = strings.Join(labels, ",")
}

// observe takes in a step of a run of so many, or of a trial.
func (e *exporter) observe(m multilevel.Metrics, smoothed float64, steps int) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.Trial > 0 {
		e.trials++
		return
	}
	e.run, e.smoothed, e.steps = m, smoothed, steps
	if m.ValLoss != nil {
		v := *m.ValLoss
		e.valLoss = &v
	}
}

func (e *exporter) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write(e.text())
}

// text returns the answer.
func (e *exporter) text() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b bytes.Buffer
	metric := func(name, kind, help string, value float64) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n%s %v\n", name, help, name, kind, name, value)
	}
	fmt.Fprintf(&b, "# HELP vcycle_info The run, and what it runs on.\n# TYPE vcycle_info gauge\nvcycle_info{%s} 1\n", e.labels)
	metric("vcycle_steps_planned", "gauge", "Optimizer steps of the whole run.", float64(e.steps))
	m := e.run
	if m.Step == 0 {
		return b.Bytes()
	}
	metric("vcycle_steps_total", "counter", "Optimizer steps done, over all parts of the run.", float64(m.Step))
	metric("vcycle_trial_steps_total", "counter", "Trial steps of the adaptive schedule since this process began.", float64(e.trials))
	metric("vcycle_tokens_total", "counter", "Tokens trained on.", float64(m.Tokens))
	metric("vcycle_train_seconds_total", "counter", "Time of steps and changes of level.", m.WallSeconds)
	metric("vcycle_flops_total", "counter", "Floating point operations of blocks and head.", m.FLOPsTotal)
	metric("vcycle_flops_blocks_total", "counter", "Floating point operations of the blocks.", m.FLOPsBlocks)
	metric("vcycle_train_loss", "gauge", "Loss of the last batch, in nats per token.", m.TrainLoss)
	metric("vcycle_train_loss_smoothed", "gauge", "Its moving average.", e.smoothed)
	if e.valLoss != nil {
		metric("vcycle_validation_loss", "gauge", "Last validation loss, in nats per token.", *e.valLoss)
	}
	metric("vcycle_learning_rate", "gauge", "Learning rate of the last step.", m.LR)
	metric("vcycle_gradient_norm", "gauge", "Norm of the last gradient, before clipping.", m.GradNorm)
	metric("vcycle_tokens_per_second", "gauge", "Tokens a second of the last step.", m.TokensPerSecond)
	metric("vcycle_level", "gauge", "Level of the last step, 0 the coarsest.", float64(m.Level))
	metric("vcycle_blocks", "gauge", "Blocks of the network.", float64(m.Blocks))
	return b.Bytes()
}
