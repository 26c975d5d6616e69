package main

import (
	"fmt"
	"strings"

	"github.com/vcycle-go/vcycle/multilevel"
)

// schedulesCmd describes the schedules.
type schedulesCmd struct{}

// Help is the detailed help.
func (schedulesCmd) Help() string {
	return "Examples:\n\n  vcycle schedules | less\n\n" + exitCodes
}

// Run prints each name with what it stands for and its source.
func (schedulesCmd) Run(s *session) error {
	for _, name := range multilevel.Schedules() {
		text, err := multilevel.DescribeSchedule(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.stdout, "%s\n", name)
		for _, line := range strings.Split(strings.TrimSpace(comment(text)), "\n") {
			fmt.Fprintf(s.stdout, "    %s\n", strings.TrimPrefix(line, "# "))
		}
	}
	return nil
}
