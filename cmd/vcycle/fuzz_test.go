package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// quiet is a session that prints nothing.
func quiet(t testing.TB) *session {
	return &session{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard}
}

// A configuration is refused with an error, or taken, written and read again as the same.
func FuzzConfig(f *testing.F) {
	whole, err := configFile{settings: defaultSettings(), Recorded: &recorded{Version: "v1", ISA: "avx2", DataBytes: 3, DataSHA256: "ab"}}.write()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte("levels = [3, 6]\nlr = 1e-3\ntime = \"30m\"\n[recorded]\ndata_bytes = 1\n"))
	f.Add([]byte("steps = 9223372036854775807\nblocks = -1\nstep_seconds = [nan, inf]\n"))
	path, base := filepath.Join(f.TempDir(), "c.toml"), defaultSettings()
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		c := configFile{settings: base}
		if c.read(path) != nil || c.resolve() != nil {
			return
		}
		again, err := c.write()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, again, 0o644); err != nil {
			t.Fatal(err)
		}
		d := configFile{settings: base}
		if err := d.read(path); err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		if err := d.resolve(); err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		if twice, err := d.write(); err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("%v: it changes when it is read again: %s", err, cmp.Diff(string(again), string(twice)))
		}
	})
}

// The lines of a log that are kept are whole ones, in order, and are kept again.
func FuzzMetrics(f *testing.F) {
	f.Add([]byte(`{"step":1,"train_loss":2.5}`+"\n"+`{"step":2,"val_loss":1,"decisions":[{"kind":"trial"}]}`+"\n"), 2)
	f.Add([]byte("{\"step\":3}\n\x00\n{"), 9)
	f.Fuzz(func(t *testing.T, text []byte, steps int) {
		all, size, _, err := readMetrics(bytes.NewReader(text), steps)
		if err != nil || size > int64(len(text)) || size > 0 && text[size-1] != '\n' {
			t.Fatalf("%d of %d bytes, %v", size, len(text), err)
		}
		last := 0
		for _, m := range all {
			if m.Step <= last || m.Step > steps {
				t.Fatalf("step %d after %d, of %d", m.Step, last, steps)
			}
			last = m.Step
		}
		again, n, damaged, err := readMetrics(bytes.NewReader(text[:size]), steps)
		if err != nil || damaged || n != size || len(again) != len(all) {
			t.Fatalf("%d lines of %d bytes, then %d of %d, %v %v", len(all), size, len(again), n, damaged, err)
		}
	})
}

