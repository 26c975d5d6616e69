package main

import (
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/vcycle-go/vcycle/nn"
)

// bytesVocab is the vocabulary of a model of bytes.
const bytesVocab = 256

// sampleCmd generates text from a run.
type sampleCmd struct {
	Dir         string  `arg:"" name:"dir" help:"Directory of the run."`
	Prompt      string  `default:"\n" placeholder:"TEXT" help:"Text to continue. Default: a line break."`
	Bytes       int     `default:"512" help:"Bytes to generate."`
	Temperature float64 `default:"0.8" help:"Divides the logits: below 1 the likely is favoured; 0 always takes the likeliest."`
	TopK        int     `default:"40" help:"Draw from the likeliest K bytes only; 0: from all."`
	Seed        int64   `default:"1" help:"Seed of the draws."`
	Threads     int     `placeholder:"N" help:"Threads to use; 0: all. Default: 0."`
}

// Run writes the prompt and what follows it, as it is generated. Control characters are replaced where
// standard output is a terminal.
func (c *sampleCmd) Run(s *session) error {
	switch {
	case c.Prompt == "":
		return badf("--prompt: it must not be empty")
	case c.Bytes < 1:
		return badf("--bytes %d: it must be at least 1", c.Bytes)
	case !(c.Temperature >= 0) || math.IsInf(c.Temperature, 0):
		return badf("--temperature %g: it must be a number that is not negative", c.Temperature)
	case c.TopK < 0:
		return badf("--top-k %d: it must not be negative", c.TopK)
	}
	if err := setThreads(c.Threads); err != nil {
		return err
	}
	d, step, err := newest(runDir(c.Dir), s, loadDecoder)
	if err != nil {
		return err
	}
	if v := d.Config().Vocab; v != bytesVocab {
		return badf("%s has a vocabulary of %d tokens: only bytes, %d of them, can be written as text", runDir(c.Dir).checkpoint(step), v, bytesVocab)
	}
	w := s.stdout
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		t := &printableWriter{w: w}
		defer t.flush()
		w = t
	}
	if _, err := io.WriteString(w, c.Prompt); err != nil {
		return err
	}
	draw := newSampler(c.Temperature, c.TopK, c.Seed)
	err = generate(d, []byte(c.Prompt), c.Bytes, draw, func(b byte) error {
		if s.ctx.Err() != nil {
			return errInterrupted
		}
		_, err := w.Write([]byte{b})
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n")
	return err
}

// printableWriter replaces what is not printable UTF-8, whose bytes may come one by one.
type printableWriter struct {
	w       io.Writer
	pending []byte // the start of a character
}

func (p *printableWriter) Write(b []byte) (int, error) {
	p.pending = append(p.pending, b...)
	n := 0
	for n < len(p.pending) && utf8.FullRune(p.pending[n:]) {
		_, size := utf8.DecodeRune(p.pending[n:])
		n += size
	}
	text := printable(p.pending[:n])
	p.pending = p.pending[:copy(p.pending, p.pending[n:])]
	_, err := io.WriteString(p.w, text)
	return len(b), err
}

func (p *printableWriter) flush() { io.WriteString(p.w, printable(p.pending)) }

// generate continues prompt by n bytes and hands each to emit, which may end it with an error. Beyond
// the context of the decoder, the bytes furthest back are forgotten one by one.
func generate(d *nn.Decoder, prompt []byte, n int, s *sampler, emit func(byte) error) error {
	cfg := d.Config()
	tokens := make([]int32, 0, cfg.Context)
	for _, b := range prompt[max(0, len(prompt)-cfg.Context):] {
		tokens = append(tokens, int32(b))
	}
	logits := make([]float32, cfg.Vocab)
	for range n {
		d.Logits(tokens, logits)
		next := s.draw(logits)
		if err := emit(byte(next)); err != nil {
			return err
		}
		if len(tokens) == cfg.Context {
			tokens = tokens[:copy(tokens, tokens[1:])]
		}
		tokens = append(tokens, int32(next))
	}
	return nil
}

// sampler draws tokens from logits.
type sampler struct {
	temperature float64
	topK        int
	rng         *rand.Rand
	order       []int
	weights     []float64
}

func newSampler(temperature float64, topK int, seed int64) *sampler {
	return &sampler{temperature: temperature, topK: topK, rng: rand.New(rand.NewPCG(uint64(seed), 0x5eed))}
}

// draw returns i with a probability in proportion to exp(logits[i]/temperature), among the topK largest
// logits. Of equal logits the first counts as larger.
func (s *sampler) draw(logits []float32) int {
	s.order = s.order[:0]
	for i := range logits {
		s.order = append(s.order, i)
	}
	slices.SortStableFunc(s.order, func(a, b int) int {
		switch {
		case logits[a] > logits[b]:
			return -1
		case logits[a] < logits[b]:
			return 1
		}
		return 0
	})
	if s.temperature == 0 {
		return s.order[0]
	}
	if s.topK > 0 {
		s.order = s.order[:min(s.topK, len(s.order))]
	}
	var sum float64
	s.weights = s.weights[:0]
	largest := float64(logits[s.order[0]])
	for _, i := range s.order {
		w := math.Exp((float64(logits[i]) - largest) / s.temperature)
		s.weights = append(s.weights, w)
		sum += w
	}
	u := s.rng.Float64() * sum
	for j, w := range s.weights {
		if u -= w; u < 0 {
			return s.order[j]
		}
	}
	return s.order[len(s.order)-1]
}
