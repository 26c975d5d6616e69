// Logits writes what a network computes, for docs/check_export.py to compare with what other programs do
// with the same weights: after each of the tokens on the command line the logits of the next, as
// little-endian float32s, to standard output.
//
//	go run ./internal/logits CHECKPOINT TOKEN…
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"

	"github.com/vcycle-go/vcycle/multilevel"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "logits:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: logits CHECKPOINT TOKEN…")
	}
	d, _, err := multilevel.LoadDecoder(args[0])
	if err != nil {
		return err
	}
	cfg := d.Config()
	var tokens []int32
	for _, a := range args[1:] {
		id, err := strconv.Atoi(a)
		if err != nil || id < 0 || id >= cfg.Vocab {
			return fmt.Errorf("%q is no token of a vocabulary of %d", a, cfg.Vocab)
		}
		tokens = append(tokens, int32(id))
	}
	if len(tokens) > cfg.Context {
		return fmt.Errorf("%d tokens are more than the context, %d", len(tokens), cfg.Context)
	}
	out := bufio.NewWriter(os.Stdout)
	logits := make([]float32, cfg.Vocab)
	for i := range tokens {
		d.Logits(tokens[:i+1], logits)
		if err := binary.Write(out, binary.LittleEndian, logits); err != nil {
			return err
		}
	}
	return out.Flush()
}
