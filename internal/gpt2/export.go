package gpt2

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
	"github.com/vcycle-go/vcycle/internal/gguf"
	"github.com/vcycle-go/vcycle/internal/safetensors"
	"github.com/vcycle-go/vcycle/internal/token"
	"github.com/vcycle-go/vcycle/nn"
)

// Names of the files of a directory.
const (
	ConfigFile = "config.json"
	modelFile  = "model.safetensors"
	indexFile  = "model.safetensors.index.json"
	tokenFile  = "tokenizer.json"
)

// torchTypes are PyTorch's names of the types of safetensors.
var torchTypes = map[string]string{safetensors.F32: "float32", safetensors.F16: "float16", safetensors.BF16: "bfloat16"}

// writeConfig is a config.json; fields that are not there have Hugging Face's defaults.
type writeConfig struct {
	Architectures    []string    `json:"architectures"`
	ModelType        string      `json:"model_type"`
	Vocab            int         `json:"vocab_size"`
	Positions        int         `json:"n_positions"`
	Context          int         `json:"n_ctx"`
	Width            int         `json:"n_embd"`
	Layers           int         `json:"n_layer"`
	Heads            int         `json:"n_head"`
	Inner            *int        `json:"n_inner"`
	Activation       string      `json:"activation_function"`
	Eps              float64     `json:"layer_norm_epsilon"`
	EmbeddingDropout json.Number `json:"embd_pdrop"` // as 0.0: some readers want a float
	AttentionDropout json.Number `json:"attn_pdrop"`
	ResidualDropout  json.Number `json:"resid_pdrop"`
	Begin            int32       `json:"bos_token_id"`
	End              int32       `json:"eos_token_id"`
	Tied             bool        `json:"tie_word_embeddings"`
	Type             string      `json:"torch_dtype"`
}

