package main

import (
	"cmp"
	"fmt"
	"io"
	"math"

	"github.com/vcycle-go/vcycle/internal/shards"
	"github.com/vcycle-go/vcycle/internal/text"
	"github.com/vcycle-go/vcycle/internal/token"
	"github.com/vcycle-go/vcycle/multilevel"
)

// evalCmd measures a model on data.
type evalCmd struct {
	Dir       string    `arg:"" name:"dir" help:"Directory of a run, or of a GPT-2 of Hugging Face."`
	Data      []string  `required:"" sep:"none" placeholder:"PATH" help:"Files of text (.jsonl, .gz), directories and patterns, all of which count, or a directory of shards. May be given several times."`
	Part      string    `default:"val" enum:"train,val" help:"Part of shards: val or train."`
	Tokens    int64     `placeholder:"N" help:"Look at the first N tokens only; 0: at all. Default: 0."`
	Batch     int       `default:"8" help:"Sequences at a time."`
	Tokenizer string    `placeholder:"NAME" help:"bytes, gpt2 or a tokenizer.json. Default: that of the model."`
	Grid      []float64 `placeholder:"N" help:"Integrate over depth in N steps, or between the nodes of a list such as 0,0.5,2,12, which covers the interval of the network. Default: as trained."`
	StepSize  float64   `placeholder:"H" help:"Integrate over depth in steps of H."`
	Theta     string    `default:"constant" enum:"constant,linear" help:"On another grid, parameters are a function of depth: constant on each step of the trained network (a new step has the mean over it), or linear between their middles (a new step has the value at its own)."`
	Threads   int       `placeholder:"N" help:"Threads to use; 0: all. Default: 0."`
	checkpointFlags
	documentFlags
}

// Help is the detailed help.
func (evalCmd) Help() string {
	return "The text is cut into sequences of the context's length, and every token but the first of all is predicted once, from those before it in " +
		"its sequence. Prints the mean cross-entropy in nats per token, the perplexity exp(loss), and bits per byte of text, " +
		"which can be compared between tokenizers.\n\n" +
		"Examples:\n\n" +
		"  vcycle eval runs/notes --data test.txt\n" +
		"  vcycle eval gpt2/ --data shards --part val --tokens 1000000\n" +
		"  vcycle eval runs/notes --data test.txt --grid 24 --theta linear\n\n" + exitCodes
}

// Run measures and prints.
func (c *evalCmd) Run(s *session) error {
	switch {
	case c.Tokens < 0:
		return badf("--tokens %d: it must not be negative", c.Tokens)
	case c.Batch < 1:
		return badf("--batch %d: it must be at least 1", c.Batch)
	}
	if err := setThreads(c.Threads); err != nil {
		return err
	}
	m, err := openModel(s, c.Dir, c.Tokenizer, c.checkpointFlags)
	if err != nil {
		return err
	}
	if err := c.regrid(m); err != nil {
		return err
	}
	tokens, err := c.read(s, m)
	if err != nil {
		return err
	}
	n := tokens.Len()
	if c.Tokens > 0 {
		n = min(n, c.Tokens)
	}
	context := int64(m.decoder.Config().Context)
	windows := (n - 1) / context
	if windows < 1 {
		return badf("the data are %s: a context of %d needs at least %d", plural(n, "token"), context, context+1)
	}
	loss, bytes, err := c.measure(s, m, tokens, windows)
	if err != nil {
		return err
	}
	count := windows * context
	line := describeLoss(m.tokenizer, loss, count, bytes)
	fmt.Fprintf(s.stdout, "model       %s\ndata        %s in %s of %d, %s of text", m.describe(), plural(count, "token"), plural(windows, "sequence"), context, byteSize(float64(bytes)))
	if left := n - 1 - count; left > 0 {
		fmt.Fprintf(s.stdout, "; what is left at the end, %s, fills no sequence", plural(left, "token"))
	}
	fmt.Fprintf(s.stdout, "\nloss        %s\nperplexity  %.4g\n", line, math.Exp(loss))
	return nil
}

