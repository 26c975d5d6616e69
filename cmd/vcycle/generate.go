package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/vcycle-go/vcycle/internal/token"
	"github.com/vcycle-go/vcycle/nn"
)

// generateCmd generates text from a model.
type generateCmd struct {
	Dir         string   `arg:"" name:"dir" help:"Directory of a run, or of a GPT-2 of Hugging Face."`
	Prompt      string   `default:"\n" placeholder:"TEXT" help:"Text to continue; -: standard input. Default: a line break."`
	Tokens      int      `default:"512" aliases:"bytes" placeholder:"N" help:"Tokens to generate at most. Default: 512."`
	Temperature float64  `default:"0.8" help:"Divides the logits: below 1 the likely is favoured; 0 always takes the likeliest."`
	TopK        int      `default:"40" help:"Draw from the likeliest K tokens only; 0: from all."`
	TopP        float64  `default:"1" help:"Draw from the likeliest tokens only that have a probability of P together."`
	Seed        int64    `default:"1" help:"Seed of the draws."`
	Stop        []string `sep:"none" placeholder:"TEXT" help:"End before this text; may be given several times. The end-of-text token ends, too."`
	Tokenizer   string   `placeholder:"NAME" help:"bytes, gpt2 or a tokenizer.json. Default: that of the model."`
	Threads     int      `placeholder:"N" help:"Threads to use; 0: all. Default: 0."`
	Stats       bool     `help:"Say on standard error how fast it was."`
	checkpointFlags
}

// Help is the detailed help.
func (generateCmd) Help() string {
	return "Writes the prompt and what follows it, as it is generated. Beyond the context of the model, the older half of it is forgotten.\n\n" +
		"Examples:\n\n" +
		"  vcycle generate runs/notes --prompt \"It was\" --tokens 200\n" +
		"  vcycle generate gpt2/ --temperature 0.7 --top-p 0.9 --stop \"Question:\" --prompt - < question.txt\n\n" + exitCodes
}

// Run writes the prompt and what follows it, as it is generated. Control characters are replaced where
// standard output is a terminal.
func (c *generateCmd) Run(s *session) error {
	if err := c.check(); err != nil {
		return err
	}
	if err := setThreads(c.Threads); err != nil {
		return err
	}
	m, err := openModel(s, c.Dir, c.Tokenizer, c.checkpointFlags)
	if err != nil {
		return err
	}
	prompt := []byte(c.Prompt)
	if c.Prompt == "-" {
		if prompt, err = io.ReadAll(stdin); err != nil {
			return err
		}
		if len(prompt) == 0 {
			return badf("--prompt -: standard input is empty")
		}
	}
	w := s.stdout
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		t := &printableWriter{w: w}
		defer t.flush()
		w = t
	}
	if _, err := w.Write(prompt); err != nil {
		return err
	}
	out := &stopWriter{w: w, stops: c.Stop}
	draw := newSampler(c.Temperature, c.TopK, c.Seed)
	draw.topP = c.TopP
	start, n := time.Now(), 0
	var first time.Duration // of the prompt
	err = generate(m.decoder, m.tokenizer, prompt, c.Tokens, draw, func(text []byte) error {
		if s.ctx.Err() != nil {
			return errInterrupted
		}
		if n++; n == 1 {
			first = time.Since(start)
		}
		return out.write(text)
	})
	if err == errStop {
		err = nil
	}
	if err == nil {
		err = out.flush()
	}
	if err != nil {
		return err
	}
	if c.Stats {
		tokens := len(m.tokenizer.Encode(prompt))
		fmt.Fprintf(s.stderr, "prompt of %d tokens in %.3fs; then %d tokens in %.3fs, %.1f tokens/s\n", tokens, first.Seconds(),
			max(0, n-1), (time.Since(start) - first).Seconds(), float64(max(0, n-1))/max((time.Since(start)-first).Seconds(), 1e-9))
	}
	_, err = io.WriteString(w, "\n")
	return err
}

