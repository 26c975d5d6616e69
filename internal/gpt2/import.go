package gpt2

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vcycle-go/vcycle/internal/safetensors"
	"github.com/vcycle-go/vcycle/internal/token"
	"github.com/vcycle-go/vcycle/nn"
)

// readConfig is what of a config.json decides how the network computes.
type readConfig struct {
	ModelType      string   `json:"model_type"`
	Vocab          int      `json:"vocab_size"`
	Positions      int      `json:"n_positions"`
	Width          int      `json:"n_embd"`
	Layers         int      `json:"n_layer"`
	Heads          int      `json:"n_head"`
	Inner          *int     `json:"n_inner"`
	Activation     string   `json:"activation_function"`
	Eps            *float64 `json:"layer_norm_epsilon"`
	Tied           *bool    `json:"tie_word_embeddings"`
	Scaled         *bool    `json:"scale_attn_weights"`
	ScaledByLayer  bool     `json:"scale_attn_by_inverse_layer_idx"`
	CrossAttention bool     `json:"add_cross_attention"`
}

// maxText bounds config.json and the index.
const maxText = 1 << 26

func readText(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxText {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", path, maxText)
	}
	return os.ReadFile(path)
}

// parseConfig returns the network of a config.json. Values that are missing are Hugging Face's defaults,
// those of GPT-2 small.
func parseConfig(text []byte) (nn.Config, error) {
	c := readConfig{Vocab: 50257, Positions: 1024, Width: 768, Layers: 12, Heads: 12, Activation: activation}
	if err := json.Unmarshal(text, &c); err != nil {
		return nn.Config{}, err
	}
	no := func(b *bool) bool { return b != nil && !*b }
	switch {
	case c.ModelType != "gpt2":
		return nn.Config{}, fmt.Errorf("model_type %q is not supported, only gpt2 is", c.ModelType)
	case c.Activation != activation && c.Activation != "gelu_pytorch_tanh":
		return nn.Config{}, fmt.Errorf("activation_function %q is not supported, only %s is", c.Activation, activation)
	case c.Eps != nil && float32(*c.Eps) != layerNormEps:
		return nn.Config{}, fmt.Errorf("layer_norm_epsilon %g is not supported, only %g is", *c.Eps, layerNormEps)
	case c.Inner != nil && *c.Inner != 4*c.Width:
		return nn.Config{}, fmt.Errorf("n_inner %d is not supported, only 4·n_embd = %d is", *c.Inner, 4*c.Width)
	case no(c.Tied):
		return nn.Config{}, errors.New("tie_word_embeddings = false is not supported: the head is the token embedding")
	case no(c.Scaled):
		return nn.Config{}, errors.New("scale_attn_weights = false is not supported")
	case c.ScaledByLayer:
		return nn.Config{}, errors.New("scale_attn_by_inverse_layer_idx is not supported")
	case c.CrossAttention:
		return nn.Config{}, errors.New("add_cross_attention is not supported")
	}
	cfg := nn.Config{Vocab: c.Vocab, Context: c.Positions, Width: c.Width, Heads: c.Heads, Blocks: c.Layers, StepSize: 1, Method: "euler"}
	return cfg, cfg.Validate()
}

// Is tells whether dir holds a model of Hugging Face, by its config.json.
func Is(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, ConfigFile))
	return err == nil && info.Mode().IsRegular()
}

