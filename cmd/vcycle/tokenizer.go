package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vcycle-go/vcycle/internal/text"
	"github.com/vcycle-go/vcycle/internal/token"
)

// tokenizerCmd groups what is about tokenizers.
type tokenizerCmd struct {
	Train  tokenizerTrainCmd  `cmd:"" help:"Learn a byte-level BPE vocabulary from files of text."`
	Encode tokenizerEncodeCmd `cmd:"" help:"Write the tokens of text from standard input."`
	Decode tokenizerDecodeCmd `cmd:"" help:"Write the text of tokens from standard input."`
	Info   tokenizerInfoCmd   `cmd:"" help:"Describe a tokenizer."`
}

// Help is the detailed help.
func (tokenizerCmd) Help() string {
	return "A tokenizer is bytes (256 tokens), gpt2 (50,257 tokens, built in) or the path of a tokenizer.json with a byte-level BPE vocabulary, " +
		"such as this command and Hugging Face tokenizers write.\n\n" +
		"Examples:\n\n" +
		"  vcycle tokenizer train --vocab 4096 --out tokenizer.json texts/ more.jsonl.gz\n" +
		"  vcycle tokenizer info gpt2\n" +
		"  echo hello | vcycle tokenizer encode tokenizer.json | vcycle tokenizer decode tokenizer.json\n\n" + exitCodes
}

// documentFlags say how documents are found in files.
type documentFlags struct {
	Field     string `default:"text" placeholder:"NAME" help:"Field of JSON lines that holds the text. Default: text."`
	Separator string `placeholder:"TEXT" help:"What separates the documents of a file of text, such as <|endoftext|>. Default: a file is one document."`
}

func (f documentFlags) format() (text.Format, error) {
	if f.Field == "" {
		return text.Format{}, badf("--field: it must not be empty")
	}
	return text.Format{Field: f.Field, Separator: f.Separator}, nil
}

// tokenizerTrainCmd learns a vocabulary.
type tokenizerTrainCmd struct {
	Files []string `arg:"" name:"files" help:"Files (text, .jsonl, each also .gz), directories and patterns."`
	Vocab int      `default:"4096" placeholder:"N" help:"Tokens of the vocabulary: the 256 bytes, the merges, and <|endoftext|>. Default: 4096."`
	Out   string   `default:"tokenizer.json" placeholder:"FILE" help:"File to write. Default: tokenizer.json."`
	Force bool     `help:"Replace the file if it is there."`
	documentFlags
}

// Run learns and writes a vocabulary.
func (c *tokenizerTrainCmd) Run(s *session) error {
	f, err := c.format()
	if err != nil {
		return err
	}
	if c.Vocab < token.MinVocab { // before the files are read
		return badf("--vocab %d: it must be at least %d", c.Vocab, token.MinVocab)
	}
	if _, err := os.Lstat(c.Out); err == nil && !c.Force {
		return badf("--out %s: the file is there: choose another, or replace it with --force", c.Out)
	}
	sources, err := text.Find(c.Files, isOutput)
	if err != nil {
		return badInput{err}
	}
	start := time.Now()
	words, read, err := countWords(s, sources, f)
	if err != nil {
		return err
	}
	if words.Words() == 0 {
		return badf("no text is in %s", strings.Join(c.Files, " "))
	}
	t, err := words.Train(c.Vocab)
	if err != nil {
		return badf("--vocab: %w", err)
	}
	if err := writeFile(c.Out, t.JSON()); err != nil {
		return badf("--out cannot be written: %w", err)
	}
	if t.Vocab() < c.Vocab {
		s.warn("the text holds no more than %s tokens: every pair that occurs twice has been merged", commas(int64(t.Vocab())))
	}
	fmt.Fprintf(s.stdout, "%s: %s tokens from %s of text, %s, in %s; SHA-256 %.12s…\n", c.Out, commas(int64(t.Vocab())),
		byteSize(float64(read)), plural(words.Words(), "different word"), clock(time.Since(start).Seconds()), t.SHA256())
	return nil
}

// countWords counts the words of all sources, on all processors. Counts add up to the same in any order.
func countWords(s *session, sources []text.Source, f text.Format) (total *token.Counter, read int64, err error) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	blocks := make(chan text.Block)
	bar := newBar(s.stdout, "words", totalSize(sources))
	go func() {
		defer close(blocks)
		for _, source := range sources {
			err := eachBlock(ctx, source, f, 0, bar, func(b text.Block) bool {
				blocks <- b
				return true
			})
			if err != nil {
				cancel(badInput{err})
				return
			}
		}
	}()
	workers := make([]*token.Counter, runtime.GOMAXPROCS(0))
	var bytes atomic.Int64
	var wg sync.WaitGroup
	for i := range workers {
		workers[i] = token.NewCounter()
		wg.Go(func() {
			for b := range blocks {
				err := b.Documents(func(t []byte) error {
					workers[i].Count(t)
					bytes.Add(int64(len(t)))
					return nil
				})
				if err != nil {
					cancel(badInput{err})
				}
			}
		})
	}
	wg.Wait()
	bar.done()
	if s.ctx.Err() != nil {
		return nil, 0, errInterrupted
	}
	if err := context.Cause(ctx); err != nil {
		return nil, 0, err
	}
	total = workers[0]
	for _, w := range workers[1:] {
		total.Add(w)
	}
	return total, bytes.Load(), nil
}

