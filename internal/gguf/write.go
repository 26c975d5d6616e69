// Package gguf writes GGUF files, which llama.cpp reads: metadata, then tensors, each at a multiple of 32
// bytes. The layout is version 3 of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/vcycle-go/vcycle/internal/safetensors"
)

// Pair is a key of the metadata and its value: a string, uint32, int32, float32, bool, or a slice of
// strings or int32s.
type Pair struct {
	Key   string
	Value any
}

// Tensor is float32 values in row-major order. In the file, dimensions are in the opposite order: the last
// of Shape, along which the values lie together, comes first.
type Tensor struct {
	Name  string
	Shape []int
	DType string // safetensors.F32, F16 or BF16
	Data  func() []float32
	// Transpose says that Shape is that of the transpose of Data.
	Transpose bool
}

// Alignment of the tensors, in bytes.
const alignment = 32

// The numbers of types of values and of tensors.
const (
	typeUint32  = 4
	typeInt32   = 5
	typeFloat32 = 6
	typeBool    = 7
	typeString  = 8
	typeArray   = 9
)

var tensorTypes = map[string]uint32{safetensors.F32: 0, safetensors.F16: 1, safetensors.BF16: 30}

// Write writes a file. An error is that of w, or names a value that cannot be written.
func Write(w io.Writer, metadata []Pair, tensors []Tensor) error {
	b := []byte("GGUF")
	b = binary.LittleEndian.AppendUint32(b, 3)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(metadata)))
	var err error
	for _, p := range metadata {
		b = appendString(b, p.Key)
		if b, err = appendValue(b, p.Value); err != nil {
			return fmt.Errorf("gguf: Write: %s: %w", p.Key, err)
		}
	}
	var offset int64
	for _, t := range tensors {
		kind, ok := tensorTypes[t.DType]
		if !ok {
			return fmt.Errorf("gguf: Write: %s: type %q", t.Name, t.DType)
		}
		b = appendString(b, t.Name)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Shape)))
		for i := len(t.Shape) - 1; i >= 0; i-- {
			b = binary.LittleEndian.AppendUint64(b, uint64(t.Shape[i]))
		}
		b = binary.LittleEndian.AppendUint32(b, kind)
		b = binary.LittleEndian.AppendUint64(b, uint64(offset))
		offset += pad(t.size())
	}
	b = append(b, make([]byte, pad(int64(len(b)))-int64(len(b)))...)
	if _, err := w.Write(b); err != nil {
		return err
	}
	for _, t := range tensors {
		if err := t.write(w); err != nil {
			return err
		}
	}
	return nil
}

func pad(n int64) int64 { return (n + alignment - 1) / alignment * alignment }

func (t Tensor) size() int64 {
	n := int64(4)
	if t.DType != safetensors.F32 {
		n = 2
	}
	for _, d := range t.Shape {
		n *= int64(d)
	}
	return n
}

// rowsAtATime bounds the memory of a conversion.
const rowsAtATime = 64

func (t Tensor) write(w io.Writer) error {
	data := t.Data()
	cols := t.Shape[len(t.Shape)-1]
	rows := 1
	for _, d := range t.Shape[:len(t.Shape)-1] {
		rows *= d
	}
	if rows*cols != len(data) {
		return fmt.Errorf("gguf: Write: %s has %d values for shape %v", t.Name, len(data), t.Shape)
	}
	var b []byte
	values := make([]float32, 0, rowsAtATime*cols)
	for lo := 0; lo < rows; lo += rowsAtATime {
		hi := min(lo+rowsAtATime, rows)
		values = values[:0]
		if t.Transpose {
			for i := lo; i < hi; i++ {
				for j := range cols {
					values = append(values, data[j*rows+i])
				}
			}
		} else {
			values = append(values, data[lo*cols:hi*cols]...)
		}
		var err error
		if b, err = safetensors.Append(b[:0], t.DType, values); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	_, err := w.Write(make([]byte, pad(t.size())-t.size()))
	return err
}

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

func appendValue(b []byte, value any) ([]byte, error) {
	le := binary.LittleEndian
	switch v := value.(type) {
	case string:
		return appendString(le.AppendUint32(b, typeString), v), nil
	case uint32:
		return le.AppendUint32(le.AppendUint32(b, typeUint32), v), nil
	case int32:
		return le.AppendUint32(le.AppendUint32(b, typeInt32), uint32(v)), nil
	case float32:
		return le.AppendUint32(le.AppendUint32(b, typeFloat32), math.Float32bits(v)), nil
	case bool:
		b = le.AppendUint32(b, typeBool)
		if v {
			return append(b, 1), nil
		}
		return append(b, 0), nil
	case []string:
		b = le.AppendUint32(le.AppendUint32(b, typeArray), typeString)
		b = le.AppendUint64(b, uint64(len(v)))
		for _, s := range v {
			b = appendString(b, s)
		}
		return b, nil
	case []int32:
		b = le.AppendUint32(le.AppendUint32(b, typeArray), typeInt32)
		b = le.AppendUint64(b, uint64(len(v)))
		for _, n := range v {
			b = le.AppendUint32(b, uint32(n))
		}
		return b, nil
	}
	return nil, fmt.Errorf("a value of type %T", value)
}
