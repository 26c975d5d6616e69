package shards

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// Writer writes the shards of a part. State says how far it is; a Writer that continues from a state
// writes the same files.
type Writer struct {
	dir, name string
	width     int
	perShard  int64

	state State
	file  *os.File
	out   *bufio.Writer
	sum   hash.Hash
	bytes []byte
}

// State is what a Writer has written: whole shards, and so many tokens of the next.
type State struct {
	Shards []Shard `json:"shards"`
	Open   int64   `json:"open"`
}

// NewWriter returns a Writer of files name-00000.bin, … in dir, of perShard tokens of width bytes, from a
// state on. Tokens that are in the open file beyond the state are cut off.
func NewWriter(dir, name string, width int, perShard int64, from State) (*Writer, error) {
	w := &Writer{dir: dir, name: name, width: width, perShard: perShard, state: from}
	if from.Open > 0 {
		if err := w.open(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *Writer) path() string {
	return filepath.Join(w.dir, fmt.Sprintf("%s-%05d.bin", w.name, len(w.state.Shards)))
}

// open opens the next shard at the tokens that it has, whose digest is computed again.
func (w *Writer) open() error {
	file, err := os.OpenFile(w.path(), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	size := w.state.Open * int64(w.width)
	w.sum = sha256.New()
	if n, err := io.Copy(w.sum, io.LimitReader(file, size)); err != nil || n != size {
		file.Close()
		return fmt.Errorf("%s: %d bytes of %d are there (%v): remove the directory and begin again", w.path(), n, size, err)
	}
	if err := file.Truncate(size); err != nil {
		file.Close()
		return err
	}
	w.file, w.out = file, bufio.NewWriterSize(file, 1<<20)
	return nil
}

// Append writes tokens.
func (w *Writer) Append(ids []int32) error {
	for len(ids) > 0 {
		if w.file == nil {
			if err := w.open(); err != nil {
				return err
			}
		}
		n := min(int64(len(ids)), w.perShard-w.state.Open, 1<<16)
		b := Append(w.bytes[:0], ids[:n], w.width)
		w.bytes = b
		w.sum.Write(b)
		if _, err := w.out.Write(b); err != nil {
			return err
		}
		w.state.Open += n
		ids = ids[n:]
		if w.state.Open == w.perShard {
			if err := w.close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Append appends ids, as shards hold them in width bytes each, to b.
func Append(b []byte, ids []int32, width int) []byte {
	for _, id := range ids {
		switch width {
		case 1:
			b = append(b, byte(id))
		case 2:
			b = binary.LittleEndian.AppendUint16(b, uint16(id))
		default:
			b = binary.LittleEndian.AppendUint32(b, uint32(id))
		}
	}
	return b
}

// Sync makes everything durable and returns the state.
func (w *Writer) Sync() (State, error) {
	if w.file != nil {
		if err := w.out.Flush(); err != nil {
			return State{}, err
		}
		if err := w.file.Sync(); err != nil {
			return State{}, err
		}
	}
	s := w.state
	s.Shards = append([]Shard(nil), s.Shards...)
	return s, nil
}

// close ends the open shard.
func (w *Writer) close() error {
	name := filepath.Base(w.path())
	if _, err := w.Sync(); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	w.file = nil
	w.state.Shards = append(w.state.Shards, Shard{name, w.state.Open, hex.EncodeToString(w.sum.Sum(nil))})
	w.state.Open = 0
	return nil
}

// Finish ends the last shard and returns all of them.
func (w *Writer) Finish() ([]Shard, error) {
	if w.file != nil {
		if err := w.close(); err != nil {
			return nil, err
		}
	}
	return w.state.Shards, nil
}

// Close closes the file that is open, if any; what has been written since Sync may be lost.
func (w *Writer) Close() {
	if w.file != nil {
		w.file.Close()
		w.file = nil
	}
}
