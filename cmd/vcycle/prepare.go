package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vcycle-go/vcycle/internal/shards"
	"github.com/vcycle-go/vcycle/internal/text"
	"github.com/vcycle-go/vcycle/internal/token"
)

// prepareCmd makes shards of tokens.
type prepareCmd struct {
	Files       []string `arg:"" name:"files" help:"Files (text, .jsonl, each also .gz), directories and patterns."`
	Out         string   `required:"" placeholder:"DIR" help:"Directory to write; it must be new or empty, or hold an interrupted preparation of the same data, which is continued."`
	Tokenizer   string   `default:"bytes" placeholder:"NAME" help:"bytes, gpt2 or the path of a tokenizer.json. Default: bytes."`
	Val         float64  `name:"val" default:"0.05" placeholder:"SHARE" help:"Share of the documents that is for validation. Default: 0.05."`
	Seed        int64    `default:"1" help:"Seed of the choice of documents for validation."`
	Dedup       bool     `help:"Leave out documents whose text has been there before (SHA-256; some tens of bytes of memory for each document)."`
	ShardTokens int64    `default:"100000000" placeholder:"N" help:"Tokens of a shard. Default: 100 million."`
	Licence     string   `placeholder:"TEXT" help:"Note on the licence of the data, kept in the manifest."`
	documentFlags
}

// Help is the detailed help.
func (prepareCmd) Help() string {
	return "Every document ends with the end-of-text token (of bytes, NUL). Documents for validation are drawn by the seed, one of " +
		"every 1/SHARE in a row, rounded to a whole number (0.4: one of 3, not 2 of 5); a document that is larger than SHARE of all, or each where there are few, is cut instead, and its end is for validation. " +
		"The directory holds train-*.bin and val-*.bin (tokens of 1, 2 or 4 bytes, little-endian, without a header), " +
		"tokenizer.json, and at last manifest.json with the digests of all that was read and written.\n\n" +
		"All is read once before the tokens are made, so that a file that is not UTF-8 is found at the beginning. An interrupted " +
		"preparation is continued by the same command.\n\n" +
		"Examples:\n\n" +
		"  vcycle data prepare --tokenizer gpt2 --out shards notes/ 'crawl/*.jsonl.gz'\n\n" + exitCodes
}

// Names of the files that an interrupted preparation leaves.
const (
	prepareStateFile = "prepare.json"
	prepareSeenFile  = "prepare.seen"
)

// Run makes the shards.
func (c *prepareCmd) Run(s *session) error {
	p, err := c.preparation(s)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := p.run(); err != nil {
		return err
	}
	m, err := p.finish()
	if err != nil {
		return err
	}
	seconds := max(time.Since(start).Seconds(), 1e-9)
	line := fmt.Sprintf("%s: %s\n%s of text in %s, %.2f bytes per token", c.Out, describeManifest(m),
		byteSize(float64(m.Train.TextBytes+m.Val.TextBytes)), plural(p.state.documents(), "document"),
		float64(m.Train.TextBytes+m.Val.TextBytes)/float64(m.Train.Tokens+m.Val.Tokens))
	if m.Duplicates > 0 {
		line += fmt.Sprintf(", %s left out", plural(m.Duplicates, "duplicate"))
	}
	if p.binary > 0 {
		line += fmt.Sprintf(", %s left out", plural(p.binary, "binary file"))
	}
	fmt.Fprintf(s.stdout, "%s, in %s (%s/s); train on it with\n\n  vcycle train --data %s\n", line, clock(seconds),
		byteSize(float64(p.done)/seconds), c.Out)
	return nil
}

// preparation is a run of prepareCmd.
type preparation struct {
	session   *session
	dir       string
	command   *prepareCmd
	format    text.Format
	tokenizer *token.Tokenizer
	sources   []text.Stat
	binary    int
	total     int64 // bytes of text
	cut       bool  // all documents are cut: there are few
	state     prepareState
	seen      map[[16]byte]bool
	seenFile  *os.File
	seenNew   []byte
	train     *shards.Writer
	val       *shards.Writer
	done      int64  // bytes of text in this run
	onJob     func() // for tests
}

// prepareState is what a preparation needs to be continued.
type prepareState struct {
	Arguments  string       `json:"arguments"` // digest of what the result depends on
	File       int          `json:"file"`      // that is being read
	Offset     int64        `json:"offset"`    // in it, uncompressed
	Current    string       `json:"current"`   // where the document that Offset is in goes
	Drawn      int64        `json:"drawn"`     // documents that had a chance to be for validation
	Duplicates int64        `json:"duplicates"`
	Seen       int64        `json:"seen"` // documents in the file of those seen
	Cut        int64        `json:"cut"`  // documents with both parts
	Train      preparedPart `json:"train"`
	Val        preparedPart `json:"val"`
}

