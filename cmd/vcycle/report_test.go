package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vcycle-go/vcycle/internal/tfevents"
	"github.com/vcycle-go/vcycle/multilevel"
)

// Every line of the JSON log is an object, and says what the run does.
func TestLogJSON(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "run")
	events := func(stdout string) (all map[string][]map[string]any) {
		t.Helper()
		all = map[string][]map[string]any{}
		for _, line := range strings.Split(strings.TrimSuffix(stdout, "\n"), "\n") {
			var e map[string]any
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%v: %q", err, line)
			}
			name, _ := e["msg"].(string)
			all[name] = append(all[name], e)
		}
		return all
	}
	code, stdout, stderr := vcycleUntil(t, untilStep{t.Context(), out, 5}, tiny(t, out, "--log-format", "json")...)
	e := events(stdout)
	if code != exitInterrupted || len(e["interrupted"]) != 1 || e["interrupted"][0]["step"] != 5.0 || len(e["checkpoint"]) != 2 { // of the best, and of the last
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	stdout, stderr = mustRun(t, exitOK, "train", "--resume", out, "--log-format", "json")
	e = events(stdout)
	if s := e["start"]; len(s) != 1 || s[0]["step"] != 5.0 || s[0]["steps"] != 10.0 || s[0]["run"] != out || s[0]["level"] != "INFO" {
		t.Errorf("start: %v", s)
	}
	if s := e["step"]; len(s) < 2 || s[len(s)-1]["step"] != 10.0 || s[len(s)-1]["val_loss"] == nil || s[0]["train_loss"] == nil {
		t.Errorf("step: %v", s)
	}
	if s := e["finished"]; len(s) != 1 || s[0]["summary"].(map[string]any)["steps"] != 10.0 || stderr != "" {
		t.Errorf("finished: %v; stderr %q", s, stderr)
	}
	damaged := filepath.Join(dir, "damaged")
	interrupt(t, 5, damaged, tiny(t, damaged))
	if err := os.Remove(runDir(damaged).metrics()); err != nil {
		t.Fatal(err)
	}
	stdout, stderr = mustRun(t, exitOK, "train", "--resume", damaged, "--log-format", "json", "--quiet")
	if e = events(stdout); len(e) != 1 || len(e["warning"]) != 1 || !strings.Contains(e["warning"][0]["text"].(string), "the lines of 5 steps are missing") || stderr != "" {
		t.Errorf("%s%s", stdout, stderr)
	}
}

// A quiet run says nothing, whatever it is told by, and is the same run.
func TestQuiet(t *testing.T) {
	dir := t.TempDir()
	loud, quiet := filepath.Join(dir, "loud"), filepath.Join(dir, "quiet")
	mustRun(t, exitOK, tiny(t, loud, "--tensorboard", "--metrics-addr", "127.0.0.1:0")...)
	if stdout, stderr := mustRun(t, exitOK, tiny(t, quiet, "--quiet")...); stdout+stderr != "" {
		t.Errorf("stdout %q, stderr %q", stdout, stderr)
	}
	sameRun(t, loud, quiet)
	if files, _ := filepath.Glob(filepath.Join(runDir(loud).tensorboard(), "events.out.tfevents.*")); len(files) != 1 {
		t.Errorf("event files: %v", files)
	}
	if _, err := os.Stat(runDir(quiet).tensorboard()); err == nil {
		t.Error("event files that nobody asked for")
	}
}

// A resumed run writes another event file.
func TestTensorBoardResume(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	interrupt(t, 4, out, tiny(t, out, "--tensorboard"))
	mustRun(t, exitOK, "train", "--resume", out)
	files, _ := filepath.Glob(filepath.Join(runDir(out).tensorboard(), "events.out.tfevents.*"))
	if len(files) != 2 {
		t.Fatalf("event files: %v", files)
	}
	for i, want := range []int{4, 6} { // steps
		text, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "loss/train"); n != want {
			t.Errorf("%s has %d losses, want %d", files[i], n, want)
		}
	}
}

