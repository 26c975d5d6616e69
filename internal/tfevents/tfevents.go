// Package tfevents writes scalars as event files of TensorBoard.
//
// An event file is a sequence of TFRecords, each of them an Event in the encoding of Protocol Buffers
// (tensorflow/core/util/event.proto, framework/summary.proto):
//
//	length (uint64) | masked CRC of length | data | masked CRC of data       little-endian
//
// where a CRC is CRC-32C and its mask ((crc >> 15) | (crc << 17)) + 0xa282ead8
// (tensorflow/core/lib/io/record_writer.h, lib/hash/crc32c.h).
package tfevents

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"
)

// Scalar is a value under a name, such as loss/train; TensorBoard groups by what is before the slash.
type Scalar struct {
	Tag   string
	Value float64 // kept in float32
}

// Writer appends to an event file. It is for one goroutine.
type Writer struct {
	f      *os.File
	w      *bufio.Writer
	last   int // step
	record []byte
	value  []byte
}

const pattern = "events.out.tfevents.%010d.vcycle"

// Create begins a file in dir, which is made if it is not there. What other files in dir have from the step
// first on, TensorBoard then forgets: it is of before an interruption, and comes again. The name has the time
// in seconds, but sorts behind those of all files that are there, as that is the order that TensorBoard reads
// them in.
func Create(dir string, first int, now time.Time) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	seconds := now.Unix()
	for _, e := range entries {
		var other int64
		if n, _ := fmt.Sscanf(e.Name(), pattern, &other); n == 1 {
			seconds = max(seconds, other+1)
		}
	}
	var f *os.File
	for {
		f, err = os.OpenFile(filepath.Join(dir, fmt.Sprintf(pattern, seconds)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			break
		}
		seconds++
	}
	if err != nil {
		return nil, err
	}
	w := &Writer{f: f, w: bufio.NewWriter(f)}
	err = w.event(now, 0, appendBytes(nil, 3, []byte("brain.Event:2"))) // file_version
	if err == nil {
		err = w.start(now, first)
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

// start has TensorBoard forget what it has from a step on.
func (w *Writer) start(now time.Time, first int) error {
	w.last = first - 1
	return w.event(now, first, appendBytes(nil, 7, appendUint(nil, 1, 1))) // session_log with the status START
}

// Add writes values of a step. They reach the file with Flush, if not before. A step that is not after the last
// one is of a run that has gone back there: what came after it is forgotten, as with Create.
func (w *Writer) Add(now time.Time, step int, scalars []Scalar) error {
	if step <= w.last {
		if err := w.start(now, step); err != nil {
			return err
		}
	}
	w.last = step
	var summary []byte
	for _, s := range scalars {
		w.value = appendBytes(w.value[:0], 1, []byte(s.Tag))
		w.value = binary.LittleEndian.AppendUint32(append(w.value, 2<<3|5), math.Float32bits(float32(s.Value)))
		summary = appendBytes(summary, 1, w.value)
	}
	return w.event(now, step, appendBytes(nil, 5, summary))
}

// Flush hands what has been added to the operating system.
func (w *Writer) Flush() error { return w.w.Flush() }

// Close flushes and closes the file.
func (w *Writer) Close() error { return errors.Join(w.w.Flush(), w.f.Close()) }

// event writes an Event of a time, a step and one more field, which is encoded.
func (w *Writer) event(now time.Time, step int, what []byte) error {
	b := binary.LittleEndian.AppendUint64(append(w.record[:0], 1<<3|1), math.Float64bits(float64(now.UnixMicro())/1e6))
	b = appendUint(b, 2, uint64(step))
	w.record = append(b, what...)
	return writeRecord(w.w, w.record)
}

// writeRecord writes a TFRecord.
func writeRecord(w io.Writer, data []byte) error {
	var head [12]byte
	binary.LittleEndian.PutUint64(head[:], uint64(len(data)))
	binary.LittleEndian.PutUint32(head[8:], maskedCRC(head[:8]))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	_, err := w.Write(binary.LittleEndian.AppendUint32(nil, maskedCRC(data)))
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// appendUint appends a field of the type varint.
func appendUint(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(append(b, byte(field<<3)), v)
}

// appendBytes appends a field that has a length: a string or a message.
func appendBytes(b []byte, field int, v []byte) []byte {
	return append(binary.AppendUvarint(append(b, byte(field<<3|2)), uint64(len(v))), v...)
}
