package main

import (
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// overrides are settings by their keys.
type overrides struct {
	Set []string `name:"set" group:"run" sep:"none" placeholder:"KEY=VALUE" help:"Set what a configuration file may hold, by its key, as its flag would: --set lr=0.001 is --lr 0.001. May be given several times."`
}

// override sets what "key=value" says, as the flag of that key would, and marks it as given.
func (s *settings) override(set []string, given map[string]bool) error {
	for _, pair := range set {
		key, value, found := strings.Cut(pair, "=")
		key = strings.ReplaceAll(strings.TrimSpace(key), "-", "_")
		if !found {
			return badf("--set %s: give a key and a value, such as --set lr=0.001", pair)
		}
		if err := s.assign(key, strings.TrimSpace(value)); err != nil {
			return badf("--set %s: %w", pair, err)
		}
		if given[key] {
			return badf("--set %s: %s is given twice", pair, key)
		}
		given[key] = true
	}
	return nil
}

// assign parses value as the flag of the key does.
func (s *settings) assign(key, value string) error {
	i := slices.Index(settingKeys(), key)
	if i < 0 {
		return badf("unknown key %q%s", key, didYouMean(key, settingKeys()))
	}
	flag := strings.ReplaceAll(key, "_", "-")
	if value == "" && slices.Contains(fileFlags, flag) {
		return badf("it must not be empty")
	}
	var one struct{ settings }
	p, err := kong.New(&one, settingDefaults(), kong.ExplicitGroups(settingGroups), kong.NoDefaultHelp())
	if err != nil {
		return err
	}
	if _, err := p.Parse([]string{"--" + flag + "=" + value}); err != nil {
		return badf("%s", strings.TrimPrefix(err.Error(), "--"+flag+": "))
	}
	reflect.ValueOf(s).Elem().Field(i).Set(reflect.ValueOf(one.settings).Field(i))
	return nil
}
