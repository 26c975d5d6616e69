package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vcycle-go/vcycle/internal/mapped"
	"github.com/vcycle-go/vcycle/internal/text"
)

// corpus is text, divided into a part to train on and a part to validate on. The same files give the same corpus.
type corpus struct {
	path       string // what was read
	tokenizer  string // by which it becomes tokens in memory; empty: by none
	goSource   bool   // path is the source tree of a Go toolchain
	files      int
	binary     int  // files left out because they are not text
	mapped     bool // train and val are parts of a file that is mapped into memory
	train, val []byte
	sha256     string // of train and val, hexadecimal
}

const (
	// Of a directory every holdOutEvery-th file is for validation, of a single file the last 1/holdOutEvery.
	holdOutEvery = 20
	// maxCorpus bounds what is held in memory where it is not known how much there is, in bytes.
	maxCorpus = 8 << 30
)

// mapFrom is the size from which on a single file is mapped into memory: smaller ones are read, so that a run
// goes on undisturbed when they are edited.
var mapFrom int64 = 256 << 20

// loadCorpus reads the file or directory path, or the source tree of the installed Go toolchain if path
// is empty, to be tokenized in memory by a tokenizer unless that is empty. Both parts of the corpus have more
// bytes than a context.
func loadCorpus(ctx context.Context, path, tokenizer string, context int) (*corpus, error) {
	c := &corpus{path: path, tokenizer: tokenizer}
	if path == "" {
		root, err := goRoot(ctx)
		if err != nil {
			return nil, badf("no Go source tree to train on (%v): pass --data with a file or directory of text", err)
		}
		c.path, c.goSource = filepath.Join(root, "src"), true
	}
	texts, err := c.read()
	if err != nil {
		return nil, badf("--data: %w", err)
	}
	if err := c.split(texts, context); err != nil {
		return nil, badf("--data %s: %w", c.path, err)
	}
	h := sha256.New()
	err = mapped.Guard(func() {
		h.Write(c.train)
		h.Write(c.val)
	})
	if err != nil {
		return nil, badf("--data %s: %w", c.path, err)
	}
	c.sha256 = fmt.Sprintf("%x", h.Sum(nil))
	return c, nil
}

// bytes returns the size of the corpus.
func (c *corpus) bytes() int64 { return int64(len(c.train) + len(c.val)) }

// describe returns one line for people.
func (c *corpus) describe() string {
	what := c.path
	if c.goSource {
		what = "Go source tree " + c.path
	}
	line := fmt.Sprintf("%s: %s, %s to train, %s to validate",
		what, plural(c.files, "file"), byteSize(float64(len(c.train))), byteSize(float64(len(c.val))))
	if c.binary > 0 {
		line += fmt.Sprintf(" (%s binary left out)", commas(int64(c.binary)))
	}
	if c.mapped {
		line += "; mapped into memory"
	}
	return line
}

// goRoot asks the go command for the root of its toolchain.
func goRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("go env GOROOT: %s", firstLine(exit.Stderr, err.Error()))
		}
		return "", err
	}
	root := strings.TrimSpace(string(out))
	if root == "" {
		return "", errors.New("go env GOROOT is empty")
	}
	return root, nil
}

func firstLine(text []byte, otherwise string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if line == "" {
		return otherwise
	}
	return line
}

// read returns the texts of c.path, one per file, in the order of their slash-separated paths.
func (c *corpus) read() ([][]byte, error) {
	root, err := filepath.EvalSymlinks(c.path)
	if err != nil {
		return nil, plainPathError(err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, plainPathError(err)
	}
	switch {
	case info.Mode().IsRegular() && info.Size() >= mapFrom:
		if err := c.fits(0, info.Size()); err != nil {
			return nil, err
		}
		text, err := mapped.Open(root)
		if err != nil {
			return nil, plainPathError(err)
		}
		c.files, c.mapped = 1, true
		return [][]byte{text}, nil
	case info.Mode().IsRegular():
		return c.readFiles([]string{root}, info.Size(), true)
	case !info.IsDir():
		return nil, fmt.Errorf("%s is neither a regular file nor a directory", c.path)
	}
	paths, size, err := c.list(root)
	if err != nil {
		return nil, plainPathError(err)
	}
	return c.readFiles(paths, size, false)
}

// list returns the regular files below root that c wants, without hidden ones and runs, sorted, and their size.
func (c *corpus) list(root string) (paths []string, size int64, err error) {
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := path != root && strings.HasPrefix(e.Name(), ".")
		if e.IsDir() {
			if hidden || path != root && isRun(path) {
				return fs.SkipDir
			}
			return nil
		}
		if hidden || !e.Type().IsRegular() || c.goSource && !isGoSource(e.Name()) {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		size += info.Size()
		paths = append(paths, path)
		return nil
	})
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(filepath.ToSlash(a), filepath.ToSlash(b)) })
	return paths, size, err
}

