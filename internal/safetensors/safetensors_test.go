package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func sample() []Tensor {
	long := make([]float32, chunk+3) // more than one conversion
	for i := range long {
		long[i] = float32(i) * 0.25
	}
	return []Tensor{
		{"h.0.attn.c_attn.weight", []int{2, 3}, []float32{1, -2, float32(math.Inf(1)), 0, 1e-40, float32(math.Copysign(0, -1))}},
		{"scalar", nil, []float32{7}},
		{"none", []int{0, 4}, nil},
		{`odd "name" ÿ`, []int{chunk + 3}, long},
	}
}

func encode(t testing.TB, metadata map[string]string, tensors []Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, metadata, tensors); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(b []byte) (*File, error) { return Open(bytes.NewReader(b), int64(len(b))) }

func TestRoundTrip(t *testing.T) {
	meta := map[string]string{"options": `{"a": "<&>"}`, "é": "\n"}
	f, err := open(encode(t, meta, sample()))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Verify(); err != nil {
		t.Error(err)
	}
	for key, want := range map[string]string{"options": meta["options"], "é": "\n", "format": "pt"} {
		if f.Metadata[key] != want {
			t.Errorf("metadata %s: %q, want %q", key, f.Metadata[key], want)
		}
	}
	if len(meta) != 2 {
		t.Error("Write changed the caller's metadata")
	}
	for i, want := range sample() {
		if f.Entries[i].Name != want.Name {
			t.Errorf("tensor %d is %q, want %q", i, f.Entries[i].Name, want.Name)
		}
		got := make([]float32, len(want.Data))
		if err := f.Read(want.Name, want.Shape, got); err != nil {
			t.Error(err)
		}
		for j := range got {
			if math.Float32bits(got[j]) != math.Float32bits(want.Data[j]) {
				t.Fatalf("%s[%d] = %v, want %v", want.Name, j, got[j], want.Data[j])
			}
		}
	}
}

