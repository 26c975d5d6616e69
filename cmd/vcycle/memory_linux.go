package main

import (
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
func peakMemory() int64 { return kilobytes("/proc/self/status", "VmHWM:") }

// presentMemory returns the bytes of memory that this process has, without files that are mapped but its own, or 0 if
// it cannot be told.
func presentMemory() int64 {
	anonymous := kilobytes("/proc/self/status", "RssAnon:")
	program, err := os.Readlink("/proc/self/exe")
	if anonymous == 0 || err != nil {
		return 0
	}
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return 0
	}
	inside, sum := false, int64(0)
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) >= 5 && strings.Contains(f[0], "-") {
			inside = strings.HasSuffix(strings.TrimSpace(line), " "+program)
		}
		if inside && len(f) == 3 && (f[0] == "Rss:" || f[0] == "Anonymous:") {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			if f[0] == "Anonymous:" { // which has been counted
				n = -n
			}
			sum += n << 10
		}
	}
	return anonymous + sum
}

// kilobytes returns what a line of a file of the kernel says, "key: n kB", in bytes; 0: it is not there.
func kilobytes(path, key string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == key && f[2] == "kB" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}