type preparedPart struct {
	Documents int64        `json:"documents"`
	TextBytes int64        `json:"text_bytes"`
	Tokens    int64        `json:"tokens"`
	Writer    shards.State `json:"writer"`
}

func (s prepareState) documents() int64 { return s.Train.Documents + s.Val.Documents - s.Cut }

// preparation checks the arguments, reads the sources once, and opens the directory.
func (c *prepareCmd) preparation(s *session) (*preparation, error) {
	f, err := c.format()
	if err != nil {
		return nil, err
	}
	switch {
	case !(c.Val > 0 && c.Val <= 0.5):
		return nil, badf("--val %g: it must be more than 0 and at most 0.5", c.Val)
	case c.ShardTokens < 1 || c.ShardTokens > math.MaxInt64/4:
		return nil, badf("--shard-tokens %d: it must be at least 1", c.ShardTokens)
	case c.Out == "":
		return nil, badf("--out: it must not be empty")
	}
	if shards.Is(c.Out) {
		return nil, badf("--out %s: prepared data are there: choose another directory", c.Out)
	}
	t, err := openTokenizer(c.Tokenizer)
	if err != nil {
		return nil, err
	}
	if t.EndOfText() < 0 {
		return nil, badf("--tokenizer %s: it has no token for the end of a text, which separates documents: add a special token <|endoftext|> to it", c.Tokenizer)
	}
	f.Digest = c.Dedup
	sources, err := text.Find(c.Files, isOutput)
	if err != nil {
		return nil, badInput{err}
	}
	p := &preparation{session: s, dir: c.Out, command: c, format: f, tokenizer: t, seen: map[[16]byte]bool{}}
	bar := newBar(s.stdout, "reading", totalSize(sources))
	p.sources, p.binary, err = text.Scan(s.ctx, sources, f, bar.add)
	bar.done()
	if s.ctx.Err() != nil {
		return nil, errInterrupted
	}
	if err != nil {
		return nil, badInput{err}
	}
	var documents int64
	for _, st := range p.sources {
		p.total += st.Bytes
		documents += st.Documents
	}
	if documents == 0 {
		return nil, badf("no text is in %s", strings.Join(c.Files, " "))
	}
	p.cut = documents < 2*p.every()
	p.state.Arguments = p.arguments()
	return p, p.open()
}

// isOutput tells whether a directory holds a run or shards, or an interrupted preparation of them: what has
// been made of data is not data.
func isOutput(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, prepareStateFile))
	return err == nil || shards.Is(dir) || isRun(dir)
}

// every returns of how many documents in a row one is for validation.
func (p *preparation) every() int64 { return int64(math.Round(1 / p.command.Val)) }

// large tells whether a document of n bytes is cut.
func (p *preparation) large(n int64) bool { return p.cut || n > p.total/p.every() }

