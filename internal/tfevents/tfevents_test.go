package tfevents

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// The first twelve bytes of every event file that TensorFlow writes: the length of the event with the
// version, 24, and its checksum.
func TestRecord(t *testing.T) {
	var b bytes.Buffer
	if err := writeRecord(&b, make([]byte, 24)); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(b.Bytes()[:12]); got != "1800000000000000a37f4b22" {
		t.Errorf("%s", got)
	}
}

// event is what the reader below finds.
type event struct {
	wall    float64
	step    uint64
	version string
	start   bool
	scalars []Scalar
}

// read decodes a file by the format's description, with nothing of the writer.
func read(t *testing.T, path string) (events []event) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(data []byte, masked uint32) {
		t.Helper()
		if bits.RotateLeft32(masked-0xa282ead8, 15) != crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) {
			t.Fatalf("%s: wrong checksum", path)
		}
	}
	for len(b) > 0 {
		n := binary.LittleEndian.Uint64(b)
		check(b[:8], binary.LittleEndian.Uint32(b[8:]))
		data := b[12 : 12+n]
		check(data, binary.LittleEndian.Uint32(b[12+n:]))
		b = b[16+n:]
		var e event
		fields(t, data, func(field int, v uint64, bytes []byte) {
			switch field {
			case 1:
				e.wall = math.Float64frombits(v)
			case 2:
				e.step = v
			case 3:
				e.version = string(bytes)
			case 5:
				fields(t, bytes, func(_ int, _ uint64, value []byte) {
					var s Scalar
					fields(t, value, func(field int, v uint64, bytes []byte) {
						if field == 1 {
							s.Tag = string(bytes)
						} else {
							s.Value = float64(math.Float32frombits(uint32(v)))
						}
					})
					e.scalars = append(e.scalars, s)
				})
			case 7:
				fields(t, bytes, func(field int, v uint64, _ []byte) { e.start = field == 1 && v == 1 })
			}
		})
		events = append(events, e)
	}
	return events
}

// fields calls use for each field of a message of Protocol Buffers.
func fields(t *testing.T, b []byte, use func(field int, v uint64, bytes []byte)) {
	t.Helper()
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		b = b[n:]
		var v uint64
		var bytes []byte
		switch key & 7 {
		case 0:
			v, n = binary.Uvarint(b)
		case 1:
			v, n = binary.LittleEndian.Uint64(b), 8
		case 2:
			length, k := binary.Uvarint(b)
			bytes, n = b[k:k+int(length)], k+int(length)
		case 5:
			v, n = uint64(binary.LittleEndian.Uint32(b)), 4
		default:
			t.Fatalf("wire type %d", key&7)
		}
		use(int(key>>3), v, bytes)
		b = b[n:]
	}
}

func TestWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	now := time.Unix(1700000000, 250e6)
	scalars := []Scalar{{"loss/train", 2.5}, {"lr", 0.125}, {"bad", math.Inf(1)}}
	for _, first := range []int{1, 301, 301} { // within one second
		w, err := Create(dir, first, now)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(now, first, scalars); err != nil {
			t.Fatal(err)
		}
		if err := w.Add(now, first+299, scalars[:1]); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*tfevents*")) // sorted
	if err != nil || len(paths) != 3 {
		t.Fatalf("%v, %v", paths, err)
	}
	for i, first := range []uint64{1, 301, 301} {
		events := read(t, paths[i])
		want := []event{
			{wall: 1700000000.25, version: "brain.Event:2"}, {wall: 1700000000.25, step: first, start: true},
			{wall: 1700000000.25, step: first, scalars: scalars}, {wall: 1700000000.25, step: first + 299, scalars: scalars[:1]},
		}
		if !slices.EqualFunc(events, want, func(a, b event) bool {
			return a.wall == b.wall && a.step == b.step && a.version == b.version && a.start == b.start && slices.Equal(a.scalars, b.scalars)
		}) {
			t.Errorf("%s: %+v, want %+v", paths[i], events, want)
		}
	}
	w, err := Create(filepath.Join(dir, "back"), 1, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []int{1, 2, 3, 2, 3} {
		if err := w.Add(now, step, scalars[:1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	paths, _ = filepath.Glob(filepath.Join(dir, "back", "*"))
	var starts []uint64
	for _, e := range read(t, paths[0]) {
		if e.start {
			starts = append(starts, e.step)
		}
	}
	if !slices.Equal(starts, []uint64{1, 2}) {
		t.Errorf("sessions start at the steps %v, want 1 and 2", starts)
	}
	if _, err := Create(paths[0], 1, now); err == nil {
		t.Error("a file as the directory")
	}
}
