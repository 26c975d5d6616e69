package main

import (
	"fmt"
	"time"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
	"github.com/vcycle-go/vcycle/multilevel"
)

// importCmd groups the formats that models are read from.
type importCmd struct {
	HF importHFCmd `cmd:"" name:"hf" help:"Read a GPT-2 of Hugging Face's transformers."`
}

// Help is the detailed help.
func (importCmd) Help() string {
	return "Examples:\n\n" +
		"  vcycle import hf gpt2/ --out runs/gpt2\n" +
		"  vcycle train --init runs/gpt2 --data shards --lr 1e-4 --steps 500\n\n" + exitCodes
}

// importHFCmd makes a run of a directory of Hugging Face.
type importHFCmd struct {
	Dir       string `arg:"" name:"dir" help:"Directory with config.json, model.safetensors (or its index and parts) and tokenizer.json."`
	Out       string `placeholder:"DIR" help:"Directory to write the run to; it must be new or empty. Default: runs/<time>."`
	Tokenizer string `placeholder:"NAME" help:"bytes, gpt2 or a tokenizer.json. Default: that of the directory."`
}

// Help is the detailed help.
func (importHFCmd) Help() string {
	return "Writes a run of no steps, whose checkpoint holds the network: generate, eval and export take it, and train --init goes on from it. " +
		"They take the directory itself, too.\n\n" + exitCodes
}

// Run reads the model and writes the run.
func (c *importHFCmd) Run(s *session) error {
	now := time.Now()
	if _, err := newRunDir(c.Out, now); err != nil { // before much is read
		return err
	}
	m, err := openHF(c.Dir, c.Tokenizer)
	if err != nil {
		return err
	}
	cfg := m.decoder.Config()
	o := multilevel.Defaults()
	o.Multilevel, o.Blocks, o.StepSize, o.StepSizes, o.Method = multilevel.SingleLevel, cfg.Blocks, cfg.StepSize, cfg.Relative, cfg.Method
	o.Width, o.Heads, o.Context, o.Vocab, o.Batch, o.Steps, o.Warmup = cfg.Width, cfg.Heads, cfg.Context, cfg.Vocab, 1, 1, 0
	t, err := multilevel.NewTrainer(o, noData{cfg.Context})
	if err != nil {
		return badInput{err}
	}
	if err := m.fill(t.Decoder()); err != nil {
		return err
	}
	dir, err := createRunDir(c.Out, now)
	if err != nil {
		return err
	}
	// That of bytes too: the network may have more tokens than these.
	if err := writeFile(dir.tokenizer(), m.tokenizer.JSON()); err != nil {
		return err
	}
	saved := checkpoint{File: checkpointFile(0, 0)}
	if saved.Digest, err = atomicfile.WriteVerified(dir.path(saved), t.SaveTo); err != nil {
		return err
	}
	if err := dir.writeManifest(manifest{Version: manifestVersion, Checkpoints: []checkpoint{saved}}); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "%s\nin %s; fine-tune it with\n\n  vcycle train --init %s --data DATA\n", m.describe(), dir, dir)
	return nil
}

// noData is the source of a run that has not been trained.
type noData struct{ context int }

func (n noData) Batch(_ int, tokens, targets []int32) {
	clear(tokens)
	clear(targets)
}
func (n noData) Validation() (tokens, targets []int32) {
	return make([]int32, n.context), make([]int32, n.context)
}
func (noData) Vocab() int          { return 1 }
func (noData) Fingerprint() string { return "none: imported" }
