package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
