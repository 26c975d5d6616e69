//go:build !noasm && !purego

package kernels

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestAMXOff has a process of its own do without AMX.
func TestAMXOff(t *testing.T) {
	if os.Getenv("VCYCLE_AMX") == "0" {
		if name := BFloat16Products(); name == "amx" {
			t.Errorf("products of bfloat16 by %s with VCYCLE_AMX=0", name)
		}
		return
	}
	if BFloat16Products() != "amx" {
		t.Skip("not on AMX")
	}
	c := exec.Command(os.Args[0], "-test.run=^TestAMXOff$", "-test.v")
	c.Env = append(os.Environ(), "VCYCLE_AMX=0")
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestAMXOff") {
		t.Errorf("%v\n%s", err, out)
	}
}
