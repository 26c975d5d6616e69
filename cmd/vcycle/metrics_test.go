package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/multilevel"
)

func metricsLines(t *testing.T, steps ...int) string {
	t.Helper()
	var b strings.Builder
	for _, s := range steps {
		line, err := json.Marshal(multilevel.Metrics{Step: s, TrainLoss: 1 / float64(s)})
		if err != nil {
			t.Fatal(err)
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.String()
}

func TestMetricsAreCutBackToTheCheckpoint(t *testing.T) {
	whole := metricsLines(t, 1, 2, 3, 4, 5)
	for _, c := range []struct {
		name, text string
		steps      int
		keep       []int
	}{
		{"new", "", 0, nil},
		{"all", whole, 5, []int{1, 2, 3, 4, 5}},
		{"behind the checkpoint", whole, 3, []int{1, 2, 3}},
		{"half a line", whole[:len(whole)-9], 4, []int{1, 2, 3, 4}},
		{"no line break at the end", strings.TrimSuffix(whole, "\n"), 5, []int{1, 2, 3, 4}},
		{"step twice", metricsLines(t, 1, 2, 2, 3), 3, []int{1, 2}},
		{"lines lost", metricsLines(t, 4, 5, 6), 5, []int{4, 5}},
		{"garbage", metricsLines(t, 1) + "\x00\x00\n" + metricsLines(t, 2), 2, []int{1}},
		{"start over", whole, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "metrics.jsonl")
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			l, err := openMetrics(path, c.steps)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := l.missing(c.steps), c.steps-len(c.keep); got != want {
				t.Errorf("%d lines are missing, want %d", got, want)
			}
			if err := l.append(multilevel.Metrics{Step: c.steps + 1}); err != nil {
				t.Fatal(err)
			}
			if l.last().Step != c.steps+1 {
				t.Errorf("the last step is %d", l.last().Step)
			}
			if err := l.close(); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			// A damaged log is kept as it was.
			damaged, err := os.ReadFile(path + ".damaged")
			if kept := err == nil && string(damaged) == c.text; kept != (c.name == "step twice" || c.name == "garbage") {
				t.Errorf("%s.damaged holds %q, %v", path, damaged, err)
			}
			want := metricsLines(t, c.keep...)
			if rest, ok := strings.CutPrefix(string(got), want); !ok || strings.Count(rest, "\n") != 1 {
				t.Errorf("the file holds\n%swant\n%sand the new line", got, want)
			}
		})
	}
}
