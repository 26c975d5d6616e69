package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/vcycle-go/vcycle/internal/shards"
	"github.com/vcycle-go/vcycle/internal/text"
	"github.com/vcycle-go/vcycle/internal/token"
)

// Where the document that is being written goes.
const (
	toTrain = "train"
	toVal   = "val"
	toBoth  = "both" // cut
	toNone  = "none" // it has been there before
)

// job is a block on its way from the reader over a worker to the writer.
type job struct {
	block  text.Block
	file   int
	pieces []piece
	err    error
	done   chan struct{}
}

// piece is a document or a part of one, as tokens: what comes before the place where it is cut, if it is,
// and what comes after.
type piece struct {
	first, last bool // of the document
	cut         bool
	digest      [16]byte // of the document
	ids         [2][]int32
	bytes       [2]int
}

// run reads, encodes and writes what is left. One goroutine reads, as many as there are processors encode,
// and blocks are written in their order, so that the result is the same for any number.
func (p *preparation) run() error {
	ctx, cancel := context.WithCancel(p.session.ctx)
	workers := runtime.GOMAXPROCS(0)
	todo, order := make(chan *job, workers), make(chan *job, 4*workers)
	var wg sync.WaitGroup
	defer func() {
		cancel()
		for range order { // lets the reader end
		}
		wg.Wait()
	}()
	bar := newBar(p.session.stdout, "tokens", p.total)
	wg.Go(func() {
		defer close(order)
		defer close(todo)
		p.read(ctx, func(j *job) bool {
			select {
			case order <- j:
			case <-ctx.Done():
				return false
			}
			todo <- j
			return true
		})
	})
	for range workers {
		wg.Go(func() {
			e := p.tokenizer.NewEncoder()
			for j := range todo {
				if j.err == nil && ctx.Err() == nil {
					j.err = p.encode(e, j)
				}
				close(j.done)
			}
		})
	}
	err := p.write(order, bar)
	bar.done()
	if err != nil {
		p.train.Close()
		p.val.Close()
	}
	return err
}

// read makes jobs of the blocks from the state on. An error comes as the last job.
func (p *preparation) read(ctx context.Context, use func(*job) bool) {
	offset := p.state.Offset
	for i := p.state.File; i < len(p.sources); i++ {
		stopped := false
		err := eachBlock(ctx, p.sources[i].Source, p.format, offset, nil, func(b text.Block) bool {
			stopped = !use(&job{block: b, file: i, done: make(chan struct{})})
			return !stopped
		})
		if err != nil {
			use(&job{err: badInput{err}, done: make(chan struct{})})
			return
		}
		if stopped {
			return
		}
		offset = 0
	}
}

// encode fills in the pieces of a job.
func (p *preparation) encode(e *token.Encoder, j *job) error {
	b, st := j.block, p.sources[j.file]
	err := b.Documents(func(text []byte) error {
		q := piece{first: true, last: true}
		if !b.Whole() {
			q.first, q.last = b.First, b.Last
			q.cut = p.large(st.Bytes)
			if p.command.Dedup {
				digest, err := hex.DecodeString(st.TextSHA256)
				if err != nil {
					return err
				}
				q.digest = [16]byte(digest)
			}
			p.split(e, &q, text, b.Offset, st.Bytes)
		} else {
			q.cut = p.large(int64(len(text)))
			if p.command.Dedup {
				sum := sha256.Sum256(text)
				q.digest = [16]byte(sum[:])
			}
			p.split(e, &q, text, 0, int64(len(text)))
		}
		j.pieces = append(j.pieces, q)
		return nil
	})
	if err != nil {
		return badInput{err}
	}
	return nil
}

// nearby is how far before its place a document is cut where a word begins.
const nearby = 4096