// Comparisons that say anything are put together, pictures and all, or refused.
func FuzzComparison(f *testing.F) {
	record := func(steps int) []byte {
		set := defaultSettings()
		set.Steps = steps
		text, err := json.Marshal(comparison{Settings: set, Data: "ab", Levels: []networkStep{
			{network{set.Blocks, set.Width, set.Context}, 0.5, 1e9}, {network{3, set.Width, set.Context}, 0.1, 1e8}}, Parameters: 1000})
		if err != nil {
			f.Fatal(err)
		}
		return text
	}
	rows, err := json.Marshal([]compareRow{
		{Name: compareBaseline, LRSchedule: "wsd", tuning: tuning{Rate: 1e-3}, Losses: []float64{2, 2.5}, Mean: 2.25, Spread: 0.5, Seconds: 5, Reached: 2, Reach: 5},
		{Name: compareShallow + "3", LRSchedule: "wsd", tuning: tuning{Rate: 1e-3}, Losses: []float64{2.1}, Mean: 2.1, Seconds: 5},
		{Name: "late", LRSchedule: "wsd", tuning: tuning{Rate: 1e-3}, Diverged: []int64{1}, BadRates: []float64{1}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(record(20), rows)
	f.Add(record(0), []byte(`[{"name":"single","lr_schedule":"wsd","mean":-1},{"name":"late","lr_schedule":"wsd","mean":1e300}]`))
	f.Add(record(-5), []byte(`[{"name":"shallow-x","lr_schedule":"../../x"}]`))
	dir := f.TempDir()
	dirs := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o755); err != nil {
			f.Fatal(err)
		}
		for name, text := range map[string][]byte{"comparison.json": record(10), "compare.json": rows} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				f.Fatal(err)
			}
		}
	}
	f.Fuzz(func(t *testing.T, record, rows []byte) {
		for name, text := range map[string][]byte{"comparison.json": record, "compare.json": rows} {
			if err := os.WriteFile(filepath.Join(dirs[1], name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out := filepath.Join(dir, "out")
		defer os.RemoveAll(out)
		if err := (&envelopeCmd{Comparisons: dirs, Out: out}).Run(quiet(t)); err != nil && !errors.As(err, new(badInput)) {
			t.Fatalf("it is read, and then: %v", err)
		}
	})
}

// A summary that says anything is listed, or the run is damaged.
func FuzzSummary(f *testing.F) {
	f.Add([]byte(`{"steps":3,"final_val_loss":2.5,"tokens":5,"wall_seconds":1e300,"flops_total":-1}`))
	dir := f.TempDir()
	if err := os.Mkdir(runDir(dir).checkpoints(), 0o755); err != nil {
		f.Fatal(err)
	}
	config, err := configFile{settings: defaultSettings()}.write()
	if err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(runDir(dir).config(), config, 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(runDir(dir).summary(), text, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, c := range []runsCmd{{Dirs: []string{dir}}, {Dirs: []string{dir}, JSON: true}} {
			if err := c.Run(quiet(t)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// An interrupted preparation whose state says anything is refused, or continued to shards that are whole.
func FuzzPrepareState(f *testing.F) {
	f.Add([]byte(`{"arguments":"ARGUMENTS","file":0,"offset":3,"current":"both","cut":1,"train":{"documents":1,"text_bytes":3,"tokens":3,"writer":{"shards":null,"open":3}},"val":{"documents":1,"writer":{"open":0}}}`), []byte("abc"))
	f.Add([]byte(`{"arguments":"ARGUMENTS","file":1,"offset":0,"current":"val","seen":1,"train":{"text_bytes":1,"tokens":4,"writer":{"shards":[{"file":"train-00000.bin","tokens":7,"sha256":"ab"}],"open":0}},"val":{"text_bytes":1}}`), []byte("abcdefg"))
	dir := f.TempDir()
	text, out := filepath.Join(dir, "text"), filepath.Join(dir, "out")
	if err := os.WriteFile(text, []byte(sentences(100)), 0o644); err != nil {
		f.Fatal(err)
	}
	command := prepareCmd{Files: []string{text}, Out: out, Tokenizer: "bytes", Val: 0.1, ShardTokens: 7, Dedup: true, documentFlags: documentFlags{Field: "text"}}
	first, err := command.preparation(quiet(f))
	if err != nil {
		f.Fatal(err)
	}
	first.train.Close()
	first.val.Close()
	first.seenFile.Close()
	f.Fuzz(func(t *testing.T, state, shard []byte) {
		if err := os.RemoveAll(out); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(out, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{
			prepareStateFile: bytes.ReplaceAll(state, []byte("ARGUMENTS"), []byte(first.state.Arguments)),
			prepareSeenFile:  bytes.Repeat([]byte("seen before that"), 3), "train-00000.bin": shard, "val-00000.bin": shard,
		} {
			if err := os.WriteFile(filepath.Join(out, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if command.Run(quiet(t)) != nil {
			return
		}
		if err := (&verifyCmd{Dir: out}).Run(quiet(t)); err != nil {
			t.Fatalf("it ends with shards that are not whole: %v", err)
		}
	})
}

// Shapes of a file are products that fit, or an error names the line.
func FuzzShapes(f *testing.F) {
	f.Add([]byte("512 256 1024 n t # a comment\n\n1 1 1 t t"))
	f.Add([]byte("1048576 1048576 1048576 n n"))
	path := filepath.Join(f.TempDir(), "shapes")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		shapes, err := readShapes(path)
		if err != nil && (!errors.As(err, new(badInput)) || !strings.Contains(err.Error(), path)) {
			t.Fatal(err)
		}
		for _, s := range shapes {
			if min(s.M, s.N, s.K) < 1 || s.Bytes("f64") <= 0 {
				t.Fatalf("%+v", s)
			}
		}
	})
}
