package main

import (
	"bufio"
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machineMemory returns the bytes of memory that this process may have: those of the machine, or of its
// control group if that has less. 0 says that it cannot be told.
func machineMemory() int64 {
	var all int64
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err == nil {
		all = int64(uint64(info.Totalram) * uint64(info.Unit))
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return all
	}
	if limit := groupMemory("/sys/fs/cgroup", string(groups)); limit > 0 && (all == 0 || limit < all) {
		return limit
	}
	return all
}

// groupMemory returns the least limit on memory of the control groups, as /proc/self/cgroup lists them,
// and of those above them, in the file system below root; 0: none.
func groupMemory(root, groups string) (least int64) {
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		dir, file := "", "memory.max" // version 2 has one hierarchy, without controllers in the list
		if fields[1] != "" {
			if fields[1] != "memory" {
				continue
			}
			dir, file = "memory", "memory.limit_in_bytes"
		}
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			if text, err := os.ReadFile(filepath.Join(root, dir, group, file)); err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && (least == 0 || n < least) {
					least = n // "max" is no number
				}
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}

// peakMemory returns the most bytes of memory that this process has had, or 0 if it cannot be told.
func peakMemory() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "VmHWM:" && f[2] == "kB" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}
