package text

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/vcycle-go/vcycle/internal/token"
)

// Format says how documents are found in files.
type Format struct {
	Field     string // of JSON lines, that holds the text
	Separator string // between documents of a file of text; empty: a file is one document
	Digest    bool   // Scan gives the digest of files that are one document
}

// Block is a piece of a file: part of a document of text, or whole documents.
type Block struct {
	Data        []byte
	Path        string
	Offset, End int64 // of Data in the uncompressed file
	Line        int64 // of JSON lines, that Data begins with; counts from 1
	First, Last bool  // of a document: Data is its beginning or its end
	separator   string
	field       string // of JSON lines
	whole       bool   // documents are whole
}

const (
	blockSize = 1 << 20
	// maxWord is the longest piece without a place to cut; a longer one is cut where that may change a token.
	maxWord = 16 << 20
	// maxDocument bounds documents that must be in memory: JSON lines, and those between separators.
	maxDocument = 1 << 30
)

// Reader reads the blocks of a file.
type Reader struct {
	source  Source
	format  Format
	file    *os.File
	in      io.Reader
	raw     io.Reader // the file itself, read to its end when in is
	pending []byte
	offset  int64 // of pending
	line    int64
	size    int // of a block
	eof     bool
	marked  bool // pending begins after a byte-order mark
}

// Open returns a Reader of the source from an offset, which is 0 or the End of a Block. All bytes of the
// file are written to each, unless that is nil.
func (s Source) Open(f Format, offset int64, each io.Writer) (*Reader, error) {
	file, err := os.Open(s.Path)
	if err != nil {
		return nil, plain(err)
	}
	r := &Reader{source: s, format: f, file: file, in: file, raw: file, offset: offset, line: 1, size: blockSize}
	if each != nil {
		r.raw = io.TeeReader(file, each)
		r.in = r.raw
	}
	if s.Gzip {
		if r.in, err = gzip.NewReader(r.raw); err != nil {
			file.Close()
			return nil, fmt.Errorf("%s: %w", s.Path, gzipError(err))
		}
	}
	if offset > 0 {
		if err := r.skip(offset); err != nil {
			file.Close()
			return nil, fmt.Errorf("%s: going to byte %d: %w", s.Path, offset, err)
		}
	}
	return r, nil
}

func gzipError(err error) error {
	switch {
	case errors.Is(err, gzip.ErrHeader), err == io.EOF:
		return errors.New("it is not compressed with gzip, as its name says")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the compressed file is cut off")
	}
	return err
}

// skip goes on to an offset. Lines must be counted, and what is compressed must be read.
func (r *Reader) skip(offset int64) error {
	if !r.source.Gzip && !r.source.Lines && r.raw == io.Reader(r.file) {
		_, err := r.file.Seek(offset, io.SeekStart)
		return err
	}
	count := &newlines{}
	_, err := io.CopyN(count, r.in, offset)
	r.line += count.n
	return err
}

type newlines struct{ n int64 }

func (c *newlines) Write(p []byte) (int, error) {
	c.n += int64(bytes.Count(p, []byte{'\n'}))
	return len(p), nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// separator returns what ends a document in this file; nil if the file is one.
func (r *Reader) separator() []byte {
	switch {
	case r.source.Lines:
		return []byte{'\n'}
	case r.format.Separator != "":
		return []byte(r.format.Separator)
	}
	return nil
}

// Next returns the next block, or io.EOF after the last. Its Data belong to the caller. An error names the
// file and the place.
func (r *Reader) Next() (Block, error) {
	sep := r.separator()
	want := r.size
	for {
		if err := r.fill(want); err != nil {
			return Block{}, fmt.Errorf("%s: at byte %d: %w", r.source.Path, r.offset+int64(len(r.pending)), gzipError(err))
		}
		if r.offset == 0 && bytes.HasPrefix(r.pending, []byte("\ufeff")) {
			r.pending, r.offset, r.marked = r.pending[3:], 3, true // the mark that some editors put before the text
		}
		if len(r.pending) == 0 && r.eof {
			return Block{}, io.EOF
		}
		n := r.cut(sep, want)
		if n > 0 || r.eof {
			return r.block(n, sep != nil)
		}
		if sep != nil && want >= maxDocument {
			return Block{}, fmt.Errorf("%s: a document at byte %d is longer than %d bytes: use another separator", r.source.Path, r.offset, maxDocument)
		}
		want *= 2
	}
}

// fill reads until there are n bytes, or the end.
func (r *Reader) fill(n int) error {
	if r.eof || len(r.pending) >= n {
		return nil
	}
	have := len(r.pending)
	buf := make([]byte, n)
	copy(buf, r.pending)
	got, err := io.ReadFull(r.in, buf[have:])
	r.pending = buf[:have+got]
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		// Of a compressed file cut off, too, only the error from below tells.
		if err == io.ErrUnexpectedEOF {
			if _, e := r.in.Read(make([]byte, 1)); e != io.EOF {
				return io.ErrUnexpectedEOF
			}
		}
		r.eof = true
		_, err = io.Copy(io.Discard, r.raw)
	}
	return err
}

