//go:build unix

package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process that gets SIGINT or SIGTERM ends with 130, and the run goes on from there.
func TestSignal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "run")
			c := child(t, tiny(t, out, "--steps", "1000000000", "--val-every", "0")...)
			var stderr strings.Builder
			c.Stderr = &stderr
			pipe, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				skipIfForeign(t, err)
				t.Fatal(err)
			}
			var last string
			lines := bufio.NewScanner(pipe)
			for lines.Scan() {
				if strings.HasPrefix(lines.Text(), "step 1/") {
					if err := c.Process.Signal(sig); err != nil {
						t.Fatal(err)
					}
				}
				last = lines.Text()
			}
			c.Wait()
			if code := c.ProcessState.ExitCode(); code != exitInterrupted {
				t.Errorf("exit code %d, want %d", code, exitInterrupted)
			}
			if want := "vcycle train --resume " + out; strings.TrimSpace(last) != want {
				t.Errorf("the last line is %q, want %q", last, want)
			}
			if want := "vcycle train: stopping after this step; a second signal stops at once\n"; stderr.String() != want {
				t.Errorf("stderr %q, want %q", stderr.String(), want)
			}
			steps, err := runDir(out).steps()
			if err != nil || len(steps) != 1 || steps[0] != len(logLines(t, out)) {
				t.Errorf("checkpoints of steps %v, %v; the log has %d lines", steps, err, len(logLines(t, out)))
			}
		})
	}
}

// A measurement ends at once, in the middle of a call, and prints nothing.
func TestBenchSignal(t *testing.T) {
	// Plain Go needs minutes for this product.
	shapes := shapesFile(t, "8192 8192 8192 n n\n")
	if m := machineMemory(); m > 0 && m < 4<<30 {
		t.Skip("too little memory")
	}
	c := child(t, "bench", "gemm", "--isa", "generic", "--threads", "1", "--dtype", "f32", "--rounds", "1", "--time", "1ms", "--shapes", shapes)
	var out strings.Builder
	c.Stdout = &out
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		skipIfForeign(t, err)
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "vcycle bench: 1 measurement in each of 1 round") {
		t.Errorf("it begins with %q", lines.Text())
	}
	time.Sleep(time.Second) // most likely it is in the call by now; any time will do
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	more := false
	ended := make(chan struct{})
	go func() {
		more = lines.Scan()
		c.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		if code := c.ProcessState.ExitCode(); code != exitInterrupted || out.Len() > 0 || more {
			t.Errorf("exit code %d, want %d; output %q %q", code, exitInterrupted, &out, lines.Text())
		}
	case <-time.After(time.Minute):
		c.Process.Kill()
		<-ended
		t.Error("it goes on for a minute")
	}
}

// Training goes on when nobody reads its output any more.
func TestBrokenPipe(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	c := child(t, tiny(t, out)...)
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		skipIfForeign(t, err)
		t.Fatal(err)
	}
	pipe.Read(make([]byte, 1))
	pipe.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(runDir(out).summary()); err != nil {
		t.Error(err)
	}
}
