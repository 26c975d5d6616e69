package gpt2

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/vcycle-go/vcycle/internal/safetensors"
	"github.com/vcycle-go/vcycle/internal/token"
	"github.com/vcycle-go/vcycle/nn"
)

// decoder returns a small network whose biases and gains matter.
func decoder(t testing.TB, method string, h float64) *nn.Decoder {
	t.Helper()
	d, err := nn.NewDecoder(nn.Config{Vocab: 256, Context: 12, Width: 16, Heads: 2, Blocks: 3, StepSize: h, Method: method}, 1)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, g := range d.Groups() {
		for i := range g.Theta {
			g.Theta[i] += 0.1 * float32(rng.NormFloat64())
		}
	}
	return d
}

// table is a file's tensors by name.
type table map[string]struct {
	shape []int
	data  []float64
}

// readSafetensors reads a file by its specification.
func readSafetensors(t *testing.T, path string) table {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := int(binary.LittleEndian.Uint64(b))
	var header map[string]json.RawMessage
	if err := json.Unmarshal(b[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	all := table{}
	for name, raw := range header {
		if name == "__metadata__" {
			if !strings.Contains(string(raw), `"format":"pt"`) {
				t.Errorf("metadata %s", raw)
			}
			continue
		}
		var e struct {
			DType string `json:"dtype"`
			Shape []int  `json:"shape"`
			At    []int  `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &e); err != nil || e.DType != "F32" {
			t.Fatalf("%s: %s", name, raw)
		}
		v := all[name]
		v.shape = e.Shape
		for at := e.At[0]; at < e.At[1]; at += 4 {
			v.data = append(v.data, float64(math.Float32frombits(binary.LittleEndian.Uint32(b[8+n+at:]))))
		}
		all[name] = v
	}
	return all
}

// reference computes the logits after the last of the tokens as the paper and Hugging Face's modeling_gpt2.py
// define them, in float64. Matrices are [in, out], as Conv1D has them.
func reference(all table, layers, heads int, tokens []int) []float64 {
	w := func(name string) []float64 { return all["transformer."+name].data }
	c := len(w("ln_f.weight"))
	linear := func(x []float64, name string) []float64 {
		weight, y := w(name+".weight"), append([]float64(nil), w(name+".bias")...)
		for i, v := range x {
			for j := range y {
				y[j] += v * weight[i*len(y)+j]
			}
		}
		return y
	}
	norm := func(x []float64, name string) []float64 {
		var mean, variance float64
		for _, v := range x {
			mean += v / float64(c)
		}
		for _, v := range x {
			variance += (v - mean) * (v - mean) / float64(c)
		}
		y := make([]float64, c)
		for i, v := range x {
			y[i] = (v-mean)/math.Sqrt(variance+1e-5)*w(name + ".weight")[i] + w(name + ".bias")[i]
		}
		return y
	}
	x := make([][]float64, len(tokens))
	for i, id := range tokens {
		x[i] = make([]float64, c)
		for j := range x[i] {
			x[i][j] = w("wte.weight")[id*c+j] + w("wpe.weight")[i*c+j]
		}
	}
	for l := range layers {
		p := fmt.Sprintf("h.%d.", l)
		qkv := make([][]float64, len(x))
		for i := range x {
			qkv[i] = linear(norm(x[i], p+"ln_1"), p+"attn.c_attn")
		}
		d := c / heads
		for i := range x {
			out := make([]float64, c)
			for h := range heads {
				weights, sum := make([]float64, i+1), 0.0
				for j := range weights {
					var s float64
					for e := range d {
						s += qkv[i][h*d+e] * qkv[j][c+h*d+e]
					}
					weights[j] = math.Exp(s / math.Sqrt(float64(d)))
					sum += weights[j]
				}
				for j := range weights {
					for e := range d {
						out[h*d+e] += weights[j] / sum * qkv[j][2*c+h*d+e]
					}
				}
			}
			for j, v := range linear(out, p+"attn.c_proj") {
				x[i][j] += v
			}
			hidden := linear(norm(x[i], p+"ln_2"), p+"mlp.c_fc")
			for j, v := range hidden {
				hidden[j] = 0.5 * v * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))
			}
			for j, v := range linear(hidden, p+"mlp.c_proj") {
				x[i][j] += v
			}
		}
	}
	last := norm(x[len(x)-1], "ln_f")
	logits := make([]float64, len(w("wte.weight"))/c)
	for id := range logits {
		for j, v := range last {
			logits[id] += v * w("wte.weight")[id*c+j]
		}
	}
	return logits
}

// sameLogits compares the reference on a table with the decoder.
func sameLogits(t *testing.T, what string, all table, d *nn.Decoder) {
	t.Helper()
	cfg := d.Config()
	ids, tokens := make([]int, cfg.Context), make([]int32, cfg.Context)
	for i := range ids {
		ids[i] = i * i * 7 % cfg.Vocab
		tokens[i] = int32(ids[i])
	}
	got := make([]float32, cfg.Vocab)
	d.Logits(tokens, got)
	for i, want := range reference(all, cfg.Blocks, cfg.Heads, ids) {
		if e := math.Abs(want - float64(got[i])); !(e < 2e-5) {
			t.Fatalf("%s: logit %d is %g, the reference has %g", what, i, got[i], want)
		}
	}
}

func TestWriteHF(t *testing.T) {
	for _, c := range []struct {
		method string
		h      float64
	}{{"euler", 1}, {"split", 1}, {"split", 0.3}} {
		d := decoder(t, c.method, c.h)
		dir := filepath.Join(t.TempDir(), "hf")
		if err := WriteHF(dir, d, token.Bytes(), safetensors.F32, "vcycle test"); err != nil {
			t.Fatal(err)
		}
		all := readSafetensors(t, filepath.Join(dir, modelFile))
		for name, shape := range map[string]string{
			"wte.weight": "[256 16]", "wpe.weight": "[12 16]", "h.2.attn.c_attn.weight": "[16 48]", "h.0.mlp.c_proj.weight": "[64 16]", "ln_f.bias": "[16]",
		} {
			if got := fmt.Sprint(all["transformer."+name].shape); got != shape {
				t.Errorf("%s has shape %s, want %s", name, got, shape)
			}
		}
		if len(all) != 4+3*12 {
			t.Errorf("%d tensors", len(all))
		}
		sameLogits(t, fmt.Sprint(c), all, d)

		again, tokens, err := ReadHF(dir)
		if err != nil {
			t.Fatal(err)
		}
		if !tokens.Equal(token.Bytes()) {
			t.Error("another tokenizer")
		}
		// Exactly: what was exported is what is read, and is exported again.
		second := filepath.Join(t.TempDir(), "again")
		if err := WriteHF(second, again, tokens, safetensors.F32, "vcycle test"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{modelFile, ConfigFile, tokenFile, "generation_config.json", "tokenizer_config.json"} {
			a, _ := os.ReadFile(filepath.Join(dir, name))
			b, _ := os.ReadFile(filepath.Join(second, name))
			if string(a) != string(b) || len(a) == 0 {
				t.Errorf("%s differs after a round trip", name)
			}
		}
		if c.h == 1 {
			for i, g := range d.Groups() {
				for j, v := range g.Theta {
					if again.Groups()[i].Theta[j] != v {
						t.Fatalf("%s[%d] is %g, was %g", g.Name, j, again.Groups()[i].Theta[j], v)
					}
				}
			}
		}
	}
}

func TestHalfPrecision(t *testing.T) {
	d := decoder(t, "euler", 1)
	for dtype, bound := range map[string]float64{safetensors.F16: 1e-2, safetensors.BF16: 1e-1} {
		dir := filepath.Join(t.TempDir(), "hf")
		if err := WriteHF(dir, d, token.Bytes(), dtype, ""); err != nil {
			t.Fatal(err)
		}
		again, _, err := ReadHF(dir)
		if err != nil {
			t.Fatal(err)
		}
		a, b := make([]float32, 256), make([]float32, 256)
		d.Logits([]int32{1, 2, 3}, a)
		again.Logits([]int32{1, 2, 3}, b)
		var worst float64
		for i := range a {
			worst = max(worst, math.Abs(float64(a[i]-b[i])))
		}
		if worst > bound || worst == 0 {
			t.Errorf("%s: logits differ by %g", dtype, worst)
		}
	}
}

// A weight that the type has no room for leaves nothing behind.
func TestTooLarge(t *testing.T) {
	d := decoder(t, "euler", 1)
	d.Groups()[0].Theta[0] = 1e6 // of the embedding
	for _, c := range []struct {
		name  string
		write func(path string) error
	}{
		{"hf", func(path string) error { return WriteHF(path, d, token.Bytes(), safetensors.F16, "") }},
		{"gguf", func(path string) error { return WriteGGUF(path, d, token.Bytes(), safetensors.F16, "") }},
	} {
		dir := t.TempDir()
		if err := c.write(filepath.Join(dir, "out")); !errors.Is(err, safetensors.ErrTooLarge) {
			t.Errorf("%s: error %v", c.name, err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: %v is left", c.name, left)
		}
	}
	dir := t.TempDir() // of the user
	if err := WriteHF(dir, d, token.Bytes(), safetensors.F16, ""); !errors.Is(err, safetensors.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}

func TestExportable(t *testing.T) {
	for _, c := range []struct {
		method string
		h      float64
		want   string
	}{{"euler", 0.5, "its perceptron sees"}, {"rk4", 1, "several stages"}, {"heun", 1, "heun"}, {"midpoint", 0.1, "midpoint"}, {"strang", 1, "several stages"}, {"rk2-gated", 1, "rk2-gated is no GPT-2"}, {"rk4-learned", 1, "several stages"}} {
		dir := filepath.Join(t.TempDir(), "hf")
		err := WriteHF(dir, decoder(t, c.method, c.h), token.Bytes(), safetensors.F32, "")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, h = %g: %v", c.method, c.h, err)
		}
		if err := WriteGGUF(dir, decoder(t, c.method, c.h), token.Bytes(), safetensors.F32, ""); err == nil {
			t.Errorf("GGUF of %s: no error", c.method)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Error("something was written")
		}
	}
}

// TestReadHFForms reads what Hugging Face has written over the years: no prefix, masks, a head that is the
// embedding, several files.
func TestReadHFForms(t *testing.T) {
	d := decoder(t, "euler", 1)
	dir := filepath.Join(t.TempDir(), "hf")
	if err := WriteHF(dir, d, token.Bytes(), safetensors.F32, ""); err != nil {
		t.Fatal(err)
	}
	all := tensors(d)
	parts := [2][]safetensors.Tensor{all[:7], all[7:]}
	parts[1] = append(parts[1],
		safetensors.Tensor{Name: "h.0.attn.bias", Shape: []int{1, 1, 1, 1}, Data: []float32{1}},
		safetensors.Tensor{Name: "lm_head.weight", Shape: all[0].Shape, Data: all[0].Data})
	if err := os.Remove(filepath.Join(dir, modelFile)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadHF(dir); err == nil || !strings.Contains(err.Error(), "safetensors only") {
		t.Errorf("without weights: %v", err)
	}
	index := map[string]map[string]string{"weight_map": {}}
	save := func(i int, part []safetensors.Tensor) {
		name := fmt.Sprintf("model-%d.safetensors", i)
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := safetensors.Write(f, nil, part); err != nil {
			t.Fatal(err)
		}
		for _, x := range part {
			index["weight_map"][x.Name] = name
		}
	}
	save(0, parts[0])
	save(1, parts[1])
	text, _ := json.Marshal(index)
	os.WriteFile(filepath.Join(dir, indexFile), text, 0o666)
	again, _, err := ReadHF(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, b := make([]float32, 256), make([]float32, 256)
	d.Logits([]int32{1, 2, 3}, a)
	again.Logits([]int32{1, 2, 3}, b)
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("logit %d: %g, was %g", i, b[i], a[i])
		}
	}
	head := append([]float32(nil), all[0].Data...)
	head[5]++
	for want, extra := range map[string]safetensors.Tensor{
		"not the token embedding": {Name: "lm_head.weight", Shape: all[0].Shape, Data: head},
		"belongs to nothing":      {Name: "h.3.ln_1.weight", Shape: []int{1}, Data: []float32{1}},
		"is there twice":          {Name: "transformer.wte.weight", Shape: []int{1}, Data: []float32{1}},
		"is missing":              {},
	} {
		part := append([]safetensors.Tensor(nil), all[7:]...)
		if want == "is missing" {
			part = part[1:]
		} else {
			part = append(part, extra)
		}
		save(1, part)
		if _, _, err := ReadHF(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestParseConfig(t *testing.T) {
	cfg, err := parseConfig([]byte(`{"model_type": "gpt2", "activation_function": "gelu_new", "layer_norm_epsilon": 1e-05, "n_ctx": 1024, "task_specific_params": {}}`))
	if want := (nn.Config{Vocab: 50257, Context: 1024, Width: 768, Heads: 12, Blocks: 12, StepSize: 1, Method: "euler"}); err != nil || !reflect.DeepEqual(cfg, want) {
		t.Errorf("%+v, %v", cfg, err)
	}
	for _, c := range []struct{ text, want string }{
		{`{"model_type": "llama"}`, "llama"},
		{`{"model_type": "gpt2", "activation_function": "relu"}`, "relu"},
		{`{"model_type": "gpt2", "layer_norm_epsilon": 1e-6}`, "1e-06"},
		{`{"model_type": "gpt2", "n_inner": 100}`, "n_inner 100"},
		{`{"model_type": "gpt2", "tie_word_embeddings": false}`, "tie_word_embeddings"},
		{`{"model_type": "gpt2", "scale_attn_weights": false}`, "scale_attn_weights"},
		{`{"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": true}`, "inverse"},
		{`{"model_type": "gpt2", "add_cross_attention": true}`, "cross"},
		{`{"model_type": "gpt2", "n_head": 7}`, "not divisible"},
		{`{"model_type": "gpt2", "n_layer": -1}`, "blocks is -1"},
		{`[`, "unexpected end"},
	} {
		if _, err := parseConfig([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.text, err, c.want)
		}
	}
}

// readGGUF reads a file by its specification, and gives the tensors the names and the orientation of
// Hugging Face.
func readGGUF(t *testing.T, path string) (meta map[string]any, all table) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	u32 := func() uint32 { at += 4; return binary.LittleEndian.Uint32(b[at-4:]) }
	u64 := func() int { at += 8; return int(binary.LittleEndian.Uint64(b[at-8:])) }
	str := func() string { n := u64(); at += n; return string(b[at-n : at]) }
	var value func(kind uint32) any
	value = func(kind uint32) any {
		switch kind {
		case 4, 5:
			return int(int32(u32()))
		case 6:
			return math.Float32frombits(u32())
		case 7:
			at++
			return b[at-1] == 1
		case 8:
			return str()
		case 9:
			of, n := u32(), u64()
			list := make([]any, n)
			for i := range list {
				list[i] = value(of)
			}
			return list
		}
		t.Fatalf("a value of type %d", kind)
		return nil
	}
	if magic, version := string(b[:4]), binary.LittleEndian.Uint32(b[4:]); magic != "GGUF" || version != 3 {
		t.Fatalf("magic %q, version %d", magic, version)
	}
	at = 8
	tensors, pairs := u64(), u64()
	meta = map[string]any{}
	for range pairs {
		key := str()
		meta[key] = value(u32())
	}
	type info struct {
		name   string
		dims   []int
		offset int
	}
	var infos []info
	for range tensors {
		i := info{name: str(), dims: make([]int, u32())}
		for j := range i.dims {
			i.dims[j] = u64()
		}
		if kind := u32(); kind != 0 {
			t.Fatalf("%s has type %d", i.name, kind)
		}
		i.offset = u64()
		infos = append(infos, i)
	}
	start := (at + 31) / 32 * 32
	all = table{}
	rename := strings.NewReplacer("token_embd.", "wte.", "position_embd.", "wpe.", "output_norm.", "ln_f.", "blk.", "h.", "attn_norm.", "ln_1.",
		"attn_qkv.", "attn.c_attn.", "attn_output.", "attn.c_proj.", "ffn_norm.", "ln_2.", "ffn_up.", "mlp.c_fc.", "ffn_down.", "mlp.c_proj.")
	for _, i := range infos {
		if i.offset%32 != 0 {
			t.Errorf("%s begins at %d", i.name, i.offset)
		}
		n := 1
		for _, d := range i.dims {
			n *= d
		}
		data := make([]float64, n)
		for j := range data {
			v := float64(math.Float32frombits(binary.LittleEndian.Uint32(b[start+i.offset+4*j:])))
			if len(i.dims) == 2 && strings.HasPrefix(i.name, "blk.") { // ggml multiplies by the transpose
				in, out := i.dims[0], i.dims[1]
				data[j%in*out+j/in] = v
			} else {
				data[j] = v
			}
		}
		v := all["transformer."+rename.Replace(i.name)]
		v.shape, v.data = i.dims, data
		all["transformer."+rename.Replace(i.name)] = v
	}
	return meta, all
}

func TestWriteGGUF(t *testing.T) {
	d := decoder(t, "split", 0.3)
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := WriteGGUF(path, d, token.Bytes(), safetensors.F32, "small"); err != nil {
		t.Fatal(err)
	}
	meta, all := readGGUF(t, path)
	for key, want := range map[string]any{
		"general.architecture": "gpt2", "general.name": "small", "gpt2.context_length": 12, "gpt2.embedding_length": 16, "gpt2.block_count": 3,
		"gpt2.feed_forward_length": 64, "gpt2.attention.head_count": 2, "gpt2.attention.layer_norm_epsilon": float32(1e-5),
		"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.eos_token_id": 0,
	} {
		if meta[key] != want {
			t.Errorf("%s is %v, want %v", key, meta[key], want)
		}
	}
	if tokens := meta["tokenizer.ggml.tokens"].([]any); len(tokens) != 256 || tokens['A'] != "A" || tokens[' '] != "Ġ" {
		t.Errorf("%d tokens", len(tokens))
	}
	sameLogits(t, "GGUF", all, d)
	for _, dtype := range []string{safetensors.F16, safetensors.BF16} {
		half := filepath.Join(t.TempDir(), "half.gguf")
		if err := WriteGGUF(half, d, token.Bytes(), dtype, "small"); err != nil {
			t.Fatal(err)
		}
		a, _ := os.Stat(path)
		b, _ := os.Stat(half)
		if b.Size() > a.Size()*2/3 {
			t.Errorf("%s: %d bytes of %d", dtype, b.Size(), a.Size())
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"model_type": "gpt2", "n_layer": 3, "n_inner": null}`))
	f.Add([]byte(`{"model_type": "gpt2", "vocab_size": 1e9, "n_embd": 1048576}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if cfg, err := parseConfig(text); err == nil {
			if err := cfg.Validate(); err != nil || cfg.Parameters() < 1 {
				t.Fatalf("%+v: %v", cfg, err)
			}
		}
	})
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(`{"metadata": {"total_size": 1}, "weight_map": {"wte.weight": "model-1.safetensors"}}`))
	f.Add([]byte(`{"weight_map": {"a": "../b", "c": ""}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		names, err := parseIndex(text)
		if err != nil {
			return
		}
		for _, n := range names {
			if filepath.Base(n) != n || strings.ContainsAny(n, `/\:`) {
				t.Fatalf("%q", n)
			}
		}
	})
}
