package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// maxHeader bounds the header, as the reference implementation does.
const maxHeader = 100_000_000

// Entry is a tensor in a file.
type Entry struct {
	Name  string
	DType string
	Shape []int
	// begin and end are its place in the data, in bytes.
	begin, end int64
}

// widths are the bytes of an element of each type.
var widths = map[string]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1,
	"U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4,
	"U64": 8, "I64": 8, "F64": 8, "C64": 8,
}

// parseHeader returns the metadata and the tensors, in the order of their data, of a header whose file
// has so many bytes of data. The tensors' sizes follow from their shapes and add up to data.
func parseHeader(header []byte, data int64) (map[string]string, []Entry, error) {
	d := json.NewDecoder(bytes.NewReader(header))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, errors.New("the header is not a JSON object")
	}
	var metadata map[string]string
	var entries []Entry
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, nil, fmt.Errorf("the header is not valid JSON: %w", err)
		}
		if seen[name] {
			return nil, nil, fmt.Errorf("the header names %q twice", name)
		}
		seen[name] = true
		if name == "__metadata__" {
			if err := d.Decode(&metadata); err != nil {
				return nil, nil, fmt.Errorf("__metadata__ in the header: %w", err)
			}
			continue
		}
		e, err := parseEntry(d, name)
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		entries = append(entries, e)
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, fmt.Errorf("the header is not valid JSON: %w", err)
	}
	if rest := bytes.Trim(header[d.InputOffset():], " "); len(rest) > 0 {
		return nil, nil, errors.New("the header goes on after its JSON object")
	}
	return metadata, entries, checkLayout(entries, data)
}

func parseEntry(d *json.Decoder, name string) (Entry, error) {
	var raw struct {
		DType   string  `json:"dtype"`
		Shape   []int   `json:"shape"`
		Offsets []int64 `json:"data_offsets"`
	}
	if err := d.Decode(&raw); err != nil {
		return Entry{}, err
	}
	if len(raw.Offsets) != 2 {
		return Entry{}, fmt.Errorf("data_offsets has %d numbers, not 2", len(raw.Offsets))
	}
	e := Entry{Name: name, DType: raw.DType, Shape: raw.Shape, begin: raw.Offsets[0], end: raw.Offsets[1]}
	size, ok := widths[e.DType]
	if !ok {
		return Entry{}, fmt.Errorf("type %q is unknown", e.DType)
	}
	for _, n := range e.Shape {
		if n < 0 || n > 0 && size > math.MaxInt64/int64(n) {
			return Entry{}, fmt.Errorf("shape %v is not possible", e.Shape)
		}
		size *= int64(n)
	}
	if e.begin < 0 || e.end < e.begin || e.end-e.begin != size {
		return Entry{}, fmt.Errorf("%s of shape %v is %d bytes, but the header places it at %d to %d", e.DType, e.Shape, size, e.begin, e.end)
	}
	return e, nil
}

// checkLayout sorts the entries by place and refuses gaps, overlaps and data that belong to none.
func checkLayout(entries []Entry, data int64) error {
	slices.SortStableFunc(entries, func(a, b Entry) int {
		switch {
		case a.begin != b.begin && a.begin < b.begin, a.begin == b.begin && a.end < b.end:
			return -1
		case a.begin == b.begin && a.end == b.end:
			return 0
		}
		return 1
	})
	var end int64
	for _, e := range entries {
		if e.begin != end {
			return fmt.Errorf("tensor %q begins at byte %d of the data, but the one before it ends at %d", e.Name, e.begin, end)
		}
		end = e.end
	}
	if end != data {
		return fmt.Errorf("the tensors have %d bytes, but the file has %d bytes of data", end, data)
	}
	return nil
}

// elements returns the number of elements.
func (e Entry) elements() int {
	return int((e.end - e.begin) / widths[e.DType])
}