// ReadHF reads a model that Hugging Face's GPT2LMHeadModel or GPT2Model saved, in one file of weights or
// several with an index, of type F32, F16 or BF16; the method is Euler's with h = 1. The tokenizer is nil if
// there is no tokenizer.json. Errors name the file.
func ReadHF(dir string) (*nn.Decoder, *token.Tokenizer, error) {
	path := filepath.Join(dir, ConfigFile)
	text, err := readText(path)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := parseConfig(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	files, err := openWeights(dir)
	if err != nil {
		return nil, nil, err
	}
	defer files.close()
	if n := int64(cfg.Parameters()); n > files.size/2 { // before memory is taken for them
		return nil, nil, fmt.Errorf("%s: a network of %d parameters is more than files of %d bytes can hold", path, n, files.size)
	}
	d, err := nn.NewDecoder(cfg, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := files.load(d); err != nil {
		return nil, nil, err
	}
	t, err := token.Load(filepath.Join(dir, tokenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil, nil
	}
	if err == nil && t.Vocab() > cfg.Vocab {
		err = fmt.Errorf("%s has %d tokens, but the network %d", filepath.Join(dir, tokenFile), t.Vocab(), cfg.Vocab)
	}
	return d, t, err
}

// weights are the open files of a model.
type weights struct {
	files  []*os.File
	tables []*safetensors.File
	paths  []string
	byName map[string]int // without the prefix transformer.
	names  map[string]string
	size   int64
}

func (w *weights) close() {
	for _, f := range w.files {
		f.Close()
	}
}

// openWeights opens model.safetensors, or all files that the index names.
func openWeights(dir string) (*weights, error) {
	names := []string{modelFile}
	if _, err := os.Stat(filepath.Join(dir, modelFile)); errors.Is(err, fs.ErrNotExist) {
		text, err := readText(filepath.Join(dir, indexFile))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s holds neither %s nor %s: weights are read from safetensors only (in Python: model.save_pretrained(dir))", dir, modelFile, indexFile)
		}
		if err != nil {
			return nil, err
		}
		if names, err = parseIndex(text); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, indexFile), err)
		}
	}
	w := &weights{byName: map[string]int{}, names: map[string]string{}}
	for _, name := range names {
		if err := w.open(filepath.Join(dir, name)); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// parseIndex returns the files that an index names, sorted.
func parseIndex(text []byte) ([]string, error) {
	var index struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, err
	}
	var names []string
	for _, name := range index.Map {
		if name == "" || name != filepath.Base(name) || strings.ContainsAny(name, `/\:`) || name[0] == '.' {
			return nil, fmt.Errorf("%q is no name of a file in the directory", name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return nil, errors.New("weight_map is empty")
	}
	return names, nil
}

func (w *weights) open(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	w.files = append(w.files, file)
	info, err := file.Stat()
	if err != nil {
		return err
	}
	table, err := safetensors.Open(file, info.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	w.size += info.Size()
	for _, e := range table.Entries {
		name := strings.TrimPrefix(e.Name, "transformer.")
		if _, ok := w.byName[name]; ok {
			return fmt.Errorf("%s: the tensor %q is there twice", path, name)
		}
		w.byName[name], w.names[name] = len(w.tables), e.Name
	}
	w.tables, w.paths = append(w.tables, table), append(w.paths, path)
	return nil
}

// read fills dst with a tensor.
func (w *weights) read(name string, shape []int, dst []float32) error {
	i, ok := w.byName[name]
	if !ok {
		return fmt.Errorf("%s: the tensor %q is missing", w.paths[0], name)
	}
	if err := w.tables[i].Convert(w.names[name], shape, dst); err != nil {
		return fmt.Errorf("%s: %w", w.paths[i], err)
	}
	return nil
}

// load reads the parameters, and refuses files with parameters that the network has not.
func (w *weights) load(d *nn.Decoder) error {
	known := map[string]bool{}
	for _, t := range tensors(d) { // h = 1: views of the parameters
		known[t.Name] = true
		if err := w.read(t.Name, t.Shape, t.Data); err != nil {
			return err
		}
	}
	for name, i := range w.byName {
		switch {
		case known[name], strings.HasSuffix(name, ".attn.bias"), strings.HasSuffix(name, ".attn.masked_bias"): // the masks of old files
		case name == "lm_head.weight":
			if err := w.sameHead(d); err != nil {
				return fmt.Errorf("%s: %w", w.paths[i], err)
			}
		default:
			return fmt.Errorf("%s: the tensor %q belongs to nothing in a GPT-2 of %d blocks", w.paths[i], w.names[name], d.Config().Blocks)
		}
	}
	if err := nn.NonFinite(d.Groups()); err != nil {
		return fmt.Errorf("%s: %w", w.paths[0], err)
	}
	return nil
}

// sameHead returns an error unless the head is the token embedding.
func (w *weights) sameHead(d *nn.Decoder) error {
	cfg := d.Config()
	head := make([]float32, cfg.Vocab*cfg.Width)
	if err := w.read("lm_head.weight", []int{cfg.Vocab, cfg.Width}, head); err != nil {
		return err
	}
	for i, v := range d.Groups()[0].Theta[:len(head)] {
		if math.Float32bits(v) != math.Float32bits(head[i]) {
			return errors.New("lm_head.weight is not the token embedding: such a head is not supported")
		}
	}
	return nil
}
