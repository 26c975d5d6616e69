package safetensors

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// File is an open file whose header has been read and checked.
type File struct {
	Metadata map[string]string
	Entries  []Entry // in the order of their data
	r        io.ReaderAt
	header   []byte
	start    int64 // of the data
	size     int64 // of the file
	byName   map[string]int
}

// Open reads the header of a file of size bytes. It allocates no more than the file has; an error says
// what is wrong with the header. The data are not read: see Verify.
func Open(r io.ReaderAt, size int64) (*File, error) {
	if size < 8 {
		return nil, fmt.Errorf("%d bytes are too few for a safetensors file", size)
	}
	var length [8]byte
	if _, err := r.ReadAt(length[:], 0); err != nil {
		return nil, fmt.Errorf("reading the length of the header: %w", err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > uint64(size-8) {
		return nil, fmt.Errorf("not a whole safetensors file: a header of %d bytes does not fit into a file of %d", n, size)
	}
	if n > maxHeader {
		return nil, fmt.Errorf("not a safetensors file: a header of %d bytes is more than %d", n, maxHeader)
	}
	f := &File{r: r, header: make([]byte, n), start: 8 + int64(n), size: size}
	if _, err := io.ReadFull(io.NewSectionReader(r, 8, int64(n)), f.header); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	var err error
	if f.Metadata, f.Entries, err = parseHeader(f.header, size-f.start); err != nil {
		return nil, err
	}
	f.byName = make(map[string]int, len(f.Entries))
	for i, e := range f.Entries {
		f.byName[e.Name] = i
	}
	return f, nil
}

// Verify reads the whole file once and returns an error unless both digests that Write stores are there
// and right.
func (f *File) Verify() error {
	want := f.Metadata[headerDigest]
	if len(want) != len(blank) || len(f.Metadata[dataDigest]) != len(blank) {
		return errors.New("the file has no digests: it was not written by this program")
	}
	header := sha256.Sum256(bytes.Replace(f.header, []byte(want), []byte(blank), 1))
	if hex.EncodeToString(header[:]) != want {
		return errors.New("the header is damaged: its SHA-256 is not the one that was stored")
	}
	data := sha256.New()
	if _, err := io.Copy(data, io.NewSectionReader(f.r, f.start, f.size-f.start)); err != nil {
		return fmt.Errorf("reading the data: %w", err)
	}
	if hexSum(data) != f.Metadata[dataDigest] {
		return errors.New("the data are damaged: their SHA-256 is not the one that was stored")
	}
	return nil
}

// Read fills dst with the values of a float32 tensor, which must have the given shape.
func (f *File) Read(name string, shape []int, dst []float32) error {
	i, ok := f.byName[name]
	if !ok {
		return fmt.Errorf("tensor %q is missing", name)
	}
	e := f.Entries[i]
	if e.DType != "F32" {
		return fmt.Errorf("tensor %q has type %s, not F32", name, e.DType)
	}
	if err := e.check(shape, len(dst)); err != nil {
		return err
	}
	buf := make([]byte, 4*min(chunk, len(dst)))
	r := io.NewSectionReader(f.r, f.start+e.begin, e.end-e.begin)
	for len(dst) > 0 {
		part := dst[:min(chunk, len(dst))]
		if _, err := io.ReadFull(r, buf[:4*len(part)]); err != nil {
			return fmt.Errorf("reading tensor %q: %w", name, err)
		}
		for j := range part {
			part[j] = math.Float32frombits(binary.LittleEndian.Uint32(buf[4*j:]))
		}
		dst = dst[len(part):]
	}
	return nil
}

// check returns an error unless the tensor has the shape, and n elements.
func (e Entry) check(shape []int, n int) error {
	if !slices.Equal(e.Shape, shape) || e.elements() != n {
		return fmt.Errorf("tensor %q has shape %v, not %v", e.Name, e.Shape, shape)
	}
	return nil
}