// eachBlock reads a source from an offset, block by block, until use returns false or ctx is done. Files
// found in a directory that are not text are left out. The bytes of the file go to each, unless it is nil.
func eachBlock(ctx context.Context, source text.Source, f text.Format, offset int64, each io.Writer, use func(text.Block) bool) error {
	if !source.Named {
		if binary, err := source.Binary(); err != nil || binary {
			return err
		}
	}
	r, err := source.Open(f, offset, each)
	if err != nil {
		return err
	}
	defer r.Close()
	for ctx.Err() == nil {
		b, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if !use(b) {
			break
		}
	}
	return nil
}

func totalSize(sources []text.Source) (n int64) {
	for _, s := range sources {
		n += s.Size
	}
	return n
}

// bar shows on a terminal how many of the bytes to be read have been, or of what else size writes numbers of.
type bar struct {
	what        string
	size        func(float64) string
	total, read atomic.Int64
	mu          sync.Mutex
	console     *console
	start       time.Time
}

func newBar(w io.Writer, what string, total int64) *bar {
	b := &bar{what: what, size: byteSize, console: newConsole(w), start: time.Now()}
	b.total.Store(total)
	return b
}

// Write counts bytes that have been read.
func (b *bar) Write(p []byte) (int, error) {
	b.add(int64(len(p)))
	return len(p), nil
}

func (b *bar) add(n int64) {
	read, total := b.read.Add(n), b.total.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.console.status(false, func(int) string {
		seconds := time.Since(b.start).Seconds()
		left := "–"
		if read > 0 {
			left = clock(seconds * float64(max(0, total-read)) / float64(read))
		}
		return fmt.Sprintf("%s  %s of %s  %s  %s/s  ETA %s", b.what, b.size(float64(read)), b.size(float64(total)),
			percent(float64(read), float64(total)), b.size(float64(read)/max(seconds, 1e-9)), left)
	})
}

// done removes the line.
func (b *bar) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.console.clear()
}

// openTokenizer returns the tokenizer that a flag or argument names.
func openTokenizer(name string) (*token.Tokenizer, error) {
	if name == "" {
		return nil, badf("the tokenizer must not be empty: give bytes, gpt2 or the path of a tokenizer.json")
	}
	t, err := token.Open(name)
	if err != nil {
		return nil, badInput{err}
	}
	return t, nil
}

// stdin is standard input.
var stdin io.Reader = os.Stdin

// tokenizerEncodeCmd encodes standard input.
type tokenizerEncodeCmd struct {
	Tokenizer string `arg:"" help:"bytes, gpt2 or a tokenizer.json."`
}

// Run writes the tokens in decimal.
func (c *tokenizerEncodeCmd) Run(s *session) error {
	t, err := openTokenizer(c.Tokenizer)
	if err != nil {
		return err
	}
	in, err := io.ReadAll(stdin)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(s.stdout)
	for i, id := range t.Encode(in) {
		if i > 0 {
			w.WriteByte(' ')
		}
		w.WriteString(strconv.Itoa(int(id)))
	}
	w.WriteByte('\n')
	return w.Flush()
}

// tokenizerDecodeCmd decodes standard input.
type tokenizerDecodeCmd struct {
	Tokenizer string `arg:"" help:"bytes, gpt2 or a tokenizer.json."`
}

// Run writes the text of the tokens, which are decimal numbers with spaces, commas or line breaks between.
func (c *tokenizerDecodeCmd) Run(s *session) error {
	t, err := openTokenizer(c.Tokenizer)
	if err != nil {
		return err
	}
	in, err := io.ReadAll(stdin)
	if err != nil {
		return err
	}
	var ids []int32
	for i, word := range strings.FieldsFunc(string(in), func(r rune) bool { return strings.ContainsRune(" ,\r\n\t[]", r) }) {
		n, err := strconv.ParseInt(word, 10, 32)
		if err != nil {
			return badf("number %d, %q, is not a token: give decimal numbers with spaces between", i+1, word)
		}
		ids = append(ids, int32(n))
	}
	out, err := t.Decode(nil, ids)
	if err != nil {
		return badInput{err}
	}
	_, err = s.stdout.Write(out)
	return err
}

// tokenizerInfoCmd describes a tokenizer.
type tokenizerInfoCmd struct {
	Tokenizer string `arg:"" help:"bytes, gpt2 or a tokenizer.json."`
}

// Run prints what there is to know of a tokenizer.
func (c *tokenizerInfoCmd) Run(s *session) error {
	t, err := openTokenizer(c.Tokenizer)
	if err != nil {
		return err
	}
	longest := int32(0)
	for id := range int32(t.Vocab()) {
		if !t.Special(id) && len(t.Token(id)) > len(t.Token(longest)) {
			longest = id
		}
	}
	fmt.Fprintf(s.stdout, "name         %s\ntokens       %s\nmerges       %s\n", t.Name(), commas(int64(t.Vocab())), commas(int64(t.Merges())))
	if end := t.EndOfText(); end >= 0 {
		fmt.Fprintf(s.stdout, "end of text  %d %q\n", end, t.Token(end))
	} else {
		fmt.Fprintf(s.stdout, "end of text  none\n")
	}
	fmt.Fprintf(s.stdout, "longest      %d %q\nSHA-256      %s\n", longest, t.Token(longest), t.SHA256())
	return nil
}