// TestFormat reads the file as the specification says, without this package's reader.
func TestFormat(t *testing.T) {
	b := encode(t, nil, sample())
	n := int(binary.LittleEndian.Uint64(b))
	if n%8 != 0 || b[8] != '{' {
		t.Errorf("header of %d bytes begins with %q: want a multiple of 8 and {", n, b[8])
	}
	var header map[string]struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets []int  `json:"data_offsets"`
		Format  string `json:"format"`
	}
	if err := json.Unmarshal(b[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	if header["__metadata__"].Format != "pt" {
		t.Error(`__metadata__ lacks "format": "pt"`)
	}
	end := 0
	for _, want := range sample() {
		e := header[want.Name]
		if e.DType != "F32" || e.Shape == nil || !slices.Equal(e.Shape, want.Shape) || !slices.Equal(e.Offsets, []int{end, end + 4*len(want.Data)}) {
			t.Errorf("%s: %+v", want.Name, e)
			continue
		}
		for i, v := range want.Data {
			if got := binary.LittleEndian.Uint32(b[8+n+end+4*i:]); got != math.Float32bits(v) {
				t.Fatalf("%s[%d]: bits %x, want %x", want.Name, i, got, math.Float32bits(v))
			}
		}
		end = e.Offsets[1]
	}
	if 8+n+end != len(b) {
		t.Errorf("the file has %d bytes, its tensors end at %d", len(b), 8+n+end)
	}
}

// TestDamage flips every bit and cuts at every length: all of it must be noticed, and nothing may panic.
func TestDamage(t *testing.T) {
	b := encode(t, map[string]string{"k": "v"}, []Tensor{{"a", []int{2}, []float32{1, 2}}, {"b", []int{1}, []float32{3}}})
	check := func(b []byte) error {
		f, err := open(b)
		if err != nil {
			return err
		}
		return f.Verify()
	}
	if err := check(b); err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(b) {
		c := bytes.Clone(b)
		c[i/8] ^= 1 << (i % 8)
		if check(c) == nil {
			t.Errorf("bit %d of byte %d flipped: no error", i%8, i/8)
		}
	}
	for n := range b {
		if check(b[:n]) == nil {
			t.Errorf("cut to %d bytes: no error", n)
		}
	}
	if check(append(bytes.Clone(b), 0)) == nil {
		t.Error("a byte too many: no error")
	}
}

// raw returns a file with this header and data.
func raw(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "too few"},
		{"text", []byte("this is a text file, and not a short one"), "does not fit"},
		{"huge header", binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "does not fit"},
		{"no header", raw("", 0), "not a JSON object"},
		{"array", raw("[]", 0), "not a JSON object"},
		{"open", raw(`{"a":`, 0), `tensor "a"`},
		{"not closed", raw(`{"__metadata__":{}`, 0), "not valid JSON"},
		{"trailing", raw(`{}{}`, 0), "goes on"},
		{"metadata", raw(`{"__metadata__":{"a":1}}`, 0), "__metadata__"},
		{"twice", raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "twice"},
		{"type", raw(`{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}`, 4), `"F31" is unknown`},
		{"negative", raw(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4), "not possible"},
		{"overflow", raw(`{"a":{"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,0]}}`, 0), "not possible"},
		{"size", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4), "is 8 bytes"},
		{"backwards", raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4), "places it"},
		{"before", raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, 4), "places it"},
		{"offsets", raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}`, 4), "1 numbers"},
		{"gap", raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "begins at byte 4"},
		{"overlap", raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), "begins at byte 0"},
		{"short data", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 4), "has 4 bytes of data"},
		{"long data", raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8), "has 8 bytes of data"},
	} {
		if _, err := open(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	f, err := open(raw(`{"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12))
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]float32, 2)
	for _, c := range []struct {
		name  string
		shape []int
		want  string
	}{
		{"x", []int{2}, "missing"},
		{"h", []int{2}, "type F16"},
		{"a", []int{1, 2}, "shape [2]"},
	} {
		if err := f.Read(c.name, c.shape, dst); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	if err := f.Verify(); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("a file without digests: error %v", err)
	}
}

type full struct{ n int }

func (w *full) Write(p []byte) (int, error) {
	if w.n -= len(p); w.n < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestWriteErrors(t *testing.T) {
	whole := len(encode(t, nil, sample()))
	for _, n := range []int{0, 8, 100, whole - 1} {
		if err := Write(&full{n}, nil, sample()); err == nil || err.Error() != "disk full" {
			t.Errorf("room for %d bytes: error %v", n, err)
		}
	}
	for _, bad := range [][]Tensor{
		{{"a", []int{3}, make([]float32, 2)}},
		{{"a", []int{1}, make([]float32, 1)}, {"a", []int{1}, make([]float32, 1)}},
		{{"__metadata__", []int{1}, make([]float32, 1)}},
	} {
		if err := Write(&full{1 << 20}, nil, bad); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(encode(f, map[string]string{"k": "v"}, []Tensor{{"a", []int{2}, []float32{1, 2}}}))
	f.Add(raw(`{"a":{"dtype":"F64","shape":[0,9223372036854775807],"data_offsets":[0,0]}}`, 0))
	f.Add(raw(`{"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}}  `, 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := open(b)
		if err != nil {
			return
		}
		file.Verify()
		var size int64
		for _, e := range file.Entries {
			size += e.end - e.begin
			if e.elements() < 0 || e.elements() > len(b) {
				t.Fatalf("%+v in a file of %d bytes", e, len(b))
			}
			if err := file.Read(e.Name, e.Shape, make([]float32, e.elements())); err != nil && e.DType == "F32" {
				t.Fatal(err)
			}
			if err := file.Convert(e.Name, e.Shape, make([]float32, e.elements())); err != nil && (e.DType == F16 || e.DType == BF16) {
				t.Fatal(err)
			}
		}
		if size > int64(len(b)) {
			t.Fatalf("%d bytes of tensors in a file of %d", size, len(b))
		}
	})
}
