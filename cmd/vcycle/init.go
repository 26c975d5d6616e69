package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
)

// initCmd writes a configuration.
type initCmd struct {
	File string `arg:"" optional:"" default:"vcycle.toml" help:"File to write; -: standard output. It must not be there. Default: ${default}."`
	From string `placeholder:"RUN" help:"Take the settings of the run in this directory, all of them, instead of the defaults."`
	overrides
}

// Help is the detailed help.
func (initCmd) Help() string {
	return "Writes every setting of train with its help and its default. What follows from other settings, or from the data, is left open, as a comment.\n\n" +
		"Examples:\n\n" +
		"  vcycle init --set data=notes/ --set width=256 --set heads=8\n" +
		"  vcycle train --config vcycle.toml --lr 0.001\n" +
		"  vcycle init --from runs/notes wider.toml --set width=512\n\n" + exitCodes
}

// Run writes the file.
func (c *initCmd) Run(s *session) error {
	if c.File == "" {
		return badf("the name of the file must not be empty")
	}
	file, open := configFile{settings: defaultSettings()}, openSettings()
	if c.From != "" {
		path := runDir(filepath.Clean(c.From)).config()
		if err := file.read(path); err != nil {
			return badf("--from %s is not the directory of a run: %w", c.From, err)
		}
		file.Recorded, open = nil, map[string]bool{}
	}
	flags, given := file.settings, map[string]bool{}
	if err := flags.override(c.Set, given); err != nil {
		return err
	}
	if c.From != "" {
		before := file.settings
		file.overlay(flags, given)
		for i, key := range settingKeys() { // what the others reset is open again
			open[key] = !given[key] && !reflect.DeepEqual(reflect.ValueOf(before).Field(i).Interface(), reflect.ValueOf(file.settings).Field(i).Interface())
		}
	} else {
		file.set(flags, given)
	}
	check := file.settings
	if check.Init == "" { // else its shape is that of the network
		if err := check.resolve(); err != nil {
			return err
		}
	}
	name := c.File
	if name == "-" {
		name = "FILE"
	}
	text, err := file.writeAs(fmt.Sprintf("# Configuration of vcycle %s. To train with it:\n#\n#\tvcycle train --config %s\n#\n"+
		"# Flags on the command line take precedence over this file. Lines that begin with # and a key are left open.\n", version(), name),
		func(key string) bool { return open[key] && !given[key] })
	if err != nil {
		return err
	}
	if c.File == "-" {
		_, err := s.stdout.Write(text)
		return err
	}
	if err := writeNewFile(c.File, text); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "%s; train with it:\n\n  vcycle train --config %s\n", c.File, c.File)
	return nil
}

// writeNewFile writes a file that must not be there.
func writeNewFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return badf("%s is there already: choose another name, or remove it", path)
	} else if err != nil {
		return badf("%s cannot be written: %w", path, errors.Unwrap(err))
	}
	_, err = f.Write(text)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(path)
		return plainPathError(err)
	}
	return nil
}

// openSettings returns the keys of the settings without a default of their own.
func openSettings() map[string]bool {
	open := map[string]bool{}
	t := reflect.TypeFor[settings]()
	for i, key := range settingKeys() {
		f := t.Field(i)
		text := f.Tag.Get("default")
		open[key] = text == "" && f.Type.Kind() != reflect.Bool || text == "-1"
	}
	return open
}