// WriteHF writes the decoder, which must be Exportable, and its tokenizer to the directory dir, which is
// made. dtype is that of the weights. config.json comes last: without it nothing loads.
func WriteHF(dir string, d *nn.Decoder, t *token.Tokenizer, dtype, program string) error {
	cfg := d.Config()
	if err := Exportable(cfg); err != nil {
		return err
	}
	_, err := os.Stat(dir)
	made := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	all := tensors(d)
	for i := range all {
		all[i].Name = "transformer." + all[i].Name
	}
	err = atomicfile.Write(filepath.Join(dir, modelFile), func(w io.Writer) error {
		return safetensors.WriteAs(w, dtype, map[string]string{"producer": program}, all)
	})
	if err != nil {
		if made {
			os.Remove(dir) // which is empty; the error to tell is the other
		}
		return err
	}
	tokens := map[string]any{
		"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": cfg.Context, "clean_up_tokenization_spaces": false,
	}
	if end := t.EndOfText(); end >= 0 && t.Special(end) {
		text := string(t.Token(end))
		tokens["bos_token"], tokens["eos_token"], tokens["unk_token"] = text, text, text
	}
	end := max(0, t.EndOfText())
	for _, f := range []struct {
		name    string
		content any
	}{
		{tokenFile, json.RawMessage(nil)},
		{"tokenizer_config.json", tokens},
		{"generation_config.json", map[string]any{"bos_token_id": end, "eos_token_id": end, "pad_token_id": end}},
		{ConfigFile, writeConfig{
			Architectures: []string{"GPT2LMHeadModel"}, ModelType: "gpt2", Vocab: cfg.Vocab, Positions: cfg.Context, Context: cfg.Context,
			Width: cfg.Width, Layers: cfg.Blocks, Heads: cfg.Heads, Activation: activation, Eps: layerNormEps,
			EmbeddingDropout: "0.0", AttentionDropout: "0.0", ResidualDropout: "0.0",
			Begin: end, End: end, Tied: true, Type: torchTypes[dtype],
		}},
	} {
		content := t.JSON()
		if f.name != tokenFile {
			if content, err = json.MarshalIndent(f.content, "", "  "); err != nil {
				return err
			}
			content = append(content, '\n')
		}
		err := atomicfile.Write(filepath.Join(dir, f.name), func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// WriteGGUF writes the decoder, which must be Exportable, and its tokenizer to the file path for
// llama.cpp. dtype is that of the matrices; vectors and positions are F32, as llama.cpp wants them. The
// head is the token embedding, as it is where output.weight is missing.
func WriteGGUF(path string, d *nn.Decoder, t *token.Tokenizer, dtype, name string) error {
	cfg := d.Config()
	if err := Exportable(cfg); err != nil {
		return err
	}
	var all []gguf.Tensor
	for _, s := range tensors(d) {
		g := gguf.Tensor{Name: ggufName(s.Name), Shape: s.Shape, DType: safetensors.F32, Data: func() []float32 { return s.Data }}
		switch {
		case s.Name == "wte.weight":
			g.DType = dtype
		case len(s.Shape) == 2 && s.Name != "wpe.weight": // [in, out] to [out, in]
			g.DType, g.Transpose, g.Shape = dtype, true, []int{s.Shape[1], s.Shape[0]}
		}
		all = append(all, g)
	}
	return atomicfile.Write(path, func(w io.Writer) error { return gguf.Write(w, ggufMetadata(cfg, t, dtype, name), all) })
}

// ggufTypes are llama.cpp's numbers of what most tensors of a file are.
var ggufTypes = map[string]uint32{safetensors.F32: 0, safetensors.F16: 1, safetensors.BF16: 32}

func ggufMetadata(cfg nn.Config, t *token.Tokenizer, dtype, name string) []gguf.Pair {
	const normal, control = 1, 3
	tokens, kinds := make([]string, cfg.Vocab), make([]int32, cfg.Vocab)
	for id := range tokens {
		switch i := int32(id); {
		case id >= t.Vocab():
			tokens[id], kinds[id] = fmt.Sprintf("[PAD%d]", id), 5 // unused
		case t.Special(i):
			tokens[id], kinds[id] = t.Written(i), control
		default:
			tokens[id], kinds[id] = t.Written(i), normal
		}
	}
	merges := make([]string, t.Merges())
	for i := range merges {
		merges[i] = t.Merge(i)
	}
	pairs := []gguf.Pair{
		{Key: "general.architecture", Value: "gpt2"},
		{Key: "general.name", Value: name},
		{Key: "general.alignment", Value: uint32(32)},
		{Key: "general.file_type", Value: ggufTypes[dtype]},
		{Key: "gpt2.context_length", Value: uint32(cfg.Context)},
		{Key: "gpt2.embedding_length", Value: uint32(cfg.Width)},
		{Key: "gpt2.feed_forward_length", Value: uint32(4 * cfg.Width)},
		{Key: "gpt2.block_count", Value: uint32(cfg.Blocks)},
		{Key: "gpt2.attention.head_count", Value: uint32(cfg.Heads)},
		{Key: "gpt2.attention.layer_norm_epsilon", Value: float32(layerNormEps)},
		{Key: "tokenizer.ggml.model", Value: "gpt2"},
		{Key: "tokenizer.ggml.pre", Value: "gpt-2"},
		{Key: "tokenizer.ggml.tokens", Value: tokens},
		{Key: "tokenizer.ggml.token_type", Value: kinds},
		{Key: "tokenizer.ggml.merges", Value: merges},
		{Key: "tokenizer.ggml.add_bos_token", Value: false},
	}
	if end := t.EndOfText(); end >= 0 {
		pairs = append(pairs, gguf.Pair{Key: "tokenizer.ggml.bos_token_id", Value: uint32(end)}, gguf.Pair{Key: "tokenizer.ggml.eos_token_id", Value: uint32(end)})
	}
	return pairs
}
