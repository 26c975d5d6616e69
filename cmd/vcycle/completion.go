package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCmd writes scripts for shells.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is the detailed help.
func (completionCmd) Help() string {
	return "Writes a script that completes commands, flags, their values and the names of files.\n\n" +
		"Examples:\n\n" +
		"  source <(vcycle completion bash)                                    # in ~/.bashrc\n" +
		"  vcycle completion zsh > \"${fpath[1]}/_vcycle\"\n" +
		"  vcycle completion fish > ~/.config/fish/completions/vcycle.fish\n\n" + exitCodes
}

// Run writes the script.
func (c *completionCmd) Run(s *session) error {
	all := completions(newParser(&commands{}, s.stdout, s.stderr).Model.Node, "")
	var b strings.Builder
	switch c.Shell {
	case "bash":
		bashCompletion(&b, all)
	case "zsh":
		zshCompletion(&b, all)
	case "fish":
		fishCompletion(&b, all)
	}
	_, err := fmt.Fprint(s.stdout, b.String())
	return err
}

// completion is a command with what may come after it.
type completion struct {
	path     string // such as "data get"; empty: vcycle itself
	commands []word
	flags    []completionFlag
	values   []string // of an argument that takes nothing else
}

type word struct{ text, help string }

type completionFlag struct {
	name   string // without --
	help   string
	value  bool // takes one
	values []string
}

// completions lists n and all commands below it.
func completions(n *kong.Node, path string) []completion {
	c := completion{path: path}
	for _, flags := range n.AllFlags(true) {
		for _, f := range flags {
			flag := completionFlag{name: f.Name, help: firstSentence(f.Help), value: !f.IsBool()}
			if f.Enum != "" {
				flag.values = strings.Split(f.Enum, ",")
			}
			c.flags = append(c.flags, flag)
		}
	}
	slices.SortFunc(c.flags, func(a, b completionFlag) int { return strings.Compare(a.name, b.name) })
	c.flags = slices.CompactFunc(c.flags, func(a, b completionFlag) bool { return a.name == b.name })
	for _, p := range n.Positional {
		if p.Enum != "" {
			c.values = strings.Split(p.Enum, ",")
		}
	}
	var below []completion
	for _, child := range n.Children {
		if child.Type != kong.CommandNode || child.Hidden {
			continue
		}
		c.commands = append(c.commands, word{child.Name, firstSentence(child.Help)})
		below = append(below, completions(child, strings.TrimSpace(path+" "+child.Name))...)
	}
	return append([]completion{c}, below...)
}

func firstSentence(help string) string {
	if i := strings.Index(help, ". "); i >= 0 {
		help = help[:i]
	}
	return strings.TrimSuffix(help, ".")
}

func (c completion) words() string {
	var words []string
	for _, w := range c.commands {
		words = append(words, w.text)
	}
	return strings.Join(append(words, c.values...), " ")
}

// bashCompletion finds the command that the line has come to, and offers what belongs there.
func bashCompletion(b *strings.Builder, all []completion) {
	b.WriteString(`# bash completion of vcycle
_vcycle() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} path= i commands flags values
	for ((i = 1; i < COMP_CWORD; i++)); do
		case "$path ${COMP_WORDS[i]}" in
`)
	for _, c := range all[1:] {
		parent, name := c.split()
		fmt.Fprintf(b, "\t\t\"%s %s\") path=\"%s\" ;;\n", parent, name, c.path)
	}
	b.WriteString("\t\tesac\n\tdone\n\tcase \"$path $before\" in\n")
	for _, c := range all {
		for _, f := range c.flags {
			if len(f.values) > 0 {
				fmt.Fprintf(b, "\t\"%s --%s\") values=\"%s\" ;;\n", c.path, f.name, strings.Join(f.values, " "))
			}
		}
	}
	b.WriteString("\tesac\n\tcase \"$path\" in\n")
	for _, c := range all {
		var flags []string
		for _, f := range c.flags {
			flags = append(flags, "--"+f.name)
		}
		fmt.Fprintf(b, "\t\"%s\") commands=\"%s\" flags=\"%s\" ;;\n", c.path, c.words(), strings.Join(flags, " "))
	}
	b.WriteString(`	esac
	COMPREPLY=()
	if [[ -n $values ]]; then
		COMPREPLY=($(compgen -W "$values" -- "$word"))
	elif [[ $word == -* ]]; then
		COMPREPLY=($(compgen -W "$flags" -- "$word"))
	else
		[[ $before == --* || -z $commands ]] || COMPREPLY=($(compgen -W "$commands" -- "$word"))
		[[ ${#COMPREPLY[@]} -gt 0 ]] || { compopt -o filenames 2> /dev/null; COMPREPLY=($(compgen -f -- "$word")); }
	fi
}
complete -F _vcycle vcycle
`)
}

