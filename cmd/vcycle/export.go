package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vcycle-go/vcycle/internal/gpt2"
	"github.com/vcycle-go/vcycle/internal/safetensors"
)

// exportCmd groups the formats that models are written in.
type exportCmd struct {
	HF   exportHFCmd   `cmd:"" name:"hf" help:"Write a model as a GPT-2 of Hugging Face's transformers."`
	GGUF exportGGUFCmd `cmd:"" name:"gguf" help:"Write a model as a GGUF file for llama.cpp."`
}

// Help is the detailed help.
func (exportCmd) Help() string {
	return "A model of the method euler with h = 1, the defaults of train, is a GPT-2; one of the method split is, with h in its output projections. " +
		"Others are refused: no GPT-2 computes the same.\n\n" +
		"Examples:\n\n" +
		"  vcycle export hf runs/notes --out notes-hf --dtype f16\n" +
		"  python -c \"from transformers import pipeline; print(pipeline('text-generation', 'notes-hf')('It was'))\"\n" +
		"  vcycle export gguf runs/notes --out notes.gguf\n" +
		"  llama-completion -m notes.gguf -p \"It was\"\n\n" + exitCodes
}

// exportFlags are those of every format.
type exportFlags struct {
	Dir       string `arg:"" name:"dir" help:"Directory of a run."`
	DType     string `name:"dtype" default:"f32" enum:"f32,f16,bf16" help:"Type of the weights: f32, f16 or bf16."`
	Tokenizer string `placeholder:"NAME" help:"bytes, gpt2 or a tokenizer.json. Default: that of the run."`
	checkpointFlags
}

var dtypes = map[string]string{"f32": safetensors.F32, "f16": safetensors.F16, "bf16": safetensors.BF16}

// open returns the model, which can be exported.
func (f exportFlags) open(s *session) (*model, error) {
	m, err := openModel(s, f.Dir, f.Tokenizer, f.checkpointFlags)
	if err != nil {
		return nil, err
	}
	if err := gpt2.Exportable(m.decoder.Config()); err != nil {
		return nil, badf("%s: %w", m.from, err)
	}
	return m, nil
}

// failed returns the error of writing the model to out.
func (f exportFlags) failed(out string, err error) error {
	if errors.Is(err, safetensors.ErrTooLarge) {
		return badf("--dtype %s: %w", f.DType, err)
	}
	return fmt.Errorf("--out %s: %w", out, plainPathError(err))
}

// exportHFCmd writes a directory of Hugging Face.
type exportHFCmd struct {
	exportFlags
	Out string `required:"" placeholder:"DIR" help:"Directory to write; it must be new or empty."`
}

// Run writes config.json, model.safetensors, tokenizer.json and what goes with them.
func (c *exportHFCmd) Run(s *session) error {
	if err := newOrEmpty(c.Out); err != nil {
		return err
	}
	m, err := c.open(s)
	if err != nil {
		return err
	}
	if err := gpt2.WriteHF(c.Out, m.decoder, m.tokenizer, dtypes[c.DType], "vcycle "+version()); err != nil {
		return c.failed(c.Out, err)
	}
	fmt.Fprintf(s.stdout, "%s\nas %s in %s; in Python:\n\n  transformers.AutoModelForCausalLM.from_pretrained(%q)\n", m.describe(), c.DType, c.Out, filepath.ToSlash(c.Out))
	return nil
}

// newOrEmpty refuses a directory that holds something.
func newOrEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case dir == "":
		return badf("--out: it must not be empty")
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return badf("--out %w", plainPathError(err))
	case len(entries) > 0:
		return badf("--out %s: the directory is not empty: choose another", dir)
	}
	return nil
}

// exportGGUFCmd writes a file of llama.cpp.
type exportGGUFCmd struct {
	exportFlags
	Out   string `required:"" placeholder:"FILE" help:"File to write."`
	Name  string `placeholder:"TEXT" help:"Name of the model in the file. Default: that of the directory."`
	Force bool   `help:"Replace the file if it is there."`
}

// Run writes the file.
func (c *exportGGUFCmd) Run(s *session) error {
	if c.Out == "" {
		return badf("--out: it must not be empty")
	}
	if _, err := os.Lstat(c.Out); err == nil && !c.Force {
		return badf("--out %s: the file is there: choose another, or replace it with --force", c.Out)
	}
	m, err := c.open(s)
	if err != nil {
		return err
	}
	name := c.Name
	if name == "" {
		if path, err := filepath.Abs(c.Dir); err == nil {
			name = filepath.Base(path)
		}
	}
	if err := gpt2.WriteGGUF(c.Out, m.decoder, m.tokenizer, dtypes[c.DType], name); err != nil {
		return c.failed(c.Out, err)
	}
	fmt.Fprintf(s.stdout, "%s\nas %s in %s; with llama.cpp:\n\n  llama-completion -m %s -p \"Once\"\n", m.describe(), c.DType, c.Out, filepath.ToSlash(c.Out))
	return nil
}
