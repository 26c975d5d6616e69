package safetensors

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
)

// Tensor is what Write takes: float32 values in row-major order.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Keys of the digests in the metadata: SHA-256 in hexadecimal of the data, and of the header with 0 for
// each digit of its own digest.
const (
	dataDigest   = "sha256.data"
	headerDigest = "sha256.header"
)

var blank = strings.Repeat("0", 2*sha256.Size)

// Write writes a file with the tensors in the given order. The metadata are completed by
// "format": "pt", without which other libraries do not load a file, and by the two digests. The values
// are converted through a small buffer, once for the digest and once for w; no copy of them is made. An
// error is that of w, or names a tensor whose shape does not fit its data or whose name is taken.
func Write(w io.Writer, metadata map[string]string, tensors []Tensor) error {
	return WriteAs(w, F32, metadata, tensors)
}

// WriteAs is Write with the values as elements of type F32, F16 or BF16. A value that is too large for the
// type is an error.
func WriteAs(w io.Writer, dtype string, metadata map[string]string, tensors []Tensor) error {
	sum := sha256.New()
	if err := writeData(sum, dtype, tensors); err != nil {
		return err
	}
	m := maps.Clone(metadata)
	if m == nil {
		m = map[string]string{}
	}
	m["format"] = "pt"
	m[dataDigest] = hexSum(sum)
	m[headerDigest] = blank
	header, err := marshalHeader(m, dtype, tensors)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(header)
	m[headerDigest] = hex.EncodeToString(digest[:])
	if header, err = marshalHeader(m, dtype, tensors); err != nil {
		return err
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	return writeData(w, dtype, tensors)
}

// marshalHeader returns the JSON with sorted metadata, padded with spaces so that the data begin at a
// multiple of 8 bytes.
func marshalHeader(metadata map[string]string, dtype string, tensors []Tensor) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"__metadata__":{`)
	for i, key := range slices.Sorted(maps.Keys(metadata)) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s:%s", quote(key), quote(metadata[key]))
	}
	b.WriteByte('}')
	seen := map[string]bool{"__metadata__": true}
	var offset int64
	for _, t := range tensors {
		if seen[t.Name] {
			return nil, fmt.Errorf("safetensors: Write: the name %q is taken", t.Name)
		}
		seen[t.Name] = true
		n := 1
		for _, d := range t.Shape {
			n *= d
		}
		if n != len(t.Data) {
			return nil, fmt.Errorf("safetensors: Write: tensor %q has %d values for shape %v", t.Name, len(t.Data), t.Shape)
		}
		shape, err := json.Marshal(append([]int{}, t.Shape...))
		if err != nil {
			return nil, err
		}
		end := offset + widths[dtype]*int64(n)
		fmt.Fprintf(&b, `,%s:{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`, quote(t.Name), dtype, shape, offset, end)
		offset = end
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxHeader {
		return nil, fmt.Errorf("safetensors: Write: a header of %d bytes is more than %d", b.Len(), maxHeader)
	}
	return b.Bytes(), nil
}

func quote(s string) []byte {
	q, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return q
}

// chunk is the number of values converted at a time.
const chunk = 1 << 14

func writeData(w io.Writer, dtype string, tensors []Tensor) error {
	buf := make([]byte, 0, 4*chunk)
	for _, t := range tensors {
		for part := range slices.Chunk(t.Data, chunk) {
			var err error
			if buf, err = Append(buf[:0], dtype, part); err != nil {
				return fmt.Errorf("tensor %q: %w", t.Name, err)
			}
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
	}
	return nil
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