// isRun reports whether dir holds a run, which must not change the data that it is written below. What has
// been imported has no configuration, but a checkpoint.
func isRun(dir string) bool {
	d := runDir(dir)
	if info, err := os.Stat(d.checkpoints()); err != nil || !info.IsDir() {
		return false
	}
	if _, err := os.Stat(d.config()); err == nil {
		return true
	}
	steps, err := d.steps()
	return err == nil && len(steps) > 0
}

func isGoSource(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
}

// readFiles reads the paths, of size bytes together. Empty files are left out, and binary ones unless
// the user named the file itself.
func (c *corpus) readFiles(paths []string, size int64, named bool) ([][]byte, error) {
	held := size
	if len(paths) > 1 {
		held *= 2 // put together
	}
	if err := c.fits(held, size); err != nil {
		return nil, err
	}
	texts := make([][]byte, 0, len(paths))
	for _, p := range paths {
		content, err := os.ReadFile(p)
		if err != nil {
			return nil, plainPathError(err)
		}
		binary := text.Binary(content)
		if binary {
			c.binary++
		}
		if len(content) == 0 || binary && !named {
			continue
		}
		texts = append(texts, content)
	}
	c.files = len(texts)
	if named {
		c.binary = 0
	}
	return texts, nil
}

// fits refuses a corpus of size bytes, of which so many are held in memory, where there is not as much, before it is read.
func (c *corpus) fits(held, size int64) error {
	tokenizer := ""
	if c.tokenizer != "" {
		held += size / 2 // about two bytes for every four of text
		tokenizer = " --tokenizer " + c.tokenizer
	}
	machine := machineMemory()
	limit := cmp.Or(machine, maxCorpus)
	if held <= limit {
		return nil
	}
	has := "this process may have no more than " + byteSize(float64(limit))
	if machine == 0 {
		has = "no more than " + byteSize(float64(limit)) + " is held where it cannot be told how much there is"
	}
	return fmt.Errorf("%s holds %s of text, for which %s of memory is needed to train on it as it is, but %s: make shards of it, which may be of any size, with vcycle data prepare%s --out DIR %s, and train on these",
		c.path, byteSize(float64(size)), byteSize(float64(held)), has, tokenizer, c.path)
}

// split divides the texts: every holdOutEvery-th file is for validation. Where that leaves less than 1%
// or more than 20% for it, as with few files or one that outweighs the rest, the tail of all is.
func (c *corpus) split(texts [][]byte, context int) error {
	var total int
	for _, t := range texts {
		total += len(t)
	}
	switch {
	case len(texts) == 0 && c.goSource:
		return errors.New("no Go files are there")
	case total == 0:
		return errors.New("no text is there")
	case total < 2*(context+1):
		return fmt.Errorf("%d bytes are too few: a context of %d needs at least %d, half of them for validation; pass more text or a shorter --context",
			total, context, 2*(context+1))
	}
	if len(texts) == 1 { // nothing to put together
		c.cut(texts[0], context)
		return nil
	}
	c.train, c.val = make([]byte, 0, total), make([]byte, 0, total/10)
	for i, t := range texts {
		if i%holdOutEvery == holdOutEvery-1 {
			c.val = append(c.val, t...)
		} else {
			c.train = append(c.train, t...)
		}
	}
	if v := len(c.val); v <= context || v < total/100 || v > total/5 {
		c.train, c.val = nil, nil
		c.cut(bytes.Join(texts, nil), context)
	}
	return nil
}

// cut divides all: the tail is for validation.
func (c *corpus) cut(all []byte, context int) {
	at := len(all) - max(len(all)/holdOutEvery, context+1)
	c.train, c.val = all[:at:at], all[at:]
}

// plainPathError drops the name of the system call from err.
func plainPathError(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	return err
}
