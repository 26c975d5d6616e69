package main

import (
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// leavesOf returns the commands without subcommands, in order.
func leavesOf(k *kong.Kong) (leaves []*kong.Node) {
	_ = kong.Visit(k.Model, func(v kong.Visitable, next kong.Next) error {
		if n, ok := v.(*kong.Node); ok && n.Type == kong.CommandNode && !n.Hidden && len(n.Children) == 0 {
			leaves = append(leaves, n)
		}
		return next(nil)
	})
	return leaves
}

// introduces tells whether the help of the group of n stands before it: n is the first of several.
func introduces(n *kong.Node) bool {
	g := n.Parent
	return g.Type == kong.CommandNode && g.Children[0] == n && fullName(g) != fullName(n)
}

// flagsOf returns the flags of a command by the title of their group, in the order of these, and the names of those
// that mean what they mean for train, unless n is that.
func flagsOf(n, train *kong.Node) (titles []string, flags map[string][]*kong.Flag, shared []string) {
	flags = map[string][]*kong.Flag{}
	for _, f := range n.Flags {
		if f.Hidden || f.Name == "help" {
			continue
		}
		if n != train && slices.ContainsFunc(train.Flags, func(o *kong.Flag) bool { return o.Name == f.Name && o.Help == f.Help }) {
			shared = append(shared, "--"+f.Name)
			continue
		}
		title := "Flags"
		if f.Group != nil {
			title = strings.TrimSuffix(f.Group.Title, ":")
		}
		if flags[title] == nil {
			titles = append(titles, title)
		}
		flags[title] = append(flags[title], f)
	}
	place := func(title string) int {
		return slices.IndexFunc(settingGroups, func(g kong.Group) bool { return strings.TrimSuffix(g.Title, ":") == title })
	}
	slices.SortStableFunc(titles, func(x, y string) int { return place(x) - place(y) })
	return titles, flags, shared
}

// usageOf returns a flag as it is written, with what stands for its value.
func usageOf(f *kong.Flag) string {
	name := "--" + f.Name
	if f.Tag.Negatable != "" {
		name = "--[no-]" + f.Name
	}
	if f.IsBool() {
		return name
	}
	return name + "=" + f.FormatPlaceHolder()
}

// manual writes the page vcycle(1), of all commands and topics, in the macros of man(7).
func manual(w io.Writer, k *kong.Kong) error {
	m := &roff{}
	m.macro("TH", "VCYCLE", "1", "", "vcycle", "User Commands")
	m.macro("SH", "NAME")
	description, rest, _ := strings.Cut(k.Model.Help, "\n\n")
	m.line("vcycle - " + strings.ToLower(description[:1]) + strings.TrimSuffix(description[1:], "."))
	m.macro("SH", "SYNOPSIS")
	m.line("vcycle COMMAND [ARGUMENT ...] [FLAG ...]")
	m.macro("SH", "DESCRIPTION")
	m.detail(rest)
	m.macro("SH", "COMMANDS")
	leaves := leavesOf(k)
	train := leaves[slices.IndexFunc(leaves, func(n *kong.Node) bool { return fullName(n) == "vcycle train" })]
	for _, n := range leaves {
		if introduces(n) {
			m.command(n.Parent, train)
		}
		m.command(n, train)
	}
	for _, t := range topics {
		title := strings.ToUpper(t.name)
		if t.name == "exit-codes" {
			title = "EXIT STATUS"
		}
		m.macro("SH", title)
		m.verbatim(t.text)
	}
	_, err := io.WriteString(w, m.b.String())
	return err
}

// roff is a page that is written.
type roff struct{ b strings.Builder }

var roffEscapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...")

// macro writes a line of a macro and its arguments.
func (m *roff) macro(name string, arguments ...string) {
	m.b.WriteString("." + name)
	for _, a := range arguments {
		m.b.WriteString(` "` + strings.ReplaceAll(roffEscapes.Replace(a), `"`, `\(dq`) + `"`)
	}
	m.b.WriteByte('\n')
}

// line writes a line of text, in which nothing means anything to roff.
func (m *roff) line(text string) {
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		m.b.WriteString(`\&`)
	}
	m.b.WriteString(roffEscapes.Replace(text) + "\n")
}

// verbatim writes lines that stay as they are.
func (m *roff) verbatim(text string) {
	m.macro("nf")
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		m.line(line)
	}
	m.macro("fi")
}

// detail writes the detailed help of a command without the exit codes; what is indented is code.
func (m *roff) detail(text string) {
	for paragraph := range strings.SplitSeq(strings.ReplaceAll(text, exitCodes, ""), "\n\n") {
		switch {
		case strings.TrimSpace(paragraph) == "":
		case strings.HasPrefix(paragraph, "  "):
			m.verbatim(paragraph)
		default:
			m.macro("PP")
			m.line(strings.ReplaceAll(strings.TrimSpace(paragraph), "\n", " "))
		}
	}
}

// entry writes a term and what it means.
func (m *roff) entry(term, text string) {
	m.macro("TP")
	m.macro("B", term)
	m.line(text)
}

// command writes the section of a command or of a group of such.
func (m *roff) command(n, train *kong.Node) {
	name := fullName(n)
	for _, p := range n.Positional {
		name += " " + p.Summary()
	}
	m.macro("SS", name)
	m.line(n.Help)
	if len(n.Aliases) > 0 {
		m.line("Also " + strings.Join(n.Aliases, ", ") + ".")
	}
	m.detail(n.Detail)
	for _, p := range n.Positional {
		m.entry(p.Summary(), p.Help)
	}
	if len(n.Children) > 0 {
		return
	}
	titles, flags, shared := flagsOf(n, train)
	for _, title := range titles {
		if title != "Flags" {
			m.macro("PP")
			m.macro("I", title+":")
		}
		for _, f := range flags[title] {
			m.entry(usageOf(f), f.Help)
		}
	}
	if len(shared) > 0 {
		m.macro("PP")
		m.line("With the same meaning as for vcycle train: " + strings.Join(shared, ", ") + ".")
	}
}