// split encodes text, the part from offset on of a document of size bytes, in two parts if the document is
// cut there: the second begins with a word, if one begins nearby.
func (p *preparation) split(e *token.Encoder, q *piece, text []byte, offset, size int64) {
	at := len(text)
	if q.cut {
		place := size - int64(math.Ceil(float64(size)*p.command.Val)) - offset
		at = int(min(max(place, 0), int64(len(text))))
		if 0 < at && at < len(text) {
			if from := max(0, at-nearby); token.Cut(text[from:at]) > 0 {
				at = from + token.Cut(text[from:at])
			}
			for at > 0 && !utf8.RuneStart(text[at]) {
				at--
			}
		}
	}
	q.ids[0] = e.Append(nil, text[:at])
	q.ids[1] = e.Append(nil, text[at:])
	q.bytes = [2]int{at, len(text) - at}
}

// saveInterval is the time between states from which an interrupted preparation continues.
const saveInterval = 10 * time.Second

// write writes the jobs in order.
func (p *preparation) write(order <-chan *job, bar *bar) error {
	saved := time.Now()
	for j := range order {
		if p.session.ctx.Err() != nil {
			break
		}
		<-j.done
		if p.session.ctx.Err() != nil {
			break // it may not have been encoded
		}
		if j.err != nil {
			return j.err
		}
		for i := range j.pieces {
			if err := p.put(&j.pieces[i]); err != nil {
				return err
			}
		}
		p.state.File, p.state.Offset = j.file, j.block.End
		if j.block.Last {
			p.state.File, p.state.Offset = j.file+1, 0
		}
		n := j.block.End - j.block.Offset
		p.done += n
		bar.add(n)
		if p.onJob != nil {
			p.onJob()
		}
		if time.Since(saved) > saveInterval {
			if err := p.save(); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	if p.session.ctx.Err() != nil {
		if err := p.save(); err != nil {
			return err
		}
		bar.done()
		fmt.Fprintf(p.session.stdout, "interrupted after %s; the same command continues\n", plural(p.state.Train.Tokens+p.state.Val.Tokens, "token"))
		return errInterrupted
	}
	return nil
}

// put writes a piece to where its document goes.
func (p *preparation) put(q *piece) error {
	st := &p.state
	if q.first {
		st.Current = p.choose(q)
		switch st.Current {
		case toTrain:
			st.Train.Documents++
		case toVal:
			st.Val.Documents++
		case toBoth:
			st.Train.Documents++
			st.Val.Documents++
			st.Cut++
		}
	}
	end := []int32{p.tokenizer.EndOfText()}
	for i, ids := range q.ids {
		part, w := &st.Train, p.train
		if st.Current == toVal || st.Current == toBoth && i == 1 {
			part, w = &st.Val, p.val
		}
		if st.Current == toNone {
			continue
		}
		if err := add(part, w, ids, q.bytes[i]); err != nil {
			return err
		}
		if q.last && (st.Current == toBoth || i == 1) {
			if err := add(part, w, end, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

func add(part *preparedPart, w *shards.Writer, ids []int32, bytes int) error {
	part.Tokens += int64(len(ids))
	part.TextBytes += int64(bytes)
	return w.Append(ids)
}

// choose decides where a document goes. Of every so many that are not cut one, drawn by the seed, is for
// validation: that is sure to be the share that was asked for, which drawing each document alone is not.
func (p *preparation) choose(q *piece) string {
	st := &p.state
	if p.command.Dedup {
		if p.seen[q.digest] {
			st.Duplicates++
			return toNone
		}
		p.seen[q.digest] = true
		p.seenNew = append(p.seenNew, q.digest[:]...)
	}
	if q.cut {
		return toBoth
	}
	every := p.every()
	group, place := st.Drawn/every, st.Drawn%every
	st.Drawn++
	if drawn(p.command.Seed, group, every) == place {
		return toVal
	}
	return toTrain
}

// drawn returns a number below n that depends on the seed and on i.
func drawn(seed, i, n int64) int64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", seed, i))
	var v uint64
	for _, b := range sum[:7] {
		v = v<<8 | uint64(b)
	}
	return int64(v % uint64(n))
}