func (c *generateCmd) check() error {
	switch {
	case c.Prompt == "":
		return badf("--prompt: it must not be empty")
	case c.Tokens < 1:
		return badf("--tokens %d: it must be at least 1", c.Tokens)
	case !(c.Temperature >= 0) || math.IsInf(c.Temperature, 0):
		return badf("--temperature %g: it must be a number that is not negative", c.Temperature)
	case c.TopK < 0:
		return badf("--top-k %d: it must not be negative", c.TopK)
	case !(c.TopP > 0 && c.TopP <= 1):
		return badf("--top-p %g: it must be more than 0 and at most 1", c.TopP)
	case slices.Contains(c.Stop, ""):
		return badf("--stop: it must not be empty")
	}
	return nil
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

// stopWriter writes text up to the first of the stops. It holds back what may be the beginning of one.
type stopWriter struct {
	w       io.Writer
	stops   []string
	pending []byte
}

// errStop ends generating.
var errStop = fmt.Errorf("stop")

// write returns errStop when a stop has come.
func (s *stopWriter) write(text []byte) error {
	s.pending = append(s.pending, text...)
	end := len(s.pending)
	for _, stop := range s.stops {
		if i := bytes.Index(s.pending[:end], []byte(stop)); i >= 0 {
			end = i
		}
	}
	if end < len(s.pending) {
		s.pending = s.pending[:end]
		if err := s.flush(); err != nil {
			return err
		}
		return errStop
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(s.pending)); n > keep; n-- {
			if bytes.HasSuffix(s.pending, []byte(stop[:n])) {
				keep = n
			}
		}
	}
	_, err := s.w.Write(s.pending[:len(s.pending)-keep])
	s.pending = s.pending[:copy(s.pending, s.pending[len(s.pending)-keep:])]
	return err
}

// flush writes what has been held back.
func (s *stopWriter) flush() error {
	_, err := s.w.Write(s.pending)
	s.pending = s.pending[:0]
	return err
}

// generate continues prompt by up to n tokens, until the end of a text, and hands the bytes of each to
// emit, which may end it with an error. Of a longer prompt the decoder sees as much of the end as its
// context holds; where that is full, the older half is forgotten.
func generate(d *nn.Decoder, t *token.Tokenizer, prompt []byte, n int, s *sampler, emit func(text []byte) error) error {
	cfg := d.Config()
	seen := t.Encode(prompt)
	seen = append(make([]int32, 0, cfg.Context), seen[max(0, len(seen)-cfg.Context):]...)
	if len(seen) == 0 {
		return badf("there is no prompt to continue")
	}
	g := d.NewGenerator()
	logits := make([]float32, cfg.Vocab)
	fresh := seen
	for range n {
		if g.Len()+len(fresh) > cfg.Context {
			seen = append(seen[:0], seen[len(seen)-max(1, cfg.Context/2):]...)
			g.Reset(0)
			fresh = seen
		}
		g.Append(fresh, logits)
		next := int32(s.draw(logits[:t.Vocab()]))
		if next == t.EndOfText() {
			return nil
		}
		if err := emit(t.Token(next)); err != nil {
			return err
		}
		seen = append(seen, next)
		fresh = seen[len(seen)-1:]
	}
	return nil
}

// sampler draws tokens from logits.
type sampler struct {
	temperature float64
	topK        int
	topP        float64
	rng         *rand.Rand
	order       []int
	weights     []float64
}

func newSampler(temperature float64, topK int, seed int64) *sampler {
	return &sampler{temperature: temperature, topK: topK, topP: 1, rng: rand.New(rand.NewPCG(uint64(seed), 0x5eed))}
}

// draw returns i with a probability in proportion to exp(logits[i]/temperature), among the topK largest
// logits, and of those among the fewest that have at least topP of the probability. Of equal logits the
// first counts as larger.
func (s *sampler) draw(logits []float32) int {
	k := s.topK
	if s.temperature == 0 {
		k = 1
	}
	s.order = largest(logits, k, s.topP < 1, s.order[:0])
	if s.temperature == 0 {
		return s.order[0]
	}
	top := logits[s.order[0]]
	for _, i := range s.order {
		top = max(top, logits[i])
	}
	var sum float64
	s.weights = s.weights[:0]
	for _, i := range s.order {
		w := math.Exp((float64(logits[i]) - float64(top)) / s.temperature)
		s.weights = append(s.weights, w)
		sum += w
	}
	if s.topP < 1 {
		bound := s.topP * sum
		sum = 0
		for j, w := range s.weights {
			if sum += w; sum >= bound {
				s.weights = s.weights[:j+1]
				break
			}
		}
	}
	u := s.rng.Float64() * sum
	for j, w := range s.weights {
		if u -= w; u < 0 {
			return s.order[j]
		}
	}
	return s.order[len(s.weights)-1]
}

// largest appends the indices of the k largest logits to order, the largest first; of all, if k is 0, in
// that order only if it is needed.
func largest(logits []float32, k int, sorted bool, order []int) []int {
	before := func(a, b int) int {
		switch {
		case logits[a] > logits[b]:
			return -1
		case logits[a] < logits[b]:
			return 1
		}
		return a - b
	}
	if k == 0 || k >= len(logits) {
		for i := range logits {
			order = append(order, i)
		}
		if sorted || k > 0 {
			slices.SortFunc(order, before)
		}
		return order
	}
	for i := range logits {
		if len(order) == k {
			if before(i, order[k-1]) > 0 {
				continue
			}
			order = order[:k-1]
		}
		at, _ := slices.BinarySearchFunc(order, i, before)
		order = slices.Insert(order, at, i)
	}
	return order
}
