package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// helpCmd explains.
type helpCmd struct {
	Topic []string `arg:"" optional:"" help:"A command, such as data get, or a topic: files, configuration, environment, exit-codes. Default: an overview."`
	Man   bool     `help:"Write all of it as a manual page."`
}

// Help is the detailed help.
func (helpCmd) Help() string {
	return "Examples:\n\n" +
		"  vcycle help train\n" +
		"  vcycle help data get\n" +
		"  vcycle help files\n" +
		"  vcycle help --man > /usr/local/share/man/man1/vcycle.1\n\n" + exitCodes
}

// topics are what can be explained beside the commands.
var topics = []struct{ name, text string }{
	{"files", `A run directory holds

  config.toml          every setting, resolved; with --config the run repeats, bit for bit on the same instruction set
  metrics.jsonl        an object for each step: loss, learning rate, norm of the gradient, level, operations, time,
                       the validation loss where there is one, and every decision with its numbers
  summary.json         the outcome; it is there when the run is finished
  loss.png             the losses against wall-clock, levels shaded
  tokenizer.json       the tokenizer; runs on bytes have none
  checkpoint/          parameters, the optimizer's state and all counters, as safetensors under GPT-2's names, of the
                       last --keep and the best; manifest.json has the digest of each and is written last
  run.lock             held by the process that trains; it stays, empty, and is never in the way
  tensorboard/         event files, with --tensorboard, one for each start
  diverged.txt         why the run ended, if it diverged; train --resume removes it

A directory of shards holds manifest.json, tokenizer.json, train-*.bin and val-*.bin (vcycle data prepare --help).
A directory of compare holds a run for each cell, comparison.json, compare.md, compare.json and pictures; one of
sweep a run for each combination, sweep-settings.json, sweep.md and sweep.json.
`},
	{"configuration", `Settings come from the flags of the command line (--lr 0.001, or --set lr=0.001), else from the file of --config,
else from the defaults. In the file, which is TOML, a key is the name of the flag with _ for -. An unknown key, a value
of the wrong type, or a value that does not fit the others is an error that names the line or the setting.

  vcycle init                   writes vcycle.toml with every setting, its help and its default
  vcycle init --from RUN FILE   writes those of a run
  vcycle plan --config FILE     says what a run with them would take

Of --steps, --tokens and --time a command line gives one; it takes the place of what the file has. --levels, --blocks
and --multilevel, given anew, reset in the file what follows from them. A run that is resumed keeps its settings, but
for --data (if it holds the same), --threads, --save-every, --keep, --keep-best, --on-divergence, --jump, --tensorboard,
--prompt and --sample-bytes.
`},
	{"environment", `VCYCLE_ISA=avx512|avx2|neon|generic   forces a row of kernels (vcycle info says which there are)
VCYCLE_AMX=0                          multiplies bfloat16 without AMX
GOGC                                  how often garbage is collected; training sets 5 where it is not set
GOMAXPROCS                            the threads, where --threads is 0
NO_COLOR                              set to anything: drawings in the terminal have no colours
TERM=dumb                             status lines are not written over
`},
	{"exit-codes", `0    success
1    failure while running: the disk is full, the loss is not finite or jumps, a run of a sweep has failed
2    bad input: arguments, configuration, data or checkpoint; one line on standard error says what and where
130  interrupted by SIGINT or SIGTERM; a run that had begun has a checkpoint, and the last line says how to continue
`},
}

// Run prints.
func (c *helpCmd) Run(s *session) error {
	if c.Man {
		if len(c.Topic) > 0 {
			return badf("--man: the page is of all commands and topics: leave out %s", strings.Join(c.Topic, " "))
		}
		return manual(s.stdout, newParser(&commands{}, s.stdout, s.stderr))
	}
	name := strings.Join(c.Topic, " ")
	for _, t := range topics {
		if t.name == name {
			_, err := fmt.Fprint(s.stdout, t.text)
			return err
		}
	}
	parser := newParser(&commands{}, s.stdout, s.stderr)
	node := parser.Model.Node
	for _, word := range c.Topic {
		i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == word || slices.Contains(n.Aliases, word) })
		if i < 0 {
			return badf("%s is neither a command nor a topic%s", name, didYouMean(word, topicNames(node)))
		}
		node = node.Children[i]
	}
	_, err := parser.Parse(append(slices.Clone(c.Topic), "--help")) // which prints, and unwinds to run
	return err
}

// topicNames returns what help takes after the words that lead to node.
func topicNames(node *kong.Node) []string {
	var names []string
	for _, n := range node.Children {
		names = append(names, n.Name)
	}
	if node.Parent == nil {
		for _, t := range topics {
			names = append(names, t.name)
		}
	}
	return names
}