// cut returns how many of the pending bytes make a block; 0 if more must be read to know.
func (r *Reader) cut(sep []byte, want int) int {
	text := r.pending
	if r.eof && len(text) <= want {
		return len(text)
	}
	if sep != nil {
		return afterLast(text, sep)
	}
	if n := token.Cut(text); n > 0 {
		return n
	}
	if len(text) < maxWord {
		return 0
	}
	n := len(text)
	for n > len(text)-utf8.UTFMax && !utf8.RuneStart(text[n-1]) {
		n--
	}
	return n - 1 // before the last character
}

// afterLast returns the end of the last separator in text, or 0, of those that are found one after the other
// from the beginning: one that overlaps itself, as --- in ----, is where Documents finds it, not at the end.
func afterLast(text, sep []byte) int {
	if len(sep) == 1 {
		return bytes.LastIndex(text, sep) + 1
	}
	n := 0
	for {
		i := bytes.Index(text[n:], sep)
		if i < 0 {
			return n
		}
		n += i + len(sep)
	}
}

func (r *Reader) block(n int, whole bool) (Block, error) {
	b := Block{
		Data: r.pending[:n:n], Path: r.source.Path, Offset: r.offset, End: r.offset + int64(n), Line: r.line,
		whole: whole, separator: r.format.Separator,
		First: r.offset == 0 || r.marked, Last: r.eof && n == len(r.pending),
	}
	if r.source.Lines {
		b.field, b.separator = r.format.Field, "\n"
	}
	r.line += int64(bytes.Count(b.Data, []byte{'\n'}))
	r.pending, r.offset, r.marked = r.pending[n:], b.End, false
	return b, b.check()
}

// check returns an error unless the block is text: UTF-8 without NUL.
func (b Block) check() error {
	if i := bytes.IndexByte(b.Data, 0); i >= 0 {
		return fmt.Errorf("%s: a NUL at byte %d: this is not text", b.Path, b.Offset+int64(i))
	}
	if utf8.Valid(b.Data) {
		return nil
	}
	for i := 0; ; {
		_, size := utf8.DecodeRune(b.Data[i:])
		if size <= 1 && b.Data[i] >= utf8.RuneSelf {
			line := b.Line + int64(bytes.Count(b.Data[:i], []byte{'\n'}))
			return fmt.Errorf("%s:%d: not UTF-8: byte 0x%02x at byte %d of the file; convert it first (iconv -f ENCODING -t UTF-8)",
				b.Path, line, b.Data[i], b.Offset+int64(i))
		}
		i += size
	}
}

// Documents calls use with the documents of a block of whole ones, in order, blank ones left out and
// without the line breaks beside separators; of any other block with its text. An error names the file and the line.
func (b Block) Documents(use func(text []byte) error) error {
	if !b.whole {
		return use(b.Data)
	}
	line := b.Line
	for rest := b.Data; len(rest) > 0; line++ {
		var record []byte
		record, rest, _ = bytes.Cut(rest, []byte(b.separator))
		if len(bytes.TrimSpace(record)) == 0 {
			continue
		}
		if b.field == "" {
			record = bytes.Trim(record, "\r\n")
		} else {
			text, err := field(record, b.field)
			if err != nil {
				return fmt.Errorf("%s:%d: %w", b.Path, line, err)
			}
			if len(text) == 0 {
				continue
			}
			record = text
		}
		if err := use(record); err != nil {
			return err
		}
	}
	return nil
}

// field returns the text of a field of an object.
func field(line []byte, name string) ([]byte, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(line, &object); err != nil {
		return nil, fmt.Errorf("not a line of JSON with an object: %w", err)
	}
	raw, ok := object[name]
	if !ok {
		return nil, fmt.Errorf("the object has no field %q: say with --field which one holds the text", name)
	}
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil || text == nil {
		return nil, fmt.Errorf("the field %q is not text", name)
	}
	b := []byte(*text)
	if bytes.IndexByte(b, 0) >= 0 {
		return nil, fmt.Errorf("the field %q has a NUL", name)
	}
	return b, nil
}

// Whole tells whether the block holds whole documents.
func (b Block) Whole() bool { return b.whole }