// regrid takes the network to the grid that the flags ask for, if they do.
func (c *evalCmd) regrid(m *model) error {
	if c.Grid == nil && c.StepSize == 0 {
		return nil
	}
	if c.Grid != nil && c.StepSize != 0 {
		return badf("--grid and --step-size: give one of them")
	}
	cfg := m.decoder.Config()
	end := cfg.Grid().Time(cfg.Blocks)
	if len(c.Grid) > 1 {
		var err error
		if cfg, err = multilevel.OnGrid(cfg, c.Grid); err != nil {
			return badf("--grid: %w", err)
		}
	} else {
		n := end / c.StepSize
		if len(c.Grid) == 1 {
			n = c.Grid[0]
		}
		if !(n >= 1 && n <= 1<<12) || math.Abs(n-math.Round(n)) > 1e-6 {
			return badf("a grid of %g steps from 0 to %g: a whole number from 1 to %d is needed", n, end, 1<<12)
		}
		n = math.Round(n)
		cfg.Blocks, cfg.StepSize, cfg.Relative = int(n), end/n, nil
	}
	d, err := multilevel.Regrid(m.decoder, cfg, c.Theta)
	if err != nil {
		return badf("--grid: %w", err)
	}
	m.decoder = d
	return nil
}

// read returns the tokens of the data.
func (c *evalCmd) read(s *session, m *model) (multilevel.TokenReader, error) {
	if len(c.Data) == 1 && shards.Is(c.Data[0]) {
		set, err := shards.Open(c.Data[0])
		if err != nil {
			return nil, badf("--data: %w", plainPathError(err))
		}
		if !set.Tokenizer.Equal(m.tokenizer) {
			return nil, badf("--data %s has been prepared with another tokenizer than the model in %s has", c.Data[0], m.from)
		}
		if c.Part == "train" {
			return set.Train, nil
		}
		return set.Val, nil
	}
	f, err := c.format()
	if err != nil {
		return nil, err
	}
	sources, err := text.Find(c.Data, isOutput)
	if err != nil {
		return nil, badf("--data: %w", err)
	}
	return readTokens(s, m.tokenizer, sources, f, c.Tokens)
}

// readTokens returns the tokens of all documents, each with the token for the end of a text after it if
// there is one that no text has, or at least so many of them, unless enough is 0.
func readTokens(s *session, t *token.Tokenizer, sources []text.Source, f text.Format, enough int64) (multilevel.Tokens, error) {
	var ids multilevel.Tokens
	most := cmp.Or(machineMemory(), maxCorpus) / 8 // 4 bytes each, and as many while the list grows
	e := t.NewEncoder()
	end := func() {
		if t.Special(t.EndOfText()) {
			ids = append(ids, t.EndOfText())
		}
	}
	for _, source := range sources {
		var failed error
		err := eachBlock(s.ctx, source, f, 0, io.Discard, func(b text.Block) bool {
			failed = b.Documents(func(text []byte) error {
				ids = e.Append(ids, text)
				if b.Whole() {
					end()
				}
				return nil
			})
			if b.Last && !b.Whole() {
				end()
			}
			if failed == nil && int64(len(ids)) > most {
				failed = fmt.Errorf("more than %s tokens do not fit in memory: look at the first --tokens N, or at shards of them (vcycle data prepare)", commas(most))
			}
			return failed == nil && (enough == 0 || int64(len(ids)) < enough)
		})
		if err == nil {
			err = failed
		}
		if err != nil {
			return nil, badf("--data: %w", err)
		}
	}
	if s.ctx.Err() != nil {
		return nil, errInterrupted
	}
	return ids, nil
}

// measure returns the mean loss of so many sequences, and the bytes of text that their targets stand for.
func (c *evalCmd) measure(s *session, m *model, r multilevel.TokenReader, windows int64) (loss float64, bytes int64, err error) {
	context := int64(m.decoder.Config().Context)
	batch := min(int64(c.Batch), windows)
	all := make([]int32, batch*context+1)
	bar := newBar(s.stdout, "tokens", windows*context)
	bar.size = si
	defer bar.done()
	var sum float64
	for at := int64(0); at < windows; at += batch {
		if s.ctx.Err() != nil {
			return 0, 0, errInterrupted
		}
		n := min(batch, windows-at)
		ids := all[:n*context+1]
		if err := r.Read(at*context, ids); err != nil {
			return 0, 0, badf("--data: %w", err)
		}
		sum += float64(float64(n) * m.decoder.Loss(ids[:n*context], ids[1:], int(n))) // not fused: the same on every machine
		bytes += m.tokenizer.TextBytes(ids[1:])
		bar.add(n * context)
	}
	return sum / float64(windows), bytes, nil
}