// Prometheus gets what its text format allows, and nothing is served but that.
func TestMetricsAddr(t *testing.T) {
	e, addr, err := startExporter("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	get := func(method, path string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr.String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	line := regexp.MustCompile(`^(# (HELP|TYPE) vcycle_[a-z_]+ .+|vcycle_[a-z_]+(\{([a-z]+="([^"\\]|\\.)*",?)*\})? -?[0-9][0-9.e+-]*)$`)
	check := func(text string) {
		t.Helper()
		for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
			if !line.MatchString(l) {
				t.Errorf("the line %q", l)
			}
		}
	}
	e.describe("run", `C:\runs "a"`)
	_, before := get("GET", "/metrics")
	check(before)
	v := 2.25
	e.observe(multilevel.Metrics{Step: 7, Tokens: 112, TrainLoss: 2.5, ValLoss: &v, FLOPsTotal: 1e12, LR: 1e-4, Blocks: 3}, 2.625, 10)
	e.observe(multilevel.Metrics{Step: 8, Tokens: 128, TrainLoss: 2.375, FLOPsTotal: 1.25e12, LR: 1e-4, Blocks: 3}, 2.5, 10)
	code, text := get("GET", "/metrics")
	check(text)
	for _, want := range []string{`vcycle_info{run="C:\\runs \"a\""} 1`, "vcycle_steps_total 8", "vcycle_train_loss 2.375", "vcycle_train_loss_smoothed 2.5",
		"vcycle_validation_loss 2.25", "vcycle_flops_total 1.25e+12", "vcycle_learning_rate 0.0001", "# TYPE vcycle_tokens_total counter", "vcycle_steps_planned 10"} {
		if code != 200 || !strings.Contains(text, want+"\n") {
			t.Errorf("code %d; no line %q in\n%s", code, want, text)
		}
	}
	for _, c := range []struct {
		method, path string
		code         int
	}{{"GET", "/", 404}, {"GET", "/metrics/", 404}, {"GET", "/debug/pprof/", 404}, {"POST", "/metrics", 405}} {
		if code, _ := get(c.method, c.path); code != c.code {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, code, c.code)
		}
	}
	out := filepath.Join(t.TempDir(), "run")
	_, stderr := mustRun(t, exitBadInput, tiny(t, out, "--metrics-addr", addr.String())...) // which is taken
	if !strings.Contains(stderr, "--metrics-addr "+addr.String()) {
		t.Errorf("stderr %q", stderr)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("the run has been begun")
	}
}

// A run can be watched while it trains.
func TestMetricsOfRun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	out := filepath.Join(t.TempDir(), "run")
	text := ""
	ctx := asking{t.Context(), func() bool {
		answer, err := http.Get("http://" + addr + "/metrics")
		if err != nil {
			t.Error(err)
			return true
		}
		defer answer.Body.Close()
		b, _ := io.ReadAll(answer.Body)
		text = string(b)
		return strings.Contains(text, "vcycle_steps_total 4\n")
	}}
	if code, stdout, stderr := vcycleUntil(t, ctx, tiny(t, out, "--metrics-addr", addr)...); code != exitInterrupted {
		t.Errorf("exit code %d; the last answer was\n%s%s%s", code, text, stdout, stderr)
	}
	if want := fmt.Sprintf("vcycle_info{run=%q,version=", out); !strings.Contains(text, want) {
		t.Errorf("no %s in\n%s", want, text)
	}
	if _, err := http.Get("http://" + addr + "/metrics"); err == nil {
		t.Error("the process still serves")
	}
}

// asking is a context that is done when it is asked and a function says so.
type asking struct {
	context.Context
	done func() bool
}

func (a asking) Err() error {
	if a.done() {
		return context.Canceled
	}
	return nil
}

// Events that cannot be written end neither the run nor its metrics.
func TestTensorBoardGivesUp(t *testing.T) {
	w, err := tfevents.Create(t.TempDir(), 1, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	var warned []string
	p := &reporter{events: w, warn: func(err error) { warned = append(warned, err.Error()) }}
	for step := range 3 {
		p.record(multilevel.Metrics{Step: step + 1})
		p.flush()
	}
	p.close()
	if len(warned) != 1 || !strings.Contains(warned[0], "no more events for TensorBoard: ") {
		t.Errorf("%q", warned)
	}
}