// arguments returns the digest of all that the result depends on.
func (p *preparation) arguments() string {
	h := sha256.New()
	c := p.command
	fmt.Fprintf(h, "1 %s %q %q %g %d %t %d\n", p.tokenizer.SHA256(), c.Field, c.Separator, c.Val, c.Seed, c.Dedup, c.ShardTokens)
	for _, st := range p.sources {
		fmt.Fprintf(h, "%q %s %t %t\n", st.Path, st.SHA256, st.Lines, st.Gzip)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// open makes the directory, or goes on with what an interrupted preparation left in it.
func (p *preparation) open() error {
	if err := os.MkdirAll(p.dir, 0o777); err != nil {
		return badf("--out cannot be written: %w", plainPathError(err))
	}
	path := filepath.Join(p.dir, prepareStateFile)
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		entries, err := os.ReadDir(p.dir)
		if err != nil {
			return badf("--out %w", plainPathError(err))
		}
		if len(entries) > 0 {
			return badf("--out %s: the directory is not empty: choose another", p.dir)
		}
		if err := p.saveState(); err != nil {
			return badf("--out cannot be written: %w", err)
		}
	case err != nil:
		return badInput{plainPathError(err)}
	default:
		if err := p.continueFrom(path, content); err != nil {
			return err
		}
	}
	if err := writeFile(tokenizerIn(p.dir), p.tokenizer.JSON()); err != nil {
		return badf("--out cannot be written: %w", err)
	}
	if err := p.openSeen(); err != nil {
		return badInput{plainPathError(err)}
	}
	width := shards.TokenBytes(p.tokenizer.Vocab())
	if p.train, err = shards.NewWriter(p.dir, "train", width, p.command.ShardTokens, p.state.Train.Writer); err != nil {
		return badInput{plainPathError(err)}
	}
	if p.val, err = shards.NewWriter(p.dir, "val", width, p.command.ShardTokens, p.state.Val.Writer); err != nil {
		return badInput{plainPathError(err)}
	}
	return nil
}

// continueFrom takes over the state of an interrupted preparation.
func (p *preparation) continueFrom(path string, content []byte) error {
	var st prepareState
	if err := json.Unmarshal(content, &st); err != nil {
		return badf("%s is damaged: remove %s and begin again: %w", path, p.dir, err)
	}
	if st.Arguments != p.state.Arguments {
		return badf("--out %s holds an interrupted preparation of other data or with other options: choose another directory, or remove it", p.dir)
	}
	open := func(part preparedPart) bool { // a shard that is not full
		return part.Writer.Open >= 0 && part.Writer.Open < p.command.ShardTokens
	}
	if st.File < 0 || st.File > len(p.sources) || st.Offset < 0 || st.Seen < 0 || st.Drawn < 0 || !open(st.Train) || !open(st.Val) {
		return badf("%s is damaged: remove %s and begin again", path, p.dir)
	}
	p.state = st
	fmt.Fprintf(p.session.stdout, "continuing an interrupted preparation after %s\n", plural(st.Train.Tokens+st.Val.Tokens, "token"))
	return nil
}

// openSeen reads which documents have been seen.
func (p *preparation) openSeen() error {
	if !p.command.Dedup {
		return nil
	}
	file, err := os.OpenFile(filepath.Join(p.dir, prepareSeenFile), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	p.seenFile = file
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size()/16 < p.state.Seen {
		return fmt.Errorf("%s is damaged: remove %s and begin again", file.Name(), p.dir)
	}
	if err := file.Truncate(16 * p.state.Seen); err != nil {
		return err
	}
	content, err := os.ReadFile(file.Name())
	if err != nil {
		return err
	}
	for i := range p.state.Seen {
		p.seen[[16]byte(content[16*i:])] = true
	}
	_, err = file.Seek(16*p.state.Seen, 0)
	return err
}

// save makes durable what has been done.
func (p *preparation) save() (err error) {
	if p.state.Train.Writer, err = p.train.Sync(); err != nil {
		return err
	}
	if p.state.Val.Writer, err = p.val.Sync(); err != nil {
		return err
	}
	if p.seenFile != nil {
		if _, err := p.seenFile.Write(p.seenNew); err != nil {
			return err
		}
		p.state.Seen += int64(len(p.seenNew) / 16)
		p.seenNew = p.seenNew[:0]
		if err := p.seenFile.Sync(); err != nil {
			return err
		}
	}
	return p.saveState()
}

func (p *preparation) saveState() error {
	content, err := json.Marshal(p.state)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(p.dir, prepareStateFile), content)
}

// finish writes the manifest, and removes what only a continuation needs.
func (p *preparation) finish() (*shards.Manifest, error) {
	t, c := p.tokenizer, p.command
	m := &shards.Manifest{
		Program: "vcycle " + version(), Licence: c.Licence,
		Tokenizer:  shards.Tokenizer{Name: t.Name(), SHA256: t.SHA256(), Vocab: t.Vocab(), EndOfText: t.EndOfText()},
		TokenBytes: shards.TokenBytes(t.Vocab()), Seed: c.Seed, Validation: c.Val, Duplicates: p.state.Duplicates,
	}
	for _, part := range []struct {
		name string
		w    *shards.Writer
		from preparedPart
		to   *shards.Part
	}{{"train", p.train, p.state.Train, &m.Train}, {"val", p.val, p.state.Val, &m.Val}} {
		if part.from.TextBytes == 0 {
			return nil, badf("no document is left for the %s part: pass more text or another --val", part.name)
		}
		files, err := part.w.Finish()
		if err != nil {
			return nil, err
		}
		*part.to = shards.Part{Documents: part.from.Documents, TextBytes: part.from.TextBytes, Tokens: part.from.Tokens, Shards: files}
	}
	for _, st := range p.sources {
		m.Sources = append(m.Sources, shards.Source{Path: filepath.ToSlash(st.Path), Bytes: st.Size, SHA256: st.SHA256, Documents: st.Documents})
	}
	if err := m.Write(p.dir); err != nil {
		return nil, err
	}
	if p.seenFile != nil {
		p.seenFile.Close()
	}
	for _, name := range []string{prepareStateFile, prepareSeenFile} {
		if err := os.Remove(filepath.Join(p.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.session.warn("%v", err)
		}
	}
	return m, nil
}
