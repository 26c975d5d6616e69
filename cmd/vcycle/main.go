// Command vcycle trains ODE Transformers on the CPU with multilevel schedules in depth.
//
//	vcycle init              writes a commented configuration
//	vcycle train             trains on the Go source tree, or on --data
//	vcycle train --resume D  continues an interrupted run
//	vcycle plan              says what a run would take
//	vcycle generate D        generates text from a run
//	vcycle eval D            measures a model on data
//	vcycle export, import    write and read models of Hugging Face and llama.cpp
//	vcycle compare           compares schedules with single-level training and its controls
//	vcycle sweep             trains once for each combination of settings
//	vcycle runs D…           lists runs
//	vcycle plot D…           draws the losses of runs
//	vcycle data              downloads, prepares and verifies data
//	vcycle tokenizer         learns, describes and uses tokenizers
//	vcycle schedules         describes the multilevel schedules
//	vcycle bench             measures the kernels against what this machine can do
//	vcycle info              shows CPU, kernels and the speed they are measured against
//	vcycle help              explains commands, files, configuration, environment and exit codes
//	vcycle completion        writes completions for bash, zsh and fish
//
// Exit codes: 0 success, 1 failure while running, 2 bad input, 130 interrupted (vcycle help exit-codes).
package main

//go:generate go test . -run ^TestReference$ -update

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/vcycle-go/vcycle/kernels"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitBadInput    = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal asks the run to stop, a second one kills
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// commands is the grammar of the command line.
type commands struct {
	Init       initCmd       `cmd:"" help:"Write a commented configuration for train."`
	Train      trainCmd      `cmd:"" help:"Train a Transformer with a multilevel schedule."`
	Plan       planCmd       `cmd:"" help:"Say what a run would take: parameters, memory, operations and time."`
	Generate   generateCmd   `cmd:"" aliases:"sample" help:"Generate text from a model."`
	Eval       evalCmd       `cmd:"" help:"Measure a model on data: loss, perplexity, bits per byte."`
	Export     exportCmd     `cmd:"" help:"Write a model for Hugging Face's transformers or llama.cpp."`
	Import     importCmd     `cmd:"" help:"Read a GPT-2 of Hugging Face's transformers."`
	Compare    compareCmd    `cmd:"" help:"Compare schedules with single-level training and shallower networks, at equal wall-clock."`
	Envelope   envelopeCmd   `cmd:"" help:"Put comparisons of several budgets together: the envelope of single-level training, and the schedules."`
	Sweep      sweepCmd      `cmd:"" help:"Train once for each combination of settings, and compare them in a table."`
	Runs       runsCmd       `cmd:"" help:"List runs in a table."`
	Plot       plotCmd       `cmd:"" help:"Draw the losses of runs, as a picture or in the terminal."`
	Data       dataCmd       `cmd:"" help:"Download, prepare and verify data."`
	Tokenizer  tokenizerCmd  `cmd:"" help:"Learn, describe and use tokenizers."`
	Schedules  schedulesCmd  `cmd:"" help:"Describe the multilevel schedules and their sources."`
	Bench      benchGroup    `cmd:"" set:"width=256" help:"Measure the kernels, or the step of training, and their share of what this machine can do."`
	Info       infoCmd       `cmd:"" help:"Show version, CPU, kernels, threads and the measured FMA ceiling."`
	Version    versionCmd    `cmd:"" help:"Show the version."`
	Help       helpCmd       `cmd:"" help:"Explain a command or a topic: files, configuration, environment, exit-codes."`
	Completion completionCmd `cmd:"" help:"Write a script with which bash, zsh or fish complete command lines."`
}

// exitCodes is their explanation in the help.
const exitCodes = "Exit codes: 0 success; 1 failure while running; 2 bad input (arguments, configuration, data or checkpoint); " +
	"130 interrupted, with a checkpoint written."

// session is what a subcommand may use of the outside world.
type session struct {
	ctx            context.Context // done when the user asks to stop
	stdout, stderr io.Writer
	runs           int // that train at a time; 0 stands for 1
}

// warn prints a line that does not stop the command.
func (s *session) warn(format string, args ...any) {
	fmt.Fprintf(s.stderr, "vcycle: warning: "+format+"\n", args...)
}

// badInput is an error that the user can mend in the arguments, the configuration or the files named
// there: exit code 2.
type badInput struct{ error }

func (b badInput) Unwrap() error { return b.error }

func badf(format string, args ...any) error { return badInput{fmt.Errorf(format, args...)} }

// errInterrupted ends a command that stopped on request, having said all there is to say.
var errInterrupted = errors.New("interrupted")

// helpShown unwinds the parser after --help.
type helpShown struct{}

// run executes the command line args and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	if len(args) == 0 { // what there is, as an error: nothing has been done
		args, stdout = []string{"--help"}, stderr
		defer func() { code = exitBadInput }()
	}
	defer func() {
		if r := recover(); r == (helpShown{}) {
			code = exitOK
		} else if r != nil {
			panic(r)
		}
	}()
	parser := newParser(grammar(args), stdout, stderr)
	k, err := parser.Parse(args)
	if err != nil {
		return report(stderr, commandName(err), badInput{err})
	}
	name := fullName(k.Selected())
	if err := kernels.EnvError(); err != nil {
		return report(stderr, name, badf("%s", strings.TrimPrefix(err.Error(), "kernels: ")))
	}
	return report(stderr, name, k.Run(k, &session{ctx: ctx, stdout: stdout, stderr: stderr}))
}

// grammar returns commands, or the one of them alone that args begin with: to make a parser of all takes longer than
// most of them do.
func grammar(args []string) any {
	t := reflect.TypeFor[commands]()
	for i := range t.NumField() {
		f := t.Field(i)
		if names := append(strings.Split(f.Tag.Get("aliases"), ","), strings.ToLower(f.Name)); slices.Contains(names, args[0]) && args[0] != "" {
			return reflect.New(reflect.StructOf([]reflect.StructField{f})).Interface()
		}
	}
	return &commands{}
}

// newParser returns a parser of commands, or of some of them.
func newParser(cli any, stdout, stderr io.Writer) *kong.Kong {
	return kong.Must(cli,
		kong.Name("vcycle"),
		kong.Description("Multilevel training of ODE Transformers on the CPU.\n\n"+
			"Examples:\n\n"+
			"  vcycle train                               # on the sources of the Go toolchain, some minutes\n"+
			"  vcycle train --data notes/ --out runs/notes\n"+
			"  vcycle generate runs/notes --prompt \"It was\"\n"+
			"  vcycle help files                          # what is in runs/notes\n\n"+exitCodes),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { panic(helpShown{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ExplicitGroups(settingGroups),
		settingDefaults(),
	)
}

// commandName returns how far the parser came: vcycle, or vcycle and the subcommand.
func commandName(err error) string {
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context.Selected() != nil {
		return fullName(p.Context.Selected())
	}
	return "vcycle"
}

// fullName returns vcycle and the names of the commands that lead to n.
func fullName(n *kong.Node) string {
	if n.Parent == nil {
		return "vcycle"
	}
	if n.Parent.DefaultCmd == n {
		return fullName(n.Parent)
	}
	return fullName(n.Parent) + " " + n.Name
}

// report prints err as one line and returns the exit code that it means.
func report(stderr io.Writer, name string, err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errInterrupted) {
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "%s: %s\n", name, strings.Join(strings.Fields(err.Error()), " "))
	if errors.As(err, new(badInput)) {
		return exitBadInput
	}
	return exitFailed
}
