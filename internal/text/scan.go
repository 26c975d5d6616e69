package text

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

// Stat is what a file holds.
type Stat struct {
	Source
	SHA256     string // of the file as it is
	TextSHA256 string // of the text of a file that is one document, if Format.Digest is set
	Bytes      int64  // uncompressed
	Documents  int64  // lines of JSON are counted without being read
}

// Scan reads every source once, several at a time, and returns what they hold. Files that are not text
// are left out if they have been found in a directory: binary counts them. read is told about bytes of
// files as they are done. The first error, in the order of the sources, is returned.
func Scan(ctx context.Context, sources []Source, f Format, read func(n int64)) (stats []Stat, binary int, err error) {
	all, errs := make([]*Stat, len(sources)), make([]error, len(sources))
	var wg sync.WaitGroup
	var next atomic.Int64
	var failed atomic.Bool
	for range min(runtime.GOMAXPROCS(0), len(sources)) {
		wg.Go(func() {
			for ctx.Err() == nil && !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= len(sources) {
					return
				}
				if all[i], errs[i] = sources[i].stat(ctx, f, read); errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	for i := range sources {
		switch {
		case errs[i] != nil:
			return nil, 0, errs[i]
		case all[i] != nil:
			stats = append(stats, *all[i])
		default:
			binary++
		}
	}
	return stats, binary, ctx.Err()
}

type progress func(n int64)

func (p progress) Write(b []byte) (int, error) {
	p(int64(len(b)))
	return len(b), nil
}

// stat reads the file; nil says that it is to be left out.
func (s Source) stat(ctx context.Context, f Format, read func(n int64)) (*Stat, error) {
	if !s.Named {
		if binary, err := s.Binary(); err != nil || binary {
			return nil, err
		}
	}
	sum := sha256.New()
	r, err := s.Open(f, 0, io.MultiWriter(sum, progress(read)))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	st := &Stat{Source: s}
	text := sha256.New()
	for ctx.Err() == nil {
		b, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		st.Bytes = b.End
		st.Documents += b.count()
		if f.Digest && !b.whole {
			text.Write(b.Data)
		}
	}
	st.TextSHA256 = hex.EncodeToString(text.Sum(nil))
	st.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return st, nil
}

// count returns the documents that begin in the block.
func (b Block) count() (n int64) {
	if !b.whole {
		if b.First && len(b.Data) > 0 {
			return 1
		}
		return 0
	}
	for rest := b.Data; len(rest) > 0; {
		var record []byte
		record, rest, _ = bytes.Cut(rest, []byte(b.separator))
		if len(bytes.TrimSpace(record)) > 0 {
			n++
		}
	}
	return n
}

// sniffed is how much of a file is searched for the NUL that tells a binary file, as git does.
const sniffed = 8000

// Binary tells whether a file that begins with head is not text, as git does.
func Binary(head []byte) bool { return bytes.IndexByte(head[:min(len(head), sniffed)], 0) >= 0 }

// Binary tells whether the file is not text; of a compressed one nothing is known.
func (s Source) Binary() (bool, error) {
	file, err := os.Open(s.Path)
	if err != nil {
		return false, plain(err)
	}
	defer file.Close()
	head := make([]byte, sniffed)
	n, err := io.ReadFull(file, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, plain(err)
	}
	return !s.Gzip && Binary(head[:n]), nil
}