// split returns the path of the command above, and the name.
func (c completion) split() (parent, name string) {
	i := strings.LastIndex(c.path, " ")
	if i < 0 {
		return "", c.path
	}
	return c.path[:i], c.path[i+1:]
}

// zshCompletion is a function for each command.
func zshCompletion(b *strings.Builder, all []completion) {
	b.WriteString("#compdef vcycle\n# zsh completion of vcycle\n")
	quote := strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`)
	function := func(path string) string { return "_vcycle" + strings.NewReplacer(" ", "_", "-", "_").Replace(" "+path) }
	for _, c := range all {
		name := function(c.path)
		if c.path == "" {
			name = "_vcycle"
		}
		fmt.Fprintf(b, "\n%s() {\n\tlocal line state\n\t_arguments -C \\\n", name)
		for _, f := range c.flags {
			value := ""
			switch {
			case len(f.values) > 0:
				value = fmt.Sprintf(":value:(%s)", strings.Join(f.values, " "))
			case f.value:
				value = ":value:_files"
			}
			fmt.Fprintf(b, "\t\t'*--%s[%s]%s' \\\n", f.name, quote.Replace(f.help), value)
		}
		switch {
		case len(c.commands) > 0:
			b.WriteString("\t\t'1: :->command' '*::argument:->argument'\n\tcase $state in\n\tcommand)\n\t\tlocal -a commands=(\n")
			for _, w := range c.commands {
				fmt.Fprintf(b, "\t\t\t'%s:%s'\n", w.text, quote.Replace(w.help))
			}
			b.WriteString("\t\t)\n\t\t_describe command commands ;;\n\targument)\n\t\tcase $line[1] in\n")
			for _, w := range c.commands {
				fmt.Fprintf(b, "\t\t%s) %s ;;\n", w.text, function(strings.TrimSpace(c.path+" "+w.text)))
			}
			b.WriteString("\t\tesac ;;\n\tesac\n}\n")
		case len(c.values) > 0:
			fmt.Fprintf(b, "\t\t'*: :(%s)'\n}\n", strings.Join(c.values, " "))
		default:
			b.WriteString("\t\t'*: :_files'\n}\n")
		}
	}
	b.WriteString("\nif [[ $funcstack[1] == _vcycle ]]; then\n\t_vcycle \"$@\"\nelse\n\tcompdef _vcycle vcycle\nfi\n")
}

// fishCompletion has a line for each word, with the condition that it is its turn.
func fishCompletion(b *strings.Builder, all []completion) {
	b.WriteString(`# fish completion of vcycle
# __vcycle_at PATH: the commands of the line so far are those of PATH.
function __vcycle_at
	set -l path
	for word in (commandline -opc)[2..]
		contains -- "$path $word" $__vcycle_paths; and set path "$path $word"
	end
	test "$path" = "$argv[1]"
end
`)
	var paths []string
	for _, c := range all[1:] {
		paths = append(paths, "' "+c.path+"'")
	}
	fmt.Fprintf(b, "set -g __vcycle_paths %s\n", strings.Join(paths, " "))
	quote := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	for _, c := range all {
		at := ""
		if c.path != "" {
			at = " " + c.path
		}
		condition := fmt.Sprintf("complete -c vcycle -n '__vcycle_at \"%s\"'", at)
		for _, w := range c.commands {
			fmt.Fprintf(b, "%s -f -a %s -d '%s'\n", condition, w.text, quote.Replace(w.help))
		}
		if len(c.values) > 0 {
			fmt.Fprintf(b, "%s -f -a '%s'\n", condition, strings.Join(c.values, " "))
		}
		for _, f := range c.flags {
			value := ""
			switch {
			case len(f.values) > 0:
				value = fmt.Sprintf(" -x -a '%s'", strings.Join(f.values, " "))
			case f.value:
				value = " -r"
			}
			fmt.Fprintf(b, "%s -l %s -d '%s'%s\n", condition, f.name, quote.Replace(f.help), value)
		}
	}
}
