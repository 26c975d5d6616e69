package main

import (
	"fmt"
	"path/filepath"

	"github.com/vcycle-go/vcycle/internal/shards"
)

// dataCmd groups what is about data.
type dataCmd struct {
	Prepare prepareCmd `cmd:"" help:"Turn files of text into shards of tokens, to train on data of any size."`
	Get     getCmd     `cmd:"" help:"Download a known public data set and verify it."`
	Verify  verifyCmd  `cmd:"" help:"Compare shards with the digests in their manifest."`
}

// Help is the detailed help.
func (dataCmd) Help() string {
	return "Examples:\n\n" +
		"  vcycle data get tinyshakespeare\n" +
		"  vcycle data prepare --tokenizer gpt2 --out shards tinyshakespeare.txt\n" +
		"  vcycle data prepare --tokenizer tokenizer.json --field content --dedup --out shards 'crawl/*.jsonl.gz'\n" +
		"  vcycle data verify shards\n" +
		"  vcycle train --data shards\n\n" + exitCodes
}

// verifyCmd checks shards.
type verifyCmd struct {
	Dir string `arg:"" help:"Directory of shards."`
}

// Run reads every byte of the shards.
func (c *verifyCmd) Run(s *session) error {
	m, err := shards.ReadManifest(c.Dir)
	if err != nil {
		return badInput{plainPathError(err)}
	}
	bar := newBar(s.stdout, "verifying", (m.Train.Tokens+m.Val.Tokens)*int64(m.TokenBytes))
	err = shards.Verify(s.ctx, c.Dir, m, bar)
	bar.done()
	if s.ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return badInput{plainPathError(err)}
	}
	set, err := shards.Open(c.Dir) // the tokenizer, too
	if err != nil {
		return badInput{plainPathError(err)}
	}
	fmt.Fprintf(s.stdout, "%s: %s\n", c.Dir, describeManifest(m))
	return set.Close()
}

// describeManifest returns one line for people.
func describeManifest(m *shards.Manifest) string {
	return fmt.Sprintf("%s tokens to train, %s to validate, in a vocabulary of %s (%s)",
		commas(m.Train.Tokens), commas(m.Val.Tokens), commas(int64(m.Tokenizer.Vocab)), m.Tokenizer.Name)
}

func tokenizerIn(dir string) string { return filepath.Join(dir, shards.TokenizerFile) }
