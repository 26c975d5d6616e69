package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"
)

// configFile is what a configuration file may hold.
type configFile struct {
	settings
	Recorded *recorded `toml:"recorded"`
}

// recorded is what a run adds to the config.toml that it writes, so that a repetition can tell whether
// it has the same to start from.
type recorded struct {
	Version    string `toml:"version"`
	ISA        string `toml:"isa"`
	BFloat16   string `toml:"bfloat16,omitempty"` // how a run of that precision multiplied, in kernels' words
	DataBytes  int64  `toml:"data_bytes"`
	DataSHA256 string `toml:"data_sha256"`
}

// read decodes the file path over f. It refuses unknown keys.
func (f *configFile) read(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return plainPathError(err)
	}
	d := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	err = d.Decode(f)
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		first := &unknown.Errors[0]
		line, column := first.Position()
		key := strings.Join(first.Key(), ".")
		return fmt.Errorf("%s:%d:%d: unknown key %q%s", path, line, column, key, didYouMean(key, settingKeys()))
	}
	var syntax *toml.DecodeError
	if errors.As(err, &syntax) {
		line, column := syntax.Position()
		where := strings.Join(syntax.Key(), ".")
		if where != "" {
			where += ": "
		}
		what := strings.TrimPrefix(syntax.Error(), "toml: ")
		what, _, _ = strings.Cut(what, " into struct field ") // which says nothing to who writes the file
		return fmt.Errorf("%s:%d:%d: %s%s", path, line, column, where, what)
	}
	if err != nil {
		return fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "toml: "))
	}
	return nil
}

// overlay copies the flags given on the command line over s. Levels given anew reset what follows from
// them in a file: the depth and the shares of the steps; so does a depth given anew. A schedule given anew
// resets all that follows from it, and the number of steps resets the warm-up. Of steps, tokens and time what
// is given takes the place of what the file has.
func (s *settings) overlay(flags settings, given map[string]bool) {
	if given["levels"] || given["blocks"] {
		s.LevelFractions = nil
		if !given["levels"] {
			s.Levels = nil
		}
		if !given["blocks"] {
			s.Blocks = 0
		}
		s.StepSizes, s.LevelWidths, s.LevelContexts, s.LevelRates = nil, nil, nil, nil
	}
	if given["multilevel"] {
		fresh := defaultSettings()
		s.Levels, s.LevelFractions, s.Cycles = nil, nil, fresh.Cycles
		s.LevelWidths, s.LevelContexts, s.LevelRates = nil, nil, nil
		s.Prolong, s.Restrict, s.Moments = fresh.Prolong, fresh.Restrict, fresh.Moments
		s.StepSizePolicy, s.StepSizeExponent = fresh.StepSizePolicy, fresh.StepSizeExponent
		s.Alpha, s.Rewarm, s.Coherence, s.LineSearch = fresh.Alpha, fresh.Rewarm, false, false
	}
	if (given["steps"] || given["tokens"]) && !given["warmup"] {
		s.Warmup = -1
	}
	if given["steps"] || given["tokens"] { // another budget
		s.Time.Duration, s.StepSeconds = 0, nil
	}
	if given["steps"] || given["time"] {
		s.Tokens = 0
	}
	if given["time"] || given["levels"] || given["blocks"] || given["multilevel"] {
		s.StepSeconds = nil
	}
	s.set(flags, given)
}

// set copies the given flags over s.
func (s *settings) set(flags settings, given map[string]bool) {
	from, to := reflect.ValueOf(flags), reflect.ValueOf(s).Elem()
	for i, key := range settingKeys() {
		if given[key] {
			to.Field(i).Set(from.Field(i))
		}
	}
}

// givenFlags returns the keys of the flags that the command line sets.
func givenFlags(k *kong.Context) map[string]bool {
	given := map[string]bool{}
	for _, p := range k.Path {
		if p.Flag != nil {
			given[strings.ReplaceAll(p.Flag.Name, "-", "_")] = true
		}
	}
	return given
}

// settingKeys returns the keys of the fields of settings, in order.
func settingKeys() []string {
	t := reflect.TypeFor[settings]()
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("toml")
	}
	return keys
}

// write returns f as a commented file that read takes back to the same values.
func (f configFile) write() ([]byte, error) {
	return f.writeAs("# Resolved configuration of a run of vcycle. To repeat the run:\n#\n#\tvcycle train --config THIS-FILE\n#\n"+
		"# Flags on the command line take precedence over this file.\n", func(string) bool { return false })
}

// writeAs writes f below a heading. Settings that are open are written as comments.
func (f configFile) writeAs(heading string, open func(key string) bool) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(heading)
	vars := settingDefaults()
	t, v := reflect.TypeFor[settings](), reflect.ValueOf(f.settings)
	for _, g := range settingGroups {
		if g.Key == "profile" {
			continue // of a command line
		}
		fmt.Fprintf(&b, "\n# ---- %s\n", strings.TrimSuffix(g.Title, ":"))
		for i := range t.NumField() {
			tag := t.Field(i).Tag
			if tag.Get("group") != g.Key {
				continue
			}
			line, err := toml.Marshal(map[string]any{tag.Get("toml"): v.Field(i).Interface()})
			if err != nil {
				return nil, err
			}
			if open(tag.Get("toml")) {
				line = append([]byte("#"), line...)
			}
			help := os.Expand(tag.Get("help"), func(name string) string { return vars[name] })
			fmt.Fprintf(&b, "\n%s%s", comment(help), line)
		}
	}
	if f.Recorded != nil {
		b.WriteString("\n# What the run had to start from. The same bits need the same data and instruction set; a repetition\n" +
			"# refuses other data. Delete this table to change the data.\n")
		table, err := toml.Marshal(map[string]any{"recorded": f.Recorded})
		if err != nil {
			return nil, err
		}
		b.Write(table)
	}
	return b.Bytes(), nil
}

// comment wraps text into lines that start with "# ".
func comment(text string) string {
	var b strings.Builder
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > 100 {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
	return b.String()
}

// didYouMean names the candidate that is at most two edits away from name.
func didYouMean(name string, candidates []string) string {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	best, nearest := 3, ""
	for _, c := range candidates {
		if d := edits(name, c); d < best {
			best, nearest = d, c
		}
	}
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", nearest)
}

// edits returns the Levenshtein distance of a and b, in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := min(row[j], row[j+1]) + 1
			if a[i] == b[j] {
				d = min(d, diagonal)
			} else {
				d = min(d, diagonal+1)
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
